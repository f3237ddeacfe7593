"""What the evidence recommends, by rules in a fixed order; the first that holds gives the verdict.

1. INVALID        the units are not split as promised: no comparison can be trusted
2. ROLL_BACK      a deciding KPI is worse than control
3. ROLL_BACK      a guardrail is harmed beyond its margin
4. SHIP           a deciding KPI is better than control, and rules 1 to 3 are silent
5. INCONCLUSIVE   the plan has no look left, and none decided
6. KEEP_RUNNING   anything else

A verdict is a recommendation. The decision is a person's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from experiments.enums import Role
from experiments.findings import Finding, SampleRatio

SRM_ALARM = 0.01
"""Sequential p-value below which the split is broken: valid at every look."""
SRM_WARNING = 0.01
"""Chi-square p-value below which the split is shown as suspect: valid for one look only, so it never decides."""


class VerdictState(StrEnum):
    """What is recommended."""

    SHIP = "SHIP"
    ROLL_BACK = "ROLL_BACK"
    KEEP_RUNNING = "KEEP_RUNNING"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"


class Rule(StrEnum):
    """The rule that gave the verdict."""

    BROKEN_SPLIT = "BROKEN_SPLIT"
    PRIMARY_WORSE = "PRIMARY_WORSE"
    GUARDRAIL_HARMED = "GUARDRAIL_HARMED"
    PRIMARY_BETTER = "PRIMARY_BETTER"
    NO_LOOK_LEFT = "NO_LOOK_LEFT"
    UNDECIDED = "UNDECIDED"


class SrmState(StrEnum):
    """What the sample ratio says."""

    OK = "OK"
    WARNING = "WARNING"
    ALARM = "ALARM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The recommendation, the rule behind it, in words, and what would change it."""

    state: VerdictState
    rule: Rule
    sentence: str
    would_change: str


def srm_state(ratio: SampleRatio) -> SrmState:
    """Alarm by the sequential test, warn by chi-square."""
    if ratio.sequential_p_value is not None and ratio.sequential_p_value < SRM_ALARM:
        return SrmState.ALARM
    if ratio.p_value is not None and ratio.p_value < SRM_WARNING:
        return SrmState.WARNING
    return SrmState.OK


def judge(findings: Sequence[Finding], ratio: SampleRatio) -> Verdict:
    """The verdict on findings for everybody and the sample ratio."""
    primaries = [finding for finding in findings if finding.role is Role.PRIMARY]
    worse = [finding for finding in primaries if finding.is_worse]
    harmed = [finding for finding in findings if finding.role is Role.GUARDRAIL and finding.breaches_margin]
    better = [finding for finding in primaries if finding.is_better]
    if srm_state(ratio) is SrmState.ALARM:
        return _broken_split(ratio)
    if worse:
        return _primary_worse(worse[0])
    if harmed:
        return _guardrail_harmed(harmed[0])
    if better:
        guardrails = [finding for finding in findings if finding.role is Role.GUARDRAIL]
        return _primary_better(max(better, key=lambda finding: abs(finding.difference or 0)), guardrails)
    if all(finding.is_over for finding in primaries):
        return _no_look_left(primaries)
    return _undecided(primaries)


def _broken_split(ratio: SampleRatio) -> Verdict:
    split = ", ".join(f"{arm.variant.name} {arm.observed:,} (expected {arm.expected:,.0f})" for arm in ratio.arms)
    return Verdict(
        state=VerdictState.INVALID,
        rule=Rule.BROKEN_SPLIT,
        sentence=f"The units are not split as planned: {split}. Something loses units of one variant.",
        would_change="Find where units are lost between assignment and exposure, mend it, and run it again.",
    )


def _primary_worse(finding: Finding) -> Verdict:
    return Verdict(
        state=VerdictState.ROLL_BACK,
        rule=Rule.PRIMARY_WORSE,
        sentence=f"{finding.variant.name} makes “{finding.kpi_name}” worse than control.",
        would_change="Nothing more of this test: the planned error rate has been spent on this answer.",
    )


def _guardrail_harmed(finding: Finding) -> Verdict:
    return Verdict(
        state=VerdictState.ROLL_BACK,
        rule=Rule.GUARDRAIL_HARMED,
        sentence=f"{finding.variant.name} harms the guardrail “{finding.kpi_name}” by more than the margin agreed on.",
        would_change=f"An interval for “{finding.kpi_name}” that reaches back inside the margin.",
    )


def _primary_better(finding: Finding, guardrails: Sequence[Finding]) -> Verdict:
    unsure = ", ".join(f"“{guardrail.kpi_name}”" for guardrail in guardrails if not guardrail.keeps_margin)
    doubt = f" Not shown to be within its margin so far: {unsure}." if unsure else ""
    return Verdict(
        state=VerdictState.SHIP,
        rule=Rule.PRIMARY_BETTER,
        sentence=f"{finding.variant.name} makes “{finding.kpi_name}” better than control, and no guardrail is harmed.",
        would_change=f"A guardrail harmed beyond its margin, or a broken split.{doubt}",
    )


def _no_look_left(primaries: Sequence[Finding]) -> Verdict:
    names = ", ".join(sorted({f"“{finding.kpi_name}”" for finding in primaries}))
    sentence = f"The plan has run its course, and {names} shows no difference that chance would not."
    if any(finding.is_premature for finding in primaries):
        sentence = "The experiment ended before the days that its plan asks for at least, so no test decided."
    return Verdict(
        state=VerdictState.INCONCLUSIVE,
        rule=Rule.NO_LOOK_LEFT,
        sentence=sentence,
        would_change="A new experiment planned for a smaller effect, or a bolder change.",
    )


def _undecided(primaries: Sequence[Finding]) -> Verdict:
    ahead = [
        look.planned_on
        for finding in primaries
        if finding.course is not None
        for look in finding.course.looks
        if not look.is_taken and not look.is_early and (finding.read_on is None or look.planned_on > finding.read_on)
    ]
    change = (
        f"The next planned look is on {min(ahead).isoformat()}." if ahead else "More units, or the planned horizon."
    )
    return Verdict(
        state=VerdictState.KEEP_RUNNING,
        rule=Rule.UNDECIDED,
        sentence="Nothing is decided yet; the intervals shown may be read today without spoiling the test.",
        would_change=change,
    )
