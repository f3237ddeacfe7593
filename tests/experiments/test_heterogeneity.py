"""Effects by segment: Cochran's Q as metafor gives it, and what is left out."""

from dataclasses import replace

import pytest
from statsmodels.stats.multitest import multipletests

from experiments.inference.findings import Arm, Finding
from experiments.inference.heterogeneity import heterogeneity
from stats.results import Reason
from tests.experiments.planning import OTHER
from tests.experiments.test_verdict import finding

SEGMENTS = {
    "plan=free": (0.2, 0.01),
    "plan=team": (0.5, 0.02),
    "plan=business": (0.1, 0.01),
    "plan=(other)": (0.6, 0.04),
    "device=phone": (0.3, 0.02),
    "device=desktop": (0.3, 0.02),
}
"""Difference and variance. The plans are the example of R metafor 3.8's rma(method="FE"): Q 8.681818, p 0.03383452."""


def of_segment(segment: str, difference: float, variance: float) -> Finding:
    """Both arms have half of the variance."""
    arm = Arm(n=100, open=0, censored=0, value=1.0, standard_error=(variance / 2) ** 0.5)
    return finding(segment=segment, difference=difference, control=arm, treatment=arm)


FOUND = [of_segment(segment, *numbers) for segment, numbers in SEGMENTS.items()]


def test_heterogeneity_is_cochrans_q_of_each_attribute_corrected_over_all() -> None:
    plans, devices = heterogeneity(FOUND)
    assert (plans.kpi, plans.attribute, plans.segments) == ("activation", "plan", 4)
    assert (plans.q, plans.p_value, plans.i2) == pytest.approx((8.681818, 0.03383452, 0.6544503), rel=1e-6)
    assert (devices.attribute, devices.segments) == ("device", 2)
    assert (devices.q, devices.p_value, devices.i2) == pytest.approx((0, 1, 0), abs=1e-12)
    holm = multipletests([plans.p_value, devices.p_value], method="holm")[1]
    assert [plans.adjusted_p_value, devices.adjusted_p_value] == pytest.approx(holm)


def test_heterogeneity_is_asked_for_each_kpi_and_variant() -> None:
    others = [replace(one, kpi="return") for one in FOUND] + [replace(one, variant=OTHER) for one in FOUND]
    assert [(one.kpi, one.variant.key, one.attribute) for one in heterogeneity(FOUND + others)] == [
        (kpi, variant, attribute)
        for kpi, variant in (("activation", "treatment"), ("return", "treatment"), ("activation", "other"))
        for attribute in ("plan", "device")
    ]


def test_heterogeneity_leaves_out_segments_without_an_answer_and_says_nothing_of_one() -> None:
    silent = replace(FOUND[5], reason=Reason.ZERO_VARIANCE)
    nobody = Arm(n=0, open=3, censored=0, value=None, standard_error=None)
    empty = replace(FOUND[0], segment="plan=trial", control=nobody, difference=None)
    plans, devices = heterogeneity([*FOUND[:5], silent, empty])
    assert (plans.segments, plans.q) == pytest.approx((4, 8.681818), rel=1e-6)
    assert (devices.segments, devices.q, devices.p_value, devices.adjusted_p_value) == (1, None, None, None)
    assert plans.adjusted_p_value == plans.p_value


def test_heterogeneity_without_segments_is_nothing() -> None:
    assert heterogeneity([]) == []
