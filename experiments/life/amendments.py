"""Amending a sealed plan: what changes, and whether the promised error rates survive it.

What is pinned stays pinned: a KPI of the plan keeps its definition and its baseline. Once units have come in, a change
of what the deciding tests rest on - alpha, power, policy, looks, minimum, horizon, a primary KPI, its covariate - is
made with the data in sight. The promised error rate does not hold for it, and results are exploratory from then on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.enums import Policy, Role
from experiments.life import story
from experiments.life.lifecycle import Action
from experiments.life.moves import locked, made, move_problems
from experiments.planning import plan as plans
from experiments.planning.draft import (
    CovariateChoice,
    KpiChoice,
    Measure,
    PlanChoice,
    VariantChoice,
    bad,
    complete,
    kpi_problems,
    plan_problems,
)
from experiments.planning.plan import Covariate, Plan, PlannedKpi
from experiments.service import measures
from experiments.tables import Amendment, Experiment
from kpi.actor import Actor
from kpi.errors import refuse
from kpi.storage import hold_clearing

TESTING = ("alpha", "power", "policy", "looks", "horizon_days", "minimum_days")
"""What the deciding tests rest on, beside the primary KPIs."""
STATED = ("role", "mde", "margin", "covariate")
"""What a person states of a planned KPI; the rest is pinned or follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """What is to change of a plan; None leaves it as it is. `kpis` are all of them, those that stay included."""

    kpis: Sequence[KpiChoice] | None = None
    alpha: float | None = None
    power: float | None = None
    policy: Policy | None = None
    looks: int | None = None
    horizon_days: int | None = None
    minimum_days: int | None = None
    segment_attributes: Sequence[str] | None = None


async def amend(session: AsyncSession, *, actor: Actor, experiment_id: int, change: PlanChange) -> Experiment:
    """Change a sealed plan, and record who, when, why and what. Raises Invalid with all problems."""
    await hold_clearing(session, actor.workspace_id)  # what its covariates read is not being dropped just now
    experiment = await locked(session, actor, experiment_id)
    problems = move_problems(experiment, Action.AMEND)
    if not (actor.reason or "").strip():
        problems.append(bad("An amendment needs a reason: it is shown with every result.", "reason"))
    before = plans.from_document(experiment.plan)
    choice = _choice(before, change)
    measured = await _measured(session, actor, before, choice)
    refuse(problems + plan_problems(choice) + kpi_problems(choice, measured))
    after = complete(
        before.experiment, before.hypothesis, before.change, before.kind, _variants(before), choice, measured
    )
    after = replace(after, protocol=before.protocol)
    changes = list(differences(before, after))
    if not changes:
        refuse([bad("This amendment changes nothing.", "plan")])
    session.add(await _amendment(session, experiment, actor, changes))
    await queries.forget_covariates(session, experiment.id, _adjusted_otherwise(before, after))
    experiment.plan = plans.to_document(after)
    experiment.plan_json, experiment.plan_hash = plans.canonical(after).decode(), plans.seal(after)
    await queries.outdate(session, experiment, actor.now)
    return made(session, experiment, Action.AMEND, actor)


def differences(before: Plan, after: Plan) -> Iterator[dict[str, Any]]:
    """What an amendment changes: path, before and after of each value that a person stated."""
    old, new = dict(_stated(before)), dict(_stated(after))
    for path in [*old, *(path for path in new if path not in old)]:
        if old.get(path) != new.get(path):
            yield {"path": path, "before": old.get(path), "after": new.get(path)}


def breaks_error_control(changes: Sequence[dict[str, Any]], primaries: frozenset[str]) -> bool:
    """Whether changes touch what the deciding tests rest on. `primaries` are the deciding KPIs before and after."""
    touched = {change["path"] for change in changes}
    return any(path in TESTING or path.partition(".")[2].rpartition(".")[0] in primaries for path in touched)


def _stated(plan: Plan) -> Iterator[tuple[str, Any]]:
    document = plans.to_document(plan)
    yield from ((name, document.get(name)) for name in (*TESTING, "segment_attributes"))
    for planned in document["kpis"]:
        yield from ((f"kpis.{planned['kpi']}.{name}", planned.get(name)) for name in STATED)


def _primaries(changes: Sequence[dict[str, Any]], plan: Plan) -> frozenset[str]:
    deciding = {planned.kpi for planned in plan.primaries}
    roles = [change for change in changes if change["path"].endswith(".role")]
    new = {change["path"].split(".")[1] for change in roles if change["after"] == Role.PRIMARY}
    return frozenset(deciding | new)


def _choice(plan: Plan, change: PlanChange) -> PlanChoice:
    stated = PlanChoice(
        kpis=[_kept(planned) for planned in plan.kpis],
        alpha=plan.alpha,
        power=plan.power,
        policy=plan.policy,
        looks=plan.looks,
        horizon_days=plan.horizon_days,
        segment_attributes=plan.segment_attributes,
        minimum_days=plan.minimum_days,
        layer=plan.layer,
        traffic=plan.traffic,
        audience=plan.audience,
        exclusions=plan.exclusions,
    )
    changed = {name: getattr(change, name) for name in PlanChange.__slots__}
    return replace(stated, **{name: value for name, value in changed.items() if value is not None})


def _kept(planned: PlannedKpi) -> KpiChoice:
    return KpiChoice(
        kpi=planned.kpi,
        role=planned.role,
        mde_difference=planned.mde,
        margin=planned.margin,
        covariate=None if planned.covariate is None else _kept_covariate(planned.covariate),
    )


def _kept_covariate(covariate: Covariate) -> CovariateChoice:
    return CovariateChoice(
        attribute=covariate.attribute,
        pre_exposure_days=covariate.pre_exposure_days,
        when_missing=covariate.when_missing,
        correlation=covariate.correlation,
    )


def _adjusted_otherwise(before: Plan, after: Plan) -> list[int]:
    """The definitions whose covariate is another one, or none any more."""
    now = {planned.kpi: planned.covariate for planned in after.kpis}
    return [planned.definition.id for planned in before.kpis if planned.covariate != now.get(planned.kpi)]


def _variants(plan: Plan) -> list[VariantChoice]:
    return [
        VariantChoice(
            key=variant.key,
            name=variant.name,
            weight=variant.weight,
            is_control=variant.is_control,
            payload=variant.payload,
        )
        for variant in plan.variants
    ]


async def _measured(session: AsyncSession, actor: Actor, plan: Plan, choice: PlanChoice) -> dict[str, Measure]:
    found = await measures(session, actor.workspace_id, [kpi.kpi for kpi in choice.kpis])
    pinned = {planned.kpi: planned for planned in plan.kpis}
    return {
        key: replace(measure, definition=pinned[key].definition, baseline=pinned[key].baseline)
        if key in pinned
        else measure
        for key, measure in found.items()
    }


async def _amendment(
    session: AsyncSession, experiment: Experiment, actor: Actor, changes: list[dict[str, Any]]
) -> Amendment:
    before = (await story.amendments_of(session, [experiment.id])).get(experiment.id, [])
    primaries = _primaries(changes, plans.from_document(experiment.plan))
    return Amendment(
        workspace_id=actor.workspace_id,
        experiment_id=experiment.id,
        number=len(before) + 1,
        by=actor.name,
        reason=actor.reason or "",
        changes=changes,
        breaks_error_control=breaks_error_control(changes, primaries) and await story.has_units(session, experiment.id),
        replaced_json=experiment.plan_json or "",
        replaced_hash=experiment.plan_hash or "",
        created_at=actor.now,
    )
