"""Where a KPI shall be, and what was changed about it, as the API shows them."""

from datetime import date, datetime

import strawberry
from strawberry import Parent

from api.graphql.types.story import ValueChange
from kpi import enums, tables

strawberry.enum(enums.Governed, name="KpiPart", description="What of a KPI was changed.")


@strawberry.type(description="Where a KPI shall be by a day.")
class Target:
    """A target."""

    version: int = strawberry.field(description="Its version, from 1; the newest holds.")
    value: float | None = strawberry.field(description="The value to reach; null where the target was withdrawn.")
    due_on: date | None = strawberry.field(description="The day it is due.")
    owner: str = strawberry.field(description="The person who answers for it.")
    approver: str = strawberry.field(description="The person who agreed to it; empty where nobody is named.")
    definition_version: int | None = strawberry.field(
        description="The version of the definition it is of; null where it was set before that was kept."
    )
    by: str = strawberry.field(description="The name of the key that set it.")
    reason: str = strawberry.field(description="The reason.")
    created_at: datetime = strawberry.field(description="The time it was set.")


@strawberry.type(description="What somebody changed about a KPI, and why.")
class KpiChange:
    """A change."""

    number: int = strawberry.field(description="Its number, from 1.")
    what: enums.Governed = strawberry.field(description="The part of the KPI that changed.")
    by: str = strawberry.field(description="The name of the key that changed it.")
    reason: str = strawberry.field(description="The reason.")
    created_at: datetime = strawberry.field(description="The time of the change.")

    @strawberry.field(description="The values that changed.")
    def changes(parent: Parent[tables.KpiChange]) -> list[ValueChange]:
        """The values that changed."""
        return [ValueChange(**change) for change in parent.changes]
