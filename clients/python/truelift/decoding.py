"""JSON answers as frozen values: the schema's names become names with underscores."""

import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def decode(value: Any, of: type[T]) -> T:
    """A JSON value as a class, its parts included."""
    return msgspec.convert(snake(value), of)


def snake(value: Any) -> Any:
    """A JSON value whose names have underscores: `adjustedPValue` is `adjusted_p_value`."""
    if isinstance(value, dict):
        return {CAPITAL.sub("_", name).lower(): snake(part) for name, part in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [snake(part) for part in value]
    return value
