"""What is read once for all subscriptions that are told the same.

A commit wakes every subscription that waits for it. Each asks what the database shows; who are told the same state
(`moments`) read with the same loaders, so that rows and results are read and worked out once, not once for each.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from time import monotonic

from api.database import Database
from api.graphql.loaders import Loaders
from api.graphql.moments import Moments
from api.graphql.tags import State
from api.sitting import Sitting

LONGEST = 2.0
"""Seconds that one is read from: what could not be read is tried again, and what depends on the hour moves on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """A moment that stays."""

    now: datetime

    @property
    def today(self) -> date:
        """Its day, in UTC."""
        return self.now.astimezone(UTC).date()


class Editions:
    """The loaders of the present state, by workspace."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments
        self._state: State | None = None
        self._began, self._kept = 0.0, dict[int, Loaders]()

    async def now(self, database: Database, workspace_id: int) -> Loaders:
        """Loaders that have read nothing from before this call; of one's own where the state is not known."""
        state, began = await self._moments.now(), monotonic()
        if state is None or state != self._state or began - self._began > LONGEST:
            self._state, self._began, self._kept = state, began, {}
        if state is None:
            return _made(database, workspace_id)
        if workspace_id not in self._kept:
            self._kept[workspace_id] = _made(database, workspace_id)
        return self._kept[workspace_id]


def _made(database: Database, workspace_id: int) -> Loaders:
    return Loaders(Sitting(database), workspace_id, Instant(now=datetime.now(UTC)))
