"""What changes, told to whoever listens: one connection a process hears Postgres, and wakes the subscriptions.

A subscription holds one flag, not a queue: however much changes while it is being answered, it is told once, and reads
what is true then. So a slow reader costs no memory.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from enum import StrEnum

from api.auth.keys import REVOKED
from api.database import Database
from api.graphql.editions import Editions
from api.jobs.worker import FAULTS
from experiments.life.story import MOVED

log = logging.getLogger("truelift.news")
APPLICATION = "truelift news"
"""The name of the listening connection in Postgres."""
RETRY_SECONDS = 1.0
"""Between attempts at a database that does not answer."""


class Channel(StrEnum):
    """What Postgres tells: the row's number, of keys whose rights have changed, of alerts and moves the workspace."""

    REFRESHED = "truelift_refreshed"
    JOBS = "truelift_jobs"
    KEYS = REVOKED
    ALERTS = "truelift_alerts"
    MOVED = MOVED


OTHERS = (Channel.JOBS, Channel.KEYS, Channel.ALERTS, Channel.MOVED)
"""What is heard on the connection that listens for refreshes."""


Place = tuple[Channel, str]
"""What is waited for: a channel, and what it must say."""


class Desk:
    """Where subscriptions wait for news: so many of a process, and so many of each workspace."""

    def __init__(self, *, most: int, most_each: int, editions: Editions) -> None:
        self._most, self._most_each = most, most_each
        self.editions = editions
        self._guests: Counter[int] = Counter()
        self._waiting: dict[Place, set[asyncio.Event]] = defaultdict(set)

    @property
    def open(self) -> int:
        """How many subscriptions are open."""
        return self._guests.total()

    def is_full(self, workspace_id: int) -> bool:
        """Whether no more subscriptions of a workspace are taken."""
        return self.open >= self._most or self._guests[workspace_id] >= self._most_each

    @contextmanager
    def guest(self, workspace_id: int) -> Iterator[None]:
        """One subscription, for as long as the block runs."""
        self._guests[workspace_id] += 1
        try:
            yield
        finally:
            self._guests[workspace_id] -= 1
            self._guests += Counter()  # forget the workspaces that have none

    @contextmanager
    def seat(self, *places: Place) -> Iterator[asyncio.Event]:
        """A flag that is set when any of these is told, for as long as the block runs."""
        flag = asyncio.Event()
        for place in places:
            self._waiting[place].add(flag)
        try:
            yield flag
        finally:
            for place in places:
                self._waiting[place].discard(flag)
                if not self._waiting[place]:
                    del self._waiting[place]

    def tell(self, channel: Channel, name: str) -> None:
        """Something has changed."""
        for flag in self._waiting.get((channel, name), ()):
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
                heard = {Channel.REFRESHED: refreshed}
                heard |= {channel: await refreshed.also(channel) for channel in OTHERS}
                async with asyncio.TaskGroup() as group:
                    for channel, told in heard.items():
                        group.create_task(_pass_on(channel, told.payloads(), desk))
        except* FAULTS as faults:
            log.warning("News cannot be heard (%s); trying again.", type(faults.exceptions[0]).__name__)
        await asyncio.sleep(RETRY_SECONDS)


async def _pass_on(channel: Channel, payloads: AsyncIterator[frozenset[str]], desk: Desk) -> None:
    async for numbers in payloads:
        for number in numbers:
            desk.tell(channel, number)
