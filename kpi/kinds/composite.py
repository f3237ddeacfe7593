"""Composite: a weighted sum of several KPIs of a unit, each on a scale of its own, such as a health score."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeGuard

from kpi import kinds
from kpi.kinds.mean import Amounts
from kpi.kinds.moments import Number

MOST_COMPONENTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A KPI's part of a composite: `weight` times how many `spread`s the unit's number lies above the `centre`.

    It holds the definition of the version it was pinned at; version 0 is not pinned yet.
    """

    kpi: str
    weight: float
    centre: float = 0.0
    spread: float = 1.0
    version: int = 0
    kind: str = ""
    parameters: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def number(self) -> Number:
        """The kind that it is of. Raises ValueError where that has more, or less, than one number a unit."""
        found = kinds.decode(self.kind, self.parameters)
        if not is_component(found):
            raise ValueError(f"{self.kind} has not one number a unit that a composite could add up")
        return found

    def scaled(self, sql: str) -> str:
        """SQL of what it adds, from SQL of the unit's number."""
        weight, centre, spread = (f"{float(part)!r}::float8" for part in (self.weight, self.centre, self.spread))
        return f"{weight} * ({sql} - {centre}) / {spread}"

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with its scale."""
        if not isfinite(self.weight) or self.weight == 0:
            yield "weight", "A weight is a number other than zero; below zero it counts against."
        if not isfinite(self.centre):
            yield "centre", "The centre is a number: the level that counts for nothing."
        if not (isfinite(self.spread) and self.spread > 0):
            yield "spread", "The spread is a positive number: how much of the KPI counts for one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite(Amounts):
    """The mean per unit of a weighted sum: of each component the unit's number, less its centre, over its spread.

    Who did nothing has each component's number for that, which is 0 before it is centred.
    """

    components: tuple[Component, ...]

    @property
    def events(self) -> tuple[str, ...]:
        """Names of the events its components read, each once."""
        return tuple(dict.fromkeys(event for one in self.components for event in one.number.events))

    @property
    def window(self) -> tuple[int, int]:
        """From the first day that a component counts until the last one is final."""
        windows = [one.number.window for one in self.components]
        return min(start for start, _ in windows), max(until for _, until in windows)

    def per_unit(self, numbers: Mapping[str, int]) -> str:
        """The sum, each component over its own window."""
        return self._sum(one.scaled(one.number.per_unit(numbers)) for one in self.components)

    def amount(self, numbers: Mapping[str, int], start: int, until: int) -> str:
        """The sum, all components over the same days."""
        return self._sum(one.scaled(one.number.amount(numbers, start, until)) for one in self.components)

    @property
    def kpis(self) -> set[str]:
        """Keys of the KPIs that it holds, and those that composites among them hold."""
        found = {one.kpi for one in self.components}
        inner = (one.number for one in self.components if one.version)
        return found.union(*(kind.kpis for kind in inner if isinstance(kind, Composite)))

    def problems(self) -> list[tuple[str, str]]:
        """What is wrong with the parameters; the place of a component stands between dots."""
        found: list[tuple[str, str]] = []
        if not 2 <= len(self.components) <= MOST_COMPONENTS:
            found.append(("components", f"A composite has 2 to {MOST_COMPONENTS} components."))
        keys = [one.kpi for one in self.components]
        for place, one in enumerate(self.components):
            if one.kpi in keys[:place]:
                found.append((f"components.{place}.kpi", f"The KPI “{one.kpi}” is a component twice."))
            found += [(f"components.{place}.{name}", text) for name, text in one.problems()]
        return found

    def _sum(self, parts: Iterator[str]) -> str:
        return f"({' + '.join(parts)})"


def is_component(kind: kinds.Kind) -> TypeGuard[Number]:
    """Whether a kind has one number a unit, which a composite can add up."""
    return isinstance(kind, Number) and kind.adds_up
