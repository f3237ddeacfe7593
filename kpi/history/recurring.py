"""The revenue that units pay now, as their last states say: what a change of what is kept of it is worth."""

from dataclasses import dataclass
from datetime import date

import asyncpg

from kpi import storage
from kpi.enums import Granularity, Unit
from kpi.history.derivation import Derivation
from kpi.history.entry import Entry
from kpi.history.periods import DAY
from kpi.kinds import Kind, Ratio
from kpi.kinds.terms import Amount, Measured, Term

NOBODYS = 0
"""The number of a definition whose sums are not stored."""
PAID = "SELECT coalesce(sum(k), 0)::float8 AS level, count(*) FILTER (WHERE k > 0) AS units FROM ({units}) u"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """What all units together pay at the end of a day, in the unit of the event that states it, and how many pay."""

    event: str
    on: date
    level: float
    units: int


def event_of(kind: Kind) -> str | None:
    """The event whose level a KPI is a share of, such as `mrr` of GRR and NRR; None of other KPIs."""
    if not isinstance(kind, Ratio) or kind.denominator.how is not None:
        return None
    amount = kind.denominator.amount
    return amount.event if amount.of is Measured.LEVEL_AT_START else None


async def recurring(
    connection: asyncpg.Connection, workspace_id: int, *, event: str, unit: Unit, through: date
) -> Recurring:
    """The levels of an event before a midnight, added up."""
    level = Term(amount=Amount(event=event, of=Measured.LEVEL_AT_END))
    last = through - DAY
    derivation = Derivation(
        definition_id=NOBODYS,
        workspace_id=workspace_id,
        unit=unit,
        kind=Ratio(window_days=1, numerator=level, denominator=level),
        entry=Entry(every=Granularity.DAY),
        segments=(),
        numbers=await storage.event_numbers(connection, workspace_id, [event]),
        first=last,
        began=last,
        through=through,
    )
    row = await connection.fetchrow(PAID.format(units=derivation.units), [last])
    return Recurring(event=event, on=last, level=row["level"], units=row["units"])
