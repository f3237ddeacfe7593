"""How KPIs are computed, by their kinds, as the API shows it: a kind's own value, field by field."""

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from kpi import kinds
from kpi.kinds.mean import Of
from kpi.kinds.retention import Form
from kpi.kinds.terms import How, Measured

strawberry.enum(
    Of,
    name="MeanOf",
    description="What is added up: the events' values, the events themselves, the unit's days of 24 hours with one, or"
    " the different values of the events.",
)
strawberry.enum(
    Form,
    name="RetentionForm",
    description="When a unit has come back: on the day itself, on it or later (ROLLING), or on any day of a BRACKET.",
)
strawberry.enum(
    Measured,
    name="AmountOf",
    description="What of an event is a unit's amount. Over the window: the events' VALUE, their COUNT, the DAYS with"
    " one, its DISTINCT values, or 1 with ANY. A LEVEL is the last value that was sent before the window starts or"
    " ends (400 days back at most, none is 0), and HAD is 1 where that level is above 0.",
)
strawberry.enum(
    How,
    name="TermHow",
    description="What an amount a and another one b of a unit make: DIFFERENCE a - b; KEPT a, where b > 0; SMALLER the"
    " lesser; GAIN a - b, where it is above 0 and b > 0; LOSS b - a, where it is above 0 and a > 0; LOST b, where"
    " a = 0; LEFT 1, where a = 0 and b > 0; DISTANCE |a - b|; MATCHED b - |a - b|, where it is above 0. Else 0.",
)
WINDOW = "Days after exposure, of 24 hours each, within which it counts."


class Shown:
    """Kinds stand for themselves."""

    __slots__ = ()

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Whether it shows this kind."""
        return type(obj) is KINDS[cls]


@strawberry.type(name="ActivationDefinition", description="The share of units that do something within a window.")
class ActivationType(Shown):
    """The share of units that do something within a window."""

    event: str = strawberry.field(description="The event that counts.")
    window_days: int = strawberry.field(description=WINDOW)

    @strawberry.field(description="Whether findings show the share that has done it by each day.")
    def has_curve(parent: Parent[kinds.Activation]) -> bool:
        """Whether there is a curve."""
        return bool(parent.has_curve)


@strawberry.type(name="RetentionDefinition", description="The share of units that come back on a day, or on several.")
class RetentionType(Shown):
    """The share of units that come back."""

    event: str = strawberry.field(description="The event that counts.")
    day: int = strawberry.field(description="The day: the 24 hours that begin this many days after exposure.")
    form: Form = strawberry.field(description="When a unit has come back.")
    until_day: int | None = strawberry.field(description="The last day that counts; null where it is the day alone.")

    @strawberry.field(description="Whether findings show the share that came back by day, up to the last day.")
    def has_curve(parent: Parent[kinds.Retention]) -> bool:
        """Whether there is a curve."""
        return bool(parent.has_curve)


@strawberry.type(
    name="TimeToValueDefinition",
    description="Days until a unit does something for the first or nth time, censored at tau.",
)
class TimeToValueType(Shown):
    """Days until a unit does something for the first or nth time, censored at tau."""

    event: str = strawberry.field(description="The event that is value.")
    tau_days: int = strawberry.field(description="The horizon of the restricted mean, in days after exposure.")
    loss_event: str | None = strawberry.field(description="The event that ends a unit's observation early.")
    occurrence: int = strawberry.field(description="The number of the time that is waited for: 1 for the first.")


@strawberry.type(name="MeanDefinition", description="The mean amount per unit within a window.")
class MeanType(Shown):
    """The mean amount per unit within a window."""

    event: str = strawberry.field(description="The event that is added up.")
    window_days: int = strawberry.field(description=WINDOW)
    of: Of = strawberry.field(description="What is added up.")
    cap: float | None = strawberry.field(description="The most that one unit counts for.")
    less_event: str | None = strawberry.field(description="The event that is taken off, as cost is of revenue.")


@strawberry.type(
    name="TotalDefinition",
    description="What all units add up to within a window. In an experiment it is compared as the amount per unit.",
)
class TotalType(Shown):
    """What all units add up to within a window."""

    event: str = strawberry.field(description="The event that is added up.")
    window_days: int = strawberry.field(description=WINDOW)
    of: Of = strawberry.field(description="What is added up.")
    cap: float | None = strawberry.field(description="The most that one unit counts for.")


@strawberry.type(name="RatioAmount", description="A unit's amount, of one event.")
class AmountType:
    """A unit's amount, of one event."""

    event: str = strawberry.field(description="The event it is of.")
    of: Measured = strawberry.field(description="What of the event it is.")
    last_days: int | None = strawberry.field(description="The last days of the window that count alone; null for all.")


@strawberry.type(name="RatioTerm", description="A unit's part of a sum: an amount, or what two make together.")
class TermType:
    """A unit's part of a sum."""

    amount: AmountType = strawberry.field(description="The amount a.")
    how: How | None = strawberry.field(description="What it makes with the other one; null where it is alone.")
    other: AmountType | None = strawberry.field(description="The other amount b.")


@strawberry.type(
    name="RatioDefinition", description="A sum over units divided by another one, compared by the delta method."
)
class RatioType(Shown):
    """A sum over units divided by another one."""

    window_days: int = strawberry.field(description=WINDOW)
    numerator: TermType = strawberry.field(description="The unit's part of the sum above the line.")
    denominator: TermType = strawberry.field(description="The unit's part of the sum below the line.")
    is_share: bool = strawberry.field(
        description="Whether it was said that both sums count the same thing, though by different events."
    )


@strawberry.type(
    name="QuantileDefinition",
    description="The amount that a share of units stays below. Experiments compare it once, at the planned end.",
)
class QuantileType(Shown):
    """The amount that a share of units stays below."""

    event: str = strawberry.field(description="The event that is added up.")
    window_days: int = strawberry.field(description=WINDOW)
    of: Of = strawberry.field(description="What is added up.")
    quantile: float = strawberry.field(description="The share of units, 0.5 for the median.")


@strawberry.type(name="CompositeComponent", description="A KPI's part of a composite.")
class ComponentType:
    """A KPI's part of a composite."""

    kpi: str = strawberry.field(description="The key of the KPI.")
    version: int = strawberry.field(description="The version of its definition that counts.")
    weight: float = strawberry.field(description="The weight; below zero it counts against.")
    centre: float = strawberry.field(description="The level that counts for nothing.")
    spread: float = strawberry.field(description="How much of the KPI counts for one.")

    @strawberry.field(description="The definition of that version.")
    def definition(parent: Parent[kinds.Component]) -> "KpiDefinition":
        """The definition of that version."""
        found: Any = parent.number
        return found


@strawberry.type(
    name="CompositeDefinition",
    description="The mean per unit of a weighted sum of KPIs: each less its centre, over its spread, times its weight.",
)
class CompositeType(Shown):
    """The mean per unit of a weighted sum of KPIs."""

    components: list[ComponentType] = strawberry.field(description="The KPIs, with what each counts for.")


KINDS: dict[type, type[kinds.Kind]] = {
    ActivationType: kinds.Activation,
    RetentionType: kinds.Retention,
    TimeToValueType: kinds.TimeToValue,
    MeanType: kinds.Mean,
    TotalType: kinds.Total,
    RatioType: kinds.Ratio,
    QuantileType: kinds.Quantile,
    CompositeType: kinds.Composite,
}
KpiDefinition = Annotated[
    ActivationType | RetentionType | TimeToValueType | MeanType | TotalType | RatioType | QuantileType | CompositeType,
    strawberry.union("KpiDefinition", description="How a KPI is computed, by its kind."),
]
