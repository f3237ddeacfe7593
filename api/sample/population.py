"""Accounts and users of the sample company: when they came, on which plan, from where."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from api.sample.law import DEVICE_SHARES, DEVICES, FRAILTY, PLAN_SHARES, PLANS, REGION_SHARES, REGIONS, Floats
from api.sample.runs import DAYS

Ints = NDArray[np.int64]

ACCOUNTS = 2_000
EARLIER_ACCOUNTS = 1_200
"""Accounts that were customers before the history begins."""
ACCOUNT_PLAN_SHARES = np.array([0.55, 0.35, 0.10])
SIZE_SHAPE = 0.8
"""Gamma shape of account sizes: a few accounts bring many users, most bring a handful."""
FIRST_DAY_SIGN_UPS, DAILY_GROWTH = 105.0, 1.14
WEEK = np.array([0.55, 1.20, 1.25, 1.20, 1.15, 1.00, 0.65])
"""Sign-ups against the average, from Sunday to Saturday where today is a Monday. On another day the quiet days move
along, which is the price of having the same company whatever the date."""
VISITS, UNCOUNTED_SHARE = 4.0, 0.12
SUNRISE, NOON, NIGHT = 6 / 24, 14 / 24, 23 / 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Customers, ordered by the day they opened; plan and region are codes into `PLANS` and `REGIONS`."""

    plan: Ints
    region: Ints
    opened: Floats
    size: Floats

    def __len__(self) -> int:
        return len(self.plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """People, ordered by sign-up; each belongs to an account and has its plan and region."""

    account: Ints
    plan: Ints
    region: Ints
    device: Ints
    signed_up: Floats
    engagement: Floats
    visits: Floats
    """Visits to the public site before sign-up; NaN for who refused to be counted."""

    def __len__(self) -> int:
        return len(self.account)


def open_accounts(rng: Generator) -> Accounts:
    """Draw the accounts; the earlier ones open on the first day."""
    plan = rng.choice(len(PLANS), ACCOUNTS, p=ACCOUNT_PLAN_SHARES)
    opened = np.zeros(ACCOUNTS)
    opened[EARLIER_ACCOUNTS:] = np.sort(rng.uniform(0, DAYS - 1, ACCOUNTS - EARLIER_ACCOUNTS))
    return Accounts(
        plan=plan,
        region=rng.choice(len(REGIONS), ACCOUNTS, p=REGION_SHARES),
        opened=opened,
        size=rng.gamma(SIZE_SHAPE, (PLAN_SHARES / ACCOUNT_PLAN_SHARES)[plan]),
    )


def sign_up(accounts: Accounts, rng: Generator) -> Users:
    """Draw the users; each joins an account that is open by then, by its size."""
    signed_up = _sign_up_times(rng)
    account = _join(accounts, signed_up, rng)
    device = rng.choice(len(DEVICES), len(account), p=DEVICE_SHARES)
    engagement = rng.standard_normal(len(account))
    return Users(
        account=account,
        plan=accounts.plan[account],
        region=accounts.region[account],
        device=device,
        signed_up=signed_up,
        engagement=engagement,
        visits=_visits(engagement, rng.spawn(1)[0]),  # with chance of its own: all else is as it would be without
    )


def _visits(engagement: Floats, rng: Generator) -> Floats:
    """The more engaged look longer before they sign up."""
    visits = rng.poisson(VISITS * np.exp(FRAILTY * engagement - FRAILTY**2 / 2))
    return np.where(rng.random(len(engagement)) < UNCOUNTED_SHARE, np.nan, visits)


def _sign_up_times(rng: Generator) -> Floats:
    day = np.arange(DAYS)
    expected = (FIRST_DAY_SIGN_UPS + DAILY_GROWTH * day) * WEEK[day % 7]
    days = np.repeat(day, rng.poisson(expected))
    return np.sort(days + rng.triangular(SUNRISE, NOON, NIGHT, len(days)))


def _join(accounts: Accounts, at: Floats, rng: Generator) -> Ints:
    reach = np.cumsum(accounts.size)
    open_by_then = reach[np.searchsorted(accounts.opened, at, side="right") - 1]
    return np.searchsorted(reach, rng.random(len(at)) * open_by_then, side="right")
