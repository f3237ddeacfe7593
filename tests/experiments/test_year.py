"""A year of a few experiments with known truth: the walk from plan to decision, and the count of right and wrong."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from scipy.stats import lognorm

from benchmarks.year.cases import ALPHA, Case, Truth, cases
from benchmarks.year.conclusions import Conclusion, Evidence, Reading
from benchmarks.year.document import Year, document
from benchmarks.year.measures import GUARDRAIL, MEASURES, Measure
from benchmarks.year.place import year
from benchmarks.year.tally import Tally
from experiments.enums import Policy
from experiments.inference.treatments import Rule, VerdictState
from tests.api.databases import made, url_of

BY_KEY = {measure.key: measure for measure in MEASURES}
CLEAR = 3.0
"""Times the planned effect: no test of the planned power overlooks it."""


def case(number: int, kpi: str, policy: Policy, *gains: float, **changes: Any) -> Case:
    """An experiment whose treatments have so many times the planned effect, for the better."""
    measure = BY_KEY[kpi]
    mde = max(measure.mdes)
    fields: dict[str, Any] = {
        "truth": Truth.LARGE if gains[0] > 0 else Truth.HARM if gains[0] < 0 else Truth.NULL,
        "effects": tuple(gain * mde * measure.sign for gain in gains),
        "guardrail_effect": 0.0,
        "is_broken": False,
        "is_late": False,
        "has_rows": False,
    }
    return Case(number=number, day=number % 2, measure=measure, mde=mde, policy=policy, **(fields | changes))


SMALL_YEAR = (
    (case(1, "ttfv", Policy.GROUP_SEQUENTIAL, CLEAR, has_rows=True, is_late=True), VerdictState.SHIP),
    (case(2, "ttfv", Policy.FIXED, CLEAR, 0.0), VerdictState.SHIP),
    (case(3, "retention-d7", Policy.GROUP_SEQUENTIAL, -CLEAR, is_late=True), VerdictState.ROLL_BACK),
    (case(4, "activation-7d", Policy.ALWAYS_VALID, 0.0, is_broken=True), VerdictState.INVALID),
    (case(5, "revenue-7d", Policy.GROUP_SEQUENTIAL, 0.0, guardrail_effect=0.25), VerdictState.ROLL_BACK),
    (case(6, "activation-7d", Policy.FIXED, 0.0, has_rows=True), VerdictState.INCONCLUSIVE),
)
"""What is so clear that the verdict is certain, guardrails that this seed shows to be kept, and a null that it finds
nothing in."""


async def test_year_walks_every_experiment_from_plan_to_the_decision_that_its_truth_asks_for(
    database_url: str,
) -> None:
    url = url_of(database_url, await made(database_url))
    told: list[str] = []
    found = await year(url, [one for one, _ in SMALL_YEAR], np.random.default_rng(2), told.append)
    assert [(one.case.number, one.reading.state) for one in found] == [(one.number, state) for one, state in SMALL_YEAR]
    assert [one.shipped for one in found] == [0, 0, None, None, None, None]
    assert found[4].reading.rule == Rule.GUARDRAIL_HARMED
    assert found[0].evidence[0].adjusted is not None
    assert found[1].reading.day == found[1].case.horizon  # a fixed test is read once, at its end
    assert found[0].reading.day < found[0].case.horizon
    assert told[-1].endswith("0 running, 6 decided")
    written = document(Year(experiments=6, seed=2, conclusions=found), on=date(2026, 1, 1))
    assert "| SHIP | 1 of 3 | 0 of 1 | 1 of 2 | 2 of 6 |  |" in written
    assert "no broken promises" in written
    assert "| INVALID, of broken splits | - | 1 of 1 | - | 1 of 1 |  |" in written


def conclusion(**changes: Any) -> Conclusion:
    """A null in which nothing was found."""
    seen = Evidence(difference=0.01, variance=0.0001, limits=(-0.01, 0.03), bar=None, adjusted=None)
    return replace(
        Conclusion(
            case=case(1, "activation-7d", Policy.FIXED, 0.0),
            reading=Reading(day=28, state=VerdictState.INCONCLUSIVE, rule=Rule.NO_LOOK_LEFT),
            shipped=None,
            evidence=(seen,),
            units=1_000,
            has_changed=False,
        ),
        **changes,
    )


CLAIM = Reading(day=28, state=VerdictState.SHIP, rule=Rule.PRIMARY_BETTER)


@pytest.mark.parametrize(("claims", "is_broken"), [(11, False), (12, True)])
def test_gate_on_false_positives_opens_up_to_three_standard_errors_above_alpha(claims: int, is_broken: bool) -> None:
    # 0.05 + 3 sqrt(0.05 x 0.95 / 100) = 0.1154
    shipped = [conclusion(reading=CLAIM, shipped=0)] * claims
    lived = Year(experiments=100, seed=1, conclusions=[*shipped, *[conclusion()] * (100 - claims)])
    assert [failure.split(":")[0] for failure in lived.failures] == (["FIXED", "all"] if is_broken else [])
    assert Tally(name="", conclusions=tuple(lived.conclusions)).false_ships.count == claims


@pytest.mark.parametrize(("missed", "is_broken"), [(31, False), (33, True)])
def test_gate_on_misses_opens_up_to_three_standard_errors_above_what_power_leaves(missed: int, is_broken: bool) -> None:
    # 0.2 + 3 sqrt(0.2 x 0.8 / 100) = 0.32
    there = case(1, "activation-7d", Policy.FIXED, 1.0)
    found = [conclusion(case=there, reading=CLAIM, shipped=0)] * (100 - missed)
    lived = Year(experiments=100, seed=1, conclusions=[*found, *[conclusion(case=there)] * missed])
    assert bool(lived.failures) == is_broken


@pytest.mark.parametrize(("held", "is_broken"), [(18, False), (20, True)])
def test_gate_on_what_an_unharmed_guardrail_holds_back_is_apart_from_that_on_misses(held: int, is_broken: bool) -> None:
    # Half of what power leaves, for one guardrail beside the deciding KPI: 0.1 + 3 sqrt(0.1 x 0.9 / 100) = 0.19
    there = case(1, "activation-7d", Policy.FIXED, 1.0)
    unsure = Reading(day=28, state=VerdictState.INCONCLUSIVE, rule=Rule.GUARDRAIL_UNSURE)
    found = [conclusion(case=there, reading=CLAIM, shipped=0)] * (100 - held)
    found += [conclusion(case=there, reading=unsure)] * held
    lived = Year(experiments=100, seed=1, conclusions=found)
    assert {failure.partition(": ")[2].partition(" 20 ")[0] for failure in lived.failures} == (
        {"effects held back by an unharmed guardrail"} if is_broken else set()
    )
    assert "| held back by a guardrail, unharmed |" in document(lived, on=date(2026, 1, 1))


def test_reading_keeps_the_variant_that_the_verdict_names() -> None:
    told = {"state": "SHIP", "rule": "PRIMARY_BETTER", "variant": {"key": "treatment-2"}}
    assert Reading.of(3, told) == Reading(day=3, state=VerdictState.SHIP, rule="PRIMARY_BETTER", variant="treatment-2")
    assert Reading.of(3, told | {"variant": None}).variant is None


def test_expected_share_of_false_ships_follows_from_alpha_power_and_the_truths() -> None:
    # Three nulls of alpha / 2 and one effect of exactly the planned size, of power 0.8.
    there = conclusion(case=case(1, "activation-7d", Policy.FIXED, 1.0))
    counted = Tally(name="", conclusions=(*[conclusion()] * 3, there))
    assert counted.expected_false_ships == pytest.approx(3 * ALPHA / 2 / (3 * ALPHA / 2 + 0.8), rel=1e-6)


def test_verdict_that_changes_after_the_stop_is_a_failure_unless_data_were_late() -> None:
    late = conclusion(case=case(1, "ttfv", Policy.FIXED, 0.0, is_late=True), has_changed=True)
    assert Year(experiments=1, seed=1, conclusions=[late]).failures == []
    assert len(Year(experiments=1, seed=1, conclusions=[conclusion(has_changed=True)]).failures) == 2


def test_broken_splits_and_harmed_guardrails_count_neither_as_nulls_nor_as_misses() -> None:
    strange = {"is_broken": True}, {"guardrail_effect": 0.1}
    ones = tuple(
        conclusion(case=case(1, "ttfv", Policy.FIXED, gain, **kind), reading=CLAIM)
        for gain in (0.0, 1.0)
        for kind in strange
    )
    counted = Tally(name="", conclusions=ones)
    assert (counted.false_positives.of, counted.misses.of, counted.split_alarms.of) == (0, 0, 2)


@pytest.mark.parametrize("measure", [*MEASURES, GUARDRAIL], ids=lambda measure: measure.key)
def test_units_of_a_measure_have_the_level_variance_and_effect_it_states(measure: Measure) -> None:
    n, draw = 200_000, np.random.default_rng(3)
    effect = 0.1 * measure.level * measure.sign
    for shift in (0.0, effect):
        delay, value = measure.deeds(draw, n, shift)
        inside = (delay >= measure.since) & (delay < measure.until)
        days = np.where(np.isfinite(delay), np.floor(delay) + 1, measure.until)
        values = days if measure.is_duration else np.where(inside, value, 0.0)
        error = (measure.variance / n) ** 0.5
        assert abs(values.mean() - measure.level - shift) < 5 * error
        if not shift and measure.key != "revenue-7d":
            assert values.var() == pytest.approx(measure.variance, rel=0.05)


def test_revenue_has_the_mean_and_variance_of_a_lognormal_amount_that_few_units_spend() -> None:
    mean, variance = lognorm.stats(1.2, scale=20, moments="mv")
    assert BY_KEY["revenue-7d"].level == pytest.approx(0.25 * mean)
    assert BY_KEY["revenue-7d"].variance == pytest.approx(0.25 * (variance + mean**2) - (0.25 * mean) ** 2)


def test_year_is_drawn_from_its_prior_and_ends_within_it() -> None:
    drawn = cases(np.random.default_rng(1), 2_000)
    assert cases(np.random.default_rng(1), 2_000) == drawn
    assert sum(one.truth is Truth.NULL for one in drawn) / 2_000 == pytest.approx(0.6, abs=0.05)
    assert all(max(one.gains) >= 1 for one in drawn if one.truth is Truth.LARGE)
    assert all(max(one.gains) <= 0 for one in drawn if one.truth in {Truth.NULL, Truth.HARM})
    assert {one.policy for one in drawn} == set(Policy)
    assert max(one.day + one.horizon for one in drawn) < 365
