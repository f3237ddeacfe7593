"""What can be done with experiments. Each function is one action in the caller's transaction.

An input with faults raises `Invalid` with all of them, and stores nothing.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import plan as plans
from experiments import queries
from experiments.draft import (
    Measure,
    PlanChoice,
    VariantChoice,
    bad,
    complete,
    kpi_problems,
    plan_problems,
    variant_problems,
)
from experiments.enums import Kind, State
from experiments.plan import Plan
from experiments.tables import Experiment, Variant
from kpi.errors import Code, Invalid, NotFound, Problem
from kpi.gate import midnight
from kpi.ingest import EARLIEST, SKEW
from kpi.queries import hold_floor, hold_rows, hypotheses_by_key, kpis_by_key, latest_baselines, latest_definitions
from kpi.service import absent, key_problems, taken, text_problems


async def register(
    session: AsyncSession,
    *,
    workspace_id: int,
    now: datetime,
    key: str,
    name: str,
    hypothesis: str,
    kind: Kind,
    owner: str,
    variants: Sequence[VariantChoice],
    plan: PlanChoice,
) -> Experiment:
    """Register an experiment as a draft, with its plan complete but not sealed yet."""
    believed = (await hypotheses_by_key(session, workspace_id, [hypothesis])).get(hypothesis)
    measured = await _measures(session, workspace_id, [choice.kpi for choice in plan.kpis])
    problems = key_problems(key) + text_problems({"name": name, "owner": owner}, required={"name", "owner"})
    problems += variant_problems(variants) + plan_problems(plan) + kpi_problems(plan, measured)
    if believed is None:
        problems.append(absent("hypothesis", hypothesis, "hypothesis"))
    if await queries.experiment_by_key(session, workspace_id, key):
        problems.append(taken("experiment", key))
    if problems or believed is None:
        raise Invalid(problems)
    units = {measure.kpi.unit for measure in measured.values()}
    finished = complete(key, believed, kind, variants, plan, measured)
    experiment = Experiment(
        workspace_id=workspace_id,
        key=key,
        name=name,
        hypothesis_id=believed.id,
        kind=kind,
        unit=units.pop(),
        owner=owner,
        state=State.DRAFT,
        plan=plans.to_document(finished),
        plan_json=None,
        plan_hash=None,
        sealed_at=None,
        started_at=None,
        stopped_at=None,
        created_at=now,
    )
    session.add(experiment)
    await session.flush()
    await _add_variants(session, experiment, finished)
    return experiment


async def start(
    session: AsyncSession, *, workspace_id: int, experiment_id: int, now: datetime, started_at: datetime | None = None
) -> Experiment:
    """Seal the plan and start. A start in the past, to take in history, shows as a plan sealed after its data.

    Starting what runs already changes nothing.
    """
    await hold_rows(session, workspace_id)  # what its covariates read is not being dropped just now
    experiment = await queries.lock_experiment(session, workspace_id, experiment_id)
    if experiment is None:
        raise NotFound
    if experiment.state is State.RUNNING:
        return experiment
    begins = started_at or now
    problems = _time_problems("startedAt", begins, now)
    if experiment.state is not State.DRAFT:
        problems.append(
            _wrong_state(f"“{experiment.key}” has been stopped; a stopped experiment does not start again.")
        )
    if problems:
        raise Invalid(problems)
    sealed = plans.from_document(experiment.plan)
    experiment.plan_json = plans.canonical(sealed).decode()
    experiment.plan_hash = plans.seal(sealed)
    experiment.sealed_at = now
    experiment.started_at = begins
    experiment.state = State.RUNNING
    return experiment


async def stop(
    session: AsyncSession, *, workspace_id: int, experiment_id: int, now: datetime, stopped_at: datetime | None = None
) -> Experiment:
    """Stop taking units in; those inside are measured until their windows close. Stopping twice changes nothing."""
    frozen = midnight(await hold_floor(session, workspace_id))  # first, as an ingest does: else they could lock up
    experiment = await queries.lock_experiment(session, workspace_id, experiment_id)
    if experiment is None:
        raise NotFound
    if experiment.state is State.STOPPED:
        return experiment
    ends = stopped_at or now
    problems = _time_problems("stoppedAt", ends, now)
    if frozen is not None and ends < frozen:
        problems.append(bad(f"What happened before {frozen.date()} is final: rows may have been dropped.", "stoppedAt"))
    elif experiment.started_at is None:
        problems.append(_wrong_state(f"“{experiment.key}” has not started yet, so there is nothing to stop."))
    elif ends < experiment.started_at:
        problems.append(bad("An experiment stops after it has started.", "stoppedAt"))
    if problems:
        raise Invalid(problems)
    experiment.stopped_at = ends
    experiment.state = State.STOPPED
    await queries.outdate(session, experiment, now)
    return experiment


async def _measures(session: AsyncSession, workspace_id: int, keys: Sequence[str]) -> dict[str, Measure]:
    found = await kpis_by_key(session, workspace_id, keys)
    definitions = await latest_definitions(session, [kpi.id for kpi in found.values()])
    baselines = await latest_baselines(session, [definition.id for definition in definitions.values()])
    return {
        key: Measure(kpi=kpi, definition=definitions[kpi.id], baseline=baselines.get(definitions[kpi.id].id))
        for key, kpi in found.items()
    }


async def _add_variants(session: AsyncSession, experiment: Experiment, plan: Plan) -> None:
    for variant in plan.variants:
        session.add(
            Variant(
                experiment_id=experiment.id,
                key=variant.key,
                name=variant.name,
                weight=variant.weight,
                is_control=variant.is_control,
            )
        )
    await session.flush()


def _time_problems(field: str, at: datetime, now: datetime) -> list[Problem]:
    if at > now + SKEW:
        return [bad(f"{field} is in the future.", field)]
    if at < EARLIEST:
        return [bad(f"{field} is before 1990.", field)]
    return []


def _wrong_state(message: str) -> Problem:
    return Problem(code=Code.WRONG_STATE, message=message, path=("id",))
