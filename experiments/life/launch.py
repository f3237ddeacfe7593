"""The checks before a launch: whether a plan can answer its question, and whether anything stands in its way. Pure.

A check passes, warns or blocks. Only what would spoil the data of other experiments as well blocks; the rest is for the
team to weigh. What is known of the workspace comes in as `Surroundings`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

from experiments.enums import Role
from experiments.planning.demand import BlindLook, Demand, blind_looks, demands, required
from experiments.planning.draft import LONGEST_HORIZON
from experiments.planning.plan import Plan, PlannedKpi
from experiments.planning.replays import LEVEL, Shown, settings
from kpi.tables import Baseline

STALE_DAYS = 90
"""A baseline that is older is from before a quarter of changes to the product."""
LATELY_DAYS = 7
COSTLY_SPLIT = 1.25
"""Times the units of an even split from which on a split is called very uneven: 75 to 25 is just beyond, 70 to 30 not.
"""
FEWEST_REPLAYED = 1_000
"""Units. A test that errs on fewer may still keep its promise on as many as are planned, and the other way round."""
FULL = 1 + 1e-9
"""Shares that add up to a whole may come to a little more in binary."""


class Check(StrEnum):
    """What is checked before a launch."""

    POWER = "POWER"
    LOOKS = "LOOKS"
    BASELINE = "BASELINE"
    WEIGHTS = "WEIGHTS"
    OVERLAP = "OVERLAP"
    DATA = "DATA"
    DEFINITION = "DEFINITION"
    AUDIENCE = "AUDIENCE"
    AA_HISTORY = "AA_HISTORY"
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

    `segment` is whom the hypothesis is about, in words; `versions` are the newest of the KPIs' definitions, by key.
    What splits of past control units have shown; and by definition, the experiment whose units could be split now.
    """

    baselines: Mapping[int, Sequence[Baseline]]
    neighbours: Sequence[Neighbour]
    accrual: Accrual | None
    known_events: frozenset[str]
    late_events: frozenset[str]
    segment: str | None = None
    versions: Mapping[str, int] = field(default_factory=dict)
    replayed: Sequence[Shown] = ()
    sources: Mapping[int, str] = field(default_factory=dict)


def checks(plan: Plan, around: Surroundings, now: datetime) -> list[LaunchCheck]:
    """Everything checked of a draft, in the order in which it is read."""
    return [
        _power(plan, around.accrual),
        _looks(plan),
        *(_baseline(kpi, around.baselines.get(kpi.definition.id, ()), now) for kpi in plan.primaries),
        _weights(plan),
        *_overlap(plan, around.neighbours),
        *(_data(kpi, around) for kpi in plan.kpis),
        _definitions(plan, around.versions),
        *_audience(plan, around.segment),
        *(_history(plan, kpi, around, now) for kpi in plan.primaries),
        *_holdout(plan, around.neighbours),
    ]


# --- power -----------------------------------------------------------------------------------------------------------


def _power(plan: Plan, accrual: Accrual | None) -> LaunchCheck:
    """Units for what decides and for what guards: without either nothing ships."""
    needs, noun = demands(plan), f"{plan.unit.lower()}s"
    if not any(need.kpi.role is Role.PRIMARY for need in needs):
        sentence = "No primary KPI has a baseline that says how units spread, so how many are needed is not known."
        return _warn(Check.POWER, sentence)
    if accrual is None or not accrual.daily:
        need = max(needs, key=lambda need: need.units)
        sentence = (
            f"About {need.units:,.0f} {noun} are needed for {_called(need.kpi)}; how many come a day is not known,"
            " for no experiment has taken any in."
        )
        return _warn(Check.POWER, sentence)
    daily = accrual.daily * (1 if plan.traffic is None else plan.traffic)
    need = max(needs, key=lambda need: need.horizon(daily))
    come = daily * (plan.horizon_days - need.window)
    sentence = (
        f"About {need.units:,.0f} {noun} are needed for {_called(need.kpi)}; about {come:,.0f} come and are final"
        f" within {plan.horizon_days} days, {daily:,.0f} a day as in “{accrual.experiment}”."
    )
    if come < need.units:
        return _warn(Check.POWER, f"{sentence} {_remedy(need, need.horizon(daily))}")
    unknown = [kpi for kpi in required(plan) if kpi not in [need.kpi for need in needs]]
    if unknown:
        names = ", ".join(_called(kpi) for kpi in unknown)
        return _warn(Check.POWER, f"{sentence} What {names} needs is not known, for no baseline says how units spread.")
    return _pass(Check.POWER, sentence)


def _called(kpi: PlannedKpi) -> str:
    return f"“{kpi.kpi}”" if kpi.role is Role.PRIMARY else f"the guardrail “{kpi.kpi}”"


def _remedy(need: Demand, horizon: int) -> str:
    is_primary = need.kpi.role is Role.PRIMARY
    if horizon > LONGEST_HORIZON:
        wider = "plan for a larger effect, or on another KPI" if is_primary else "a wider margin, or another guardrail"
        return f"No horizon is long enough: {wider}."
    return f"A horizon of {horizon} days would do, or a {'larger mde' if is_primary else 'wider margin'}."


# --- looks -----------------------------------------------------------------------------------------------------------


def _looks(plan: Plan) -> LaunchCheck:
    """Looks that come too early see nobody: they are skipped, and their alpha is left for the next."""
    blind = blind_looks(plan)
    if not blind:
        return _pass(Check.LOOKS, "No planned look comes before units can be final.")
    kpis = list({look.kpi.kpi: look for look in blind}.values())
    told = "; ".join(
        f"{_called(last.kpi)} is final {last.window} days after exposure, so"
        f" {_numbered([look for look in blind if look.kpi.kpi == last.kpi.kpi])} of {len(plan.look_days)} cannot see it"
        for last in kpis
    )
    return _warn(
        Check.LOOKS,
        f"{told}. Nothing ships at a look that does not see everything: plan fewer looks, or a longer horizon.",
    )


def _numbered(blind: Sequence[BlindLook]) -> str:
    noun = "look" if len(blind) == 1 else "looks"
    return f"{noun} {', '.join(f'{look.number} (day {look.day})' for look in blind)}"


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
            f"{_listed(rivals)} {'decide' if rivals[1:] else 'decides'} on {shared} too, and no layer keeps them apart:"
            " a unit in both carries the effects of both."
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


# --- definition ------------------------------------------------------------------------------------------------------


def _definitions(plan: Plan, versions: Mapping[str, int]) -> LaunchCheck:
    """Whether the draft measures its KPIs as they are defined now: it keeps what it pinned when it was registered."""
    pinned = {kpi.kpi: kpi.definition.version for kpi in plan.kpis}
    older = [
        f"“{kpi}” (version {version}, now {versions[kpi]})"
        for kpi, version in pinned.items()
        if versions.get(kpi, version) > version
    ]
    if older:
        sentence = f"Defined anew since this draft was registered: {', '.join(older)}."
        return _warn(Check.DEFINITION, f"{sentence} Register it anew to measure what they mean now.")
    return _pass(Check.DEFINITION, "Every KPI is measured as it is defined now.")


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


# --- A/A history -----------------------------------------------------------------------------------------------------


def _history(plan: Plan, kpi: PlannedKpi, around: Surroundings, now: datetime) -> LaunchCheck:
    """Whether the plan's test finds a difference too often where there is none: between halves of past controls."""
    by_setting = {one.setting: one for one in around.replayed}
    asked = settings(plan, kpi).values()
    ready = [by_setting[setting] for setting in asked if setting in by_setting]
    if len(ready) < len(asked):
        return _warn(Check.AA_HISTORY, _unasked(kpi, around))
    worst = max(ready, key=lambda one: (-one.stored.units, one.share))
    days = (now - min(one.stored.computed_at for one in ready)).days
    if worst.stored.units < FEWEST_REPLAYED:
        sentence = f"Only {worst.stored.units:,} control units of “{worst.experiment}” are final for “{kpi.kpi}”"
        return _warn(Check.AA_HISTORY, f"{sentence}: too few to say how often its test errs on your own data.")
    sentence = _told(worst, kpi, plan.alpha_each)
    if worst.interval[0] > plan.alpha_each:
        cause = "its spread breaks the test, as a few units with very large values do, or very few that do it"
        return _warn(Check.AA_HISTORY, f"{sentence}: {cause}. Cap what a unit counts for, or split more evenly.")
    if days > STALE_DAYS:
        return _warn(Check.AA_HISTORY, f"{sentence}; that is {days} days old. experimentRehearse measures it anew.")
    return _pass(Check.AA_HISTORY, f"{sentence}.")


def _told(one: Shown, kpi: PlannedKpi, alpha: float) -> str:
    lower, upper = one.interval
    less = "" if kpi.covariate is None else ", without its covariate,"
    return (
        f"Splits at random of {one.stored.units:,} control units of “{one.experiment}” differ in “{kpi.kpi}”{less} in"
        f" {one.share:.1%} of {one.stored.replays:,} ({LEVEL:.0%} interval {lower:.1%} to {upper:.1%}), where alpha"
        f" allows {alpha:.1%}"
    )


def _unasked(kpi: PlannedKpi, around: Surroundings) -> str:
    if kpi.definition.id not in around.sources:
        return f"No experiment has final units of version {kpi.definition.version} of “{kpi.kpi}” yet to be split."
    ask = f"experimentRehearse splits the control units of “{around.sources[kpi.definition.id]}” to tell"
    others = {one.version for one in around.replayed if one.kpi == kpi.kpi} - {kpi.definition.version}
    if others:
        return f"What is known of “{kpi.kpi}” is of version {max(others)}, not {kpi.definition.version}: {ask}."
    return f"How often the test errs on your own data of “{kpi.kpi}” under these rules is not known: {ask}."


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
