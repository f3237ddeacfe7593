"""Columns of a table as one value each: what an answer holds by the thousand is not completed number by number.

And what days and times are specified by.
"""

from dataclasses import replace
from datetime import date, datetime
from typing import NewType

import strawberry
from strawberry.schema.types.base_scalars import DateDefinition, DateTimeDefinition
from strawberry.types.scalar import ScalarDefinition

Numbers = NewType("Numbers", list[float | None])
Counts = NewType("Counts", list[int])
Days = NewType("Days", list[date])

ARRAY = "https://www.rfc-editor.org/rfc/rfc8259#section-5"
"""JSON's own word for what is sent."""

TIME = "https://www.rfc-editor.org/rfc/rfc3339#section-5.6"
"""Of days and times on the internet."""

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
    date: replace(DateDefinition, description="A day, as 2026-06-01.", specified_by_url=TIME),
    datetime: replace(
        DateTimeDefinition, description="A time with its zone, as 2026-06-01T08:00:00Z.", specified_by_url=TIME
    ),
}
"""How each is sent, for the schema's configuration."""
