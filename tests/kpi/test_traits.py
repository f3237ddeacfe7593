"""Traits coming in, against Postgres: what every row is told, and what is known of a unit at a moment."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from itertools import product
from math import inf, nan
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.database import Database
from experiments.aggregation.forgetting import forget
from kpi import traits
from kpi.ingest import Fault, Report
from kpi.tables import Workspace
from tests.kpi.wire import HALF_A_PAIR, NOW, anything, told

MONDAY, TUESDAY, FRIDAY = (NOW - timedelta(days=days) for days in (6, 5, 2))
LONG_AGO = NOW - timedelta(days=9_000)
VALUES = "SELECT {value} FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS asked (unit, name, at)"
Row = dict[str, Any]
Asked = tuple[str, str, datetime]


def trait(name: str, value: Any, at: Any = MONDAY, unit: Any = "acme", **more: Any) -> Row:
    since = {} if at is None else {"sinceAt": at}
    return {"unit": unit, "name": name, "value": value} | since | more


async def take(database: Database, workspace: Workspace, *rows: Any, lax: bool = False) -> Report:
    async with database.raw() as connection:
        return await traits.ingest(connection, workspace_id=workspace.id, rows=rows, now=NOW, lax=lax)


async def values(database: Database, workspace: Workspace, asked: Iterable[Asked]) -> list[str]:
    """What `value_at` says, in order."""
    units, names, moments = zip(*asked, strict=True)
    statement = VALUES.format(value=traits.value_at("asked.name", "asked.unit", "asked.at", workspace.id))
    async with database.raw() as connection:
        return [row[0] for row in await connection.fetch(statement, units, names, moments)]


async def plans(database: Database, workspace: Workspace, *moments: datetime) -> list[str]:
    return await values(database, workspace, [("acme", "plan", moment) for moment in moments])


async def somewhere(database: Database) -> Workspace:
    """A workspace for one example of many."""
    async with database.write() as session:
        place = Workspace(key=f"traits-{uuid4().hex}", name="traits", created_at=NOW)
        session.add(place)
    return place


async def table(database: Database, workspace: Workspace, name: str) -> list[Row]:
    async with database.raw() as connection:
        rows = await connection.fetch(f"SELECT * FROM {name} WHERE workspace_id = $1 ORDER BY 1, 2", workspace.id)  # noqa: S608 - a name from this file
        return [dict(row) for row in rows]


async def test_value_holds_from_its_moment_on_until_the_next_one_begins(
    database: Database, workspace: Workspace
) -> None:
    rows = [trait("plan", None, FRIDAY), trait("plan", "pro", TUESDAY), trait("plan", "free", MONDAY)]
    assert told(await take(database, workspace, *rows)) == ["accepted"] * 3
    moment = timedelta(microseconds=1)
    asked = (MONDAY - moment, MONDAY, TUESDAY - moment, TUESDAY, FRIDAY - moment, FRIDAY, NOW)
    assert await plans(database, workspace, *asked) == ["(none)", "free", "free", "pro", "pro", "(none)", "(none)"]


async def test_trait_without_a_moment_holds_since_always_until_a_later_value(
    database: Database, workspace: Workspace
) -> None:
    assert told(await take(database, workspace, trait("plan", "free", None))) == ["accepted"]
    assert told(await take(database, workspace, trait("plan", "free", None, sinceAt=None))) == ["duplicate"]
    await take(database, workspace, trait("plan", "pro", MONDAY))
    assert await plans(database, workspace, LONG_AGO, MONDAY, NOW) == ["free", "pro", "pro"]


async def test_value_is_of_one_unit_one_name_and_one_workspace(database: Database, workspace: Workspace) -> None:
    other = await somewhere(database)
    await take(database, workspace, trait("plan", "pro"), trait("seats", 12), trait("plan", "free", unit="globex"))
    await take(database, other, trait("plan", "basic"))
    asked = [("acme", "plan", NOW), ("acme", "seats", NOW), ("globex", "plan", NOW), ("globex", "seats", NOW)]
    assert await values(database, workspace, asked) == ["pro", "12", "free", "(none)"]
    assert await values(database, other, asked) == ["basic", "(none)", "(none)", "(none)"]


@pytest.mark.parametrize(
    ("value", "text"),
    [("pro", "pro"), (12, "12"), (12.0, "12"), (0.25, "0.25"), (True, "true"), (False, "false"), ("12.0", "12.0")],
)
@pytest.mark.parametrize("lax", [False, True])
async def test_numbers_and_booleans_are_known_by_their_text(
    database: Database, workspace: Workspace, value: Any, text: str, lax: bool
) -> None:
    assert told(await take(database, workspace, trait("plan", value), lax=lax)) == ["accepted"]
    assert await plans(database, workspace, NOW) == [text]
    assert told(await take(database, workspace, trait("plan", text))) == ["duplicate"]


async def test_same_again_is_a_duplicate_also_in_the_batch_and_in_another_zone(
    database: Database, workspace: Workspace
) -> None:
    row = trait("plan", "pro")
    assert told(await take(database, workspace, row, row)) == ["accepted", "duplicate"]
    elsewhere = MONDAY.astimezone(timezone(timedelta(hours=5, minutes=45))).isoformat()
    assert told(await take(database, workspace, trait("plan", "pro", elsewhere))) == ["duplicate"]
    assert len(await table(database, workspace, "traits")) == 1


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (trait("plan", "pro"), trait("plan", "free"), "another value from 2026-11-16T09:30:00+00:00 on"),
        (trait("plan", None), trait("plan", "free"), "no value from"),
        (trait("plan", "pro"), trait("plan", None), "another value from"),
        (trait("plan", "pro", None), trait("plan", "free", None), "since always: say since when"),
    ],
)
async def test_another_value_from_the_same_moment_on_is_refused_and_the_first_stays(
    database: Database, workspace: Workspace, first: Row, second: Row, words: str
) -> None:
    await take(database, workspace, first)
    report = await take(database, workspace, second, trait("plan", "basic", NOW))
    assert told(report) == [Fault.CONTRADICTION, "accepted"]
    assert words in report.refusals[0].message
    assert report.refusals[0].path == "value"
    assert await plans(database, workspace, FRIDAY) == [first["value"] or "(none)"]


BAD_ROWS: list[tuple[Any, Fault, str]] = [
    (7, Fault.MALFORMED, "row"),
    ({"unit": "u", "name": "plan"}, Fault.MALFORMED, "row"),
    (trait("plan", "pro", unit=""), Fault.MALFORMED, "unit"),
    (trait("plan", "pro", unit="u" * 201), Fault.MALFORMED, "unit"),
    (trait("", "pro"), Fault.MALFORMED, "name"),
    (trait("n" * 101, "pro"), Fault.MALFORMED, "name"),
    (trait("plan", ""), Fault.MALFORMED, "value"),
    (trait("plan", "v" * 201), Fault.MALFORMED, "value"),
    (trait("plan", 10**201), Fault.MALFORMED, "value"),
    (trait("plan", ["pro"]), Fault.MALFORMED, "value"),
    (trait("plan", nan), Fault.NOT_FINITE, "value"),
    (trait("plan", -inf), Fault.NOT_FINITE, "value"),
    (trait("plan", "pro", more=1), Fault.MALFORMED, "row"),
    (trait("plan", "pro", "yesterday"), Fault.MALFORMED, "sinceAt"),
    (trait("plan", "pro", "2026-11-16T09:30:00"), Fault.MALFORMED, "sinceAt"),
    (trait("plan", "pro", NOW + timedelta(days=1)), Fault.TIME_IN_FUTURE, "sinceAt"),
    (trait("plan", "pro", traits.ALWAYS), Fault.TIME_TOO_EARLY, "sinceAt"),
    (trait("plan", "pro", unit="a\0"), Fault.BAD_TEXT, "unit"),
    (trait(HALF_A_PAIR, "pro"), Fault.BAD_TEXT, "name"),
    (trait("plan", HALF_A_PAIR), Fault.BAD_TEXT, "value"),
]


@pytest.mark.parametrize(("row", "code", "path"), BAD_ROWS)
async def test_bad_row_is_rejected_with_its_path_and_its_neighbour_is_not(
    database: Database, workspace: Workspace, row: Any, code: Fault, path: str
) -> None:
    report = await take(database, workspace, row, trait("plan", "pro", unit="globex"))
    assert [(refusal.code, refusal.path) for refusal in report.refusals] == [(code, path)]
    assert [row["unit"] for row in await table(database, workspace, "traits")] == ["globex"]
    (rejection,) = await table(database, workspace, "rejections")
    assert (rejection["noun"], rejection["code"], rejection["path"]) == ("traits", code, path)


async def test_longest_of_everything_is_taken(database: Database, workspace: Workspace) -> None:
    assert told(await take(database, workspace, trait("n" * 100, "v" * 200, unit="u" * 200))) == ["accepted"]


async def test_names_beyond_the_most_are_refused_and_those_known_still_get_values(
    database: Database, workspace: Workspace
) -> None:
    names = [f"trait {number}" for number in range(traits.TRAIT_NAMES)]
    await take(database, workspace, *(trait(name, 1) for name in names[:-1]))
    rows = [trait(names[-1], 1), trait("one more", 1), trait("one more", 1), trait(names[0], 2, FRIDAY)]
    report = await take(database, workspace, *rows)
    assert told(report) == ["accepted", Fault.TOO_MANY_TRAITS, Fault.TOO_MANY_TRAITS, "accepted"]
    assert report.refusals[0].path == "name"
    assert "100 traits" in report.refusals[0].message


async def test_ledger_has_a_pending_entry_with_the_batch_its_rows_belong_to(
    database: Database, workspace: Workspace
) -> None:
    await take(database, workspace, trait("plan", "pro"), trait("plan", "pro"), trait("plan", "free"))
    (entry,) = await table(database, workspace, "ingests")
    assert (entry["noun"], entry["is_pending"], entry["touched"]) == ("traits", True, [])
    assert (entry["accepted"], entry["duplicates"], entry["rejected"]) == (1, 1, 1)
    (row,) = await table(database, workspace, "traits")
    assert row["ingest_id"] == entry["id"]


async def test_batches_that_say_different_things_at_once_wait_for_each_other(
    database: Database, workspace: Workspace
) -> None:
    reports = await asyncio.gather(*(take(database, workspace, trait("plan", plan)) for plan in ("pro", "free")))
    assert sorted(word for report in reports for word in told(report)) == [Fault.CONTRADICTION, "accepted"]


async def test_forgotten_unit_has_no_traits_and_its_name_may_say_something_else(
    database: Database, workspace: Workspace
) -> None:
    await take(database, workspace, trait("plan", "pro"), trait("seats", 3), trait("plan", "pro", unit="globex"))
    async with database.raw() as connection:
        found = await forget(connection, workspace_id=workspace.id, unit="acme", now=NOW)
    assert found.traits == 2
    assert [row["unit"] for row in await table(database, workspace, "traits")] == ["globex"]
    assert told(await take(database, workspace, trait("plan", "free"))) == ["accepted"]


moments = st.sampled_from([None, MONDAY, TUESDAY, FRIDAY])
said = st.none() | st.sampled_from(["free", "pro", 3, True])
histories = st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), moments), said, min_size=1)
Said = Mapping[tuple[str, str, datetime | None], Any]


def known_at(history: Said, asked: Asked) -> str:
    """The value by the words of the guide: of what began by then, the last; numbers and booleans as text."""
    unit, name, moment = asked
    of_it = [(since or traits.ALWAYS, value) for (*of, since), value in history.items() if of == [unit, name]]
    begun = [one for one in of_it if one[0] <= moment]
    last = max(begun, key=lambda one: one[0])[1] if begun else None
    return str({None: "(none)", True: "true"}.get(last, last))


@st.composite
def tellings(draw: st.DrawFn) -> tuple[Said, list[list[Row]]]:
    """A history, and batches that tell it: in any order, some rows more than once."""
    history: Said = draw(histories)
    rows = [trait(name, value, since, unit=unit) for (unit, name, since), value in history.items()]
    again = draw(st.lists(st.sampled_from(rows), max_size=4))
    told = draw(st.permutations(rows + again))
    cut = draw(st.integers(0, len(told)))
    return history, [told[:cut], told[cut:]]


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(telling=tellings())
async def test_value_at_a_moment_is_a_function_of_the_set_of_rows(
    database: Database, telling: tuple[Said, list[list[Row]]]
) -> None:
    history, batches = telling
    place = await somewhere(database)
    answers = [word for batch in batches for word in told(await take(database, place, *batch))]
    assert answers.count("accepted") == len(history)
    assert set(answers) <= {"accepted", "duplicate"}
    asked = list(product("ab", "xy", (LONG_AGO, MONDAY, FRIDAY - timedelta(microseconds=1), FRIDAY, NOW)))
    assert await values(database, place, asked) == [known_at(history, one) for one in asked]


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(
    rows=st.lists(anything.map(lambda extra: trait("x", 1) | extra if isinstance(extra, dict) else extra), max_size=5)
)
async def test_whatever_comes_every_row_gets_one_answer(database: Database, rows: list[Any]) -> None:
    place = await somewhere(database)
    report = await take(database, place, trait("plan", "pro"), *rows)
    answers = told(report)
    assert len(answers) == len(rows) + 1
    assert answers[0] == "accepted"
    assert len(await table(database, place, "traits")) == answers.count("accepted")
    assert len(await table(database, place, "rejections")) == len(report.refusals)
