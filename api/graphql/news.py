"""What changes, told to whoever listens: one connection a process hears Postgres, and wakes the subscriptions.

A subscription holds one flag, not a queue: however much changes while it is being answered, it is told once, and reads
what is true then. So a slow reader costs no memory.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from enum import StrEnum

from api.database import Database
from api.jobs.worker import FAULTS

log = logging.getLogger("truelift.news")
APPLICATION = "truelift news"
"""The name of the listening connection in Postgres."""
RETRY_SECONDS = 1.0
"""Between attempts at a database that does not answer."""


class Channel(StrEnum):
    """What Postgres tells: the payload is the row's number; of alerts that of the workspace."""

    REFRESHED = "truelift_refreshed"
    JOBS = "truelift_jobs"
    ALERTS = "truelift_alerts"


class Desk:
    """Where subscriptions wait for news."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._waiting: dict[tuple[Channel, str], set[asyncio.Event]] = defaultdict(set)

    @property
    def is_full(self) -> bool:
        """Whether no more subscriptions are taken."""
        return sum(map(len, self._waiting.values())) >= self._most

    @contextmanager
    def seat(self, channel: Channel, number: int) -> Iterator[asyncio.Event]:
        """A flag that is set when a row changes, for as long as the block runs."""
        flag, place = asyncio.Event(), (channel, str(number))
        self._waiting[place].add(flag)
        try:
            yield flag
        finally:
            self._waiting[place].discard(flag)
            if not self._waiting[place]:
                del self._waiting[place]

    def tell(self, channel: Channel, number: str) -> None:
        """A row has changed."""
        for flag in self._waiting.get((channel, number), ()):
            flag.set()

    def tell_all(self) -> None:
        """Anything may have changed: nobody was listening for a while."""
        for flags in self._waiting.values():
            for flag in flags:
                flag.set()


async def listen(database: Database, desk: Desk) -> None:
    """Hear Postgres and tell the desk, until cancelled. A database that goes away is waited for."""
    while True:
        try:
            async with database.listening(Channel.REFRESHED, APPLICATION) as refreshed:
                desk.tell_all()
                others = {channel: await refreshed.also(channel) for channel in (Channel.JOBS, Channel.ALERTS)}
                async with asyncio.TaskGroup() as group:
                    for channel, news in {Channel.REFRESHED: refreshed, **others}.items():
                        group.create_task(_pass_on(channel, news.payloads(), desk))
        except* FAULTS as faults:
            log.warning("News cannot be heard (%s); trying again.", type(faults.exceptions[0]).__name__)
        await asyncio.sleep(RETRY_SECONDS)


async def _pass_on(channel: Channel, payloads: AsyncIterator[frozenset[str]], desk: Desk) -> None:
    async for numbers in payloads:
        for number in numbers:
            desk.tell(channel, number)
