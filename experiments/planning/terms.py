"""The terms of a protocol: the parts of a plan that a workspace decides once, each fixed or to start from.

What an experiment leaves out is filled in from them. What it states must keep those that are fixed: each fault is told
with the path to the field. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

import msgspec

from experiments.enums import Correction, Policy, Role
from experiments.planning.draft import (
    LONGEST_HORIZON,
    NO_PRIMARY,
    KpiChoice,
    Measure,
    PlanChoice,
    kpi_problems,
    plan_problems,
)
from experiments.planning.plan import PinnedProtocol
from experiments.planning.targeting import Condition, canonical
from kpi.errors import Problem, bad

USUAL: Mapping[str, Any] = {
    "alpha": 0.05,
    "power": 0.8,
    "policy": Policy.GROUP_SEQUENTIAL,
    "looks": 4,
    "segment_attributes": (),
}
"""What holds where neither an experiment nor its protocol says anything. A horizon has to be said."""
SOME_MDE = 1.0
"""Stands for the mde that an experiment has yet to state, so that no other rule is broken for want of it."""


class PlanField(StrEnum):
    """A field of a plan that a protocol may fix."""

    ALPHA = "ALPHA"
    POWER = "POWER"
    POLICY = "POLICY"
    LOOKS = "LOOKS"
    HORIZON_DAYS = "HORIZON_DAYS"
    SEGMENT_ATTRIBUTES = "SEGMENT_ATTRIBUTES"
    CORRECTION = "CORRECTION"
    HOLDOUT = "HOLDOUT"
    TARGETING = "TARGETING"

    @property
    def attribute(self) -> str:
        """Its name in a plan."""
        return self.value.lower()

    @property
    def path(self) -> str:
        """Its name in an input."""
        head, *rest = self.attribute.split("_")
        return head + "".join(part.title() for part in rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiTerms:
    """A KPI's part in the plans of a protocol. What is None is left to the experiment."""

    kpi: str
    role: Role
    mde_difference: float | None = None
    mde_lift: float | None = None
    margin: float | None = None
    is_fixed: bool = True

    @property
    def has_mde(self) -> bool:
        """Whether it says what the smallest effect worth having is."""
        return self.mde_difference is not None or self.mde_lift is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a protocol says of a plan; None says nothing. `fixed` are the fields that an experiment cannot change."""

    kpis: Sequence[KpiTerms] = ()
    alpha: float | None = None
    power: float | None = None
    policy: Policy | None = None
    looks: int | None = None
    horizon_days: int | None = None
    segment_attributes: Sequence[str] | None = None
    correction: Correction | None = None
    holdout: str | None = None
    targeting: Sequence[Condition] | None = None
    fixed: Sequence[PlanField] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPart:
    """What a person states of a plan; None leaves it to the protocol, or to what is usual."""

    kpis: Sequence[KpiChoice] | None = None
    alpha: float | None = None
    power: float | None = None
    policy: Policy | None = None
    looks: int | None = None
    horizon_days: int | None = None
    segment_attributes: Sequence[str] | None = None
    minimum_days: int | None = None
    layer: str | None = None
    traffic: float | None = None
    audience: str | None = None
    exclusions: str | None = None
    targeting: Sequence[Condition] | None = None
    correction: Correction | None = None
    holdout: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A version of a protocol: its name in a sealed plan, and its terms."""

    pin: PinnedProtocol
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A plan that says everything, and what is wrong with how it came about."""

    plan: PlanChoice
    problems: list[Problem] = field(default_factory=list)


def from_document(document: Mapping[str, Any]) -> Terms:
    """Stored terms as what they are."""
    return msgspec.convert(document, Terms)


def to_document(terms: Terms) -> dict[str, Any]:
    """Terms as plain JSON values: equal terms make equal documents."""
    return dict(msgspec.json.decode(msgspec.json.encode(terms)))


def fill(part: PlanPart | PlanChoice, protocol: Protocol | None) -> Filled:
    """What is stated, what the protocol adds, and else what is usual; with each departure from what is fixed."""
    terms = Terms() if protocol is None else protocol.terms
    problems = [] if protocol is None else list(_departures(part, protocol))
    values = dict(USUAL) | _said(terms) | _said(part)
    if "horizon_days" not in values:
        sentence = "horizonDays is missing: it is the days from start to the last look."
        problems.append(bad(sentence, "plan", "horizonDays"))
        values["horizon_days"] = LONGEST_HORIZON  # so that no other rule is broken for want of it
    added = _added(part, terms)
    for kpi in added:
        if kpi.role is Role.PRIMARY and not kpi.has_mde:
            sentence = f"The protocol has “{kpi.kpi}” as a primary KPI and leaves its mde to the experiment: state it."
            problems.append(bad(sentence, "plan", "kpis"))
    values["kpis"] = [*(_completed(choice, terms) for choice in part.kpis or ()), *map(_whole, added)]
    return Filled(plan=PlanChoice(**values), problems=problems)


def terms_problems(terms: Terms, measured: Mapping[str, Measure]) -> list[Problem]:
    """The rules that the terms of a protocol keep: those of a plan, as far as they say something of it."""
    kpis = [_whole(kpi) for kpi in terms.kpis]
    plan = PlanChoice(**({"horizon_days": LONGEST_HORIZON} | dict(USUAL) | _said(terms) | {"kpis": kpis}))
    problems = plan_problems(plan) + [fault for fault in kpi_problems(plan, measured) if fault is not NO_PRIMARY]
    for place, name in enumerate(terms.fixed):
        if getattr(terms, name.attribute) is None:
            problems.append(bad(f"What is fixed has a value: {name.path} has none.", "plan", "fixed", str(place)))
        if name in terms.fixed[:place]:
            problems.append(bad(f"{name.path} is fixed twice.", "plan", "fixed", str(place)))
    return problems


def _said(part: Any) -> dict[str, Any]:
    """What is said of a plan, but for its KPIs."""
    values = {item.name: getattr(part, item.name) for item in fields(part) if item.name not in ("kpis", "fixed")}
    return {name: value for name, value in values.items() if value is not None}


def _added(part: PlanPart | PlanChoice, terms: Terms) -> list[KpiTerms]:
    """The protocol's KPIs that come in beside those that are stated: the fixed ones, and all if none are stated."""
    stated = {choice.kpi for choice in part.kpis or ()}
    return [kpi for kpi in terms.kpis if kpi.kpi not in stated and (kpi.is_fixed or part.kpis is None)]


def _whole(kpi: KpiTerms) -> KpiChoice:
    """The part it has in a plan, with some mde where the experiment has to state one."""
    mde = SOME_MDE if kpi.role is Role.PRIMARY and not kpi.has_mde else kpi.mde_difference
    return KpiChoice(kpi=kpi.kpi, role=kpi.role, mde_difference=mde, mde_lift=kpi.mde_lift, margin=kpi.margin)


def _completed(choice: KpiChoice, terms: Terms) -> KpiChoice:
    """A stated KPI with the margin and mde that the protocol has for it, in the same role."""
    found = next((kpi for kpi in terms.kpis if kpi.kpi == choice.kpi and kpi.role is choice.role), None)
    if found is None:
        return choice
    completed = choice if choice.margin is not None else replace(choice, margin=found.margin)
    if choice.mde_difference is not None or choice.mde_lift is not None:
        return completed
    return replace(completed, mde_difference=found.mde_difference, mde_lift=found.mde_lift)


def _departures(part: PlanPart | PlanChoice, protocol: Protocol) -> Iterator[Problem]:
    fixes = f"The protocol “{protocol.pin.key}” (version {protocol.pin.version}) fixes"
    for name in protocol.terms.fixed:
        stated, fixed = getattr(part, name.attribute), getattr(protocol.terms, name.attribute)
        if stated is not None and not _keeps(stated, fixed):
            yield bad(f"{fixes} {name.path} at {_shown(fixed)}.", "plan", name.path)
    fixed_kpis = {kpi.kpi: kpi for kpi in protocol.terms.kpis if kpi.is_fixed}
    for place, choice in enumerate(part.kpis or ()):
        if choice.kpi in fixed_kpis:
            for path, value in _kpi_departures(choice, fixed_kpis[choice.kpi]):
                yield bad(f"{fixes} the {path} of “{choice.kpi}” at {value}.", "plan", "kpis", str(place), path)


def _kpi_departures(choice: KpiChoice, fixed: KpiTerms) -> Iterator[tuple[str, str]]:
    if choice.role is not fixed.role:
        yield "role", fixed.role
        return
    if choice.margin is not None and choice.margin != fixed.margin:
        yield "margin", _shown(fixed.margin)
    stated = (choice.mde_difference, choice.mde_lift)
    if fixed.has_mde and stated not in ((None, None), (fixed.mde_difference, fixed.mde_lift)):
        said = f"a difference of {fixed.mde_difference}" if fixed.mde_lift is None else f"a lift of {fixed.mde_lift}"
        yield "mde", said


def _keeps(stated: Any, fixed: Any) -> bool:
    """Whether what is stated is what is fixed; conditions may have others beside them, for all hold."""
    if not isinstance(fixed, Sequence) or isinstance(fixed, str):
        return bool(stated == fixed)
    if any(isinstance(one, Condition) for one in fixed):
        among = canonical(stated)
        return all(one in among for one in canonical(fixed))
    return list(stated) == list(fixed)


def _shown(value: Any) -> str:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return str(value)
    return ", ".join(one.sentence if isinstance(one, Condition) else one for one in value) or "none"
