"""What can be asked."""

import asyncio
from typing import Annotated, Any

import strawberry

from api.auth.keys import Caller, Scope
from api.auth.permissions import MayRead
from api.database import driver
from api.graphql.alerts import AlertQuery
from api.graphql.catalogue import CatalogueQuery
from api.graphql.context import Info
from api.graphql.deliveries import DeliveryQuery
from api.graphql.errors import answer
from api.graphql.library import LibraryQuery
from api.graphql.nodes import (
    After,
    Before,
    First,
    Last,
    Listed,
    Node,
    bad_input,
    local_id,
    parts,
)
from api.graphql.people import PeopleQuery
from api.graphql.reviews import ReviewQuery
from api.graphql.trail import TrailQuery
from api.graphql.types.design import DesignInput, ExperimentDesign, shown
from api.graphql.types.experiment import Experiment, ExperimentConnection
from api.graphql.types.hypothesis import Hypothesis, HypothesisConnection
from api.graphql.types.job import Job, JobConnection
from api.graphql.types.kpi import Kpi, KpiConnection
from api.graphql.types.ladder import KpiLadder, Whole, whole
from api.graphql.types.rejection import RejectionConnection
from api.graphql.types.selection.experiments import EXPERIMENTS, OrderOfExperiments, WhichExperiments
from api.graphql.types.selection.intake import (
    JOBS,
    REJECTIONS,
    OrderOfJobs,
    OrderOfRejections,
    WhichJobs,
    WhichRejections,
)
from api.graphql.types.selection.kpis import (
    HYPOTHESES,
    KPIS,
    OrderOfHypotheses,
    OrderOfKpis,
    WhichHypotheses,
    WhichKpis,
)
from api.graphql.types.viewer import RateLimit, Viewer
from api.graphql.types.workspace import Workspace
from api.jobs import tables as job_tables
from experiments import tables as experiment_tables
from experiments.queries import experiment_by_key
from experiments.service import design
from kpi import tables as kpi_tables
from kpi.queries import hypotheses_by_key, kpis_by_key, workspace_by_id

MOST_NODES = 100
Key = Annotated[str, strawberry.argument(description="The key of the object.")]
Identity = Annotated[strawberry.ID, strawberry.argument(description="The global id of the object.")]
Identities = Annotated[list[strawberry.ID], strawberry.argument(description="The global ids, 100 at most.")]


@strawberry.type(description="What can be asked.")
class Query(LibraryQuery, CatalogueQuery, ReviewQuery, DeliveryQuery, AlertQuery, TrailQuery, PeopleQuery):
    """What can be asked."""

    @strawberry.field(description="Who is asking.", permission_classes=[MayRead], graphql_type=Viewer | None)
    def viewer(self, info: Info) -> Caller:
        """Who is asking."""
        return info.context.caller

    @strawberry.field(description="What the caller may still ask for.", permission_classes=[MayRead])
    def rate_limit(self, info: Info) -> RateLimit | None:
        """What the caller may still ask for."""
        return RateLimit.of(info.context)

    @strawberry.field(
        description="The workspace the caller sees.", permission_classes=[MayRead], graphql_type=Workspace | None
    )
    async def workspace(self, info: Info) -> kpi_tables.Workspace:
        """The workspace the caller sees."""
        async with info.context.read() as session:
            return await workspace_by_id(session, info.context.caller.workspace_id)

    @strawberry.field(
        description="Any object by its global id; null when there is none in this workspace.",
        permission_classes=[MayRead],
        graphql_type=Node | None,
    )
    async def node(self, info: Info, id: Identity) -> Any:  # noqa: A002 - Relay's name
        """Any object by its global id."""
        return await _node(info, id)

    @strawberry.field(
        description="Objects by their global ids, in order; null where there is none in this workspace.",
        permission_classes=[MayRead],
        graphql_type=list[Node | None],
    )
    async def nodes(self, info: Info, ids: Identities) -> Any:
        """Objects by their global ids."""
        if len(ids) > MOST_NODES:
            raise bad_input(f"{len(ids)} ids; {MOST_NODES} is the most a call takes.")
        return await asyncio.gather(*(_node(info, identity) for identity in ids))

    @strawberry.field(description="A KPI by its key.", permission_classes=[MayRead], graphql_type=Kpi | None)
    async def kpi(self, info: Info, key: Key) -> kpi_tables.Kpi | None:
        """A KPI by its key."""
        async with info.context.read() as session:
            return (await kpis_by_key(session, info.context.caller.workspace_id, [key])).get(key)

    @strawberry.field(
        description="The KPIs of the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=KpiConnection | None,
    )
    async def kpis(
        self,
        info: Info,
        filter: WhichKpis = None,  # noqa: A002 - the API's word
        order_by: OrderOfKpis = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[kpi_tables.Kpi]:
        """The KPIs of the workspace."""
        return await KPIS.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(
        description="The ladder of the workspace, from leading KPIs to lagging ones.",
        permission_classes=[MayRead],
        graphql_type=KpiLadder | None,
    )
    async def kpi_ladder(self, info: Info) -> Whole:
        """The ladder of the workspace."""
        return await whole(info)

    @strawberry.field(
        description="A hypothesis by its key.", permission_classes=[MayRead], graphql_type=Hypothesis | None
    )
    async def hypothesis(self, info: Info, key: Key) -> kpi_tables.Hypothesis | None:
        """A hypothesis by its key."""
        async with info.context.read() as session:
            return (await hypotheses_by_key(session, info.context.caller.workspace_id, [key])).get(key)

    @strawberry.field(
        description="The hypotheses of the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=HypothesisConnection | None,
    )
    async def hypotheses(
        self,
        info: Info,
        filter: WhichHypotheses = None,  # noqa: A002 - the API's word
        order_by: OrderOfHypotheses = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[kpi_tables.Hypothesis]:
        """The hypotheses of the workspace."""
        return await HYPOTHESES.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(
        description="An experiment by its key.", permission_classes=[MayRead], graphql_type=Experiment | None
    )
    async def experiment(self, info: Info, key: Key) -> experiment_tables.Experiment | None:
        """An experiment by its key."""
        async with info.context.read() as session:
            return await experiment_by_key(session, info.context.caller.workspace_id, key)

    @strawberry.field(
        description="The experiments of the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=ExperimentConnection | None,
    )
    async def experiments(
        self,
        info: Info,
        filter: WhichExperiments = None,  # noqa: A002 - the API's word
        order_by: OrderOfExperiments = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[experiment_tables.Experiment]:
        """The experiments of the workspace."""
        return await EXPERIMENTS.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(description="Work a design out, before anything is registered.", permission_classes=[MayRead])
    async def experiment_design(self, info: Info, input: DesignInput) -> ExperimentDesign | None:  # noqa: A002 - the API's word
        """Work a design out."""

        async def action() -> dict[str, Any]:
            workspace_id = info.context.caller.workspace_id
            async with info.context.read() as session:
                found = await design(session, await driver(session), workspace_id=workspace_id, asked=input.choice())
            return shown(found)

        return await answer(ExperimentDesign, action)

    @strawberry.field(description="A job by its global id.", permission_classes=[MayRead], graphql_type=Job | None)
    async def job(self, info: Info, id: Identity) -> job_tables.Job | None:  # noqa: A002 - Relay's name
        """A job by its global id."""
        identity = local_id("Job", id)
        return None if identity is None else await info.context.loaders.jobs.load(identity)

    @strawberry.field(
        description="The jobs of the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=JobConnection | None,
    )
    async def jobs(
        self,
        info: Info,
        filter: WhichJobs = None,  # noqa: A002 - the API's word
        order_by: OrderOfJobs = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[job_tables.Job]:
        """The jobs of the workspace."""
        return await JOBS.page(info, filter, order_by, first, after, last, before)

    @strawberry.field(
        description="The rejected rows of the workspace, newest first unless ordered otherwise.",
        permission_classes=[MayRead],
        graphql_type=RejectionConnection | None,
    )
    async def rejections(
        self,
        info: Info,
        filter: WhichRejections = None,  # noqa: A002 - the API's word
        order_by: OrderOfRejections = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Listed[kpi_tables.Rejection]:
        """The rejected rows of the workspace."""
        return await REJECTIONS.page(info, filter, order_by, first, after, last, before)


async def _node(info: Info, identity: str) -> Any:
    found = parts(identity)
    loaders = info.context.loaders
    by_noun: dict[str, Any] = {
        "Kpi": loaders.kpis,
        "Alert": loaders.alerts,
        "Hypothesis": loaders.hypotheses,
        "Experiment": loaders.experiments,
        "Job": loaders.jobs,
        "Rejection": loaders.rejections,
        "Learning": loaders.learnings,
        "Protocol": loaders.protocols,
        "Review": loaders.reviews,
        "ActionItem": loaders.action_items,
    }
    if info.context.caller.may(Scope.ADMIN):
        by_noun |= {"Endpoint": loaders.endpoints, "Delivery": loaders.deliveries}
        by_noun |= {"Member": loaders.members, "ApiKey": loaders.api_keys}
    loader = by_noun.get(found[0]) if found else None
    return None if loader is None or found is None else await loader.load(found[1])
