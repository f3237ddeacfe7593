"""When each sample experiment ran, whom it took in, and what its treatment really does.

Days are counted from the first day of the history (0) to yesterday (119). Every experiment splits new users at the
moment they sign up. Four of them take turns on the calendar, so no user is in two of them. `new-editor` runs across
the others with its own coin; as it does nothing to anybody, it spoils no truth, and the others spread evenly over
its variants.

    baseline           days   0 - 34    nobody is in an experiment
    guided-onboarding  days  50 - 63    measured to day 78
    smart-templates    days  64 - 84    measured to day 99
    weekly-digest      days  85 - 98    measured to day 115
    new-editor         days  50 - 98    frozen early, on day 99
    checklist-nudge    days 102 - 128   still running today, day 120
"""

from dataclasses import dataclass, field

from api.sample.law import NO_EFFECT, Effect

DAYS = 120
"""Length of the history; it ends yesterday."""
BASELINE_DAYS = 35
"""The first five weeks of sign-ups: their windows have closed before the first experiment starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One experiment on the calendar, with its true effect."""

    key: str
    start_day: int
    enrol_days: int
    horizon_days: int
    freeze_day: int | None
    effect: Effect = field(default=NO_EFFECT)
    mobile_loss: float = 0.0
    """Share of the treated mobile users whose exposure is never logged: a broken split."""


RUNS = (
    Run(
        key="guided-onboarding",
        start_day=50,
        enrol_days=14,
        horizon_days=28,
        freeze_day=78,
        effect=Effect(first_value_odds=0.15, first_value_speed=0.3, project_odds=0.08, sessions=0.05),
    ),
    Run(
        key="smart-templates",
        start_day=64,
        enrol_days=21,
        horizon_days=35,
        freeze_day=99,
        effect=Effect(project_odds=0.6, plans=("team",)),
    ),
    Run(key="weekly-digest", start_day=85, enrol_days=14, horizon_days=30, freeze_day=115),
    Run(key="new-editor", start_day=50, enrol_days=49, horizon_days=70, freeze_day=99, mobile_loss=0.28),
    Run(
        key="checklist-nudge",
        start_day=102,
        enrol_days=27,
        horizon_days=42,
        freeze_day=None,
        effect=Effect(project_odds=0.22, sessions=0.1),
    ),
)
