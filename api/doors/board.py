"""What evaluating flags needs of the database, kept for a moment: a workspace's flags, and who a key belongs to.

Flags are read again when a move is heard of, and after a few seconds in any case: whoever listens may be cut off.
A key that is revoked works on for as long.
"""

import asyncio
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import blake2b
from time import monotonic

from api.auth import callers
from api.auth.keys import Caller
from api.database import Database
from api.graphql.news import Channel, Desk
from experiments.flags import reading
from experiments.flags.evaluation import Flags

LIFE = 5.0
"""Seconds for which what was read is believed."""
AT_LEAST = 0.2
"""Seconds between two readings for somebody who has heard of something newer."""
MOST_WORKSPACES, MOST_KEYS = 1_000, 10_000


@dataclass(slots=True, kw_only=True)
class Page:
    """One workspace's flags, and whether somebody moved one since."""

    changed: asyncio.Event
    seat: ExitStack
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    flags: Flags | None = None
    read_at: float = float("-inf")

    def fresh(self, now: float, version: int) -> Flags | None:
        """The flags, if they need not be read again."""
        age = now - self.read_at
        is_behind = self.flags is not None and self.flags.version < version and age > AT_LEAST
        return None if self.changed.is_set() or age > LIFE or is_behind else self.flags


class Board:
    """The flags of the workspaces that asked last, and the keys they asked with."""

    def __init__(self, database: Database, desk: Desk, secret: bytes) -> None:
        self._database, self._desk, self._secret = database, desk, secret
        self._pages: OrderedDict[int, Page] = OrderedDict()
        self._callers: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    async def flags(self, workspace_id: int, version: int = 0) -> Flags:
        """A workspace's flags, of this version or a later one if there is one."""
        page = self._page(workspace_id)
        async with page.lock:
            found = page.fresh(monotonic(), version)
            if found is None:
                page.read_at = float("-inf")  # should reading fail
                page.changed.clear()
                async with self._database.of(workspace_id).read() as session:
                    found = page.flags = await reading.flags(session, workspace_id)
                page.read_at = monotonic()
        return found

    async def caller(self, key: str) -> Caller | None:
        """Who a key belongs to; None for one that does not work."""
        digest = blake2b(key.encode(), digest_size=16).digest()
        known = self._callers.get(digest)
        if known is not None and monotonic() - known[1] < LIFE and not callers.is_over(known[0]):
            return known[0]
        found = await callers.by_key(self._database, key, self._secret)
        self._callers.pop(digest, None)
        if found is not None:
            self._callers[digest] = found, monotonic()
        if len(self._callers) > MOST_KEYS:
            self._callers.popitem(last=False)
        return found

    def _page(self, workspace_id: int) -> Page:
        if workspace_id not in self._pages:
            seat = ExitStack()
            changed = seat.enter_context(self._desk.seat((Channel.MOVED, str(workspace_id))))
            self._pages[workspace_id] = Page(changed=changed, seat=seat)
        self._pages.move_to_end(workspace_id)
        if len(self._pages) > MOST_WORKSPACES:
            self._pages.popitem(last=False)[1].seat.close()
        return self._pages[workspace_id]
