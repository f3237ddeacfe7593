"""Two KPIs on the same units: their cells against numpy over the very units, and what is no pair."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from api.database import Database
from kpi.enums import Granularity, Unit
from kpi.history import pairs
from kpi.history.entry import Entry
from kpi.history.pairs import Cells, Followed, Pair
from kpi.kinds import Activation, Mean, Quantile, Ratio, TimeToValue
from kpi.kinds.terms import Amount, How, Measured, Term
from kpi.tables import Workspace
from tests.kpi.history.rows import TODAY, describe, join, send

SIGNED_UP = Entry(event="signed_up")
TTFV = Followed(unit=Unit.USER, kind=TimeToValue(event="value", tau_days=10), entry=SIGNED_UP, segments=["plan"])
ACTIVE = replace(TTFV, kind=Activation(event="value", window_days=5))
BEFORE = Amount(event="mrr", of=Measured.LEVEL_AT_START)
AFTER = Amount(event="mrr", of=Measured.LEVEL_AT_END)
NRR = replace(
    TTFV,
    kind=Ratio(
        window_days=20,
        numerator=Term(amount=AFTER, how=How.KEPT, other=BEFORE),
        denominator=Term(amount=BEFORE),
    ),
)
MONTHS = (date(2026, 3, 1), date(2026, 4, 1))
PLANS = ("free", "pro")
N = 160


def units() -> list[dict[str, Any]]:
    """Units by month and plan: the day of value (15 is never within the window), and revenue before and after."""
    random = np.random.default_rng(5)
    return [
        {
            "name": f"u{place}",
            "month": MONTHS[place % 2],
            "plan": PLANS[place // 2 % 2],
            "day": int(random.integers(0, 15)),
            "before": float(random.integers(10, 50)),
            "after": float(random.integers(0, 60)),
        }
        for place in range(N)
    ]


def rows(some: list[dict[str, Any]]) -> list[tuple[str, str, str, float | None]]:
    found: list[tuple[str, str, str, float | None]] = []
    for place, unit in enumerate(some):
        entered = unit["month"] + timedelta(days=place % 20)
        at = [entered, entered, entered + timedelta(days=unit["day"]), entered + timedelta(days=18)]
        events = ("mrr", "signed_up", "value", "mrr")
        values = (unit["before"], None, None, unit["after"])
        hours = (6, 8, 9, 6)
        found += [
            (unit["name"], event, f"{day}T{hour:02}:00:00Z", value)
            for event, day, hour, value in zip(events, at, hours, values, strict=True)
        ]
    return found


async def read(database: Database, workspace: Workspace, pair: Pair, through: date = TODAY) -> Cells:
    async with database.raw() as connection:
        return await pairs.read(connection, workspace.id, pair, through)


def expected(some: list[dict[str, Any]]) -> tuple[float, ...]:
    """Restricted mean and NRR of some units; errors and their covariance by numpy over linearised numbers."""
    days = np.array([min(unit["day"] + 1, 10) for unit in some], float)
    before, after = (np.array([unit[name] for unit in some]) for name in ("before", "after"))
    nrr = after.sum() / before.sum()
    apart = np.cov(days, (after - nrr * before) / before.mean()) / len(some)
    return days.mean(), apart[0, 0] ** 0.5, nrr, apart[1, 1] ** 0.5, apart[0, 1]


async def test_cells_are_what_numpy_makes_of_the_units_of_a_month_and_segment(
    database: Database, workspace: Workspace
) -> None:
    some = units()
    await send(database, workspace, rows(some))
    await describe(database, workspace, [(unit["name"], "plan", unit["plan"], None) for unit in some])
    found = await read(database, workspace, Pair(leading=TTFV, lagging=NRR))
    assert list(zip(found.months, found.segments, strict=True)) == [
        (month, f"plan={plan}") for month in MONTHS for plan in PLANS
    ]
    for place, (month, segment) in enumerate(zip(found.months, found.segments, strict=True)):
        cell = [unit for unit in some if unit["month"] == month and segment == f"plan={unit['plan']}"]
        seen = (found.leading, found.leading_error, found.lagging, found.lagging_error, found.covariance)
        assert found.n[place] == len(cell) == N / 4
        assert [column[place] for column in seen] == pytest.approx(expected(cell))


async def test_cut_that_leaves_cohorts_too_small_is_not_taken(database: Database, workspace: Workspace) -> None:
    some = units()[:100]  # 25 in a month and plan, 50 in a month
    await send(database, workspace, rows(some))
    await describe(database, workspace, [(unit["name"], "plan", unit["plan"], None) for unit in some])
    found = await read(database, workspace, Pair(leading=ACTIVE, lagging=NRR))
    assert (found.segments, found.n.tolist()) == (("", ""), [50, 50])


async def test_units_whose_windows_are_open_are_left_out(database: Database, workspace: Workspace) -> None:
    some = [unit | {"month": MONTHS[0]} for unit in units()]
    await send(database, workspace, rows(some))
    # Who entered on 11 March has 20 days up to the end of the 31st; the first 11 of 20 days are in.
    found = await read(database, workspace, Pair(leading=ACTIVE, lagging=NRR), date(2026, 4, 1))
    assert found.n.tolist() == [sum(place % 20 <= 10 for place in range(N))]


async def test_error_of_users_is_that_of_their_accounts(database: Database, workspace: Workspace) -> None:
    some = units()
    clustered = Entry(event="signed_up", is_clustered=True)
    mean = Mean(event="mrr", window_days=20)
    pair = Pair(leading=replace(ACTIVE, entry=clustered), lagging=replace(ACTIVE, kind=mean, entry=clustered))
    await send(database, workspace, rows(some))
    await join(
        database,
        workspace,
        [(unit["name"], f"a{place // 4}", "2026-01-01T00:00:00Z") for place, unit in enumerate(some)],
    )
    found = await read(database, workspace, pair)
    assert found.n.tolist() == [40, 40]  # accounts, each with two users in each month
    for place, month in enumerate(MONTHS):
        sums = np.zeros(40)
        for unit in some:
            if unit["month"] == month:
                sums[int(unit["name"][1:]) // 4] += unit["day"] < 5
        assert found.leading[place] == pytest.approx(sums.sum() / 80)
        assert found.leading_error[place] == pytest.approx((sums / 2).std(ddof=1) / 40**0.5)


@pytest.mark.parametrize(
    "other",
    [
        {"entry": None},
        {"entry": Entry(event="created")},
        {"entry": Entry(every=Granularity.MONTH)},
        {"unit": Unit.ACCOUNT},
        {"kind": Quantile(event="mrr", window_days=5, quantile=0.5)},
        {"kind": TimeToValue(event="value", tau_days=5, loss_event="left")},
    ],
)
def test_kpis_of_other_units_other_moments_or_no_sums_are_no_pair(other: dict[str, Any]) -> None:
    assert not Pair(leading=ACTIVE, lagging=replace(NRR, **other)).is_followed
    assert Pair(leading=ACTIVE, lagging=NRR).is_followed


def test_periods_of_a_pair_share_no_day() -> None:
    ends = pairs.apart(date(2026, 1, 1), date(2026, 7, 1), Granularity.MONTH, 45)
    assert ends == [
        date(2026, 6, 30),
        date(2026, 4, 30),
        date(2026, 2, 28),
    ]  # 45 days up to 28 February begin 15 January
    assert pairs.apart(date(2026, 1, 1), date(2026, 7, 1), Granularity.MONTH, 365) == []


async def test_units_measured_every_month_are_a_pair_over_its_days(database: Database, workspace: Workspace) -> None:
    every = Entry(every=Granularity.MONTH)
    paid = Followed(unit=Unit.USER, kind=Mean(event="mrr", window_days=28), entry=every, segments=[])
    twice = replace(paid, kind=Mean(event="mrr", window_days=28, cap=40.0))
    some = units()
    await send(database, workspace, rows(some))
    found = await read(database, workspace, Pair(leading=paid, lagging=twice))
    assert found.months == MONTHS
    same = await read(database, workspace, Pair(leading=paid, lagging=paid))
    assert same.covariance == pytest.approx(same.leading_error**2)
    assert ((found.covariance > 0) & (found.covariance < same.covariance)).all()
    assert (found.lagging < found.leading).all()
