"""The roles of Postgres that requests and duties act as, made where they are missing. They are of the whole server.

Each owns nothing and may not log in: the login of DATABASE_URL is a member of both, or of the one that it needs.
"""

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.database import Role
from api.errors import RolesMissing

LOGIN = "SELECT quote_ident(current_user)"
LACKING = """
SELECT name FROM unnest($1::text[]) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name AND pg_has_role(current_user, oid, 'USAGE')) ORDER BY name
"""
"""Those that the login is not a member of, or that are not there."""
ENSURE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration was faster
END $$;
DO $$ BEGIN
    IF NOT pg_has_role(current_user, '{role}', 'USAGE') THEN
        GRANT {role} TO CURRENT_USER;
    END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$
"""
ADVICE = "The login {login} is to act as {roles}, and may not. An administrator of the server runs once: {statements}"


async def ensure(connection: AsyncConnection) -> None:
    """Make the roles, and the login a member of both. Raises RolesMissing where it may not."""
    try:
        for role in await lacking(connection):
            raw: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
            async with raw.transaction():  # what is refused leaves the caller's as it was
                await raw.execute(ENSURE.format(role=role))
    except asyncpg.InsufficientPrivilegeError:
        raise RolesMissing(await _advice(connection)) from None


async def check(engine: AsyncEngine, *needed: Role) -> None:
    """Raises RolesMissing unless the login may act as these roles."""
    async with engine.connect() as connection:
        if await lacking(connection, *needed):
            raise RolesMissing(await _advice(connection, *needed))


async def lacking(connection: AsyncConnection, *needed: Role) -> list[str]:
    """Those of some roles, or of all, that the login may not act as."""
    names = [str(role) for role in needed or Role]
    return list((await connection.exec_driver_sql(LACKING, (names,))).scalars())


async def _advice(connection: AsyncConnection, *needed: Role) -> str:
    names = await lacking(connection, *needed)
    login = (await connection.exec_driver_sql(LOGIN)).scalar_one()
    known = (await connection.exec_driver_sql("SELECT rolname FROM pg_roles")).scalars().all()
    statements = [f"CREATE ROLE {name} NOLOGIN;" for name in names if name not in known]
    statements.append(f"GRANT {', '.join(names)} TO {login};")
    return ADVICE.format(login=login, roles=" and ".join(names), statements=" ".join(statements))
