"""A treatment judged for itself: the first rule that holds of it, and what that recommends. Pure.

The rules in their order are told in `verdict.py`; the first two are about the data and concern no treatment by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from experiments.enums import Role
from experiments.inference.findings import Finding
from experiments.planning.plan import PlannedVariant


class VerdictState(StrEnum):
    """What is recommended."""

    SHIP = "SHIP"
    ROLL_BACK = "ROLL_BACK"
    STOP_FUTILE = "STOP_FUTILE"
    KEEP_RUNNING = "KEEP_RUNNING"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"


class Rule(StrEnum):
    """The rule that gave the verdict."""

    BROKEN_SPLIT = "BROKEN_SPLIT"
    UNHEALTHY = "UNHEALTHY"
    PRIMARY_WORSE = "PRIMARY_WORSE"
    GUARDRAIL_HARMED = "GUARDRAIL_HARMED"
    EXPLORATORY = "EXPLORATORY"
    GUARDRAIL_UNSURE = "GUARDRAIL_UNSURE"
    PRIMARY_BETTER = "PRIMARY_BETTER"
    FUTILE = "FUTILE"
    NO_LOOK_LEFT = "NO_LOOK_LEFT"
    UNDECIDED = "UNDECIDED"


STATES = {
    Rule.PRIMARY_WORSE: VerdictState.ROLL_BACK,
    Rule.GUARDRAIL_HARMED: VerdictState.ROLL_BACK,
    Rule.EXPLORATORY: VerdictState.INCONCLUSIVE,
    Rule.PRIMARY_BETTER: VerdictState.SHIP,
    Rule.FUTILE: VerdictState.STOP_FUTILE,
    Rule.NO_LOOK_LEFT: VerdictState.INCONCLUSIVE,
    Rule.UNDECIDED: VerdictState.KEEP_RUNNING,
}
"""What each rule recommends of a treatment; a guardrail that is not shown to be kept has two answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What there is on one treatment: the tests that decide, and the guardrails."""

    variant: PlannedVariant
    primaries: tuple[Finding, ...]
    guardrails: tuple[Finding, ...]
    is_exploratory: bool

    @classmethod
    def of(cls, findings: Sequence[Finding], *, is_exploratory: bool) -> "Treatment":
        """From all findings on it for everybody; `is_exploratory` if an amendment broke error control."""
        return cls(
            variant=findings[0].variant,
            primaries=tuple(finding for finding in findings if finding.role is Role.PRIMARY),
            guardrails=tuple(finding for finding in findings if finding.role is Role.GUARDRAIL),
            is_exploratory=is_exploratory,
        )

    @property
    def worse(self) -> list[Finding]:
        """Deciding tests that found it worse."""
        return [finding for finding in self.primaries if finding.is_worse]

    @property
    def harmed(self) -> list[Finding]:
        """Guardrails that it harms."""
        return [finding for finding in self.guardrails if finding.breaches_margin]

    @property
    def better(self) -> list[Finding]:
        """Deciding tests that found it better."""
        return [finding for finding in self.primaries if finding.is_better]

    @property
    def unsure(self) -> list[Finding]:
        """Guardrails that are not shown to keep their margins; one without a margin never holds anything up."""
        return [one for one in self.guardrails if one.margin is not None and not one.keeps_margin]

    @property
    def going_on(self) -> list[Finding]:
        """Deciding tests that have a look left."""
        return [finding for finding in self.primaries if not finding.is_over]

    @property
    def awaited(self) -> list[Finding]:
        """The tests that more data are wanted for: of what has not decided, or of what holds up a ship."""
        if self.rule is Rule.GUARDRAIL_UNSURE and self.state is VerdictState.KEEP_RUNNING:
            return self.unsure
        return self.going_on if self.rule in {Rule.UNDECIDED, Rule.FUTILE} else []

    @property
    def rule(self) -> Rule:
        """The first rule that holds."""
        if self.worse:
            return Rule.PRIMARY_WORSE
        if self.harmed:
            return Rule.GUARDRAIL_HARMED
        if self.better:
            return self._rule_of_better
        if self.going_on and all(one.futility is not None and one.futility.is_futile for one in self.going_on):
            return Rule.FUTILE
        return Rule.UNDECIDED if self.going_on else Rule.NO_LOOK_LEFT

    @property
    def _rule_of_better(self) -> Rule:
        if self.is_exploratory:
            return Rule.EXPLORATORY
        return Rule.GUARDRAIL_UNSURE if self.unsure else Rule.PRIMARY_BETTER

    @property
    def state(self) -> VerdictState:
        """What is recommended of it. A guardrail for which no data are still to come stays unsure."""
        if self.rule is not Rule.GUARDRAIL_UNSURE:
            return STATES[self.rule]
        is_lost = any(guardrail.is_over for guardrail in self.unsure)
        return VerdictState.INCONCLUSIVE if is_lost else VerdictState.KEEP_RUNNING


def by_variant(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The findings of each treatment, in the order in which they come."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.variant.key, []).append(finding)
    return list(found.values())
