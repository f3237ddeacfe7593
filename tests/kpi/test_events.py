"""Outcomes coming in, against Postgres: what every row is told, and what is stored of it."""

import asyncio
import random
from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel.ext.asyncio.session import AsyncSession

from api.database import Database, driver
from kpi import events
from kpi.ingest import Fault, Report
from kpi.tables import Workspace
from tests.kpi.wire import HALF_A_PAIR, NOW, Row, anything, outcome, stored, told

PATIENCE = 30
"""Seconds after which two batches are taken to have locked each other up."""


async def take(database: Database, workspace: Workspace, *rows: Any, lax: bool = False) -> Report:
    async with database.raw() as connection:
        return await events.ingest(connection, workspace_id=workspace.id, rows=rows, now=NOW, lax=lax)


async def kept(database: Database, workspace: Workspace) -> list[tuple[Any, ...]]:
    async with database.raw() as connection:
        return await stored(connection, workspace.id)


async def table(database: Database, workspace: Workspace, name: str) -> list[dict[str, Any]]:
    async with database.raw() as connection:
        rows = await connection.fetch(f"SELECT * FROM {name} WHERE workspace_id = $1 ORDER BY id", workspace.id)  # noqa: S608 - a name from this file
        return [dict(row) for row in rows]


async def test_ingest_good_rows_are_accepted_and_stored_as_they_are(database: Database, workspace: Workspace) -> None:
    at = NOW - timedelta(days=1)
    report = await take(database, workspace, outcome("u2", value=1.5), outcome("u1"), outcome("u1", "paid", value=-3))
    assert told(report) == ["accepted"] * 3
    assert await kept(database, workspace) == [
        ("u1", "activated", at, None),
        ("u1", "paid", at, -3.0),
        ("u2", "activated", at, 1.5),
    ]


async def test_ingest_empty_batch_is_a_line_in_the_ledger_and_nothing_else(
    database: Database, workspace: Workspace
) -> None:
    assert told(await take(database, workspace)) == []
    assert [row["is_pending"] for row in await table(database, workspace, "ingests")] == [False]


BAD_ROWS: list[tuple[Any, Fault, str]] = [
    ("not a row", Fault.MALFORMED, "row"),
    ({"unit": "u1"}, Fault.MALFORMED, "row"),
    (outcome(colour="red"), Fault.MALFORMED, "row"),
    (outcome() | {"a\0b": 1}, Fault.MALFORMED, "row"),
    (outcome() | {HALF_A_PAIR: 1}, Fault.BAD_TEXT, "row"),
    (outcome() | {"unit": {"nested": HALF_A_PAIR}}, Fault.MALFORMED, "unit"),
    (outcome("u\0"), Fault.BAD_TEXT, "unit"),
    (outcome(event=HALF_A_PAIR), Fault.BAD_TEXT, "event"),
    (outcome(eventId=HALF_A_PAIR), Fault.BAD_TEXT, "eventId"),
    (outcome("u" * 201), Fault.MALFORMED, "unit"),
    (outcome(value=nan), Fault.NOT_FINITE, "value"),
    (outcome(value=-inf), Fault.NOT_FINITE, "value"),
    (outcome(value=1e101), Fault.NOT_FINITE, "value"),
    (outcome(value=10**400), Fault.MALFORMED, "value"),
    (outcome(occurredAt="2026-11-01T12:00:00"), Fault.MALFORMED, "occurredAt"),
    (outcome(occurredAt=NOW + timedelta(minutes=10, seconds=1)), Fault.TIME_IN_FUTURE, "occurredAt"),
    (outcome(occurredAt="1989-12-31T23:59:59Z"), Fault.TIME_TOO_EARLY, "occurredAt"),
]


async def test_ingest_bad_rows_are_each_told_why_and_fail_no_neighbour(
    database: Database, workspace: Workspace
) -> None:
    rows: list[Any] = [outcome("before")]
    for bad, _, _ in BAD_ROWS:
        rows += [bad, outcome(f"after-{len(rows)}")]
    report = await take(database, workspace, *rows)
    assert report.accepted == tuple(range(0, len(rows), 2))
    assert [(refusal.index, refusal.code, refusal.path) for refusal in report.refusals] == [
        (2 * place + 1, code, path) for place, (_, code, path) in enumerate(BAD_ROWS)
    ]
    assert len(await kept(database, workspace)) == len(BAD_ROWS) + 1


async def test_ingest_rejected_rows_are_kept_with_their_reason(database: Database, workspace: Workspace) -> None:
    report = await take(database, workspace, outcome("ü\0", value=2), outcome(value=nan))
    found = await table(database, workspace, "rejections")
    assert [(row["code"], row["message"], row["path"]) for row in found] == [
        (refusal.code, refusal.message, refusal.path) for refusal in report.refusals
    ]
    assert [(row["noun"], row["received_at"]) for row in found] == [("outcomes", NOW)] * 2
    assert found[0]["row"] == '{"unit":"ü\\u0000","event":"activated","occurredAt":"2026-11-21T09:30:00Z","value":2}'


async def test_ingest_ledger_counts_what_became_of_the_rows(database: Database, workspace: Workspace) -> None:
    await take(database, workspace, outcome("u1"), outcome("u1"), outcome("u2", "paid"), outcome("u\0"), None)
    numbers = {row["name"]: row["id"] for row in await table(database, workspace, "events")}
    (line,) = await table(database, workspace, "ingests")
    assert [line[name] for name in ("noun", "accepted", "duplicates", "rejected")] == ["outcomes", 2, 1, 2]
    assert line["touched"] == sorted(numbers.values())
    assert (line["is_pending"], line["received_at"]) == (True, NOW)


async def test_ingest_resent_batch_is_all_duplicates_and_changes_nothing(
    database: Database, workspace: Workspace
) -> None:
    rows = [outcome(f"u{n}", value=n, eventId=f"e{n}") for n in range(5)]
    rows += [outcome(f"u{n}", "paid", value=n) for n in range(5)]
    await take(database, workspace, *rows)
    before = await kept(database, workspace)
    assert told(await take(database, workspace, *rows)) == ["duplicate"] * 10
    assert await kept(database, workspace) == before
    line = (await table(database, workspace, "ingests"))[-1]
    assert (line["duplicates"], line["touched"], line["is_pending"]) == (10, [], False)


async def test_ingest_same_content_in_one_batch_is_stored_once(database: Database, workspace: Workspace) -> None:
    east = timezone(timedelta(hours=9))
    again = outcome(occurredAt=(NOW - timedelta(days=1)).astimezone(east))  # the same moment by another clock
    assert told(await take(database, workspace, outcome(), again, outcome())) == ["accepted", "duplicate", "duplicate"]
    assert len(await kept(database, workspace)) == 1


@pytest.mark.parametrize(
    "change",
    [{"unit": "u2"}, {"event": "paid"}, {"value": 2}, {"occurredAt": NOW - timedelta(days=1, microseconds=1)}],
    ids=lambda change: str(*change),
)
async def test_ingest_other_content_without_an_event_id_is_another_outcome(
    database: Database, workspace: Workspace, change: Row
) -> None:
    assert told(await take(database, workspace, outcome(value=1), outcome(value=1) | change)) == ["accepted"] * 2


@pytest.mark.parametrize("together", [True, False], ids=["in-one-batch", "in-two-batches"])
async def test_ingest_same_event_id_with_other_content_is_a_duplicate_and_the_first_stays(
    database: Database, workspace: Workspace, together: bool
) -> None:
    first, second = outcome("u1", value=1, eventId="e1"), outcome("u2", "paid", value=2, eventId="e1")
    if together:
        assert told(await take(database, workspace, first, second)) == ["accepted", "duplicate"]
    else:
        assert told(await take(database, workspace, first)) == ["accepted"]
        assert told(await take(database, workspace, second)) == ["duplicate"]
    assert await kept(database, workspace) == [("u1", "activated", first["occurredAt"], 1.0)]


async def test_ingest_same_content_with_two_event_ids_is_two_outcomes(database: Database, workspace: Workspace) -> None:
    rows = [outcome(eventId="e1"), outcome(eventId="e2"), outcome()]
    assert told(await take(database, workspace, *rows)) == ["accepted"] * 3


async def test_ingest_same_row_in_two_workspaces_is_stored_in_both(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        other = Workspace(key=f"{workspace.key}-other", name="other", created_at=NOW)
        session.add(other)
    row = outcome(eventId="e1")
    for place in (workspace, other):
        assert told(await take(database, place, row)) == ["accepted"]
        assert len(await kept(database, place)) == 1


async def test_ingest_partly_known_batch_takes_in_the_rest(database: Database, workspace: Workspace) -> None:
    await take(database, workspace, outcome("u1"), outcome("u3"))
    report = await take(database, workspace, *(outcome(f"u{n}") for n in range(5)))
    assert told(report) == ["accepted", "duplicate", "accepted", "duplicate", "accepted"]
    assert len(await kept(database, workspace)) == 5


async def test_ingest_lax_takes_the_cells_of_a_file(database: Database, workspace: Workspace) -> None:
    row = {"unit": "u1", "event": "paid", "occurredAt": "2026-11-01T00:00:00Z", "value": "7.5"}
    assert told(await take(database, workspace, row)) == ["MALFORMED"]
    assert told(await take(database, workspace, row, lax=True)) == ["accepted"]
    assert await kept(database, workspace) == [("u1", "paid", datetime(2026, 11, 1, tzinfo=UTC), 7.5)]


async def test_ingest_more_event_names_than_allowed_rejects_only_the_new_ones(
    database: Database, workspace: Workspace
) -> None:
    async with database.raw() as connection:
        await connection.execute(
            "INSERT INTO events (workspace_id, name) SELECT $1, 'e' || n FROM generate_series(2, $2) n",
            workspace.id,
            events.EVENT_NAMES,
        )
    report = await take(database, workspace, outcome(event="zzz"), outcome(event="e7"), outcome(event="aaa"))
    assert told(report) == ["TOO_MANY_EVENTS", "accepted", "accepted"]
    assert report.refusals[0].path == "event"


async def test_ingest_two_batches_in_opposite_orders_do_not_lock_each_other_up(
    database: Database, workspace: Workspace
) -> None:
    await take(database, workspace, outcome(eventId="the event's name is known"))
    rows = [outcome(occurredAt=NOW - timedelta(hours=n)) for n in range(9)]
    async with AsyncSession(database.engine) as held:  # both stop in the middle, half of their rows stored
        await events.ingest(await driver(held), workspace_id=workspace.id, rows=[rows[4]], now=NOW)
        batches = asyncio.gather(take(database, workspace, *rows), take(database, workspace, *reversed(rows)))
        await asyncio.sleep(0.3)
        await held.rollback()
    reports = await asyncio.wait_for(batches, PATIENCE)
    assert sorted(len(report.accepted) for report in reports) == [0, 9]
    assert len(await kept(database, workspace)) == 10


async def test_ingest_batches_that_share_rows_store_each_once(database: Database, workspace: Workspace) -> None:
    draw = random.Random(1)  # noqa: S311 - a shuffle, no secret
    rows = [outcome(f"u{n % 60}", f"event-{n % 7}", value=n) for n in range(300)]
    batches = [draw.sample(rows, 250) for _ in range(4)]
    taking = asyncio.gather(*(take(database, workspace, *batch) for batch in batches))
    reports = await asyncio.wait_for(taking, PATIENCE)
    sent = {row["value"] for batch in batches for row in batch}
    assert sum(len(report.accepted) for report in reports) == len(sent)
    assert sum(len(report.duplicates) for report in reports) == 1000 - len(sent)
    assert sorted(value for *_, value in await kept(database, workspace)) == sorted(sent)


@pytest.mark.parametrize("is_kept", [True, False], ids=["commits", "rolls-back"])
async def test_ingest_row_another_batch_is_storing_waits_for_its_end(
    database: Database, workspace: Workspace, is_kept: bool
) -> None:
    async with AsyncSession(database.engine) as held:
        rows = [outcome("u1"), outcome("u2")]
        await events.ingest(await driver(held), workspace_id=workspace.id, rows=rows, now=NOW)
        second = asyncio.create_task(take(database, workspace, outcome("u2"), outcome("u3")))
        await asyncio.sleep(0.2)
        assert not second.done()
        await (held.commit() if is_kept else held.rollback())
    report = await asyncio.wait_for(second, PATIENCE)
    assert told(report) == ["duplicate" if is_kept else "accepted", "accepted"]
    assert [row[0] for row in await kept(database, workspace)] == (["u1", "u2", "u3"] if is_kept else ["u2", "u3"])


async def test_ingest_rolled_back_transaction_leaves_nothing(database: Database, workspace: Workspace) -> None:
    async with AsyncSession(database.engine) as held:
        await events.ingest(await driver(held), workspace_id=workspace.id, rows=[outcome(), None], now=NOW)
        await held.rollback()
    assert await kept(database, workspace) == []
    assert await table(database, workspace, "ingests") == await table(database, workspace, "rejections") == []


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(
    rows=st.lists(
        st.builds(lambda extra: outcome() | extra if isinstance(extra, dict) else extra, anything), max_size=5
    )
)
async def test_ingest_whatever_comes_every_row_gets_one_answer(database: Database, rows: list[Any]) -> None:
    async with database.write() as session:
        place = Workspace(key=f"any-{uuid4().hex}", name="any", created_at=NOW)
        session.add(place)
    report = await take(database, place, outcome("good", eventId="g"), *rows)
    answers = told(report)
    assert len(answers) == len(rows) + 1
    assert answers[0] == "accepted"
    assert len(await kept(database, place)) == answers.count("accepted")
    assert len(await table(database, place, "rejections")) == len(report.refusals)
