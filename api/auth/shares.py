"""Budgets that all processes of the service share: what is asked of one is not there for the others.

The algorithm is that of `budgets`, in one row of an unlogged table for each budget. A process takes more than it needs
at once, and goes to Postgres again when that is spent: so most requests cost no round trip, and the whole service gives
a budget and no more than one such chunk a process beside it. While Postgres is away each process gives a budget alone.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import asyncpg

from api.auth.budgets import MOST, Budgets
from api.auth.keys import Caller
from api.database import CLIENT_FAULTS, Database, is_away

log = logging.getLogger("truelift.budgets")
CHUNKS = 50
"""Parts of a whole budget of which a process takes one at a time."""
PATIENCE = 2.0
"""Seconds that a request waits for its budget at most."""
TAKE = """
INSERT INTO budgets AS b (workspace_id, key, full_at, taken)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => least($4::float8, $5::float8)), least($4, $5))
ON CONFLICT (workspace_id, key) DO UPDATE SET (full_at, taken) = (
    SELECT begins + make_interval(secs => found), found
    FROM (SELECT greatest(b.full_at, clock_timestamp()) AS begins) AS one
        CROSS JOIN LATERAL (SELECT $5 - extract(epoch FROM begins - clock_timestamp())::float8 AS free) AS two
        CROSS JOIN LATERAL (SELECT CASE WHEN free >= $3::float8 THEN least($4, free) ELSE 0 END AS found) AS three
) RETURNING taken, extract(epoch FROM full_at - clock_timestamp())::float8
"""
"""Take $4 seconds' worth, or what there is of it if that is $3 at least, of a budget of $5 seconds; or nothing."""
Place = tuple[int, str]
"""Whose a budget is: the workspace's own has an empty key."""


@dataclass(slots=True, kw_only=True)
class Hand:
    """What a process holds of a budget, and when the rest will be whole again, as it was told last."""

    amount: float = 0.0
    full_at: float = 0.0


class SharedBudgets:
    """Budgets of one size, one for each place."""

    def __init__(self, database: Database, *, per_second: float, at_once: float) -> None:
        self.per_second, self.at_once = per_second, at_once
        self._database = database
        self._alone = Budgets(per_second=per_second, at_once=at_once)
        self._hands: OrderedDict[Place, Hand] = OrderedDict()

    async def take(self, place: Place, amount: float) -> float:
        """Take so much; returns 0, or the seconds until there will be enough, and then nothing is taken."""
        amount, hand = min(amount, self.at_once), self._hand(place)
        while hand.amount < amount:
            need = amount - hand.amount
            try:
                taken, hand.full_at = await self._fetch(place, need)
            except (*CLIENT_FAULTS, asyncpg.PostgresError) as fault:
                if not is_away(fault):
                    raise
                log.warning("A budget cannot be shared (%s).", type(fault).__name__)
                return self._alone.take(place, amount, monotonic())
            hand.amount += taken
            if taken == 0:
                return max(hand.full_at - monotonic() + (need - self.at_once) / self.per_second, 0.001)
        hand.amount -= amount
        return 0.0

    def give_back(self, place: Place, amount: float) -> None:
        """Have what was taken, and not used, for the next."""
        self._hand(place).amount += min(amount, self.at_once)

    def left(self, place: Place) -> float:
        """How much is there to take, as far as this process knows."""
        return min(self.at_once, self._hand(place).amount + self.at_once - self.seconds(place) * self.per_second)

    def seconds(self, place: Place) -> float:
        """The seconds until the budget is whole again."""
        return max(0.0, self._hand(place).full_at - monotonic())

    def _hand(self, place: Place) -> Hand:
        hand = self._hands.setdefault(place, Hand())
        self._hands.move_to_end(place)
        if len(self._hands) > MOST:
            self._hands.popitem(last=False)
        return hand

    async def _fetch(self, place: Place, need: float) -> tuple[float, float]:
        """Take a chunk of a budget; how much that is, and when it is whole again."""
        sizes = (need, max(need, self.at_once / CHUNKS), self.at_once)
        async with self._database.of(place[0]).raw(PATIENCE) as connection:
            taken, busy = await connection.fetchrow(TAKE, *place, *(size / self.per_second for size in sizes))
        return taken * self.per_second, monotonic() + busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a caller may spend: of the workspace's budget, and where there is one for each key, of that as well."""

    workspace: SharedBudgets
    key: SharedBudgets | None = None

    async def spend(self, caller: Caller, cost: float) -> float:
        """Take what something costs; returns 0, or the seconds until there will be enough, and then nothing is."""
        spent: list[tuple[SharedBudgets, Place]] = []
        for budgets, place in self._of(caller):
            wait = await budgets.take(place, cost)
            if wait > 0:
                for earlier, taken in spent:
                    earlier.give_back(taken, cost)
                return wait
            spent.append((budgets, place))
        return 0.0

    def left(self, caller: Caller) -> float:
        """How much a caller may spend now."""
        return min(budgets.left(place) for budgets, place in self._of(caller))

    def seconds(self, caller: Caller) -> float:
        """The seconds until a caller may spend all there ever is."""
        return max(budgets.seconds(place) for budgets, place in self._of(caller))

    def restored(self) -> float:
        """How much comes back a second."""
        return min(self.workspace.per_second, self.key.per_second if self.key else self.workspace.per_second)

    def _of(self, caller: Caller) -> Iterator[tuple[SharedBudgets, Place]]:
        if self.key is not None:
            yield self.key, (caller.workspace_id, caller.public_id)
        yield self.workspace, (caller.workspace_id, "")
