"""Seasons of a KPI; expected values are statsmodels'."""

from datetime import date, timedelta

import numpy as np
import pytest
import statsmodels.api as sm

from kpi.enums import Granularity
from kpi.history.seasons import seasons
from kpi.history.values import Series
from stats.results import Reason

MONDAY = date(2026, 1, 5)


def days(values: list[float], **changes: object) -> Series:
    n = len(values)
    fields: dict[str, object] = {"granularity": Granularity.DAY, "is_final": [True] * n} | changes
    return Series(
        segment="",
        start_on=[MONDAY + timedelta(days=place) for place in range(n)],
        n=[100] * n,
        value=list(values),
        standard_error=[0.1] * n,
        lower=[None] * n,
        upper=[None] * n,
        **fields,  # type: ignore[arg-type]  # as the fields are typed
    )


def test_seasons_of_days_are_those_of_the_week_beside_a_trend() -> None:
    rng = np.random.default_rng(5)
    place = np.arange(70)
    values = 5 + 0.01 * place + np.where(place % 7 >= 5, -1.0, 0.0) + rng.normal(0, 0.1, 70)
    found = seasons(days(list(values)))
    assert found is not None
    dummies = (place[:, np.newaxis] % 7 == np.arange(7)).astype(float)
    fit = sm.OLS(values, np.column_stack((dummies, place))).fit()
    effects = fit.params[:7] - fit.params[:7].mean()
    assert found.effect == pytest.approx(list(effects))
    assert (found.name[0], found.name[6]) == ("Monday", "Sunday")
    contrast = np.column_stack((np.eye(6), -np.ones((6, 1)), np.zeros((6, 1))))
    assert found.p_value == pytest.approx(float(fit.f_test(contrast).pvalue), rel=1e-6)


def test_seasons_of_less_than_two_rounds_have_a_reason() -> None:
    found = seasons(days([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert found is not None
    assert (found.reason, found.effect) == (Reason.TOO_FEW_PERIODS, [None] * 7)


def test_seasons_leave_periods_out_that_are_not_final() -> None:
    values = [1.0, 2, 3, 4, 5, 6, 7] * 4
    open_still = seasons(days([*values, 900.0], is_final=[True] * 28 + [False]))
    assert open_still == seasons(days(values))


def test_weeks_have_no_seasons() -> None:
    assert seasons(days([1.0, 2.0], granularity=Granularity.WEEK)) is None
