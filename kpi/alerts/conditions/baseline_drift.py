"""A level that is no longer the baseline's, over all periods since."""

from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from kpi.alerts.conditions.shape import MOST, Condition, Facts, Level, Past, Reading, Silence, columns, measured, told
from kpi.enums import AlertKind
from kpi.kinds.shape import Scale
from kpi.service import is_size
from stats.series import drift, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineDrift(Condition):
    """Raised where the level of all periods since the baseline is not the baseline's, by an always-valid interval.

    `shift` is the drift worth knowing of, `alpha` the chance that a level that never drifts is called drifted at any of
    all looks (Johari, Koomen, Pekelis & Walsh 2022, see `stats.series.drift`). `spread` is the standard deviation
    between periods beyond sampling errors; absent, it is measured on the periods up to the baseline's last day, and
    larger where neighbours resemble each other (see `stats.series.spread`).
    Cleared when the interval holds the baseline again, as it does when a new baseline is measured.
    """

    kind = AlertKind.BASELINE_DRIFT
    shift: float
    alpha: float = 0.05
    spread: float | None = None

    def problems(self, scale: Scale) -> list[tuple[str, str]]:
        """Sizes are positive, and the error rate is one."""
        found = []
        if not is_size(self.shift):
            found.append(("shift", "The drift worth knowing of is above zero, in the KPI's own units."))
        if not 0.0001 <= self.alpha <= 0.5:
            found.append(("alpha", "The chance of a false alarm lies between 0.0001 and 0.5."))
        if self.spread is not None and not (self.spread == 0 or is_size(self.spread)):
            found.append(("spread", "The spread between periods is zero or more."))
        return found

    def judge(self, past: Past, facts: Facts) -> Reading | Silence:
        """Weigh the periods since the baseline against it."""
        baseline = facts.baseline
        if baseline is None:
            return Silence(because="The newest definition has no baseline in this segment.")
        if past.start_on[-1] <= baseline.until:
            return Silence(because="The period is not after the baseline.")
        if baseline.until < past.start_on[0] and len(past.start_on) == MOST:
            return Silence(because=f"The baseline is more than {MOST} periods old: measure another.")
        if (silence := measured(past, facts.scale)) is not None:
            return silence
        since = next(place for place, day in enumerate(past.start_on) if day > baseline.until)
        before = past.between(0, since)
        beyond = self.spread
        if beyond is None:
            beyond = spread.lasting(before.number, before.value, before.standard_error) if before.start_on else nan
        if isnan(beyond):
            return Silence(
                because=f"Fewer than {spread.FEWEST} periods lie before the baseline's end, so how much periods differ"
                " is not known; give the rule a spread."
            )
        later, error = past.between(since, None), _error(baseline, before, beyond)
        return self._read(later, baseline, error, beyond, facts.scale)

    def _read(self, later: Past, baseline: Level, error: float, beyond: float, scale: Scale) -> Reading | Silence:
        found = drift.against(
            later.value,
            later.standard_error,
            baseline=baseline.value,
            baseline_standard_error=error,
            shift=self.shift,
            alpha=self.alpha,
            spread=beyond,
        )
        if found.reason_at(-1) is not None:
            return Silence(because="The value has no error to judge by.")
        level, lower, upper = (float(column[-1]) for column in (found.difference, found.lower, found.upper))
        is_beyond = not lower <= 0 <= upper
        limit = baseline.value + level - (lower if level > 0 else upper)
        count, less = len(later.start_on), "more" if level > 0 else "less"
        return Reading(
            value=baseline.value + level,
            limit=limit,
            is_beyond=is_beyond,
            is_within=not is_beyond,
            sentence=f"Over {count} periods up to that of {later.start_on[-1]} it was"
            f" {told(baseline.value + level, scale)} on average, and the baseline {told(baseline.value, scale)}:"
            f" {less} than {told(limit, scale)} is drift.",
            evidence={
                "baseline": baseline.value,
                "difference": level,
                "lower": lower,
                "upper": upper,
                "spread": beyond,
                "pValue": float(found.p_value[-1]),
                "periods": columns(later),
            },
        )


def _error(baseline: Level, before: Past, beyond: float) -> float:
    """The baseline's error with what its periods differed beyond its sample's: another time it had been another."""
    first = baseline.since or before.start_on[0] if before.start_on else None
    periods = sum(first <= day for day in before.start_on) if first else 0
    return float(np.hypot(baseline.standard_error, beyond / np.sqrt(periods) if periods else 0.0))
