"""Trusted documents: known by the hash of their text, so that a front end sends 64 characters instead of pages.

The documents of our own pages are known from the start. Others are registered by sending text and hash once, as
Apollo's automatic persisted queries do: kept in Postgres for the workspace, so that every process knows them. What is
known is still measured, checked and paid for like any other document: a hash saves the sending and not the asking.
"""

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

from graphql import GraphQLError
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, delete, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.auth.budgets import Budgets
from api.auth.keys import Caller, Scope
from api.database import Database
from api.graphql.documents import digest, read
from api.graphql.requests import TOO_LONG, Refused, hash_of, is_too_long
from api.graphql.schema import schema
from api.graphql.tables import TrustedDocument
from kpi.shelf import Shelf

MOST_KEPT = 8_000_000
"""Bytes of registered documents that a process remembers, of all workspaces together."""
MOST_REGISTERED = 1_000
"""Documents of a workspace: with one more, that which was registered first is forgotten."""
REGISTERED_A_SECOND, REGISTERED_AT_ONCE = 1.0, 200.0
"""Documents that a workspace may register; those beyond are run, and not remembered."""
NOT_FOUND, UNKNOWN = "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"
"""Clients of Apollo's protocol know by this very code, or text, that they are to send the document as well."""
UNEQUAL = "“sha256Hash” is not the hash of this query."
UNTRUSTED = f"Only trusted documents are run here; a key with the scope “{Scope.SCHEMA}” registers new ones."


class Trusted:
    """The documents that are known by their hash. With `only`, no others are run but for keys that may register."""

    def __init__(self, database: Database, own: Iterable[str], *, only: bool = False) -> None:
        self._database, self._only = database, only
        self._own = {digest(text): text for text in own}
        self._known: Shelf[tuple[int, str], str] = Shelf(MOST_KEPT)
        self._registering = Budgets(per_second=REGISTERED_A_SECOND, at_once=REGISTERED_AT_ONCE)

    async def text(self, caller: Caller, body: Mapping[str, Any]) -> str:
        """The document that a request means. Raises Refused for one that is not known, too long, or another."""
        stated, text = hash_of(body), body.get("query")
        if text is None:
            return await self._of(caller, str(stated))
        if is_too_long(text):
            raise Refused(413, "PAYLOAD_TOO_LARGE", TOO_LONG)
        if stated is not None and stated != digest(text):
            raise Refused(400, "BAD_REQUEST", UNEQUAL)
        if self._only and not caller.may(Scope.SCHEMA):
            await self._hold_known(caller, text)
        elif stated is not None and _fits(body):
            await self._register(caller, text)
        return str(text)

    async def _of(self, caller: Caller, stated: str) -> str:
        found = await self._find(caller, stated)
        if found is None:
            raise Refused(400, NOT_FOUND, UNKNOWN)
        return found

    async def _hold_known(self, caller: Caller, text: str) -> None:
        if await self._find(caller, digest(text)) is None:
            raise Refused(403, "FORBIDDEN", UNTRUSTED)

    async def _find(self, caller: Caller, stated: str) -> str | None:
        place = caller.workspace_id, stated
        found = self._own.get(stated) or self._known.get(place)
        if found is None:
            async with self._database.of(caller.workspace_id).read() as session:
                found = await _registered(session, *place)
            if found is not None:
                self._known.put(place, found, len(found.encode()))
        return found

    async def _register(self, caller: Caller, text: str) -> None:
        place = caller.workspace_id, digest(text)
        if place[1] in self._own or self._known.get(place) is not None:
            return
        if self._registering.take(caller.workspace_id, 1, monotonic()) > 0:
            return
        async with self._database.of(caller.workspace_id).write() as session:
            await _keep(session, *place, text)
        self._known.put(place, text, len(text.encode()))


def _fits(body: Mapping[str, Any]) -> bool:
    """Whether a document is one that can be run: what is none is not worth remembering."""
    try:
        document = read(body["query"])
        document.size(schema._schema, body.get("operationName"), body.get("variables") or {})
    except GraphQLError:
        return False
    return not document.faults(schema._schema)


async def _registered(session: AsyncSession, workspace_id: int, stated: str) -> str | None:
    wanted = select(TrustedDocument.body).where(TrustedDocument.workspace_id == workspace_id)
    return (await session.exec(wanted.where(TrustedDocument.hash == bytes.fromhex(stated)))).first()


async def _keep(session: AsyncSession, workspace_id: int, stated: str, text: str) -> None:
    row = {"workspace_id": workspace_id, "hash": bytes.fromhex(stated), "body": text, "registered_at": func.now()}
    await session.exec(insert(TrustedDocument).values(row).on_conflict_do_nothing())
    mine = col(TrustedDocument.workspace_id) == workspace_id
    newest = select(TrustedDocument.hash).where(mine).order_by(col(TrustedDocument.registered_at).desc())
    old = newest.offset(MOST_REGISTERED).scalar_subquery()
    await session.exec(delete(TrustedDocument).where(mine, col(TrustedDocument.hash).in_(old)))
