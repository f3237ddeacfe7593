"""What a file would change in a workspace, path by path; and a KPI as a file writes it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from kpi import kinds
from kpi.governance import AIMED, DETAILS, Aim, differences
from kpi.history import entry as entries
from kpi.kinds import written
from kpi.tables import Definition, Kpi, Target
from kpi.wire import camel
from kpi.wording import renamed

ORDER = (
    "key", "name", "description", "unit", "direction", "tier", "is_leading", "driver", "owner", "data_source",
    "frequency", "action", "segments", "entry", "definition",
)  # fmt: skip
"""The fields of a KPI in the order of a file."""


class Fate(StrEnum):
    """What becomes of a KPI when a file is applied."""

    NEW = "NEW"
    CHANGED = "CHANGED"
    UNCHANGED = "UNCHANGED"
    UNLISTED = "UNLISTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of a KPI, and each value that changes: path, before and after."""

    key: str
    fate: Fate
    changes: tuple[dict[str, Any], ...] = ()


def standing(kpi: Kpi, definition: Definition) -> dict[str, Any]:
    """A KPI of a workspace with all that registering it takes."""
    details = {name: getattr(kpi, name) for name in ("key", "unit", *DETAILS)}
    kind = kinds.decode(definition.kind, definition.parameters)
    return {**details, "definition": kind, "entry": entries.decode(definition.entry)}


def form(fields: Mapping[str, Any], target: Target | Aim | None) -> dict[str, Any]:
    """A KPI as a file writes it, from all that registering it takes; with its target, where there is one."""
    plain = {name: msgspec.to_builtins(fields[name]) for name in ORDER if name not in ("definition", "entry")}
    entry = entries.encode(fields["entry"])
    shown = {
        **{camel(name): list(value) if isinstance(value, tuple) else value for name, value in plain.items()},
        **({} if entry is None else {"entry": renamed(entry, camel)}),
        "definition": written.write(fields["definition"]),
    }
    return shown if target is None or target.value is None else shown | {"target": _aimed(target)}


def compared(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Step:
    """A KPI of a workspace, or none, beside what a file says of it; both as a file writes them."""
    changes = tuple(differences(dict(_leaves(before or {}, "")), dict(_leaves(after, ""))))
    if before is None:
        return Step(key=after["key"], fate=Fate.NEW, changes=changes)
    return Step(key=after["key"], fate=Fate.CHANGED if changes else Fate.UNCHANGED, changes=changes)


def _aimed(target: Target | Aim) -> dict[str, Any]:
    values = {camel(name): msgspec.to_builtins(getattr(target, name)) for name in AIMED}
    return {name: value for name, value in values.items() if value not in (None, "")}


def _leaves(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, Mapping):
            yield from _leaves(part, f"{path}{name}.")
        else:
            yield f"{path}{name}", part
