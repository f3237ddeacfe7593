"""Who enters an experiment, as the API shows it."""

import strawberry
from strawberry.scalars import JSON

from experiments.planning import targeting

strawberry.enum(
    targeting.Operator,
    name="TargetingOperator",
    description="How an attribute is held against the values of a condition.",
)


@strawberry.type(description="A condition on an attribute that comes with an exposure.")
class TargetingCondition:
    """A condition on an attribute."""

    attribute: str = strawberry.field(description="The attribute. Where it is missing, only NOT_EXISTS holds.")
    operator: targeting.Operator = strawberry.field(description="The way it is held against the values.")
    values: list[JSON] = strawberry.field(description="The texts, or the number of a comparison.")
    sentence: str = strawberry.field(description="The condition in words.")
