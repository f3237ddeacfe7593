"""What is estimated of the sample company holds the truth, and a broken estimator is told."""

from dataclasses import replace

import numpy as np
import pytest

from api.sample import calibration
from api.sample.calibration import LARGE, PART, QUESTIONS, SMALL, TOO_SMALL, CompanyRow, rows
from api.sample.customers import draw, rungs
from api.sample.customers.summaries import comoments
from api.sample.estimates import Company, slope
from stats.comoments import CoMoments
from stats.ladder import line
from stats.ladder.cohorts import Cohorts
from stats.results import Interval

SLOPE = next(one for one in QUESTIONS if one.name == "ttfv to activation" and one.accounts == SMALL)


@pytest.fixture(scope="module")
def large() -> tuple[CompanyRow, ...]:
    """Twenty large companies."""
    return rows(LARGE, np.random.default_rng(11), replicates=20 * PART)


def test_each_question_to_a_large_company_keeps_its_promises_and_is_answered(large: tuple[CompanyRow, ...]) -> None:
    assert len(large) == 18
    assert [(row.question, row.failures) for row in large if row.failures] == []
    assert all(row.answered.value == 1 for row in large)


def test_small_companies_keep_what_is_promised_and_show_what_they_do_not_tell() -> None:
    small = rows(SMALL, np.random.default_rng(12), replicates=40 * PART)
    assert [(row.question, row.failures) for row in small if row.failures] == []
    shown = [row.question for row in small if row.least_power is None]
    assert shown == [f"{leading} to {lagging}" for leading, lagging in TOO_SMALL[:3]] + ["ttfv to nrr"]
    untold = [row for row in small if row.least_power is None]
    assert all(row.power.value < calibration.LEAST_POWER for row in untold)


@pytest.mark.parametrize(
    ("answer", "failures"),
    [
        (Interval(lower=-np.inf, upper=np.inf, level=0.95), ("power",)),
        (Interval(lower=-0.1, upper=0.1, level=0.95), ("coverage", "power")),
        (Interval(lower=-9.0, upper=-8.0, level=0.95), ("coverage",)),
        (None, ("coverage", "power")),
    ],
)
def test_an_interval_that_is_endless_wrong_or_absent_breaks_promises(
    answer: Interval | None, failures: tuple[str, ...]
) -> None:
    (found,) = rows(
        SMALL, np.random.default_rng(1), replicates=20 * PART, questions=[replace(SLOPE, ask=lambda _: answer)]
    )
    assert found.failures == failures


def test_slope_truth_is_the_slope_over_cohorts_of_a_large_draw() -> None:
    """By scipy's formula in plain numpy: a weighted line through the logarithms of 20,000 accounts a cohort."""
    customers = draw(300_000, np.random.default_rng(5))
    columns = np.column_stack(
        [np.minimum(np.floor(customers.first_value) + 1, 60), np.ones(len(customers)), customers.is_activated]
    )
    before = customers.opened < 365
    cell = (customers.opened // 91.25).astype(np.int64) * 3 + customers.region
    found = comoments(columns[before].astype(float), cell[before])
    x, y = np.log(found.means[:, [0, 2]]).T
    fitted = np.polyfit(x, y, 1, w=np.sqrt(found.n))[0]
    assert fitted == pytest.approx(rungs.slope("ttfv", "activation", cohort_days=91.25, until=365), abs=0.01)


def test_comoments_of_cells_are_those_of_their_rows() -> None:
    rng = np.random.default_rng(3)
    columns, cell = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)
    found = comoments(columns, cell)
    for place in range(3):
        expected = CoMoments.from_values(columns[cell == place])
        assert found.n[place] == expected.n
        assert found.means[place] == pytest.approx(expected.means)
        assert found.products[place] == pytest.approx(expected.products)


def test_errors_of_cohorts_from_sums_are_those_of_a_regression_through_the_origin_and_covary_with_each_other() -> None:
    """Delta method by hand: z = (y - R x) / mean x, whose mean has variance var z / n."""
    rng = np.random.default_rng(4)
    y, x, share = rng.gamma(2, 3, 40), rng.gamma(3, 2, 40), rng.random(40) < 0.4
    found = Cohorts.of_sums(CoMoments.from_values(np.stack([[*zip(y, x, share, np.ones(40), strict=True)]] * 2)))
    first, second = (y - y.sum() / x.sum() * x) / x.mean(), share - share.mean()
    expected = np.cov(first, second) / 40
    assert np.square(found.leading_error) == pytest.approx(expected[0, 0])
    assert np.square(found.lagging_error) == pytest.approx(expected[1, 1])
    assert found.covariance == pytest.approx(expected[0, 1])


def test_slopes_over_small_cohorts_are_right_on_average() -> None:
    """Within 3 standard errors of the mean of 150; by weights of each cohort's own they were 4 and more too flat."""
    truth = rungs.slope("ttfv", "activation", cohort_days=91.25, until=365 + 273)
    found = [
        slope("ttfv", "activation", Company(history=drawn, control=drawn, treated=drawn))
        for drawn in (draw(SMALL, np.random.default_rng([seed, 1])) for seed in range(150))
    ]
    middles = np.array([(one.lower + one.upper) / 2 for one in found if one is not None])
    assert len(middles) > 140
    assert abs(middles.mean() - truth) < 3 * middles.std() / np.sqrt(len(middles))


def test_points_with_units_have_the_errors_of_points_so_large_on_average() -> None:
    points = line.Points(
        x=np.array([1.0, 2.0]),
        y=np.array([1.0, 2.0]),
        x_variance=np.array([0.1, 0.3]),
        y_variance=np.array([0.2, 0.2]),
        covariance=np.array([0.0, 0.1]),
        units=np.array([10.0, 30.0]),
    )
    evened = points.evened
    assert evened.x_variance.tolist() == pytest.approx([(10 * 0.1 + 30 * 0.3) / 2 / 10, (10 * 0.1 + 30 * 0.3) / 2 / 30])
    assert evened.y_variance.tolist() == pytest.approx([0.4, 0.4 / 3])
    assert evened.covariance.tolist() == pytest.approx([0.15, 0.05])


@pytest.mark.parametrize("units", [np.array([10.0, 0.0]), np.array([10.0])])
def test_points_without_units_are_refused(units: np.ndarray) -> None:
    row = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="units, more than none"):
        line.Points(x=row, y=row, x_variance=row, y_variance=row, covariance=row, units=units)


def test_cohorts_need_numerator_and_denominator_of_both() -> None:
    with pytest.raises(ValueError, match="numerator and denominator"):
        Cohorts.of_sums(CoMoments.from_values(np.ones((3, 5, 2))))
