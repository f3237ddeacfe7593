"""Conditional power against rpact and against the design it is part of."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from stats.sequential import conditional
from stats.sequential.stopping import Design


def test_conditional_power_equals_rpacts() -> None:
    # R rpact: getDesignInverseNormal(kMax=2, alpha=0.025, typeOfDesign="asOF"), 50 units an arm with variance 1 at
    # the first look, then getConditionalPower(nPlanned=100, thetaH1=0.5, assumedStDev=1) for z of 0.2, 1 and 2.
    found = conditional.power([0.2, 1.0, 2.0], 25.0, difference=0.5, end=50.0, bar=1.968596)
    assert found == pytest.approx([0.4665224, 0.7629998, 0.9569176], abs=1e-6)  # the bar is printed to six digits


@pytest.mark.parametrize("drift", [0.0, 2.8])
def test_conditional_power_over_what_the_first_look_may_see_is_the_power(drift: float) -> None:
    """Averaged over the first look by scipy's quadrature, where nothing stops early, it is the design's power."""
    bar, first = 1.97, 0.4
    design = Design(
        information=np.array([first, 1.0]), upper=np.array([np.inf, bar]), lower=np.array([-np.inf, -np.inf])
    )

    def weighed(z: float) -> float:
        chance = conditional.power(z, first, difference=drift, end=1.0, bar=bar)
        return float(chance * norm.pdf(z - drift * np.sqrt(first)))

    assert quad(weighed, -10, 12)[0] == pytest.approx(design.power(drift), abs=1e-6)


@pytest.mark.parametrize(("information", "end"), [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (np.nan, 1.0)])
def test_conditional_power_without_a_future_is_refused(information: float, end: float) -> None:
    with pytest.raises(ValueError, match="less than at the end"):
        conditional.power(1.0, information, difference=0.5, end=end, bar=1.96)
