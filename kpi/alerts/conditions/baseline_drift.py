"""A level that is no longer the baseline's, over all periods since."""

from dataclasses import dataclass

import numpy as np

from kpi.alerts.conditions.shape import Condition, Facts, Level, Past, Reading, Silence, columns, measured, told
from kpi.enums import AlertKind
from kpi.kinds.shape import Scale
from kpi.service import is_size
from stats import meta
from stats.series import drift

FEWEST = 8
"""Periods up to the baseline's last day from which it can be told how much periods differ beyond chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineDrift(Condition):
    """Raised where the level of all periods since the baseline is not the baseline's, by an always-valid interval.

    `shift` is the drift worth knowing of, `alpha` the chance that a level that never drifts is called drifted at any of
    all looks (Johari, Koomen, Pekelis & Walsh 2022, see `stats.series.drift`). `spread` is the standard deviation
    between periods beyond sampling errors; absent, it is measured on the periods up to the baseline's last day.
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
        if (silence := measured(past, facts.scale)) is not None:
            return silence
        since = next(place for place, day in enumerate(past.start_on) if day > baseline.until)
        spread = _spread(past.between(0, since)) if self.spread is None else self.spread
        if spread is None:
            return Silence(
                because=f"Fewer than {FEWEST} periods lie before the baseline's end, so how much periods differ is not"
                " known; give the rule a spread."
            )
        return self._read(past.between(since, len(past.start_on)), baseline, spread, facts.scale)

    def _read(self, later: Past, baseline: Level, spread: float, scale: Scale) -> Reading | Silence:
        found = drift.against(
            later.value,
            later.standard_error,
            baseline=baseline.value,
            baseline_standard_error=baseline.standard_error,
            shift=self.shift,
            alpha=self.alpha,
            spread=spread,
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
                "spread": spread,
                "pValue": float(found.p_value[-1]),
                "periods": columns(later),
            },
        )


def _spread(before: Past) -> float | None:
    """The standard deviation between periods beyond their sampling errors; None where too few are known."""
    variance = before.standard_error**2
    known = np.isfinite(before.value) & (variance > 0)
    if known.sum() < FEWEST:
        return None
    return float(np.sqrt(meta.dersimonian_laird(before.value[known], variance[known])))
