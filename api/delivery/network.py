"""Connecting to a receiver: its name is looked up once, all it stands for is checked, and that is connected to.

A name that stands for a public address when it is checked and for a private one when it is called gets nowhere: there
is no second lookup. TLS still asks for the certificate of the name.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore

from api.delivery.addresses import is_public
from api.delivery.errors import NotPublic

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
LOOKUPS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="lookup")
"""Threads of their own: a name server that does not answer holds up nothing but other lookups."""
MOST_TRIED = 4
"""Addresses of a name that are tried, one after the other."""
PATIENCE = 2.0
"""Seconds a connection may take before the next address is tried."""


async def lookup(host: str, port: int) -> list[str]:
    """The IP addresses of a host, as this machine resolves it. Raises OSError."""
    find = asyncio.get_running_loop().run_in_executor
    found = await find(LOOKUPS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class Guarded(httpcore.AsyncNetworkBackend):
    """Connects only to public addresses, unless the receiver is one that the operator allowed."""

    def __init__(self, *, is_inside: bool, resolve: Resolve) -> None:
        self._is_inside, self._resolve = is_inside, resolve
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to what the host stands for. Raises NotPublic, OSError and httpcore's errors."""
        found = await self._resolve(host, port)
        if not self._is_inside and not all(map(is_public, found)):
            raise NotPublic("The address leads inside; only public addresses are called.")
        *first, last = found[:MOST_TRIED]
        for address in first:
            try:
                return await self._sockets.connect_tcp(address, port, PATIENCE, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._sockets.connect_tcp(last, port, timeout, local_address, socket_options)
