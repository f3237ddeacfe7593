"""Whether a KPI stays where it was, and how it swings, as the API shows it."""

from typing import Annotated

import strawberry
from strawberry import Parent

from api.graphql.columns import Numbers
from api.graphql.context import Info
from api.graphql.types.history import Segment, cohorts_between
from api.graphql.types.question import Period
from kpi import enums, tables
from kpi.alerts import judging
from kpi.alerts.conditions import BaselineDrift
from kpi.alerts.conditions.shape import Past, Silence
from kpi.alerts.suggestions import WORTH_KNOWING
from kpi.history import values
from kpi.history.periods import DAY, GRANULARITY
from kpi.history.seasons import Seasons, seasons
from kpi.history.values import EVERYBODY, Series
from stats.results import Reason

REACH = {enums.Granularity.DAY: 400, enums.Granularity.WEEK: 1_100}
LONGEST = 2_200
"""Days that are looked back on: as many periods as the judgement takes."""


@strawberry.type(name="KpiDrift", description="Whether the level since the baseline is still the baseline's.")
class DriftType:
    """Whether the level since the baseline is still the baseline's."""

    has_drifted: bool | None = strawberry.field(
        description="Whether it has drifted; the 95% interval behind it may be read after every period. Null: see why."
    )
    level: float | None = strawberry.field(description="The level of all final periods since the baseline.")
    baseline: float | None = strawberry.field(description="The value of the baseline.")
    lower: float | None = strawberry.field(description="The lower limit of level less baseline.")
    upper: float | None = strawberry.field(description="The upper limit of level less baseline.")
    p_value: float | None = strawberry.field(description="The smallest always-valid p-value so far.")
    sentence: str = strawberry.field(description="What was found, or why nothing can be said.")


@strawberry.type(name="KpiSeasons", description="By how much each season departs from the mean of all, as columns.")
class SeasonsType:
    """By how much each season departs from the mean of all."""

    name: list[str] = strawberry.field(description="The season, such as Monday or March.")
    effect: Numbers = strawberry.field(description="The season less the mean of all, in the KPI's own units.")
    lower: Numbers = strawberry.field(description="The lower limit of its 95% interval.")
    upper: Numbers = strawberry.field(description="The upper limit of its 95% interval.")
    p_value: float | None = strawberry.field(description="The p-value of no seasons at all.")
    share: float | None = strawberry.field(description="The share of the spread around the trend that they explain.")
    reason: Reason | None = strawberry.field(description="The reason there is no answer.")


Shift = Annotated[
    float | None,
    strawberry.argument(description="The drift worth knowing of; a tenth of the baseline when absent."),
]


@strawberry.type
class SteadinessFields:
    """Whether a KPI stays where it was, and how it swings."""

    @strawberry.field(
        description="Whether the level since the segment's newest baseline is still the baseline's; null without one."
    )
    async def drift(
        parent: Parent[tables.Kpi],
        info: Info,
        granularity: Period = None,
        segment: Segment = EVERYBODY,
        shift: Shift = None,
    ) -> DriftType | None:
        """Whether it has drifted."""
        series = await _series(parent, info, granularity, segment)
        definition = await info.context.loaders.definitions.load(parent.id)
        if series is None or definition is None:
            return None
        async with info.context.read() as session:
            facts = await judging.facts(session, parent, definition, segment)
        if facts.baseline is None:
            return None
        worth = shift or WORTH_KNOWING * abs(facts.baseline.value)
        condition, past = BaselineDrift(shift=worth or 1.0), Past.of(series)
        if condition.problems(facts.scale) or not past.start_on:
            return _silent("No period is final yet, or the drift worth knowing of is not above zero.")
        found = condition.judge(past.until(len(past.start_on) - 1), facts)
        if isinstance(found, Silence):
            return _silent(found.because)
        return DriftType(
            has_drifted=found.is_beyond,
            level=found.value,
            baseline=found.evidence["baseline"],
            lower=found.evidence["lower"],
            upper=found.evidence["upper"],
            p_value=found.evidence["pValue"],
            sentence=found.sentence,
        )

    @strawberry.field(
        description="Seasons of the KPI: of days those of the week, of months and quarters those of the year; null for"
        " weeks.",
        graphql_type=SeasonsType | None,
    )
    async def seasons(
        parent: Parent[tables.Kpi], info: Info, granularity: Period = None, segment: Segment = EVERYBODY
    ) -> Seasons | None:
        """The seasons of the KPI."""
        series = await _series(parent, info, granularity, segment)
        return None if series is None else seasons(series)


def _silent(sentence: str) -> DriftType:
    return DriftType(
        has_drifted=None, level=None, baseline=None, lower=None, upper=None, p_value=None, sentence=sentence
    )


async def _series(kpi: tables.Kpi, info: Info, granularity: enums.Granularity | None, segment: str) -> Series | None:
    definition = await info.context.loaders.definitions.load(kpi.id)
    if definition is None:
        return None
    chosen, last = granularity or GRANULARITY[kpi.frequency], info.context.today
    found = await cohorts_between(kpi, info, segment, last - REACH.get(chosen, LONGEST) * DAY, last)
    return None if found is None else values.series(found, segment=segment, granularity=chosen)
