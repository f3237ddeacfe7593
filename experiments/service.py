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
    complete,
    kpi_problems,
    plan_problems,
    variant_problems,
)
from experiments.enums import Kind, State
from experiments.plan import PinnedBaseline, PinnedDefinition, Plan
from experiments.tables import Experiment, Variant
from kpi import kinds
from kpi.errors import Invalid
from kpi.queries import hypotheses_by_key, kpis_by_key, latest_baselines, latest_definitions
from kpi.service import absent, key_problems, taken, text_problems
from kpi.tables import Baseline, Definition


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
    measured = await measures(session, workspace_id, [choice.kpi for choice in plan.kpis])
    problems = key_problems(key) + text_problems({"name": name, "owner": owner}, required={"name", "owner"})
    problems += variant_problems(variants) + plan_problems(plan) + kpi_problems(plan, measured)
    if believed is None:
        problems.append(absent("hypothesis", hypothesis, "hypothesis"))
    if await queries.experiment_by_key(session, workspace_id, key):
        problems.append(taken("experiment", key))
    if problems or believed is None:
        raise Invalid(problems)
    units = {measure.kpi.unit for measure in measured.values()}
    finished = complete(key, believed.key, believed.direction, kind, variants, plan, measured)
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
    )
    session.add(experiment)
    await session.flush()
    await _add_variants(session, experiment, finished)
    return experiment


async def measures(session: AsyncSession, workspace_id: int, keys: Sequence[str]) -> dict[str, Measure]:
    """The KPIs of these keys as they stand now, with what a plan pins of them."""
    found = await kpis_by_key(session, workspace_id, keys)
    definitions = await latest_definitions(session, [kpi.id for kpi in found.values()])
    baselines = await latest_baselines(session, [definition.id for definition in definitions.values()])
    return {
        key: Measure(
            kpi=kpi,
            definition=_definition(definitions[kpi.id]),
            baseline=_baseline(baselines.get(definitions[kpi.id].id)),
        )
        for key, kpi in found.items()
    }


def _definition(definition: Definition) -> PinnedDefinition:
    return PinnedDefinition(
        id=definition.id,
        version=definition.version,
        kind=definition.kind,
        parameters=definition.parameters,
        events=list(kinds.decode(definition.kind, definition.parameters).events),
    )


def _baseline(baseline: Baseline | None) -> PinnedBaseline | None:
    if baseline is None:
        return None
    return PinnedBaseline(
        version=baseline.version, value=baseline.value, standard_error=baseline.standard_error, n=baseline.n
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
