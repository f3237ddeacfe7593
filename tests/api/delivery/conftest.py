"""A database in which nothing else is to be delivered, a receiver, and a way to it that the operator allows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, Envelope, Session

from api.database import Database
from api.delivery.outside import MailServer, Outside
from kpi import notices
from kpi.enums import NoticeType
from kpi.tables import Workspace
from tests.api import documents
from tests.api.databases import migrated, url_of
from tests.api.delivery.receiving import Receiver, receiving
from tests.conftest import Ask

SENDER = "truelift@example.org"
Tell = Callable[..., Awaitable[None]]
Register = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class Mailbox:
    """A real SMTP server that keeps what it takes, and refuses whom it is told to."""

    port: int
    taken: list[Envelope]
    refused: dict[str, str]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or refuse it."""
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Take a message."""
        self.taken.append(envelope)
        return "250 taken"


@pytest_asyncio.fixture(scope="package")
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database in which nothing else is to be delivered."""
    found = Database(url_of(database_url, await migrated(database_url)))
    yield found
    await found.close()


@pytest_asyncio.fixture(autouse=True)
async def _nothing_waits(database: Database) -> None:
    await execute(database, "TRUNCATE deliveries, endpoints, notices")


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    async with receiving() as found:
        yield found


@pytest_asyncio.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail server on loopback."""
    found = Mailbox(port=0, taken=[], refused={})
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(found, loop=loop), "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await server.wait_closed()


@pytest.fixture
def outside(receiver: Receiver, mailbox: Mailbox) -> Outside:
    """A way to the outside that leads to the receiver, which is inside, and to the mail server."""
    mail = MailServer(host="127.0.0.1", port=mailbox.port, user=None, password=None, sender=SENDER, has_starttls=False)
    secret = b"what keys are derived under"
    return Outside(secret=secret, base_url="https://truelift.test", allowed=frozenset({receiver.origin}), mail=mail)


@pytest.fixture
def unmailed(outside: Outside) -> Outside:
    """The same, without a mail server."""
    return replace(outside, mail=None)


@pytest.fixture
def tell(database: Database, workspace: Workspace) -> Tell:
    """Tell something in the test's workspace, a change of a KPI unless another thing is named."""

    async def tell(told: NoticeType = NoticeType.KPI_CHANGED, /, *, now: datetime | None = None, **data: Any) -> None:
        said = data or {"kpi": "activation", "what": "TARGET", "number": 1}
        async with database.write() as session:
            await notices.tell(session, workspace.id, told, said, now or datetime.now(UTC))

    return tell


@pytest.fixture
def register(ask: Ask, receiver: Receiver) -> Register:
    """Register an endpoint, the receiver's webhook unless more is said; its fields, with the secret."""

    async def register(**given: Any) -> dict[str, Any]:
        stated = {"kind": "WEBHOOK", "address": f"{receiver.origin}/hook?from=truelift"} | given
        found = (await ask(documents.endpoint("Register"), {"input": stated}))["endpointRegister"]
        assert found["userErrors"] == []
        return {**found["endpoint"], "secret": found["secret"]}

    return register


async def execute(database: Database, statement: str, *arguments: object) -> None:
    """Run a statement."""
    async with database.raw() as connection:
        await connection.execute(statement, *arguments)


async def pass_time(database: Database, time: timedelta) -> None:
    """Let time pass for all that waits."""
    await execute(database, "UPDATE deliveries SET next_at = next_at - $1::interval WHERE state = 'WAITING'", time)


async def log(ask: Ask, where: str = "") -> list[dict[str, Any]]:
    """The delivery log, newest first."""
    document = f"{{ deliveries{where} {{ nodes {{ {documents.DELIVERY_FIELDS} }} totalCount }} }}"
    found: list[dict[str, Any]] = (await ask(document))["deliveries"]["nodes"]
    return found
