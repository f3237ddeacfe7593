"""True levels of the customers' ladder and the true elasticities between its rungs, from the law and not from rows.

Engagement is integrated out by Gauss-Hermite quadrature, the days to first value by the trapezoid rule; what is left is
arithmetic. `tests/api/sample/customers/test_rungs.py` holds each number against a draw of 400,000 accounts.

An elasticity is the slope of the logarithm of one rung on that of another over the cohorts (days of entry and regions,
in their shares), where each cohort is so large that chance plays no part: what a regression over cohorts estimates. The
law is not exactly log-linear, and `local_elasticity` says how far the slope is from the same for all.
"""

from dataclasses import dataclass, fields
from functools import cache

import numpy as np

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
    TTFV_DAYS,
    YEAR,
    activated,
    delay,
    milestone,
    retained,
)
from api.sample.law import ENGAGEMENT, ENGAGEMENT_SHARES, NO_EFFECT, PLANS, REGION_SHARES, SPREAD, Effect, Floats

LATEST = 1.5
"""Delays are between this and its opposite."""
NODES = 97
"""Delays at which rungs are computed; between them they are read off by linear interpolation."""
_SPREADS = np.linspace(-7.0, 7.0, 561)
_DENSITY = np.exp(-(_SPREADS**2) / 2)
_SPREAD_SHARES = _DENSITY / _DENSITY.sum()
_YEAR_OF_TERMS = round(YEAR / TERM_DAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rungs:
    """Expected levels of cohorts: arrays shaped alike, one number a cohort."""

    ttfv: Floats
    """Mean days to first value, up to 60."""
    activation: Floats
    """Share activated within 90 days."""
    retention: Floats
    """Share that still comes between day 60 and day 90."""
    grr: Floats
    """Recurring revenue kept a year after entry, of what was paid at first, no account counting for more than that."""
    nrr: Floats
    """Recurring revenue a year after entry, of what was paid at first."""


RUNGS = tuple(field.name for field in fields(Rungs))


def rungs(late: Floats, effect: Effect = NO_EFFECT) -> Rungs:
    """The rungs of cohorts that are so late, all plans together, under an effect for everybody it touches."""
    share = _touched(effect)
    mixed = (1 - share) * _at_nodes(NO_EFFECT) + share * _at_nodes(effect)
    nodes = np.linspace(-LATEST, LATEST, NODES)
    return Rungs(**{name: np.interp(late, nodes, level) for name, level in zip(RUNGS, mixed, strict=True)})


def level(rung: str, effect: Effect = NO_EFFECT, *, until: int = HISTORY_DAYS) -> float:
    """The level of a rung in the whole population of entrants, or of those of the first days of the history."""
    late, share = _cohorts(until)
    values: Floats = getattr(rungs(late, effect), rung)
    return float(values @ share)


def lift(rung: str, effect: Effect) -> float:
    """The true relative change of a rung, were everybody treated."""
    return level(rung, effect) / level(rung) - 1


def elasticity(leading: str, lagging: str) -> float:
    """By how many percent a rung changes where another one changes by one percent."""
    late, share = _cohorts()
    cohorts = rungs(late)
    x, y = np.log(getattr(cohorts, leading)), np.log(getattr(cohorts, lagging))
    centred = share * (x - x @ share)
    return float(centred @ y / (centred @ x))


def slope(leading: str, lagging: str, *, cohort_days: float, until: int) -> float:
    """The elasticity over cohorts of so many days in a region, of who entered before a day of the history.

    What a regression over such cohorts is about: their levels are means over the days in them, weighted by their size.
    """
    late, share = _cohorts(until)
    day, region = divmod(np.arange(len(late)), len(REGION_SHARES))
    cell = (day // cohort_days).astype(np.int64) * len(REGION_SHARES) + region
    size, cohorts = np.bincount(cell, share), rungs(late)
    x, y = (np.log(np.bincount(cell, share * getattr(cohorts, rung)) / size) for rung in (leading, lagging))
    centred = size * (x - x @ size)
    return float(centred @ y / (centred @ x))


def local_elasticity(leading: str, lagging: str, late: float) -> float:
    """The same slope between two cohorts, a little less and a little more late than this."""
    pair = rungs(np.array([late - 0.05, late + 0.05]))
    (x,), (y,) = np.diff(np.log(getattr(pair, leading))), np.diff(np.log(getattr(pair, lagging)))
    return float(y / x)


def kept_on(day: float) -> tuple[float, float]:
    """Expected GRR and NRR of the 365 days up to a day of the history: of all accounts that paid when they began.

    Raises ValueError where nobody has been a customer for so long.
    """
    if not YEAR < day <= HISTORY_DAYS:
        raise ValueError(f"the 365 days end after day {YEAR} of the history and by day {HISTORY_DAYS}")
    opened: Floats = np.linspace(0, day - YEAR, 8_001)[1::2]
    terms = np.floor((day - YEAR - opened + RENEWAL_LEAD) / TERM_DAYS)
    weight = np.zeros(2)
    for region, share in enumerate(REGION_SHARES):
        stays = rungs(delay(opened, np.full(len(opened), region))).retention
        paid = (RENEWED * _growth())[:, None] ** terms
        weight += share * np.array([(1 - stays) @ paid[0], stays @ paid[1]])
    kept = np.array([_kept(state) for state in (0, 1)])
    grr, nrr = weight @ kept / weight.sum()
    return float(grr), float(nrr)


def _touched(effect: Effect) -> Floats:
    """Share that an effect touches, for each rung: of accounts, and of revenue where revenue is what counts."""
    revenue = CUSTOMER_PLANS * SEAT_PRICE
    of_accounts, of_revenue = (share[np.isin(PLANS, effect.plans)].sum() for share in (CUSTOMER_PLANS, revenue))
    shares: Floats = np.array([of_accounts] * 3 + [of_revenue / revenue.sum()] * 2)[:, None]
    return shares


@cache
def _at_nodes(effect: Effect) -> Floats:
    """Levels (rung, node)."""
    late = np.linspace(-LATEST, LATEST, NODES)
    first = milestone(late[:, None], effect)
    unreached = sum((1 - first.reached(day, ENGAGEMENT) for day in range(TTFV_DAYS)), np.zeros(1))
    active, stays = _chances(late, effect)
    grr, nrr = (np.array([_kept(state)[place] for state in (0, 1)]) for place in (0, 1))
    return np.stack(
        [
            unreached @ ENGAGEMENT_SHARES,
            active @ ENGAGEMENT_SHARES,
            stays @ ENGAGEMENT_SHARES,
            *((1 - stays) @ ENGAGEMENT_SHARES * kept[0] + stays @ ENGAGEMENT_SHARES * kept[1] for kept in (grr, nrr)),
        ]
    )


def _chances(late: Floats, effect: Effect) -> tuple[Floats, Floats]:
    """Chances (node, engagement) of being activated and of being retained."""
    first = milestone(late[:, None], effect)
    days = np.exp(first.location(ENGAGEMENT)[..., None] + SPREAD * _SPREADS)
    reached = activated(days, ENGAGEMENT[:, None], effect) @ _SPREAD_SHARES
    never = activated(np.array(np.inf), ENGAGEMENT, effect)
    active = first.share(ENGAGEMENT) * reached + (1 - first.share(ENGAGEMENT)) * never
    without, with_it = (retained(np.array(state), ENGAGEMENT, effect) for state in (0, 1))
    return active, active * with_it + (1 - active) * without


def _growth() -> Floats:
    """Expected factor on the price of a contract that is renewed, by whether the account is retained."""
    factor: Floats = 1 + RAISED * (STEP - 1) + LOWERED * (1 / STEP - 1)
    return factor


def _kept(state: int) -> tuple[float, float]:
    """Expected GRR and NRR of a year for accounts that are not retained (0) or are (1), whatever they pay."""
    term = np.array([LOWERED[state], 1 - LOWERED[state] - RAISED[state], RAISED[state]])
    shares = np.ones(1)
    for _ in range(_YEAR_OF_TERMS):
        shares = np.convolve(shares, term)
    factor = STEP ** np.arange(-_YEAR_OF_TERMS, _YEAR_OF_TERMS + 1.0)
    alive = RENEWED[state] ** _YEAR_OF_TERMS
    return float(alive * shares @ np.minimum(factor, 1)), float(alive * shares @ factor)


@cache
def _cohorts(until: int = HISTORY_DAYS) -> tuple[Floats, Floats]:
    """Delays of the cohorts of the first days, and their shares: days of entry are alike, regions are not."""
    day: Floats = np.repeat(np.arange(0.5, until), len(REGION_SHARES))
    region = np.tile(np.arange(len(REGION_SHARES)), until)
    return delay(day, region), REGION_SHARES[region] / until
