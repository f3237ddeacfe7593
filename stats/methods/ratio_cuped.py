"""Difference of two ratios, less what the same ratio before the experiment explains.

Deng, Knoblich & Lu (2018), "Applying the delta method in metric analytics", KDD, section 3: both ratios become
straight lines of their sums, and the line of the ratio before is the covariate of CUPED. Of each arm it takes four
means and ten second moments.
"""

from dataclasses import replace

from stats.comoments import CoMoments
from stats.lift import Lifts
from stats.methods import cuped
from stats.methods.ratio import linearised
from stats.results import Comparisons

METHOD = "CUPED (one slope) of ratios (delta method), Welch's t-test"


def compare(control: CoMoments, treatment: CoMoments, *, alpha: float, null: float = 0.0) -> Comparisons:
    """Treatment minus control of sum(numerator) / sum(denominator), from moments of four variables; the arms broadcast.

    They are numerator, denominator, and the same before the experiment, in this order; a unit not seen before counts
    with 0 and 0. Undefined below two units in an arm, where the denominators of an arm are all zero, now or before, and
    where no residual varies. Raises ValueError unless there are four variables and 0 < alpha < 1.

    >>> control = CoMoments.from_values([[1, 9, 2, 8], [4, 20, 3, 18], [0, 5, 1, 7], [3, 14, 2, 12], [2, 9, 1, 5]])
    >>> treatment = CoMoments.from_values([[3, 9, 2, 9], [4, 17, 3, 20], [1, 5, 1, 9], [4, 12, 2, 13], [4, 9, 3, 8]])
    >>> found = compare(control, treatment, alpha=0.05).at()
    >>> print(f"{found.difference:.3f}, standard error {found.standard_error:.3f}")
    0.127, standard error 0.041
    """
    return replace(cuped.compare(*_lines(control, treatment), alpha=alpha, null=null), method=METHOD)


def lift(control: CoMoments, treatment: CoMoments, *, alpha: float) -> Lifts:
    """Treatment over control minus one, of the adjusted ratios; shapes and errors as for `compare`.

    >>> control = CoMoments.from_values([[1, 9, 2, 8], [4, 20, 3, 18], [0, 5, 1, 7], [3, 14, 2, 12], [2, 9, 1, 5]])
    >>> treatment = CoMoments.from_values([[3, 9, 2, 9], [4, 17, 3, 20], [1, 5, 1, 9], [4, 12, 2, 13], [4, 9, 3, 8]])
    >>> print(f"{lift(control, treatment, alpha=0.05).at().lift:.3f}")
    0.716
    """
    return cuped.lift(*_lines(control, treatment), alpha=alpha)


def _lines(control: CoMoments, treatment: CoMoments) -> tuple[CoMoments, CoMoments]:
    if control.variables != 4 or treatment.variables != 4:
        raise ValueError("a ratio with a covariate has two numerators and two denominators")
    return linearised(control), linearised(treatment)
