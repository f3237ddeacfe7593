"""Units that are hidden, and rows that are too old."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import pytest

from api.database import Database
from experiments import exposures
from experiments.aggregation.forgetting import forget
from kpi import events, memberships, storage, traits, workspaces
from kpi.errors import Code, Invalid
from kpi.tables import Workspace
from tests.experiments.registering import NOW, draft, start

CLEAR = "clear-unit@example.org"
LATER = NOW + timedelta(days=2)
AT = NOW + timedelta(days=1)
TABLES = """
SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t
USING (table_schema, table_name) WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE'
"""
ANYWHERE = 'SELECT EXISTS (SELECT FROM "{table}" WHERE "{column}"::text LIKE $1)'


async def change(database: Database, workspace: Workspace, **given: Any) -> Workspace:
    async with database.write() as session:
        return await workspaces.update(session, workspace_id=workspace.id, given=given)


async def take(database: Database, workspace: Workspace, *sent: Any) -> tuple[int, int, int]:
    async with database.raw() as connection:
        report = await events.ingest(connection, workspace_id=workspace.id, rows=list(sent), now=LATER)
    return len(report.accepted), len(report.duplicates), len(report.refusals)


async def expose(database: Database, workspace: Workspace, *sent: Any) -> tuple[int, int, int]:
    async with database.raw() as connection:
        report = await exposures.ingest(connection, workspace_id=workspace.id, rows=list(sent), now=LATER)
    return len(report.accepted), len(report.duplicates), len(report.refusals)


def outcome(unit: Any = CLEAR, **changes: Any) -> dict[str, Any]:
    return {"unit": unit, "event": "activated", "occurredAt": AT} | changes


def exposure(unit: Any = CLEAR, **changes: Any) -> dict[str, Any]:
    return {"experiment": "shorter-form", "unit": unit, "variant": "control", "exposedAt": AT} | changes


async def places(database: Database, text: str) -> set[tuple[str, str]]:
    """Every column of the database in which a text occurs."""
    async with database.raw() as connection:
        columns = await connection.fetch(TABLES)
        return {
            (row["table_name"], row["column_name"])
            for row in columns
            if await connection.fetchval(
                ANYWHERE.format(table=row["table_name"], column=row["column_name"]),
                f"%{text}%",
            )
        }


async def test_no_clear_id_is_in_any_table_of_a_workspace_that_hides_units(
    database: Database, workspace: Workspace
) -> None:
    await change(database, workspace, hashes_units=True)
    experiment = await draft(database, workspace)
    await start(database, experiment)
    assert await take(database, workspace, outcome(), outcome(value=2.0)) == (2, 0, 0)
    assert await expose(database, workspace, exposure(), exposure(variant="treatment")) == (2, 0, 0)
    bad = [
        outcome(event=""),
        outcome(f"{CLEAR}\0"),
        outcome([CLEAR]),
        outcome(f"{CLEAR}{'x' * 300}"),
        {"user": CLEAR},
        CLEAR,
        f'{{"unit": "{CLEAR}"}}'.encode(),
        f'{{"unit": "{CLEAR}'.encode(),
        exposure(experiment="nothing"),
    ]
    assert await take(database, workspace, *bad) == (0, 0, len(bad))
    assert await expose(database, workspace, *bad, exposure(attributes={"mail": [CLEAR]})) == (0, 0, len(bad) + 1)
    assert await places(database, CLEAR) == set()


async def test_no_clear_id_of_a_membership_is_in_any_table_of_a_workspace_that_hides_units(
    database: Database, workspace: Workspace
) -> None:
    await change(database, workspace, hashes_units=True)
    sent: list[Any] = [
        {"member": CLEAR, "account": f"of-{CLEAR}", "sinceAt": AT},
        {"member": CLEAR, "account": CLEAR, "sinceAt": AT},
        {"member": CLEAR, "account": CLEAR * 20, "sinceAt": AT},
        {"user": CLEAR},
    ]
    async with database.raw() as connection:
        report = await memberships.ingest(connection, workspace_id=workspace.id, rows=sent, now=LATER)
        stored = await connection.fetchrow("SELECT * FROM memberships WHERE workspace_id = $1", workspace.id)
    assert (len(report.accepted), len(report.refusals)) == (1, 3)
    assert (len(stored["member"]), len(stored["account"])) == (32, 32)
    assert await places(database, CLEAR) == set()


async def test_no_clear_id_of_a_trait_is_in_any_table_of_a_workspace_that_hides_units(
    database: Database, workspace: Workspace
) -> None:
    await change(database, workspace, hashes_units=True)
    plan = {"unit": CLEAR, "name": "plan", "value": "pro"}
    sent: list[Any] = [plan, plan, plan | {"value": "free"}, plan | {"unit": CLEAR * 20}, {"user": CLEAR}]
    async with database.raw() as connection:
        report = await traits.ingest(connection, workspace_id=workspace.id, rows=sent, now=LATER)
        stored = await connection.fetchval("SELECT unit FROM traits WHERE workspace_id = $1", workspace.id)
        kept = await connection.fetchval(
            "SELECT row FROM rejections WHERE workspace_id = $1 ORDER BY id LIMIT 1", workspace.id
        )
    assert (len(report.accepted), len(report.duplicates), len(report.refusals)) == (1, 1, 3)
    assert json.loads(kept) == {"unit": stored, "name": "plan", "value": "free"}
    assert await places(database, CLEAR) == set()
    async with database.raw() as connection:
        assert (await forget(connection, workspace_id=workspace.id, unit=CLEAR, now=LATER)).traits == 1


async def test_clear_ids_are_found_by_the_same_search_where_units_are_not_hidden(
    database: Database, workspace: Workspace
) -> None:
    name = f"plain-{workspace.key}"
    await take(database, workspace, outcome(name), outcome(name, event=""))
    assert await places(database, name) == {("outcomes", "unit"), ("rejections", "row")}
    async with database.raw() as connection:
        await forget(connection, workspace_id=workspace.id, unit=name, now=LATER)
    assert await places(database, name) == set()


async def test_hidden_unit_is_one_unit_at_every_door_and_a_retry_is_known(
    database: Database, workspace: Workspace
) -> None:
    changed = await change(database, workspace, hashes_units=True)
    await start(database, await draft(database, workspace))
    await take(database, workspace, outcome())
    assert await take(database, workspace, outcome()) == (0, 1, 0)
    await expose(database, workspace, exposure())
    assert changed.unit_secret is not None
    stored = blake2b(CLEAR.encode(), key=changed.unit_secret, digest_size=16).hexdigest()
    async with database.raw() as connection:
        found = await connection.fetch(
            "SELECT unit FROM outcomes WHERE workspace_id = $1 UNION ALL SELECT x.unit FROM exposures x"
            " JOIN experiments e ON e.id = x.experiment_id WHERE e.workspace_id = $1",
            workspace.id,
        )
    assert [row["unit"] for row in found] == [stored, stored]


async def test_hidden_unit_is_forgotten_by_its_clear_id_or_its_hash(database: Database, workspace: Workspace) -> None:
    await change(database, workspace, hashes_units=True)
    await take(database, workspace, outcome(), outcome("other"))
    async with database.raw() as connection:
        stored = (await storage.gate(connection, workspace.id, "outcomes")).unit("other")
        for name in (CLEAR, stored):
            assert (await forget(connection, workspace_id=workspace.id, unit=name, now=LATER)).outcomes == 1


async def test_two_workspaces_hide_one_unit_under_two_names(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        other = Workspace(key=f"{workspace.key}-other", name="other", created_at=datetime.now(UTC))
        session.add(other)
    first = await change(database, workspace, hashes_units=True)
    second = await change(database, other, hashes_units=True)
    assert first.unit_secret != second.unit_secret


@pytest.mark.parametrize("row", [outcome(), outcome(event="")])
async def test_hiding_is_settled_by_the_first_row_even_a_rejected_one(
    database: Database, workspace: Workspace, row: dict[str, Any]
) -> None:
    await change(database, workspace, hashes_units=True)
    await change(database, workspace, hashes_units=False)
    await take(database, workspace, row)
    with pytest.raises(Invalid) as refused:
        await change(database, workspace, hashes_units=True, retention_days=0)
    assert [(problem.code, problem.path) for problem in refused.value.problems] == [
        (Code.BAD_USER_INPUT, ("retentionDays",)),
        (Code.WRONG_STATE, ("hashesUnits",)),
    ]
    assert (await change(database, workspace, hashes_units=False, retention_days=30)).retention_days == 30
    assert (await change(database, workspace, retention_days=None)).retention_days is None


@pytest.mark.parametrize(
    ("ingest", "row"),
    [
        (memberships.ingest, {"member": "ada", "account": "acme", "sinceAt": NOW}),
        (traits.ingest, {"unit": "ada", "name": "plan", "value": "pro"}),
    ],
)
async def test_memberships_or_traits_alone_settle_how_units_are_stored(
    database: Database, workspace: Workspace, ingest: Any, row: dict[str, Any]
) -> None:
    async with database.raw() as connection:
        await ingest(connection, workspace_id=workspace.id, rows=[row], now=LATER)
    with pytest.raises(Invalid):
        await change(database, workspace, hashes_units=True)
