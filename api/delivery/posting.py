"""Posting to a receiver: once, to what was checked, for 5 seconds at most, and no further than there.

httpcore follows no redirect, keeps no cookie, unpacks nothing and asks no proxy.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from functools import cache
from ssl import SSLContext

import httpcore

from api.delivery.addresses import USUAL, Target
from api.delivery.errors import NotPublic
from api.delivery.network import Guarded, Resolve
from api.delivery.schedule import Answer
from api.version import VERSION

SECONDS = 5.0
KEPT_BYTES = 1_000
"""Of what a receiver says."""
BROKEN = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError)
LATE = f"No answer within {SECONDS:.0f} seconds."


async def post(target: Target, headers: Mapping[str, str], body: bytes, resolve: Resolve) -> Answer:
    """Post JSON and return what came of it; what goes wrong on the way is an answer too."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    try:
        async with asyncio.timeout_at(deadline):
            return await _exchange(target, headers, body, resolve, deadline)
    except TimeoutError:
        return Answer(fault=LATE)
    except NotPublic as inside:
        return Answer(fault=str(inside))
    except BROKEN as error:
        return Answer(fault=f"The connection failed ({type(error).__name__}).")


async def _exchange(
    target: Target, headers: Mapping[str, str], body: bytes, resolve: Resolve, deadline: float
) -> Answer:
    guarded = Guarded(is_inside=target.is_inside, resolve=resolve)
    secured = tls() if target.scheme == "https" else None
    async with (
        httpcore.AsyncConnectionPool(network_backend=guarded, ssl_context=secured) as pool,
        pool.stream("POST", _url(target), headers=_headers(target, headers, body), content=body) as response,
    ):
        return Answer(status=response.status, text=await _beginning(response, deadline))


async def _beginning(response: httpcore.Response, deadline: float) -> str:
    """The beginning of what the receiver says, as far as it comes in time: its status has been said already."""
    kept = b""
    with suppress(TimeoutError, *BROKEN):
        async with asyncio.timeout_at(deadline - 0.1), aclosing(response.aiter_stream()) as pieces:  # type: ignore[type-var]  # it is a generator
            async for piece in pieces:
                kept += piece
                if len(kept) >= KEPT_BYTES:
                    break
    return kept[:KEPT_BYTES].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _url(target: Target) -> httpcore.URL:
    """What was read is what is called: nothing reads the address a second time."""
    return httpcore.URL(
        scheme=target.scheme.encode(), host=target.bare_host.encode(), port=target.port, target=target.path.encode()
    )


def _headers(target: Target, headers: Mapping[str, str], body: bytes) -> list[tuple[bytes | str, bytes | str]]:
    host = target.host if target.port == USUAL[target.scheme] else f"{target.host}:{target.port}"
    always = {"host": host, "content-type": "application/json", "content-length": str(len(body))}
    return [*{**always, "user-agent": f"Truelift/{VERSION}", "accept-encoding": "identity", **headers}.items()]


@cache
def tls() -> SSLContext:
    """Whom TLS trusts: whom this machine does, and the authorities that certifi knows."""
    return httpcore.default_ssl_context()
