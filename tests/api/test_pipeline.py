"""Chunks stored while the next is read: in order, so many at once, and none forgotten when one fails."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial

import pytest

from api.pipeline import read_ahead, stored
from tests.waiting import came


async def chunks(count: int) -> AsyncIterator[int]:
    for chunk in range(count):
        yield chunk


async def test_stored_tells_of_each_chunk_in_order_whichever_is_done_first() -> None:
    async def store(chunk: int) -> int:
        await asyncio.sleep(0.02 if chunk % 2 == 0 else 0)
        return chunk * 10

    assert [told async for told in stored(chunks(5), store, at_once=2)] == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("at_once", [1, 2, 3])
async def test_stored_has_so_many_chunks_on_their_way_and_no_more(at_once: int) -> None:
    under_way: set[int] = set()
    most = 0

    async def store(chunk: int) -> None:
        nonlocal most
        under_way.add(chunk)
        most = max(most, len(under_way))
        await asyncio.sleep(0.01)
        under_way.remove(chunk)

    async for _ in stored(chunks(7), store, at_once=at_once):
        pass
    assert (most, under_way) == (at_once, set())


async def test_stored_waits_for_the_others_when_one_fails() -> None:
    done: list[int] = []

    async def store(chunk: int) -> None:
        if chunk == 0:
            raise LookupError("this one")
        await asyncio.sleep(0.05)
        done.append(chunk)

    async with aclosing(stored(chunks(9), store, at_once=2)) as told:
        with pytest.raises(LookupError, match="this one"):
            await anext(told)
    assert done == [1]


async def are_so_many(read: list[int], count: int) -> bool:
    return len(read) >= count


async def test_read_ahead_reads_the_next_while_the_last_is_in_hand_and_all_in_the_end() -> None:
    read: list[int] = []

    def found() -> Iterator[int]:
        for chunk in range(4):
            read.append(chunk)
            yield chunk

    seen: list[int] = []
    async for chunk in read_ahead(found()):
        await came(partial(are_so_many, read, min(chunk + 2, 4)))
        await asyncio.sleep(0.05)  # whoever reads further does so now
        seen.append(chunk)
        assert read == list(range(min(chunk + 2, 4)))
    assert seen == [0, 1, 2, 3]


async def test_read_ahead_raises_what_reading_raised_after_what_was_read() -> None:
    def found() -> Iterator[int]:
        yield 7
        raise LookupError("no more")

    following = read_ahead(found())
    assert await anext(following) == 7
    with pytest.raises(LookupError, match="no more"):
        await anext(following)
