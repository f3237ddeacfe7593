"""Accounts with a health score of two components, so small that every number of it is worked out by hand.

June 2026 is the newest month that is over, May the one before, and March the newest that ended 90 days ago.
"""

from collections.abc import Sequence
from datetime import date

from api.database import Database, driver
from kpi.enums import Direction, Granularity
from kpi.history.entry import Entry
from kpi.kinds import Component, Composite, Mean
from kpi.kinds.mean import Of
from kpi.queries import kpis_by_key
from kpi.risk import listing
from kpi.risk.listing import AtRisk, Slice
from kpi.risk.ranking import Ranking, Rule, ranking
from kpi.tables import Definition, Kpi, Workspace
from tests.kpi.history.rows import derive, describe, kept, send
from tests.kpi.registering import register_kpi

MONTHLY = Entry(every=Granularity.MONTH, among="mrr")
THROUGH = date(2026, 7, 1)
SESSIONS = Component(kpi="sessions", weight=2.0, centre=4.0, spread=2.0)
TICKETS = Component(kpi="tickets", weight=-1.0, centre=1.0, spread=0.5)
HEALTH = Composite(components=(SESSIONS, TICKETS))
JUNE = {"ann": (6, 0), "ben": (1, 2), "cat": (4, 1), "dan": (0, 0)}
"""Sessions and tickets of each in June; who is not among them did nothing."""
SCORES = {"ann": 4.0, "ben": -5.0, "cat": 0.0, "dan": -2.0}
"""2 (s - 4) / 2 - (t - 1) / 0.5 is s - 4 - 2 (t - 1)."""


def acts(unit: str, month: int, sessions: int, tickets: int) -> list[tuple[str, str, str, float | None]]:
    """Sessions and tickets of a unit on the days of a month, from the tenth on."""
    did = ["visited"] * sessions + ["complained"] * tickets
    return [(unit, event, f"2026-{month:02}-{10 + place:02}T08:00:00Z", None) for place, event in enumerate(did)]


def pays(unit: str, on: str, amount: float) -> tuple[str, str, str, float | None]:
    """The level of a unit from a day on."""
    return (unit, "mrr", f"{on}T08:00:00Z", amount)


async def health(database: Database, workspace: Workspace, entry: Entry = MONTHLY, **changes: object) -> Definition:
    """The composite and the KPIs it is made of."""
    async with database.write() as session:
        for key, event in (("sessions", "visited"), ("tickets", "complained")):
            counted = Mean(event=event, window_days=28, of=Of.COUNT)
            await register_kpi(session, workspace, key=key, name=key.title(), definition=counted, baseline=None)
    fields = {"key": "health", "baseline": None, "segments": ["plan"], "direction": Direction.HIGHER} | changes
    return await kept(database, workspace, HEALTH, entry, **fields)


async def scored(database: Database, workspace: Workspace) -> Definition:
    """Four customers, their health in June and, of ann and ben, in May; dan is large."""
    definition = await health(database, workspace)
    rows = [pays(unit, "2026-01-05", 400 if unit == "dan" else 100) for unit in JUNE]
    rows += [row for unit, did in JUNE.items() for row in acts(unit, 6, *did)]
    await send(database, workspace, [*rows, *acts("ann", 5, 8, 0), *acts("ben", 5, 3, 0)])
    await describe(database, workspace, [("ann", "plan", "pro", None), ("ben", "plan", "pro", None)])
    await derive(database, definition, THROUGH)
    return definition


async def ranked(database: Database, workspace: Workspace, definition: Definition) -> Ranking:
    """How its units are ranked."""
    async with database.read() as session:
        kpi: Kpi = (await kpis_by_key(session, workspace.id, ["health"]))["health"]
        found = await ranking(session, kpi, definition)
    assert found is not None
    return found


async def listed(database: Database, of: Ranking, rule: Rule) -> Sequence[AtRisk]:
    """All units at risk by a rule."""
    async with database.read() as session:
        return await listing.page(await driver(session), of, rule, Slice(size=1_000))
