"""What is believed of a KPI and tested on it, as the API shows it."""

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.nodes import After, Before, First, Last, Listed, Part, listed
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

    @strawberry.field(description="The hypotheses of what moves the KPI, newest first.", graphql_type=LazyHypotheses)
    async def hypotheses(
        parent: Parent[tables.Kpi],
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[tables.Hypothesis]:
        """The hypotheses of what moves it."""
        part = Part.asked(first, after, last, before)
        return listed(await info.context.loaders.hypotheses_of.load((parent.id, part)))

    @strawberry.field(
        description="The experiments whose plan measures the KPI, in whatever role, newest first.",
        graphql_type=LazyExperiments,
    )
    async def experiments(
        parent: Parent[tables.Kpi],
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[Experiment]:
        """The experiments that measure it."""
        part = Part.asked(first, after, last, before)
        return listed(await info.context.loaders.experiments_on.load((parent.key, part)))
