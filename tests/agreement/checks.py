"""One answer of ours beside the same answer of a source, and how far apart they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from stats.arrays import Array, Numbers, numbers

CLOSED = 1e-9  # of the other value: a formula leaves nothing but rounding
RECURSION = 1e-6  # integrals over the looks, or roots of them, each side with a grid of its own

Answer = Mapping[str, Numbers]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question to a source, with our own answer to it."""

    source: str  # a key of `sources.SOURCES`
    answer: str  # the source's name for it
    covers: tuple[str, ...]  # our functions, as `module.name` within `stats`
    ours: Callable[[], Answer]
    tolerance: float = CLOSED

    def __str__(self) -> str:
        return f"{self.source}-{self.answer}"


def distance(ours: Answer, theirs: Answer) -> dict[str, float]:
    """For each part of an answer the largest relative difference; infinite for a part that one of them lacks."""
    return {
        part: _relative(numbers(ours[part]), _filled(theirs[part])) if part in ours and part in theirs else np.inf
        for part in sorted({*ours, *theirs})
    }


def _relative(ours: Array, theirs: Array) -> float:
    if ours.shape != theirs.shape:
        return np.inf
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(ours - theirs) / np.abs(theirs))
    return float(np.max(np.where(np.isnan(apart), np.inf, apart), initial=0.0))


def _filled(values: Numbers) -> Array:
    """What is written as null is no answer."""
    return numbers(np.asarray(values, dtype=object))
