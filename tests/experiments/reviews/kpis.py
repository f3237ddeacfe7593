"""KPIs whose values over some weeks are plain shares, and reviews of them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from api.database import Database, driver
from experiments.programme.reviews import service
from experiments.programme.reviews.enums import ReviewKind
from experiments.programme.reviews.snapshot import Snapshot
from experiments.programme.reviews.tables import Review
from kpi import governance
from kpi.actor import Actor
from kpi.governance import Aim
from kpi.history.entry import Entry
from kpi.kinds import Activation
from kpi.queries import kpis_by_key
from kpi.service import BaselineValue
from kpi.tables import Definition, Workspace
from tests.kpi.history.rows import derive, kept, send

MONDAY = date(2026, 6, 1)
"""The first day of the first week; the windows are a day long, so a week is final on the Tuesday after it."""
NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
TOLD_AS = "how the outside finds it"
LAST_WEEK = date(2026, 6, 22)
"""The week before the one that is under way at NOW."""
WEEKLY = (4, 4, 4, 2)
"""Of ten units that sign up in each week, those that activate: 40 % in three weeks, then 20 %."""


def who(workspace: Workspace, now: datetime = NOW, name: str = "ada") -> Actor:
    return Actor(workspace_id=workspace.id, name=name, id=name, now=now, reason="r")


async def weekly(
    database: Database, workspace: Workspace, *, weekly: tuple[int, ...] = WEEKLY, of: int = 10, **changes: Any
) -> Definition:
    """A KPI of which some units of each week get there: `key` says its name and its events."""
    key = changes.pop("key", "activation")
    fields: dict[str, Any] = {
        "definition": Activation(event=f"{key}-done", window_days=1),
        "entry": Entry(event=f"{key}-began"),
        "baseline": BaselineValue(value=0.4, n=1_000),
    }
    definition = await kept(database, workspace, key=key, **(fields | changes))
    rows: list[tuple[str, str, str, float | None]] = []
    for week, done in enumerate(weekly):
        at = f"{MONDAY + timedelta(weeks=week)}T08:00:00Z"
        units = [f"{key}-{week}-{number}" for number in range(of)]
        rows += [(unit, f"{key}-began", at, None) for unit in units]
        rows += [(unit, f"{key}-done", at, None) for unit in units[:done]]
    await send(database, workspace, rows)
    await derive(database, definition, NOW.date())
    return definition


async def aim(database: Database, workspace: Workspace, key: str, value: float, due_on: date) -> None:
    """Set the target of a KPI."""
    async with database.write() as session:
        kpi = (await kpis_by_key(session, workspace.id, [key]))[key]
        target = Aim(value=value, due_on=due_on, owner="Ada", approver="Grace")
        actor = who(workspace, datetime(2026, 6, 20, tzinfo=UTC))
        await governance.set_target(session, actor=actor, kpi_id=kpi.id, aim=target)


async def opened(
    database: Database,
    workspace: Workspace,
    kind: ReviewKind = ReviewKind.WEEKLY,
    on: date = LAST_WEEK,
    now: datetime = NOW,
) -> Review:
    """Open a review."""
    async with database.write() as session:
        return await service.open_(session, actor=who(workspace, now), kind=kind, on=on)


async def closed(database: Database, workspace: Workspace, review: Review, now: datetime = NOW) -> Review:
    """Close a review."""
    async with database.write() as session:
        connection = await driver(session)
        return await service.close(session, connection, actor=who(workspace, now), review_id=review.id, told_as=TOLD_AS)


async def said(database: Database, review: Review, now: datetime = NOW) -> Snapshot:
    """What a review says."""
    async with database.read() as session:
        return await service.shown(session, await driver(session), review, now)
