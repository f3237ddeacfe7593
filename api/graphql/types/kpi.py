"""KPIs, their definitions and baselines, as the API shows them."""

from datetime import date, datetime
from typing import Any

import strawberry
from strawberry import Parent

from api.graphql.columns import Numbers
from api.graphql.context import Info
from api.graphql.nodes import Node, PageInfo
from api.graphql.types.alert import AlertFields
from api.graphql.types.definition import KpiDefinition
from api.graphql.types.governance import KpiChange, Target
from api.graphql.types.history import HistoryFields
from api.graphql.types.interval import Interval
from api.graphql.types.ladder import KpiLink, KpiStep
from api.graphql.types.question import QuestionFields
from api.graphql.types.risk import RiskFields
from api.graphql.types.steadiness import SteadinessFields
from api.graphql.types.trial import TrialFields
from kpi import enums, kinds, ladder, tables
from kpi.history.audit import Audit, Found
from kpi.history.sums import ALPHA
from kpi.kinds.shape import Scale
from stats.distributions import critical_z

strawberry.enum(Audit, name="BaselineAuditKind", description="What is looked at in the rows behind a baseline.")
strawberry.enum(enums.Frequency, name="ReportingFrequency", description="How often a KPI is reported.")


@strawberry.type(name="BaselineAudit", description="What a look at the rows behind a baseline found.")
class AuditType:
    """What a look at the rows behind a baseline found."""

    audit: Audit = strawberry.field(description="What was looked at.")
    event: str | None = strawberry.field(description="The event whose rows were looked at; null for all outcomes.")
    is_sound: bool = strawberry.field(description="Whether nothing speaks against them.")
    sentence: str = strawberry.field(description="What was found, in words.")


@strawberry.type(description="A KPI's level before: an estimate with its error.")
class Baseline:
    """A KPI's level before: an estimate with its error."""

    version: int = strawberry.field(description="The version of the baseline.")
    value: float = strawberry.field(description="The value of the KPI in the window.")
    standard_error: float = strawberry.field(description="The standard error of the value.")
    n: int | None = strawberry.field(description="The units it was measured on.")
    from_on: date | None = strawberry.field(description="The first day of the window it was measured in.")
    to_on: date | None = strawberry.field(description="The last day of the window it was measured in.")
    segment: str = strawberry.field(description="The segment it is of, such as `plan=pro`; empty for everybody.")
    is_measured: bool = strawberry.field(description="Whether it was measured from history, and not typed in.")
    created_at: datetime = strawberry.field(description="The time it was recorded.")

    @strawberry.field(description="The 95% interval of the value, from its standard error.")
    def interval(parent: Parent[tables.Baseline]) -> Interval:
        """The interval of the value."""
        reach = float(critical_z(ALPHA)) * parent.standard_error
        return Interval(lower=parent.value - reach, upper=parent.value + reach, level=1 - ALPHA)

    @strawberry.field(
        description="What was found when the rows behind it were looked at; null where it was typed in.",
        graphql_type=list[AuditType] | None,
    )
    def audit(parent: Parent[tables.Baseline]) -> list[Found] | None:
        """What was found when the rows behind it were looked at."""
        return None if parent.audit is None else [Found(**one | {"audit": Audit(one["audit"])}) for one in parent.audit]

    @strawberry.field(description="The share that had not got there by the end of each day, of a time to value.")
    def survival(parent: Parent[tables.Baseline]) -> Numbers | None:
        """The curve behind a restricted mean."""
        return None if parent.curve is None else parent.curve["survival"]

    @strawberry.field(description="The variance of that share on each day.")
    def survival_variance(parent: Parent[tables.Baseline]) -> Numbers | None:
        """The variance of the curve."""
        return None if parent.curve is None else parent.curve["variance"]


@strawberry.type(description="A KPI: what is measured, who owns it, which way is better.")
class Kpi(HistoryFields, QuestionFields, SteadinessFields, RiskFields, AlertFields, TrialFields, Node):
    """A KPI."""

    key: str = strawberry.field(description="The key of the KPI, unique in the workspace.")
    name: str = strawberry.field(description="The name of the KPI.")
    description: str = strawberry.field(description="The definition of the KPI in words.")
    unit: enums.Unit = strawberry.field(description="The unit the KPI counts.")
    direction: enums.Direction = strawberry.field(description="The direction that is better.")
    tier: enums.Tier = strawberry.field(description="The tier of the KPI.")
    is_leading: bool = strawberry.field(description="Whether it moves before revenue does.")
    driver: enums.Driver = strawberry.field(description="The part of revenue the KPI feeds.")
    owner: str = strawberry.field(description="The person who owns the KPI.")
    data_source: str = strawberry.field(description="The source of the KPI's data.")
    frequency: enums.Frequency = strawberry.field(description="The frequency it is reported at.")
    action: str = strawberry.field(description="The action its alert triggers.")
    created_at: datetime = strawberry.field(description="The time the KPI was registered.")

    @strawberry.field(description="The newest definition of the KPI.", graphql_type=KpiDefinition | None)
    async def definition(parent: Parent[tables.Kpi], info: Info) -> kinds.Kind | None:
        """The newest definition."""
        found = await info.context.loaders.definitions.load(parent.id)
        return None if found is None else kinds.decode(found.kind, found.parameters)

    @strawberry.field(description="How its values read, by its newest definition; null without one.")
    async def scale(parent: Parent[tables.Kpi], info: Info) -> Scale | None:
        """How its values read."""
        found = await info.context.loaders.definitions.load(parent.id)
        return None if found is None else kinds.decode(found.kind, found.parameters).scale

    @strawberry.field(description="The version of the newest definition.")
    async def definition_version(parent: Parent[tables.Kpi], info: Info) -> int | None:
        """The version of the newest definition."""
        found = await info.context.loaders.definitions.load(parent.id)
        return None if found is None else found.version

    @strawberry.field(description="The newest baseline of the newest definition.", graphql_type=Baseline | None)
    async def baseline(parent: Parent[tables.Kpi], info: Info) -> tables.Baseline | None:
        """The newest baseline."""
        found = await info.context.loaders.definitions.load(parent.id)
        return None if found is None else await info.context.loaders.baselines.load(found.id)

    @strawberry.field(
        description="All baselines of the newest definition, of all segments, the newest first.",
        graphql_type=list[Baseline],
    )
    async def baselines(parent: Parent[tables.Kpi], info: Info) -> list[tables.Baseline]:
        """All baselines of the newest definition."""
        found = await info.context.loaders.definitions.load(parent.id)
        rows = None if found is None else await info.context.loaders.all_baselines.load(found.id)
        return list(reversed(rows or []))

    @strawberry.field(
        description="Where the KPI shall be by a day; null where nothing is aimed at.", graphql_type=Target | None
    )
    async def target(parent: Parent[tables.Kpi], info: Info) -> tables.Target | None:
        """Where the KPI shall be."""
        newest = next(iter(await info.context.loaders.targets.load(parent.id) or []), None)
        return None if newest is None or newest.value is None else newest

    @strawberry.field(description="All targets of the KPI there were, the newest first.", graphql_type=list[Target])
    async def targets(parent: Parent[tables.Kpi], info: Info) -> list[tables.Target]:
        """All targets there were."""
        return await info.context.loaders.targets.load(parent.id) or []

    @strawberry.field(
        description="What was changed about the KPI since it was registered, the newest first.",
        graphql_type=list[KpiChange],
    )
    async def history(parent: Parent[tables.Kpi], info: Info) -> list[tables.KpiChange]:
        """What was changed about the KPI."""
        return await info.context.loaders.kpi_changes.load(parent.id) or []

    @strawberry.field(
        description=(
            "The links of the ladder that begin or end at the KPI, by each source in its newest version; what was "
            "withdrawn is not among them."
        ),
        graphql_type=list[KpiLink],
    )
    async def links(parent: Parent[tables.Kpi], info: Info) -> list[tables.KpiLink]:
        """The links that begin or end at the KPI."""
        found = await info.context.loaders.kpi_links.load(parent.id) or []
        return [link for link in found if link.elasticity is not None or link.undefined is not None]

    @strawberry.field(
        description="The steps of the ladder that begin or end at the KPI: all sources of each pair, and together."
    )
    async def steps(parent: Parent[tables.Kpi], info: Info) -> list[KpiStep]:
        """The steps that begin or end at the KPI."""
        return [KpiStep(step=step) for step in ladder.steps(await info.context.loaders.kpi_links.load(parent.id) or [])]

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Kpi)


@strawberry.type(description="A KPI in a list.")
class KpiEdge:
    """A KPI in a list."""

    cursor: str = strawberry.field(description="The cursor of the KPI.")
    node: Kpi = strawberry.field(description="The KPI.")


@strawberry.type(description="A page of KPIs.")
class KpiConnection:
    """A page of KPIs."""

    edges: list[KpiEdge] = strawberry.field(description="The KPIs of the page with their cursors.")
    nodes: list[Kpi] = strawberry.field(description="The KPIs of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of KPIs in the list.")
