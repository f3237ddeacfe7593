"""From numbers to places on the paper: a linear scale, round tick values, and the span that holds the numbers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

MOST_TICKS = 12
"""More marks than this on one axis are noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A straight map from `lower..upper` (numbers) to `start..end` (places on the paper)."""

    lower: float
    upper: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a number; a number outside the span is drawn on its edge."""
        held = min(max(value, self.lower), self.upper)
        return self.start + (held - self.lower) / (self.upper - self.lower) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether the number lies inside the span."""
        return self.lower <= value <= self.upper


def span(values: Iterable[float | None], *, margin: float = 0.06) -> tuple[float, float]:
    """The smallest span with zero and every finite value in it, widened on each side by `margin` of itself."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    lower, upper = min([0.0, *known]), max([0.0, *known])
    room = (upper - lower) * margin or 1.0
    return lower - room * (lower < 0 or upper == lower), upper + room * (upper > 0 or upper == lower)


def room(values: Iterable[float | None], *, margin: float = 0.08) -> tuple[float, float]:
    """The smallest span with every finite value in it, without zero, widened on each side by `margin` of itself.

    What is nowhere below zero is given no room below it.
    """
    known = [value for value in values if value is not None and math.isfinite(value)] or [0.0]
    lower, upper = min(known), max(known)
    more = (upper - lower) * margin or abs(upper) * margin or 1.0
    return (max(0.0, lower - more) if lower >= 0 else lower - more), upper + more


def ticks(lower: float, upper: float, count: int = 5) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of ten apart) inside `lower..upper`."""
    if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
        raise ValueError(f"ticks need a finite span, got {lower} to {upper}")
    step = _round_step((upper - lower) / max(1, min(count, MOST_TICKS)))
    first, last = math.ceil(lower / step - 1e-9), math.floor(upper / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def decimals(step: float) -> int:
    """How many decimals tell two neighbouring ticks apart."""
    return max(0, -math.floor(math.log10(abs(step)) + 1e-9)) if step else 0


def day_steps(count: int, most: int) -> range:
    """Positions of a daily axis to label: each day, every second or third, each week, and so on; at most `most`."""
    wanted = max(1, math.ceil(count / max(1, most)))
    step = next((size for size in (1, 2, 3, 7, 14, 28, 56, 91, 182, 364) if size >= wanted), wanted)
    return range(0, count, step)


def _round_step(rough: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(rough))
    return next(factor * magnitude for factor in (1.0, 2.0, 5.0, 10.0) if factor * magnitude >= rough * (1 - 1e-9))
