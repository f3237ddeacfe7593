"""What the evidence recommends, by rules in a fixed order; the first that holds gives the verdict.

1. INVALID        the units are not split as promised: no comparison can be trusted
2. INVALID        another check says that nothing can be believed
3. ROLL_BACK      a deciding KPI is worse than control
4. ROLL_BACK      a guardrail is harmed beyond its margin
5. INCONCLUSIVE   a deciding KPI is better, but the plan was changed with the data in sight
6. SHIP           a deciding KPI is better than control, and rules 1 to 5 are silent
7. STOP_FUTILE    every deciding test that still goes on has lost sight of its planned effect
8. INCONCLUSIVE   the plan has no look left, and none decided
9. KEEP_RUNNING   anything else

A verdict is a recommendation. The decision is a person's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from experiments.enums import Role
from experiments.inference.facts import Fact, FactName, known
from experiments.inference.findings import Finding
from experiments.inference.health import CheckKind, Health, HealthState

PACE_DAYS = 7
"""The days by which the pace of units is judged: one of each weekday."""
EXPLORES = " The plan was changed with the data in sight, so its error rates do not hold: this explores."


class VerdictState(StrEnum):
    """What is recommended."""

    SHIP = "SHIP"
    ROLL_BACK = "ROLL_BACK"
    STOP_FUTILE = "STOP_FUTILE"
    KEEP_RUNNING = "KEEP_RUNNING"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"


class Rule(StrEnum):
    """The rule that gave the verdict."""

    BROKEN_SPLIT = "BROKEN_SPLIT"
    UNHEALTHY = "UNHEALTHY"
    PRIMARY_WORSE = "PRIMARY_WORSE"
    GUARDRAIL_HARMED = "GUARDRAIL_HARMED"
    EXPLORATORY = "EXPLORATORY"
    PRIMARY_BETTER = "PRIMARY_BETTER"
    FUTILE = "FUTILE"
    NO_LOOK_LEFT = "NO_LOOK_LEFT"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is still to come: the next planned look, the last one, and what the planned power is short of.

    `units_needed` must still become final; `days_needed` is how long that takes at the pace of the last week. None
    where nobody can say.
    """

    next_look_on: date | None
    ends_on: date
    units_needed: int | None
    days_needed: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The recommendation, the rule behind it, in words and in numbers, and what would change it.

    `outlook` is None when no deciding test goes on.
    """

    state: VerdictState
    rule: Rule
    sentence: str
    would_change: str
    facts: tuple[Fact, ...] = ()
    outlook: Outlook | None = None


def judge(findings: Sequence[Finding], health: Health, *, is_exploratory: bool = False) -> Verdict:
    """The verdict on findings for everybody and the checks; `is_exploratory` if an amendment broke error control."""
    verdict = replace(_ruled(findings, health, is_exploratory=is_exploratory), outlook=_outlook(findings))
    if is_exploratory and verdict.state is not VerdictState.INVALID:
        return replace(verdict, sentence=verdict.sentence + EXPLORES)
    return verdict


def _ruled(findings: Sequence[Finding], health: Health, *, is_exploratory: bool) -> Verdict:
    primaries = [finding for finding in findings if finding.role is Role.PRIMARY]
    guardrails = [finding for finding in findings if finding.role is Role.GUARDRAIL]
    worse = [finding for finding in primaries if finding.is_worse]
    harmed = [finding for finding in guardrails if finding.breaches_margin]
    better = [finding for finding in primaries if finding.is_better]
    going_on = [finding for finding in primaries if not finding.is_over]
    if health.state is HealthState.INVALID:
        return _invalid(health)
    if worse:
        return _primary_worse(worse[0])
    if harmed:
        return _guardrail_harmed(harmed[0])
    if better:
        best = max(better, key=lambda finding: abs(finding.difference or 0))
        return _exploratory(best) if is_exploratory else _primary_better(best, guardrails)
    if going_on and all(finding.futility is not None and finding.futility.is_futile for finding in going_on):
        return _futile(going_on)
    return _undecided(going_on) if going_on else _no_look_left(primaries)


# --- the rules in their order ----------------------------------------------------------------------------------------


def _invalid(health: Health) -> Verdict:
    failed = health.in_state(HealthState.INVALID)
    broken = next((check for check in failed if check.kind is CheckKind.SPLIT), None)
    if broken is not None:
        return Verdict(
            state=VerdictState.INVALID,
            rule=Rule.BROKEN_SPLIT,
            sentence=broken.sentence,
            would_change="Find where units are lost between assignment and exposure, mend it, and run it again.",
            facts=broken.facts,
        )
    return Verdict(
        state=VerdictState.INVALID,
        rule=Rule.UNHEALTHY,
        sentence=" ".join(check.sentence for check in failed),
        would_change="Find the cause, mend it, and run it again.",
        facts=tuple(fact for check in failed for fact in check.facts),
    )


def _primary_worse(finding: Finding) -> Verdict:
    return Verdict(
        state=VerdictState.ROLL_BACK,
        rule=Rule.PRIMARY_WORSE,
        sentence=f"{finding.variant.name} makes “{finding.kpi_name}” worse than control.",
        would_change="Nothing more of this test: the planned error rate has been spent on this answer.",
        facts=_effect(finding),
    )


def _guardrail_harmed(finding: Finding) -> Verdict:
    return Verdict(
        state=VerdictState.ROLL_BACK,
        rule=Rule.GUARDRAIL_HARMED,
        sentence=f"{finding.variant.name} harms the guardrail “{finding.kpi_name}” by more than the margin agreed on.",
        would_change=f"An interval for “{finding.kpi_name}” that reaches back inside the margin.",
        facts=_effect(finding),
    )


def _exploratory(finding: Finding) -> Verdict:
    return Verdict(
        state=VerdictState.INCONCLUSIVE,
        rule=Rule.EXPLORATORY,
        sentence=f"{finding.variant.name} seems to make “{finding.kpi_name}” better than control.",
        would_change="The same result in a new experiment whose plan stays as it was sealed.",
        facts=_effect(finding),
    )


def _primary_better(finding: Finding, guardrails: Sequence[Finding]) -> Verdict:
    unsure = ", ".join(f"“{guardrail.kpi_name}”" for guardrail in guardrails if not guardrail.keeps_margin)
    doubt = f" Not shown to be within its margin so far: {unsure}." if unsure else ""
    return Verdict(
        state=VerdictState.SHIP,
        rule=Rule.PRIMARY_BETTER,
        sentence=f"{finding.variant.name} makes “{finding.kpi_name}” better than control, and no guardrail is harmed.",
        would_change=f"A guardrail harmed beyond its margin, or a broken split.{doubt}",
        facts=(*_effect(finding), *(fact for guardrail in guardrails for fact in _effect(guardrail))),
    )


def _futile(going_on: Sequence[Finding]) -> Verdict:
    return Verdict(
        state=VerdictState.STOP_FUTILE,
        rule=Rule.FUTILE,
        sentence=f"{_names(going_on)} will hardly show the effect that was planned: going on is futile.",
        would_change="Going on is allowed and costs no error rate: a much larger effect among the units still to come.",
        facts=tuple(fact for finding in going_on for fact in _effect(finding)),
    )


def _no_look_left(primaries: Sequence[Finding]) -> Verdict:
    sentence = f"The plan has run its course, and {_names(primaries)} shows no difference that chance would not."
    if any(finding.is_premature for finding in primaries):
        sentence = "The experiment ended before the days that its plan asks for at least, so no test decided."
    return Verdict(
        state=VerdictState.INCONCLUSIVE,
        rule=Rule.NO_LOOK_LEFT,
        sentence=sentence,
        would_change="A new experiment planned for a smaller effect, or a bolder change.",
        facts=tuple(fact for finding in primaries for fact in _effect(finding)),
    )


def _undecided(going_on: Sequence[Finding]) -> Verdict:
    ahead = _next_look(going_on)
    return Verdict(
        state=VerdictState.KEEP_RUNNING,
        rule=Rule.UNDECIDED,
        sentence="Nothing is decided yet; the intervals shown may be read today without spoiling the test.",
        would_change="More units, or the planned horizon."
        if ahead is None
        else f"The next planned look is on {ahead.isoformat()}.",
        facts=tuple(fact for finding in going_on for fact in _effect(finding)),
    )


# --- the numbers behind them -----------------------------------------------------------------------------------------


def _names(findings: Iterable[Finding]) -> str:
    return ", ".join(sorted({f"“{finding.kpi_name}”" for finding in findings}))


def _effect(finding: Finding) -> tuple[Fact, ...]:
    about = f"“{finding.kpi_name}” in {finding.variant.name}"
    interval, futility = finding.interval, finding.futility
    return (
        *known(FactName.DIFFERENCE, finding.difference, about),
        *known(FactName.LOWER, None if interval is None else interval.lower, about),
        *known(FactName.UPPER, None if interval is None else interval.upper, about),
        *known(FactName.P_VALUE, finding.adjusted_p_value, about),
        *known(FactName.MARGIN, finding.margin, about),
        *known(FactName.MDE, None if futility is None else futility.mde, about),
        *known(FactName.CONDITIONAL_POWER, None if futility is None else futility.conditional_power, about),
        *known(FactName.INFORMATION_FRACTION, finding.progress, about),
    )


def _outlook(findings: Sequence[Finding]) -> Outlook | None:
    going_on = [finding for finding in findings if finding.role is Role.PRIMARY and not finding.is_over]
    if not going_on:
        return None
    needs = [_need(finding) for finding in going_on]
    units = [units for units, _ in needs if units is not None]
    days = [days for _, days in needs if days is not None]
    return Outlook(
        next_look_on=_next_look(going_on),
        ends_on=max(finding.ends_on for finding in going_on),
        units_needed=max(units) if len(units) == len(needs) else None,
        days_needed=max(days) if len(days) == len(needs) else None,
    )


def _need(finding: Finding) -> tuple[int | None, float | None]:
    """Units that must still become final for the planned power, and the days that takes; information grows with n."""
    if not finding.progress:
        return None, None
    n = finding.control.n + finding.treatment.n
    missing = max(0, round(n / finding.progress - n))
    counted = finding.series.n[-PACE_DAYS - 1 :]
    pace = (counted[-1] - counted[0]) / (len(counted) - 1) if len(counted) > 1 else 0.0
    return missing, 0.0 if not missing else missing / pace if pace > 0 else None


def _next_look(findings: Iterable[Finding]) -> date | None:
    ahead = [
        look.planned_on
        for finding in findings
        if finding.course is not None
        for look in finding.course.looks
        if not look.is_taken and not look.is_early and (finding.read_on is None or look.planned_on > finding.read_on)
    ]
    return min(ahead, default=None)
