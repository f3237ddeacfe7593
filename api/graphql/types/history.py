"""What a KPI was and is outside experiments, as the API shows it."""

from datetime import date, datetime
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from api.graphql.columns import Counts, Days, Numbers
from api.graphql.context import Info
from api.graphql.nodes import bad_input
from kpi import enums, kinds, tables
from kpi.alerts import queries
from kpi.history import curves, periods, values
from kpi.history.curves import Adoption, Triangle
from kpi.history.entry import decode
from kpi.history.measured import events_of
from kpi.history.periods import DAY, GRANULARITY
from kpi.history.sums import Sums
from kpi.history.values import EVERYBODY, MOST_PERIODS, Series
from kpi.ingest import EARLIEST
from kpi.kinds.shape import CurveOf

strawberry.enum(
    CurveOf,
    name="CurveOf",
    description="What a curve shows: the share that has done it by the end of each day, that came back on each "
    "day, or (REMAINED) on it or later.",
)


@strawberry.type(name="KpiEntry", description="Whom a KPI counts outside experiments, and from when on.")
class EntryType:
    """Whom a KPI counts outside experiments."""

    event: str | None = strawberry.field(description="The event by which units enter, at their first one.")
    every: enums.Granularity | None = strawberry.field(
        description="The periods at whose end all units are measured instead, over the window up to it."
    )
    is_clustered: bool = strawberry.field(description="Whether the error is that of accounts, whose users are alike.")
    is_repeated: bool = strawberry.field(description="Whether a unit enters at each such event anew.")
    among: str | None = strawberry.field(
        description="The event of which units must have a level above 0 at the end of a period to be measured."
    )


@strawberry.type(name="KpiFreshness", description="How far a KPI's values reach, and whether newer rows wait.")
class FreshnessType:
    """How far a KPI's values reach."""

    last_on: date | None = strawberry.field(description="The last day that is in the values.")
    computed_at: datetime | None = strawberry.field(description="The time they were derived.")
    is_stale: bool = strawberry.field(description="Whether rows came in late that the values do not know yet.")
    failure: str | None = strawberry.field(description="What kept them from being derived the last time.")


@strawberry.type(
    name="KpiSeries", description="A KPI's values by period in one segment, as columns of one length, oldest first."
)
class SeriesType:
    """A KPI's values by period."""

    segment: str = strawberry.field(description="The segment, such as `plan=pro`; empty for everybody.")
    granularity: enums.Granularity = strawberry.field(description="The periods.")
    start_on: Days = strawberry.field(name="starts", description="The first day of the period.")
    n: Counts = strawberry.field(description="The units that the value was measured on.")
    value: Numbers = strawberry.field(description="The value; null where there is no answer.")
    standard_error: Numbers = strawberry.field(description="The standard error of the value.")
    lower: Numbers = strawberry.field(description="The lower limit of the 95% interval of the value.")
    upper: Numbers = strawberry.field(description="The upper limit of the 95% interval of the value.")
    is_final: list[bool] = strawberry.field(description="Whether all windows of the period have closed.")


@strawberry.type(
    name="KpiTriangle",
    description=(
        "The shares of cohorts by age, as columns of one length: a place a cell, and only cells in which nothing can "
        "change any more."
    ),
)
class TriangleType:
    """The shares of cohorts by age."""

    of: CurveOf = strawberry.field(description="How the shares read.")
    granularity: enums.Granularity = strawberry.field(description="The periods that units are put together by.")
    start_on: Days = strawberry.field(name="starts", description="The first day of the period the units entered in.")
    age: Counts = strawberry.field(
        name="ages",
        description="The days since entry: each up to day 31, then every seventh, and the last.",
    )
    n: Counts = strawberry.field(description="The units of the cohort.")
    value: Numbers = strawberry.field(description="The share of them.")


@strawberry.type(
    name="KpiAdoption",
    description="The share of units by day since they entered, as columns; each cohort counts for as long as it was "
    "watched.",
)
class AdoptionType:
    """The share of units by day since they entered."""

    of: CurveOf = strawberry.field(description="How the shares read.")
    days: Counts = strawberry.field(description="The days since entry.")
    n: Counts = strawberry.field(description="The units that were still watched, and of REACHED still waiting.")
    value: Numbers = strawberry.field(description="The share; null on days through which nobody was watched.")
    lower: Numbers = strawberry.field(
        description="The lower limit of the 95% interval of each day by itself; null where the error is of accounts."
    )
    upper: Numbers = strawberry.field(description="The upper limit of that interval.")
    median: float | None = strawberry.field(description="The day by which half had reached it; null if not known.")


Segment = Annotated[str, strawberry.argument(description="The segment, such as `plan=pro`; empty for everybody.")]
Period = Annotated[
    enums.Granularity | None,
    strawberry.argument(description="The periods; the KPI's reporting frequency when absent."),
]
From = Annotated[
    date | None, strawberry.argument(description="The first day; two years, or 100 days by day, back when absent.")
]
To = Annotated[date | None, strawberry.argument(description="The last day; the last one that is over when absent.")]


@strawberry.type
class HistoryFields:
    """What a KPI was and is outside experiments."""

    segments: list[str] = strawberry.field(description="The traits of units that the KPI's values are sliced by.")

    @strawberry.field(description="The events that the KPI reads, with the one that units enter by, by name.")
    async def events(parent: Parent[tables.Kpi], info: Info) -> list[str] | None:
        """The events that the KPI reads."""
        found = await info.context.loaders.definitions.load(parent.id)
        return None if found is None else _named(found)

    @strawberry.field(
        description=(
            "Those of the events that the KPI reads of which no row has ever come in, by name: not sent yet, or "
            "written differently here and there. A KPI of such an event reads as if nobody did it."
        )
    )
    async def unseen_events(parent: Parent[tables.Kpi], info: Info) -> list[str] | None:
        """The events of which no row has come in."""
        found = await info.context.loaders.definitions.load(parent.id)
        if found is None:
            return None
        async with info.context.database.read() as session:
            return await queries.unseen(session, parent.workspace_id, _named(found))

    @strawberry.field(
        description="Whom the newest definition counts outside experiments; null: it has no values of its own.",
        graphql_type=EntryType | None,
    )
    async def entry(parent: Parent[tables.Kpi], info: Info) -> Any:
        """Whom it counts outside experiments."""
        found = await info.context.loaders.definitions.load(parent.id)
        return None if found is None else decode(found.entry)

    @strawberry.field(description="How far the KPI's values reach; null without an entry.")
    async def freshness(parent: Parent[tables.Kpi], info: Info) -> FreshnessType | None:
        """How far the values reach."""
        found = await info.context.loaders.definitions.load(parent.id)
        state = None if found is None else await info.context.loaders.histories.load(found.id)
        if state is None:
            return None
        return FreshnessType(
            last_on=None if state.through is None else state.through - DAY,
            computed_at=state.computed_at,
            is_stale=state.stale_from is not None,
            failure=state.failure,
        )

    @strawberry.field(description="The segments that the KPI has units in, everybody (empty) first.")
    async def segment_names(parent: Parent[tables.Kpi], info: Info) -> list[str] | None:
        """The segments there are."""
        found = await info.context.loaders.definitions.load(parent.id)
        return None if found is None else await info.context.loaders.segment_names.load(found.id)

    @strawberry.field(
        description=(
            "The KPI's values by period, in one segment; null until they are derived. A day's values are of the units "
            f"that entered on it, where units enter by an event. At most {MOST_PERIODS} periods."
        ),
        graphql_type=SeriesType | None,
    )
    async def values(
        parent: Parent[tables.Kpi],
        info: Info,
        granularity: Period = None,
        segment: Segment = EVERYBODY,
        from_on: From = None,
        to_on: To = None,
    ) -> Series | None:
        """The values by period."""
        chosen = granularity or GRANULARITY[parent.frequency]
        cohorts = await cohorts_of(parent, info, chosen, segment, from_on, to_on)
        return (
            None if cohorts is None else values.series(few_enough(cohorts, chosen), segment=segment, granularity=chosen)
        )

    @strawberry.field(
        description=(
            "The share of each period's units by day since they entered; null until it is derived, and for a KPI "
            f"without a curve. At most {MOST_PERIODS} periods."
        ),
        graphql_type=TriangleType | None,
    )
    async def triangle(
        parent: Parent[tables.Kpi],
        info: Info,
        granularity: Period = None,
        segment: Segment = EVERYBODY,
        from_on: From = None,
        to_on: To = None,
    ) -> Triangle | None:
        """The shares of cohorts by age."""
        chosen = granularity or GRANULARITY[parent.frequency]
        cohorts = await cohorts_of(parent, info, chosen, segment, from_on, to_on)
        return None if cohorts is None else curves.triangle(few_enough(cohorts, chosen), chosen)

    @strawberry.field(
        description=(
            "The share of units by day since they entered, with its interval; null until it is derived, and for a "
            "KPI without a curve."
        ),
        graphql_type=AdoptionType | None,
    )
    async def adoption(
        parent: Parent[tables.Kpi],
        info: Info,
        segment: Segment = EVERYBODY,
        from_on: From = None,
        to_on: To = None,
    ) -> Adoption | None:
        """The share of units by day since they entered."""
        cohorts = await cohorts_of(parent, info, enums.Granularity.WEEK, segment, from_on, to_on)
        return None if cohorts is None else curves.adoption(cohorts)


def _named(definition: tables.Definition) -> list[str]:
    """The events that a definition reads, with the one that units enter by, by name."""
    kind, entry = kinds.decode(definition.kind, definition.parameters), decode(definition.entry)
    return sorted(kind.events) if entry is None else events_of(kind, entry)


async def cohorts_of(
    kpi: tables.Kpi,
    info: Info,
    granularity: enums.Granularity,
    segment: str,
    from_on: date | None = None,
    to_on: date | None = None,
) -> Sums | None:
    """The cohorts of a KPI that an answer by such periods is made of; None until they are derived.

    Where no first day is asked for, the first period is a whole one.
    """
    last = min(to_on or info.context.today, info.context.today)
    back = 100 if granularity is enums.Granularity.DAY else 730
    first = from_on or periods.start(max(last, EARLIEST.date()) - back * DAY, granularity)
    return await cohorts_between(kpi, info, segment, first, last)


def few_enough(cohorts: Sums, granularity: enums.Granularity) -> Sums:
    """The cohorts, if an answer holds their periods. Raises BAD_USER_INPUT else."""
    if (many := values.count(cohorts, granularity)) > MOST_PERIODS:
        raise bad_input(
            f"That is {many} periods, and an answer holds {MOST_PERIODS} at most: ask for a shorter time (fromOn, toOn)"
            " or for longer periods."
        )
    return cohorts


async def cohorts_between(kpi: tables.Kpi, info: Info, segment: str, first: date, last: date) -> Sums | None:
    """The cohorts of a KPI from one day to another, both included; None until they are derived."""
    loaders = info.context.loaders
    definition = await loaders.definitions.load(kpi.id)
    if definition is None:
        return None
    state = await loaders.histories.load(definition.id)
    wanted = values.asked(definition, state, segment=segment, first=first, last=last)
    return None if wanted is None else await loaders.cohorts.load(wanted)
