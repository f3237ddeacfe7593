"""Reading what people write - in files, and in the shipped catalogue - field by field, with the path of each fault."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec

from kpi.errors import Problem, bad
from kpi.wire import camel

T = TypeVar("T")
Path = tuple[str, ...]
AT = re.compile(r" - at `\$(.*)`$")
QUOTED = re.compile(r"`(\w+)`")
STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
NEAR = 3
"""Names that are offered for one that is not there."""


def near(word: str, known: Iterable[str]) -> str:
    """` Did you mean “x” or “y”?`, or nothing when no known name is near."""
    names = {name.lower(): name for name in known}
    found = [f"“{names[name]}”" for name in get_close_matches(word.lower(), names, n=NEAR)]
    return f" Did you mean {' or '.join(found)}?" if found else ""


def converted(value: Any, into: type[T], path: Path) -> tuple[T | None, list[Problem]]:
    """A value as one of a type; None and what is wrong, where it is not of that type."""
    try:
        return msgspec.convert(value, into), []
    except msgspec.ValidationError as error:
        return None, [_problem(str(error), path)]


def unknown(given: Iterable[Any], known: Collection[str], path: Path) -> list[Problem]:
    """Fields that nothing reads: a misspelt one would be silently left out."""
    return [
        bad(f"There is no field “{name}”.{near(str(name), known)}", *path, str(name))
        for name in given
        if name not in known
    ]


def snake(name: str) -> str:
    """A name of GraphQL and JSON as Python writes it: what `kpi.wire.camel` takes back."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


def renamed(value: Any, rename: Any) -> Any:
    """A value with the names of all fields in it, however deep, as `rename` writes them."""
    if isinstance(value, Mapping):
        return {rename(name): renamed(part, rename) for name, part in value.items()}
    return [renamed(part, rename) for part in value] if isinstance(value, list | tuple) else value


def _problem(text: str, path: Path) -> Problem:
    """What msgspec found, at the path it names within the value."""
    found = AT.search(text)
    within = [camel(name or number) for name, number in STEP.findall(found[1])] if found else []
    sentence = QUOTED.sub(lambda name: f"“{camel(name[1])}”", AT.sub("", text))
    return bad(f"{sentence}.", *path, *within)
