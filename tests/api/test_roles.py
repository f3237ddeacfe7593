"""The roles that requests and duties act as, where a login is no superuser: the owner of the tables, or of nothing."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from api import roles, schema
from api.database import Database, Role
from api.errors import RolesMissing
from tests.api.test_isolation import filled

PASSWORD = "only in tests"  # noqa: S105 - of logins that end with the test


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """A database of a login's own, and a login that owns nothing, as an administrator made them."""

    administrator: str
    owner: Database
    member: Database

    async def run(self, *statements: str) -> None:
        """What the administrator does."""
        engine = create_async_engine(self.administrator, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()


@pytest_asyncio.fixture(scope="module")
async def logins(database: Database) -> AsyncIterator[Logins]:
    """Both logins; the roles are there, and neither login is a member of one yet."""
    name = uuid4().hex[:12]
    owner, member, place = f"owner_{name}", f"member_{name}", f"own_{name}"
    url = database.engine.url.set(password=PASSWORD, database=place)
    found = Logins(
        administrator=database.engine.url.render_as_string(hide_password=False),
        owner=Database(url.set(username=owner).render_as_string(hide_password=False)),
        member=Database(url.set(username=member).render_as_string(hide_password=False)),
    )
    made = (f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}'" for login in (owner, member))
    await found.run(*made, f"CREATE DATABASE {place} OWNER {owner}")
    yield found
    await found.owner.close()
    await found.member.close()
    await found.run(f"DROP DATABASE {place} WITH (FORCE)", f"DROP ROLE {owner}, {member}")


@pytest_asyncio.fixture(scope="module")
async def workspaces(logins: Logins) -> tuple[int, int]:
    """Two workspaces with a row in every table of the owner's; what was missing was done as it was told."""
    with pytest.raises(RolesMissing, match=r"owner_.* may not.* GRANT truelift_app, truelift_worker TO") as missing:
        await schema.upgrade(logins.owner.engine)
    await logins.run(str(missing.value).partition("once: ")[2])
    await schema.upgrade(logins.owner.engine)
    return await filled(logins.owner, "ours"), await filled(logins.owner, "theirs")


def before_isolation() -> str:
    """The revision that had no policies."""
    (file,) = (Path(__file__).parents[2] / "migrations" / "versions").glob("*_isolation.py")
    (revision,) = re.findall(r'^down_revision = "(\w+)"$', file.read_text(encoding="utf-8"), re.MULTILINE)
    return str(revision)


async def outcomes(database: Database) -> int:
    async with database.raw() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM outcomes"))


async def test_owner_that_is_no_superuser_keeps_all_rows_where_isolation_is_taken_back_and_made_anew(
    logins: Logins, workspaces: tuple[int, int]
) -> None:
    await schema.downgrade(logins.owner.engine, before_isolation())
    assert await outcomes(logins.owner) == 2
    await schema.upgrade(logins.owner.engine)
    assert await outcomes(logins.owner) == 2
    assert await outcomes(logins.owner.of(workspaces[0])) == 1


async def test_login_that_owns_nothing_serves_and_works_and_cannot_touch_the_tables(
    logins: Logins, workspaces: tuple[int, int]
) -> None:
    with pytest.raises(RolesMissing, match=f"GRANT {Role.APP}, {Role.WORKER} TO member_") as missing:
        await roles.check(logins.member.engine)
    await logins.run(str(missing.value).partition("once: ")[2])
    await roles.check(logins.member.engine)
    found = [await outcomes(acting) for acting in (logins.member.of(workspaces[0]), logins.member.acting(Role.WORKER))]
    assert found == [1, 2]
    for statement in ("ALTER TABLE kpis DISABLE ROW LEVEL SECURITY", "DELETE FROM audit_entries"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with logins.member.raw() as connection:
                await connection.execute(statement)
