"""What is asked of past control units before a launch, and what was found. Pure.

A deciding KPI is asked about once for each treatment weight: how often does the plan's own test find a difference
between arms that nothing distinguishes?
"""

from dataclasses import dataclass, fields

import numpy as np

from experiments.enums import Policy
from experiments.planning.plan import Plan, PlannedKpi
from experiments.planning.rehearsal import treatments
from experiments.tables import Rehearsal
from kpi.enums import Unit
from stats.methods.proportions import wilson

REPLAYS = 2_000
"""With alpha at 5 %, what truly errs in 7 % of splits is found out nine times in ten."""
SEED = 2026
"""The same for everybody and always: nobody draws again until it passes."""
LEVEL = 0.99
"""Of the interval: of KPIs with nothing wrong, about one in two hundred is warned of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the splits of a KPI depend on beside the data: the definition, the kind of unit, and how the plan tests."""

    definition_id: int
    unit: Unit
    policy: Policy
    alpha: float
    looks: int
    horizon_days: int
    minimum_days: int
    share: float  # the treatment's part of the units of both arms


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What splits showed: the stored numbers, of which version of which KPI, and whose units were split."""

    kpi: str
    version: int
    experiment: str
    stored: Rehearsal

    @property
    def setting(self) -> Setting:
        """What it was asked for."""
        return Setting(**{field.name: getattr(self.stored, field.name) for field in fields(Setting)})

    @property
    def share(self) -> float:
        """The share of splits with a difference found, each of them a false positive; 0 without a split."""
        return self.stored.false_positives / max(1, self.stored.replays)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's limits of that share: 0 to 1 without a split."""
        if not self.stored.replays:
            return 0.0, 1.0
        lower, upper = wilson(np.array(self.share), np.array(float(self.stored.replays)), 1 - LEVEL)
        return float(lower), float(upper)


def settings(plan: Plan, planned: PlannedKpi) -> dict[str, Setting]:
    """What is asked about a deciding KPI, by the first treatment of each weight."""
    control = plan.variants[0].weight
    return {
        treatment.key: Setting(
            definition_id=planned.definition.id,
            unit=plan.unit,
            policy=plan.policy,
            alpha=plan.alpha_each,
            looks=plan.looks,
            horizon_days=plan.horizon_days,
            minimum_days=plan.earliest_day,
            share=treatment.weight / (control + treatment.weight),
        )
        for treatment in treatments(plan)
    }
