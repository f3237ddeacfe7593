"""The contract customers as a whole: accounts, their people, and all that is known to have happened."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from api.sample.customers.contracts import begin, contract, live
from api.sample.customers.law import HISTORY_DAYS
from api.sample.customers.people import Members, first_members, join, use
from api.sample.customers.population import Customers, Flags, draw
from api.sample.law import NO_EFFECT, Effect
from api.sample.outcomes import Outcomes, in_time_order
from api.sample.population import Ints

ACCOUNTS = 900
STREAM = 1
"""Which stream of chance of a seed is the customers' own: without them the users are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clientele:
    """Customers with a contract over two years."""

    began_at: datetime
    """Midnight, UTC, of the first day of the history."""
    customers: Customers
    members: Members
    log: Outcomes
    """A unit is an account, or after all accounts a member."""

    def __len__(self) -> int:
        return len(self.log)


def clientele(*, seed: int, today: date, accounts: int = ACCOUNTS, effect: Effect = NO_EFFECT) -> Clientele:
    """Draw the customers whose two years of history end yesterday; a later `today` only shifts them.

    With an effect, everybody it touches is treated from the start: draw a treated arm and its control by two seeds.
    """
    rng = np.random.default_rng([seed, STREAM])
    customers = draw(accounts, rng, effect)
    members = join(customers, rng)
    openers = len(customers) + first_members(members)
    logs = [
        *begin(customers, openers, rng),
        *contract(customers, rng),
        *live(customers, openers, rng),
        *use(customers, members, rng),
    ]
    began_at = datetime.combine(today - timedelta(days=HISTORY_DAYS), time(), UTC)
    return Clientele(began_at=began_at, customers=customers, members=members, log=_seen(customers, members, logs))


def _seen(customers: Customers, members: Members, logs: list[Outcomes]) -> Outcomes:
    """What is sent: nothing after an account has left or the history ended, and nothing of who came after that."""
    owner: Ints = np.concatenate([np.arange(len(customers)), members.account])
    until = customers.churned[owner]
    return in_time_order([_before(log, log.day <= until[log.unit]) for log in logs], HISTORY_DAYS)


def _before(log: Outcomes, kept: Flags) -> Outcomes:
    return Outcomes(event=log.event[kept], unit=log.unit[kept], day=log.day[kept], value=log.value[kept])
