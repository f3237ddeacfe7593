"""The sequential sample ratio test and the regression-adjusted test by savvi.

Its odds are no logarithms and overflow for large counts, and its regression starts from a ridge and counts one degree
of freedom less than there is: so its formulas are asked, with the numbers they take.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from savvi.linear_regression import LinearRegression, log_bf  # type: ignore[import-not-found]  # the peer
from savvi.multinomial import Multinomial  # type: ignore[import-not-found]  # the peer

DF, N, G = 198, 200, 25.0


def answers(given: Mapping[str, Any]) -> dict[str, Any]:
    """By name."""
    effects = given["effects"]
    difference, variance = np.array(effects["difference"]), np.array(effects["variance"])
    return {
        "srm": by_day(given["daily_counts"], np.array([0.5, 0.5]), 100.0),
        "srm_concentrated": by_day(given["daily_counts"], np.array([0.5, 0.5]), 2000.0),
        "srm_uneven": by_day(given["counts"]["observed"][1:], np.array([0.4, 0.4, 0.2]), 100.0),
        "regression": {
            "log_e": log_bf(difference**2 / variance, DF, G, N).tolist(),
            "half_width": [half_width(one) for one in variance],
        },
    }


def by_day(counts: list[list[int]], shares: Any, concentration: float) -> dict[str, list[float]]:
    """The logarithm of the odds after each day."""
    test = Multinomial(0.05, shares, concentration)
    log_e = []
    for day in counts:
        test.update(np.array(day))
        log_e.append(float(np.log(test.odds)))
    return {"log_e": log_e}


class Given(LinearRegression):  # type: ignore[misc]  # the peer has no types
    """Their interval around a coefficient whose standard error is given."""

    error = 1.0

    def nu(self) -> int:
        """Degrees of freedom."""
        return DF

    def standard_errors(self) -> Any:
        """One coefficient's."""
        return np.array([self.error])

    def z2(self) -> Any:
        """Units of the design."""
        return np.array([float(N)])


def half_width(variance: float) -> float:
    """Half of their interval."""
    test = Given(0.05, 1, G)
    test.error = float(np.sqrt(variance))
    ((lower, upper),) = test.calculate_conf_int()
    return float(upper - lower) / 2
