"""The links of the ladder, as the API shows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.types.interval import Interval
from api.graphql.types.question import LevelType
from kpi import enums, ladder, rungs, tables
from kpi.history.sums import Level
from kpi.rungs import RungState
from stats.ladder.elasticity import Elasticity, NotIdentified, Obstacle, Source
from stats.results import Interval as StatsInterval

if TYPE_CHECKING:
    from api.graphql.types.kpi import Kpi

LazyKpi = Annotated["Kpi", strawberry.lazy("api.graphql.types.kpi")]
"""A KPI shows its links and a link its KPIs."""

strawberry.enum(
    enums.LinkSource,
    name="KpiLinkSource",
    description="Where it is known from how a lagging KPI moves with a leading one.",
)
strawberry.enum(Obstacle, name="KpiLinkObstacle", description="Why the data do not give an elasticity.")

strawberry.enum(RungState, name="KpiLadderState", description="Where a KPI of the ladder stands against its target.")


@strawberry.type(description="How a lagging KPI moves with a leading one, by one source, in its newest version.")
class KpiLink:
    """A link."""

    version: int = strawberry.field(description="Its version, from 1.")
    source: enums.LinkSource = strawberry.field(description="Where it is known from.")
    elasticity: float | None = strawberry.field(
        description=(
            "By how many per cent the lagging KPI moves with one per cent of the leading one; null where the data do "
            "not give it, and where it was withdrawn."
        )
    )
    standard_error: float | None = strawberry.field(description="The standard error of the elasticity.")
    df: float | None = strawberry.field(description="The degrees of freedom of the error; null for the normal.")
    low: float | None = strawberry.field(description="The least that is assumed; null for what data say.")
    likely: float | None = strawberry.field(description="The likeliest that is assumed; null for what data say.")
    high: float | None = strawberry.field(description="The most that is assumed; null for what data say.")
    by: str = strawberry.field(description="The name of the key that set it.")
    reason: str = strawberry.field(description="The reason.")
    created_at: datetime = strawberry.field(description="The time it was set.")

    @strawberry.field(description="Whether data say so, and not a person.")
    def is_estimated(parent: Parent[tables.KpiLink]) -> bool:
        """Whether data say so."""
        return parent.source is not enums.LinkSource.ASSUMPTION

    @strawberry.field(description="Why the data do not give an elasticity; null where they do.")
    def obstacle(parent: Parent[tables.KpiLink]) -> Obstacle | None:
        """Why there is none."""
        return None if parent.undefined is None else Obstacle(parent.undefined)

    @strawberry.field(description="The same in a sentence.")
    def sentence(parent: Parent[tables.KpiLink]) -> str | None:
        """Why there is none, in words."""
        return None if parent.undefined is None else Obstacle(parent.undefined).sentence

    @strawberry.field(description="The KPI that moves first.", graphql_type=LazyKpi | None)
    async def leading(parent: Parent[tables.KpiLink], info: Info) -> tables.Kpi | None:
        """The leading KPI."""
        return await info.context.loaders.kpis.load(parent.leading_id)

    @strawberry.field(description="The KPI that moves with it.", graphql_type=LazyKpi | None)
    async def lagging(parent: Parent[tables.KpiLink], info: Info) -> tables.Kpi | None:
        """The lagging KPI."""
        return await info.context.loaders.kpis.load(parent.lagging_id)


@strawberry.type(
    description="One step of the ladder: what each source says of two KPIs, and what they say together. Sources are "
    "weighted by their precision where they agree; where they do not, the most trusted one holds: experiments before "
    "cohorts before what is assumed."
)
class KpiStep:
    """One step of the ladder."""

    step: strawberry.Private[ladder.Step]

    @strawberry.field(description="The KPI that moves first.", graphql_type=LazyKpi | None)
    async def leading(self, info: Info) -> tables.Kpi | None:
        """The leading KPI."""
        return await info.context.loaders.kpis.load(self.step.leading_id)

    @strawberry.field(description="The KPI that moves with it.", graphql_type=LazyKpi | None)
    async def lagging(self, info: Info) -> tables.Kpi | None:
        """The lagging KPI."""
        return await info.context.loaders.kpis.load(self.step.lagging_id)

    @strawberry.field(description="What each source says, in its newest version.", graphql_type=list[KpiLink])
    def links(self) -> list[tables.KpiLink]:
        """What each source says."""
        return list(self.step.links)

    @strawberry.field(
        description="By how many per cent the lagging KPI moves with one per cent of the leading one, by all sources "
        "together; null where none identifies it."
    )
    def elasticity(self) -> float | None:
        """The elasticity by all sources together."""
        return None if self._found is None else self._found.estimate

    @strawberry.field(description="The standard error of the elasticity.")
    def standard_error(self) -> float | None:
        """The standard error."""
        return None if self._found is None else self._found.standard_error

    @strawberry.field(description="The 95% interval of the elasticity.", graphql_type=Interval | None)
    def interval(self) -> StatsInterval | None:
        """The interval."""
        return None if self._found is None else self._found.interval

    @strawberry.field(description="Whether data alone say so; one assumption in it, and it is no estimate.")
    def is_estimated(self) -> bool:
        """Whether data alone say so."""
        return self._found is not None and self._found.is_estimated

    @strawberry.field(description="The sources that it rests on, the most trusted first.")
    def used(self) -> list[enums.LinkSource]:
        """The sources that it rests on."""
        return [] if isinstance(self.step.found, NotIdentified) else _sources(self.step.found.used)

    @strawberry.field(description="The sources that disagree with it or were not needed, and have no part in it.")
    def set_aside(self) -> list[enums.LinkSource]:
        """The sources that have no part in it."""
        return [] if isinstance(self.step.found, NotIdentified) else _sources(self.step.found.set_aside)

    @strawberry.field(
        description="The p-value of Cochran's Q of the sources; below 0.10 they disagree. Null with one source."
    )
    def q_p_value(self) -> float | None:
        """The p-value of Cochran's Q."""
        return None if isinstance(self.step.found, NotIdentified) else self.step.found.q_p_value

    @strawberry.field(description="Why it is not identified; null where it is.")
    def obstacle(self) -> Obstacle | None:
        """Why it is not identified."""
        return self.step.found.obstacle if isinstance(self.step.found, NotIdentified) else None

    @strawberry.field(description="The same in words.")
    def sentence(self) -> str:
        """What is known of the step, in words."""
        return self.step.sentence

    @property
    def _found(self) -> Elasticity | None:
        return None if isinstance(self.step.found, NotIdentified) else self.step.found.elasticity


def _sources(sources: tuple[Source, ...]) -> list[enums.LinkSource]:
    return [enums.LinkSource(source.upper()) for source in sources]


@strawberry.type(description="A KPI of the ladder, where it is and where it shall be.")
class KpiRung:
    """A KPI of the ladder."""

    rung: strawberry.Private[rungs.Rung]

    @strawberry.field(description="The KPI.", graphql_type=LazyKpi | None)
    def kpi(self) -> tables.Kpi:
        """The KPI."""
        return self.rung.kpi

    @strawberry.field(
        description="How many steps lead up to it at most; 0 for KPIs that none leads to. Steps count that "
        "are not identified as well."
    )
    def height(self) -> int:
        """How many steps lead up to it."""
        return self.rung.height

    @strawberry.field(description="Its newest level; null without a history.", graphql_type=LevelType | None)
    def level(self) -> Level | None:
        """Its newest level."""
        return self.rung.level

    @strawberry.field(description="The value it shall have; null where nothing is aimed at.")
    def target(self) -> float | None:
        """The value it shall have."""
        return None if self.rung.target is None else self.rung.target.value

    @strawberry.field(description="The alerts of the KPI that are not resolved.")
    def open_alerts(self) -> int:
        """The alerts that are not resolved."""
        return self.rung.open_alerts

    @strawberry.field(
        description="Whether it is a share of revenue that recurs, such as NRR: what changes it is worth money, and "
        "impact is told of it."
    )
    def is_share_of_revenue(self) -> bool:
        """Whether it is a share of revenue."""
        return self.rung.is_share_of_revenue

    @strawberry.field(description="Where it stands against its target, as its value is and without regard to chance.")
    def state(self) -> RungState:
        """Where it stands."""
        return self.rung.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The KPIs of a ladder and the steps between them."""

    rungs: list[rungs.Rung]
    steps: list[ladder.Step]


@strawberry.type(description="The ladder of the workspace: KPIs from leading to lagging, and the steps between them.")
class KpiLadder:
    """The ladder of the workspace."""

    @strawberry.field(description="The KPIs that have a link, those that lead first.")
    def rungs(parent: Parent[Whole]) -> list[KpiRung]:
        """The KPIs that have a link."""
        return [KpiRung(rung=rung) for rung in parent.rungs]

    @strawberry.field(description="The steps between them, also those that are not identified.")
    def steps(parent: Parent[Whole]) -> list[KpiStep]:
        """The steps between them."""
        return [KpiStep(step=step) for step in parent.steps]


async def whole(info: Info) -> Whole:
    """The ladder of the caller's workspace."""
    async with info.context.read() as session:
        found, steps = await rungs.read(session, info.context.caller.workspace_id)
    return Whole(rungs=found, steps=steps)
