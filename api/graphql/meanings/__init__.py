"""What each value of each enum means: strawberry takes no description for the values of an enum declared elsewhere.

A sentence that the domain itself says is taken from there.
"""

from collections.abc import Mapping

from graphql import GraphQLEnumType, GraphQLSchema

from api.graphql.meanings import experiments, kpis, rows
from kpi.history.questions import CAUTIONS
from kpi.notices import TELLINGS
from stats.ladder.elasticity import Obstacle
from stats.results import Reason

MEANINGS: dict[str, Mapping[str, str]] = {
    **kpis.MEANINGS,
    **experiments.MEANINGS,
    **rows.MEANINGS,
    "KpiCaution": {caution.name: sentence for caution, sentence in CAUTIONS.items()},
    "KpiLinkObstacle": {obstacle.name: obstacle.sentence for obstacle in Obstacle},
    "NoticeType": {notice.name: told.meaning for notice, told in TELLINGS.items()},
    "UndefinedReason": {reason.name: reason.sentence for reason in Reason},
}
"""By the name of the enum and of the value in the schema."""


def describe(schema: GraphQLSchema) -> None:
    """Say in the schema what its values mean. Raises KeyError for a value that there is not."""
    for name, values in MEANINGS.items():
        found = schema.type_map[name]
        assert isinstance(found, GraphQLEnumType)  # noqa: S101 - a name above is of an enum
        for value, meaning in values.items():
            found.values[value].description = meaning
