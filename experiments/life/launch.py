"""The checks before a launch: whether a plan can answer its question, and whether anything stands in its way. Pure.

A check passes, warns or blocks. Only what would spoil the data of other experiments as well blocks; the rest is for the
team to weigh. What is known of the workspace comes in as `Surroundings`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from math import ceil

from experiments.inference.cohorts import decode
from experiments.planning.draft import LONGEST_HORIZON
from experiments.planning.plan import Plan, PlannedKpi
from kpi.tables import Baseline

STALE_DAYS = 90
"""A baseline that is older is from before a quarter of changes to the product."""
LATELY_DAYS = 7
COSTLY_SPLIT = 1.25
"""Times the units of an even split from which on a split is called very uneven: 75 to 25 is just beyond, 70 to 30 not.
"""
FULL = 1 + 1e-9
"""Shares that add up to a whole may come to a little more in binary."""


class Check(StrEnum):
    """What is checked before a launch."""

    POWER = "POWER"
    BASELINE = "BASELINE"
    WEIGHTS = "WEIGHTS"
    OVERLAP = "OVERLAP"
    DATA = "DATA"
    AUDIENCE = "AUDIENCE"
    HOLDOUT = "HOLDOUT"


class CheckState(StrEnum):
    """What a check says: go on, think again, or not like this."""

    PASS = "PASS"  # noqa: S105 - no password
    WARN = "WARN"
    BLOCK = "BLOCK"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchCheck:
    """One thing checked before a launch, in a sentence."""

    kind: Check
    state: CheckState
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """An experiment of the workspace that measures now, on the same kind of unit; `traffic` is what it takes now.

    `holdout` is the experiment whose control it keeps out.
    """

    key: str
    layer: str | None
    traffic: float
    primaries: frozenset[str]
    holdout: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrual:
    """How many units a day an experiment took in last, reckoned up to all traffic."""

    experiment: str
    daily: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a draft meets: baselines by definition, oldest first; events that ever came in, and those of late.

    `segment` is whom the hypothesis is about, in words.
    """

    baselines: Mapping[int, Sequence[Baseline]]
    neighbours: Sequence[Neighbour]
    accrual: Accrual | None
    known_events: frozenset[str]
    late_events: frozenset[str]
    segment: str | None = None


def checks(plan: Plan, around: Surroundings, now: datetime) -> list[LaunchCheck]:
    """Everything checked of a draft, in the order in which it is read."""
    return [
        _power(plan, around.accrual),
        *(_baseline(kpi, around.baselines.get(kpi.definition.id, ()), now) for kpi in plan.primaries),
        _weights(plan),
        *_overlap(plan, around.neighbours),
        *(_data(kpi, around) for kpi in plan.kpis),
        *_audience(plan, around.segment),
        *_holdout(plan, around.neighbours),
    ]


# --- power -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """Units that a deciding KPI needs in all variants together, and the days it takes a unit to be final."""

    kpi: PlannedKpi
    units: float
    window: int

    def horizon(self, daily: float) -> int:
        """The days from start until so many a day are enough and final."""
        return ceil(self.units / daily) + self.window


def _needs(plan: Plan) -> list[_Need]:
    found: list[_Need] = []
    for kpi in plan.primaries:
        units = replace(plan, kpis=[kpi]).planned_units  # what it needs as a deciding KPI is pinned with it
        if units is not None:
            found.append(_Need(kpi=kpi, units=units, window=decode(kpi).window[1]))
    return found


def _power(plan: Plan, accrual: Accrual | None) -> LaunchCheck:
    needs, noun = _needs(plan), f"{plan.unit.lower()}s"
    if not needs:
        sentence = "No primary KPI has a baseline that says how units spread, so how many are needed is not known."
        return _warn(Check.POWER, sentence)
    if accrual is None or not accrual.daily:
        need = max(needs, key=lambda need: need.units)
        sentence = (
            f"About {need.units:,.0f} {noun} are needed for “{need.kpi.kpi}”; how many come a day is not known,"
            " for no experiment has taken any in."
        )
        return _warn(Check.POWER, sentence)
    daily = accrual.daily * (1 if plan.traffic is None else plan.traffic)
    need = max(needs, key=lambda need: need.horizon(daily))
    come = daily * (plan.horizon_days - need.window)
    sentence = (
        f"About {need.units:,.0f} {noun} are needed for “{need.kpi.kpi}”; about {come:,.0f} come and are final within"
        f" {plan.horizon_days} days, {daily:,.0f} a day as in “{accrual.experiment}”."
    )
    if come >= need.units:
        return _pass(Check.POWER, sentence)
    return _warn(Check.POWER, f"{sentence} {_remedy(need.horizon(daily))}")


def _remedy(horizon: int) -> str:
    if horizon > LONGEST_HORIZON:
        return "No horizon is long enough: plan for a larger effect, or on another KPI."
    return f"A horizon of {horizon} days would do, or a larger mde."


# --- baseline --------------------------------------------------------------------------------------------------------


def _baseline(kpi: PlannedKpi, known: Sequence[Baseline], now: datetime) -> LaunchCheck:
    pinned = kpi.baseline
    if pinned is None:
        sentence = (
            f"“{kpi.kpi}” has no baseline in this plan: how many units are needed is not known, and nothing is there"
            " to hold the control against."
        )
        return _warn(Check.BASELINE, sentence)
    latest = max((one.version for one in known), default=pinned.version)
    if latest > pinned.version:
        sentence = f"“{kpi.kpi}” has a newer baseline than version {pinned.version}, which this draft is planned on."
        return _warn(Check.BASELINE, f"{sentence} Register it anew to plan on version {latest}.")
    measured = next((_measured_on(one) for one in known if one.version == pinned.version), now.astimezone(UTC).date())
    days = (now.astimezone(UTC).date() - measured).days
    sentence = f"The baseline of “{kpi.kpi}” is {max(days, 0)} days old ({measured.isoformat()})."
    if days > STALE_DAYS:
        return _warn(Check.BASELINE, f"{sentence} After {STALE_DAYS} days, measure it anew.")
    return _pass(Check.BASELINE, sentence)


def _measured_on(baseline: Baseline) -> date:
    """The last day of its window, or else the day it was stated."""
    return baseline.to_on or baseline.created_at.astimezone(UTC).date()


# --- weights ---------------------------------------------------------------------------------------------------------


def _weights(plan: Plan) -> LaunchCheck:
    """What the variance of the rarest comparison costs beside an even split: (1/c + 1/t) (c + all others) / 2k."""
    control, *others = (variant.weight for variant in plan.variants)
    cost = (1 / control + 1 / min(others)) * (control + sum(others)) / (2 * len(plan.variants))
    if cost >= COSTLY_SPLIT:
        sentence = f"The split is very uneven: it needs {cost:.1f} times the units of an even one for the same power."
        return _warn(Check.WEIGHTS, sentence)
    return _pass(Check.WEIGHTS, "The split costs few units or none beside an even one.")


# --- overlap ---------------------------------------------------------------------------------------------------------


def _overlap(plan: Plan, neighbours: Sequence[Neighbour]) -> Iterator[LaunchCheck]:
    full = layer_fault(plan.layer, 1.0 if plan.traffic is None else plan.traffic, neighbours)
    if full is not None:
        yield LaunchCheck(kind=Check.OVERLAP, state=CheckState.BLOCK, sentence=full)
    primaries = {kpi.kpi for kpi in plan.primaries}
    rivals = [one for one in neighbours if one.primaries & primaries and not _is_apart(plan, one)]
    if rivals:
        shared = ", ".join(f"“{kpi}”" for kpi in sorted(primaries & frozenset().union(*(r.primaries for r in rivals))))
        sentence = (
            f"{_listed(rivals)} decide on {shared} too, and no layer keeps them apart: a unit in both carries the"
            " effects of both."
        )
        yield _warn(Check.OVERLAP, sentence)
    if full is None and not rivals:
        yield _pass(Check.OVERLAP, "No experiment that measures now decides on the same KPI of the same units.")


def _is_apart(plan: Plan, one: Neighbour) -> bool:
    """Whether a layer keeps two experiments apart, or one of them is there to measure the other among others."""
    return (
        (one.layer is not None and one.layer == plan.layer) or plan.holdout == one.key or one.holdout == plan.experiment
    )


def layer_fault(layer: str | None, traffic: float, others: Sequence[Neighbour]) -> str | None:
    """Why so much traffic does not fit into a layer beside the others in it; None where it does."""
    within = [one for one in others if layer is not None and one.layer == layer]
    taken = sum(one.traffic for one in within)
    if not within or taken + traffic <= FULL:
        return None
    return (
        f"The layer “{layer}” has no room for {traffic:.0%} of its units: {_listed(within)} take {taken:.0%}. Ramp down"
        " or stop one of them, or take less traffic."
    )


def _listed(some: Sequence[Neighbour]) -> str:
    return ", ".join(f"“{one.key}” ({one.traffic:.0%})" for one in some)


# --- data ------------------------------------------------------------------------------------------------------------


def _data(kpi: PlannedKpi, around: Surroundings) -> LaunchCheck:
    """An event that never came in does not block: it may come with the change, or be summed in a warehouse."""
    events = kpi.definition.events
    for wanted, words in (
        (around.known_events, "has never come in: see that it is sent, and under this name"),
        (around.late_events, f"has not happened in the last {LATELY_DAYS} days, as far as it has come in"),
    ):
        missing = [event for event in events if event not in wanted]
        if missing:
            return _warn(Check.DATA, f"“{missing[0]}”, which “{kpi.kpi}” counts, {words}.")
    return _pass(Check.DATA, f"What “{kpi.kpi}” counts has happened in the last {LATELY_DAYS} days.")


# --- audience --------------------------------------------------------------------------------------------------------


def _audience(plan: Plan, segment: str | None) -> Iterator[LaunchCheck]:
    """Of a hypothesis about a part of the units: the effect on everybody says little of the effect on them."""
    if not segment:
        return
    if plan.targeting or plan.audience:
        yield _pass(Check.AUDIENCE, f"The hypothesis is about “{segment}”, and the plan says who enters.")
        return
    sentence = f"The hypothesis is about “{segment}”, and the plan takes everybody in: state its targeting or audience."
    yield _warn(Check.AUDIENCE, sentence)


# --- holdout ---------------------------------------------------------------------------------------------------------


def _holdout(plan: Plan, neighbours: Sequence[Neighbour]) -> Iterator[LaunchCheck]:
    if plan.holdout is None:
        return
    if any(one.key == plan.holdout for one in neighbours):
        yield _pass(Check.HOLDOUT, f"“{plan.holdout}” measures now; its control is to be kept out of this experiment.")
        return
    yield _warn(Check.HOLDOUT, f"“{plan.holdout}”, whose control is to be kept out, does not measure now.")


def _pass(kind: Check, sentence: str) -> LaunchCheck:
    return LaunchCheck(kind=kind, state=CheckState.PASS, sentence=sentence)


def _warn(kind: Check, sentence: str) -> LaunchCheck:
    return LaunchCheck(kind=kind, state=CheckState.WARN, sentence=sentence)
