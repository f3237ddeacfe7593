"""Hypotheses, as the API shows them."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed, Node, PageInfo, listed
from api.graphql.types.evidence import Evidence
from api.graphql.types.impact import Cost, Coverage, Impact, Periods, of_hypothesis, terms_of
from api.graphql.types.kpi import Kpi
from api.graphql.types.selection.experiments import EXPERIMENTS, OrderOfExperiments, WhichExperiments
from api.graphql.types.trial import LazyExperiments
from experiments.tables import Experiment
from kpi import enums, tables


@strawberry.type(description="What a change is believed to do to a KPI, and why.")
class Hypothesis(Node):
    """A hypothesis."""

    key: str = strawberry.field(description="The key of the hypothesis, unique in the workspace.")
    title: str = strawberry.field(description="The hypothesis in one line.")
    change: str = strawberry.field(description="The change that is made.")
    direction: enums.Change = strawberry.field(description="The direction the KPI is expected to move.")
    expected_lift: float | None = strawberry.field(description="The relative effect expected, 0.05 for five per cent.")
    segment: str | None = strawberry.field(description="The segment it is believed of; null for everybody.")
    rationale: str = strawberry.field(description="The reason to believe it.")
    owner: str = strawberry.field(description="The person who owns the hypothesis.")
    created_at: datetime = strawberry.field(description="The time the hypothesis was registered.")

    @strawberry.field(description="The KPI that is expected to move.", graphql_type=Kpi | None)
    async def kpi(parent: Parent[tables.Hypothesis], info: Info) -> tables.Kpi | None:
        """The KPI that is expected to move."""
        return await info.context.loaders.kpis.load(parent.kpi_id)

    @strawberry.field(
        description="The experiments that test it, newest first unless ordered otherwise.",
        graphql_type=LazyExperiments | None,
    )
    async def experiments(
        parent: Parent[tables.Hypothesis],
        info: Info,
        filter: WhichExperiments = None,  # noqa: A002 - the API's word
        order_by: OrderOfExperiments = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[Experiment]:
        """The experiments that test it."""
        part = EXPERIMENTS.part(filter, order_by, first, after, last, before)
        return listed(await info.context.loaders.experiments_of.load((parent.id, part)), part)

    @strawberry.field(description="What all experiments on it say together, and the status that follows.")
    async def evidence(parent: Parent[tables.Hypothesis], info: Info) -> Evidence:
        """What all experiments on it say together."""
        found = await info.context.loaders.evidence(parent)
        return Evidence(found=found, sign=parent.direction.sign, hypothesis_id=parent.id)

    @strawberry.field(
        description="What its change is, by all of its experiments, worth at the "
        "top of the ladder; null without an effect that may be trusted and has a logarithm."
    )
    async def impact(
        parent: Parent[tables.Hypothesis],
        info: Info,
        coverage: Coverage = 1.0,
        cost_to_serve: Cost = 0.0,
        periods_a_year: Periods = 12.0,
    ) -> Impact | None:
        """What it is worth."""
        return await of_hypothesis(info, parent, terms_of(coverage, cost_to_serve, periods_a_year))

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Hypothesis)


@strawberry.type(description="A hypothesis in a list.")
class HypothesisEdge:
    """A hypothesis in a list."""

    cursor: str = strawberry.field(description="The cursor of the hypothesis.")
    node: Hypothesis = strawberry.field(description="The hypothesis.")


@strawberry.type(description="A page of hypotheses.")
class HypothesisConnection:
    """A page of hypotheses."""

    edges: list[HypothesisEdge] = strawberry.field(description="The hypotheses of the page with their cursors.")
    nodes: list[Hypothesis] = strawberry.field(description="The hypotheses of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of hypotheses in the list.")
