"""More databases in the session's Postgres, for tests that need one of their own."""

from uuid import uuid4

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from api import schema

TEMPLATES: dict[str, str] = {}
"""By server, a database at the newest schema that nobody uses: a copy is made in a fraction of the time."""


async def made(url: str, like: str = "template1") -> str:
    """Make a database, empty or like another, and return its name; it goes away with the session's Postgres."""
    name = f"own_{uuid4().hex[:12]}"
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {like}"))
    await engine.dispose()
    return name


async def migrated(url: str) -> str:
    """Make a database at the newest schema, and return its name as above."""
    if url not in TEMPLATES:
        name = await made(url)
        engine = create_async_engine(url_of(url, name))
        await schema.upgrade(engine)
        await engine.dispose()
        TEMPLATES[url] = name
    return await made(url, like=TEMPLATES[url])


def url_of(url: str, name: str) -> str:
    """The address of another database of the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)
