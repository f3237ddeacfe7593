"""A workspace, as the API shows it."""

from datetime import date

import strawberry

from kpi import tables


@strawberry.type(description="One company's data, and how they are kept. Nothing crosses its border.")
class Workspace:
    """A workspace."""

    key: str = strawberry.field(description="The key of the workspace.")
    name: str = strawberry.field(description="Its name.")
    retention_days: int | None = strawberry.field(
        description="The days that raw outcomes and exposures are kept, as far as no window needs them; null for ever."
    )

    needs_second_person: bool = strawberry.field(
        description="Whether a decision against the verdict needs the approval of a second person."
    )

    requires_protocol: bool = strawberry.field(description="Whether every new experiment follows a protocol.")

    opens_reviews: bool = strawberry.field(
        description="Whether the review of each week, month and quarter opens by itself, once KPIs have owners."
    )

    @strawberry.field(
        description="The first entry day (UTC) that may still change; null while any may. Earlier ones are frozen."
    )
    def first_entry_on(row: strawberry.Parent[tables.Workspace]) -> date | None:
        """The first entry day that is not frozen."""
        return row.frozen_before

    @strawberry.field(description="The first day (UTC) of which outcomes are taken; null while any are.")
    def first_outcome_on(row: strawberry.Parent[tables.Workspace]) -> date | None:
        """The first day of which outcomes are taken."""
        return row.refused_before

    @strawberry.field(description="Whether unit ids are stored as keyed 128-bit hashes.")
    def hashes_units(row: strawberry.Parent[tables.Workspace]) -> bool:
        """Whether unit ids are hidden."""
        return row.hashes_units
