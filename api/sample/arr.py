"""Annual recurring revenue of the paying accounts: opened, then reviewed every month."""

import numpy as np
from numpy.random import Generator

from api.sample.law import PLANS, Floats
from api.sample.outcomes import Outcomes, outcomes_of
from api.sample.population import Accounts, Ints
from api.sample.runs import DAYS

OPENING_MEDIAN = np.array([0.0, 2_400.0, 14_000.0])
"""Dollars a year by plan; the free plan pays nothing and has no rows."""
OPENING_SPREAD = 0.7
MONTH = 30
CHURN, CONTRACTION, EXPANSION = 0.012, 0.025, 0.06
"""Shares of accounts that make each movement in a month; at most one of them."""


def movements(accounts: Accounts, first_unit: int, rng: Generator) -> list[Outcomes]:
    """Every movement as a positive amount, unit `first_unit + account`; a churned account moves no more.

    Accounts older than the history open on its first day: their `arr_new` is the opening balance.
    """
    account = np.flatnonzero(accounts.plan != PLANS.index("free"))
    arr = rng.lognormal(np.log(OPENING_MEDIAN[accounts.plan[account]]), OPENING_SPREAD)
    day = accounts.opened[account] + rng.uniform(0.3, 0.9, len(account))
    logs = [outcomes_of("arr_new", first_unit + account, day, arr)]
    day = day + rng.uniform(1, MONTH, len(account))
    while (day < DAYS).any():
        change, log = _review(first_unit + account, day, arr, rng)
        arr, day = arr + change, day + MONTH
        logs += log
    return logs


def _review(unit: Ints, day: Floats, arr: Floats, rng: Generator) -> tuple[Floats, list[Outcomes]]:
    """One month's change of each account's ARR, and its rows."""
    lot, size = rng.random(len(unit)), rng.uniform(0.05, 0.4, len(unit)) * arr
    paying = arr > 0
    moved = {
        "arr_churn": (paying & (lot < CHURN), -arr),
        "arr_contraction": (paying & (lot >= CHURN) & (lot < CHURN + CONTRACTION), -size),
        "arr_expansion": (paying & (lot >= 1 - EXPANSION), size),
    }
    change = sum((who * amount for who, amount in moved.values()), np.zeros(len(unit)))
    return change, [outcomes_of(event, unit[who], day[who], np.abs(by[who])) for event, (who, by) in moved.items()]
