"""The shipped KPIs: what customer-success and growth teams measure, each ready to be registered.

The data stand beside this file, one file an area, and `events.yaml` for the events that they read.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from kpi import kinds
from kpi.enums import Direction, Driver, Frequency, Tier, Unit
from kpi.errors import Code, Problem, refuse
from kpi.history.entry import Entry
from kpi.kinds import Component, Composite, Kind, written
from kpi.wording import near, renamed, snake

AREAS = ("onboarding", "adoption", "retention", "renewal", "health", "expansion", "advocacy")


class Signal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event that KPIs of the catalogue read: what it says, what its value is, and a row of it."""

    name: str
    of: Unit
    meaning: str
    value: str | None = None
    example: dict[str, Any]


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A KPI of the catalogue; its definition and entry as people write them."""

    area: str
    key: str
    name: str
    description: str
    formula: str
    measured_in: str
    unit: Unit
    direction: Direction
    tier: Tier
    is_leading: bool
    driver: Driver
    frequency: Frequency
    action: str
    segments: tuple[str, ...]
    entry: dict[str, Any]
    definition: dict[str, Any]

    @property
    def kind(self) -> Kind:
        """Its definition; the components of a composite are not pinned to anybody's KPIs yet."""
        kind, problems = written.read(self.definition, ("definition",))
        refuse(problems)
        assert kind is not None  # noqa: S101 - without a kind there is a problem
        return kind

    @property
    def shown(self) -> Kind:
        """Its definition; a composite with the catalogue's own definitions of its components."""
        kind = self.kind
        if not isinstance(kind, Composite):
            return kind
        return replace(kind, components=tuple(_described(component) for component in kind.components))

    @property
    def enters(self) -> Entry:
        """Whom it counts outside experiments."""
        return msgspec.convert(renamed(self.entry, snake), Entry)

    @property
    def events(self) -> tuple[Signal, ...]:
        """The events it needs: that by which units enter, and those of its definition."""
        entered = [self.enters.event] if self.enters.event else []
        return tuple(signals()[name] for name in dict.fromkeys([*entered, *self.shown.events]))


@cache
def templates() -> Mapping[str, Template]:
    """All KPIs of the catalogue by key, area by area."""
    found = [msgspec.convert({"area": area, **fields}, Template) for area in AREAS for fields in _data(area)["kpis"]]
    return {template.key: template for template in found}


@cache
def signals() -> Mapping[str, Signal]:
    """All events that KPIs of the catalogue read, by name."""
    found = [msgspec.convert(fields, Signal) for fields in _data("events")["events"]]
    return {signal.name: signal for signal in found}


def absent(key: str, *path: str) -> Problem:
    """A key that nothing in the catalogue has."""
    sentence = f"The catalogue has no KPI “{key}”.{near(key, templates())}"
    return Problem(code=Code.NOT_FOUND, message=sentence, path=path)


def _described(component: Component) -> Component:
    kind, parameters = kinds.encode(templates()[component.kpi].kind)
    return replace(component, kind=kind, parameters=parameters)


def _data(name: str) -> Any:
    return msgspec.yaml.decode(files(__name__).joinpath(f"{name}.yaml").read_bytes())
