"""Intervals, and why there may be no answer, as the API shows them."""

import strawberry

from stats.results import Reason

strawberry.enum(Reason, name="UndefinedReason", description="Why a question has no answer.")


@strawberry.type(description="A confidence interval.")
class Interval:
    """A confidence interval."""

    lower: float | None = strawberry.field(description="The lower limit; null when there is none.")
    upper: float | None = strawberry.field(description="The upper limit; null when there is none.")
    level: float = strawberry.field(description="The share of such intervals that cover the truth.")
