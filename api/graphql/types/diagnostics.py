"""Whether an experiment's data can be trusted, as the API shows it."""

import strawberry
from strawberry import Parent

from api.graphql.types.finding import Variant
from experiments.inference import facts, findings, monitoring
from experiments.inference.health import CheckKind, HealthState


@strawberry.type(description="A number behind a check or a verdict.")
class Fact:
    """A number and its name."""

    name: facts.FactName = strawberry.field(description="The name of the number.")
    value: float = strawberry.field(description="The number; shares are fractions.")
    about: str = strawberry.field(description="The variant, segment or KPI it is about; empty for the whole.")


@strawberry.type(description="The units of one variant against the promise of its weight.")
class SrmArm:
    """The units of one variant."""

    variant: Variant = strawberry.field(description="The variant.")
    observed: int = strawberry.field(description="The units that came.")
    expected: float = strawberry.field(description="The units that should have come, by weight.")


@strawberry.type(description="The sample ratio check: are the units split as planned?")
class Srm:
    """The sample ratio check."""

    statistic: float | None = strawberry.field(description="The chi-square statistic.")
    p_value: float | None = strawberry.field(
        description="The chi-square p-value: for a single look, shown and warned by."
    )
    sequential_p_value: float | None = strawberry.field(
        description="The sequential p-value: valid at every look, it alone raises the alarm."
    )
    arms: list[SrmArm] = strawberry.field(description="The units by variant.")

    @strawberry.field(description="The state of the check.")
    def state(parent: Parent[findings.SampleRatio]) -> monitoring.SrmState:
        """The state of the check."""
        return monitoring.srm_state(parent)


@strawberry.type(description="One check of the data.")
class Check:
    """One check of the data."""

    kind: CheckKind = strawberry.field(description="The kind of check.")
    state: HealthState = strawberry.field(description="The state of the check.")
    sentence: str = strawberry.field(description="What it says, in words.")
    facts: list[Fact] = strawberry.field(description="The numbers behind it.")


@strawberry.type(description="Whether the data can be trusted.")
class Diagnostics:
    """Whether the data can be trusted."""

    exposed: int = strawberry.field(description="The units in the analysis.")
    crossovers: int = strawberry.field(description="The units seen in two variants, which are excluded.")
    srm: Srm = strawberry.field(description="The sample ratio check.")
    health: HealthState = strawberry.field(description="The worst state of all checks.")
    checks: list[Check] = strawberry.field(description="The checks that could be made.")
