"""What splits of past control units showed, as the API shows it."""

from datetime import UTC, datetime

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.types.interval import Interval
from api.graphql.types.kpi import Kpi
from experiments.planning.replays import LEVEL, Shown
from kpi import tables


@strawberry.type(description="What splits of past control units, between which nothing differs, showed for a KPI.")
class Rehearsal:
    """What splits of past control units showed for a KPI."""

    @strawberry.field(description="The KPI.", graphql_type=Kpi | None)
    async def kpi(parent: Parent[Shown], info: Info) -> tables.Kpi | None:
        """The KPI."""
        return await info.context.loaders.kpis_by_key.load(parent.kpi)

    @strawberry.field(description="The key of the experiment whose control units were split.")
    def source(parent: Parent[Shown]) -> str:
        """The experiment whose units were split."""
        return parent.experiment

    @strawberry.field(description="The alpha of the one test that judged each split.")
    def alpha(parent: Parent[Shown]) -> float:
        """The alpha of one test."""
        return parent.stored.alpha

    @strawberry.field(description="The treatment's part of the units of both arms.")
    def treatment_share(parent: Parent[Shown]) -> float:
        """The treatment's part of the units."""
        return parent.stored.share

    @strawberry.field(description="The number of splits; 0 where there was nothing to split.")
    def replays(parent: Parent[Shown]) -> int:
        """The number of splits."""
        return parent.stored.replays

    @strawberry.field(description="The splits in which the plan's test found a difference.")
    def false_positives(parent: Parent[Shown]) -> int:
        """The splits with a difference."""
        return parent.stored.false_positives

    @strawberry.field(description="Wilson's interval of their share: of these units, split again and again.")
    def interval(parent: Parent[Shown]) -> Interval:
        """The interval of their share."""
        lower, upper = parent.interval
        return Interval(lower=lower, upper=upper, level=LEVEL)

    @strawberry.field(description="The units that were split.")
    def units(parent: Parent[Shown]) -> int:
        """The units that were split."""
        return parent.stored.units

    @strawberry.field(description="The days of history they come from.")
    def days(parent: Parent[Shown]) -> int:
        """The days of history."""
        return parent.stored.days

    @strawberry.field(description="The time through which the data were counted.")
    def data_through(parent: Parent[Shown]) -> datetime:
        """The time through which the data were counted."""
        return parent.stored.data_through.astimezone(UTC)

    @strawberry.field(description="The time it was computed.")
    def computed_at(parent: Parent[Shown]) -> datetime:
        """The time it was computed."""
        return parent.stored.computed_at.astimezone(UTC)

    @strawberry.field(description="The seed of the random numbers: the same data, seed and version give the same.")
    def seed(parent: Parent[Shown]) -> int:
        """The seed."""
        return parent.stored.seed

    @strawberry.field(description="The version of the software that computed it.")
    def software_version(parent: Parent[Shown]) -> str:
        """The version of the software."""
        return parent.stored.version
