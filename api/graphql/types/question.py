"""What is asked of a KPI's level outside experiments, as the API answers it."""

import asyncio
from datetime import date
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from api.graphql.columns import Days, Numbers
from api.graphql.context import Info
from api.graphql.types.history import Segment, SeriesType, cohorts_between, cohorts_of, few_enough
from api.graphql.types.interval import Interval
from kpi import enums, tables
from kpi.history import questions, values
from kpi.history.periods import DAY, GRANULARITY
from kpi.history.questions import CAUTIONS, Answer, Caution, Effect, Outlook, Window
from kpi.history.standing import Standing, standing
from kpi.history.sums import Sums
from kpi.history.values import EVERYBODY
from stats.results import Reason

strawberry.enum(Caution, name="KpiCaution", description="What an answer does not show by itself.")


@strawberry.type(name="KpiLevel", description="A KPI's level in some cohorts, with its error.")
class LevelType:
    """A KPI's level in some cohorts."""

    n: int = strawberry.field(description="The units it was measured on.")
    value: float | None = strawberry.field(description="The value; null where there is no answer.")
    standard_error: float | None = strawberry.field(description="The standard error of the value.")
    lower: float | None = strawberry.field(description="The lower limit of its 95% interval.")
    upper: float | None = strawberry.field(description="The upper limit of its 95% interval.")


@strawberry.type(
    name="KpiAnswer",
    description="A level held against something. Observational: nobody was assigned by chance.",
)
class AnswerType:
    """A level held against something."""

    level: LevelType = strawberry.field(description="The level that was asked about.")
    against: float | None = strawberry.field(description="The value it is held against.")
    difference: float | None = strawberry.field(description="The level less that value, or the effect of the change.")
    interval: Interval | None = strawberry.field(description="The 95% interval of the difference.")
    p_value: float | None = strawberry.field(
        description="The two-sided p-value; against a target one-sided, against levels that miss it."
    )
    chance: float | None = strawberry.field(
        description="Against a target, the chance that the true level is there or beyond; no prior is taken."
    )
    method: str = strawberry.field(description="The method.")
    reason: Reason | None = strawberry.field(description="The reason there is no answer.")
    cautions: list[Caution] = strawberry.field(description="What the answer does not show by itself.")

    @strawberry.field(description="Always false: what is not randomised is never mixed into what is.")
    def is_randomised(self) -> bool:
        """Never."""
        return False

    @strawberry.field(description="The cautions in words.")
    def caution_sentences(parent: Parent[Answer]) -> list[str]:
        """The cautions in words."""
        return [CAUTIONS[caution] for caution in parent.cautions]


@strawberry.type(name="KpiChangeEffect", description="What a change did to a segment beside one it did not reach.")
class EffectType:
    """What a change did to a segment."""

    answer: AnswerType = strawberry.field(description="The effect: difference in differences.")
    slope_p_value: float | None = strawberry.field(
        description="The p-value of a gap between both segments that moved before the change already."
    )
    placebo_p_value: float | None = strawberry.field(
        description="The p-value of a change made up in the middle of the time before."
    )


@strawberry.type(name="KpiOutlook", description="Where a KPI will be if it goes on as it did, as columns.")
class OutlookType:
    """Where a KPI will be."""

    granularity: enums.Granularity = strawberry.field(description="The periods.")
    start_on: Days = strawberry.field(name="starts", description="The first day of each period to come.")
    value: Numbers = strawberry.field(description="The value to expect.")
    lower: Numbers = strawberry.field(description="The lower limit of the 95% interval of each period by itself.")
    upper: Numbers = strawberry.field(description="The upper limit of that interval.")
    chance: float | None = strawberry.field(
        description="The chance that the target is met in the period it is due in; null without a target."
    )
    reason: Reason | None = strawberry.field(description="The reason there is no outlook.")


@strawberry.type(name="KpiStanding", description="How a KPI stands in its newest period that is final and has a value.")
class StandingType:
    """How a KPI stands."""

    start_on: date = strawberry.field(description="The first day of the period.")
    end_on: date = strawberry.field(description="The last day of the period.")
    level: LevelType = strawberry.field(description="The level in it.")
    before_on: date | None = strawberry.field(description="The first day of the period before.")
    change: AnswerType | None = strawberry.field(
        description="The level against that of the period before; null without one."
    )
    against_baseline: AnswerType | None = strawberry.field(
        description="The level against the segment's newest baseline; null without one."
    )
    against_target: AnswerType | None = strawberry.field(
        description="The level against the KPI's target; null without one."
    )


@strawberry.type(name="KpiSegment", description="A KPI in one of its segments: its values, and how it stands.")
class SegmentType:
    """A KPI in one of its segments."""

    segment: str = strawberry.field(description="The segment, such as `plan=pro`.")
    values: SeriesType = strawberry.field(description="The values by period.")
    standing: StandingType | None = strawberry.field(
        description="How the KPI stands in it; null while no period is final."
    )


MOST_SEGMENTS = 24


@strawberry.input(description="Units of a segment that entered between two days.")
class CohortInput:
    """Units of a segment that entered between two days."""

    from_on: date = strawberry.field(description="The first day.")
    to_on: date = strawberry.field(description="The last day.")
    segment: str = strawberry.field(description="The segment, such as `plan=pro`; empty for everybody.", default="")

    def window(self) -> Window:
        """The window it states."""
        return Window(**vars(self))


Cohort = Annotated[CohortInput, strawberry.argument(description="The units asked about.")]
Other = Annotated[CohortInput, strawberry.argument(description="The units they are held against.")]
Changed = Annotated[date, strawberry.argument(description="The day from which on the change was in effect.")]
Reached = Annotated[str, strawberry.argument(description="The segment that the change reached.")]
Beside = Annotated[str, strawberry.argument(description="The segment that it did not reach.")]
First = Annotated[date | None, strawberry.argument(description="The first day; two years back when absent.")]
Period = Annotated[
    enums.Granularity | None, strawberry.argument(description="The periods; the KPI's frequency when absent.")
]
Ahead = Annotated[int, strawberry.argument(description="Periods to foretell at least; further if the target is due.")]
LONGEST_OUTLOOK = 100


@strawberry.type
class QuestionFields:
    """What is asked of a KPI's level outside experiments."""

    @strawberry.field(
        description="The level of some units against the newest baseline of their segment; null without either.",
        graphql_type=AnswerType | None,
    )
    async def against_baseline(parent: Parent[tables.Kpi], info: Info, cohort: Cohort) -> Answer | None:
        """The level against the baseline."""
        baseline = await _baseline(parent, info, cohort.segment)
        found = await _sums(parent, info, cohort.window())
        if found is None or baseline is None:
            return None
        return questions.against_baseline(found, cohort.window(), baseline)

    @strawberry.field(
        description="The level of some units against the KPI's target; null without either.",
        graphql_type=AnswerType | None,
    )
    async def against_target(parent: Parent[tables.Kpi], info: Info, cohort: Cohort) -> Answer | None:
        """The level against the target."""
        definition = await info.context.loaders.definitions.load(parent.id)
        target = await _target(parent, info)
        found = await _sums(parent, info, cohort.window())
        if definition is None or found is None or target is None:
            return None
        return questions.against_target(found, target, parent.direction, definition.version)

    @strawberry.field(description="The level of some units less that of others.", graphql_type=AnswerType | None)
    async def between_cohorts(parent: Parent[tables.Kpi], info: Info, cohort: Cohort, other: Other) -> Answer | None:
        """The level of some units less that of others."""
        found, beside = await _sums(parent, info, cohort.window()), await _sums(parent, info, other.window())
        if found is None or beside is None:
            return None
        return questions.between_cohorts(found, cohort.window(), beside, other.window())

    @strawberry.field(
        description="What a change did to a segment, beside one that it did not reach: difference in differences.",
        graphql_type=EffectType | None,
    )
    async def change_effect(
        parent: Parent[tables.Kpi],
        info: Info,
        changed_on: Changed,
        segment: Reached,
        comparison: Beside,
        granularity: Period = None,
        from_on: First = None,
    ) -> Effect | None:
        """What a change did to a segment."""
        last = info.context.today
        first = from_on or last - 730 * DAY
        found, beside = [
            await _sums(parent, info, Window(from_on=first, to_on=last, segment=name)) for name in (segment, comparison)
        ]
        if found is None or beside is None:
            return None
        chosen = granularity or GRANULARITY[parent.frequency]
        few, few_beside = (few_enough(part, chosen) for part in (found, beside))
        return questions.of_change(few, few_beside, changed_on=changed_on, granularity=chosen)

    @strawberry.field(
        description=(
            "How the KPI stands in its newest period that is final: its level, and the change to the period before, "
            "to the baseline and to the target; null while no period is final."
        ),
        graphql_type=StandingType | None,
    )
    async def standing(
        parent: Parent[tables.Kpi], info: Info, granularity: Period = None, segment: Segment = EVERYBODY
    ) -> Standing | None:
        """How the KPI stands."""
        chosen = granularity or GRANULARITY[parent.frequency]
        found = await cohorts_of(parent, info, chosen, segment)
        return None if found is None else await _standing(parent, info, found, chosen, segment)

    @strawberry.field(
        description=(
            "The KPI in its segments side by side, by name and without everybody; null until they are derived. "
            f"At most {MOST_SEGMENTS} of them."
        ),
        graphql_type=list[SegmentType] | None,
    )
    async def by_segment(
        parent: Parent[tables.Kpi], info: Info, granularity: Period = None
    ) -> list[SegmentType] | None:
        """The KPI in its segments."""
        definition = await info.context.loaders.definitions.load(parent.id)
        if definition is None:
            return None
        chosen = granularity or GRANULARITY[parent.frequency]
        names = await info.context.loaders.segment_names.load(definition.id) or []
        shown = [name for name in names if name != EVERYBODY][:MOST_SEGMENTS]
        found = await asyncio.gather(*(cohorts_of(parent, info, chosen, name) for name in shown))
        return [
            await _segment(parent, info, part, chosen, name)
            for name, part in zip(shown, found, strict=True)
            if part is not None
        ]

    @strawberry.field(
        description="Where the KPI will be if it goes on as it did, and the chance to meet its target.",
        graphql_type=OutlookType | None,
    )
    async def outlook(
        parent: Parent[tables.Kpi],
        info: Info,
        granularity: Period = None,
        segment: Segment = EVERYBODY,
        ahead: Ahead = 3,
    ) -> Outlook | None:
        """Where the KPI will be."""
        last = info.context.today
        found = await _sums(parent, info, Window(from_on=last - 730 * DAY, to_on=last, segment=segment))
        if found is None:
            return None
        target = await _target(parent, info)
        return questions.outlook(
            found,
            granularity=granularity or GRANULARITY[parent.frequency],
            direction=parent.direction,
            target=target,
            ahead=min(max(ahead, 1), LONGEST_OUTLOOK),
        )


async def _segment(
    kpi: tables.Kpi, info: Info, found: Sums, granularity: enums.Granularity, segment: str
) -> SegmentType:
    series: Any = values.series(found, segment=segment, granularity=granularity)
    stands: Any = await _standing(kpi, info, found, granularity, segment)
    return SegmentType(segment=segment, values=series, standing=stands)


async def _standing(
    kpi: tables.Kpi, info: Info, found: Sums, granularity: enums.Granularity, segment: str
) -> Standing | None:
    definition = await info.context.loaders.definitions.load(kpi.id)
    return standing(
        found,
        granularity=granularity,
        direction=kpi.direction,
        baseline=await _baseline(kpi, info, segment),
        target=await _target(kpi, info),
        version=None if definition is None else definition.version,
        segment=segment,
    )


async def _baseline(kpi: tables.Kpi, info: Info, segment: str) -> tables.Baseline | None:
    """The newest baseline of a segment."""
    definition = await info.context.loaders.definitions.load(kpi.id)
    rows = None if definition is None else await info.context.loaders.all_baselines.load(definition.id)
    return next((row for row in reversed(rows or []) if row.segment == segment), None)


async def _target(kpi: tables.Kpi, info: Info) -> tables.Target | None:
    """The target that holds; None where it was withdrawn."""
    newest = next(iter(await info.context.loaders.targets.load(kpi.id) or []), None)
    return None if newest is None or newest.value is None else newest


async def _sums(kpi: tables.Kpi, info: Info, window: Window) -> Sums | None:
    return await cohorts_between(kpi, info, window.segment, window.from_on, window.to_on)
