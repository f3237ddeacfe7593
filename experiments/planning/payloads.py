"""A variant's payload: what a person may hand to whoever shows the variant. Pure."""

from collections.abc import Iterator
from typing import Any

import rfc8785

from kpi.ingest import is_text

LARGEST_PAYLOAD = 4_096
"""Bytes of canonical JSON."""
MOST_NESTED = 16
LARGEST_NUMBER = 2**53 - 1
"""Beyond it JSON's numbers are not the same everywhere, and a seal must be."""


def faults(payload: object) -> list[str]:
    """What is wrong with a payload, in sentences."""
    if not isinstance(payload, dict):
        return ["A payload is a JSON object."]
    within = list(_within(payload))
    found: list[str] = []
    if any(depth > MOST_NESTED for depth, _ in within):
        found.append(f"A payload is nested at most {MOST_NESTED} deep.")
    if not all(is_text(value) for _, value in within if isinstance(value, str)):
        found.append("A payload holds a character that is not text.")
    if not all(_is_number(value) for _, value in within if isinstance(value, int | float)):
        found.append(f"A number of a payload is of a size up to {LARGEST_NUMBER}; write a larger one as text.")
    if not found and len(rfc8785.dumps(payload)) > LARGEST_PAYLOAD:
        found.append(f"A payload has at most {LARGEST_PAYLOAD:,} bytes as canonical JSON.")
    return found


def _within(payload: Any) -> Iterator[tuple[int, Any]]:
    """Every value and every key with how deep it lies; no deeper than may be."""
    left = [(0, payload)]
    while left:
        depth, value = left.pop()
        yield depth, value
        if depth > MOST_NESTED:
            continue
        if isinstance(value, dict):
            left += [(depth + 1, part) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            left += [(depth + 1, part) for part in value]


def _is_number(value: float) -> bool:
    return abs(value) <= LARGEST_NUMBER  # which no NaN is
