"""Waiting for what comes about by itself: its deadline is for what is broken, not for a machine that is busy."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds after which what should have come about is a failure."""


async def came(condition: Callable[[], Awaitable[object]]) -> float:
    """Wait until something has come about; returns the seconds it took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while not await condition():
        assert clock() < began + PATIENCE, "it did not come about"
        await asyncio.sleep(0.02)
    return clock() - began
