"""Columns of a table as one value each: what an answer holds by the thousand is not completed number by number."""

from datetime import date
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

Numbers = NewType("Numbers", list[float | None])
Counts = NewType("Counts", list[int])
Days = NewType("Days", list[date])

ARRAY = "https://www.rfc-editor.org/rfc/rfc8259#section-5"
"""JSON's own word for what is sent."""

SCALARS: dict[object, ScalarDefinition] = {
    Numbers: strawberry.scalar(
        name="Numbers",
        description="A column of numbers, as `[Float]`: an entry for each row of its table, null without an answer.",
        specified_by_url=ARRAY,
    ),
    Counts: strawberry.scalar(
        name="Counts",
        description="A column of whole numbers, as `[Int!]`: an entry for each row of its table.",
        specified_by_url=ARRAY,
    ),
    Days: strawberry.scalar(
        name="Days",
        description="A column of days, as `[Date!]`: an entry for each row of its table.",
        specified_by_url=ARRAY,
        serialize=lambda days: [day.isoformat() for day in days],
    ),
}
"""How each is sent, for the schema's configuration."""
