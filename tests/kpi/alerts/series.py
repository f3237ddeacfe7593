"""Series of a KPI as conditions see them, and what is known of the KPI beside."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from kpi.alerts.conditions.shape import Facts, Past
from kpi.enums import Granularity
from kpi.history.periods import DAY
from kpi.kinds.shape import Floats, Scale

MONDAY = date(2026, 1, 5)


def weeks(values: Sequence[float] | Floats, error: float = 0.01, n: int = 1000) -> Past:
    """Weeks in a row, the first from a Monday on."""
    size = len(values)
    return Past(
        granularity=Granularity.WEEK,
        start_on=tuple(MONDAY + 7 * place * DAY for place in range(size)),
        n=np.full(size, float(n)),
        value=np.array(values, np.float64),
        standard_error=np.full(size, error),
    )


def day(on: date) -> Past:
    """A day without a value, for conditions that watch rows."""
    nothing = np.full(1, np.nan)
    return Past(granularity=Granularity.DAY, start_on=(on,), n=nothing, value=nothing, standard_error=nothing)


def known(**facts: Any) -> Facts:
    """A share, of which more is better."""
    fields: dict[str, Any] = {"scale": Scale.FRACTION, "sign": 1}
    return Facts(**(fields | facts))
