"""Accounts with a contract, as the law draws them: when they open, how they start, how every renewal ends."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from api.sample.customers.law import (
    CUSTOMER_PLANS,
    HISTORY_DAYS,
    LOWERED,
    RAISED,
    RENEWAL_LEAD,
    RENEWED,
    SEAT_PRICE,
    STEP,
    TERM_DAYS,
    TERMS,
    TTFV_DAYS,
    activated,
    delay,
    milestone,
    retained,
)
from api.sample.law import NO_EFFECT, PLANS, REGION_SHARES, REGIONS, SPREAD, Effect, Floats
from api.sample.population import Ints

Flags = NDArray[np.bool_]

SEGMENTS, SEGMENT_SHARES = ("small", "medium", "large"), np.array([0.5, 0.35, 0.15])
INDUSTRIES = ("software", "manufacturing", "services", "health")
SOURCES = ("referral", "search", "partner")
SEATS = np.array([10.0, 20.0, 45.0])
"""Median seats by segment."""
SEATS_SPREAD = 0.3
MORE_MEMBERS = np.array([2.0, 4.0, 8.0])
"""Expected members beside the one who opens the account, by segment."""
CONTRACT_LEAD = 1 / 24
"""Days from the contract, with which revenue begins, to the opening of the account."""
JOINING_DAYS = 45.0
FIRST_ACTIVATION, LAST_ACTIVATION = 1.0, 29.0
"""Days from first value, or from day 60 without it, to activation: so that it is always within 90 days."""
FIRST_QUIET, LAST_QUIET = 15.0, 60.0
"""Days since opening between which accounts that are not retained fall quiet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customers:
    """Accounts, ordered by the day they opened, and what becomes of them, seen or not: arrays (account,)."""

    plan: Ints
    region: Ints
    segment: Ints
    industry: Ints
    source: Ints
    opened: Floats
    """Days since the history began."""
    first_value: Floats
    """Days since opening; infinite for who never gets there."""
    activation: Floats
    """Days since opening; infinite for who is not activated."""
    is_retained: Ints
    quiet: Floats
    """Days since opening after which nobody comes any more; infinite for retained accounts."""
    mrr: Floats
    """Dollars a month (account, term): what is paid from the beginning of each term on; 0 after churn."""
    members: Ints
    """People of the account."""

    def __len__(self) -> int:
        return len(self.opened)

    @property
    def is_activated(self) -> Ints:
        """1 for accounts that are activated in time."""
        return np.isfinite(self.activation).astype(np.int64)

    @property
    def renewals(self) -> Floats:
        """Days (account, term) since the history began on which each term begins; the first with the contract."""
        starts = self.opened[:, None] + np.arange(TERMS + 1) * TERM_DAYS - RENEWAL_LEAD
        starts[:, 0] = self.opened - CONTRACT_LEAD
        return starts

    @property
    def churned(self) -> Floats:
        """Days since the history began on which each account leaves; infinite for who stays for all terms."""
        gone = self.mrr == 0
        at = self.renewals[np.arange(len(self)), gone.argmax(axis=1)]
        return np.where(gone.any(axis=1), at, np.inf)

    def mrr_of(self, account: Ints, day: Floats) -> Floats:
        """What accounts pay at moments: arrays alike, accounts and days since the history began."""
        term = (self.renewals[account] <= day[:, None]).sum(axis=1) - 1
        return np.where(term < 0, 0.0, self.mrr[account, term])

    def mrr_at(self, day: Floats) -> Floats:
        """What each account pays at a moment of its own: arrays (account,)."""
        return self.mrr_of(np.arange(len(self)), day)


def draw(n: int, rng: Generator, effect: Effect = NO_EFFECT) -> Customers:
    """Draw so many accounts; the effect is at work on those whose plan it touches."""
    plan = rng.choice(len(PLANS), n, p=CUSTOMER_PLANS)
    region, segment = rng.choice(len(REGIONS), n, p=REGION_SHARES), rng.choice(len(SEGMENTS), n, p=SEGMENT_SHARES)
    opened, engagement = np.sort(rng.uniform(0, HISTORY_DAYS, n)), rng.standard_normal(n)
    late, is_touched = delay(opened, region), np.isin(plan, [PLANS.index(name) for name in effect.plans])
    first_value = _first_value(late, engagement, is_touched, effect, rng)
    activation = _activation(first_value, engagement, is_touched, effect, rng)
    stays = rng.random(n) < _either(
        is_touched, *(retained(np.isfinite(activation).astype(int), engagement, at) for at in (effect, NO_EFFECT))
    )
    return Customers(
        plan=plan,
        region=region,
        segment=segment,
        industry=rng.choice(len(INDUSTRIES), n),
        source=rng.choice(len(SOURCES), n),
        opened=opened,
        first_value=first_value,
        activation=activation,
        is_retained=stays.astype(np.int64),
        quiet=np.where(stays, np.inf, rng.uniform(FIRST_QUIET, LAST_QUIET, n)),
        mrr=_mrr(_first_mrr(plan, segment, rng), stays.astype(int), rng),
        members=1 + rng.poisson(MORE_MEMBERS[segment]),
    )


def _either(is_touched: Flags, treated: Floats, usual: Floats) -> Floats:
    return np.where(is_touched, treated, usual)


def _first_value(late: Floats, engagement: Floats, is_touched: Flags, effect: Effect, rng: Generator) -> Floats:
    treated, usual = (milestone(late, at) for at in (effect, NO_EFFECT))
    share = _either(is_touched, treated.share(engagement), usual.share(engagement))
    location = _either(is_touched, treated.location(engagement), usual.location(engagement))
    days = np.exp(location + SPREAD * rng.standard_normal(len(late)))
    return np.where(rng.random(len(late)) < share, days, np.inf)


def _activation(first_value: Floats, engagement: Floats, is_touched: Flags, effect: Effect, rng: Generator) -> Floats:
    chance = _either(is_touched, *(activated(first_value, engagement, at) for at in (effect, NO_EFFECT)))
    n = len(first_value)
    days = np.minimum(first_value, TTFV_DAYS) + rng.uniform(FIRST_ACTIVATION, LAST_ACTIVATION, n)
    return np.where(rng.random(n) < chance, days, np.inf)


def _first_mrr(plan: Ints, segment: Ints, rng: Generator) -> Floats:
    seats = np.ceil(rng.lognormal(np.log(SEATS[segment]), SEATS_SPREAD))
    price: Floats = seats * SEAT_PRICE[plan]
    return price


def _mrr(first: Floats, state: Ints, rng: Generator) -> Floats:
    """The price of every term: renewed or not, then a step up, a step down, or none."""
    shape = (len(first), TERMS)
    renewed = rng.random(shape) < RENEWED[state][:, None]
    lot = rng.random(shape)
    steps = (lot < RAISED[state][:, None]).astype(int) - (lot > 1 - LOWERED[state][:, None])
    factor = STEP ** np.cumsum(steps, axis=1) * np.logical_and.accumulate(renewed, axis=1)
    return np.round(first[:, None] * np.column_stack([np.ones(len(first)), factor]), 2)
