"""How a KPI ranks its units, worst first, and what of a composite pulls one down. Pure but for what it is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds, queries
from kpi.errors import Problem, bad
from kpi.history import entry as entries
from kpi.history.tables import History
from kpi.history.units import Ends, ends_of
from kpi.history.values import EVERYBODY
from kpi.ingest import is_text
from kpi.kinds.composite import Component, Composite, is_component
from kpi.tables import Definition, Kpi

MOST_REASONS = 3
"""Components that a reason names: who calls has a minute to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who is at risk: all whose number is worse than `below`, or the `worst` share of all units; of one segment.

    The share is of all units, whatever the segment, and rounded up; units that are level with its last one are in it.
    """

    below: float | None = None
    worst: float | None = None
    segment: str = EVERYBODY

    def problems(self) -> list[Problem]:
        """What is wrong with it."""
        if (self.below is None) == (self.worst is None):
            return [
                bad("Say who is at risk by a number (below) or by a share of the units (worst): one of both.", "worst")
            ]
        if not is_text(self.segment):
            return [bad("A segment is text, such as `plan=pro`.", "segment")]
        if self.below is not None and not isfinite(self.below):
            return [bad("“below” is a number.", "below")]
        if self.worst is not None and not 0 < self.worst <= 1:
            return [bad("“worst” is a share of the units: above 0, and 1 at most.", "worst")]
        return []

    @property
    def share(self) -> Decimal | None:
        """The share as it was written: 0.29 of 100 units are 29."""
        return None if self.worst is None else Decimal(str(self.worst))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a component is to a unit's score: `contribution` is weight * (value - centre) / spread."""

    kpi: str
    name: str
    value: float
    centre: float
    contribution: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """A definition's units at the ends of its periods; `sign` is +1 where a larger number is better, else -1."""

    workspace_id: int
    definition_id: int
    sign: int
    ends: Ends
    components: Sequence[Component]
    names: Mapping[str, str]
    level: str | None

    def parts(self, values: Sequence[float]) -> list[Part]:
        """A unit's components, in their order, from the numbers of each."""
        return [
            Part(
                kpi=one.kpi,
                name=self.names.get(one.kpi, one.kpi),
                value=value,
                centre=one.centre,
                contribution=one.weight * (value - one.centre) / one.spread,
            )
            for one, value in zip(self.components, values, strict=True)
        ]

    def reasons(self, values: Sequence[float]) -> list[str]:
        """The components that pull a unit down most, in words: “Sessions: 2, centre 12, costs 1.7”."""
        pulling = [part for part in self.parts(values) if self.sign * part.contribution < 0]
        worst = sorted(pulling, key=lambda part: self.sign * part.contribution)[:MOST_REASONS]
        return [
            f"{part.name}: {part.value:.4g}, centre {part.centre:.4g}, costs {abs(part.contribution):.2g}"
            for part in worst
        ]


async def ranking(session: AsyncSession, kpi: Kpi, definition: Definition) -> Ranking | None:
    """How a definition ranks its units; None where it keeps no numbers of single units, or none so far."""
    entry, kind = entries.decode(definition.entry), kinds.decode(definition.kind, definition.parameters)
    history = await session.get(History, definition.id)
    if entry is None or entry.every is None or not is_component(kind) or history is None or history.through is None:
        return None
    components = kind.components if isinstance(kind, Composite) else ()
    named = await queries.kpis_by_key(session, kpi.workspace_id, [one.kpi for one in components])
    return Ranking(
        workspace_id=kpi.workspace_id,
        definition_id=definition.id,
        sign=kpi.direction.sign,
        ends=ends_of(entry.every, history.through),
        components=components,
        names={key: one.name for key, one in named.items()},
        level=entry.among,
    )
