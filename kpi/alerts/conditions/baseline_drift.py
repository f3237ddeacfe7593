"""A level that is no longer the baseline's, over all periods since."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from kpi.alerts.conditions.shape import MOST, Condition, Facts, Level, Past, Reading, Silence, columns, measured, told
from kpi.enums import AlertKind
from kpi.kinds.shape import Scale
from kpi.service import is_size
from stats.results import Reason
from stats.series import drift

NO_ERROR = Silence(because="The value has no error to judge by.")
UNLEARNT = Silence(
    because=f"Fewer than {drift.FEWEST} periods lie before the baseline's end, so how much periods differ is not known;"
    " give the rule a spread."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineDrift(Condition):
    """Raised where the level of all periods since the baseline is not the baseline's, by an always-valid interval.

    `shift` is the drift worth knowing of, `alpha` the chance that a level that never drifts is called drifted at any of
    all looks. `spread` is the standard deviation between periods beyond sampling errors, where it is known and
    neighbours are not alike (Johari, Koomen, Pekelis & Walsh 2022). Absent, the periods up to the baseline's last day
    tell, and what they leave open of how much periods differ, and for how long, stays open (see `stats.series.drift`).
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
        found = (
            self._by_history(past, since, baseline) if self.spread is None else self._by_spread(past, since, baseline)
        )
        return (
            found if isinstance(found, Silence) else self._read(past.between(since, None), baseline, found, facts.scale)
        )

    def _by_spread(self, past: Past, since: int, baseline: Level) -> "_Drift | Silence":
        later, spread = past.between(since, None), self.spread or 0.0
        found = drift.against(
            later.value,
            later.standard_error,
            baseline=baseline.value,
            baseline_standard_error=_error(baseline, past.between(0, since), spread),
            shift=self.shift,
            alpha=self.alpha,
            spread=spread,
        )
        if found.reason_at(-1) is not None:
            return NO_ERROR
        level, lower, upper, p_value = (
            float(column[-1]) for column in (found.difference, found.lower, found.upper, found.p_value)
        )
        return _Drift(level=level, lower=lower, upper=upper, p_value=p_value)

    def _by_history(self, past: Past, since: int, baseline: Level) -> "_Drift | Silence":
        number = past.number
        found = drift.since(
            number,
            past.value,
            past.standard_error,
            change=number[since],
            baseline=baseline.value,
            baseline_standard_error=baseline.standard_error,
            first=number[_first(baseline, past.between(0, since))],
            shift=self.shift,
            alpha=self.alpha,
        )
        if (reason := found.reason_at(-1)) is not None:
            return UNLEARNT if reason is Reason.TOO_FEW_PERIODS else NO_ERROR
        lower, upper = (float(limit) for limit in found.limits())
        return _Drift(level=float(found.size.mean[-1]), lower=lower, upper=upper, p_value=float(found.p_value[-1]))

    def _read(self, later: Past, baseline: Level, found: "_Drift", scale: Scale) -> Reading:
        is_beyond = not found.lower <= 0 <= found.upper
        limit = baseline.value + found.level - (found.lower if found.level > 0 else found.upper)
        count, less = len(later.start_on), "more" if found.level > 0 else "less"
        return Reading(
            value=baseline.value + found.level,
            limit=limit,
            is_beyond=is_beyond,
            is_within=not is_beyond,
            sentence=f"Over {count} periods up to that of {later.start_on[-1]} the level was"
            f" {told(baseline.value + found.level, scale)}, and the baseline {told(baseline.value, scale)}:"
            f" {less} than {told(limit, scale)} is drift.",
            evidence={
                "baseline": baseline.value,
                "difference": found.level,
                "lower": found.lower,
                "upper": found.upper,
                "spread": self.spread,
                "pValue": found.p_value,
                "periods": columns(later),
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drift:
    """Level less baseline after the last period, with its always-valid limits, and the smallest p-value so far."""

    level: float
    lower: float
    upper: float
    p_value: float


def _error(baseline: Level, before: Past, beyond: float) -> float:
    """The baseline's error with what its periods differed beyond its sample's: another time it had been another."""
    first = baseline.since or before.start_on[0] if before.start_on else None
    periods = sum(first <= day for day in before.start_on) if first else 0
    return float(np.hypot(baseline.standard_error, beyond / np.sqrt(periods) if periods else 0.0))


def _first(baseline: Level, before: Past) -> int:
    """The place of the first period of the baseline: the last one that can tell and begins by its first day, if any."""
    usable = [place for place, error in enumerate(before.standard_error) if error > 0 and isfinite(before.value[place])]
    begun = [place for place in usable if baseline.since is not None and before.start_on[place] <= baseline.since]
    return begun[-1] if begun else next(iter(usable), 0)
