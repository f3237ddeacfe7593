"""A unit that is forgotten is in no table, and the results are those of everybody else."""

from typing import Any

import pytest

from api.database import Database
from experiments.aggregation.forgetting import Forgotten, forget
from kpi import events
from tests.experiments.aggregating import Running, assert_same, refresh, running, send, tables
from tests.experiments.recomputation import Did, Exposed, Tables
from tests.experiments.test_floor import FIRST, LATER, at, cleared, deed, entry, law

NOW = at(40)


async def forgotten(database: Database, to: Running, unit: str) -> Forgotten:
    async with database.raw() as connection:
        return await forget(connection, workspace_id=to.workspace.id, unit=unit, now=NOW)


async def rejected(database: Database, to: Running, *rows: Any) -> None:
    async with database.raw() as connection:
        report = await events.ingest(connection, workspace_id=to.workspace.id, rows=rows, now=LATER)
        assert len(report.refusals) == len(rows)


def without(unit: str) -> Tables:
    return law([row for row in FIRST if row.unit != unit], NOW)


@pytest.mark.parametrize("unit", ["a", "b", "c", "d"])
async def test_tables_after_a_unit_is_forgotten_are_those_of_everybody_else(database: Database, unit: str) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await refresh(database, to, NOW)
    did = sum(row.unit == unit for row in FIRST) - 1
    assert await forgotten(database, to, unit) == Forgotten(
        outcomes=did, exposures=1, memberships=0, traits=0, rejections=0
    )
    assert_same(await refresh(database, to, NOW), without(unit))
    assert_same(await refresh(database, to, NOW, everything=True), without(unit))


async def test_crossover_that_is_forgotten_is_counted_no_more(database: Database) -> None:
    to = await running(database)
    crossing = entry("a", 2.0, variant=1)
    await send(database, to, [*FIRST, crossing])
    assert (await refresh(database, to, NOW)).crossovers == 1
    await forgotten(database, to, "a")
    assert_same(await refresh(database, to, NOW), without("a"))


async def test_forgetting_twice_finds_nothing_the_second_time(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await forgotten(database, to, "a")
    assert await forgotten(database, to, "a") == Forgotten(
        outcomes=0, exposures=0, memberships=0, traits=0, rejections=0
    )
    assert await forgotten(database, to, "nobody") == Forgotten(
        outcomes=0, exposures=0, memberships=0, traits=0, rejections=0
    )


async def test_forgotten_unit_that_comes_back_is_a_new_one(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await forgotten(database, to, "a")
    again: list[Exposed | Did] = [entry("a", 30.5, variant=1), deed("a", 30.6)]
    await send(database, to, again)
    others = [row for row in FIRST if row.unit != "a"]
    assert_same(await refresh(database, to, NOW), law([*others, *again], NOW))


async def test_units_of_another_workspace_are_left_alone(database: Database) -> None:
    to, other = await running(database), await running(database)
    for place in (to, other):
        await send(database, place, FIRST)
    await forgotten(database, to, "a")
    assert_same(await refresh(database, other, NOW), law(FIRST, NOW))


async def test_frozen_days_stay_as_they_were_counted(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    before = await refresh(database, to, NOW)
    await cleared(database, to, NOW)
    assert await forgotten(database, to, "a") == Forgotten(
        outcomes=0, exposures=1, memberships=0, traits=0, rejections=0
    )
    assert_same(await refresh(database, to, NOW), before)


async def test_floor_waits_for_the_days_of_a_forgotten_unit(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await refresh(database, to, NOW)
    await forgotten(database, to, "a")
    assert await cleared(database, to, NOW) is None
    assert_same(await refresh(database, to, NOW), without("a"))
    assert await cleared(database, to, NOW) == at(26).date()
    assert_same(await tables(database, to), without("a"))


@pytest.mark.parametrize(
    ("row", "is_named"),
    [
        ({"unit": "a.b+1", "event": "", "occurredAt": LATER}, True),
        ({"user": "a.b+1"}, True),
        ("a.b+1", True),
        (["x", "a.b+1"], True),
        ({"unit": "a.b+12", "event": ""}, False),
        ({"unit": "aXb+1", "event": ""}, False),
        ({"unit": "xa.b+1", "event": ""}, False),
    ],
)
async def test_rejected_rows_go_when_they_name_the_unit_and_stay_when_they_name_another(
    database: Database, row: Any, is_named: bool
) -> None:
    to = await running(database)
    await rejected(database, to, row)
    assert (await forgotten(database, to, "a.b+1")).rejections == int(is_named)


async def test_rejected_row_that_was_kept_as_python_goes_as_well(database: Database) -> None:
    to = await running(database)
    await rejected(database, to, {"unit": "Zoë", "event": "\ud800"})
    assert (await forgotten(database, to, "Zoë")).rejections == 1


async def test_forgetting_leaves_the_other_exposures_of_its_day_to_be_counted_anew(database: Database) -> None:
    to = await running(database)
    rows: list[Exposed | Did] = [entry(f"u{number}", 0.1) for number in range(5)]
    await send(database, to, rows)
    await refresh(database, to, NOW)
    await forgotten(database, to, "u3")
    others = [row for row in rows if row.unit != "u3"]
    found = await refresh(database, to, NOW)
    assert found.entries[("", 0, at(0).date())] == 4
    assert_same(found, law(others, NOW))
