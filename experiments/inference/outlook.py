"""What is still to come for the tests that are waited for: the next look, the last, and the units in between. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from experiments.inference.findings import Finding

PACE_DAYS = 7
"""The days by which the pace of units is judged: one of each weekday."""


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


def outlook(awaited: Sequence[Finding]) -> Outlook | None:
    """For the slowest of the tests that are waited for; None without any."""
    if not awaited:
        return None
    needs = [_need(finding) for finding in awaited]
    units = [units for units, _ in needs if units is not None]
    days = [days for _, days in needs if days is not None]
    return Outlook(
        next_look_on=next_look(awaited),
        ends_on=max(finding.ends_on for finding in awaited),
        units_needed=max(units) if len(units) == len(needs) else None,
        days_needed=max(days) if len(days) == len(needs) else None,
    )


def next_look(findings: Iterable[Finding]) -> date | None:
    """The first planned look to come; None where any day may decide."""
    ahead = (finding.next_look_on for finding in findings)
    return min((day for day in ahead if day is not None), default=None)


def _need(finding: Finding) -> tuple[int | None, float | None]:
    """Units that must still become final for the planned power, and the days that takes; information grows with n."""
    if not finding.progress:
        return None, None
    n = finding.control.n + finding.treatment.n
    missing = max(0, round(n / finding.progress - n))
    counted = finding.series.n[-PACE_DAYS - 1 :]
    pace = (counted[-1] - counted[0]) / (len(counted) - 1) if len(counted) > 1 else 0.0
    return missing, 0.0 if not missing else missing / pace if pace > 0 else None
