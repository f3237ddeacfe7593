"""The law of the contract customers: how an account's start moves what it is worth a year later.

A chain, each link a cause of the next and of nothing beside it:

    days to first value -> activated -> retained -> renewals and their size -> recurring revenue

An account also has an engagement e ~ N(0, 1) that speeds its start and helps every link, so that accounts which start
fast would do well anyway: comparing accounts overstates each link. Entry cohorts do not: the onboarding desk is slower
in some months and regions than in others (`delay`), for reasons of its own that touch nothing but the days to first
value. So the links are identified by cohorts, and their true elasticities are known (api/sample/customers/rungs.py).

- First value is reached as a user reaches it (api/sample/law.py), at log-days `FIRST_VALUE.log_days + delay`.
- Activated with a chance that falls as a power of the days T to it, `ACTIVATED_AT_ONCE T^-ACTIVATION_DRAG`, T
  from 1 to 60; engagement adds `ACTIVATION_PULL e` to its log-odds.
- Retained with log-odds `RETAINED_ODDS[activated] + RETAINED_PULL e`: others stop coming within 60 days.
- A contract renews every quarter of a year with chance `RENEWED[retained]`; then its price rises or falls by one
  `STEP`, or stays. What an account pays at first has nothing to do with any of this.

An experiment's `Effect` acts here as it does on users: on first value by odds and speed, on activation by the odds of a
project, on retention by the rate of sessions, taken as log-odds.
"""

import numpy as np

from api.sample.law import NO_EFFECT, Effect, Floats, Milestone
from api.sample.population import Ints

HISTORY_DAYS = 730
"""Length of the customers' history; like that of the users it ends yesterday."""
TERM_DAYS = 365 / 4
RENEWAL_LEAD = 0.5
"""Days before the end of a term at which its renewal is settled: so that any 365 days hold four of them."""
TERMS = 8
TTFV_DAYS, ACTIVATION_DAYS, QUIET_FROM, QUIET_UNTIL, YEAR = 60, 90, 60, 90, 365
"""Windows of the KPIs: days to first value, to activation, of retention (from, until), and of revenue."""

CUSTOMER_PLANS = np.array([0.0, 0.6, 0.4])
"""Shares of the plans among accounts with a contract."""
SEAT_PRICE = np.array([0.0, 12.0, 18.0])
"""Dollars a month by plan."""
WAVE, WAVE_DAYS = 0.7, 300.0
"""The onboarding desk's backlog comes and goes: its amplitude in log-days, and how long a round takes."""
REGION_DELAY = np.array([-0.6, 0.0, 0.7])
FIRST_VALUE = Milestone(log_odds=np.array(3.0), log_days=np.array(2.0))
ACTIVATED_AT_ONCE, ACTIVATION_DRAG, ACTIVATION_PULL, GRACE_DAYS = 0.98, 0.36, 0.6, 1.0
RETAINED_ODDS, RETAINED_PULL = np.array([-2.0, 2.8]), 0.9
RENEWED = np.array([0.78, 0.985])
"""Chance that a term is renewed, not retained and retained; so are the next two."""
RAISED, LOWERED = np.array([0.05, 0.36]), np.array([0.15, 0.04])
STEP = 1.2


def delay(day: Floats, region: Ints) -> Floats:
    """By how many log-days the desk is slower than usual for an account that opens on a day, in a region."""
    wave: Floats = WAVE * np.sin(2 * np.pi * day / WAVE_DAYS)
    late: Floats = wave + REGION_DELAY[region]
    return late


def milestone(late: Floats, effect: Effect = NO_EFFECT) -> Milestone:
    """First value of accounts so late; the effect touches all of them."""
    return Milestone(
        log_odds=FIRST_VALUE.log_odds + effect.first_value_odds + np.zeros_like(late),
        log_days=FIRST_VALUE.log_days - effect.first_value_speed + late,
    )


def activated(days: Floats, engagement: Floats, effect: Effect = NO_EFFECT) -> Floats:
    """Chance of activation, given the days to first value; infinite for who never gets there."""
    usual = ACTIVATED_AT_ONCE * (np.clip(days, GRACE_DAYS, TTFV_DAYS) / GRACE_DAYS) ** -ACTIVATION_DRAG
    return _share(np.log(usual / (1 - usual)) + ACTIVATION_PULL * engagement + effect.project_odds)


def retained(is_activated: Ints, engagement: Floats, effect: Effect = NO_EFFECT) -> Floats:
    """Chance of being retained, given whether it was activated."""
    return _share(RETAINED_ODDS[is_activated] + RETAINED_PULL * engagement + effect.sessions)


def _share(log_odds: Floats) -> Floats:
    share: Floats = 1 / (1 + np.exp(-log_odds))
    return share
