"""A receiver of webhooks on loopback: it keeps what came, and answers as it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came in one request."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def identity(self) -> str:
        """The id of the notice."""
        return self.headers["webhook-id"]

    @property
    def said(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def verified(self, secret: str) -> Any:
        """What it says, once the published implementation of Standard Webhooks finds it signed with a secret."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass(slots=True)
class Receiver:
    """A receiver that answers with the replies it was given, in order, the last one again and again."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=lambda: [status(200, b"thanks")])
    ends: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def origin(self) -> str:
        """What the operator allows."""
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and answer it."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *rest = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in rest)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append(Request(line=line, headers=headers, body=body))
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            await reply(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it hung up, as it may
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver, while the block lasts."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.ends.set()
        server.close()
        await server.wait_closed()


def status(code: int, body: bytes = b"", **headers: str) -> Reply:
    """An answer with a status."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {code} X\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    return reply


def silence(receiver: Receiver) -> Reply:
    """No answer at all."""

    async def reply(_writer: asyncio.StreamWriter) -> None:
        await receiver.ends.wait()

    return reply


def dripping(receiver: Receiver, head: bytes) -> Reply:
    """An answer that begins so, and goes on a letter at a time for ever."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not receiver.ends.is_set():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    return reply


def endless(receiver: Receiver) -> Reply:
    """An answer that never ends, as fast as it is taken."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not receiver.ends.is_set():
            writer.write(b"y" * 65_536)
            await writer.drain()

    return reply
