"""Cells of the three tables that somebody else has summed: what a row says, and whether it fits its neighbours. Pure.

A row without a KPI says how many units entered; a row with one says what they did, in the shape its kind is summed in.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from math import isclose, isfinite, sqrt
from typing import Annotated

import msgspec

from experiments.aggregation.derivation import SEGMENT_VALUES
from experiments.aggregation.slices import DAY
from experiments.inference.cohorts import EVERYBODY, decode
from experiments.planning.plan import Plan, PlannedKpi
from kpi.ingest import Fault, Refused
from kpi.kinds import Aggregate, Kind
from kpi.kinds.shape import CurveOf, DayCurve, Scale
from kpi.outcomes import LARGEST_VALUE
from kpi.wire import camel

ROUNDING = 1e-6
"""How far, per unit, the mean of a share may be from a whole number of successes: what six digits leave of it."""
OTHERS = "(other)"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Cohort = tuple[int, str, int, date]
"""Experiment, segment, variant, entry day."""
Place = tuple[Cohort, int | None, int | None]
"""A cohort; the KPI's definition, none for entries; the day of a duration."""
Value = tuple[float, ...]
"""n and crossovers of entries; n, mean and m2 of moments, of a KPI with a covariate its mean and m2, what both have in
common and the units without one; events and losses of durations."""


class AggregateRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """One cell on the wire."""

    experiment: Name
    variant: Name
    entered_on: date
    kpi: Name | None = None
    segment: Annotated[str, msgspec.Meta(max_length=601)] | None = None
    n: Count | None = None
    crossovers: Count | None = None
    mean: float | None = None
    m2: float | None = None
    standard_deviation: float | None = None
    successes: Count | None = None
    day: Count | None = None
    events: Count | None = None
    losses: Count | None = None
    mean_x: float | None = None
    m2_x: float | None = None
    standard_deviation_x: float | None = None
    c_xy: float | None = None
    missing: Count | None = None

    def only(self, what: str, *allowed: str) -> None:
        """Refuse a number that such a row cannot have."""
        for name in NUMBERS:
            if name not in allowed and getattr(self, name) is not None:
                wire = camel(name)
                raise Refused(Fault.MALFORMED, f"{wire} has no place in a row of {what}.", wire)


COVARIATE = ("mean_x", "m2_x", "standard_deviation_x", "c_xy", "missing")
NUMBERS = ("n", "crossovers", "mean", "m2", "standard_deviation", "successes", "day", "events", "losses", *COVARIATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """An experiment that takes aggregates: its plan, its variants by key, the entry days it has, its segments."""

    experiment_id: int
    plan: Plan
    variants: dict[str, int]
    first_on: date
    last_on: date | None
    today: date
    segments: dict[str, set[str]] = field(default_factory=dict)

    def cell(self, row: AggregateRow) -> tuple[Place, Value]:
        """The cell a row is about, and what it says. Raises Refused."""
        self._check_day(row.entered_on)
        cohort = (self.experiment_id, self._segment(row.segment), self._variant(row.variant), row.entered_on)
        if row.kpi is None:
            self._check_final(row, 0)
            return (cohort, None, None), _entries(row)
        planned = self._kpi(row.kpi)
        kind = decode(planned)
        if not kind.adds_up:
            sentence = f"“{row.kpi}” is a quantile, of all units at once: no sum of a day says it. Send rows instead."
            raise Refused(Fault.MALFORMED, sentence, "kpi")
        if kind.aggregate is Aggregate.MOMENTS and (kind.curve is None or row.day is None):
            self._check_final(row, kind.window[1])
            return (cohort, planned.definition.id, None), _adjustable(row, planned, kind)
        value = _durations(row, kind) if kind.curve is None else _on_day(row, kind.curve)
        is_whole = kind.curve is not None and kind.curve.is_whole
        self._check_final(row, kind.window[1] if is_whole else 1 + (row.day or 0))
        return (cohort, planned.definition.id, row.day), value

    @property
    def returning(self) -> set[int]:
        """The definitions by which a unit may count on many days."""
        curves = ((planned.definition.id, decode(planned).curve) for planned in self.plan.kpis)
        return {number for number, curve in curves if curve is not None and curve.of is not CurveOf.REACHED}

    def _check_day(self, day: date) -> None:
        if day < self.first_on:
            sentence = f"enteredOn is before the start of “{self.plan.experiment}” ({self.first_on})."
            raise Refused(Fault.OUTSIDE_ENROLMENT, sentence, "enteredOn")
        if self.last_on is not None and day > self.last_on:
            sentence = f"enteredOn is after the stop of “{self.plan.experiment}” ({self.last_on})."
            raise Refused(Fault.OUTSIDE_ENROLMENT, sentence, "enteredOn")

    def _check_final(self, row: AggregateRow, days: int) -> None:
        """What is not final would be read as final once its days have passed."""
        final_on = row.entered_on + (1 + days) * DAY
        if final_on > self.today:
            sentence = f"This is final on {final_on} (UTC), when the last unit's time is over; send it then."
            raise Refused(Fault.NOT_FINAL, sentence, "enteredOn")

    def _variant(self, key: str) -> int:
        if key not in self.variants:
            known = ", ".join(sorted(self.variants))
            sentence = f"Experiment “{self.plan.experiment}” has no variant “{key}”; it has {known}."
            raise Refused(Fault.UNKNOWN_VARIANT, sentence, "variant")
        return self.variants[key]

    def _kpi(self, key: str) -> PlannedKpi:
        found = next((planned for planned in self.plan.kpis if planned.kpi == key), None)
        if found is None:
            known = ", ".join(planned.kpi for planned in self.plan.kpis)
            sentence = f"The plan of “{self.plan.experiment}” has no KPI “{key}”; it has {known}."
            raise Refused(Fault.UNKNOWN_KPI, sentence, "kpi")
        return found

    def _segment(self, text: str | None) -> str:
        if not text:
            return EVERYBODY
        attribute, _, value = text.partition("=")
        if attribute not in self.plan.segment_attributes or not value:
            known = ", ".join(self.plan.segment_attributes) or "none"
            sentence = f"A segment reads attribute=value, by an attribute of the plan: {known}."
            raise Refused(Fault.UNKNOWN_SEGMENT, sentence, "segment")
        named = self.segments.setdefault(attribute, set())
        if value not in {*named, OTHERS}:
            if len(named) >= SEGMENT_VALUES:
                sentence = f"{attribute} has {SEGMENT_VALUES} segments; sum the rest up as {attribute}={OTHERS}."
                raise Refused(Fault.UNKNOWN_SEGMENT, sentence, "segment")
            named.add(value)
        return text


class Sheet:
    """The cells of some cohorts as they are stored and as rows change them, one after the other.

    By the definitions that are `returning` a unit may count on many days, by all others once.
    """

    def __init__(self, stored: dict[Place, Value], returning: Collection[int] = ()) -> None:
        self._returning = frozenset(returning)
        self.cells: dict[Place, Value] = {}
        self.changed: dict[Place, Value] = {}
        self._counted: dict[Cohort, dict[tuple[int | None, int | None], float]] = defaultdict(dict)
        for place, value in stored.items():
            self._write(place, value)

    def put(self, place: Place, value: Value) -> bool:
        """Let a cell say this; False when it does already. Raises Refused when more units do than entered."""
        if self.cells.get(place) == value:
            return False
        self._check(place, value)
        self._write(place, value)
        self.changed[place] = value
        return True

    def _check(self, place: Place, value: Value) -> None:
        cohort, definition, _ = place
        if definition is None:
            most = max(self._counted[cohort].values(), default=0)
            if value[0] < most:
                sentence = f"{value[0]:,} entered, and {most:,.0f} of them are counted for a KPI; lower that first."
                raise Refused(Fault.INCONSISTENT, sentence, "n")
            return
        entries = self.cells.get((cohort, None, None))
        if entries is None:
            sentence = "Nobody has entered here so far: send the row without a KPI, with how many did, before this one."
            raise Refused(Fault.INCONSISTENT, sentence, "kpi")
        counted = self._after(place, value)
        if counted > entries[0]:
            sentence = f"This counts {counted:,.0f} units, and {entries[0]:,} entered."
            raise Refused(Fault.INCONSISTENT, sentence, "n" if place[2] is None else "events")

    def _write(self, place: Place, value: Value) -> None:
        cohort, definition, _ = place
        if definition is not None:
            self._counted[cohort][self._once(place)] = self._after(place, value)
        self.cells[place] = value

    def _after(self, place: Place, value: Value) -> float:
        """Units of the cohort that a KPI counts, once the cell says this."""
        before = self._counted[place[0]].get(self._once(place), 0)
        return before - _units(place, self.cells.get(place, ())) + _units(place, value)

    def _once(self, place: Place) -> tuple[int | None, int | None]:
        """What a unit counts for once at most: a KPI's number, its days together, or each day that it came back."""
        _, definition, day = place
        return definition, day if day is None or definition in self._returning else 0


def _units(place: Place, value: Value) -> float:
    return sum(value[:1] if place[2] is None else value)


def _entries(row: AggregateRow) -> Value:
    row.only("entries, which names no KPI", "n", "crossovers")
    return _needed(row, "n"), row.crossovers or 0


def _durations(row: AggregateRow, kind: Kind) -> Value:
    row.only("a KPI of durations", "day", "events", "losses")
    day, tau = _needed(row, "day"), kind.window[1]
    if day >= tau:
        raise Refused(Fault.MALFORMED, f"day counts from 0 to {tau - 1}, the last before tau; {day} is not.", "day")
    return _needed(row, "events"), row.losses or 0


def _on_day(row: AggregateRow, curve: DayCurve) -> Value:
    row.only("a curve's day", "day", "events", "losses")
    day = _needed(row, "day")
    if day not in curve.days:
        sentence = f"day counts from {curve.days[0]} to {curve.days[-1]}, the curve's last; {day} is not one of them."
        raise Refused(Fault.MALFORMED, sentence, "day")
    if row.losses:
        raise Refused(Fault.MALFORMED, "Nobody is lost to a curve beside a number: losses are 0.", "losses")
    return _needed(row, "events"), 0


def _adjustable(row: AggregateRow, planned: PlannedKpi, kind: Kind) -> Value:
    """Moments, with those of the covariate just where the plan names one: who could choose later would choose.

    Of a ratio they are of the numerator, and x is the denominator, which every unit has.
    """
    if planned.covariate is None and not kind.has_denominator:
        return _moments(row, kind)
    value = _moments(msgspec.structs.replace(row, **dict.fromkeys(COVARIATE)), kind)
    n, m2 = row.n or 0, value[2]
    mean_x, m2_x = _spread_x(row, n)
    c_xy = _finite("cXy", _needed(row, "c_xy") if n > 1 else row.c_xy or 0, most=_most(n), is_signed=True)
    missing = row.missing or 0
    if missing and kind.has_denominator:
        raise Refused(Fault.MALFORMED, "Every unit has a denominator, 0 at the least: missing is 0.", "missing")
    if missing > n:
        raise Refused(Fault.INCONSISTENT, f"{missing:,} of {n:,} units: more are missing than there are.", "missing")
    if abs(c_xy) > (1 + ROUNDING) * sqrt(m2) * sqrt(m2_x):
        sentence = "cXy, a sum over all units, is greater than m2 and m2X allow."
        raise Refused(Fault.INCONSISTENT, sentence, "cXy")
    return (*value, mean_x, m2_x, c_xy, missing)


def _spread_x(row: AggregateRow, n: int) -> tuple[float, float]:
    mean = 0.0 if n == 0 else _finite("meanX", _needed(row, "mean_x"), is_signed=True)
    if row.m2_x is not None and row.standard_deviation_x is not None:
        raise Refused(Fault.MALFORMED, "standardDeviationX has no place beside m2X.", "standardDeviationX")
    if row.m2_x is not None:
        m2 = _finite("m2X", row.m2_x, most=_most(n))
    else:
        spread = _needed(row, "standard_deviation_x") if n > 1 else 0
        m2 = _finite("standardDeviationX", spread) ** 2 * (n - 1)
    if n < 2 and m2 > 0:
        raise Refused(Fault.INCONSISTENT, "Fewer than two units have no deviation from their mean.", "m2X")
    return mean, max(m2, 0.0)


def _most(n: int) -> float:
    """The largest sum of squares of so many values that may be."""
    return 4 * LARGEST_VALUE**2 * max(n, 1)


def _moments(row: AggregateRow, kind: Kind) -> Value:
    is_share = kind.scale is Scale.FRACTION
    shares = ("successes",) if is_share else ()
    row.only("this KPI", "n", "mean", "m2", "standard_deviation", *shares)
    n = _needed(row, "n")
    if row.successes is not None:
        row.only("successes", "n", "successes")
        return _share(n, row.successes, "successes")
    mean, m2 = _spread(row, n)
    return _share_of(n, mean, m2) if is_share else (n, mean, m2)


def _spread(row: AggregateRow, n: int) -> tuple[float, float]:
    """The mean and the sum of squared deviations from it; the standard deviation is the sample's (n - 1)."""
    mean = 0.0 if n == 0 else _finite("mean", _needed(row, "mean"), is_signed=True)
    if row.m2 is not None:
        row.only("m2", "n", "mean", "m2", "successes")
        m2 = _finite("m2", row.m2, most=_most(n))
    else:
        m2 = _finite("standardDeviation", _needed(row, "standard_deviation") if n > 1 else 0) ** 2 * (n - 1)
    if n < 2 and m2 > 0:
        raise Refused(Fault.INCONSISTENT, "Fewer than two units have no deviation from their mean.", "m2")
    return mean, max(m2, 0.0)


def _share_of(n: int, mean: float, m2: float) -> Value:
    """A share by its mean, which must be one of n zeros and ones."""
    successes = round(n * mean)
    if abs(n * mean - successes) > ROUNDING * max(n, 1):
        raise Refused(Fault.INCONSISTENT, f"{mean:g} of {n:,} is no whole number of units; send successes.", "mean")
    value = _share(n, successes, "mean")
    if not isclose(m2, value[2], rel_tol=ROUNDING, abs_tol=ROUNDING * max(n, 1)):
        sentence = "The squared deviations of a share follow from n and mean, and these do not; send n and successes."
        raise Refused(Fault.INCONSISTENT, sentence, "m2")
    return value


def _share(n: int, successes: int, path: str) -> Value:
    if not 0 <= successes <= n:
        raise Refused(Fault.INCONSISTENT, f"{successes:,} of {n:,} units: more succeed than there are.", path)
    return (n, successes / n, successes * (n - successes) / n) if n else (0, 0.0, 0.0)


def _finite(path: str, number: float, most: float = LARGEST_VALUE, *, is_signed: bool = False) -> float:
    if not (isfinite(number) and abs(number) <= most):
        raise Refused(Fault.NOT_FINITE, f"{path} is not a finite number, or above {most:.0e} in size.", path)
    if number < 0 and not is_signed:
        raise Refused(Fault.MALFORMED, f"{path} is never negative.", path)
    return number


def _needed(row: AggregateRow, name: str) -> int:
    found: int | None = getattr(row, name)
    if found is None:
        wire = camel(name)
        raise Refused(Fault.MALFORMED, f"{wire} is missing.", wire)
    return found
