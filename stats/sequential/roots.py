"""Where an increasing function of one number is zero: regula falsi with the Illinois rule.

scipy.optimize takes a tenth of a second to import, for what these lines do.
"""

from collections.abc import Callable

PRECISION = 1e-10
MOST_STEPS = 200


def root_of(increasing: Callable[[float], float], near: float, width: float) -> float:
    """The x at which the function is zero, searched from `near` outwards in steps that begin at `width`.

    Raises ValueError if the function has one sign as far as the search goes.

    >>> round(root_of(lambda x: x**3 - 8, 0.0, 1.0), 6)
    2.0
    """
    (low, below), (high, above) = _bracket(increasing, near, width)
    before = 0.0
    for _ in range(MOST_STEPS):
        x = (low * above - high * below) / (above - below)
        value = increasing(x)
        if abs(value) < PRECISION or high - low < PRECISION * max(1.0, abs(x)):
            break
        stays = 0.5 if value * before > 0 else 1.0  # an end that stays twice counts half: it pulls the next guess over
        if value > 0:
            high, above, below = x, value, below * stays
        else:
            low, below, above = x, value, above * stays
        before = value
    return x


def _bracket(
    increasing: Callable[[float], float], near: float, width: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Two points with their values, one below zero and one above."""
    value = increasing(near)
    sign = 1.0 if value < 0 else -1.0
    for _ in range(MOST_STEPS):
        further = near + sign * width
        beyond = increasing(further)
        if beyond * sign >= 0:
            ends = (near, value), (further, beyond)
            return ends if sign > 0 else (ends[1], ends[0])
        near, value, width = further, beyond, 2 * width
    raise ValueError("the function has no zero within reach")
