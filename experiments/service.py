"""What can be done with experiments. Each function is one action in the caller's transaction.

An input with faults raises `Invalid` with all of them, and stores nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.enums import Kind, Role, State
from experiments.life import story
from experiments.life.lifecycle import MEASURING
from experiments.life.traffic import open_days
from experiments.planning import plan as plans
from experiments.planning.calculator import sketch
from experiments.planning.design import Designed, Setting, Traffic
from experiments.planning.draft import (
    DesignChoice,
    Measure,
    PlanChoice,
    VariantChoice,
    complete,
    kpi_problems,
    plan_problems,
    variant_problems,
)
from experiments.planning.plan import PinnedBaseline, PinnedDefinition, Plan
from experiments.planning.terms import PlanPart, Protocol, fill
from experiments.programme.library import latest_protocol
from experiments.tables import Experiment, Variant
from kpi import kinds
from kpi.enums import Unit
from kpi.errors import Invalid, Problem, bad
from kpi.queries import hypotheses_by_key, kpis_by_key, latest_baselines, latest_definitions
from kpi.service import absent, key_problems, taken, text_problems
from kpi.tables import Baseline, Definition
from kpi.workspaces import workspace_by_id

ACCRUAL_DAYS = 28
"""Days of the past from which the traffic to come is judged."""


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
    plan: PlanPart | PlanChoice,
    protocol: str | None = None,
) -> Experiment:
    """Register an experiment as a draft, with its plan complete but not sealed yet.

    What is stated of the plan is filled in by the latest version of the protocol, if one is named, and keeps to it.
    """
    believed = (await hypotheses_by_key(session, workspace_id, [hypothesis])).get(hypothesis)
    kept = None if protocol is None else await latest_protocol(session, workspace_id, protocol)
    filled = fill(plan, kept)
    choice = filled.plan
    measured = await measures(session, workspace_id, [chosen.kpi for chosen in choice.kpis])
    problems = key_problems(key) + text_problems({"name": name, "owner": owner}, required={"name", "owner"})
    problems += await _protocol_problems(session, workspace_id, protocol, kept) + filled.problems
    problems += variant_problems(variants) + plan_problems(choice) + kpi_problems(choice, measured)
    units = {measure.kpi.unit for measure in measured.values()}
    problems += await holdout_problems(session, workspace_id, choice.holdout, *units)
    if believed is None:
        problems.append(absent("hypothesis", hypothesis, "hypothesis"))
    if await queries.experiment_by_key(session, workspace_id, key):
        problems.append(taken("experiment", key))
    if problems or believed is None:
        raise Invalid(problems)
    held = await queries.experiment_by_key(session, workspace_id, choice.holdout or "")
    finished = complete(key, believed.key, believed.direction, kind, variants, choice, measured)
    finished = replace(finished, protocol=None if kept is None else kept.pin)
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
        traffic=finished.traffic or 1.0,
        holdout_id=None if held is None else held.id,
    )
    session.add(experiment)
    await session.flush()
    await _add_variants(session, experiment, finished)
    return experiment


async def holdout_problems(session: AsyncSession, workspace_id: int, key: str | None, *units: Unit) -> list[Problem]:
    """Why experiments on these units cannot keep an experiment's control out. It may start after them."""
    if key is None:
        return []
    held, path = await queries.experiment_by_key(session, workspace_id, key), ("plan", "holdout")
    if held is None:
        return [absent("experiment", key, *path)]
    if held.state not in MEASURING | {State.DRAFT}:
        return [bad(f"“{key}” is {held.state.lower()}: it holds nobody out any more.", *path)]
    strange = [unit for unit in units if unit is not held.unit]
    return [bad(f"“{key}” holds out {held.unit.lower()}s, and no {unit.lower()}s.", *path) for unit in strange]


async def design(
    session: AsyncSession, connection: asyncpg.Connection, *, workspace_id: int, asked: DesignChoice
) -> Designed:
    """Work a plan out before anything is registered. `connection` is the session's own. Raises Invalid."""
    measured = await measures(session, workspace_id, [kpi.kpi for kpi in asked.plan.kpis])
    problems = [_unrooted(problem) for problem in plan_problems(asked.plan)]
    problems += [_unrooted(problem) for problem in kpi_problems(asked.plan, measured, is_sketch=True)]
    problems += asked.problems()
    if problems:
        raise Invalid(problems)
    traffic = await _traffic(session, connection, workspace_id, asked, measured)
    setting = Setting(
        weights=tuple(asked.weights),
        alpha=asked.plan.alpha,
        power=asked.plan.power,
        policy=asked.plan.policy,
        looks=asked.plan.looks,
        horizon_days=asked.plan.horizon_days if asked.has_horizon else None,
        units_per_day=None if traffic is None else traffic.units_per_day,
        primaries=sum(kpi.role is Role.PRIMARY for kpi in asked.plan.kpis),
        guardrails=sum(kpi.margin is not None for kpi in asked.plan.kpis),
    )
    rows = [(kpi, measured[kpi.kpi], rho) for kpi, rho in zip(asked.plan.kpis, asked.correlations, strict=True)]
    # Off the loop: a plan with many KPIs takes a second of arithmetic.
    return Designed(sketch=await asyncio.to_thread(sketch, setting, rows), traffic=traffic)


async def _traffic(
    session: AsyncSession,
    connection: asyncpg.Connection,
    workspace_id: int,
    asked: DesignChoice,
    measured: Mapping[str, Measure],
) -> Traffic | None:
    """The units a day that are stated, or those of the latest experiment as far as it was open."""
    if asked.units_per_day is not None:
        return Traffic(units_per_day=asked.units_per_day * asked.traffic)
    unit = measured[asked.plan.kpis[0].kpi].kpi.unit
    seen = await queries.accrual(connection, workspace_id, unit, ACCRUAL_DAYS)
    if seen is None:
        return None
    latest = (await queries.experiments_by_id(session, workspace_id, [seen.experiment_id]))[seen.experiment_id]
    steps = (await story.steps_of(session, [latest.id]))[latest.id]
    days = open_days(latest, steps, first=seen.from_on, end=seen.to_on + timedelta(days=1))
    if not days:
        return None
    return Traffic(
        units_per_day=seen.units / days * asked.traffic,
        experiment=latest.key,
        from_on=seen.from_on,
        to_on=seen.to_on,
    )


def _unrooted(problem: Problem) -> Problem:
    """A problem of a plan whose fields stand in the input itself."""
    return replace(problem, path=problem.path[1:] if problem.path[:1] == ("plan",) else problem.path)


async def measures(session: AsyncSession, workspace_id: int, keys: Sequence[str]) -> dict[str, Measure]:
    """The KPIs of these keys as they stand now, with what a plan pins of them."""
    found = await kpis_by_key(session, workspace_id, keys)
    definitions = await latest_definitions(session, [kpi.id for kpi in found.values()])
    baselines = await latest_baselines(session, [definition.id for definition in definitions.values()])
    return {
        key: Measure(
            kpi=kpi,
            definition=_definition(definitions[kpi.id]),
            baseline=_baseline(baselines.get(definitions[kpi.id].id), definitions[kpi.id].kind),
        )
        for key, kpi in found.items()
    }


async def _protocol_problems(
    session: AsyncSession, workspace_id: int, key: str | None, found: Protocol | None
) -> list[Problem]:
    if key is not None:
        return [] if found is not None else [absent("protocol", key, "protocol")]
    workspace = await workspace_by_id(session, workspace_id)
    return [bad("Experiments of this workspace follow a protocol: name one.", "protocol")] * workspace.requires_protocol


def _definition(definition: Definition) -> PinnedDefinition:
    return PinnedDefinition(
        id=definition.id,
        version=definition.version,
        kind=definition.kind,
        parameters=definition.parameters,
        events=list(kinds.decode(definition.kind, definition.parameters).events),
    )


def _baseline(baseline: Baseline | None, kind: str) -> PinnedBaseline | None:
    """A total's is of all its units together: a plan has it per unit, as variants are compared; none without n."""
    is_total = kind == "total"
    if baseline is None or (is_total and baseline.n is None):
        return None
    units = baseline.n if is_total and baseline.n is not None else 1
    return PinnedBaseline(
        version=baseline.version,
        value=baseline.value / units,
        standard_error=baseline.standard_error / units,
        n=baseline.n,
    )


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
