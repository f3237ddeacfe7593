"""Who an experiment takes in: conditions on what is known of a unit when it is exposed, all of which hold. Pure.

Attributes come as they are sent: text, numbers, true or false. Equality is that of text - 5, 5.0 and "5" are one, and
so are true and "true" - and a comparison reads text that is a number as one, for the cells of a file
may all be text. An attribute that is missing, or null, meets no condition but `NOT_EXISTS`: of whom nothing is known,
nobody can say that they are not among those to be kept out.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import Any

from experiments.planning.payloads import LARGEST_NUMBER
from kpi.ingest import is_text

MOST_CONDITIONS = 10
MOST_VALUES = 200
"""Of all conditions together."""
LONGEST_NAME, LONGEST_VALUE = 100, 500
"""Characters, as of an attribute that comes with an exposure."""
NUMBER = r"[+-]?[0-9]{1,15}(\.[0-9]{0,200})?([eE][+-]?[0-9]{1,2})?"
"""Text that is a number, to Python and to Postgres."""
SHOWN = 5
"""Values that a sentence names."""

Value = str | int | float | bool


class Operator(StrEnum):
    """How an attribute is held against the values of a condition."""

    IN = "IN"
    NOT_IN = "NOT_IN"
    CONTAINS = "CONTAINS"
    LT = "LT"
    LTE = "LTE"
    GT = "GT"
    GTE = "GTE"
    EXISTS = "EXISTS"
    NOT_EXISTS = "NOT_EXISTS"


COMPARISONS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.LT: lt,
    Operator.LTE: le,
    Operator.GT: gt,
    Operator.GTE: ge,
}
WORDS: Mapping[Operator, str] = {
    Operator.IN: "is one of",
    Operator.NOT_IN: "is none of",
    Operator.CONTAINS: "contains",
    Operator.LT: "is below",
    Operator.LTE: "is at most",
    Operator.GT: "is above",
    Operator.GTE: "is at least",
    Operator.EXISTS: "is known",
    Operator.NOT_EXISTS: "is not known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition. Values are any text, numbers or booleans as they are stated; `canonical` says what is sealed."""

    attribute: str
    operator: Operator
    values: list[Any] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """The condition in words."""
        shown = ", ".join(f"“{value}”" if isinstance(value, str) else _text(value) for value in self.values[:SHOWN])
        more = len(self.values) - SHOWN
        said = f"“{self.attribute}” {WORDS[self.operator]} {shown}".rstrip()
        return f"{said} and {more} more" if more > 0 else said


def evaluate(conditions: Sequence[Condition], attributes: Mapping[str, Value | None]) -> bool:
    """Whether a unit with these attributes is one that is meant; without conditions everybody is."""
    return unmet(conditions, attributes) is None


def unmet(conditions: Sequence[Condition], attributes: Mapping[str, Value | None]) -> Condition | None:
    """The first of some canonical conditions that these attributes do not meet."""
    return next((one for one in conditions if not _holds(one, attributes.get(one.attribute))), None)


def canonical(conditions: Sequence[Condition]) -> list[Condition]:
    """The same conditions in one form, whatever order they are stated in: each once, values as texts or one number."""
    plain = {(one.attribute, one.operator, tuple(one.values)): one for one in map(_plain, conditions)}
    return [plain[key] for key in sorted(plain)]


def faults(conditions: Sequence[Condition]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with conditions as they are stated: the path to each fault, and a sentence."""
    if len(conditions) > MOST_CONDITIONS:
        yield (), f"At most {MOST_CONDITIONS} conditions; a list of values is one."
    if sum(len(one.values) for one in conditions) > MOST_VALUES:
        yield (), f"At most {MOST_VALUES} values in all conditions together."
    for place, one in enumerate(conditions):
        if not 1 <= len(one.attribute) <= LONGEST_NAME or not is_text(one.attribute):
            yield (str(place), "attribute"), f"An attribute's name has 1 to {LONGEST_NAME} characters of text."
        yield from (((str(place), *path), sentence) for path, sentence in _value_faults(one))


def _value_faults(one: Condition) -> Iterator[tuple[tuple[str, ...], str]]:
    for place, value in enumerate(one.values):
        if not _is_value(value):
            yield (
                ("values", str(place)),
                f"A value is text of up to {LONGEST_VALUE} characters, a number of a size up to {LARGEST_NUMBER}, true"
                " or false.",
            )
    amount = len(one.values)
    if one.operator in COMPARISONS and (amount != 1 or _number(one.values[0]) is None):
        yield ("values",), f"{one.operator} compares with one number."
    elif one.operator is Operator.CONTAINS and not (amount == 1 and isinstance(one.values[0], str) and one.values[0]):
        yield ("values",), "CONTAINS looks for one text that is not empty."
    elif one.operator in (Operator.IN, Operator.NOT_IN) and not amount:
        yield ("values",), f"{one.operator} names at least one value."
    elif one.operator in (Operator.EXISTS, Operator.NOT_EXISTS) and amount:
        yield ("values",), f"{one.operator} has no values."


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_VALUE and is_text(value)
    return isinstance(value, int | float) and abs(value) <= LARGEST_NUMBER


def _plain(one: Condition) -> Condition:
    if one.operator in COMPARISONS:
        return replace(one, values=[float(_number(value) or 0) for value in one.values])
    return replace(one, values=sorted({_text(value) for value in one.values}))


def _holds(one: Condition, value: Value | None) -> bool:
    if value is None or one.operator in (Operator.EXISTS, Operator.NOT_EXISTS):
        return (one.operator is Operator.NOT_EXISTS) == (value is None)
    if one.operator in COMPARISONS:
        number = _number(value)
        return number is not None and COMPARISONS[one.operator](number, one.values[0])
    if one.operator is Operator.CONTAINS:
        return one.values[0] in _text(value)
    return (_text(value) in one.values) == (one.operator is Operator.IN)


def _text(value: Value) -> str:
    """A value as text: numbers as short as they can be, so that 5.0 is 5."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number(value: object) -> float | None:
    if isinstance(value, str):
        return float(value) if re.fullmatch(NUMBER, value) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
