"""Chunks on their way into the database: while some are being stored, the next is being read."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

Chunk = TypeVar("Chunk")
Told = TypeVar("Told")


async def stored(
    chunks: AsyncIterator[Chunk], store: Callable[[Chunk], Coroutine[Any, Any, Told]], *, at_once: int
) -> AsyncGenerator[Told, None]:
    """What became of each chunk, in order; so many are stored at once.

    When one fails, those that are being stored are waited for, so that whoever counts them counts all.
    """
    waiting: deque[asyncio.Task[Told]] = deque()
    try:
        async for chunk in chunks:
            if len(waiting) == at_once:
                yield await waiting.popleft()
            waiting.append(asyncio.create_task(store(chunk)))
        while waiting:
            yield await waiting.popleft()
    finally:
        await asyncio.gather(*waiting, return_exceptions=True)


async def read_ahead(found: Iterator[Chunk]) -> AsyncGenerator[Chunk, None]:
    """Chunks of a file, the next being read in a thread while whoever asked is busy with the last."""
    following = asyncio.create_task(asyncio.to_thread(_next, found))
    try:
        while (chunk := await following) is not None:
            following = asyncio.create_task(asyncio.to_thread(_next, found))
            yield chunk
    finally:
        await asyncio.gather(following, return_exceptions=True)


def _next(found: Iterator[Chunk]) -> Chunk | None:
    return next(found, None)
