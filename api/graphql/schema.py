"""The schema, put together. `make schema` writes it to `schema.graphql`, and a test fails when that file is stale."""

from pathlib import Path

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.types import ExecutionContext
from strawberry.types.base import StrawberryObjectDefinition, StrawberryType

from api.graphql.columns import SCALARS
from api.graphql.deadlines import Timely
from api.graphql.documents import Checked
from api.graphql.errors import Masked
from api.graphql.events import Execution
from api.graphql.inputs import Sent
from api.graphql.meanings import describe
from api.graphql.mutations.alert import AlertMutation
from api.graphql.mutations.amendment import AmendmentMutation
from api.graphql.mutations.api_key import ApiKeyMutation
from api.graphql.mutations.decision import DecisionMutation
from api.graphql.mutations.endpoint import EndpointMutation
from api.graphql.mutations.experiment import ExperimentMutation
from api.graphql.mutations.governance import GovernanceMutation
from api.graphql.mutations.ingest import IngestMutation
from api.graphql.mutations.kpi import KpiMutation
from api.graphql.mutations.ladder import LadderMutation
from api.graphql.mutations.learning import LearningMutation
from api.graphql.mutations.lifecycle import LifecycleMutation
from api.graphql.mutations.member import MemberMutation
from api.graphql.mutations.protocol import ProtocolMutation
from api.graphql.mutations.rehearsal import RehearsalMutation
from api.graphql.mutations.rejections import RejectionMutation
from api.graphql.mutations.review import ReviewMutation
from api.graphql.mutations.risk import RiskMutation
from api.graphql.mutations.units import UnitMutation
from api.graphql.mutations.uploads import UploadMutation
from api.graphql.mutations.workspace import WorkspaceMutation
from api.graphql.observation import Noted
from api.graphql.query import Query
from api.graphql.subscription import Subscription
from api.graphql.types.alert import Alert
from api.graphql.types.api_key import ApiKey
from api.graphql.types.endpoint import Delivery, Endpoint
from api.graphql.types.experiment import Experiment
from api.graphql.types.hypothesis import Hypothesis
from api.graphql.types.job import Job
from api.graphql.types.kpi import Kpi
from api.graphql.types.learning import Learning
from api.graphql.types.member import Member
from api.graphql.types.protocol import Protocol
from api.graphql.types.rejection import Rejection
from api.graphql.types.review import ActionItem, Review

SDL = Path(__file__).with_name("schema.graphql")


@strawberry.type(description="What can be done.")
class Mutation(
    KpiMutation,
    GovernanceMutation,
    AlertMutation,
    LadderMutation,
    RiskMutation,
    ExperimentMutation,
    LifecycleMutation,
    RehearsalMutation,
    AmendmentMutation,
    DecisionMutation,
    LearningMutation,
    ProtocolMutation,
    ReviewMutation,
    IngestMutation,
    RejectionMutation,
    UploadMutation,
    UnitMutation,
    WorkspaceMutation,
    EndpointMutation,
    MemberMutation,
    ApiKeyMutation,
):
    """What can be done."""


class Names(NameConverter):
    """How types are called that are made of others: the order by a KpiOrderField is a KpiOrder."""

    def from_generic(self, generic_type: StrawberryObjectDefinition, types: list[StrawberryType | type]) -> str:
        """The name of a type that is made of others."""
        return super().from_generic(generic_type, types).removesuffix("OrderFieldOrder") + (
            "Order" if generic_type.name == "Order" else ""
        )


class Schema(strawberry.Schema):
    """The schema. What a sender did wrong is told to the sender and no matter for the log; `Masked` logs the rest."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing: a document may hold what is nobody's business."""


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[
        Kpi,
        Alert,
        Hypothesis,
        Experiment,
        Job,
        Rejection,
        Learning,
        Protocol,
        Review,
        ActionItem,
        Endpoint,
        Delivery,
        Member,
        ApiKey,
    ],
    extensions=[
        Noted,
        Masked,
        Checked,
        Timely,
        Sent,
    ],
    execution_context_class=Execution,
    config=StrawberryConfig(name_converter=Names(auto_camel_case=True), scalar_map=SCALARS),
)
describe(schema._schema)


def sdl() -> str:
    """The schema in GraphQL's own language."""
    return schema.as_str() + "\n"


if __name__ == "__main__":
    SDL.write_text(sdl(), encoding="utf-8")
