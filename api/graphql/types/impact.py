"""What changes are worth at the top of the ladder, as the API shows it."""

import asyncio
from datetime import date
from math import expm1
from typing import TYPE_CHECKING, Annotated

import strawberry

from api.graphql.context import Info
from api.graphql.nodes import bad_input
from api.graphql.types.interval import Interval
from api.graphql.types.kpi import Kpi
from experiments import tables
from experiments.programme import impact
from experiments.programme.impact import AtTop, Effect, Terms
from experiments.programme.programme import DAY, LONGEST
from kpi import tables as kpi_tables
from stats.ladder.carry import Carried
from stats.ladder.elasticity import NotIdentified, Obstacle
from stats.results import Interval as StatsInterval

if TYPE_CHECKING:
    from api.graphql.types.experiment import Experiment
    from api.graphql.types.hypothesis import Hypothesis

LazyExperiment = Annotated["Experiment", strawberry.lazy("api.graphql.types.experiment")]
LazyHypothesis = Annotated["Hypothesis", strawberry.lazy("api.graphql.types.hypothesis")]
"""What shows its impact is shown by it."""
MOST_SEGMENTS = 50
LEAST_LIFT, MOST_LIFT = -0.95, 10.0
"""Of what may be supposed: further off, the ladder's straight lines between logarithms say nothing."""

Coverage = Annotated[
    float, strawberry.argument(description="The share of the units that get the change, 0 to 1; all if not said.")
]
Cost = Annotated[
    float,
    strawberry.argument(description="What serving a unit that gets the change costs more a year, in units of revenue."),
]
Periods = Annotated[
    float,
    strawberry.argument(description="How often a year the stated revenue is paid: 12 for monthly revenue, 1 for ARR."),
]


@strawberry.input(description="A segment's share of the units in another mix than the experiment's.")
class SegmentShareInput:
    """A segment's share of the units."""

    segment: str = strawberry.field(description="The segment, such as `plan=pro`; one that the plan has registered.")
    share: float = strawberry.field(description="Its share of the units; all shares add up to 1.")


Mix = Annotated[
    list[SegmentShareInput] | None,
    strawberry.argument(
        description="Another mix of segments that keep their effects; those of the experiment if not said. Effects of "
        "segments are taken as measured, not corrected for the winner's curse."
    ),
]


@strawberry.type(description="A change's effect on the KPI it is decided by, relative: 0.05 is five per cent.")
class ImpactEffect:
    """A change's effect."""

    effect: strawberry.Private[Effect]

    @strawberry.field(description="The KPI.", graphql_type=Kpi | None)
    async def kpi(self, info: Info) -> kpi_tables.Kpi | None:
        """The KPI."""
        return await info.context.loaders.kpis.load(self.effect.kpi_id)

    @strawberry.field(description="The lift as it was seen; of several experiments weighted by their precision.")
    def seen(self) -> float:
        """The lift as it was seen."""
        return expm1(self.effect.seen)

    @strawberry.field(description="The lift less the winner's curse: what is carried up the ladder.")
    def lift(self) -> float:
        """The lift that is carried."""
        return expm1(self.effect.lift)

    @strawberry.field(description="The standard error of the logarithm of one plus the lift.")
    def standard_error(self) -> float:
        """The standard error on the log scale."""
        return self.effect.standard_error

    @strawberry.field(description="How the winner's curse was corrected.")
    def method(self) -> str:
        """How it was corrected."""
        return self.effect.method


@strawberry.type(description="What a change of a KPI that is a share of revenue is worth a year, in units of revenue.")
class RevenueImpact:
    """What a change is worth a year."""

    found: strawberry.Private[AtTop]

    @strawberry.field(description="The revenue of a year as units pay it now: what the KPI will be a share of.")
    def yearly(self) -> float | None:
        """The revenue of a year."""
        return self.found.yearly

    @strawberry.field(description="The day it was summed up at the end of.")
    def summed_on(self) -> date | None:
        """The day it was summed up."""
        return None if self.found.summit.revenue is None else self.found.summit.revenue.on

    @strawberry.field(description="The units that pay.")
    def units(self) -> int | None:
        """The units that pay."""
        return None if self.found.summit.revenue is None else self.found.summit.revenue.units

    @strawberry.field(description="The yearly revenue times the KPI's level times its lift.")
    def gain(self) -> float | None:
        """What the change brings."""
        return None if self.found.worth is None else self.found.worth.gain

    @strawberry.field(description="What serving those who get it costs.")
    def cost(self) -> float | None:
        """What it costs."""
        return None if self.found.worth is None else self.found.worth.cost

    @strawberry.field(description="What is left of the gain.")
    def net(self) -> float | None:
        """What is left."""
        return None if self.found.worth is None else self.found.worth.net

    @strawberry.field(description="The interval of the net.", graphql_type=Interval | None)
    def interval(self) -> StatsInterval | None:
        """The interval of the net."""
        return None if self.found.worth is None else self.found.worth.interval


@strawberry.type(
    description="What changes do to a KPI at the top, carried over the ladder. Null where a link on every way is not "
    "identified."
)
class TopImpact:
    """What changes do to a KPI at the top."""

    found: strawberry.Private[AtTop]

    @strawberry.field(description="The KPI.", graphql_type=Kpi)
    def kpi(self) -> kpi_tables.Kpi:
        """The KPI."""
        return self.found.summit.kpi

    @strawberry.field(description="The relative change of the KPI, 0.05 for five per cent.")
    def lift(self) -> float | None:
        """The relative change."""
        return None if self._carried is None else self._carried.lift

    @strawberry.field(description="The 95% interval of the lift.", graphql_type=Interval | None)
    def interval(self) -> StatsInterval | None:
        """The interval of the lift."""
        return None if self._carried is None else self._carried.lift_interval

    @strawberry.field(description="The standard error of the logarithm of one plus the lift.")
    def standard_error(self) -> float | None:
        """The standard error on the log scale."""
        return None if self._carried is None else self._carried.standard_error

    @strawberry.field(description="The part of it that comes from the effects: more units make it smaller.")
    def standard_error_of_effects(self) -> float | None:
        """The part from the effects."""
        return None if self._carried is None else self._carried.standard_error_of_effects

    @strawberry.field(description="The part of it that comes from the links of the ladder: no experiment's size does.")
    def standard_error_of_links(self) -> float | None:
        """The part from the links."""
        return None if self._carried is None else self._carried.standard_error_of_links

    @strawberry.field(description="Whether data say so alone, with no assumption on the way.")
    def is_estimated(self) -> bool:
        """Whether data say so alone."""
        return self._carried is not None and self._carried.is_estimated

    @strawberry.field(description="How the interval was computed.")
    def method(self) -> str | None:
        """How the interval was computed."""
        return None if self._carried is None else self._carried.method

    @strawberry.field(description="Why there is no answer; null where there is one.")
    def obstacle(self) -> Obstacle | None:
        """Why there is no answer."""
        return self.found.carried.obstacle if isinstance(self.found.carried, NotIdentified) else None

    @strawberry.field(description="The same in words.")
    def sentence(self) -> str | None:
        """Why there is no answer, in words."""
        return self.found.carried.obstacle.sentence if isinstance(self.found.carried, NotIdentified) else None

    @strawberry.field(description="What that is worth in revenue.")
    def revenue(self) -> RevenueImpact:
        """What that is worth."""
        return RevenueImpact(found=self.found)

    @property
    def _carried(self) -> Carried | None:
        return self.found.carried if isinstance(self.found.carried, Carried) else None


@strawberry.type(description="An experiment that tested a change.")
class ImpactPart:
    """An experiment that tested a change."""

    identity: strawberry.Private[int]

    @strawberry.field(description="The experiment.", graphql_type=LazyExperiment | None)
    async def experiment(self, info: Info) -> tables.Experiment | None:
        """The experiment."""
        return await info.context.loaders.experiments.load(self.identity)


@strawberry.type(description="What one change is worth: its effect, and what that comes to at the top of the ladder.")
class Impact:
    """What one change is worth."""

    found: strawberry.Private[impact.Impact]

    @strawberry.field(description="The hypothesis it is about.", graphql_type=LazyHypothesis | None)
    async def hypothesis(self, info: Info) -> kpi_tables.Hypothesis | None:
        """The hypothesis it is about."""
        return await info.context.loaders.hypotheses.load(self.found.effect.hypothesis_id)

    @strawberry.field(description="The experiments that tested it.")
    def parts(self) -> list[ImpactPart]:
        """The experiments that tested it."""
        return [ImpactPart(identity=one) for one in self.found.effect.experiment_ids]

    @strawberry.field(description="Whether it was decided to ship it, and approved where that is needed.")
    def is_shipped(self) -> bool:
        """Whether it was decided to ship it."""
        return self.found.effect.is_shipped

    @strawberry.field(description="Its effect on the KPI that it is decided by.")
    def effect(self) -> ImpactEffect:
        """Its effect."""
        return ImpactEffect(effect=self.found.effect)

    @strawberry.field(description="What it comes to at each KPI that is a share of revenue that recurs, by key.")
    def tops(self) -> list[TopImpact]:
        """What it comes to at the top."""
        return [TopImpact(found=one) for one in self.found.tops]


@strawberry.type(description="What the changes that were shipped over a time are worth. Days are of UTC.")
class ShippedImpact:
    """What shipped changes are worth."""

    from_on: date = strawberry.field(description="The first day.")
    to_on: date = strawberry.field(description="The day it ends before.")
    found: strawberry.Private[impact.Together]

    @strawberry.field(description="Each change by itself; one that several experiments tested is one change.")
    def changes(self) -> list[Impact]:
        """Each change by itself."""
        return [Impact(found=one) for one in self.found.each]

    @strawberry.field(
        description="All of them together. Lifts multiply; what a link gets wrong, it gets wrong for all of them. "
        "Changes from which no identified link leads to the KPI are left out: each says so by itself."
    )
    def tops(self) -> list[TopImpact]:
        """All of them together."""
        return [TopImpact(found=one) for one in self.found.tops]


def terms_of(coverage: float, cost_to_serve: float, periods_a_year: float) -> Terms:
    """What is supposed beside the data. Raises bad input."""
    if not 0 <= coverage <= 1:
        raise bad_input("A coverage lies between 0 and 1.")
    if not 0 <= cost_to_serve < float("inf"):
        raise bad_input("What serving a unit costs is not negative.")
    if not 0 < periods_a_year <= 366:
        raise bad_input("Revenue is paid at most 366 times a year, and at all.")
    return Terms(coverage=coverage, cost_to_serve=cost_to_serve, periods=periods_a_year)


async def of_experiment(info: Info, experiment: tables.Experiment, terms: Terms, mix: Mix) -> Impact | None:
    """What an experiment's shipped or leading variant is worth; None without an effect."""
    programme = await info.context.loaders.programme()
    effect = impact.effect_of(programme.rows, [row for row in programme.rows if row.experiment_id == experiment.id])
    if effect is not None and mix:
        effect = await _in_mix(info, experiment, effect, mix)
    if effect is None:
        return None
    return Impact(found=await asyncio.to_thread(impact.of_change, effect, programme.links, programme.summits, terms))


async def of_hypothesis(info: Info, hypothesis: kpi_tables.Hypothesis, terms: Terms) -> Impact | None:
    """What the change of a hypothesis is worth by all of its experiments; None without an effect."""
    programme = await info.context.loaders.programme()
    effect = impact.effect_of(programme.rows, [row for row in programme.rows if row.hypothesis_id == hypothesis.id])
    if effect is None:
        return None
    return Impact(found=await asyncio.to_thread(impact.of_change, effect, programme.links, programme.summits, terms))


async def of_time(info: Info, begin: date | None, end: date | None, terms: Terms) -> ShippedImpact:
    """What was shipped over a time: the 13 weeks up to today, if not said. Raises bad input."""
    to_on = end or info.context.today + DAY
    from_on = begin or max(date.min + LONGEST, to_on) - 91 * DAY
    if not from_on < to_on <= from_on + min(LONGEST, date.max - from_on):
        raise bad_input(f"A time is 1 to {LONGEST.days:,} days: “to” comes after “from”, and is left out.")
    programme = await info.context.loaders.programme()
    effects = impact.shipped_effects(programme.rows, from_on, to_on)
    found = await asyncio.to_thread(impact.of_changes, effects, programme.links, programme.summits, terms)
    return ShippedImpact(from_on=from_on, to_on=to_on, found=found)


async def of_supposition(info: Info, key: str, lift: float, terms: Terms) -> list[TopImpact] | None:
    """What a change would be worth if it moved a KPI by this lift; None for a KPI that is not there."""
    if not LEAST_LIFT <= lift <= MOST_LIFT:
        raise bad_input(f"A lift lies between {LEAST_LIFT:g} and {MOST_LIFT:g}: 0.05 is five per cent.")
    kpi = await info.context.loaders.kpis_by_key.load(key)
    if kpi is None:
        return None
    above = await info.context.loaders.ascent()
    found = await asyncio.to_thread(impact.of_supposition, kpi.id, lift, above.links, above.summits, terms)
    return [TopImpact(found=one) for one in found]


async def _in_mix(
    info: Info, experiment: tables.Experiment, effect: Effect, mix: list[SegmentShareInput]
) -> Effect | None:
    shares = {one.segment: one.share for one in mix}
    if len(shares) < len(mix) or len(mix) > MOST_SEGMENTS or len({one.partition("=")[0] for one in shares}) > 1:
        raise bad_input("A mix names segments of one attribute, each once.")
    if not all(share >= 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
        raise bad_input("The shares of a mix are not negative and add up to 1.")
    found = await info.context.loaders.segment_effects(experiment, effect.kpi_id, shares)
    return None if found is None else impact.mixed(effect, found)
