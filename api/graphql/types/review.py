"""Reviews, what they say, and what they found is to be done, as the API shows them."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry import Parent

from api.database import driver
from api.graphql.columns import Days, Numbers
from api.graphql.context import Info
from api.graphql.nodes import Node, PageInfo
from experiments.enums import Choice
from experiments.programme.reviews import enums, service, snapshot, tables
from experiments.programme.reviews.backlog import Entry as EntryValue
from experiments.programme.reviews.backlog import OpenHypothesis as OpenHypothesisValue
from experiments.programme.reviews.backlog import Weight as WeightValue
from experiments.programme.reviews.figures import Aimed as AimedValue
from experiments.programme.reviews.figures import Course as CourseValue
from experiments.programme.reviews.figures import Figure as FigureValue
from experiments.programme.reviews.figures import Held as HeldValue
from experiments.tables import Experiment as ExperimentRow
from kpi.enums import AlertState, Direction, Driver, Granularity, Severity, Tier
from kpi.kinds.shape import Scale
from kpi.tables import Kpi as KpiRow

if TYPE_CHECKING:
    from api.graphql.types.experiment import Experiment
    from api.graphql.types.kpi import Kpi

LazyKpi = Annotated["Kpi", strawberry.lazy("api.graphql.types.kpi")]
LazyExperiment = Annotated["Experiment", strawberry.lazy("api.graphql.types.experiment")]

strawberry.enum(enums.Topic, name="ReviewTopic", description="Why something needs attention.")
strawberry.enum(
    enums.WeightSource, name="BacklogWeightSource", description="Where it is known from what a KPI is worth in revenue."
)


@strawberry.type(name="ReviewComparison", description="A level held against something. Nobody was assigned by chance.")
class Held:
    """A level held against something."""

    against: float | None = strawberry.field(description="The value it is held against.")
    difference: float | None = strawberry.field(description="The level less that value.")
    lower: float | None = strawberry.field(description="The lower limit of the 95% interval of the difference.")
    upper: float | None = strawberry.field(description="The upper limit of the 95% interval of the difference.")
    p_value: float | None = strawberry.field(description="The two-sided p-value.")
    is_better: bool = strawberry.field(description="Whether the whole interval lies on the better side.")
    is_worse: bool = strawberry.field(description="Whether the whole interval lies on the worse side.")
    reason: str | None = strawberry.field(description="The reason there is no answer.")


@strawberry.type(name="ReviewTarget", description="A level held against its target.")
class Aimed:
    """A level held against its target."""

    value: float = strawberry.field(description="The target.")
    due_on: date = strawberry.field(description="The day by which it shall be met.")
    difference: float | None = strawberry.field(description="The level less the target.")
    lower: float | None = strawberry.field(description="The lower limit of the 95% interval of the difference.")
    upper: float | None = strawberry.field(description="The upper limit of the 95% interval of the difference.")
    is_met: bool = strawberry.field(description="Whether the level is there or beyond.")
    is_within_error: bool = strawberry.field(description="Whether the error of the level may explain the difference.")
    is_of_other_definition: bool = strawberry.field(
        description="Whether the target was set for another version of the definition, which may mean another thing."
    )
    chance_now: float | None = strawberry.field(description="The chance that the true level is there already.")
    chance: float | None = strawberry.field(
        description="The chance to be there in the period the target is due in, if things go on as they did."
    )


@strawberry.type(name="ReviewCourse", description="The values of the last final periods, as columns, oldest first.")
class Course:
    """The values of the last final periods."""

    start_on: Days = strawberry.field(name="starts", description="The first day of the period.")
    value: Numbers = strawberry.field(name="values", description="The value.")
    lower: Numbers = strawberry.field(description="The lower limit of its 95% interval.")
    upper: Numbers = strawberry.field(description="The upper limit of its 95% interval.")


@strawberry.type(
    name="ReviewFigure", description="What a review says of a KPI: its level in the newest final period of its kind."
)
class Figure:
    """What a review says of a KPI."""

    kpi: str = strawberry.field(description="The key of the KPI.")
    name: str = strawberry.field(description="The name of the KPI.")
    owner: str = strawberry.field(description="The person who owns it.")
    direction: Direction = strawberry.field(description="The direction that is better.")
    tier: Tier = strawberry.field(description="Its tier.")
    driver: Driver = strawberry.field(description="The part of revenue it feeds.")
    is_leading: bool = strawberry.field(description="Whether it moves before revenue does.")
    scale: Scale = strawberry.field(description="The scale of its numbers.")
    granularity: Granularity = strawberry.field(description="The periods it is shown by.")
    start_on: date | None = strawberry.field(description="The first day of the period that the value is of.")
    is_of_period: bool = strawberry.field(
        description="Whether that is the period of the review; an older one is shown where that is not final."
    )
    n: int = strawberry.field(description="The units it was measured on.")
    value: float | None = strawberry.field(description="The value; null where there is none.")
    lower: float | None = strawberry.field(description="The lower limit of its 95% interval.")
    upper: float | None = strawberry.field(description="The upper limit of its 95% interval.")
    last_on: date | None = strawberry.field(description="The last day that is in the values.")
    is_stale: bool = strawberry.field(
        description="Whether the values do not reach the end of the review's period, or newer rows wait."
    )
    reason: str | None = strawberry.field(description="The reason there is no value.")

    @strawberry.field(description="The level against the newest baseline of everybody.", graphql_type=Held | None)
    def baseline(parent: Parent[FigureValue]) -> HeldValue | None:
        """Against the baseline."""
        return parent.baseline

    @strawberry.field(description="The level against the target; null without one.", graphql_type=Aimed | None)
    def target(parent: Parent[FigureValue]) -> AimedValue | None:
        """Against the target."""
        return parent.target

    @strawberry.field(description="The level against the period before; null without one.", graphql_type=Held | None)
    def change(parent: Parent[FigureValue]) -> HeldValue | None:
        """Against the period before."""
        return parent.change

    @strawberry.field(description="The values of up to 13 final periods.", graphql_type=Course)
    def course(parent: Parent[FigureValue]) -> CourseValue:
        """The course."""
        return parent.course


@strawberry.type(name="ReviewEffect", description="What an experiment found on a KPI that decides.")
class Effect:
    """What an experiment found on a KPI that decides."""

    kpi: str = strawberry.field(description="The key of the KPI.")
    name: str = strawberry.field(description="The name of the KPI.")
    variant: str = strawberry.field(description="The name of the variant.")
    scale: Scale = strawberry.field(description="The scale of its numbers.")
    difference: float | None = strawberry.field(description="The difference from control.")
    lower: float | None = strawberry.field(description="The lower limit of its interval.")
    upper: float | None = strawberry.field(description="The upper limit of its interval.")
    lift: float | None = strawberry.field(description="The difference, relative to control.")
    lift_lower: float | None = strawberry.field(description="The lower limit of the interval of the lift.")
    lift_upper: float | None = strawberry.field(description="The upper limit of the interval of the lift.")


@strawberry.type(
    name="ReviewImpact", description="What shipped changes come to at a KPI at the top, less the winner's curse."
)
class Worth:
    """What shipped changes come to."""

    kpi: str = strawberry.field(description="The key of the KPI at the top.")
    name: str = strawberry.field(description="Its name.")
    lift: float | None = strawberry.field(description="The relative change of it; null where no link leads there.")
    lower: float | None = strawberry.field(description="The lower limit of the 95% interval of the lift.")
    upper: float | None = strawberry.field(description="The upper limit of the 95% interval of the lift.")
    net: float | None = strawberry.field(description="What that is in revenue a year, of revenue stated by the month.")
    net_lower: float | None = strawberry.field(description="The lower limit of its 95% interval.")
    net_upper: float | None = strawberry.field(description="The upper limit of its 95% interval.")
    is_estimated: bool = strawberry.field(description="Whether no link on the way is an assumption.")
    reason: str | None = strawberry.field(description="The reason there is no answer.")


@strawberry.type(name="ReviewAlert", description="An alert that was raised in the period of a review, or open in it.")
class Alarm:
    """An alert of the period."""

    kpi: str = strawberry.field(description="The key of the KPI.")
    name: str = strawberry.field(description="The name of the KPI.")
    owner: str = strawberry.field(description="The person who owns the KPI.")
    severity: Severity = strawberry.field(description="How much it matters.")
    state: AlertState = strawberry.field(description="How far it has come.")
    sentence: str = strawberry.field(description="What was seen, in a sentence.")
    action: str = strawberry.field(description="The action that it triggers.")
    note: str | None = strawberry.field(description="What people said of it.")
    raised_at: datetime = strawberry.field(description="The time it was raised.")
    resolved_at: datetime | None = strawberry.field(description="The time it was resolved.")


@strawberry.type(name="ReviewDecision", description="An experiment that was decided in the period of a review.")
class Decided:
    """An experiment that was decided in the period."""

    experiment: str = strawberry.field(description="The key of the experiment.")
    name: str = strawberry.field(description="The name of the experiment.")
    owner: str = strawberry.field(description="The person who owns it.")
    hypothesis: str = strawberry.field(description="The title of the hypothesis it tested.")
    choice: Choice = strawberry.field(description="The decision.")
    variant: str | None = strawberry.field(description="The key of the variant that is shipped.")
    verdict: str | None = strawberry.field(description="The verdict of that moment.")
    differs: bool = strawberry.field(description="Whether the decision goes against the verdict.")
    reason: str | None = strawberry.field(description="The reason that was given.")
    by: str = strawberry.field(description="The name of the key that decided.")
    decided_at: datetime = strawberry.field(description="The time of the decision.")

    @strawberry.field(
        description="The effects on the KPIs that decide, of the variant that ships or of all.",
        graphql_type=list[Effect],
    )
    def effects(parent: Parent[snapshot.Decided]) -> list[snapshot.Effect]:
        """The effects."""
        return parent.effects

    @strawberry.field(
        description="What it comes to at the top of the ladder, of what ships; empty where it is not known.",
        graphql_type=list[Worth],
    )
    def impact(parent: Parent[snapshot.Decided]) -> list[snapshot.Worth]:
        """What it comes to."""
        return parent.worth


@strawberry.type(name="ReviewItem", description="Something to do, as a review lists it.")
class Item:
    """Something to do, as a review lists it."""

    text: str = strawberry.field(description="What is to be done.")
    owner: str = strawberry.field(description="The person who does it.")
    due_on: date | None = strawberry.field(description="The day by which it shall be done.")
    kpi: str | None = strawberry.field(description="The key of the KPI it is about.")
    experiment: str | None = strawberry.field(description="The key of the experiment it is about.")
    state: enums.ItemState = strawberry.field(description="What became of it.")
    note: str | None = strawberry.field(description="What was noted on it.")
    done_at: datetime | None = strawberry.field(description="The time it was done.")
    kind: enums.ReviewKind = strawberry.field(description="The kind of the review that found it.")
    from_on: date = strawberry.field(description="The first day of the period of that review.")
    is_earlier: bool = strawberry.field(description="Whether an earlier review found it.")
    is_overdue: bool = strawberry.field(description="Whether it is open and its day is over.")

    @strawberry.field(
        description="The action item itself, as it is now.",
        graphql_type=Annotated["ActionItem", strawberry.lazy("api.graphql.types.review")] | None,
    )
    async def action_item(parent: Parent[snapshot.Item], info: Info) -> tables.ActionItem | None:
        """The action item itself."""
        return await info.context.loaders.action_items.load(parent.id)


@strawberry.type(name="ReviewPoint", description="Something that needs attention: a line of the agenda.")
class Point:
    """Something that needs attention."""

    topic: enums.Topic = strawberry.field(description="The topic.")
    sentence: str = strawberry.field(description="The matter, in a sentence.")
    owner: str = strawberry.field(description="The person whose it is.")
    kpi: str | None = strawberry.field(description="The key of the KPI it is about.")
    experiment: str | None = strawberry.field(description="The key of the experiment it is about.")


@strawberry.type(
    name="BacklogWeight", description="By how many per cent revenue moves with one per cent of a KPI, in its direction."
)
class Weight:
    """What a KPI is worth."""

    value: float = strawberry.field(description="The weight; below 0 where the top gets worse as the KPI gets better.")
    lower: float | None = strawberry.field(description="The lower limit of its 95% interval; null for an assumption.")
    upper: float | None = strawberry.field(description="The upper limit of its 95% interval; null for an assumption.")
    source: enums.WeightSource = strawberry.field(
        description="Where it is known from: links that data give, links that somebody assumed, or the driver alone."
    )
    top: str | None = strawberry.field(
        description="The key of the KPI at the top of the ladder; null where no link leads to one."
    )


@strawberry.type(name="BacklogHypothesis", description="A hypothesis that is open on a KPI of the backlog.")
class OpenHypothesis:
    """A hypothesis that is open."""

    key: str = strawberry.field(description="The key of the hypothesis.")
    title: str = strawberry.field(description="Its title.")


@strawberry.type(
    name="BacklogEntry",
    description="A KPI with a target, by what closing its gap is worth. It orders; it foretells not.",
)
class Entry:
    """A KPI of the backlog."""

    rank: int = strawberry.field(description="Its place, from 1.")
    kpi: str = strawberry.field(description="The key of the KPI.")
    name: str = strawberry.field(description="The name of the KPI.")
    owner: str = strawberry.field(description="The person who owns it.")
    scale: Scale = strawberry.field(description="The scale of its numbers.")
    start_on: date | None = strawberry.field(description="The first day of the period that its level is of.")
    value: float | None = strawberry.field(description="Its level in the newest final period it is reported by.")
    target: float = strawberry.field(description="Its target.")
    due_on: date = strawberry.field(description="The day by which it shall be met.")
    gap: float | None = strawberry.field(
        description="How far it has to move, of where it is, such as 0.08; 0 where its target is met."
    )
    is_within_error: bool = strawberry.field(description="Whether the error of the level may explain the gap.")
    worth: float | None = strawberry.field(description="The gap times the weight: a share of revenue.")
    reasons: list[str] = strawberry.field(description="The reasons for its rank, in sentences.")

    @strawberry.field(description="What one per cent of it is worth.", graphql_type=Weight)
    def weight(parent: Parent[EntryValue]) -> WeightValue:
        """What one per cent of it is worth."""
        return parent.weight

    @strawberry.field(description="The hypotheses on it that are open.", graphql_type=list[OpenHypothesis])
    def hypotheses(parent: Parent[EntryValue]) -> list[OpenHypothesisValue]:
        """The hypotheses on it that are open."""
        return parent.hypotheses


@strawberry.type(name="ReviewSnapshot", description="All that a review shows, as of a moment.")
class Snapshot:
    """All that a review shows."""

    workspace: str = strawberry.field(description="The name of the workspace.")
    read_at: datetime = strawberry.field(description="The moment it was read: of a closed review that of closing.")

    @strawberry.field(description="What needs attention, by topic.", graphql_type=list[Point])
    def points(parent: Parent[snapshot.Snapshot]) -> list[snapshot.Point]:
        """What needs attention."""
        return parent.points

    @strawberry.field(
        description="The KPIs: of a weekly review the leading ones, else all, the early ones first.",
        graphql_type=list[Figure],
    )
    def figures(parent: Parent[snapshot.Snapshot]) -> list[FigureValue]:
        """The KPIs."""
        return parent.figures

    @strawberry.field(description="The alerts of the period, the oldest first.", graphql_type=list[Alarm])
    def alerts(parent: Parent[snapshot.Snapshot]) -> list[snapshot.Alarm]:
        """The alerts of the period."""
        return parent.alarms

    @strawberry.field(
        description="What was decided to be shipped in the period comes to at the top, all of it together.",
        graphql_type=list[Worth],
    )
    def impact(parent: Parent[snapshot.Snapshot]) -> list[snapshot.Worth]:
        """What was shipped comes to."""
        return parent.shipped

    @strawberry.field(description="The experiments decided in the period.", graphql_type=list[Decided])
    def experiments(parent: Parent[snapshot.Snapshot]) -> list[snapshot.Decided]:
        """The experiments decided in the period."""
        return parent.experiments

    @strawberry.field(
        description="What is to be done: its own, and what earlier reviews left open.", graphql_type=list[Item]
    )
    def items(parent: Parent[snapshot.Snapshot]) -> list[snapshot.Item]:
        """What is to be done."""
        return parent.items

    @strawberry.field(description="The backlog of improvements.", graphql_type=list[Entry])
    def backlog(parent: Parent[snapshot.Snapshot]) -> list[EntryValue]:
        """The backlog."""
        return parent.backlog


@strawberry.type(description="A review of a week, a month or a quarter. Closed, it never changes.")
class Review(Node):
    """A review."""

    kind: enums.ReviewKind = strawberry.field(description="How much time it is of.")
    from_on: date = strawberry.field(description="The first day of its period.")
    to_on: date = strawberry.field(description="The last day of its period.")
    state: enums.ReviewState = strawberry.field(description="Where it is in its life.")
    notes: str = strawberry.field(description="What people noted.")
    agenda: str = strawberry.field(description="What people put on the agenda, beside what needs attention.")
    decisions: str = strawberry.field(description="What was decided in it.")
    created_by: str = strawberry.field(
        description="The name of the key that opened it; schedule if it opened by itself."
    )
    created_at: datetime = strawberry.field(description="The time it was opened.")
    closed_by: str | None = strawberry.field(description="The name of the key that closed it.")
    closed_at: datetime | None = strawberry.field(description="The time it was closed.")
    snapshot_json: str | None = strawberry.field(
        description="What it said when it was closed, as canonical JSON (RFC 8785); null for a draft."
    )
    snapshot_hash: str | None = strawberry.field(description="The SHA-256 of that JSON, in hex; null for a draft.")

    @strawberry.field(description="What it says: a draft now, a closed one what it said then.", graphql_type=Snapshot)
    async def snapshot(parent: Parent[tables.Review], info: Info) -> snapshot.Snapshot:
        """What it says."""
        async with info.context.read() as session:
            return await service.shown(session, await driver(session), parent, info.context.now)

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Review)


@strawberry.type(description="Something that a review found is to be done. Later reviews list it until it is.")
class ActionItem(Node):
    """Something to do."""

    text: str = strawberry.field(description="What is to be done.")
    owner: str = strawberry.field(description="The person who does it.")
    due_on: date | None = strawberry.field(description="The day by which it shall be done.")
    state: enums.ItemState = strawberry.field(description="What became of it.")
    note: str | None = strawberry.field(description="What was noted on it.")
    done_at: datetime | None = strawberry.field(description="The time it was done.")
    created_by: str = strawberry.field(description="The name of the key that added it.")
    created_at: datetime = strawberry.field(description="The time it was added.")

    @strawberry.field(description="The review that found it.", graphql_type=Review | None)
    async def review(parent: Parent[tables.ActionItem], info: Info) -> tables.Review | None:
        """The review that found it."""
        return await info.context.loaders.reviews.load(parent.review_id)

    @strawberry.field(description="The KPI it is about.", graphql_type=LazyKpi | None)
    async def kpi(parent: Parent[tables.ActionItem], info: Info) -> KpiRow | None:
        """The KPI it is about."""
        return None if parent.kpi_id is None else await info.context.loaders.kpis.load(parent.kpi_id)

    @strawberry.field(description="The experiment it is about.", graphql_type=LazyExperiment | None)
    async def experiment(parent: Parent[tables.ActionItem], info: Info) -> ExperimentRow | None:
        """The experiment it is about."""
        identity = parent.experiment_id
        return None if identity is None else await info.context.loaders.experiments.load(identity)

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.ActionItem)


@strawberry.type(description="A review in a list.")
class ReviewEdge:
    """A review in a list."""

    cursor: str = strawberry.field(description="The cursor of the review.")
    node: Review = strawberry.field(description="The review.")


@strawberry.type(description="A page of reviews.")
class ReviewConnection:
    """A page of reviews."""

    edges: list[ReviewEdge] = strawberry.field(description="The reviews of the page with their cursors.")
    nodes: list[Review] = strawberry.field(description="The reviews of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of reviews in the list.")


@strawberry.type(description="Something to do in a list.")
class ActionItemEdge:
    """Something to do in a list."""

    cursor: str = strawberry.field(description="The cursor of the action item.")
    node: ActionItem = strawberry.field(description="The action item.")


@strawberry.type(description="A page of what is to be done.")
class ActionItemConnection:
    """A page of what is to be done."""

    edges: list[ActionItemEdge] = strawberry.field(description="The action items of the page with their cursors.")
    nodes: list[ActionItem] = strawberry.field(description="The action items of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of action items in the list.")
