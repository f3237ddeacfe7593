"""Which numbers of single units are kept beside a KPI's sums: few periods', those that somebody acts on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from kpi.enums import Granularity
from kpi.history.derivation import Derivation, Statement
from kpi.history.periods import DAY, ends
from kpi.kinds.composite import is_component

LATER_DAYS = 90
"""After a period's end, for it to show who left: a quarter, which is about what a save takes."""
LOOKED_BACK = 400
"""Days in which there are two quarters that are over, and one that has been for 90 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Last days of periods: of the newest that is over, of the one before, and of one that is `LATER_DAYS` ago."""

    newest: date
    before: date
    checked: date

    @property
    def until(self) -> date:
        """The day at whose end it shows who has left since the period that is checked."""
        return self.checked + LATER_DAYS * DAY


def ends_of(every: Granularity, through: date) -> Ends:
    """The ends that are kept when the days before `through` are over."""
    found = list(ends(through - LOOKED_BACK * DAY, through, every))
    checked = max(end for end in found if end + LATER_DAYS * DAY < through)
    return Ends(newest=found[-1], before=found[-2], checked=checked)


def statements(derivation: Derivation, floor: date) -> Iterator[Statement]:
    """What keeps them, in order; nothing for a KPI that is not measured every period, or has no number a unit.

    Periods that ended before the `floor` are left out: rows that they were made of may be gone.
    """
    every = derivation.entry.every
    if every is None or not is_component(derivation.kind):
        return
    kept = ends_of(every, derivation.through)
    at = sorted({day for day in (kept.newest, kept.before, kept.checked) if day >= floor})
    checked = (kept.checked, kept.until) if kept.checked in at else None
    yield from derivation.scored(at, checked)
