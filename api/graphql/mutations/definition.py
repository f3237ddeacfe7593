"""How a KPI is computed, as somebody states it: exactly one kind."""

import strawberry

import api.graphql.types.definition  # noqa: F401 - names the enums that inputs share with it
from kpi import kinds
from kpi.kinds.mean import Of
from kpi.kinds.retention import Form
from kpi.kinds.terms import Amount, How, Measured, Term

WINDOW = "Days after exposure within which it counts."


@strawberry.input(description="The share of units that do something within a window.")
class ActivationInput:
    """An activation."""

    event: str = strawberry.field(description="The event that counts.")
    window_days: int = strawberry.field(description=WINDOW)
    has_curve: bool = strawberry.field(
        description="Whether to count units by day too, so that findings show the share that has done it by each day.",
        default=False,
    )

    def kind(self) -> kinds.Kind:
        """The definition it states."""
        return kinds.Activation(event=self.event, window_days=self.window_days, has_curve=self.has_curve or None)


@strawberry.input(description="The share of units that come back on a day, or on several.")
class RetentionInput:
    """A retention."""

    event: str = strawberry.field(description="The event that counts.")
    day: int = strawberry.field(description="The day: the 24 hours that begin this many days after exposure.")
    has_curve: bool = strawberry.field(
        description="Whether to count units by day too, so that findings show the share that came back on each day.",
        default=False,
    )
    form: Form = strawberry.field(
        description="When a unit has come back: on the day alone, on it or later (ROLLING), or in a BRACKET of days.",
        default=Form.DAY,
    )
    until_day: int | None = strawberry.field(
        description="The last day that counts, of ROLLING and BRACKET: after it a unit is final.", default=None
    )

    def kind(self) -> kinds.Kind:
        """The definition it states."""
        return kinds.Retention(**(vars(self) | {"has_curve": self.has_curve or None}))


@strawberry.input(description="Days until a unit does something for the first or nth time; who has not is censored.")
class TimeToValueInput:
    """A time to value."""

    event: str = strawberry.field(description="The event that is value.")
    tau_days: int = strawberry.field(description="The horizon of the restricted mean, in days after exposure.")
    loss_event: str | None = strawberry.field(
        description="The event that ends a unit's observation early.", default=None
    )
    occurrence: int = strawberry.field(
        description="The number of the time that is waited for, 1 to 10: 2 for the time to second value.", default=1
    )

    def kind(self) -> kinds.Kind:
        """The definition it states."""
        return kinds.TimeToValue(**vars(self))


@strawberry.input(description="The mean amount per unit within a window.")
class MeanInput:
    """A mean."""

    event: str = strawberry.field(description="The event that is added up.")
    window_days: int = strawberry.field(description=WINDOW)
    of: Of = strawberry.field(description="What is added up.", default=Of.VALUE)
    cap: float | None = strawberry.field(description="The most that one unit counts for.", default=None)
    less_event: str | None = strawberry.field(
        description="The event that is taken off, added up alike, as cost is of revenue.", default=None
    )

    def kind(self) -> kinds.Kind:
        """The definition it states."""
        return kinds.Mean(**vars(self))


@strawberry.input(description="What all units add up to within a window; in an experiment, the amount per unit.")
class TotalInput:
    """A total."""

    event: str = strawberry.field(description="The event that is added up.")
    window_days: int = strawberry.field(description=WINDOW)
    of: Of = strawberry.field(description="What is added up.", default=Of.VALUE)
    cap: float | None = strawberry.field(description="The most that one unit counts for.", default=None)

    def kind(self) -> kinds.Kind:
        """The definition it states."""
        return kinds.Total(**vars(self))


@strawberry.input(description="A unit's amount, of one event.")
class RatioAmountInput:
    """A unit's amount, of one event."""

    event: str = strawberry.field(description="The event it is of.")
    of: Measured = strawberry.field(description="What of the event it is.")
    last_days: int | None = strawberry.field(
        description="The last days of the window that count alone, as 7 of 28 do for stickiness.", default=None
    )

    def amount(self) -> Amount:
        """The amount it states."""
        return Amount(**vars(self))


@strawberry.input(description="A unit's part of a sum: an amount, or what it makes together with another one.")
class RatioTermInput:
    """A unit's part of a sum."""

    amount: RatioAmountInput = strawberry.field(description="The amount a.")
    how: How | None = strawberry.field(description="What it makes with the other amount.", default=None)
    other: RatioAmountInput | None = strawberry.field(description="The other amount b.", default=None)

    def term(self) -> Term:
        """The term it states."""
        other = None if self.other is None else self.other.amount()
        return Term(amount=self.amount.amount(), how=self.how, other=other)


@strawberry.input(description="A sum over units divided by another one, compared by the delta method.")
class RatioInput:
    """A ratio."""

    window_days: int = strawberry.field(description=WINDOW)
    numerator: RatioTermInput = strawberry.field(description="The unit's part of the sum above the line.")
    denominator: RatioTermInput = strawberry.field(description="The unit's part of the sum below the line.")
    is_share: bool = strawberry.field(
        description="Whether both sums count the same thing by different events, such as contracts won and due: the "
        "ratio is then told in per cent. Where both are of one event it is, without saying so.",
        default=False,
    )

    def kind(self) -> kinds.Kind:
        """The definition it states."""
        return kinds.Ratio(
            window_days=self.window_days,
            numerator=self.numerator.term(),
            denominator=self.denominator.term(),
            is_share=self.is_share,
        )


@strawberry.input(
    description="The amount that a share of units stays below; experiments compare it once, at their planned end."
)
class QuantileInput:
    """A quantile."""

    event: str = strawberry.field(description="The event that is added up.")
    window_days: int = strawberry.field(description=WINDOW)
    quantile: float = strawberry.field(description="The share of units, 0.5 for the median.")
    of: Of = strawberry.field(description="What is added up.", default=Of.VALUE)

    def kind(self) -> kinds.Kind:
        """The definition it states."""
        return kinds.Quantile(**vars(self))


@strawberry.input(description="A KPI's part of a composite; the newest version of its definition is pinned.")
class CompositeComponentInput:
    """A KPI's part of a composite."""

    kpi: str = strawberry.field(description="The key of a KPI with one number a unit.")
    weight: float = strawberry.field(description="The weight; below zero it counts against.")
    centre: float = strawberry.field(description="The level that counts for nothing.", default=0.0)
    spread: float = strawberry.field(description="How much of the KPI counts for one.", default=1.0)


@strawberry.input(description="The mean per unit of a weighted sum of KPIs, such as a health score.")
class CompositeInput:
    """A composite."""

    components: list[CompositeComponentInput] = strawberry.field(description="The KPIs, 2 to 20.")

    def kind(self) -> kinds.Kind:
        """The definition it states, not pinned yet."""
        return kinds.Composite(components=tuple(kinds.Component(**vars(one)) for one in self.components))


@strawberry.input(description="How a KPI is computed: exactly one kind.", one_of=True)
class KpiDefinitionInput:
    """A definition of one kind."""

    activation: ActivationInput | None = strawberry.field(description="Activation.", default=strawberry.UNSET)
    retention: RetentionInput | None = strawberry.field(description="Retention.", default=strawberry.UNSET)
    time_to_value: TimeToValueInput | None = strawberry.field(description="Time to value.", default=strawberry.UNSET)
    mean: MeanInput | None = strawberry.field(description="Mean per unit.", default=strawberry.UNSET)
    total: TotalInput | None = strawberry.field(description="Total of all units.", default=strawberry.UNSET)
    ratio: RatioInput | None = strawberry.field(description="Ratio of two sums.", default=strawberry.UNSET)
    quantile: QuantileInput | None = strawberry.field(description="Quantile of units.", default=strawberry.UNSET)
    composite: CompositeInput | None = strawberry.field(description="Composite of KPIs.", default=strawberry.UNSET)

    def kind(self) -> kinds.Kind:
        """The definition it states; the schema has seen to it that there is exactly one."""
        return next(choice.kind() for choice in vars(self).values() if choice)
