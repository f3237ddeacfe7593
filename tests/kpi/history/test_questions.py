"""What is asked of a KPI's level outside experiments; expected values are scipy's, or arithmetic."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from kpi.enums import Direction, Granularity
from kpi.history.questions import (
    Answer,
    Caution,
    Window,
    against_baseline,
    against_target,
    between_cohorts,
    of_change,
    outlook,
)
from kpi.history.sums import Sums
from kpi.kinds import Activation, Mean
from kpi.tables import Baseline, Target
from stats.moments import Moments
from stats.results import Reason
from tests.kpi.registering import NOW

FIRST = date(2026, 1, 5)
JANUARY = Window(from_on=date(2026, 1, 1), to_on=date(2026, 1, 31))
AMOUNT = Mean(event="paid", window_days=7)


def side_by_side(parts: list[Moments]) -> Moments:
    n, mean, m2 = (np.array([getattr(part, name) for part in parts]) for name in ("n", "mean", "m2"))
    return Moments(n=n, mean=mean, m2=m2)


def days_of(values: list[list[float]], *, through: date = date(2026, 12, 31), first: date = FIRST) -> Sums:
    """Cohorts of consecutive days, of the units' numbers."""
    parts = [Moments.from_values(day) for day in values]
    return Sums(
        kind=AMOUNT,
        through=through,
        days=tuple(first + timedelta(days=place) for place in range(len(values))),
        entered=np.array([len(day) for day in values]),
        moments=side_by_side(parts),
    )


def drawn(weeks: list[float], *, seed: int = 7, units: int = 40) -> Sums:
    """Cohorts of one day a week, around a mean."""
    rng = np.random.default_rng(seed)
    found = days_of([list(rng.normal(mean, 1, units)) for mean in weeks])
    days = tuple(FIRST + timedelta(weeks=place) for place in range(len(weeks)))
    return Sums(kind=found.kind, through=found.through, days=days, entered=found.entered, moments=found.moments)


def stated(value: float, error: float, n: int | None, **changes: Any) -> Baseline:
    fields: dict[str, Any] = {
        "definition_id": 1,
        "version": 1,
        "value": value,
        "standard_error": error,
        "n": n,
        "created_at": NOW,
    }
    return Baseline(**(fields | {"from_on": None, "to_on": None, "segment": ""} | changes))


def aimed(value: float, due_on: date) -> Target:
    return Target(
        kpi_id=1, version=1, value=value, due_on=due_on, owner="", approver="", by="", reason="", created_at=NOW
    )


def test_level_against_a_baseline_with_its_units_is_welchs_test() -> None:
    ours, theirs = np.array([3.0, 5, 4, 8, 6, 7]), np.array([2.0, 3, 5, 4, 1, 2, 3])
    baseline = stated(float(theirs.mean()), float(theirs.std(ddof=1) / 7**0.5), 7)
    found = against_baseline(days_of([list(ours[:2]), list(ours[2:])]), JANUARY, baseline)
    expected = scipy_stats.ttest_ind(ours, theirs, equal_var=False)
    assert found.difference == pytest.approx(ours.mean() - theirs.mean())
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval is not None
    assert found.interval.lower == pytest.approx(expected.confidence_interval().low)
    assert found.cautions == (Caution.NOT_RANDOMISED,)


def test_level_against_a_baseline_of_the_same_units_says_so() -> None:
    baseline = stated(3, 0.5, 7, from_on=date(2026, 1, 20), to_on=date(2026, 2, 20))
    found = against_baseline(days_of([[1, 2, 3]]), JANUARY, baseline)
    assert Caution.SHARED_UNITS in found.cautions
    apart = stated(3, 0.5, 7, from_on=date(2025, 1, 20), to_on=date(2025, 12, 31))
    assert Caution.SHARED_UNITS not in against_baseline(days_of([[1, 2, 3]]), JANUARY, apart).cautions


def test_level_against_a_target_is_a_one_sided_test_in_the_better_direction() -> None:
    values = np.array([3.0, 5, 4, 8, 6, 7])
    target = aimed(4.0, date(2026, 12, 31))
    above = against_target(days_of([list(values)]), target, Direction.HIGHER, 1)
    below = against_target(days_of([list(values)]), target, Direction.LOWER, 1)
    expected = scipy_stats.ttest_1samp(values, 4.0, alternative="greater").pvalue
    assert above.p_value == pytest.approx(expected)
    assert above.chance == pytest.approx(1 - expected)
    assert below.p_value == pytest.approx(1 - expected)


def test_level_against_a_target_of_another_definition_says_so() -> None:
    target = aimed(4.0, date(2026, 12, 31))
    target.definition_version = 1
    levels = days_of([[3.0, 5, 4]])
    assert against_target(levels, target, Direction.HIGHER, 1).cautions == (Caution.NOT_RANDOMISED,)
    assert Caution.OTHER_DEFINITION in against_target(levels, target, Direction.HIGHER, 2).cautions


def test_level_of_nobody_has_a_reason_and_no_number() -> None:
    nobody = days_of([[1.0]]).between(date(2030, 1, 1), date(2030, 1, 2))
    found: Answer = against_target(nobody, aimed(4.0, date(2026, 12, 31)), Direction.HIGHER, 1)
    assert (found.level.n, found.difference, found.p_value, found.chance) == (0, None, None, None)
    assert found.reason is Reason.INSUFFICIENT_DATA


def test_cohorts_that_are_open_or_share_units_say_so() -> None:
    open_still = days_of([[1, 2, 3], [2, 3, 5]], through=FIRST + timedelta(days=8))
    found = between_cohorts(open_still, JANUARY, days_of([[1, 2, 4]]), JANUARY)
    assert set(found.cautions) == set(Caution) - {Caution.UNLIKE_BEFORE, Caution.OTHER_DEFINITION}
    pro = Window(from_on=JANUARY.from_on, to_on=JANUARY.to_on, segment="plan=pro")
    team = Window(from_on=JANUARY.from_on, to_on=JANUARY.to_on, segment="plan=team")
    closed = days_of([[1, 2, 3]])
    assert between_cohorts(closed, pro, closed, team).cautions == (Caution.NOT_RANDOMISED,)


def test_change_of_one_segment_is_found_beside_the_other() -> None:
    ours, theirs = drawn([5.0] * 12 + [7.0] * 8, seed=1), drawn([4.0] * 20, seed=2)
    changed_on = FIRST + timedelta(weeks=12)
    found = of_change(ours, theirs, changed_on=changed_on, granularity=Granularity.WEEK)
    assert found.answer.interval is not None
    assert found.answer.interval.lower < 2 < found.answer.interval.upper
    assert found.answer.p_value is not None
    assert found.answer.p_value < 0.001
    assert Caution.UNLIKE_BEFORE not in found.answer.cautions


def test_change_after_a_gap_that_grew_before_is_doubted() -> None:
    ours = drawn([5.0 + 0.3 * week for week in range(20)], seed=1, units=400)
    theirs = drawn([4.0] * 20, seed=2, units=400)
    found = of_change(ours, theirs, changed_on=FIRST + timedelta(weeks=12), granularity=Granularity.WEEK)
    assert Caution.UNLIKE_BEFORE in found.answer.cautions


def test_change_before_the_first_period_has_no_answer() -> None:
    found = of_change(drawn([5.0] * 8), drawn([4.0] * 8), changed_on=FIRST, granularity=Granularity.WEEK)
    assert found.answer.reason is Reason.TOO_FEW_PERIODS


def test_outlook_reaches_the_period_that_the_target_is_due_in() -> None:
    past = drawn([5.0 + 0.1 * week for week in range(24)])
    due = FIRST + timedelta(weeks=30)
    found = outlook(past, granularity=Granularity.WEEK, direction=Direction.HIGHER, target=aimed(6.0, due), ahead=2)
    assert (found.start_on[0], found.start_on[-1]) == (FIRST + timedelta(weeks=24), due)
    assert found.chance is not None
    assert found.chance > 0.95
    lower = outlook(past, granularity=Granularity.WEEK, direction=Direction.LOWER, target=aimed(6.0, due), ahead=2)
    assert lower.chance == pytest.approx(1 - found.chance)


def test_outlook_of_a_share_stays_a_share() -> None:
    weeks = [Moments.of_proportion(round(100 * share), 100) for share in (0.9, 0.93, 0.95, 0.97, 0.98, 0.99)]
    found = outlook(
        Sums(
            kind=Activation(event="a", window_days=7),
            through=date(2026, 12, 31),
            days=tuple(FIRST + timedelta(weeks=place) for place in range(6)),
            entered=np.full(6, 100),
            moments=side_by_side(weeks),
        ),
        granularity=Granularity.WEEK,
        direction=Direction.HIGHER,
        target=None,
        ahead=20,
    )
    assert len(found.start_on) == 20
    assert all(part is not None and 0 <= part <= 1 for part in (*found.value, *found.lower, *found.upper))


def test_outlook_of_a_short_past_has_a_reason() -> None:
    found = outlook(drawn([5.0] * 3), granularity=Granularity.WEEK, direction=Direction.HIGHER, target=None, ahead=2)
    assert (found.start_on, found.reason) == ([], Reason.TOO_FEW_PERIODS)
