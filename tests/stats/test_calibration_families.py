"""The rules that the calibration judges by, each against its formula written out."""

import numpy as np
import pytest
from scipy.stats import norm

from stats.arrays import Array, Mask
from stats.calibration.families import FAMILIES, VARIANTS, Family, Judged, Plan
from stats.calibration.scenarios import SHARE, Reading
from tests.stats.calibrating import ALPHA, SMALL, START

C = -2 * np.log(ALPHA) + np.log(1 - 2 * np.log(ALPHA))
"""Planned variances that the mixture of the kernel should be."""


def family(name: str) -> Family:
    return next(each for each in (*FAMILIES, *VARIANTS) if each.name == name)


@pytest.fixture(scope="module")
def reading() -> Reading:
    draw = np.random.default_rng(4)
    return SMALL.drawn(draw, 500, has_effect=True, start=START, alpha=ALPHA)[SHARE]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan.of(SMALL.expected(has_effect=False, start=START, alpha=ALPHA)[SHARE], ALPHA, effect=SMALL.effect)


def judged(name: str, reading: Reading, plan: Plan) -> Judged:
    return family(name).judge(reading, plan, SMALL.effect)


def beyond(reading: Reading, k: Array) -> Mask:
    """Whether z is beyond the kernel's bar for this ratio of the mixture to the variance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = reading.found.difference / np.sqrt(reading.found.variance)
        return np.asarray(z**2 >= (1 + k) / k * (np.log1p(k) - 2 * np.log(ALPHA)))


def test_the_constant_rule_of_others_has_its_mixture_in_units(reading: Reading, plan: Plan) -> None:
    n = 40.0 * np.arange(1, 21)
    expected = beyond(reading, C * n / 5000)
    assert expected.any()
    np.testing.assert_array_equal(judged("Constant 5,000", reading, plan).rejects, expected)


def test_the_mixture_sprt_has_the_planned_effect_for_its_mixture(reading: Reading, plan: Plan) -> None:
    with np.errstate(divide="ignore"):
        k = np.asarray(SMALL.effect**2 / reading.found.variance)
    expected = beyond(reading, k)
    assert expected.any()
    np.testing.assert_array_equal(judged("Mixture SPRT", reading, plan).rejects, expected)


def test_always_valid_has_its_mixture_from_the_planned_variance_and_waits(reading: Reading, plan: Plan) -> None:
    at_horizon = 0.3 * 0.7 * 2 / 400
    with np.errstate(divide="ignore"):
        k = C * at_horizon / reading.found.variance
    expected = beyond(reading, k) & reading.has_begun
    assert expected.any()
    assert not reading.has_begun[:, :4].any()
    np.testing.assert_array_equal(judged("Always valid", reading, plan).rejects, expected)


def test_exact_evidence_rejects_at_one_over_alpha(reading: Reading, plan: Plan) -> None:
    assert reading.log_e is not None
    rejects = judged("Exact", reading, plan).rejects
    np.testing.assert_array_equal(rejects, reading.log_e >= np.log(20))
    assert rejects.any()


def test_pocock_is_stricter_late_and_milder_early_than_late_spending(reading: Reading, plan: Plan) -> None:
    pocock, late = (judged(f"{name} spending", reading, plan).rejects for name in ("Pocock", "Hwang-Shih-DeCani"))
    assert pocock[:, :5].sum() > late[:, :5].sum()
    assert pocock[:, -1].sum() < late[:, -1].sum()


def test_a_one_sided_limit_is_where_the_half_mixture_gives_one_over_alpha(reading: Reading, plan: Plan) -> None:
    variance = np.where(reading.has_begun, reading.found.variance, np.nan)
    k = plan.tau2 / variance * (2 * np.log(1 / 0.1) + np.log(1 + 2 * np.log(1 / 0.1))) / C
    x = reading.found.difference / np.sqrt(variance) * np.sqrt(k / (1 + k))
    evidence = 2 * norm.cdf(x) * np.exp(x**2 / 2) / np.sqrt(1 + k)
    rejects = judged("Always valid, one-sided", reading, plan).rejects
    np.testing.assert_array_equal(rejects, evidence >= 20)
    assert rejects.any()


def test_one_sided_looks_to_the_side_of_the_planned_effect(reading: Reading, plan: Plan) -> None:
    downwards = Plan(alpha=ALPHA, bars=plan.bars, tau2=plan.tau2, effect=-SMALL.effect)
    assert not judged("Always valid, one-sided", reading, downwards).rejects.any()
