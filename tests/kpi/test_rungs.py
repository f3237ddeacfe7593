"""Where KPIs of a ladder stand: how high, against which target, and by which level."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from api.database import Database
from kpi.enums import Direction
from kpi.history.entry import Entry
from kpi.history.sums import Level
from kpi.kinds import Activation
from kpi.rungs import Rung, RungState, heights_of, levels_of
from kpi.tables import Kpi, Target, Workspace
from tests.kpi.history.rows import derive, kept, send


def target(value: float | None = 0.5, version: int | None = 2) -> Target:
    return Target(
        kpi_id=1,
        version=1,
        value=value,
        due_on=date(2026, 12, 31),
        owner="",
        approver="",
        definition_version=version,
        by="",
        reason="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("direction", "value", "aim", "state"),
    [
        (Direction.HIGHER, 0.5, target(), RungState.ON_TARGET),
        (Direction.HIGHER, 0.4, target(), RungState.OFF_TARGET),
        (Direction.LOWER, 0.4, target(), RungState.ON_TARGET),
        (Direction.LOWER, 0.6, target(version=None), RungState.OFF_TARGET),
        (Direction.HIGHER, 0.6, target(version=1), RungState.UNKNOWN),
        (Direction.HIGHER, None, target(), RungState.UNKNOWN),
        (Direction.HIGHER, 0.5, None, RungState.NO_TARGET),
        (Direction.HIGHER, 0.5, target(None), RungState.NO_TARGET),
    ],
)
def test_state_follows_value_direction_and_the_target_of_the_same_definition(
    direction: Direction, value: float | None, aim: Target | None, state: RungState
) -> None:
    kpi: Any = Kpi.model_construct(direction=direction)
    level = Level(n=10, value=value)
    assert (
        Rung(kpi=kpi, version=2, height=0, level=level, target=aim, open_alerts=0, is_share_of_revenue=False).state
        is state
    )


def test_height_is_that_of_the_longest_way_and_a_circle_ends() -> None:
    assert heights_of([(1, 2), (2, 3), (1, 3), (3, 4)]) == {1: 0, 2: 1, 3: 2, 4: 3}
    assert max(heights_of([(1, 2), (2, 1)]).values()) == 1


async def test_level_is_of_the_last_28_days_that_are_final(database: Database, workspace: Workspace) -> None:
    kind = Activation(event="activated", window_days=7)
    definition = await kept(database, workspace, kind, Entry(event="signed_up"))
    # Final on 1 July are who entered up to 23 June; 28 days of these begin on 27 May.
    days = {"a": "2026-05-26", "b": "2026-05-27", "c": "2026-06-10", "d": "2026-06-23", "e": "2026-06-24"}
    rows = [(unit, "signed_up", f"{day}T08:00:00Z", None) for unit, day in days.items()]
    await send(database, workspace, [*rows, ("c", "activated", "2026-06-11T08:00:00Z", None)])
    await derive(database, definition)
    async with database.read() as session:
        level = (await levels_of(session, [definition.kpi_id]))[definition.kpi_id]
    assert level.n == 3
    assert level.value == pytest.approx(1 / 3)
