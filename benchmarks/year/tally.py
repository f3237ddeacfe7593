"""The verdicts of the year held against the truth: how many of how many, beside what the plan promises."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from benchmarks.year.cases import ALPHA, POWER, Case, Truth
from benchmarks.year.conclusions import Conclusion
from experiments.enums import Policy
from experiments.inference.monitoring import SRM_ALARM
from experiments.inference.treatments import Rule, VerdictState
from experiments.planning.plan import guarding_power
from stats.calibration.rates import beyond
from stats.distributions import normal_cdf, normal_quantile

HELD_BACK = 1 - guarding_power(POWER, guardrails=1)
"""What a plan with one guardrail leaves of good changes, if the guardrail is not harmed."""
Test = Callable[[Conclusion], bool]
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """So many of so many. `most` is the share from which on a promise is broken; None: nothing is promised."""

    count: int
    of: int
    most: float | None = None

    @classmethod
    def among(cls, group: Iterable[Conclusion], test: Test, promise: float | None = None) -> "Count":
        """How many of a group pass a test; a promised share may be exceeded by three standard errors."""
        found = [test(one) for one in group]
        most = None if promise is None or not found else beyond(promise, len(found))
        return cls(count=sum(found), of=len(found), most=most)

    @property
    def share(self) -> float | None:
        """The share; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def limits(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson)."""
        low, high = proportion_confint(self.count, self.of, method="wilson")
        return float(low), float(high)

    @property
    def is_broken(self) -> bool:
        """Whether it is more than chance leaves of the promise."""
        return self.most is not None and self.share is not None and self.share > self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One policy's experiments, or all of them."""

    name: str
    conclusions: tuple[Conclusion, ...]

    def among(self, which: Test, test: Test, promise: float | None = None) -> Count:
        """How many of those concerned pass a test."""
        return Count.among(filter(which, self.conclusions), test, promise)

    @property
    def ships(self) -> Count:
        """Verdicts to ship."""
        return self.among(lambda _: True, lambda one: one.is_ship)

    @property
    def false_ships(self) -> Count:
        """Of these, without any good to ship."""
        return self.among(lambda one: one.is_ship, lambda one: one.is_false_ship)

    @property
    def expected_false_ships(self) -> float:
        """The share of false ones among the verdicts to ship that plans and truths lead to expect."""
        chances = [(chance_to_ship(one.case), max(one.case.gains) <= 0) for one in self.conclusions]
        whole = sum(chance for chance, _ in chances)
        return sum(chance for chance, is_false in chances if is_false) / whole if whole else 0.0

    @property
    def false_positives(self) -> Count:
        """Nothing was there, and a difference of the deciding KPI was claimed."""
        return self.among(lambda one: one.is_plain_null, lambda one: one.is_claim, ALPHA)

    @property
    def misses(self) -> Count:
        """The planned effect or more was there, and the deciding KPI did not show it."""
        return self.among(
            lambda one: one.is_plain_effect, lambda one: not one.is_ship and not one.is_held_back, 1 - POWER
        )

    @property
    def held_back(self) -> Count:
        """The planned effect was shown, and the guardrail, which was not harmed, was not shown to be kept."""
        return self.among(
            lambda one: one.is_plain_effect and (one.is_ship or one.is_held_back),
            lambda one: one.is_held_back,
            HELD_BACK,
        )

    @property
    def expected_misses(self) -> float | None:
        """The share of misses that follows from the sizes of these effects, which are the planned one or more."""
        chances = [chance_to_ship(one.case) for one in self.conclusions if one.is_plain_effect]
        return 1 - sum(chances) / len(chances) if chances else None

    @property
    def small_ships(self) -> Count:
        """An effect smaller than planned was there, and shipped: no promise."""
        return self.among(lambda one: one.case.truth is Truth.SMALL and one.case.is_plain, lambda one: one.is_ship)

    @property
    def harms_found(self) -> Count:
        """The treatment harmed the deciding KPI, and was rolled back."""
        return self.among(lambda one: one.case.truth is Truth.HARM and not one.case.is_broken, _is_rolled_back)

    @property
    def guardrails_found(self) -> Count:
        """The guardrail was harmed, and the verdict was to roll back."""
        return self.among(lambda one: one.case.guardrail_effect > 0 and not one.case.is_broken, _is_rolled_back)

    @property
    def guardrails_shipped(self) -> Count:
        """The guardrail was harmed, and the treatment was shipped."""
        return self.among(lambda one: one.case.guardrail_effect > 0 and not one.case.is_broken, lambda one: one.is_ship)

    @property
    def guardrail_alarms(self) -> Count:
        """The guardrail was not harmed, and the verdict was to roll back because of it."""
        return self.among(
            lambda one: not one.case.guardrail_effect, lambda one: one.reading.rule == Rule.GUARDRAIL_HARMED
        )

    @property
    def broken_found(self) -> Count:
        """The split was broken, and the verdict was so."""
        return self.among(lambda one: one.case.is_broken, _is_invalid)

    @property
    def split_alarms(self) -> Count:
        """The split was sound, and the verdict was that it is not."""
        return self.among(lambda one: not one.case.is_broken, _is_invalid, SRM_ALARM)

    @property
    def coverage(self) -> Count:
        """Intervals of the deciding KPI at the end that held the true difference, of sound splits."""
        held = [
            evidence.limits[0] <= effect <= evidence.limits[1]
            for one in self.conclusions
            for evidence, effect in zip(one.evidence, one.case.effects, strict=True)
            if not one.case.is_broken and evidence.limits is not None
        ]
        return Count(count=sum(held), of=len(held))

    @property
    def adjusted_coverage(self) -> Count:
        """The same of the group-sequential intervals that are adjusted for having stopped early."""
        held = [
            evidence.adjusted[1] <= effect <= evidence.adjusted[2]
            for one in self.conclusions
            for evidence, effect in zip(one.evidence, one.case.effects, strict=True)
            if not one.case.is_broken and evidence.adjusted is not None
        ]
        return Count(count=sum(held), of=len(held))

    @property
    def horizon_used(self) -> float:
        """The mean share of the horizon until the end."""
        return float(np.mean([one.horizon_used for one in self.conclusions]))

    @property
    def units(self) -> int:
        """Units of an experiment, had it enrolled to the end, on average."""
        return round(float(np.mean([one.units for one in self.conclusions])))

    @property
    def changed(self) -> Count:
        """Late data changed the verdict between the stop and the decision."""
        return self.among(lambda one: one.case.is_late, lambda one: one.has_changed)

    @property
    def unsteady(self) -> Count:
        """The verdict changed between the stop and the decision, and no data came late: it never may."""
        return self.among(lambda one: not one.case.is_late, lambda one: one.has_changed, 0.0)

    @property
    def failures(self) -> list[str]:
        """Each broken promise in one sentence."""
        judged = {
            "false positives among nulls": self.false_positives,
            "missed effects": self.misses,
            "effects held back by an unharmed guardrail": self.held_back,
            "verdicts that changed after the stop without late data": self.unsteady,
        }
        return [
            f"{self.name}: {what} {count.count} of {count.of}, at most {count.most:.3f}"
            for what, count in judged.items()
            if count.is_broken
        ]


def tallies(conclusions: Sequence[Conclusion]) -> list[Tally]:
    """Of each policy that was used, and of all."""
    by_policy = [
        Tally(name=policy.value, conclusions=tuple(one for one in conclusions if one.case.policy is policy))
        for policy in Policy
    ]
    return [*(one for one in by_policy if one.conclusions), Tally(name=ALL, conclusions=tuple(conclusions))]


def chance_to_ship(case: Case) -> float:
    """The chance that a test of exactly the planned alpha and power ships the best treatment; 0 if it is not plain.

    The normal curve through the two: alpha / 2 without an effect, the power at the planned one.
    """
    if not case.is_plain:
        return 0.0
    if case.truth is Truth.NULL:
        return ALPHA / 2
    bar = float(normal_quantile(1 - ALPHA / 2 / len(case.effects)))
    return float(normal_cdf(max(case.gains) * (bar + float(normal_quantile(POWER))) - bar))


def _is_rolled_back(one: Conclusion) -> bool:
    return one.reading.state is VerdictState.ROLL_BACK


def _is_invalid(one: Conclusion) -> bool:
    return one.reading.state is VerdictState.INVALID
