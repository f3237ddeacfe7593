"""What can be asked of the shipped KPIs."""

from typing import Annotated

import strawberry

from api.auth.permissions import MayRead
from api.graphql.types.catalogue import CatalogueKpi
from kpi import catalogue

Areas = Annotated[
    str | None, strawberry.argument(description="Only KPIs of this area, such as retention; all if not said.")
]


@strawberry.type
class CatalogueQuery:
    """What can be asked of the shipped KPIs."""

    @strawberry.field(
        description="The KPIs that Truelift ships, area by area, each ready to be registered.",
        permission_classes=[MayRead],
        graphql_type=list[CatalogueKpi] | None,
    )
    def kpi_catalogue(self, area: Areas = None) -> list[catalogue.Template]:
        """The KPIs that Truelift ships."""
        return [template for template in catalogue.templates().values() if area in (None, template.area)]
