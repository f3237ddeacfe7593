"""Amending a sealed plan: what changes, and whether the promised error rates survive it.

What is pinned stays pinned: a KPI of the plan keeps its definition and its baseline. Once units have come in, a change
of what the deciding tests rest on - alpha, power, policy, looks, minimum, horizon, a primary KPI, its covariate - is
made with the data in sight. The promised error rate does not hold for it, and results are exploratory from then on.
Who enters and what they are shown is decided before anything is known of them: to change it changes what is estimated,
an average over those of before and after. Where nothing has an effect there is none to find whoever is let in; that it
may change how fast units come, a ramp does as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET, UnsetType
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.enums import Correction, Policy, Role
from experiments.life import story
from experiments.life.lifecycle import Action
from experiments.life.moves import layer_problems, locked, made, move_problems
from experiments.planning import payloads
from experiments.planning import plan as plans
from experiments.planning.draft import (
    CovariateChoice,
    KpiChoice,
    Measure,
    PlanChoice,
    VariantChoice,
    complete,
    kpi_problems,
    plan_problems,
)
from experiments.planning.plan import Covariate, Plan, PlannedKpi
from experiments.planning.targeting import Condition
from experiments.service import holdout_problems, measures
from experiments.tables import Amendment, Experiment
from kpi.actor import Actor
from kpi.errors import Problem, bad, refuse
from kpi.service import absent
from kpi.storage import hold_clearing

TESTING = ("alpha", "power", "policy", "looks", "horizon_days", "minimum_days")
"""What the deciding tests rest on, beside the primary KPIs."""
ENTERING = ("layer", "targeting", "audience", "exclusions", "holdout")
"""Who enters: what is estimated is an average over them."""
SHOWN = "variants."
"""The beginning of a path to what a variant shows."""
NEEDED = {
    "kpis": "kpis",
    "alpha": "alpha",
    "power": "power",
    "policy": "policy",
    "looks": "looks",
    "horizon_days": "horizonDays",
}
"""What every plan has, so that it cannot be cleared; by its name in an input."""
STATED = ("role", "mde", "margin", "covariate")
"""What a person states of a planned KPI; the rest is pinned or follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadChange:
    """What a variant is to show from now on; None for no payload."""

    variant: str
    payload: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """What is to change of a plan: UNSET leaves it as it is, None clears it.

    `kpis` are all of them, those that stay included. Variants that `payloads` does not name keep theirs.
    """

    kpis: Sequence[KpiChoice] | UnsetType | None = UNSET
    alpha: float | UnsetType | None = UNSET
    power: float | UnsetType | None = UNSET
    policy: Policy | UnsetType | None = UNSET
    looks: int | UnsetType | None = UNSET
    horizon_days: int | UnsetType | None = UNSET
    minimum_days: int | UnsetType | None = UNSET
    segment_attributes: Sequence[str] | UnsetType | None = UNSET
    layer: str | UnsetType | None = UNSET
    targeting: Sequence[Condition] | UnsetType | None = UNSET
    audience: str | UnsetType | None = UNSET
    exclusions: str | UnsetType | None = UNSET
    correction: Correction | UnsetType | None = UNSET
    holdout: str | UnsetType | None = UNSET
    payloads: Sequence[PayloadChange] = ()


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
    problems = _amendment_problems(experiment, actor, before, change)
    problems += plan_problems(choice) + kpi_problems(choice, measured)
    refuse(problems + await _surrounding_problems(session, experiment, before, choice))
    held = await queries.experiment_by_key(session, actor.workspace_id, choice.holdout or "")
    variants = _variants(before, {one.variant: one.payload for one in change.payloads})
    after = complete(before.experiment, before.hypothesis, before.change, before.kind, variants, choice, measured)
    after = replace(after, protocol=before.protocol)
    changes = list(differences(before, after))
    if not changes:
        refuse([bad("This amendment changes nothing.", "plan")])
    session.add(await _amendment(session, experiment, actor, changes))
    await queries.forget_covariates(session, experiment.id, _adjusted_otherwise(before, after))
    experiment.plan = plans.to_document(after)
    experiment.holdout_id = None if held is None else held.id
    experiment.plan_json, experiment.plan_hash = plans.canonical(after).decode(), plans.seal(after)
    await queries.outdate(session, experiment, actor.now)
    return await made(session, experiment, Action.AMEND, actor)


def _amendment_problems(experiment: Experiment, actor: Actor, before: Plan, change: PlanChange) -> list[Problem]:
    problems = move_problems(experiment, Action.AMEND)
    if not (actor.reason or "").strip():
        problems.append(bad("An amendment needs a reason: it is shown with every result.", "reason"))
    return problems + _clearing_problems(change) + _payload_problems(before, change.payloads)


async def _surrounding_problems(
    session: AsyncSession, experiment: Experiment, before: Plan, choice: PlanChoice
) -> list[Problem]:
    """What other experiments leave no room for."""
    problems: list[Problem] = []
    if choice.layer not in (None, before.layer):
        problems += await layer_problems(session, experiment, choice.layer, experiment.traffic, "layer")
    if choice.holdout == experiment.key:
        problems.append(bad("An experiment does not keep out its own control.", "plan", "holdout"))
    elif choice.holdout != before.holdout:  # one that was there stays, also when it is over
        problems += await holdout_problems(session, experiment.workspace_id, choice.holdout, before.unit)
    return problems


def differences(before: Plan, after: Plan) -> Iterator[dict[str, Any]]:
    """What an amendment changes: path, before and after of each value that a person stated."""
    old, new = dict(_stated(before)), dict(_stated(after))
    for path in [*old, *(path for path in new if path not in old)]:
        if old.get(path) != new.get(path):
            yield {"path": path, "before": old.get(path), "after": new.get(path)}


def breaks_error_control(changes: Sequence[dict[str, Any]], primaries: frozenset[str]) -> bool:
    """Whether changes touch what the deciding tests rest on. `primaries` are the deciding KPIs before and after."""
    paths = [change["path"] for change in changes]
    return any(path in TESTING or (path.startswith("kpis.") and path.split(".")[1] in primaries) for path in paths)


def changes_estimand(changes: Sequence[dict[str, Any]]) -> bool:
    """Whether changes touch who enters, or what they are shown."""
    return any(change["path"] in ENTERING or change["path"].startswith(SHOWN) for change in changes)


def _stated(plan: Plan) -> Iterator[tuple[str, Any]]:
    document = plans.to_document(plan)
    yield from ((name, document.get(name)) for name in (*TESTING, "segment_attributes", "correction", *ENTERING))
    yield from ((f"{SHOWN}{variant['key']}.payload", variant.get("payload")) for variant in document["variants"])
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
        targeting=plan.targeting,
        correction=plan.correction,
        holdout=plan.holdout,
    )
    changed = {name: getattr(change, name) for name in PlanChange.__slots__ if name != "payloads"}
    changed |= {"segment_attributes": ()} if change.segment_attributes is None else {}
    is_left = {name for name, value in changed.items() if value is UNSET or (value is None and name in NEEDED)}
    return replace(stated, **{name: value for name, value in changed.items() if name not in is_left})


def _clearing_problems(change: PlanChange) -> list[Problem]:
    cleared = [path for name, path in NEEDED.items() if getattr(change, name) is None]
    return [bad(f"{path} cannot be cleared: no plan is without.", "plan", path) for path in cleared]


def _payload_problems(plan: Plan, changes: Sequence[PayloadChange]) -> list[Problem]:
    problems: list[Problem] = []
    known, named = {variant.key for variant in plan.variants}, [one.variant for one in changes]
    for place, one in enumerate(changes):
        path = ("payloads", str(place))
        if one.variant not in known:
            problems.append(absent("variant", one.variant, *path, "variant"))
        if one.variant in named[:place]:
            problems.append(bad(f"The payload of “{one.variant}” is stated twice.", *path, "variant"))
        if one.payload is not None:
            problems += [bad(fault, *path, "payload") for fault in payloads.faults(one.payload)]
    return problems


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


def _variants(plan: Plan, shown: Mapping[str, Any]) -> list[VariantChoice]:
    return [
        VariantChoice(
            key=variant.key,
            name=variant.name,
            weight=variant.weight,
            is_control=variant.is_control,
            payload=shown.get(variant.key, variant.payload),
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
    has_units = await story.has_units(session, experiment.id)
    return Amendment(
        workspace_id=actor.workspace_id,
        experiment_id=experiment.id,
        number=len(before) + 1,
        by=actor.name,
        reason=actor.reason or "",
        changes=changes,
        breaks_error_control=has_units and breaks_error_control(changes, primaries),
        changes_estimand=has_units and changes_estimand(changes),
        replaced_json=experiment.plan_json or "",
        replaced_hash=experiment.plan_hash or "",
        created_at=actor.now,
    )
