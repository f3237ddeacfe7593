"""The shipped KPIs, as the API shows them."""

from typing import Any

import strawberry
from strawberry import Parent
from strawberry.scalars import JSON

from api.graphql.types.definition import KpiDefinition
from api.graphql.types.history import EntryType
from kpi import catalogue, enums
from kpi.history.entry import Entry
from kpi.kinds import Kind


@strawberry.type(description="An event that a KPI of the catalogue needs.")
class CatalogueEvent:
    """An event that a KPI of the catalogue needs."""

    name: str = strawberry.field(description="The name of the event.")
    of: enums.Unit = strawberry.field(
        description="The unit it is sent for. What users do counts for their account, once memberships are known."
    )
    meaning: str = strawberry.field(description="What it says.")
    value: str | None = strawberry.field(description="What its value is; null where it has none.")
    example: JSON = strawberry.field(description="A row of it, as outcomes are sent.")


@strawberry.type(description="A KPI of the catalogue: register it by its key, with what is different here.")
class CatalogueKpi:
    """A KPI of the catalogue."""

    key: str = strawberry.field(description="The key, for `fromCatalogue`.")
    area: str = strawberry.field(description="The area: onboarding, adoption, retention, renewal, health and so on.")
    name: str = strawberry.field(description="The name.")
    description: str = strawberry.field(description="What it says, in words.")
    formula: str = strawberry.field(description="The formula in words.")
    measured_in: str = strawberry.field(description="What its value is counted in.")
    unit: enums.Unit = strawberry.field(description="The unit it counts.")
    direction: enums.Direction = strawberry.field(description="The direction that is better.")
    tier: enums.Tier = strawberry.field(description="The tier.")
    is_leading: bool = strawberry.field(description="Whether it moves before revenue does.")
    driver: enums.Driver = strawberry.field(description="The part of revenue it feeds.")
    frequency: enums.Frequency = strawberry.field(description="The frequency it is reported at.")
    action: str = strawberry.field(description="The action its alert triggers.")
    segments: list[str] = strawberry.field(description="Traits that it is usually sliced by.")
    events: list[CatalogueEvent] = strawberry.field(description="The events it needs.")

    @strawberry.field(description="How it is computed.", graphql_type=KpiDefinition)
    def definition(parent: Parent[catalogue.Template]) -> Kind:
        """How it is computed."""
        return parent.shown

    @strawberry.field(description="Whom it counts outside experiments.", graphql_type=EntryType)
    def entry(parent: Parent[catalogue.Template]) -> Entry:
        """Whom it counts outside experiments."""
        return parent.enters

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Templates stand for themselves."""
        return isinstance(obj, catalogue.Template)
