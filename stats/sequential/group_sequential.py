"""Planned looks: how high the bar stands at each, so that all together err no more often than one look would.

Lan & DeMets (1983), Biometrika 70: a spending function says how much of alpha may be used up by which share of the
experiment, whatever the number and the timing of the looks. Two-sided boundaries are symmetric: each side spends half.
"""

from collections.abc import Callable

import numpy as np

from stats.arrays import Array, Numbers, numbers
from stats.distributions import critical_z, level_of, normal_cdf, normal_quantile
from stats.sequential.recursion import Paths, bar_of, first_crossings, steps

Spending = Callable[[Numbers, float], Array]


def obrien_fleming(t: Numbers, alpha: float) -> Array:
    """One-sided alpha spent by the share t, in the manner of O'Brien & Fleming: hardly anything early.

    >>> obrien_fleming([0.5, 1.0], 0.025).round(4).tolist()
    [0.0015, 0.025]
    """
    used = np.clip(numbers(t), 0.0, 1.0)
    root = np.sqrt(np.where(used > 0, used, np.nan))
    return np.where(used > 0, 2 * normal_cdf(-critical_z(alpha) / root), 0.0)


def pocock(t: Numbers, alpha: float) -> Array:
    """One-sided alpha spent by the share t, in the manner of Pocock (1977): about the same bar at every look.

    >>> pocock([0.5, 1.0], 0.025).round(4).tolist()
    [0.0155, 0.025]
    """
    return alpha * np.log1p((np.e - 1) * np.clip(numbers(t), 0.0, 1.0))


def hwang_shih_decani(gamma: float) -> Spending:
    """The spending alpha (1 - exp(-gamma t)) / (1 - exp(-gamma)) of Hwang, Shih & DeCani (1990), Stat. Med. 9.

    Late for a negative gamma (-4 is near O'Brien & Fleming), early for a positive one (1 is near Pocock), and even
    for zero.

    >>> hwang_shih_decani(-4)([0.5, 1.0], 0.025).round(4).tolist()
    [0.003, 0.025]
    """

    def spent(t: Numbers, alpha: float) -> Array:
        used = np.clip(numbers(t), 0.0, 1.0)
        return alpha * (np.expm1(-gamma * used) / np.expm1(-gamma) if gamma else used)

    return spent


def boundaries(
    fractions: Numbers, *, alpha: float, information: Numbers | None = None, spending: Spending = obrien_fleming
) -> Array:
    """The bar for |z| at each look: infinite where nothing may be spent.

    `fractions` are the shares of the experiment passed by each look (the clock that spends; at 1 all of alpha is
    spent). `information` is one over the variance of the difference at each look, in any unit, and sets how closely
    the looks are tied; by default the fractions. Raises ValueError unless both grow and start above zero.

    >>> boundaries([0.5, 1.0], alpha=0.05).round(3).tolist()
    [2.963, 1.969]
    """
    level_of(alpha)
    return _bars(*clocks(fractions, information), alpha / 2, spending, two_sided=True)


def upper_boundaries(
    fractions: Numbers, *, alpha: float, information: Numbers | None = None, spending: Spending = obrien_fleming
) -> Array:
    """The bar for z at each look of a one-sided test, which spends all of alpha upwards; otherwise as `boundaries`.

    Nothing stops a path downwards here, so the test errs no more often than alpha whether or not anyone stops for
    futility.

    >>> upper_boundaries([0.5, 1.0], alpha=0.025).round(3).tolist()
    [2.963, 1.969]
    """
    level_of(alpha)
    return _bars(*clocks(fractions, information), alpha, spending, two_sided=False)


def crossing_probability(boundaries: Numbers, information: Numbers, drift: float) -> Array:
    """The probability of crossing first at each look: row 0 upwards, row 1 downwards.

    Upwards in all is the power to find a positive drift; both in all is the probability of stopping.

    `drift` is the true difference: z has the mean drift * sqrt(information). With information counted in shares of
    the planned, it is the mean of z at the planned end. Raises ValueError unless each look has a bar and information.

    >>> crossing_probability([2.963, 1.969], [0.5, 1.0], 0.0).sum().round(3).item()
    0.05
    """
    bars, amounts = numbers(boundaries), growing(information, "information")
    if bars.shape != amounts.shape:
        raise ValueError("there is a bar for each look")
    return first_crossings(-bars, bars, amounts, drift)


def inflation(looks: Numbers, *, alpha: float, power: float, spending: Spending = obrien_fleming) -> float:
    """How many times the units of a test with one look, for the same power with so many equally spaced looks.

    Or with looks at the given fractions of the experiment, the last of which is 1; ValueError otherwise.
    For the boundaries of the spending function; the classical ones of Pocock and O'Brien & Fleming differ slightly
    (Jennison & Turnbull 2000, tables 2.2 and 2.4).

    >>> round(inflation(3, alpha=0.05, power=0.8), 4), round(inflation([0.3, 0.5, 1.0], alpha=0.05, power=0.8), 4)
    (1.0128, 1.0038)
    """
    information = _planned(numbers(looks))
    bars = boundaries(information, alpha=alpha, spending=spending)
    target = float(normal_quantile(power))
    fixed = float(critical_z(alpha)) + target
    drift = fixed
    for _ in range(20):  # the z of the power is nearly a straight line in the drift, of slope one
        missing = target - float(normal_quantile(crossing_probability(bars, information, drift)[0].sum()))
        drift += missing
        if abs(missing) < 1e-10:
            break
    return (drift / fixed) ** 2


def _planned(looks: Array) -> Array:
    """The fractions of planned looks, from their number or as they are."""
    fractions = growing(np.arange(1, float(looks) + 1) / looks if looks.ndim == 0 else looks, "fractions")
    if fractions[-1] != 1:
        raise ValueError("planned looks end at a fraction of 1")
    return fractions


def clocks(fractions: Numbers, information: Numbers | None) -> tuple[Array, Array]:
    """The clock that spends and the information, of one length. Raises ValueError as `boundaries` does.

    >>> [clock.tolist() for clock in clocks([0.5, 1.0], [40, 90])]
    [[0.5, 1.0], [40.0, 90.0]]
    """
    clock = growing(fractions, "fractions")
    amounts = clock if information is None else growing(information, "information")
    if amounts.shape != clock.shape:
        raise ValueError("information is given for each look")
    return clock, amounts


def growing(values: Numbers, name: str) -> Array:
    """The values as an array over looks. Raises ValueError unless they start above zero and never fall.

    >>> growing([1, 2], "information").tolist()
    [1.0, 2.0]
    """
    given = numbers(values)
    grows = given.ndim == 1 and given.size > 0 and given[0] > 0 and bool(np.all(np.diff(given) >= 0))
    if not (grows and np.isfinite(given[-1])):
        raise ValueError(f"the {name} must start above zero and grow from look to look")
    return given


def _bars(clock: Array, information: Array, alpha: float, spending: Spending, *, two_sided: bool) -> Array:
    """The bars that spend alpha upwards, with their mirror images below them if two-sided."""
    spent = np.diff(spending(clock, alpha), prepend=0.0)
    bars = np.empty(clock.shape)
    paths: Paths | None = None
    for look, (step, share) in enumerate(zip(steps(information), spent, strict=True)):
        bars[look] = bar_of(paths, step, float(share))
        if look + 1 < bars.size:
            paths = Paths.surviving(paths, step, -bars[look] if two_sided else -np.inf, bars[look])
    return bars
