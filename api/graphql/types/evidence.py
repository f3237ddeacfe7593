"""What the experiments on a hypothesis say together, as the API shows it."""

from datetime import date, datetime
from math import exp
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.types.finding import LARGEST_LOG, Estimate, Variant
from api.graphql.types.interval import Interval
from experiments import enums, tables
from experiments.inference import findings
from experiments.planning import plan
from experiments.programme import evidence
from stats.results import Interval as StatsInterval
from stats.results import Reason

if TYPE_CHECKING:
    from api.graphql.types.experiment import Experiment

strawberry.enum(enums.Status, name="HypothesisStatus", description="What the experiments on a hypothesis say of it.")
strawberry.enum(enums.Cause, name="StatusCause", description="What had the evidence on a hypothesis looked at again.")
strawberry.enum(evidence.Rule, name="EvidenceRule", description="The rule that gave the status of a hypothesis.")
strawberry.enum(
    evidence.Standing, name="EvidenceStanding", description="Whether an experiment counts for the status, or why not."
)
strawberry.enum(evidence.Model, name="PoolingModel", description="What pooled experiments are taken to have in common.")
LazyExperiment = Annotated["Experiment", strawberry.lazy("api.graphql.types.experiment")]


@strawberry.type(description="What one experiment contributes: its first variant but the control, for everybody.")
class ExperimentEvidence:
    """What one experiment contributes."""

    part: strawberry.Private[evidence.Contribution]
    sign: strawberry.Private[int]
    standing: evidence.Standing = strawberry.field(description="Whether it counts for the status, or why not.")
    n: int = strawberry.field(description="The units counted in both variants.")
    is_sealed_before_data: bool = strawberry.field(
        description="Whether the plan was sealed before the experiment began; false for taken-in history."
    )
    weight: float | None = strawberry.field(
        description="The share of its weight in the pooled difference; null where it does not count."
    )

    @strawberry.field(description="The experiment.", graphql_type=LazyExperiment | None)
    async def experiment(self, info: Info) -> tables.Experiment | None:
        """The experiment."""
        return await info.context.loaders.experiments.load(self.part.experiment_id)

    @strawberry.field(description="The variant that is compared with control.", graphql_type=Variant)
    def variant(self) -> plan.PlannedVariant:
        """The variant."""
        return self.part.finding.variant

    @strawberry.field(description="The day it is read at: the deciding look, or the last day.")
    def read_on(self) -> date | None:
        """The day it is read at."""
        return self.part.finding.read_on

    @strawberry.field(description="The effect the experiment shows.")
    def estimate(self) -> Estimate:
        """The effect."""
        return Estimate(difference=self.part.finding.difference, lift=self.part.finding.lift)

    @strawberry.field(description="The standard error of the difference.")
    def standard_error(self) -> float | None:
        """The standard error of the difference."""
        return self.part.finding.standard_error

    @strawberry.field(
        description="The interval of the difference that its policy allows.", graphql_type=Interval | None
    )
    def interval(self) -> StatsInterval | None:
        """The interval of the difference."""
        return self.part.finding.interval

    @strawberry.field(description="The interval of the lift that its policy allows.", graphql_type=Interval | None)
    def lift_interval(self) -> StatsInterval | None:
        """The interval of the lift."""
        return self.part.finding.lift_interval

    @strawberry.field(description="Whether its own test has found a difference.")
    def is_significant(self) -> bool:
        """Whether its own test has found a difference."""
        return self.part.finding.is_significant

    @strawberry.field(
        description="The natural logarithm of its evidence for the stated direction; null where nothing was planned to"
        " tune it to, or units are too few."
    )
    def log_e_value(self) -> float | None:
        """The logarithm of its evidence."""
        return self.part.log_e_value(self.sign)

    @strawberry.field(description="The version of the KPI's definition that its plan pins.")
    def definition_version(self) -> int:
        """The version of the KPI's definition."""
        return self.part.definition_version

    @strawberry.field(description="The reason there is no answer; null when there is one.")
    def reason(self) -> Reason | None:
        """The reason there is no answer."""
        return self.part.finding.reason


@strawberry.type(description="Several experiments' estimates as one.")
class PooledEvidence:
    """Several experiments' estimates as one."""

    model: evidence.Model = strawberry.field(
        description="The model: one experiment is its own answer, of two the effect is taken as common, from three on"
        " as spread around a mean (REML, Hartung and Knapp)."
    )
    k: int = strawberry.field(description="The number of experiments.")
    estimate: float = strawberry.field(description="The pooled effect: a difference, or a lift as a fraction.")
    standard_error: float = strawberry.field(
        description="The standard error of the effect; of a lift, that of the logarithm of the ratio."
    )
    interval: Interval | None = strawberry.field(description="The interval of the effect.")
    p_value: float | None = strawberry.field(description="The two-sided p-value of no effect.")
    q: float | None = strawberry.field(description="The statistic Q of experiments that differ by more than chance.")
    q_p_value: float | None = strawberry.field(description="The p-value of Q.")
    i2: float | None = strawberry.field(description="The share of the spread that is not chance, 0 to 1.")
    tau2: float | None = strawberry.field(
        description="The variance of true effects, by restricted maximum likelihood; of logarithms, for a lift."
    )
    tau2_dersimonian_laird: float | None = strawberry.field(
        description="The same by DerSimonian and Laird, to hold it against."
    )
    prediction: Interval | None = strawberry.field(
        description="The limits for the true effect of one more experiment; from three experiments on."
    )


@strawberry.type(description="A change of a hypothesis's status.")
class StatusChange:
    """A change of a hypothesis's status."""

    status: enums.Status = strawberry.field(description="The status from then on.")
    sentence: str = strawberry.field(description="The reason in words, as it was then.")
    cause: enums.Cause = strawberry.field(description="The occasion of the change.")
    by: str | None = strawberry.field(description="The name of the key that decided; null for a refresh.")
    changed_at: datetime = strawberry.field(description="The time of the change.")

    @strawberry.field(description="The rule that gave the status.")
    def rule(parent: Parent[tables.StatusChange]) -> evidence.Rule:
        """The rule that gave the status."""
        return evidence.Rule(parent.rule)

    @strawberry.field(
        description="The experiment that was refreshed or decided on.", graphql_type=LazyExperiment | None
    )
    async def experiment(parent: Parent[tables.StatusChange], info: Info) -> tables.Experiment | None:
        """The experiment behind the change."""
        return await info.context.loaders.experiments.load(parent.experiment_id)


@strawberry.type(description="What all experiments on a hypothesis say together: randomised comparisons only.")
class Evidence:
    """What all experiments on a hypothesis say together."""

    found: strawberry.Private[evidence.Evidence]
    sign: strawberry.Private[int]
    hypothesis_id: strawberry.Private[int]

    @strawberry.field(description="The status of the hypothesis.")
    def status(self) -> enums.Status:
        """The status."""
        return self.found.status

    @strawberry.field(description="The rule that gave it.")
    def rule(self) -> evidence.Rule:
        """The rule that gave it."""
        return self.found.rule

    @strawberry.field(description="The reason in words.")
    def sentence(self) -> str:
        """The reason in words."""
        return self.found.sentence

    @strawberry.field(description="The experiments that have started and measure the KPI, in order of key.")
    def experiments(self) -> list[ExperimentEvidence]:
        """The experiments."""
        pooled = self.found.difference
        weights = {} if pooled is None else dict(zip(pooled.experiments, pooled.weights, strict=True))
        return [
            ExperimentEvidence(
                part=part,
                sign=self.sign,
                standing=standing,
                n=part.n,
                is_sealed_before_data=part.is_sealed_before_data,
                weight=weights.get(part.experiment),
            )
            for part, standing in zip(self.found.contributions, self.found.standings, strict=True)
        ]

    @strawberry.field(
        description="The difference over all experiments that count; null without one.",
        graphql_type=PooledEvidence | None,
    )
    def pooled(self) -> evidence.Pooled | None:
        """The pooled difference."""
        return self.found.difference

    @strawberry.field(
        description="The lift over those of them whose levels are well above zero; null without one.",
        graphql_type=PooledEvidence | None,
    )
    def pooled_lift(self) -> evidence.Pooled | None:
        """The pooled lift."""
        return self.found.lift

    @strawberry.field(description="The evidence for the stated direction: 40 settles it, whenever it is read.")
    def e_value(self) -> float | None:
        """The evidence for the stated direction."""
        return _e_value(self.found.log_e_value)

    @strawberry.field(description="The natural logarithm of that evidence.")
    def log_e_value(self) -> float | None:
        """The logarithm of the evidence."""
        return self.found.log_e_value

    @strawberry.field(description="The evidence for the opposite direction: 40 refutes, whenever it is read.")
    def e_value_against(self) -> float | None:
        """The evidence for the opposite direction."""
        return _e_value(self.found.log_e_value_against)

    @strawberry.field(
        description="How the status changed, the first change first; empty while it is open.",
        graphql_type=list[StatusChange],
    )
    async def history(self, info: Info) -> list[tables.StatusChange]:
        """How the status changed."""
        return await info.context.loaders.status_changes.load(self.hypothesis_id) or []


def _e_value(logarithm: float | None) -> float | None:
    return None if logarithm is None else findings.number(exp(min(logarithm, LARGEST_LOG)))
