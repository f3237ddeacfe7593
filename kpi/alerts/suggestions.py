"""Rules that fit a KPI, by its direction, target and baseline. Pure: nothing is watched until somebody sets them."""

from collections.abc import Iterator
from dataclasses import dataclass

from kpi.alerts.conditions import BaselineDrift, Condition, DataStopped, TargetAtRisk, Threshold, Trend
from kpi.alerts.conditions.shape import Facts
from kpi.enums import Granularity, Severity, Side
from kpi.kinds.shape import Scale

WORTH_KNOWING = 0.1
"""Of the baseline: a change for the worse that somebody should look at."""
RESTS = 7
"""Days that a suggested rule rests after its alert was resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A rule that fits, and why."""

    condition: Condition
    granularity: Granularity
    severity: Severity
    cooldown_days: int
    because: str


def suggestions(facts: Facts, granularity: Granularity) -> list[Suggestion]:
    """What to watch of a KPI that is reported by these periods."""
    return list(_suggested(facts, granularity))


def _suggested(facts: Facts, granularity: Granularity) -> Iterator[Suggestion]:
    worse = Side.BELOW if facts.sign > 0 else Side.ABOVE
    yield Suggestion(
        condition=DataStopped(),
        granularity=Granularity.DAY,
        severity=Severity.CRITICAL,
        cooldown_days=0,
        because="Without rows every value is wrong, whatever it says.",
    )
    yield Suggestion(
        condition=Trend(run_length=100, side=worse),
        granularity=granularity,
        severity=Severity.WARNING,
        cooldown_days=RESTS,
        because="A period that is out of line for the worse is looked into while people remember it.",
    )
    if facts.target is not None:
        yield Suggestion(
            condition=TargetAtRisk(chance=0.2, clear=0.4),
            granularity=granularity,
            severity=Severity.WARNING,
            cooldown_days=RESTS,
            because="There is a target, and time to act only before its day.",
        )
    if facts.baseline is not None and facts.baseline.value != 0:
        yield from _against_baseline(facts, granularity, worse)


def _against_baseline(facts: Facts, granularity: Granularity, worse: Side) -> Iterator[Suggestion]:
    level = facts.baseline.value if facts.baseline else 0.0
    step = WORTH_KNOWING * abs(level)
    yield Suggestion(
        condition=BaselineDrift(shift=step),
        granularity=granularity,
        severity=Severity.INFO,
        cooldown_days=RESTS,
        because="A level that has left its baseline makes plans that rest on it wrong.",
    )
    limit, clear = (level + worse.sign * part * step for part in (1, 0.5))
    if facts.scale is not Scale.FRACTION or 0 <= limit <= 1:
        yield Suggestion(
            condition=Threshold(side=worse, limit=limit, clear=clear, run_length=100),
            granularity=granularity,
            severity=Severity.CRITICAL,
            cooldown_days=RESTS,
            because=f"A tenth worse than the baseline of {level:.4g}, and more than chance explains.",
        )
