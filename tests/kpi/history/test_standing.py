"""How a KPI stands; expected values are arithmetic, or scipy's."""

from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats as scipy_stats

from kpi.enums import Direction, Granularity
from kpi.history.questions import Caution
from kpi.history.standing import Standing, standing
from tests.kpi.history.test_questions import FIRST, aimed, days_of, stated

WEEK = timedelta(weeks=1)


def standing_of(values: list[list[float]], through: date = date(2026, 12, 31)) -> Standing | None:
    return standing(
        days_of(values, through=through),
        granularity=Granularity.DAY,
        direction=Direction.HIGHER,
        baseline=stated(2.0, 0.5, 9),
        target=aimed(5.0, date(2026, 12, 31)),
    )


def test_standing_is_of_the_newest_final_period_against_the_one_before() -> None:
    before, now = [1.0, 2, 3, 6], [4.0, 5, 9]
    found = standing_of([[9.0, 9], before, now])
    assert found is not None
    assert (found.start_on, found.end_on, found.before_on) == (
        FIRST + 2 * WEEK / 7,
        FIRST + 2 * WEEK / 7,
        FIRST + WEEK / 7,
    )
    assert found.level.n == 3
    assert found.level.value == pytest.approx(6)
    assert found.change is not None
    expected = scipy_stats.ttest_ind(now, before, equal_var=False)
    assert found.change.difference == pytest.approx(6 - 3)
    assert found.change.p_value == pytest.approx(expected.pvalue)
    assert found.against_baseline is not None
    assert found.against_baseline.difference == pytest.approx(6 - 2)
    assert found.against_target is not None
    assert found.against_target.p_value == pytest.approx(
        scipy_stats.ttest_1samp(now, 5.0, alternative="greater").pvalue
    )
    assert Caution.NOT_RANDOMISED in found.change.cautions


def test_standing_does_not_read_a_period_whose_units_are_still_watched() -> None:
    # Windows of 7 days: the cohort of the second day is final 8 days after it, at the end of the ninth.
    found = standing_of([[1.0, 2], [3.0, 4], [8.0, 9]], through=FIRST + timedelta(days=9))
    assert found is not None
    assert found.start_on == FIRST + timedelta(days=1)
    assert found.level.value == pytest.approx(np.mean([3, 4]))


def test_standing_of_a_first_period_has_nothing_before_it() -> None:
    found = standing_of([[1.0, 2]])
    assert found is not None
    assert (found.before_on, found.change) == (None, None)


def test_standing_is_nothing_while_no_period_is_final() -> None:
    assert standing_of([[1.0, 2]], through=FIRST + timedelta(days=3)) is None
