"""Futility: the planned effect's chance at the end of a planned test, and intervals that shut it out."""

from dataclasses import replace

import pytest
from scipy.stats import norm

from experiments.enums import Policy, Role
from experiments.inference.futility import HOPELESS, futility
from experiments.inference.looks import Course, Look, Seen, Span, calendar, course
from experiments.planning.plan import Plan, PlannedKpi
from kpi.enums import Direction
from stats.results import Interval
from tests.experiments.planning import FIRST, Law, day, evaluated, plan, planned, simulated

PLAN = plan()
KPI = PLAN.kpis[0]
FINAL_BARS = {1: 1.9600094, 2: 1.9686043, 3: 2.0140901}
"""By looks taken: R rpact, getDesignGroupSequential(alpha=0.025, typeOfDesign="asOF") with informationRates of 1/4 to
the last look taken, and 1: the last critical value."""


def after(statistics: list[float], of: Plan = PLAN) -> Course:
    """The test after looks at quarters of the planned information."""
    total = of.kpis[0].information or 0.0
    planned_looks = calendar(of, Span(started_on=FIRST), 2)
    seen = [
        Seen(difference=z / (total * number / 4) ** 0.5, variance=4 / (total * number))
        for number, z in enumerate(statistics, start=1)
    ]
    return course(
        planned_looks,
        [*seen, *[None] * (len(planned_looks) - len(seen))],
        planned_information=total,
        alpha=of.alpha_each,
    )


def chance(statistics: list[float], drift: float) -> float:
    """Lan, Simon & Halperin's formula by B-values: B(1) is normal with mean z sqrt(t) + drift (1 - t)."""
    statistic, fraction = statistics[-1], len(statistics) / 4
    return float(
        norm.sf(FINAL_BARS[len(statistics)], statistic * fraction**0.5 + drift * (1 - fraction), (1 - fraction) ** 0.5)
    )


@pytest.mark.parametrize("statistics", [[0.3], [0.5, -0.4], [0.5, 1.0, 0.8]])
def test_conditional_power_is_that_of_the_planned_effect_at_the_planned_end(statistics: list[float]) -> None:
    found = futility(PLAN.policy, KPI, PLAN.alpha_each, course=after(statistics), interval=None)
    drift = 0.05 * (KPI.information or 0.0) ** 0.5
    assert found is not None
    assert found.conditional_power == pytest.approx(chance(statistics, drift), abs=2e-6)
    assert found.is_futile == ((found.conditional_power or 0) < HOPELESS or found.is_mde_excluded)


def test_conditional_power_looks_in_the_direction_that_is_better() -> None:
    lower = replace(KPI, direction=Direction.LOWER)
    up, down = after([0.5, 1.5]), after([-0.5, -1.5])
    good = futility(PLAN.policy, KPI, 0.05, course=up, interval=None)
    assert good == futility(PLAN.policy, lower, 0.05, course=down, interval=None)
    bad = futility(PLAN.policy, lower, 0.05, course=up, interval=None)
    assert good is not None
    assert bad is not None
    assert (good.is_futile, bad.is_futile) == (False, True)


def test_repeated_interval_that_excludes_the_mde_is_futile() -> None:
    found = futility(PLAN.policy, KPI, PLAN.alpha_each, course=after([0.0, 0.0, -1.9]), interval=None)
    assert found is not None
    assert found.is_mde_excluded


@pytest.mark.parametrize(
    ("direction", "lower", "upper", "is_futile"),
    [
        (Direction.HIGHER, -0.02, 0.049, True),
        (Direction.HIGHER, -0.02, 0.05, False),  # just touching the mde
        (Direction.HIGHER, -0.2, 0.1, False),
        (Direction.LOWER, -0.049, 0.2, True),
        (Direction.LOWER, -0.06, 0.2, False),
    ],
)
def test_always_valid_interval_that_excludes_the_mde_is_futile(
    direction: Direction, lower: float, upper: float, is_futile: bool
) -> None:
    interval = Interval(lower=lower, upper=upper, level=0.95)
    kpi = replace(KPI, direction=direction)
    found = futility(Policy.ALWAYS_VALID, kpi, 0.05, course=None, interval=interval)
    assert found is not None
    assert (found.conditional_power, found.is_futile) == (None, is_futile)


NO_LOOK = Course(
    looks=(Look(number=1, planned_on=day(4), is_final=True, is_horizon=True),), last=None, is_over=False, adjusted=None
)


@pytest.mark.parametrize(
    ("policy", "kpi", "course"),
    [
        (Policy.FIXED, KPI, None),
        (Policy.ALWAYS_VALID, KPI, None),
        (Policy.GROUP_SEQUENTIAL, KPI, NO_LOOK),
        (Policy.GROUP_SEQUENTIAL, replace(KPI, mde=None), after([-3.0])),
    ],
    ids=["one-look", "no-interval-yet", "no-look-yet", "no-planned-effect"],
)
def test_nothing_is_futile_before_anything_was_seen(policy: Policy, kpi: PlannedKpi, course: Course | None) -> None:
    assert futility(policy, kpi, 0.05, course=course, interval=None) is None


# --- within an evaluation --------------------------------------------------------------------------------------------

EVERY_ROLE = [planned(), planned("return", role=Role.SECONDARY), planned("errors", role=Role.GUARDRAIL, margin=0.02)]


@pytest.mark.parametrize(("policy", "daily"), [(Policy.GROUP_SEQUENTIAL, 40), (Policy.ALWAYS_VALID, 75)])
def test_evaluation_finds_an_experiment_without_effect_futile_and_not_one_with_the_planned_effect(
    policy: Policy, daily: float
) -> None:
    of = plan(*EVERY_ROLE, policy=policy, horizon_days=20)
    for lift, is_futile in ((-0.005, True), (0.05, False)):
        rows = simulated(of, [Law(daily=daily, rate=0.3), Law(daily=daily, rate=0.3 + lift)], days=16, seed=5)
        primary, *others = evaluated(of, rows, day(16)).findings
        assert (primary.futility is not None and primary.futility.is_futile) == is_futile
        assert [finding.futility for finding in others] == [None, None]


def test_futile_experiments_with_the_planned_effect_are_few() -> None:
    """A plan of power 0.8 misses one in five; stopping below a chance of 0.1 adds at most a ninth of that."""
    of, missed, experiments = plan(looks=4, horizon_days=16), 0, 80
    for seed in range(experiments):
        rows = simulated(of, [Law(daily=60, rate=0.3), Law(daily=60, rate=0.35)], days=14, seed=seed)
        for through in (8, 12, 16):
            (finding,) = evaluated(of, rows, day(through)).findings
            if finding.is_significant:
                break
            if finding.futility is not None and finding.futility.is_futile:
                missed += 1
                break
    assert missed / experiments <= 0.2 / 0.9 + 3 * (0.2 * 0.8 / experiments) ** 0.5
