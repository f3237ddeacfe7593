"""What is believed of a KPI and tested on it, as the API shows it."""

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed, listed
from api.graphql.types.selection.experiments import EXPERIMENTS, OrderOfExperiments, WhichExperiments
from api.graphql.types.selection.kpis import HYPOTHESES, OrderOfHypotheses, WhichHypotheses
from experiments.tables import Experiment
from kpi import tables

if TYPE_CHECKING:
    from api.graphql.types.experiment import ExperimentConnection
    from api.graphql.types.hypothesis import HypothesisConnection

LazyExperiments = Annotated["ExperimentConnection", strawberry.lazy("api.graphql.types.experiment")]
LazyHypotheses = Annotated["HypothesisConnection", strawberry.lazy("api.graphql.types.hypothesis")]
"""A hypothesis shows its KPI and a KPI its hypotheses."""


@strawberry.type
class TrialFields:
    """The hypotheses about a KPI and the experiments that measure it."""

    @strawberry.field(
        description="The hypotheses of what moves the KPI, newest first unless ordered otherwise.",
        graphql_type=LazyHypotheses | None,
    )
    async def hypotheses(
        parent: Parent[tables.Kpi],
        info: Info,
        filter: WhichHypotheses = None,  # noqa: A002 - the API's word
        order_by: OrderOfHypotheses = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Hypothesis]:
        """The hypotheses of what moves it."""
        part = HYPOTHESES.part(filter, order_by, first, after, last, before)
        return listed(await info.context.loaders.hypotheses_of.load((parent.id, part)), part)

    @strawberry.field(
        description="The experiments whose plan measures it, in whatever role, newest first unless ordered otherwise.",
        graphql_type=LazyExperiments | None,
    )
    async def experiments(
        parent: Parent[tables.Kpi],
        info: Info,
        filter: WhichExperiments = None,  # noqa: A002 - the API's word
        order_by: OrderOfExperiments = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[Experiment]:
        """The experiments that measure it."""
        part = EXPERIMENTS.part(filter, order_by, first, after, last, before)
        return listed(await info.context.loaders.experiments_on.load((parent.id, part)), part)
