"""Protocols, as the API shows them."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.nodes import Node, PageInfo
from api.graphql.types.kpi import Kpi
from api.graphql.types.targeting import TargetingCondition
from experiments import enums, tables
from experiments.planning import plan, terms
from kpi import tables as kpi_tables

strawberry.enum(terms.PlanField, name="PlanField", description="A field of a plan that a protocol may fix.")


@strawberry.type(description="The smallest effect worth having, as a protocol says it: one of the two.")
class Mde:
    """A smallest effect."""

    difference: float | None = strawberry.field(description="In the KPI's own units.")
    lift: float | None = strawberry.field(description="Relative to the KPI's baseline.")


@strawberry.type(description="A KPI's part in the plans of a protocol.")
class ProtocolKpi:
    """A KPI's part in the plans of a protocol."""

    role: enums.Role = strawberry.field(description="The role: it decides, informs, or guards.")
    margin: float | None = strawberry.field(description="The margin of a guardrail, as a difference.")
    is_fixed: bool = strawberry.field(
        description="Whether it is in every plan as it is here; else only where an experiment names no KPIs itself."
    )

    @strawberry.field(description="The smallest effect worth having; null where it is left to the experiment.")
    def mde(parent: Parent[terms.KpiTerms]) -> Mde | None:
        """The smallest effect worth having."""
        return Mde(difference=parent.mde_difference, lift=parent.mde_lift) if parent.has_mde else None

    @strawberry.field(description="The KPI.", graphql_type=Kpi | None)
    async def kpi(parent: Parent[terms.KpiTerms], info: Info) -> kpi_tables.Kpi | None:
        """The KPI."""
        return await info.context.loaders.kpis_by_key.load(parent.kpi)


@strawberry.type(description="What a protocol says of a plan; null says nothing.")
class ProtocolPlan:
    """What a protocol says of a plan."""

    kpis: list[ProtocolKpi] = strawberry.field(description="The KPIs and their roles.")
    alpha: float | None = strawberry.field(description="The error rate of all deciding tests together.")
    power: float | None = strawberry.field(description="The chance to find the planned effect.")
    policy: enums.Policy | None = strawberry.field(description="The policy that says when the test may decide.")
    looks: int | None = strawberry.field(description="The number of looks.")
    horizon_days: int | None = strawberry.field(description="The days from start to the last look.")
    segment_attributes: list[str] | None = strawberry.field(description="The attributes that define segments.")
    correction: enums.Correction | None = strawberry.field(description="The rule by which what informs is corrected.")
    holdout: str | None = strawberry.field(description="The key of the experiment whose control is kept out.")
    targeting: list[TargetingCondition] | None = strawberry.field(
        description="The conditions that all hold for the units that enter. Fixed, a plan may add to them."
    )
    fixed: list[terms.PlanField] = strawberry.field(
        description="The fields that an experiment cannot change; the others are there to start from."
    )


@strawberry.type(description="One version of a protocol. It never changes.")
class ProtocolVersion:
    """One version of a protocol."""

    version: int = strawberry.field(description="Its number, from 1.")
    name: str = strawberry.field(description="The name of the protocol.")
    description: str = strawberry.field(description="What it is for.")
    by: str = strawberry.field(description="The name of the key that made it.")
    created_at: datetime = strawberry.field(description="The time it was made.")

    @strawberry.field(description="What it says of a plan.", graphql_type=ProtocolPlan)
    def plan(parent: Parent[tables.ProtocolVersion]) -> terms.Terms:
        """What it says of a plan."""
        return terms.from_document(parent.terms)


@strawberry.type(description="What a workspace decides once for many plans.")
class Protocol(Node):
    """A protocol."""

    key: str = strawberry.field(description="The key of the protocol, unique in the workspace.")
    created_at: datetime = strawberry.field(description="The time the protocol was registered.")

    @strawberry.field(description="The version that new plans are made by.", graphql_type=ProtocolVersion | None)
    async def latest(parent: Parent[tables.Protocol], info: Info) -> tables.ProtocolVersion | None:
        """The version that new plans are made by."""
        found = await info.context.loaders.protocol_versions.load(parent.id)
        return found[-1] if found else None

    @strawberry.field(description="All versions, the first one first.", graphql_type=list[ProtocolVersion])
    async def versions(parent: Parent[tables.Protocol], info: Info) -> list[tables.ProtocolVersion]:
        """All versions."""
        return await info.context.loaders.protocol_versions.load(parent.id) or []

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Protocol)


@strawberry.type(description="The version of a protocol that a plan was made by.")
class PlannedProtocol:
    """The version of a protocol that a plan was made by."""

    version: int = strawberry.field(description="The number of the version.")

    @strawberry.field(description="The protocol.", graphql_type=Protocol | None)
    async def protocol(parent: Parent[plan.PinnedProtocol], info: Info) -> tables.Protocol | None:
        """The protocol."""
        return await info.context.loaders.protocols_by_key.load(parent.key)


@strawberry.type(description="A protocol in a list.")
class ProtocolEdge:
    """A protocol in a list."""

    cursor: str = strawberry.field(description="The cursor of the protocol.")
    node: Protocol = strawberry.field(description="The protocol.")


@strawberry.type(description="A page of protocols.")
class ProtocolConnection:
    """A page of protocols."""

    edges: list[ProtocolEdge] = strawberry.field(description="The protocols of the page with their cursors.")
    nodes: list[Protocol] = strawberry.field(description="The protocols of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of protocols in the list.")
