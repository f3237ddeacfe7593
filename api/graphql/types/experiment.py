"""Experiments, their plans and results, as the API shows them."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed, Node, PageInfo, listed, utc
from api.graphql.types.diagnostics import Diagnostics, Fact
from api.graphql.types.finding import Finding, Heterogeneity, Look, Variant
from api.graphql.types.hypothesis import Hypothesis
from api.graphql.types.impact import Cost, Coverage, Impact, Mix, Periods, of_experiment, terms_of
from api.graphql.types.interaction import Interaction
from api.graphql.types.kpi import Kpi
from api.graphql.types.learning import LearningConnection
from api.graphql.types.protocol import PlannedProtocol
from api.graphql.types.rehearsal import Rehearsal
from api.graphql.types.selection.experiments import LEARNINGS, OrderOfLearnings, WhichLearnings
from api.graphql.types.story import Amendment, Decision, ExperimentStep, PublishedLook
from api.graphql.types.targeting import TargetingCondition
from experiments import enums, tables
from experiments.inference import analysis, treatments
from experiments.inference import heterogeneity as segments
from experiments.life import launch, lifecycle
from experiments.planning import plan
from experiments.planning import plan as plans
from experiments.planning.demand import most_demanding
from experiments.planning.replays import Shown
from kpi import tables as kpi_tables
from kpi.enums import Unit


@strawberry.type(description="What a KPI is adjusted for: an attribute of the unit, or the KPI before its exposure.")
class Covariate:
    """What a KPI is adjusted for."""

    attribute: str | None = strawberry.field(description="The attribute given with the exposure; else null.")
    pre_exposure_days: int | None = strawberry.field(
        description="The days before exposure over which the KPI itself is taken; else null."
    )
    when_missing: float = strawberry.field(description="The number that stands for a missing attribute.")
    slopes: enums.Slopes = strawberry.field(description="The number of slopes, by the planned split.")
    correlation: float | None = strawberry.field(description="The correlation to the KPI that units are planned on.")


@strawberry.type(description="A KPI's part in a plan.")
class PlannedKpi:
    """A KPI's part in a plan."""

    role: enums.Role = strawberry.field(description="The role of the KPI.")
    mde: float | None = strawberry.field(description="The smallest effect worth having, as a difference.")
    margin: float | None = strawberry.field(description="The margin of a guardrail, as a difference.")
    covariate: Covariate | None = strawberry.field(description="The covariate it is adjusted for, if any.")

    @strawberry.field(description="The KPI.", graphql_type=Kpi | None)
    async def kpi(parent: Parent[plan.PlannedKpi], info: Info) -> kpi_tables.Kpi | None:
        """The KPI."""
        return await info.context.loaders.kpis_by_key.load(parent.kpi)

    @strawberry.field(description="The version of the definition the plan pins.")
    def definition_version(parent: Parent[plan.PlannedKpi]) -> int:
        """The version of the definition the plan pins."""
        return parent.definition.version


@strawberry.type(description="What was decided before the start; sealed when the experiment starts.")
class Plan:
    """A plan."""

    kpis: list[PlannedKpi] = strawberry.field(description="The KPIs of the plan and their roles.")
    alpha: float = strawberry.field(description="The error rate of all deciding tests together.")
    power: float = strawberry.field(description="The chance to find the planned effect.")
    policy: enums.Policy = strawberry.field(description="The policy that says when the test may decide.")
    looks: int = strawberry.field(description="The number of planned looks.")
    horizon_days: int = strawberry.field(description="The days from start to the last look.")
    segment_attributes: list[str] = strawberry.field(description="The attributes that define segments.")
    minimum_days: int | None = strawberry.field(
        description="The days from start before which nothing is decided; null for none."
    )
    traffic: float | None = strawberry.field(description="The share of units that enters at first; null for all.")
    audience: str | None = strawberry.field(description="The units it is meant for, in words.")
    exclusions: str | None = strawberry.field(description="The units that are kept out, in words.")
    targeting: list[TargetingCondition] = strawberry.field(
        description="The conditions that all hold for the units that enter; empty for everybody."
    )
    correction: enums.Correction = strawberry.field(
        description="The rule by which what informs is corrected: the plan's own, or the one that goes with its policy."
    )
    primary_units: float | None = strawberry.field(
        description="The units all variants need together for the first primary KPI, judged by the baseline's spread;"
        " null without one."
    )
    protocol: PlannedProtocol | None = strawberry.field(
        description="The version of a protocol it was made by; null where it follows none."
    )
    sealed_at: datetime | None = strawberry.field(description="The time of the seal; null for a draft.")
    document: strawberry.Private[plans.Plan]
    sealed: strawberry.Private[tables.Experiment]

    @strawberry.field(
        description="The units all variants need together for every primary KPI and guardrail, as far as known: nothing"
        " ships before the guardrails are shown to be kept."
    )
    def needed_units(self) -> float | None:
        """The units all variants need."""
        most = most_demanding(self.document)
        return None if most is None else most.units

    @strawberry.field(description="The key of the KPI that needs so many units.")
    def needed_for(self) -> str | None:
        """The key of the KPI that needs so many units."""
        most = most_demanding(self.document)
        return None if most is None else most.kpi.kpi

    @strawberry.field(description="The SHA-256 of the canonical plan, in hex.")
    def hash(self) -> str:
        """The hash of the plan."""
        return self.sealed.plan_hash or plans.seal(self.document)

    @strawberry.field(description="The plan in canonical JSON (RFC 8785).")
    def canonical_json(self) -> str:
        """The plan in canonical JSON."""
        return self.sealed.plan_json or plans.canonical(self.document).decode()


@strawberry.type(description="One thing that is checked before a launch.")
class LaunchCheck:
    """One thing that is checked before a launch."""

    kind: launch.Check = strawberry.field(description="The thing that is checked.")
    state: launch.CheckState = strawberry.field(description="The state: pass, think again, or not like this.")
    sentence: str = strawberry.field(description="The finding in words.")


@strawberry.type(description="What is still to come for the tests that are waited for.")
class Outlook:
    """What is still to come."""

    next_look_on: date | None = strawberry.field(description="The day of the next planned look.")
    ends_on: date = strawberry.field(description="The day of the last planned look.")
    units_needed: int | None = strawberry.field(
        description="The units that must still become final for the planned power; null where nobody can say."
    )
    days_needed: float | None = strawberry.field(
        description="The days that takes at the pace of the last week; null where nobody can say."
    )


@strawberry.type(description="How one treatment stands: what would be recommended if it were the only one.")
class Standing:
    """How one treatment stands."""

    variant: Variant = strawberry.field(description="The treatment.")
    state: treatments.VerdictState = strawberry.field(description="The recommendation for it alone.")
    rule: treatments.Rule = strawberry.field(description="The rule that gave it.")
    sentence: str = strawberry.field(description="The reason in words.")


@strawberry.type(description="What the evidence recommends. A person decides.")
class Verdict:
    """A verdict."""

    state: treatments.VerdictState = strawberry.field(description="The recommendation.")
    variant: Variant | None = strawberry.field(
        description="The variant to ship, or the worst of those to roll back; null with any other recommendation."
    )
    rule: treatments.Rule = strawberry.field(description="The rule that gave it.")
    sentence: str = strawberry.field(description="The reason in words.")
    would_change: str = strawberry.field(description="The thing that would change the verdict.")
    facts: list[Fact] = strawberry.field(description="The numbers behind it.")
    standings: list[Standing] = strawberry.field(
        description="How each treatment stands; none where the data cannot be trusted."
    )
    outlook: Outlook | None = strawberry.field(description="What is still to come; null when nothing is waited for.")


@strawberry.type(description="What may honestly be concluded now, and where the numbers come from.")
class ExperimentResults:
    """An experiment's results."""

    verdict: Verdict = strawberry.field(description="The verdict on the experiment.")

    @strawberry.field(description="The time the aggregates were computed.")
    def computed_at(parent: Parent[analysis.Results]) -> datetime:
        """The time the aggregates were computed."""
        return parent.refresh.computed_at.astimezone(UTC)

    @strawberry.field(description="The time through which the data are counted.")
    def data_through(parent: Parent[analysis.Results]) -> datetime:
        """The time through which the data are counted."""
        return parent.data_through

    @strawberry.field(description="The SHA-256 of the sealed plan the results follow.")
    def plan_hash(parent: Parent[analysis.Results]) -> str | None:
        """The hash of the sealed plan."""
        return parent.experiment.plan_hash

    @strawberry.field(description="The version of the software that made the aggregates.")
    def software_version(parent: Parent[analysis.Results]) -> str:
        """The version of the software."""
        return parent.refresh.version

    @strawberry.field(
        description="Whether the plan was sealed before the experiment began; false for taken-in history."
    )
    def is_plan_sealed_before_data(parent: Parent[analysis.Results]) -> bool:
        """Whether the plan was sealed first."""
        return parent.is_sealed_before_data

    is_exploratory: bool = strawberry.field(
        description="Whether an amendment broke the error rates that the sealed plan promised."
    )

    @strawberry.field(description="Whether the data can be trusted.")
    def diagnostics(parent: Parent[analysis.Results]) -> Diagnostics:
        """Whether the data can be trusted."""
        ratio: Any = parent.evaluation.sample_ratio
        checks: Any = parent.health.checks
        return Diagnostics(
            exposed=parent.exposed,
            crossovers=parent.crossovers,
            srm=ratio,
            health=parent.health.state,
            checks=list(checks),
        )

    @strawberry.field(description="The looks of the first primary finding; empty but for the group-sequential policy.")
    def looks(parent: Parent[analysis.Results]) -> list[Look]:
        """The looks of the first primary finding."""
        courses = (finding.course for finding in parent.evaluation.findings)
        found: Any = next((course.looks for course in courses if course is not None), ())
        return list(found)

    @strawberry.field(description="The findings for everybody: KPIs in the plan's order, each variant with control.")
    def findings(parent: Parent[analysis.Results]) -> list[Finding]:
        """The findings for everybody."""
        found: Any = parent.evaluation.findings
        return list(found)

    @strawberry.field(description="The same findings within each pre-registered segment: to inform, not to decide.")
    def segment_findings(parent: Parent[analysis.Results]) -> list[Finding]:
        """The findings by segment."""
        found: Any = parent.evaluation.segment_findings
        return list(found)

    @strawberry.field(
        description="Whether effects differ between the segments of an attribute: to inform, not to decide.",
        graphql_type=list[Heterogeneity],
    )
    def heterogeneity(parent: Parent[analysis.Results]) -> list[segments.Heterogeneity]:
        """Whether effects differ between segments."""
        return segments.heterogeneity(parent.evaluation.segment_findings)

    @strawberry.field(
        description="What other experiments with the same units do to the effects, most units first: to warn, not to "
        "decide. The ten with most units in common; empty where there is none, and before it is computed."
    )
    def interactions(parent: Parent[analysis.Results]) -> list[Interaction]:
        """What other experiments do to the effects."""
        found: Any = parent.interactions
        return list(found)


AsOf = Annotated[
    datetime | None,
    strawberry.argument(
        description="A past moment: by the plan in force then, on units final then, as they are known now."
    ),
]


@strawberry.type(description="An experiment: its plan, its state, its results.")
class Experiment(Node):
    """An experiment."""

    key: str = strawberry.field(description="The key of the experiment, unique in the workspace.")
    name: str = strawberry.field(description="The name of the experiment.")
    state: enums.State = strawberry.field(description="The state of the experiment.")
    kind: enums.Kind = strawberry.field(description="The kind of change it tests.")
    unit: Unit = strawberry.field(description="The unit that is exposed.")
    owner: str = strawberry.field(description="The person who owns the experiment.")
    created_at: datetime = strawberry.field(description="The time the experiment was registered.")
    started_at: datetime | None = strawberry.field(description="The time it started to take units in.")
    frozen_at: datetime | None = strawberry.field(description="The time from which it takes no more units in.")
    stopped_at: datetime | None = strawberry.field(description="The time from which nothing more is measured.")
    traffic: float = strawberry.field(description="The share of units that enter.")

    @strawberry.field(description="The key of its layer, whose experiments share no unit; null for none.")
    def layer(parent: Parent[tables.Experiment]) -> str | None:
        """The key of its layer."""
        return plans.from_document(parent.plan).layer

    @strawberry.field(
        description="The experiment whose control is kept out of this one; null for none.",
        graphql_type=Annotated["Experiment", strawberry.lazy("api.graphql.types.experiment")] | None,
    )
    async def holdout(parent: Parent[tables.Experiment], info: Info) -> tables.Experiment | None:
        """The experiment whose control is kept out."""
        return None if parent.holdout_id is None else await info.context.loaders.experiments.load(parent.holdout_id)

    @strawberry.field(
        description="The checks before the launch of a draft, as things stand now; empty once it has started.",
        graphql_type=list[LaunchCheck],
    )
    async def launch_checks(parent: Parent[tables.Experiment], info: Info) -> list[launch.LaunchCheck]:
        """The checks before the launch of a draft."""
        return await info.context.loaders.launch_checks.load(parent.id) or []

    @strawberry.field(
        description="The splits of past control units under the plan's rules, for each deciding KPI that was asked.",
        graphql_type=list[Rehearsal],
    )
    async def rehearsals(parent: Parent[tables.Experiment], info: Info) -> list[Shown]:
        """What splits of past control units showed."""
        return await info.context.loaders.rehearsals(parent)

    @strawberry.field(description="The moves that lead on from its state.")
    def moves(parent: Parent[tables.Experiment]) -> list[lifecycle.Action]:
        """The moves that lead on from its state."""
        return lifecycle.moves_from(parent.state)

    @strawberry.field(description="The moves that were made, the first one first.", graphql_type=list[ExperimentStep])
    async def history(parent: Parent[tables.Experiment], info: Info) -> list[tables.Step]:
        """The moves that were made."""
        return await info.context.loaders.steps.load(parent.id) or []

    @strawberry.field(description="The changes of the sealed plan, the first one first.", graphql_type=list[Amendment])
    async def amendments(parent: Parent[tables.Experiment], info: Info) -> list[tables.Amendment]:
        """The changes of the sealed plan."""
        return await info.context.loaders.amendments.load(parent.id) or []

    @strawberry.field(
        description="The decisions, the first one first; the last one holds.", graphql_type=list[Decision]
    )
    async def decisions(parent: Parent[tables.Experiment], info: Info) -> list[tables.Decision]:
        """The decisions."""
        return await info.context.loaders.decisions.load(parent.id) or []

    @strawberry.field(
        description="What was learned from it, newest first unless ordered otherwise.",
        graphql_type=LearningConnection | None,
    )
    async def learnings(
        parent: Parent[tables.Experiment],
        info: Info,
        filter: WhichLearnings = None,  # noqa: A002 - the API's word
        order_by: OrderOfLearnings = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Learning]:
        """What was learned from it."""
        part = LEARNINGS.part(filter, order_by, first, after, last, before)
        return listed(await info.context.loaders.learnings_of.load((parent.id, part)), part)

    @strawberry.field(description="The hypothesis it tests.", graphql_type=Hypothesis | None)
    async def hypothesis(parent: Parent[tables.Experiment], info: Info) -> kpi_tables.Hypothesis | None:
        """The hypothesis it tests."""
        return await info.context.loaders.hypotheses.load(parent.hypothesis_id)

    @strawberry.field(description="The variants of the experiment, the control first.")
    def variants(parent: Parent[tables.Experiment]) -> list[Variant]:
        """The variants, the control first."""
        found: Any = plans.from_document(parent.plan).variants
        return list(found)

    @strawberry.field(description="The plan of the experiment.")
    def plan(parent: Parent[tables.Experiment]) -> Plan:
        """The plan."""
        document = plans.from_document(parent.plan)
        kpis: Any = document.kpis
        protocol: Any = document.protocol
        targeting: Any = document.targeting or []
        return Plan(
            kpis=kpis,
            alpha=document.alpha,
            power=document.power,
            policy=document.policy,
            looks=len(document.look_days),
            horizon_days=document.horizon_days,
            segment_attributes=document.segment_attributes,
            minimum_days=document.minimum_days,
            traffic=document.traffic,
            audience=document.audience,
            exclusions=document.exclusions,
            targeting=targeting,
            correction=document.informing_correction,
            primary_units=document.planned_units,
            protocol=protocol,
            sealed_at=parent.sealed_at,
            document=document,
            sealed=parent,
        )

    @strawberry.field(
        description="What may be concluded; null until the data have been looked at once, and before the start.",
        graphql_type=ExperimentResults | None,
    )
    async def results(parent: Parent[tables.Experiment], info: Info, as_of: AsOf = None) -> analysis.Results | None:
        """What may be concluded, now or at a past moment."""
        return await info.context.loaders.results(parent, None if as_of is None else utc("asOf", as_of))

    @strawberry.field(
        description="The planned looks as they were published, the first one first: kept word for word.",
        graphql_type=list[PublishedLook],
    )
    async def published_looks(parent: Parent[tables.Experiment], info: Info) -> list[tables.PublishedLook]:
        """The planned looks as they were published."""
        return await info.context.loaders.published_looks.load(parent.id) or []

    @strawberry.field(
        description="What its shipped or leading variant is worth at the "
        "top of the ladder; null without an effect that may be trusted and has a logarithm."
    )
    async def impact(
        parent: Parent[tables.Experiment],
        info: Info,
        coverage: Coverage = 1.0,
        cost_to_serve: Cost = 0.0,
        periods_a_year: Periods = 12.0,
        segments: Mix = None,
    ) -> Impact | None:
        """What it is worth."""
        return await of_experiment(info, parent, terms_of(coverage, cost_to_serve, periods_a_year), segments)

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Experiment)


@strawberry.type(description="An experiment in a list.")
class ExperimentEdge:
    """An experiment in a list."""

    cursor: str = strawberry.field(description="The cursor of the experiment.")
    node: Experiment = strawberry.field(description="The experiment.")


@strawberry.type(description="A page of experiments.")
class ExperimentConnection:
    """A page of experiments."""

    edges: list[ExperimentEdge] = strawberry.field(description="The experiments of the page with their cursors.")
    nodes: list[Experiment] = strawberry.field(description="The experiments of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of experiments in the list.")
