"""Postgres itself keeps workspaces apart: every table with their rows, whatever a statement forgets to ask for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
import pytest_asyncio

from api.auth import keys
from api.auth.tenants import ensure_workspace
from api.database import Database, Role, driver
from tests.api.databases import migrated, url_of
from tests.api.test_migrations import FILL

FREE = {"alembic_version": "which schema it is: no workspace has a part in it"}
"""Tables that hold nobody's data, and why."""
TABLES = """
SELECT relname, relrowsecurity, relforcerowsecurity, ARRAY(
    SELECT DISTINCT role.rolname::text FROM pg_policy JOIN pg_roles AS role ON role.oid = ANY(polroles)
    WHERE polrelid = pg_class.oid ORDER BY 1
) AS roles
FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace ORDER BY relname
"""
COUNT = "SELECT count(*) FROM {}"
ROW = "SELECT to_jsonb({table})::text FROM {table} LIMIT 1"
INSERT = """
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1::text::jsonb)
"""
STORED = """
SELECT quote_ident(attname) AS name FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND attgenerated = '' AND NOT attisdropped
"""
HOW = "is not isolated: call migrations.isolation.by_column or by_parent in its migration, and add a row to FILL"
Two = tuple[Database, tuple[int, int]]


@pytest_asyncio.fixture(scope="module")
async def two(database_url: str) -> AsyncIterator[Two]:
    """A database of its own with a row of two workspaces in every table, written under the policies."""
    database = Database(url_of(database_url, await migrated(database_url)))
    yield database, (await filled(database, "ours"), await filled(database, "theirs"))
    await database.close()


async def filled(database: Database, key: str) -> int:
    async with database.acting(Role.WORKER).write() as session:
        workspace = await ensure_workspace(session, key, datetime.now(UTC))
    async with database.of(workspace.id).raw() as connection:
        await connection.execute(FILL.partition(";")[2])
    return workspace.id


async def isolated(database: Database) -> list[str]:
    """The tables that hold the rows of workspaces."""
    async with database.raw() as connection:
        return [row["relname"] for row in await connection.fetch(TABLES) if row["relname"] not in FREE]


async def counts(database: Database, tables: list[str]) -> dict[str, int]:
    async with database.raw() as connection:
        return {table: await connection.fetchval(COUNT.format(table)) for table in tables}


async def test_every_table_is_isolated_or_says_why_it_is_not(two: Two) -> None:
    database, _ = two
    async with database.raw() as connection:
        found = {row["relname"]: tuple(row)[1:] for row in await connection.fetch(TABLES)}
    isolated = (True, True, sorted(Role))
    assert [f"{table} {HOW}" for table, how in found.items() if table not in FREE and how != isolated] == []
    assert {table for table, how in found.items() if how == (False, False, [])} == set(FREE)


async def test_roles_own_nothing_and_cannot_log_in_or_go_round_the_policies(two: Two) -> None:
    database, _ = two
    async with database.raw() as connection:
        rights = await connection.fetch(
            "SELECT rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb AS may,"
            " EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid) AS owns,"
            " EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid) AS is_member"
            " FROM pg_roles WHERE rolname = ANY($1::text[])",
            list(Role),
        )
    assert [tuple(row) for row in rights] == [(False, False, False)] * len(Role)


async def test_without_a_workspace_requests_see_no_row_of_any_table_and_duties_see_all(two: Two) -> None:
    database, _ = two
    tables = await isolated(database)
    everything = await counts(database.acting(Role.WORKER), tables)
    assert [f"{table} {HOW}" for table, count in everything.items() if count < 2] == []
    assert await counts(database.acting(Role.APP), tables) == dict.fromkeys(tables, 0)


async def test_of_a_workspace_requests_see_its_rows_and_nobody_elses(two: Two) -> None:
    database, (ours, theirs) = two
    tables = await isolated(database)
    everything = await counts(database.acting(Role.WORKER), tables)
    mine, others = await counts(database.of(ours), tables), await counts(database.of(theirs), tables)
    assert min(mine.values()) > 0
    assert {table: mine[table] + others[table] for table in tables} == everything


async def test_row_of_another_workspace_cannot_be_written_to_any_table(two: Two) -> None:
    database, (ours, theirs) = two
    for table in await isolated(database):
        columns = await written(database, table)
        async with database.of(theirs).raw() as connection:
            row = await connection.fetchval(ROW.format(table=table))
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"(row-level security|denied).*{table}"):
            async with database.of(ours).raw() as connection:
                await connection.execute(INSERT.format(table=table, columns=columns), row)


async def written(database: Database, table: str) -> str:
    """The columns of a table that are not computed."""
    async with database.raw() as connection:
        rows = await connection.fetch(STORED, table)
    return ", ".join(row["name"] for row in rows)


@pytest.mark.parametrize(
    "statement", ["UPDATE kpis SET workspace_id = {theirs}", "UPDATE variants SET experiment_id = {e}"]
)
async def test_row_cannot_be_moved_to_another_workspace(two: Two, statement: str) -> None:
    database, (ours, theirs) = two
    async with database.of(theirs).raw() as connection:
        experiment = await connection.fetchval("SELECT id FROM experiments")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.of(ours).raw() as connection:
            await connection.execute(statement.format(theirs=theirs, e=experiment))


async def test_statement_without_a_condition_changes_and_drops_no_row_of_another_workspace(two: Two) -> None:
    database, (ours, _) = two
    before = await counts(database.acting(Role.WORKER), ["annotations"])
    async with database.of(ours).trial() as session:
        connection = await driver(session)
        assert await connection.execute("UPDATE kpis SET name = 'ours'") == "UPDATE 2"
        assert await connection.execute("DELETE FROM annotations") == "DELETE 1"
    assert await counts(database.acting(Role.WORKER), ["annotations"]) == before == {"annotations": 2}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor = 'nobody'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "DELETE FROM api_keys",
        "DELETE FROM workspaces",
        "ALTER TABLE kpis DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE public.copy AS SELECT * FROM kpis",
    ],
)
async def test_neither_role_may_do_what_only_the_owner_does(two: Two, role: Role, statement: str) -> None:
    database, (ours, _) = two
    acting = database.of(ours) if role is Role.APP else database.acting(role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with acting.raw() as connection:
            await connection.execute(statement)


async def test_request_that_comes_with_a_key_sees_that_key_and_its_workspace_alone(two: Two) -> None:
    database, (ours, _) = two
    async with database.acting(Role.APP).read() as session:
        assert await keys.caller_by_id(session, "nobody", 1, datetime.now(UTC)) is None
        caller = await keys.caller_by_id(session, "ours", 1, datetime.now(UTC))
        assert caller is not None
        assert caller.workspace_id == ours
        connection = await driver(session)
        seen = {table: await connection.fetchval(COUNT.format(table)) for table in await isolated(database)}
    assert {table: count for table, count in seen.items() if count} == {"api_keys": 1, "workspaces": 1}


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("app.key", "sours", {"sign_ins": 1}),
        ("app.key", "l1", {"sign_in_links": 1}),
        ("app.email", "a@example.org", {"members": 2}),  # of a person, their memberships in both
        ("app.subject", "", {}),
    ],
)
async def test_request_that_comes_with_a_cookie_a_link_or_from_a_provider_sees_that_alone(
    two: Two, setting: str, value: str, expected: dict[str, int]
) -> None:
    database, _ = two
    async with database.acting(Role.APP).raw() as connection:
        await connection.execute("SELECT set_config($1, $2, true)", setting, value)
        seen = {table: await connection.fetchval(COUNT.format(table)) for table in await isolated(database)}
    assert {table: count for table, count in seen.items() if count} == expected


async def test_what_a_transaction_acts_as_ends_with_it(two: Two) -> None:
    shared, (ours, _) = two
    database = Database(shared.engine.url.render_as_string(hide_password=False), pool_size=1)
    state = "SELECT current_user::text, nullif(current_setting('app.workspace', true), ''), pg_backend_pid()"
    async with database.raw() as connection:
        login = tuple(await connection.fetchrow(state))
    async with database.of(ours).raw() as connection:
        assert tuple(await connection.fetchrow(state)) == (Role.APP, str(ours), login[2])
    async with database.acting(Role.APP).read() as session:
        assert tuple(await (await driver(session)).fetchrow(state)) == (Role.APP, None, login[2])
    async with database.raw() as connection:
        assert tuple(await connection.fetchrow(state)) == login
    await database.close()
