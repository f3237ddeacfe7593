"""The people of the accounts, and what they do with the product: sessions, features, departments, tickets."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from api.sample.customers.law import HISTORY_DAYS
from api.sample.customers.population import JOINING_DAYS, Customers
from api.sample.law import Floats
from api.sample.outcomes import Outcomes, outcomes_of
from api.sample.population import Ints

ROLES = ("admin", "planner", "viewer")
FEATURES, DEPARTMENTS = 12, 6
SESSIONS_PER_DAY = 0.04
FEATURE_SHARE, DEPARTMENT_SHARE = 0.35, 0.15
"""Sessions in which a feature of note is used, and in which a department is told."""
TICKETS_PER_DAY = np.array([0.006, 0.003])
"""Of each person, by whether the account is retained."""
RATED_SHARE = 0.4
WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """People by account, the one who opened it first: arrays (member,)."""

    account: Ints
    joined: Floats
    """Days since the history began."""
    role: Ints
    department: Ints

    def __len__(self) -> int:
        return len(self.account)


def join(customers: Customers, rng: Generator) -> Members:
    """Everybody who joins before the history ends and before the account leaves."""
    account = np.repeat(np.arange(len(customers)), customers.members)
    is_first = np.diff(account, prepend=-1) > 0
    joined = customers.opened[account] + np.where(is_first, 0.0, rng.uniform(0, JOINING_DAYS, len(account)))
    n = len(account)
    role = np.where(is_first, 0, rng.integers(1, len(ROLES), n))
    department = np.where(is_first, 1, rng.integers(1, DEPARTMENTS + 1, n))
    came = is_first | (joined < HISTORY_DAYS)
    return Members(account=account[came], joined=joined[came], role=role[came], department=department[came])


def use(customers: Customers, members: Members, rng: Generator) -> list[Outcomes]:
    """What members do; the unit of a member is its number after all accounts."""
    sessions = _sessions(customers, members, rng)
    featured, told = (rng.random(len(sessions)) < share for share in (FEATURE_SHARE, DEPARTMENT_SHARE))
    feature = 1 + np.floor(FEATURES * rng.random(len(sessions)) ** 2)
    department = members.department[sessions.unit - len(customers)].astype(float)
    ticket, asked = _moments(customers, members, TICKETS_PER_DAY[customers.is_retained[members.account]], rng)
    rated = rng.random(len(ticket)) < RATED_SHARE
    rating = rng.choice(np.array([-1.0, 0.0, 0.5, 1.0]), int(rated.sum()))
    return [
        sessions,
        outcomes_of("feature_used", sessions.unit[featured], sessions.day[featured], feature[featured]),
        outcomes_of("department_active", sessions.unit[told], sessions.day[told], department[told]),
        outcomes_of("ticket_opened", ticket, asked),
        outcomes_of("service_rated", ticket[rated], asked[rated] + 0.5, rating),
    ]


def first_members(members: Members) -> Ints:
    """The member who opened each account."""
    return np.flatnonzero(np.diff(members.account, prepend=-1) > 0)


def _sessions(customers: Customers, members: Members, rng: Generator) -> Outcomes:
    """Sessions at any time, and one every week of who opened the account: a retained account never falls silent."""
    unit, day = _moments(customers, members, np.full(len(members), SESSIONS_PER_DAY), rng)
    weeks = np.arange(HISTORY_DAYS // WEEK)
    opened = customers.opened[:, None] + WEEK * weeks + rng.uniform(0.5, 1.5, (len(customers), len(weeks)))
    account, week = np.nonzero(opened < (customers.opened + customers.quiet)[:, None])
    weekly = len(customers) + first_members(members)[account]
    return outcomes_of("session_started", np.concatenate([unit, weekly]), np.concatenate([day, opened[account, week]]))


def _moments(customers: Customers, members: Members, rate: Floats, rng: Generator) -> tuple[Ints, Floats]:
    """Units and days of a Poisson process of so many a day, from joining until the account falls quiet or leaves."""
    until = np.minimum(customers.opened + customers.quiet, np.minimum(customers.churned, HISTORY_DAYS))
    span = np.maximum(until[members.account] - members.joined, 0)
    member = np.repeat(np.arange(len(members)), rng.poisson(rate * span))
    return len(customers) + member, members.joined[member] + rng.random(len(member)) * span[member]
