"""How an experiment of the year ended: what was read, what the evidence was, and what was true."""

from dataclasses import dataclass
from typing import Any

from benchmarks.year.cases import Case, Truth
from experiments.inference.treatments import Rule, VerdictState


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A verdict, read so many days after the start. `variant` is the one that it names."""

    day: int
    state: VerdictState
    rule: str
    variant: str | None = None

    @classmethod
    def of(cls, day: int, verdict: dict[str, Any]) -> "Reading":
        """A verdict as the API answers it."""
        named = verdict["variant"]
        return cls(
            day=day,
            state=VerdictState(verdict["state"]),
            rule=verdict["rule"],
            variant=None if named is None else named["key"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the results said of one treatment in the end, in the KPI's own units.

    `adjusted` is the group-sequential answer for having stopped early: estimate, lower, upper.
    """

    difference: float
    variance: float
    limits: tuple[float, float] | None
    bar: float | None
    adjusted: tuple[float, float, float] | None

    @classmethod
    def of(cls, finding: dict[str, Any]) -> "Evidence":
        """A finding as the API answers it."""
        course, interval = finding["groupSequential"], _limits(finding["interval"])
        adjusted = None
        if course is not None and course["estimate"] is not None and (around := _limits(course["interval"])):
            adjusted = (course["estimate"], *around)
        return cls(
            difference=finding["estimate"]["difference"] or 0.0,
            variance=sum((finding[arm]["standardError"] or 0.0) ** 2 for arm in ("control", "treatment")),
            limits=interval,
            bar=None if course is None else course["boundary"],
            adjusted=adjusted,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """An experiment that is decided. `shipped` is the place of the treatment among the treatments.

    `has_changed`: by the day of the decision, with late data in, the verdict was another than the one obeyed.
    """

    case: Case
    reading: Reading
    shipped: int | None
    evidence: tuple[Evidence, ...]
    units: int
    has_changed: bool

    @property
    def is_ship(self) -> bool:
        """Whether a treatment was shipped."""
        return self.reading.state is VerdictState.SHIP

    @property
    def is_false_ship(self) -> bool:
        """Whether what was shipped does nothing good to the KPI."""
        return self.shipped is not None and self.case.gains[self.shipped] <= 0

    @property
    def is_claim(self) -> bool:
        """Whether a difference of the deciding KPI was claimed, for the better or the worse."""
        return self.reading.rule in {Rule.PRIMARY_BETTER, Rule.PRIMARY_WORSE} or self.is_held_back

    @property
    def is_held_back(self) -> bool:
        """Whether it ended better on the deciding KPI, and with a guardrail that was not shown to be kept."""
        return self.reading.rule == Rule.GUARDRAIL_UNSURE

    @property
    def is_plain_null(self) -> bool:
        """Nothing is there to be found."""
        return self.case.truth is Truth.NULL and self.case.is_plain

    @property
    def is_plain_effect(self) -> bool:
        """The planned effect or more is there, and nothing else that should keep it from being shipped."""
        return self.case.truth is Truth.LARGE and self.case.is_plain

    @property
    def horizon_used(self) -> float:
        """The share of the horizon until the end."""
        return self.reading.day / self.case.horizon


def _limits(interval: dict[str, Any] | None) -> tuple[float, float] | None:
    if interval is None or interval["lower"] is None or interval["upper"] is None:
        return None
    return interval["lower"], interval["upper"]
