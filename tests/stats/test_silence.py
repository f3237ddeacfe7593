"""What has no reason to give: bare arrays are NaN where nothing can be known, and misuse is a ValueError."""

from collections.abc import Callable

import numpy as np
import pytest

from stats import clusters, discovery, meta, multiplicity, quantiles, shrinkage, srm, winsorisation
from stats.arrays import Array, numbers
from stats.design import proportions as shares_planned
from stats.design import rmst as rmst_planned
from stats.methods import miettinen_nurminen
from stats.results import Undefined
from stats.sequential import adjusted, confidence_sequence, e_process, group_sequential, regression, stopping
from stats.survival import cox, kaplan_meier
from stats.survival.counts import life_table
from tests.stats.test_edges import (
    ALPHA,
    ARMS,
    EMPTY_TABLE,
    FEW,
    FLAT,
    NOBODY,
    ONE,
    SINGLE,
    believed,
    lifted,
    observed,
    stratified,
)

# --- bare arrays ----------------------------------------------------------------------------------------------------

UNKNOWN_VARIANCES = (0.0, -1.0, np.nan, np.inf)


@pytest.mark.parametrize("unknown", UNKNOWN_VARIANCES)
def test_the_kernel_is_silent_without_a_variance_or_a_mixture(unknown: float) -> None:
    for variance, tau2 in ((unknown, 0.08), (0.01, unknown)):
        log_e = confidence_sequence.log_e_value(0.4, variance, tau2=tau2)
        one_sided = confidence_sequence.one_sided_log_e_value(0.4, variance, tau2=tau2)
        width = confidence_sequence.half_width(variance, tau2=tau2, alpha=ALPHA)
        one_sided_width = confidence_sequence.one_sided_width(variance, tau2=tau2, alpha=ALPHA)
        p_values = confidence_sequence.p_value(log_e), confidence_sequence.running_p_value([log_e])
        assert np.isnan([log_e, one_sided, width, one_sided_width, p_values[0], p_values[1][0]]).all()


def test_a_day_whose_information_went_backwards_is_judged_by_itself_and_hides_nothing() -> None:
    variances = numbers([0.02, 0.01, 0.05])
    log_e = confidence_sequence.log_e_value([0.4, 0.4, 0.4], variances, tau2=0.08)
    alone = confidence_sequence.log_e_value(0.4, 0.05, tau2=0.08)
    assert log_e[2] == alone
    running = confidence_sequence.running_p_value(log_e)
    assert running[2] == running[1] < confidence_sequence.p_value(alone)


@pytest.mark.parametrize(("df", "variance"), [(0, 0.01), (-1, 0.01), (np.nan, 0.01), (3, 0.0), (3, np.nan)])
def test_the_regression_kernel_is_silent_without_degrees_of_freedom_or_variance(df: float, variance: float) -> None:
    assert np.isnan(regression.log_e_value(0.4, variance, df=df, n=5, g=25))
    assert np.isnan(regression.half_width(variance, df=df, n=5, g=25, alpha=ALPHA))


def test_shares_of_nobody_are_no_evidence_and_leave_everything_possible() -> None:
    nobody = np.zeros(2)
    assert e_process.two_shares(nobody, nobody, [3, 4], [5, 5]).tolist() == [0.0, 0.0]
    assert e_process.two_shares(nobody, [9, 9], nobody, [9, 9]).tolist() == [0.0, 0.0]
    assert e_process.share(nobody, nobody, null=0.5).tolist() == [0.0, 0.0]
    assert [limit.tolist() for limit in e_process.share_interval(nobody, nobody, alpha=ALPHA)] == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("chi-square of no units", lambda: srm.chi_square([0, 0], [1, 1])),
        ("share variance of one cluster", lambda: quantiles.clustered_share_variance(ONE)),
        ("share variance of no cluster", lambda: quantiles.clustered_share_variance(NOBODY)),
        ("degrees of freedom of one cluster", lambda: clusters.degrees_of_freedom([5], [5, 5])),
        ("variance of one unit", lambda: SINGLE.variance),
        ("score of an empty arm", lambda: miettinen_nurminen.score(*ARMS["an empty control"], null=0.1)),
        ("limits of an empty arm", lambda: miettinen_nurminen.limits(*ARMS["an empty control"], alpha=ALPHA)),
        (
            "non-inferiority of an empty arm",
            lambda: miettinen_nurminen.non_inferiority(*ARMS["two empty arms"], margin=0.1),
        ),
        ("spread of one experiment", lambda: meta.restricted_likelihood([0.1], [0.1])),
        ("moment spread of one experiment", lambda: meta.dersimonian_laird([0.1], [0.1])),
        ("prior of one experiment", lambda: shrinkage.empirical_prior([0.1], [0.1]).variance),
        ("winner that did not win", lambda: _corrected(0.1, 1.0)),
        ("winner without a variance", lambda: _corrected(0.1, 0.0)),
        ("adjusted without an answer", lambda: multiplicity.holm([np.nan])),
        ("limits without a variance", lambda: multiplicity.bonferroni_limits([1.0], [0.0], alpha=ALPHA)),
        ("bounds without a variance", lambda: multiplicity.holm_lower_bounds([1.0], [np.nan], alpha=ALPHA)),
        ("discovery without an answer", lambda: discovery.adjusted([np.nan])),
        ("repeated limits without a variance", lambda: adjusted.repeated_interval(0.1, 0.0, 2.0)),
        ("unit variance when nobody is watched", lambda: rmst_planned.unit_variance([0.9, 0.8], tau=3, watched=[1, 0])),
        ("mde that no share has", lambda: shares_planned.mde(1.0, n=100, alpha=ALPHA, power=0.8)),
        ("curve of nobody", lambda: kaplan_meier.curve(EMPTY_TABLE)),
    ],
)
def test_what_cannot_be_known_is_nan(name: str, ask: Callable[[], Array]) -> None:
    assert np.isnan(ask()).all(), name


def _corrected(difference: float, variance: float) -> Array:
    found = shrinkage.given_significance(difference, variance, bar=1.96, alpha=ALPHA)
    assert not found.selected
    return np.stack((found.estimate, found.lower, found.upper))


def test_a_cap_of_no_units_or_equal_values_says_why() -> None:
    assert winsorisation.choose([], []) == Undefined(reason=FEW)
    assert winsorisation.choose([1, 2], [0, 0]) == Undefined(reason=FEW)
    assert winsorisation.choose([0, 9], [999, 1]) == Undefined(reason=FLAT)


def test_questions_of_which_none_was_asked_have_no_answers() -> None:
    assert multiplicity.holm([]).size == discovery.adjusted([]).size == 0
    assert discovery.product([]) == 0


# --- misuse ---------------------------------------------------------------------------------------------------------

BACKWARDS = [0.5, 0.3]
GROW = "grow from look to look"


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: group_sequential.boundaries([0.5, 1.0], alpha=ALPHA, information=BACKWARDS), GROW),
        (lambda: group_sequential.boundaries(BACKWARDS, alpha=ALPHA), GROW),
        (lambda: group_sequential.crossing_probability([2.9, 1.9], BACKWARDS, 0.0), GROW),
        (lambda: adjusted.after([2.9, 1.9], BACKWARDS, 2.0, alpha=ALPHA), GROW),
        (lambda: stopping.one_sided([0.5, 1.0], alpha=ALPHA, information=BACKWARDS), GROW),
        (lambda: stopping.two_sided(BACKWARDS, alpha=ALPHA), GROW),
        (lambda: stopping.with_futility([0.5, 1.0], alpha=ALPHA, beta=0.2, information=BACKWARDS), GROW),
        (lambda: adjusted.after([2.9, 1.9], [1, 2], np.nan, alpha=ALPHA), "finite statistic"),
        (lambda: stratified([40, 60], [40, 60], weights=[0, 0]), "some have a positive one"),
        (lambda: stratified([40, 60], [40, 60], weights=[np.nan, 1]), "some have a positive one"),
        (lambda: stratified([40, 60], [40, 60], weights=[-1, 2]), "negative weight"),
        (lambda: srm.chi_square([5, 5], [1, 0]), "positive weight"),
        (lambda: srm.sequential([[5, 5]], [1, 0]), "positive weight"),
        (lambda: srm.chi_square([5, -5], [1, 1]), "never negative"),
        (lambda: srm.sequential([[5, 5], [-3, 2]], [1, 1]), "never negative"),
        (lambda: srm.sequential([[5, 5]], [1, 1], concentration=0), "concentration is above zero"),
        (lambda: discovery.average([1.0, 2.0], weights=[0, 0]), "some of them positive"),
        (lambda: confidence_sequence.mixture_variance(0.0, ALPHA), "planned variance is above zero"),
        (lambda: confidence_sequence.asymptotic(0.04, 100, planned_n=0, alpha=ALPHA), "planned size is above zero"),
        (lambda: confidence_sequence.mixture_sprt(0.0), "standard deviation is positive"),
        (lambda: regression.log_e_value(0.4, 0.01, df=3, n=5, g=0), "g is above zero"),
        (lambda: life_table([-1], [[0]], [[0]], [1]), "no more than the units"),
        (lambda: life_table([np.nan], [[0]], [[0]], [1]), "no more than the units"),
        (lambda: cox.fit([1, np.nan], [1, 1], [1, 0], alpha=ALPHA), "time is above zero"),
        (lambda: meta.pool([0.1, 0.2], [0.0, 0.1], alpha=ALPHA), "variance of an estimate is above zero"),
        (lambda: multiplicity.holm([-0.1]), "between 0 and 1"),
        (lambda: multiplicity.benjamini_hochberg([1.1]), "between 0 and 1"),
        (lambda: lifted(1.0, -0.1, 1.0, 0.1), "never negative"),
        (lambda: observed(-1.0, 0.1), "never negative"),
        (lambda: believed(0.1, -1.0), "never negative"),
        (lambda: miettinen_nurminen.non_inferiority(*ARMS["one unit each"], margin=np.nan), "margin lies between"),
    ],
)
def test_misuse_is_refused_with_a_sentence(ask: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ask()
