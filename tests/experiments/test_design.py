"""A design's answers: R's and rpact's numbers, paths drawn against the chances to stop, and plain arithmetic."""

import json
from dataclasses import replace
from math import ceil, isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from experiments.enums import Policy, Role
from experiments.planning import rehearsal
from experiments.planning.calculator import DAILY_LOOKS, sketch
from experiments.planning.design import Gap, KpiDesign, Setting, Sketch
from experiments.planning.draft import KpiChoice, Measure
from experiments.planning.plan import PinnedBaseline
from kpi import kinds
from kpi.enums import Direction, Driver, Frequency, Tier, Unit
from kpi.tables import Kpi
from tests.experiments.planning import plan, planned
from tests.experiments.test_evaluation import everything
from tests.kpi.registering import NOW

KEPT = Path(__file__).parents[1] / "agreement" / "r"
PLANNING, SEQUENTIAL = (
    json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))["answers"] for name in ("planning", "sequential")
)
MEAN = kinds.Mean(event="paid", window_days=3)
SPEED = kinds.TimeToValue(event="activated", tau_days=7)


def setting(**changes: Any) -> Setting:
    fields: dict[str, Any] = {
        "weights": (1.0, 1.0),
        "alpha": 0.05,
        "power": 0.8,
        "policy": Policy.FIXED,
        "looks": 4,
        "horizon_days": None,
        "units_per_day": 1_000.0,
        "primaries": 1,
    }
    return Setting(**(fields | changes))


def measure(
    value: float | None = 0.1,
    *,
    kind: kinds.Kind | None = None,
    error: float = 0.003,
    n: int | None = 10_000,
    direction: Direction = Direction.HIGHER,
) -> Measure:
    """A KPI, by default a share of 0.1 that is final two days after exposure."""
    kpi = Kpi(
        workspace_id=1,
        key="kpi",
        name="KPI",
        description="",
        unit=Unit.USER,
        direction=direction,
        tier=Tier.EARLY,
        is_leading=True,
        driver=Driver.RENEWAL,
        owner="",
        data_source="",
        frequency=Frequency.DAILY,
        action="",
        created_at=NOW,
    )
    baseline = None if value is None else PinnedBaseline(version=1, value=value, standard_error=error, n=n)
    return Measure(kpi=kpi, definition=planned(kind=kind).definition, baseline=baseline)


def choice(difference: float | None = 0.02, role: Role = Role.PRIMARY, **changes: Any) -> KpiChoice:
    return KpiChoice(kpi="kpi", role=role, mde_difference=difference, **changes)


def one(of: Setting, chosen: KpiChoice, measured: Measure, rho: float = 0.0) -> KpiDesign:
    return sketch(of, [(chosen, measured, rho)]).kpis[0]


# --- units and days ---------------------------------------------------------------------------------------------------


def test_units_of_a_share_are_those_of_power_prop_test() -> None:
    size = one(setting(), choice(), measure()).size
    assert size.units == ceil(2 * PLANNING["shares"]["units"][0])
    assert size.days == 8 + 2  # 7,682 units at 1,000 a day, and the window of two days
    assert size.information == pytest.approx(PLANNING["information"]["amount"][0])
    assert size.gap is None


def test_units_of_a_mean_under_an_uneven_split_are_rpacts() -> None:
    measured = measure(10.0, kind=MEAN, error=0.02, n=10_000)  # a variance of 4
    size = one(setting(weights=(2.0, 3.0)), choice(0.5), measured).size
    assert size.units == ceil(PLANNING["normal"]["units"] * 2.5)


@pytest.mark.parametrize(("looks", "place"), [(3, 1), (5, 2)])
def test_planned_looks_inflate_the_units_as_rpact_says(looks: int, place: int) -> None:
    found = one(setting(policy=Policy.GROUP_SEQUENTIAL, looks=looks), choice(), measure())
    inflation = SEQUENTIAL["inflation"]
    assert (found.inflation.horizon, found.inflation.mean) == pytest.approx(
        (inflation["horizon"][place], inflation["mean"][place]), rel=1e-6
    )
    assert found.size.units == ceil(2 * PLANNING["shares"]["units"][0] * inflation["horizon"][place])


def test_watching_every_day_inflates_the_units_as_integration_by_r_says() -> None:
    found = one(setting(policy=Policy.ALWAYS_VALID), choice(), measure())
    assert DAILY_LOOKS == 20
    assert found.inflation.horizon == pytest.approx(SEQUENTIAL["always_valid"]["horizon"], rel=1e-6)


def test_deciding_kpis_share_alpha_with_every_variant_and_the_rarest_one_sets_the_units() -> None:
    of = setting(weights=(2.0, 1.0, 1.0), primaries=2)
    measured = measure(10.0, kind=MEAN, error=0.02)
    found = one(of, choice(0.5), measured)
    distance = norm.isf(0.05 / 4 / 2) + norm.ppf(0.8)
    control = 4 * (1 + 2) * (distance / 0.5) ** 2
    assert found.alpha == 0.05 / 4
    assert found.size.units == ceil(control * 2)


def test_covariate_leaves_one_minus_its_squared_correlation_of_the_units() -> None:
    plain, with_covariate = (one(setting(), choice(), measure(), rho).size.units for rho in (0.0, 0.6))
    assert plain is not None
    assert with_covariate == pytest.approx(plain * 0.64, abs=1)


def test_lift_is_a_difference_of_the_baseline_and_lower_is_better_looks_downwards() -> None:
    up = one(setting(), KpiChoice(kpi="kpi", role=Role.PRIMARY, mde_lift=0.2), measure())
    down = one(setting(), choice(), measure(direction=Direction.LOWER))
    assert (up.effect, up.effect_lift) == pytest.approx((0.02, 0.2))
    assert up.size == one(setting(), choice(), measure()).size
    assert down.size.units is not None
    assert up.size.units is not None
    assert down.size.units < up.size.units  # 0.08 varies less than 0.12


def test_margin_of_a_share_is_asked_on_one_side_of_the_interval() -> None:
    guarded = choice(None, Role.GUARDRAIL, margin=0.05)
    found = one(setting(), guarded, measure(0.85))
    distance = norm.isf(0.025) + norm.ppf(0.8)
    normal = 2 * 0.85 * 0.15 * (distance / 0.05) ** 2  # with one variance for both: the restricted one differs little
    assert found.size.units == pytest.approx(2 * normal, rel=0.02)
    assert found.power_curve.power[0] == pytest.approx(0.025, abs=1e-3)


def test_guardrail_is_held_against_its_margin_at_the_planned_looks_and_a_secondary_kpi_is_watched() -> None:
    of = setting(policy=Policy.GROUP_SEQUENTIAL)
    guardrail, secondary = (
        one(of, choice(None, Role.GUARDRAIL, margin=0.02), measure()),
        one(of, choice(0.02, Role.SECONDARY), measure()),
    )
    assert (guardrail.policy, guardrail.alpha) == (Policy.GROUP_SEQUENTIAL, 0.05)
    assert guardrail.inflation == one(of, choice(), measure()).inflation
    assert (secondary.policy, secondary.alpha) == (Policy.ALWAYS_VALID, 0.05)


def test_guardrails_share_what_the_power_leaves() -> None:
    guarded = choice(None, Role.GUARDRAIL, margin=0.5)
    alone, beside = (one(setting(guardrails=g), guarded, measure(10.0, kind=MEAN, error=0.02)) for g in (1, 3))
    for found, power in ((alone, 0.9), (beside, 0.95)):  # 1 - 0.2 / (G + 1)
        distance = norm.isf(0.025) + norm.ppf(power)
        assert found.size.units == ceil(2 * 2 * 4 * (distance / 0.5) ** 2)


def test_guardrail_that_needs_the_most_sets_units_and_days_and_is_named() -> None:
    rows = [
        (choice(0.02), measure(), 0.0),
        (replace(choice(None, Role.GUARDRAIL, margin=0.005), kpi="errors"), measure(), 0.0),
        (replace(choice(None, Role.GUARDRAIL, margin=0.02), kpi="bare"), measure(None), 0.0),
    ]
    found = sketch(setting(units_per_day=100.0), rows)
    assert (found.units, found.days) == (found.kpis[1].size.units, found.kpis[1].size.days)
    assert (found.needed_for, found.gap) == ("errors", None)
    assert sketch(setting(), rows[:1]).needed_for == "kpi"


def test_most_demanding_deciding_kpi_sets_units_and_days() -> None:
    rows = [
        (choice(0.02), measure(), 0.0),
        (choice(0.01), measure(), 0.0),
        (choice(0.001, Role.SECONDARY), measure(), 0.0),
    ]
    found = sketch(setting(primaries=2), rows)
    assert (found.units, found.days, found.gap) == (found.kpis[1].size.units, found.kpis[1].size.days, None)


# --- what can be found ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", Policy)
def test_effect_reachable_in_a_week_needs_the_units_that_are_final_by_then(policy: Policy) -> None:
    of = setting(policy=policy)
    reachable = one(of, choice(), measure()).reachable
    assert reachable.week[:2] == (1, 2)
    assert reachable.units[:2] == (5_000.0, 12_000.0)  # 7 and 14 days less the window of two
    assert reachable.difference[1] is not None
    assert one(of, choice(reachable.difference[1]), measure()).size.units == pytest.approx(12_000, abs=1)
    assert reachable.lift[1] == pytest.approx(reachable.difference[1] / 0.1)


def test_week_in_which_nothing_is_final_has_no_reachable_effect() -> None:
    slow = measure(kind=kinds.Activation(event="activated", window_days=9))
    reachable = one(setting(), choice(), slow).reachable
    assert (reachable.units[0], reachable.difference[0], reachable.lift[0]) == (0.0, None, None)
    assert reachable.difference[1] is not None


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("kind", [None, MEAN])
def test_power_curve_rises_from_half_of_alpha_through_the_planned_power(
    policy: Policy, kind: kinds.Kind | None
) -> None:
    measured = measure() if kind is None else measure(10.0, kind=MEAN, error=0.01)
    curve = one(setting(policy=policy), choice(), measured).power_curve
    middle = curve.difference.index(pytest.approx(0.02))
    assert curve.power[middle] == pytest.approx(0.8, abs=1e-3)
    assert 0 < curve.power[0] < 0.0251
    assert all(low < high for low, high in zip(curve.power, curve.power[1:], strict=False))


def test_power_curve_of_a_given_horizon_is_for_what_is_final_by_then() -> None:
    curve = one(setting(horizon_days=6), choice(), measure()).power_curve
    assert curve.units == 4_000.0
    n, before, after = 2_000, 0.1, 0.12
    pooled, apart = 2 * 0.11 * 0.89, before * 0.9 + after * 0.88
    expected = norm.cdf((sqrt(n) * 0.02 - norm.isf(0.025) * sqrt(pooled)) / sqrt(apart))
    assert curve.power[10] == pytest.approx(expected)


# --- when it stops ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [Policy.GROUP_SEQUENTIAL, Policy.ALWAYS_VALID])
@pytest.mark.parametrize("horizon", [None, 8])
def test_chances_to_stop_are_those_of_drawn_paths(policy: Policy, horizon: int | None) -> None:
    measured = measure(10.0, kind=MEAN, error=0.01)  # a variance of 1, final after three days
    found = one(setting(policy=policy, horizon_days=horizon), choice(0.06), measured)
    information = np.array([look.units / 4 for look in found.course.looks])  # two arms of half the units, variance 1
    bars = np.array([look.boundary for look in found.course.looks], dtype=float)
    draw = np.random.default_rng(5).normal(size=(40_000, bars.size))
    walk = np.cumsum(draw * np.sqrt(np.diff(information, prepend=0.0)), axis=1)
    for effect, name in ((0.06, "stops_if_planned"), (0.0, "stops_if_none")):
        crossed = np.abs((walk + effect * information) / np.sqrt(information)) >= bars
        first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), -1)
        expected = [(first == place).mean() for place in range(bars.size)]
        assert [getattr(look, name) for look in found.course.looks] == pytest.approx(expected, abs=0.011)
    assert sum(look.stops_if_none for look in found.course.looks) <= 0.05 + 1e-6


@pytest.mark.parametrize("policy", [Policy.GROUP_SEQUENTIAL, Policy.FIXED])
def test_design_foretells_what_the_service_makes_of_drawn_experiments(policy: Policy) -> None:
    of = setting(policy=policy, horizon_days=17, units_per_day=200.0)
    course = one(of, choice(0.05), measure(0.3, error=0.005, n=8_400)).course
    (scene,) = rehearsal.scenes(plan(policy=policy, horizon_days=17), np.full(17, 200))
    assert isinstance(scene, rehearsal.Scene)
    rows = scene.rows(np.random.default_rng(1), replicates=2_000)
    (own,) = (row for row in rows if row.family == scene.own)
    assert course.power == pytest.approx(own.power.value, abs=3 * own.power.standard_error)
    assert course.days_if_planned == pytest.approx(own.mean_end, abs=0.5)


def test_mean_day_of_the_end_is_the_looks_days_by_their_chances() -> None:
    course = one(setting(policy=Policy.GROUP_SEQUENTIAL, horizon_days=12), choice(), measure()).course
    assert [look.day for look in course.looks] == [3, 6, 9, 12]
    assert [look.units for look in course.looks] == [1_000, 4_000, 7_000, 10_000]
    stopped = [look.stops_if_planned for look in course.looks]
    days = 3 * stopped[0] + 6 * stopped[1] + 9 * stopped[2] + 12 * (1 - sum(stopped[:3]))
    assert course.days_if_planned == pytest.approx(days)
    assert course.days_if_none is not None
    assert course.days_if_planned is not None
    assert course.days_if_planned < course.days_if_none < 12


def test_planned_looks_end_once_the_planned_information_is_there() -> None:
    course = one(setting(policy=Policy.GROUP_SEQUENTIAL, horizon_days=40), choice(), measure()).course
    assert [look.day for look in course.looks] == [10]  # 8,000 units, and 7,834 were needed
    assert course.looks[0].information_fraction > 1


def test_look_before_anything_is_final_is_not_taken() -> None:
    course = one(setting(policy=Policy.GROUP_SEQUENTIAL, horizon_days=8), choice(), measure()).course
    assert [(look.number, look.day) for look in course.looks] == [(1, 4), (2, 6), (3, 8)]


def test_without_traffic_looks_have_units_and_no_days() -> None:
    found = one(setting(policy=Policy.GROUP_SEQUENTIAL, units_per_day=None), choice(), measure())
    assert [look.day for look in found.course.looks] == [None] * 4
    assert found.size.units is not None
    assert found.course.looks[1].units == pytest.approx(found.size.units / 2)
    assert found.course.power == pytest.approx(0.8, abs=1e-6)
    assert (found.course.days_if_planned, found.course.units_if_planned is None) == (None, False)
    assert (found.size.days, found.size.gap, found.reachable.gap) == (None, Gap.NO_TRAFFIC, Gap.NO_TRAFFIC)


# --- what cannot be said ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "measured", "gap"),
    [
        (choice(), measure(None), Gap.NO_BASELINE),
        (choice(0.5), measure(10.0, kind=MEAN, n=None), Gap.NO_SPREAD),
        (choice(), measure(1.0), Gap.NO_SPREAD),
    ],
)
def test_kpi_without_a_level_or_a_spread_says_so_everywhere(chosen: KpiChoice, measured: Measure, gap: Gap) -> None:
    found = one(setting(), chosen, measured)
    assert found.gap is gap
    assert {part.gap for part in (found.size, found.reachable, found.power_curve, found.course)} == {gap}


@pytest.mark.parametrize(
    ("chosen", "measured", "gap"),
    [
        (choice(None), measure(), Gap.NO_EFFECT),
        (choice(0.95), measure(), Gap.IMPOSSIBLE_LEVEL),
        (choice(None, Role.GUARDRAIL, margin=0.2), measure(), Gap.IMPOSSIBLE_LEVEL),
        (choice(6.0), measure(3.0, kind=SPEED), Gap.IMPOSSIBLE_LEVEL),
    ],
)
def test_effect_that_is_missing_or_impossible_leaves_what_can_be_found_by_week(
    chosen: KpiChoice, measured: Measure, gap: Gap
) -> None:
    found = one(setting(), chosen, measured)
    assert (found.gap, found.size.gap, found.power_curve.gap, found.course.gap) == (None, gap, gap, gap)
    assert found.reachable.difference[1] is not None


def test_years_that_nobody_waits_are_told_as_days_and_then_not_at_all() -> None:
    long = one(setting(units_per_day=5.0), choice(), measure())
    assert (long.size.days, long.course.gap) == (ceil(7_682 / 5) + 2, Gap.TOO_LONG)
    endless = one(setting(units_per_day=1e-6), choice(), measure())
    assert (endless.size.days, endless.size.gap) == (None, Gap.TOO_LONG)


def test_horizon_that_sees_nobody_final_has_no_course() -> None:
    found = one(setting(horizon_days=2), choice(), measure())
    assert (found.course.looks, found.course.gap, found.power_curve.gap) == ((), Gap.NO_TRAFFIC, Gap.NO_TRAFFIC)


def test_time_to_value_is_planned_by_its_restricted_mean_and_says_why_it_has_no_events() -> None:
    found = one(setting(), choice(0.5), measure(3.0, kind=SPEED, error=0.02, direction=Direction.LOWER))
    assert found.size.units == ceil(2 * 2 * 4 * ((norm.isf(0.025) + norm.ppf(0.8)) / 0.5) ** 2)
    assert found.events_gap is Gap.NO_CURVE
    assert one(setting(), choice(), measure()).events_gap is None


def test_design_without_a_deciding_size_has_no_units_and_says_why() -> None:
    found: Sketch = sketch(setting(), [(choice(None), measure(), 0.0)])
    assert replace(found, kpis=()) == Sketch(units=None, days=None, needed_for=None, gap=Gap.NO_EFFECT, kpis=())


drawn = st.fixed_dictionaries(
    {
        "policy": st.sampled_from(Policy),
        "alpha": st.sampled_from([1e-4, 0.05, 0.5]),
        "power": st.sampled_from([0.51, 0.8, 0.999]),
        "looks": st.integers(1, 4),
        "horizon_days": st.sampled_from([None, 4, 10, 730]),
        "units_per_day": st.sampled_from([None, 1e-12, 0.5, 100.0, 1e12]),
        "weights": st.sampled_from([(1.0, 1.0), (1e-6, 1.0), (1.0, 1e-6, 3.0), (1.0,) * 10]),
    }
)
levels = st.sampled_from(
    [(None, 1e-9), (None, 0.1), (None, 0.999), (MEAN, -5.0), (MEAN, 0.0), (MEAN, 1e12), (SPEED, 3.0)]
)
effects = st.sampled_from([1e-12, 1e-3, 0.05, 0.5, 1e12])


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(drawn, levels, effects, st.sampled_from(Role), st.sampled_from(Direction), st.sampled_from([1e-12, 0.01, 1e12]))
def test_whatever_is_asked_the_answer_has_no_number_that_cannot_be_sent(
    changes: dict[str, Any],
    level: tuple[kinds.Kind | None, float],
    effect: float,
    role: Role,
    direction: Direction,
    error: float,
) -> None:
    kind, value = level
    stated: dict[str, Any] = {"margin": effect} if role is Role.GUARDRAIL else {"mde_difference": effect}
    measured = measure(value, kind=kind, error=error, direction=direction)
    found = one(setting(**changes), KpiChoice(kpi="kpi", role=role, **stated), measured)
    numbers = [number for name, number in everything(found) if isinstance(number, float)]
    assert numbers
    assert all(map(isfinite, numbers))
    assert (found.size.units is None) == (found.gap is not None or found.size.gap is Gap.IMPOSSIBLE_LEVEL)
