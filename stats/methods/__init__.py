"""The tests of two arms, each in its own file with one `compare`, found by name.

A new method is one file and one line here.
"""

from typing import Protocol

from stats.arrays import Numbers
from stats.methods import agresti_caffo, fisher, miettinen_nurminen, proportions, welch
from stats.moments import Moments
from stats.results import Comparisons


class Method(Protocol):
    """How every method is called: treatment minus control, arrays broadcasting and alpha to them."""

    def __call__(self, control: Moments, treatment: Moments, *, alpha: Numbers, null: float = 0.0) -> Comparisons:
        """One comparison in every cell, undefined with a reason where there is none."""
        ...


METHODS: dict[str, Method] = {
    "agresti_caffo": agresti_caffo.compare,
    "fisher": fisher.compare,
    "miettinen_nurminen": miettinen_nurminen.compare,
    "proportions": proportions.compare,
    "welch": welch.compare,
}


def get(name: str) -> Method:
    """The `compare` of the method with this name. Raises ValueError for a name nobody registered."""
    try:
        return METHODS[name]
    except KeyError:
        raise ValueError(f"no method {name!r}; there are {', '.join(METHODS)}") from None
