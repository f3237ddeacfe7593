"""One comparison by plain numbers: scipy and statsmodels on the same rows, and the arithmetic of the kernel."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from math import inf, log, log1p, sqrt

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from stats import single
from stats.answer import AlwaysValid, Answer
from stats.arrays import Array
from stats.comoments import CoMoments
from stats.lift import Lift
from stats.methods import cuped, fisher, welch
from stats.moments import Moments
from stats.results import Comparison, Interval, Reason, Undefined
from stats.survival import rmst
from tests.stats.freireich import DRUG, DRUG_STATUS, DRUG_WEEKS, PLACEBO, PLACEBO_STATUS, PLACEBO_WEEKS

ROWS = np.random.default_rng(51).normal([10.0, 8.0], [3.0, 2.0], size=(2, 120, 2))  # arm, unit, variable
TUNING = -2 * log(0.05) + log1p(-2 * log(0.05))  # planned variances in the mixture variance


def always_valid(answer: Answer) -> AlwaysValid:
    assert isinstance(answer.always_valid, AlwaysValid)
    return answer.always_valid


def interval(answer: Answer) -> Interval:
    assert answer.interval is not None
    return answer.interval


def test_shares_equal_statsmodels() -> None:
    answer = single.share(control=(190, 1000), treatment=(230, 1100))
    z, p_value = proportions_ztest([230, 190], [1100, 1000])
    limits = confint_proportions_2indep(230, 1100, 190, 1000, method="newcomb", compare="diff")
    assert answer.p_value == pytest.approx(p_value, rel=1e-9)
    assert_allclose((interval(answer).lower, interval(answer).upper), limits, rtol=1e-9)
    assert answer.estimate is not None
    assert answer.estimate * z > 0


def test_shares_by_another_method_are_that_methods() -> None:
    answer = single.share(control=(1, 8), treatment=(6, 9), method="fisher")
    assert answer.p_value == pytest.approx(scipy_stats.fisher_exact([[1, 7], [6, 3]]).pvalue)
    assert answer.method == fisher.METHOD


def test_means_of_values_equal_scipy_and_those_of_a_summary() -> None:
    (control, _), (treatment, _) = ROWS[0].T, ROWS[1, :90].T
    theirs = scipy_stats.ttest_ind(treatment, control, equal_var=False)
    limits = theirs.confidence_interval(0.9)
    answer = single.mean(control=control, treatment=treatment, alpha=0.1)
    assert answer.p_value == pytest.approx(theirs.pvalue)
    assert_allclose((interval(answer).lower, interval(answer).upper), limits)
    told = [single.summary(n=arm.size, mean=arm.mean(), sd=arm.std(ddof=1)) for arm in (control, treatment)]
    again = single.mean(control=told[0], treatment=told[1], alpha=0.1)
    assert again.p_value == pytest.approx(theirs.pvalue)
    assert answer.information == pytest.approx(1 / (control.var(ddof=1) / 120 + treatment.var(ddof=1) / 90))


def test_ratios_equal_scipys_test_of_the_straightened_rows() -> None:
    lines = [rows[:, 0] / rows[:, 1].mean() - rows[:, 0].mean() / rows[:, 1].mean() ** 2 * rows[:, 1] for rows in ROWS]
    ratios = [rows[:, 0].sum() / rows[:, 1].sum() for rows in ROWS]
    shifted = [line - line.mean() + ratio for line, ratio in zip(lines, ratios, strict=True)]
    answer = single.ratio(control=ROWS[0], treatment=ROWS[1])
    assert answer.estimate == pytest.approx(ratios[1] - ratios[0])
    assert answer.p_value == pytest.approx(scipy_stats.ttest_ind(*shifted, equal_var=False).pvalue)


def test_means_less_a_covariate_have_the_estimate_of_the_regression() -> None:
    rows, treated = ROWS.reshape(-1, 2), np.repeat([0.0, 1.0], 120)
    fitted = sm.OLS(rows[:, 0], sm.add_constant(np.column_stack((treated, rows[:, 1])))).fit()
    answer = single.cuped(control=ROWS[0], treatment=ROWS[1])
    assert answer.estimate == pytest.approx(fitted.params[1])
    moments = [CoMoments.from_values(rows) for rows in ROWS]
    assert answer.lift == cuped.lift(*moments, alpha=0.05).at()


def test_times_without_censoring_are_means_of_the_days_cut_at_tau() -> None:
    days: Array = np.random.default_rng(52).geometric(0.2, size=(2, 60)).astype(float)
    answer = single.time_to_value(control=(days[0], np.ones(60)), treatment=(days[1], np.ones(60)), tau=7)
    cut = np.minimum(days, 7)
    assert answer.estimate == pytest.approx(cut[1].mean() - cut[0].mean())
    assert answer.information == pytest.approx(60 / cut.var(axis=1).sum())


def test_times_of_units_equal_those_of_the_life_table() -> None:
    answer = single.time_to_value(control=(PLACEBO_WEEKS, PLACEBO_STATUS), treatment=(DRUG_WEEKS, DRUG_STATUS), tau=23)
    assert answer == single.time_to_value(control=PLACEBO, treatment=DRUG, tau=23)
    found = rmst.compare(PLACEBO, DRUG, tau=23, alpha=0.05).at()
    assert isinstance(found, Comparison)
    assert (answer.estimate, answer.p_value, answer.interval) == (found.difference, found.p_value, found.interval)


def test_a_value_against_a_baseline_is_normal_and_against_a_sample_welchs() -> None:
    value = ROWS[0, :, 0]
    answer = single.against_baseline(value, baseline=(9.5, 0.2))
    z = (value.mean() - 9.5) / sqrt(value.var(ddof=1) / 120 + 0.2**2)
    assert answer.p_value == pytest.approx(2 * scipy_stats.norm.sf(abs(z)))
    sampled = single.against_baseline(value, baseline=Moments.from_values(ROWS[1, :, 0]))
    assert sampled.p_value == pytest.approx(scipy_stats.ttest_ind(value, ROWS[1, :, 0], equal_var=False).pvalue)
    assert "observational" in answer.sentence
    assert "observational" in sampled.sentence


def test_the_always_valid_part_is_the_kernel_tuned_at_the_planned_units() -> None:
    answer = single.mean(control=ROWS[0, :, 0], treatment=ROWS[1, :, 0], planned_n=600)
    k = TUNING * 240 / 600
    assert answer.estimate is not None
    assert answer.information is not None
    z2 = answer.estimate**2 * answer.information
    part = always_valid(answer)
    assert part.log_e_value == pytest.approx(-log1p(k) / 2 + z2 * k / (2 * (1 + k)))
    assert part.p_value == pytest.approx(min(1.0, 1 / part.e_value))
    assert answer.e_value == part.e_value
    half = sqrt((1 + k) / k * (log1p(k) - 2 * log(0.05)) / answer.information)
    assert_allclose((part.interval.lower, part.interval.upper), (answer.estimate - half, answer.estimate + half))


def test_a_baselines_own_error_does_not_shrink_with_the_planned_units() -> None:
    value = ROWS[0, :, 0]
    part = always_valid(single.against_baseline(value, baseline=(9.5, 0.2), planned_n=480))
    own = value.var(ddof=1) / 120
    k = TUNING * (own / 4 + 0.04) / (own + 0.04)
    z2 = (value.mean() - 9.5) ** 2 / (own + 0.04)
    assert part.log_e_value == pytest.approx(-log1p(k) / 2 + z2 * k / (2 * (1 + k)))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (single.share(control=(100, 1000), treatment=(130, 1000)), Reason.UNPLANNED),
        (single.share(control=(19, 1000), treatment=(130, 1000), planned_n=2000), Reason.INSUFFICIENT_DATA),
        (single.share(control=(40, 99), treatment=(130, 1000), planned_n=2000), Reason.INSUFFICIENT_DATA),
        (single.mean(control=[2.0] * 200, treatment=[2.0] * 200, planned_n=2000), Reason.ZERO_VARIANCE),
        (single.share(control=(100, 100), treatment=(100, 100), planned_n=200), Reason.ZERO_VARIANCE),
        (single.time_to_value(control=DRUG, treatment=PLACEBO, tau=9, planned_n=90), Reason.INSUFFICIENT_DATA),
    ],
)
def test_an_always_valid_part_that_cannot_be_given_says_why(answer: Answer, reason: Reason) -> None:
    assert answer.always_valid == Undefined(reason=reason)
    assert answer.e_value is None


@pytest.mark.parametrize(
    ("answer", "reason", "estimate"),
    [
        (single.share(control=(0, 0), treatment=(3, 10)), Reason.INSUFFICIENT_DATA, None),
        (single.share(control=(0, 50), treatment=(0, 60)), Reason.ZERO_VARIANCE, 0.0),
        (single.mean(control=[1.0, 2.0], treatment=[4.0]), Reason.INSUFFICIENT_DATA, 2.5),
        (single.mean(control=[1.0, 1.0], treatment=[4.0, 4.0]), Reason.ZERO_VARIANCE, 3.0),
        (single.time_to_value(control=([], []), treatment=([1, 2], [1, 0]), tau=2), Reason.INSUFFICIENT_DATA, None),
        (single.against_baseline([1.0], baseline=(0.5, 0.1)), Reason.INSUFFICIENT_DATA, 0.5),
    ],
)
def test_a_comparison_without_an_answer_says_why(answer: Answer, reason: Reason, estimate: float | None) -> None:
    assert answer.reason is reason
    assert (answer.interval, answer.p_value) == (None, None)
    assert answer.estimate == estimate
    assert str(answer) == f"No answer: {reason.sentence}"


def test_the_answer_is_the_cell_of_the_vectorised_comparison_and_cannot_be_changed() -> None:
    answer = single.mean(control=ROWS[0, :, 0], treatment=ROWS[1, :, 0])
    found = welch.compare(*(Moments.from_values(rows[:, 0]) for rows in ROWS), alpha=0.05).at()
    assert isinstance(found, Comparison)
    assert (answer.estimate, answer.interval, answer.p_value) == (found.difference, found.interval, found.p_value)
    with pytest.raises(FrozenInstanceError):
        answer.p_value = 0.0  # type: ignore[misc]  # that it is refused is the point


def test_sentences_name_limits_lifts_and_what_is_missing() -> None:
    planned = single.share(control=(100, 1000), treatment=(130, 1000), planned_n=2000)
    assert planned.sentence.startswith("The difference is 0.03, between 0.002002 and 0.05807 (95%), p = 0.0355 (")
    assert repr(planned) == f"<Answer: {planned.sentence}>"
    assert [line.split(" ")[0] for line in planned.sentence.splitlines()] == ["The", "The", "Read"]
    unplanned = single.share(control=(100, 1000), treatment=(130, 1000))
    assert unplanned.sentence.splitlines() == planned.sentence.splitlines()[:2]
    unbounded = single.mean(control=[-3.0, 1.0, 4.0], treatment=[2.0, 5.0, 3.0], planned_n=6)
    assert isinstance(unbounded.lift, Lift)
    assert Reason.UNBOUNDED.sentence in unbounded.sentence
    assert f"Not to be read on any day yet: {Reason.INSUFFICIENT_DATA.sentence}" in unbounded.sentence
    assert f"No lift: {Reason.ZERO_BASELINE.sentence}" in single.share(control=(0, 9), treatment=(9, 9)).sentence
    assert "p < 0.0001" in single.share(control=(100, 1000), treatment=(400, 1000)).sentence


def test_overwhelming_evidence_is_infinite_and_its_logarithm_is_not() -> None:
    part = always_valid(single.share(control=(1000, 90_000), treatment=(80_000, 90_000), planned_n=180_000))
    assert part.e_value == inf
    assert np.isfinite(part.log_e_value)
    assert part.p_value == 0.0


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: single.share(control=(3, 2), treatment=(1, 2)), "between none and n"),
        (lambda: single.share(control=(1, 2), treatment=(1, 2), planned_n=0), "planned for some units"),
        (lambda: single.share(control=(1, 2), treatment=(1, 2), method="magic"), "no method 'magic'"),
        (lambda: single.share(control=(1, 2), treatment=(1, 2), alpha=5.0), "alpha lies between"),
        (lambda: single.mean(control=[1.0, np.nan], treatment=[1.0, 2.0]), "finite numbers"),
        (lambda: single.mean(control=np.ones((2, 3)), treatment=np.ones((2, 3))), "one comparison"),
        (lambda: single.ratio(control=np.ones((4, 3)), treatment=np.ones((4, 3))), "numerator and a denominator"),
        (lambda: single.cuped(control=np.ones((4, 3)), treatment=np.ones((4, 3))), "one covariate"),
        (lambda: single.summary(n=3, mean=1.0, sd=-1.0), "never negative"),
        (lambda: single.against_baseline([1.0, 2.0], baseline=(1.0, -0.1)), "never negative"),
        (lambda: single.time_to_value(control=([0, 1], [1, 1]), treatment=DRUG, tau=2), "whole number of days"),
        (lambda: single.time_to_value(control=([1.5], [1]), treatment=DRUG, tau=2), "whole number of days"),
        (lambda: single.time_to_value(control=([1, 2], [1]), treatment=DRUG, tau=2), "whole number of days"),
        (lambda: single.time_to_value(control=([1, 2], [1, 2]), treatment=DRUG, tau=2), "marks an event"),
        (lambda: single.time_to_value(control=DRUG, treatment=PLACEBO, tau=36), "tau lies between"),
    ],
)
def test_misuse_is_refused_with_a_sentence(ask: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ask()
