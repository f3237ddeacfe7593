"""Numbers in words: units, signs and decimals as a reader expects them. No number is ever computed here.

Shares and rates are written in percent and their differences in percentage points (pp), times in days, means plainly.
Whatever is missing or not finite is written as a dash; the reason in words stands beside it in the page.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, TypeGuard

Json = dict[str, Any]
"""A GraphQL object, as it came in the answer."""

DASH = "–"
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"
ACRONYMS = {"AA", "KPI", "SRM", "TTFV"}
EVIDENT = 1000
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
SIGNIFICANT = 3
"""Digits shown of a number whose size is not known beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How the numbers of one kind of KPI are written; `places` None means by size."""

    factor: float
    value_unit: str
    difference_unit: str
    value_places: int | None
    difference_places: int | None


SHARE = Measure(factor=100, value_unit="%", difference_unit=f"{SPACE}pp", value_places=1, difference_places=2)
DAYS = Measure(factor=1, value_unit=f"{SPACE}days", difference_unit=f"{SPACE}days", value_places=2, difference_places=2)
PLAIN = Measure(factor=1, value_unit="", difference_unit="", value_places=None, difference_places=None)
MEASURES = {"FRACTION": SHARE, "DAYS": DAYS, "AMOUNT": PLAIN, "RATE": SHARE}
LIFT = Measure(factor=100, value_unit="%", difference_unit="%", value_places=1, difference_places=1)


def scale(kpi: Json) -> str:
    """The scale a KPI's numbers are on: FRACTION, DAYS, AMOUNT or RATE; without a definition it is an amount."""
    return kpi["scale"] or "AMOUNT"


COUNTS = {"UNITS", "EXPECTED_UNITS", "DAYS"}
SHARES = {"SHARE", "CONDITIONAL_POWER", "INFORMATION_FRACTION"}
"""How the numbers behind a check or a verdict are written, by their names."""


def value(number: float | None, on: str) -> str:
    """A level: 41.2%, 3.40 days, 12.6."""
    shown = MEASURES[on]
    return _written([number], shown.factor, shown.value_places, shown.value_unit, sign=False)


def levels(lower: float | None, upper: float | None, on: str) -> str:
    """The interval of a level: 39.0% to 43.4%."""
    shown = MEASURES[on]
    return _written([lower, upper], shown.factor, shown.value_places, shown.value_unit, sign=False)


def chance(number: float | None) -> str:
    """A chance, never as an impossible 0% or 100%."""
    if not _is_known(number):
        return DASH
    return "<1%" if number < 0.01 else ">99%" if number > 0.99 else percent(number)


def difference(number: float | None, on: str, beside: Json | None = None) -> str:
    """An absolute difference, signed: +2.10 pp, −0.62 days; written as finely as the interval `beside` it."""
    shown = MEASURES[on]
    if shown.difference_places is None and beside is not None:
        known = [bound for bound in (beside["lower"], beside["upper"]) if _is_known(bound)]
        shown = replace(shown, difference_places=_places(known) if known else None)
    return _difference([number], shown)


def size(number: float | None, on: str) -> str:
    """An absolute difference without its sign, such as a margin or an error: 0.36 pp."""
    shown = MEASURES[on]
    return _written([number], shown.factor, shown.difference_places, shown.difference_unit, sign=False)


def lift(number: float | None) -> str:
    """A relative difference, signed: +5.1%."""
    return _difference([number], LIFT)


def interval(bounds: Json | None, on: str) -> str:
    """An interval of the difference: −0.94 to −0.31 days."""
    return _interval(bounds, MEASURES[on])


def lift_interval(bounds: Json | None) -> str:
    """An interval of the lift: +1.0% to +9.2%."""
    return _interval(bounds, LIFT)


def p_value(number: float | None) -> str:
    """A p-value to three places, never as an impossible 0.000."""
    if not _is_known(number):
        return DASH
    return "<0.001" if number < 0.001 else f"{number:.3f}"


def count(number: int | None) -> str:
    """A whole number with its thousands apart."""
    return DASH if number is None else f"{number:,}"


def decimal(number: float | None, places: int = 2) -> str:
    """A bare number such as z or an e-value."""
    return DASH if not _is_known(number) else _digits(number, places, sign=False)


def fact(number: float, name: str) -> str:
    """A number behind a check or a verdict, by its name: a count, a share, a p-value, or a size in the KPI's units."""
    if name in COUNTS:
        return _digits(number, 0, sign=False)
    if name in SHARES:
        return percent(number, 1)
    return p_value(number) if name == "P_VALUE" else _digits(number, _places([number]), sign=False)


def rate(number: float) -> str:
    """A chosen level such as alpha or power, with no more decimals than it was given: 5%, 2.5%."""
    return f"{round(100 * number, 6):g}%"


def evidence(number: float | None) -> str:
    """An e-value; beyond a thousand only its power of ten can matter."""
    if not _is_known(number) or number < EVIDENT:
        return decimal(number)
    digits, power = f"{number:.1e}".split("e")
    return f"{digits} × 10{str(int(power)).translate(SUPERSCRIPT)}"


def percent(number: float | None, places: int = 0) -> str:
    """A share, unsigned: 61%."""
    return _written([number], 100, places, "%", sign=False)


def axis_number(number: float, places: int, unit: str) -> str:
    """A number on an axis, signed: +2 pp."""
    return _digits(number, places, sign=True) + unit


def axis_level(number: float, places: int, unit: str) -> str:
    """A level on an axis, unsigned: 40%."""
    return _digits(number, places, sign=False) + unit


def moment(text: str | None) -> str:
    """A time with its zone: 21 Nov 2026, 06:00 UTC."""
    if text is None:
        return DASH
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def day(text: str | None) -> str:
    """A date, of a date or a time: 21 Nov 2026."""
    if text is None:
        return DASH
    on = date.fromisoformat(text[:10])
    return f"{on.day} {on:%b %Y}"


def words(code: str | None) -> str:
    """An enum value as words: GROUP_SEQUENTIAL is Group sequential; a sentence stays as it is."""
    if not code or not code.replace("_", "").isupper():
        return code or DASH
    return sentence(" ".join(part if part in ACRONYMS else part.lower() for part in code.split("_")))


def sentence(plain: str) -> str:
    """The words with a capital first letter."""
    return plain[:1].upper() + plain[1:]


def _difference(numbers: list[float | None], shown: Measure) -> str:
    return _written(numbers, shown.factor, shown.difference_places, shown.difference_unit, sign=True)


def _interval(bounds: Json | None, shown: Measure) -> str:
    if bounds is None:
        return DASH
    lower, upper = bounds["lower"], bounds["upper"]
    if lower is None and upper is None:
        return "unbounded"
    if lower is None or upper is None:
        return ("below " if lower is None else "above ") + _difference([upper if lower is None else lower], shown)
    return _difference([lower, upper], shown)


def _written(numbers: list[float | None], factor: float, places: int | None, unit: str, *, sign: bool) -> str:
    known = [number * factor for number in numbers if _is_known(number)]
    if len(known) < len(numbers):
        return DASH
    digits = _places(known) if places is None else places
    each = [_digits(number, digits, sign=sign) for number in known]
    return _joined(each, unit)


def _joined(each: list[str], unit: str) -> str:
    """The percent sign belongs to each number, a word only to the last."""
    return " to ".join(number + unit for number in each) if unit == "%" else " to ".join(each) + unit


def _places(numbers: list[float]) -> int:
    largest = max(abs(number) for number in numbers)
    return min(4, max(0, SIGNIFICANT - 1 - math.floor(math.log10(largest)))) if largest else 0


def _digits(number: float, places: int, *, sign: bool) -> str:
    rounded = round(number, places) + 0.0
    mark = MINUS if rounded < 0 else "+" if sign and rounded > 0 else ""
    return f"{mark}{abs(rounded):,.{places}f}"


def _is_known(number: float | None) -> TypeGuard[float]:
    return number is not None and math.isfinite(number)
