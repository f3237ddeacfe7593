"""Where a unit falls: by a hash that everybody can compute, and that is the same for ever. Pure.

A unit's place among a million is made of the first 8 bytes of SHA-256 over three texts in UTF-8 with a zero byte
between them - what is drawn, for which experiment or layer, and the unit - read as a big-endian integer, times a
million, divided by 2 to the 64th, rounded down. Three things are drawn, each without regard to the others: whether a
unit enters (`traffic`), which part of a layer it belongs to (`layer`), and its variant (`variant`). So a share that
grows lets units in and moves none to another variant, and what one experiment draws says nothing of what another does.

Nothing here may change: a unit that is drawn anew is lost to the experiment it is in
(docs/decisions/2026-11-22-assignment.md).
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from math import fsum

PLACES = 1_000_000


class Draw(StrEnum):
    """What is drawn."""

    TRAFFIC = "traffic"
    LAYER = "layer"
    VARIANT = "variant"


def place(draw: Draw, name: str, unit: str) -> int:
    """The place of a unit, from 0 to 999,999, in a draw for an experiment or a layer of this name."""
    digest = hashlib.sha256("\0".join((draw, name, unit)).encode()).digest()
    return int.from_bytes(digest[:8], "big") * PLACES >> 64


def places(share: float) -> int:
    """How many places a share of units has."""
    return round(PLACES * share)


def chosen(at: int, weights: Sequence[float]) -> int:
    """Which of several variants has a place; each has as many as its weight among all, in the order of the plan."""
    total = fsum(weights)
    ends = (places(fsum(weights[: number + 1]) / total) for number in range(len(weights)))
    return next(number for number, end in enumerate(ends) if at < end)
