"""Memberships coming in, against Postgres: what every row is told, and where each of them ends."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from api.database import Database
from kpi import memberships
from kpi.ingest import Fault, Report
from kpi.tables import Workspace
from tests.kpi.wire import HALF_A_PAIR, NOW, told

MONDAY, TUESDAY, FRIDAY = (NOW - timedelta(days=days) for days in (6, 5, 2))


def membership(member: str, account: str | None, at: Any = MONDAY, **more: Any) -> dict[str, Any]:
    return {"member": member, "account": account, "sinceAt": at} | more


async def take(database: Database, workspace: Workspace, *rows: Any) -> Report:
    async with database.raw() as connection:
        return await memberships.ingest(connection, workspace_id=workspace.id, rows=rows, now=NOW)


async def kept(database: Database, workspace: Workspace) -> list[tuple[Any, ...]]:
    async with database.raw() as connection:
        rows = await connection.fetch(
            "SELECT member, account, since_at, until_at FROM memberships WHERE workspace_id = $1 ORDER BY 1, 3",
            workspace.id,
        )
    return [tuple(row) for row in rows]


HISTORY = [
    membership("ada", "acme", MONDAY),
    membership("ada", None, TUESDAY),
    membership("ada", "globex", FRIDAY),
]


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_ingest_each_membership_ends_where_the_next_begins_in_any_order(
    database: Database, workspace: Workspace, order: tuple[int, ...]
) -> None:
    for place in order:
        assert told(await take(database, workspace, HISTORY[place])) == ["accepted"]
    assert await kept(database, workspace) == [
        ("ada", "acme", MONDAY, TUESDAY),
        ("ada", None, TUESDAY, FRIDAY),
        ("ada", "globex", FRIDAY, None),
    ]


async def test_ingest_what_is_known_is_a_duplicate_also_within_a_batch(
    database: Database, workspace: Workspace
) -> None:
    assert told(await take(database, workspace, HISTORY[0], HISTORY[0])) == ["accepted", "duplicate"]
    assert told(await take(database, workspace, *HISTORY)) == ["duplicate", "accepted", "accepted"]


async def test_ingest_another_account_from_the_same_moment_on_is_rejected(
    database: Database, workspace: Workspace
) -> None:
    await take(database, workspace, HISTORY[0])
    report = await take(database, workspace, membership("ada", "globex"), membership("bob", "globex"))
    assert told(report) == [Fault.CONTRADICTION, "accepted"]
    assert "another account" in report.refusals[0].message


BAD_ROWS: list[tuple[Any, Fault, str]] = [
    (7, Fault.MALFORMED, "row"),
    (membership("", "acme"), Fault.MALFORMED, "member"),
    (membership("ada", "a" * 201), Fault.MALFORMED, "account"),
    (membership("ada", "acme", more=1), Fault.MALFORMED, "row"),
    (membership("ada", "acme", "yesterday"), Fault.MALFORMED, "sinceAt"),
    (membership("ada", "acme", NOW + timedelta(days=1)), Fault.TIME_IN_FUTURE, "sinceAt"),
    (membership("a\0", "acme"), Fault.BAD_TEXT, "member"),
    (membership("ada", HALF_A_PAIR), Fault.BAD_TEXT, "account"),
]


@pytest.mark.parametrize(("row", "code", "path"), BAD_ROWS)
async def test_ingest_bad_row_is_rejected_with_its_path_and_its_neighbour_is_not(
    database: Database, workspace: Workspace, row: Any, code: Fault, path: str
) -> None:
    report = await take(database, workspace, row, membership("bob", "acme"))
    assert [(refusal.code, refusal.path) for refusal in report.refusals] == [(code, path)]
    assert [member for member, *_ in await kept(database, workspace)] == ["bob"]
