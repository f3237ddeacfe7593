"""No rows of a KPI's events for longer than is usual."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from kpi.alerts.conditions.shape import Condition, Facts, Past, Reading, Silence, run_length_problems
from kpi.enums import AlertKind
from kpi.history.periods import DAY
from kpi.kinds.shape import Floats, Scale
from stats.series import arrivals

WEEKS = 8
"""Weeks before a day that say what is usual on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStopped(Condition):
    """Raised where an event of the KPI came in on no day of a silence too long to be chance; cleared when it is over.

    A silence counts where its chance is below 1 / (run_length * events), by what came in on the same days of the weeks
    before (see `stats.series.arrivals`). A longer silence is less likely, so looking every day costs one false alarm
    in `run_length` days at most (Boole). Days are those on which rows arrive, not those they are of.
    """

    kind = AlertKind.DATA_STOPPED
    is_of_rows = True
    run_length: float = 1000.0

    def problems(self, scale: Scale) -> list[tuple[str, str]]:
        """The run is one that can be kept."""
        return run_length_problems(self.run_length)

    def judge(self, past: Past, facts: Facts) -> Reading | Silence:
        """Look for silences up to the day."""
        day, alpha = past.start_on[-1], 1 / (self.run_length * max(len(facts.arrivals), 1))
        series = {event: _counts(found, day) for event, found in facts.arrivals.items() if _began(found, day)}
        if not series:
            return Silence(because="No row of the KPI's events has come in yet.")
        gaps = {event: arrivals.gaps(counts, alpha=alpha) for event, counts in series.items()}
        judged = {event: gap for event, gap in gaps.items() if gap.reason[-1] == 0}
        chance = {event: float(gap.chance[-1]) for event, gap in judged.items()}
        silent = {event: _silent_days(counts) for event, counts in series.items()}
        stopped = sorted(event for event, gap in judged.items() if bool(gap.is_gap[-1]))
        if not judged and all(silent.values()):
            return Silence(because="Rows have come in for too short a time to say what is usual.")
        named = " and ".join(f"“{event}”" for event in stopped)
        longest = max((silent[event] for event in stopped), default=0)
        least = min(chance.values(), default=1.0)
        return Reading(
            value=least,
            limit=alpha,
            is_beyond=bool(stopped),
            is_within=not stopped and all(counts.any() for counts in series.values()),
            sentence=f"No row of {named} has come in on {longest} {'day' if longest == 1 else 'days'} up to {day}; a"
            f" silence like it has a chance of {least:.2g}.",
            evidence={"silentDays": silent, "chance": chance},
        )


def _began(found: Mapping[date, int], day: date) -> bool:
    return bool(found) and min(found) <= day


def _counts(found: Mapping[date, int], day: date) -> Floats:
    """Rows a day up to a day, from the event's first one on, some weeks at most."""
    first = max(min(found), day - (7 * WEEKS - 1) * DAY)
    days = [first + place * DAY for place in range((day - first).days + 1)]
    return np.array([found.get(one, 0) for one in days], np.float64)


def _silent_days(counts: Floats) -> int:
    """Days without a row up to the last one."""
    return int(np.argmax(np.append(counts[::-1] > 0, True)))
