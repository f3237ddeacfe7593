"""The customers added up without a database: the numbers that SQL gives over the same rows, straight from the arrays.

A calibration draws hundreds of companies and has no time to store them. Each KPI is a number y of every account, and
for revenue what it is divided by, x; cohorts are accounts by the UTC day on which they opened.
"""

from dataclasses import dataclass

import numpy as np

from api.sample.customers.law import ACTIVATION_DAYS, HISTORY_DAYS, QUIET_UNTIL, TTFV_DAYS, YEAR
from api.sample.customers.population import Customers, Flags
from api.sample.law import Floats
from api.sample.population import Ints
from stats.comoments import CoMoments

WINDOWS = {
    "ttfv": TTFV_DAYS,
    "activation": ACTIVATION_DAYS,
    "retention": QUIET_UNTIL,
    "grr": YEAR,
    "nrr": YEAR,
}
"""Days after an account opens until each rung of it is final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A KPI of accounts: arrays (account,)."""

    cohort: Ints
    """Day of the history on which the account entered, or the period it is measured over ends."""
    y: Floats
    x: Floats
    """What the sum of `y` is divided by: 1 for a share or a mean, the revenue at the start for what is kept of it."""
    is_final: Flags

    @property
    def value(self) -> float:
        """The KPI over all that is final."""
        return float(self.y[self.is_final].sum() / self.x[self.is_final].sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """Sums of what is final by cohort, as the product keeps them: arrays (cohort,), in day order."""

    cohort: Ints
    n: Ints
    mean: Floats
    m2: Floats
    mean_x: Floats
    m2_x: Floats
    c_xy: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Accounts on the way to first value: `entered` (cohort,) by day of entry, `events` (cohort, day since entry).

    Cells that not every account of the cohort has been watched for are 0: they end at its age, in days.
    """

    entered: Ints
    events: Ints
    ages: Ints


def entrants(customers: Customers, rung: str) -> Measured:
    """A rung of every account that enters."""
    cohort = np.floor(customers.opened).astype(np.int64)
    y, x = _revenue(customers, rung) if rung in ("grr", "nrr") else _share(customers, rung)
    return Measured(cohort=cohort, y=y, x=x, is_final=cohort + 1 + WINDOWS[rung] <= HISTORY_DAYS)


def kept(customers: Customers, rung: str, end: int) -> Measured:
    """GRR or NRR of the 365 days up to midnight of a day: of accounts that paid at either end of them.

    Raises ValueError for another rung.
    """
    if rung not in ("grr", "nrr"):
        raise ValueError("only revenue is kept")
    before, after = (customers.mrr_at(np.full(len(customers), float(day))) for day in (end - YEAR, end))
    there = (before > 0) | (after > 0)
    y = _of(rung, before, after)[there]
    return Measured(cohort=np.full(len(y), end), y=y, x=before[there], is_final=np.ones(len(y), np.bool_))


def by_cohort(measured: Measured) -> Cohorts:
    """The sums of each cohort."""
    y, x = (column[measured.is_final] for column in (measured.y, measured.x))
    cohort, place, n = np.unique(measured.cohort[measured.is_final], return_inverse=True, return_counts=True)
    mean, mean_x = _sums(place, y) / n, _sums(place, x) / n
    off, off_x = y - mean[place], x - mean_x[place]
    return Cohorts(
        cohort=cohort,
        n=n,
        mean=mean,
        m2=_sums(place, off * off),
        mean_x=mean_x,
        m2_x=_sums(place, off_x * off_x),
        c_xy=_sums(place, off * off_x),
    )


def comoments(columns: Floats, cell: Ints) -> CoMoments:
    """Means and sums of products of some numbers of accounts (account, number), by cell in their order."""
    place = np.unique(cell, return_inverse=True)[1]
    n = np.bincount(place).astype(np.float64)
    means = np.column_stack([_sums(place, column) for column in columns.T]) / n[:, np.newaxis]
    off = columns - means[place]
    products = np.zeros((len(n), *off.shape[1:] * 2))
    np.add.at(products, place, off[:, :, np.newaxis] * off[:, np.newaxis, :])
    return CoMoments(n=n, means=means, products=products)


def durations(customers: Customers) -> Durations:
    """Days to first value as far as the history tells, accounts on their way included."""
    cohort = np.floor(customers.opened).astype(np.int64)
    ages = HISTORY_DAYS - 1 - np.arange(HISTORY_DAYS)
    reached = np.isfinite(customers.first_value) & (customers.opened + customers.first_value < customers.churned)
    day = np.where(reached, np.floor(customers.first_value), TTFV_DAYS).astype(np.int64)
    seen = (day < TTFV_DAYS) & (day < ages[cohort])
    events = np.zeros((HISTORY_DAYS, TTFV_DAYS), np.int64)
    np.add.at(events, (cohort[seen], day[seen]), 1)
    return Durations(entered=np.bincount(cohort, minlength=HISTORY_DAYS), events=events, ages=ages)


def _sums(place: Ints, part: Floats) -> Floats:
    return np.bincount(place, weights=part).astype(np.float64)


def _share(customers: Customers, rung: str) -> tuple[Floats, Floats]:
    y = {
        "ttfv": np.minimum(np.floor(customers.first_value) + 1, TTFV_DAYS),
        "activation": customers.is_activated.astype(float),
        "retention": customers.is_retained.astype(float),
    }[rung]
    return y, np.ones(len(customers))


def _revenue(customers: Customers, rung: str) -> tuple[Floats, Floats]:
    before, after = customers.mrr_at(customers.opened), customers.mrr_at(customers.opened + YEAR)
    return _of(rung, before, after), before


def _of(rung: str, before: Floats, after: Floats) -> Floats:
    kept: Floats = np.minimum(before, after) if rung == "grr" else np.where(before > 0, after, 0.0)
    return kept
