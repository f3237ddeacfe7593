"""A definition as people write it: one kind, its parameters as GraphQL names them.

`{"timeToValue": {"event": "first_value", "tauDays": 28}}`. The components of a composite are KPIs by their keys; which
versions of them it pinned is not for people to write.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from kpi import kinds
from kpi.errors import Problem, bad
from kpi.kinds.shape import Kind
from kpi.wire import camel
from kpi.wording import Path, converted, near, renamed, snake, unknown

PINNED = {"version", "kind", "parameters"}
"""What of a component is settled when a composite is registered."""


def write(kind: Kind) -> dict[str, Any]:
    """A kind as people write it."""
    name, parameters = kinds.encode(kind)
    return {camel(name): renamed(_unpinned(parameters), camel)}


def read(given: Any, path: Path) -> tuple[Kind | None, list[Problem]]:
    """A definition that somebody wrote; None and all that is wrong with it, where something is."""
    names = [camel(name) for name in kinds.REGISTRY]
    if not isinstance(given, Mapping) or len(given) != 1:
        return None, [bad(f"A definition has exactly one kind: {', '.join(names)}.", *path)]
    ((name, parameters),) = given.items()
    if name not in names:
        return None, [bad(f"There is no kind “{name}”.{near(str(name), names)}", *path)]
    if not isinstance(parameters, Mapping):
        return None, [bad("The parameters of a kind are fields with values.", *path, name)]
    return _of(kinds.REGISTRY[snake(name)], parameters, (*path, name))


def _of(cls: type[Kind], parameters: Mapping[str, Any], path: Path) -> tuple[Kind | None, list[Problem]]:
    kind, problems = converted(_said(renamed(parameters, snake)), cls, path)
    if kind is None:
        return None, problems
    problems = _unread(parameters, renamed(_unpinned(msgspec.to_builtins(kind)), camel), path)
    problems += [bad(text, *path, *field.split(".")) for field, text in kind.problems()]
    return (None if problems else kind), problems


def _unread(given: Any, read: Any, path: Path) -> list[Problem]:
    """Fields of what was given, however deep, that were not read."""
    if isinstance(given, list):
        pairs = enumerate(zip(given, read, strict=True))
        return [problem for place, (one, its) in pairs for problem in _unread(one, its, (*path, str(place)))]
    if not isinstance(given, Mapping) or not isinstance(read, Mapping):
        return []
    within = [(name, part) for name, part in given.items() if name in read]
    deeper = [problem for name, part in within for problem in _unread(part, read[name], (*path, name))]
    return unknown(given, read, path) + deeper


def _unpinned(parameters: dict[str, Any]) -> dict[str, Any]:
    if "components" not in parameters:
        return parameters
    components = [
        {name: value for name, value in component.items() if name not in PINNED}
        for component in parameters["components"]
    ]
    return parameters | {"components": components}


def _said(value: Any) -> Any:
    """Without what is null or false, which says no more than its absence."""
    if isinstance(value, Mapping):
        return {name: _said(part) for name, part in value.items() if part is not None and part is not False}
    return [_said(part) for part in value] if isinstance(value, list) else value
