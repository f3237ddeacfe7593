"""How an alert comes and goes: one open alert a rule at most, each period judged once, in order. Pure."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import Enum, auto

from kpi.alerts.conditions.shape import Reading

MOST_BEHIND = 31
"""Periods that are judged after a time in which nobody judged; older ones are no news."""


class Move(Enum):
    """What becomes of a rule's alert."""

    RAISE = auto()
    RESOLVE = auto()


def move(reading: Reading, *, is_open: bool, is_quiet: bool) -> Move | None:
    """What a reading does: beyond the limit it raises, within it resolves, and in between nothing changes."""
    if is_open:
        return Move.RESOLVE if reading.is_within else None
    return Move.RAISE if reading.is_beyond and not is_quiet else None


def is_quiet(resolved_at: datetime | None, cooldown_days: int, now: datetime) -> bool:
    """Whether a rule still rests after its last alert was resolved."""
    return resolved_at is not None and now - resolved_at < timedelta(days=cooldown_days)


def due(start_on: Sequence[date], judged_through: date | None) -> range:
    """The places of the periods to judge: those not judged yet; of a new rule the newest alone."""
    if judged_through is None:
        return range(max(len(start_on) - 1, 0), len(start_on))
    known = sum(day <= judged_through for day in start_on)
    return range(max(known, len(start_on) - MOST_BEHIND), len(start_on))
