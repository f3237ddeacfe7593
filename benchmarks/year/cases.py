"""The experiments of the year and the truth about them, drawn from a prior that is written down."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from benchmarks.year.measures import GUARDRAIL, MARGIN, MEASURES, Measure
from experiments.enums import Policy

ALPHA, POWER, LOOKS = 0.05, 0.8, 4
WINDOWS = 3
"""Enrolment takes as many weeks; then units are measured until their windows close."""
ENROL_DAYS = 7 * WINDOWS
DAYS = 365


class Truth(StrEnum):
    """What the first treatment really does to the KPI that decides."""

    NULL = "nothing"
    LARGE = "the planned effect or more"
    SMALL = "less than planned"
    HARM = "harm"


PRIOR = {Truth.NULL: 0.60, Truth.LARGE: 0.25, Truth.SMALL: 0.08, Truth.HARM: 0.07}
SIZES = {Truth.NULL: (0.0, 0.0), Truth.LARGE: (1.0, 1.5), Truth.SMALL: (0.2, 0.9), Truth.HARM: (-1.5, -1.0)}
"""The effect in units of the mde, for the better; uniform."""
THREE_VARIANTS, HARMED_GUARDRAILS, BROKEN_SPLITS, LATE_DATA, AS_ROWS = 0.25, 0.07, 0.05, 0.10, 0.20
HARM_TO_GUARDRAIL = 3 * MARGIN
LOSS = 0.2
"""The share of the first treatment's units that a broken split loses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One experiment: its plan, and the truth. `effects` are of each treatment, in the KPI's own units."""

    number: int
    day: int
    measure: Measure
    mde: float
    policy: Policy
    truth: Truth
    effects: tuple[float, ...]
    guardrail_effect: float
    is_broken: bool
    is_late: bool
    has_rows: bool

    @property
    def key(self) -> str:
        """The key of the experiment."""
        return f"case-{self.number:03d}"

    @property
    def horizon(self) -> int:
        """Days from the start to the last look: the last unit is final then."""
        return ENROL_DAYS + self.measure.until

    @property
    def variants(self) -> tuple[str, ...]:
        """Keys, the control first."""
        return ("control", *(f"treatment-{number}" for number in range(1, len(self.effects) + 1)))

    @property
    def is_plain(self) -> bool:
        """Whether the deciding KPI alone should give the verdict: the split is sound and the guardrail unharmed."""
        return not self.is_broken and not self.guardrail_effect

    @property
    def gains(self) -> tuple[float, ...]:
        """The effects for the better, in units of the mde."""
        return tuple(effect * self.measure.sign / self.mde for effect in self.effects)

    @property
    def reads(self) -> frozenset[int]:
        """Days after the start on which somebody looks: always-valid results every day, others at planned looks."""
        if self.policy is Policy.ALWAYS_VALID:
            return frozenset(range(self.measure.until + 1, self.horizon + 1))
        return self.looks

    @property
    def looks(self) -> frozenset[int]:
        """Days after the start on which the plan has a look."""
        looks = 1 if self.policy is Policy.FIXED else LOOKS
        return frozenset(-(-self.horizon * number // looks) for number in range(1, looks + 1))

    @property
    def registration(self) -> dict[str, Any]:
        """As the API takes it."""
        return {
            "key": self.key,
            "name": f"Experiment {self.number}",
            "hypothesis": f"better-{self.measure.key}",
            "kind": "FEATURE_FLAG",
            "owner": "Ada",
            "variants": [
                {"key": key, "name": key.capitalize(), "weight": 1.0, "isControl": key == "control"}
                for key in self.variants
            ],
            "plan": {
                "kpis": [
                    {"kpi": self.measure.key, "role": "PRIMARY", "mde": {"difference": self.mde}},
                    {"kpi": GUARDRAIL.key, "role": "GUARDRAIL", "margin": MARGIN},
                ],
                "horizonDays": self.horizon,
                "alpha": ALPHA,
                "power": POWER,
                "policy": self.policy.value,
                "looks": LOOKS,
            },
        }


def cases(draw: np.random.Generator, experiments: int) -> tuple[Case, ...]:
    """So many experiments, each read to its end within the year; policies take turns, all else is drawn."""
    return tuple(_cases(draw, experiments))


def _cases(draw: np.random.Generator, experiments: int) -> Iterator[Case]:
    policies = list(Policy)
    for number in range(1, experiments + 1):
        measure = MEASURES[draw.integers(len(MEASURES))]
        mde = float(draw.choice(measure.mdes))
        truth = list(PRIOR)[draw.choice(len(PRIOR), p=list(PRIOR.values()))]
        most = float(draw.uniform(*SIZES[truth])) * mde * measure.sign
        second = most * float(draw.random())  # the same in kind, and never more
        yield Case(
            number=number,
            day=int(draw.integers(DAYS - ENROL_DAYS - measure.until)),
            measure=measure,
            mde=mde,
            policy=policies[number % len(policies)],
            truth=truth,
            effects=(most, second) if draw.random() < THREE_VARIANTS else (most,),
            guardrail_effect=HARM_TO_GUARDRAIL if draw.random() < HARMED_GUARDRAILS else 0.0,
            is_broken=bool(draw.random() < BROKEN_SPLITS),
            is_late=bool(draw.random() < LATE_DATA),
            has_rows=bool(draw.random() < AS_ROWS),
        )
