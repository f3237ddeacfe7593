"""Rights that end or change, on a real server: what is open then is closed as soon as that is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from api.auth import callers, keys, membership, sign_ins
from api.auth.keys import Scope
from api.auth.tables import Member, Role
from api.database import Database
from kpi.actor import Actor
from kpi.tables import Workspace
from tests.api.conftest import SECRET, MakeKey, bearing
from tests.api.people import present, signed_in
from tests.api.servers import PATIENCE, serving
from tests.api.test_sockets import PROTOCOL, asked, heard, say
from tests.api.test_subscriptions import UPDATED, after, events

VIEWER = "{ viewer { name role } }"


@pytest.fixture(autouse=True)
def nobody_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is closed within a test's patience is closed because it was told, not because a minute has passed."""
    monkeypatch.setattr(callers, "RECHECK_SECONDS", 60 * PATIENCE)


@pytest_asyncio.fixture(scope="module")
async def service(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    assert database  # at the newest schema
    async with serving(database_url) as client:
        yield client


@dataclass(frozen=True, kw_only=True)
class Change:
    """Who is signed in, and what becomes of their rights."""

    database: Database
    member: Member
    cookie: str

    async def remove(self) -> None:
        async with self.database.write() as session:
            await membership.remove(session, actor=self.actor, which=self.member.id)

    async def promote(self) -> None:
        async with self.database.write() as session:
            await membership.update(
                session, actor=self.actor, scopes=frozenset(Scope), which=self.member.id, role=Role.EDITOR
            )

    async def sign_out(self) -> None:
        async with self.database.write() as session:
            await sign_ins.end(session, self.cookie.split("_")[1], datetime.now(UTC))

    @property
    def actor(self) -> Actor:
        return Actor(workspace_id=self.member.workspace_id, name="setup", id="setup", now=datetime.now(UTC))


@pytest_asyncio.fixture
async def change(database: Database, workspace: Workspace) -> Change:
    member = await present(database, workspace, Role.VIEWER)
    return Change(database=database, member=member, cookie=await signed_in(database, member))


def browser(service: httpx.AsyncClient, cookie: str) -> dict[str, str]:
    return {"cookie": f"truelift_session={cookie}", "origin": str(service.base_url)}


def websocket(service: httpx.AsyncClient, *, cookie: str, origin: str) -> connect:
    url = str(service.base_url.join("/graphql")).replace("http:", "ws:")
    headers = {"cookie": f"truelift_session={cookie}"}
    return connect(url, subprotocols=[Subprotocol(PROTOCOL)], additional_headers=headers, origin=Origin(origin))


async def closed(socket: ClientConnection) -> bool:
    await asyncio.wait_for(socket.wait_closed(), PATIENCE)
    return socket.close_code == 4401


async def test_page_opens_a_websocket_with_its_cookie_and_another_origins_page_opens_none(
    service: httpx.AsyncClient, change: Change
) -> None:
    own = str(service.base_url)
    async with websocket(service, cookie=change.cookie, origin=own) as socket:
        await say(socket, {"type": "connection_init"})
        assert await heard(socket) == {"type": "connection_ack"}
        assert (await asked(socket, VIEWER))["payload"]["data"] == {"viewer": {"name": "Ada", "role": "VIEWER"}}
    with pytest.raises(InvalidStatus):
        async with websocket(service, cookie=change.cookie, origin="https://evil.test"):
            pass
    async with connect(
        own.replace("http:", "ws:") + "/graphql",
        subprotocols=[Subprotocol(PROTOCOL)],
        additional_headers={"cookie": f"truelift_session={change.cookie}"},
    ) as socket:  # no browser: it would name its origin
        await say(socket, {"type": "connection_init"})
        await asyncio.wait_for(socket.wait_closed(), PATIENCE)
        assert socket.close_code == 4403


@pytest.mark.parametrize("what", [Change.remove, Change.promote, Change.sign_out])
async def test_websocket_and_stream_of_a_member_end_when_their_rights_change(
    service: httpx.AsyncClient, change: Change, started: str, what: Callable[[Change], Awaitable[None]]
) -> None:
    headers = browser(service, change.cookie) | {"x-truelift-page": "1"}
    stream = events(service, "", UPDATED, started, headers)
    async with websocket(service, cookie=change.cookie, origin=str(service.base_url)) as socket, aclosing(stream):
        await say(socket, {"type": "connection_init"})
        assert await heard(socket) == {"type": "connection_ack"}
        assert (await after(stream))[0] == "next"
        await what(change)
        assert await closed(socket)
        assert await after(stream) == ("complete", None)


async def test_member_who_signs_out_of_one_browser_stays_in_the_other(
    service: httpx.AsyncClient, database: Database, change: Change
) -> None:
    other = await signed_in(database, change.member)
    await change.sign_out()
    for cookie, status in ((change.cookie, 303), (other, 200)):
        assert (await service.get("/", headers=browser(service, cookie))).status_code == status


async def test_websocket_with_an_old_secret_ends_with_its_grace_and_one_with_the_new_stays(
    service: httpx.AsyncClient, database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    old = await make_key(Scope.READ)
    url = str(service.base_url.join("/graphql")).replace("http:", "ws:")
    protocols = [Subprotocol(PROTOCOL)]
    async with connect(url, subprotocols=protocols, additional_headers=bearing(old)) as socket:
        await say(socket, {"type": "connection_init"})
        assert await heard(socket) == {"type": "connection_ack"}
        async with database.write() as session:
            row = await keys.lock(session, workspace.id, old.split("_")[1])
            assert row is not None
            grace = timedelta(seconds=1)
            new = await keys.rotate(session, row, secret=SECRET, now=datetime.now(UTC), grace=grace)
        assert (await asked(socket, VIEWER))["type"] == "next"
        async with connect(url, subprotocols=protocols, additional_headers=bearing(new)) as fresh:
            await say(fresh, {"type": "connection_init"})
            assert await heard(fresh) == {"type": "connection_ack"}
            assert await closed(socket)
            assert (await asked(fresh, VIEWER))["type"] == "next"


async def test_member_who_is_removed_and_comes_back_signs_in_anew_everywhere(
    service: httpx.AsyncClient, database: Database, change: Change
) -> None:
    await change.remove()
    new = await signed_in(database, await again(change))
    for cookie, status in ((change.cookie, 303), (new, 200)):
        assert (await service.get("/", headers=browser(service, cookie))).status_code == status


async def again(change: Change) -> Member:
    """The same person, invited anew."""
    async with change.database.write() as session:
        return await membership.invite(
            session,
            actor=change.actor,
            scopes=frozenset(Scope),
            email=change.member.email,
            name="Ada",
            role=Role.VIEWER,
        )
