"""Shares of replicates, and how far beyond its promise a sound method may be found by chance."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

BLOCK = 250
"""Experiments drawn at once: enough to be quick, and few enough to stay in the processor's cache."""
ERRORS = 3
"""Standard errors of the simulation that a rate may lie beyond its promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of the replicates, with the standard error that the simulation leaves it."""

    value: float
    standard_error: float

    @classmethod
    def of(cls, count: int, replicates: int) -> "Rate":
        """So many of all replicates."""
        share = count / replicates
        return cls(value=share, standard_error=_standard_error(share, replicates))


def beyond(promise: float, replicates: int) -> float:
    """The highest rate at which a method still passes that may err as often as `promise`."""
    return promise + ERRORS * _standard_error(promise, replicates)


def short_of(promise: float, replicates: int) -> float:
    """The lowest rate at which a method still passes that must cover as often as `promise`."""
    return promise - ERRORS * _standard_error(promise, replicates)


def blocks(replicates: int, size: int) -> Iterator[int]:
    """The replicates in parts of this size, the last one less. Raises ValueError for fewer than one replicate."""
    if replicates < 1:
        raise ValueError("there is a replicate or more")
    whole, rest = divmod(replicates, size)
    yield from [size] * whole
    if rest:
        yield rest


def _standard_error(share: float, replicates: int) -> float:
    return sqrt(share * (1 - share) / replicates)
