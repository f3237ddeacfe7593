"""Looks that bring more or less information than planned: what each may spend.

Lan & DeMets (1983, 1989): a bar needs the information up to its own look, so looks may come at any time that the
results did not choose. Three things go wrong in practice. The planned information is passed (an overrun): that look
spends all the alpha that is left, at the correlation it really has, and later ones nothing. The experiment ends short
of it (an underrun): its last look spends the rest all the same. A look has no more information than one before it
(units were taken back, or the variance grew): increments are then not independent, and the look is not judged.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from stats.arrays import Array, Mask, Numbers, numbers
from stats.sequential import group_sequential
from stats.sequential.group_sequential import Spending, obrien_fleming
from stats.sequential.recursion import SMALLEST_STEP


class Timing(StrEnum):
    """Where a look stands in the experiment, and so what it may spend.

    >>> Timing.BACKWARD.sentence
    'It has no more information than a look before it, so it is not judged.'
    """

    WITHIN = "within"
    LAST = "last"
    BEYOND = "beyond"
    BACKWARD = "backward"

    @property
    def sentence(self) -> str:
        """The same for a reader who is not a statistician."""
        return _SENTENCES[self]


_SENTENCES = {
    Timing.WITHIN: "It spends what the plan allows for the information so far.",
    Timing.LAST: "It is the last look: it spends all that is left, however much information there is.",
    Timing.BEYOND: "Everything was spent at a look before it.",
    Timing.BACKWARD: "It has no more information than a look before it, so it is not judged.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The looks as they came; one entry a look. A look that may spend nothing has an infinite bar."""

    fractions: Array  # of the spending clock, 1 from the last look on
    boundaries: Array  # for |z|
    timing: tuple[Timing, ...]

    @property
    def judged(self) -> Mask:
        """Which of the looks take part in the test."""
        return np.array([timing in {Timing.WITHIN, Timing.LAST} for timing in self.timing], dtype=bool)


def boundaries(
    information: Numbers, *, planned: float, alpha: float, ended: bool = False, spending: Spending = obrien_fleming
) -> Taken:
    """The two-sided bars for looks with this information, in the order in which they were taken; none is refused.

    `planned` is the information of the planned end; `ended` says that the final look given is the experiment's last.
    A look must add a thousandth to the most there was before it, or it is backward; for the last look of an ended
    experiment it is enough not to fall below. Where even that fails, what is left stays unspent: to spend it on an
    earlier look, whose result is known, would be a second try. Raises ValueError for information that is not finite
    and above zero, and a planned one that is not above zero.

    >>> looks = boundaries([40.0, 35.0, 80.0], planned=100.0, alpha=0.05, ended=True)
    >>> looks.boundaries.round(3).tolist(), [timing.value for timing in looks.timing]
    ([3.357, inf, 1.961], ['within', 'backward', 'last'])
    """
    amounts = numbers(information)
    if amounts.ndim != 1 or not amounts.size or not np.all(np.isfinite(amounts) & (amounts > 0)) or planned <= 0:
        raise ValueError("information is finite and above zero at each look, and so is the planned one")
    fractions, judged = amounts / planned, _grows(amounts)
    if ended and amounts[-1] >= amounts.max():
        judged[-1], fractions[-1] = True, max(fractions[-1], 1.0)
    timing = _timings(fractions, judged)
    clock = np.maximum.accumulate(np.minimum(np.where(judged, fractions, 0.0), 1.0))
    bars = np.full(amounts.shape, np.inf)
    bars[judged] = group_sequential.boundaries(
        clock[judged], alpha=alpha, information=amounts[judged], spending=spending
    )
    return Taken(fractions=clock, boundaries=bars, timing=timing)


def _grows(amounts: Array) -> Mask:
    """Which looks add something to the most there was before."""
    most, judged = 0.0, np.zeros(amounts.shape, dtype=bool)
    for look, amount in enumerate(amounts):
        judged[look] = amount >= most * (1 + SMALLEST_STEP)
        most = max(most, float(amount))
    return judged


def _timings(fractions: Array, judged: Mask) -> tuple[Timing, ...]:
    timings, spent = [], False
    for fraction, grows in zip(fractions, judged, strict=True):
        if spent:
            timings.append(Timing.BEYOND)
        elif not grows:
            timings.append(Timing.BACKWARD)
        else:
            spent = bool(fraction >= 1)
            timings.append(Timing.LAST if spent else Timing.WITHIN)
    return tuple(timings)
