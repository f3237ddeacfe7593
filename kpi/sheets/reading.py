"""Reading a file of KPIs: every fault at once, each with its path. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import msgspec

from kpi.catalogue.completion import USUAL, Choice, completed
from kpi.enums import Direction, Driver, Frequency, Tier, Unit
from kpi.errors import Problem, bad
from kpi.governance import Aim
from kpi.history.entry import Entry
from kpi.kinds import written
from kpi.service import key_problems, text_problems
from kpi.wire import camel
from kpi.wording import Path, converted, renamed, snake, unknown

PLAIN: Mapping[str, Any] = {
    "key": str,
    "name": str,
    "description": str,
    "unit": Unit,
    "direction": Direction,
    "tier": Tier,
    "isLeading": bool,
    "driver": Driver,
    "owner": str,
    "dataSource": str,
    "frequency": Frequency,
    "action": str,
    "segments": tuple[str, ...],
}
"""Fields that are what they say, and what each is."""
FIELDS = (*PLAIN, "entry", "definition", "target", "fromCatalogue", "events")
TEXTS = ("name", "description", "owner", "dataSource", "action")


class Rename(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"old": "from", "new": "to"}
):
    """An event of the catalogue, and what it is called here."""

    old: str
    new: str


class Aimed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A target, as a file says it."""

    value: float | None = None
    due_on: date | None = None
    owner: str = ""
    approver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What a file says of a KPI: all that registering it takes, and where it shall be if the file says that."""

    fields: Mapping[str, Any]
    aim: Aim | None
    path: Path

    @property
    def key(self) -> str:
        """The KPI's key."""
        key: str = self.fields["key"]
        return key


def read(value: Any) -> tuple[list[Sheet], list[Problem]]:
    """The KPIs of a document that hold, and all faults."""
    if not isinstance(value, Mapping) or not isinstance(value.get("kpis"), list):
        return [], [bad("A file of KPIs has one field, “kpis”, with a list of them.")]
    sheets: list[Sheet] = []
    problems = unknown(value, ("kpis",), ())
    for place, given in enumerate(value["kpis"]):
        sheet, found = _sheet(given, ("kpis", str(place)))
        problems += found
        if sheet is not None and sheet.key in [other.key for other in sheets]:
            problems.append(bad(f"The KPI “{sheet.key}” stands in the file twice.", *sheet.path, "key"))
        elif sheet is not None:
            sheets.append(sheet)
    return sheets, problems


def _sheet(given: Any, path: Path) -> tuple[Sheet | None, list[Problem]]:
    if not isinstance(given, Mapping):
        return None, [bad("A KPI is a list of fields with values.", *path)]
    problems = unknown(given, FIELDS, path)
    said: dict[str, Any] = {}
    for name, value in given.items():
        if name in PLAIN or name in ("entry", "definition"):
            said[snake(name)], found = _value(name, value, (*path, name))
            problems += found
    choice, found = _choice(given, path)
    fields, missing = completed(said, choice, path)
    aim, unaimed = _aim(given.get("target"), (*path, "target"))
    problems += found + missing + unaimed
    if not problems:
        problems = _rule_problems(fields, path)
    return (None if problems else Sheet(fields=fields, aim=aim, path=path)), problems


def _value(name: str, value: Any, path: Path) -> tuple[Any, list[Problem]]:
    if name == "definition":
        return written.read(value, path)
    if value is None:
        return USUAL.get(snake(name)), [] if snake(name) in USUAL else [bad(f"{name} is missing.", *path)]
    if name == "entry":
        return _entry(value, path)
    return converted(value, PLAIN[name], path)


def _entry(value: Any, path: Path) -> tuple[Entry | None, list[Problem]]:
    known = [camel(field) for field in Entry.__dataclass_fields__]
    if not isinstance(value, Mapping):
        return None, [bad(f"Who is counted is said by one of {', '.join(known)}.", *path)]
    entry, problems = converted(renamed(value, snake), Entry, path)
    return entry, unknown(value, known, path) + problems


def _choice(given: Mapping[str, Any], path: Path) -> tuple[Choice, list[Problem]]:
    template, problems = converted(given.get("fromCatalogue"), str | None, (*path, "fromCatalogue"))  # type: ignore[arg-type]  # a union is a type to msgspec
    renames, found = converted(given.get("events") or [], list[Rename], (*path, "events"))
    events = tuple((rename.old, rename.new) for rename in renames or ())
    return Choice(template=template, events=events), problems + found


def _aim(value: Any, path: Path) -> tuple[Aim | None, list[Problem]]:
    if value is None:
        return None, []
    aimed, problems = converted(value, Aimed, path)
    return None if aimed is None else Aim(**msgspec.structs.asdict(aimed)), problems


def _rule_problems(fields: Mapping[str, Any], path: Path) -> list[Problem]:
    """What the rules of registering say of it that need no workspace."""
    texts = {name: fields[snake(name)] for name in TEXTS}
    problems = key_problems(fields["key"]) + text_problems(texts, required={"name", "owner"})
    return [replace(problem, path=(*path, *problem.path)) for problem in problems]
