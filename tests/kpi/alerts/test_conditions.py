"""What each condition says of a period, by arithmetic and by what the statistics behind it say."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from kpi.alerts.conditions import (
    BaselineDrift,
    Condition,
    DataStopped,
    TargetAtRisk,
    Threshold,
    Trend,
    decode,
    encode,
)
from kpi.alerts.conditions.shape import MOST, Aim, Facts, Level, Past, Reading, Silence
from kpi.enums import Granularity, Side
from kpi.history import periods
from kpi.history.periods import DAY
from kpi.history.values import Series
from kpi.kinds.shape import Scale
from stats.series import control, drift, forecast
from tests.kpi.alerts.series import MONDAY, day, known, weeks

FLOOR = Threshold(side=Side.BELOW, limit=0.3, clear=0.35)


def read(condition: Condition, past: Past, facts: Facts | None = None) -> Reading:
    found = condition.judge(past, facts or known())
    assert isinstance(found, Reading), found
    return found


def silent(condition: Condition, past: Past, facts: Facts | None = None) -> str:
    found = condition.judge(past, facts or known())
    assert isinstance(found, Silence), found
    return found.because


@pytest.mark.parametrize(
    ("value", "is_beyond", "is_within"),
    [(0.29, True, False), (0.30, False, False), (0.34, False, False), (0.35, False, True), (0.4, False, True)],
)
def test_threshold_is_beyond_its_limit_and_within_only_what_clears_it(
    value: float, is_beyond: bool, is_within: bool
) -> None:
    below = read(FLOOR, weeks([0.5, value]))
    assert (below.is_beyond, below.is_within, below.value, below.limit) == (is_beyond, is_within, value, 0.3)
    above = Threshold(side=Side.ABOVE, limit=0.7, clear=0.65)
    mirrored = read(above, weeks([0.5, 1 - value]))
    assert (mirrored.is_beyond, mirrored.is_within) == (is_beyond, is_within)


def test_threshold_says_its_period_value_and_limit_in_a_sentence() -> None:
    found = read(FLOOR, weeks([0.5, 0.291]))
    assert found.sentence == "In the week from 2026-01-12 on it was 29.1%, below the limit of 30.0%."


def test_threshold_of_a_rate_may_lie_above_one_and_is_told_in_per_cent() -> None:
    expanding = Threshold(side=Side.BELOW, limit=1.1)
    assert expanding.problems(Scale.RATE) == []
    found = expanding.judge(weeks([1.2, 1.04]), replace(known(), scale=Scale.RATE))
    assert isinstance(found, Reading)
    assert found.sentence == "In the week from 2026-01-12 on it was 104.0%, below the limit of 110.0%."


@pytest.mark.parametrize("value", [0.24, 0.27, 0.285])
def test_sure_threshold_is_beyond_where_wilsons_interval_excludes_the_limit(value: float) -> None:
    n, run = 400, 100.0
    error = (value * (1 - value) / n) ** 0.5
    upper = proportion_confint(value * n, n, alpha=2 / run, method="wilson")[1]
    found = read(replace(FLOOR, run_length=run), weeks([value], error, n))
    assert found.is_beyond == (upper < 0.3)
    assert found.evidence["nearEnd"] == pytest.approx(upper)


def test_threshold_is_silent_of_a_period_without_a_value() -> None:
    assert silent(FLOOR, weeks([0.5, np.nan])) == "In the week from 2026-01-12 on there is no share to judge."


def test_trend_is_beyond_what_control_limits_say_and_watches_its_side_alone() -> None:
    values = [0.50, 0.52, 0.49, 0.51, 0.50, 0.52, 0.51, 0.70]
    chart = control.chart(range(8), values, 0.01, alpha=1 / 370)
    found = read(Trend(), weeks(values))
    assert (found.is_beyond, found.is_within) == (bool(chart.is_out[-1]), False) == (True, False)
    assert (found.limit, found.evidence["expected"]) == pytest.approx((chart.upper[-1], chart.expected[-1]))
    assert read(Trend(side=Side.ABOVE), weeks(values)).is_beyond
    assert not read(Trend(side=Side.BELOW), weeks(values)).is_beyond


def test_trend_is_silent_until_there_are_periods_to_learn_from() -> None:
    assert "fewer than 5 final periods" in silent(Trend(), weeks([0.5, 0.52, 0.49, 0.51, 0.9]))


def test_trend_counts_weeks_that_are_missing() -> None:
    whole = weeks([0.50, 0.52, 0.49, 0.51, 0.50, 0.52, 0.51, 0.55])
    gap = replace(whole, start_on=(*whole.start_on[:-1], whole.start_on[-1] + 70 * DAY))
    chart = control.chart([*range(7), 17], whole.value, 0.01, alpha=1 / 370)
    assert read(Trend(), gap).limit == pytest.approx(float(chart.upper[-1]))


def test_target_is_at_risk_where_the_forecast_gives_it_a_small_chance() -> None:
    values = [0.20, 0.22, 0.21, 0.24, 0.25, 0.25, 0.27, 0.28]
    past, due = weeks(values), MONDAY + (7 * 12 + 3) * DAY  # in the thirteenth week
    found = forecast.ahead(range(8), values, 0.01, later=[12], alpha=0.05)
    reading = read(TargetAtRisk(chance=0.2, clear=0.5), past, known(target=Aim(value=0.5, due_on=due)))
    assert reading.value == pytest.approx(float(found.chance(0.5)[0]))
    assert (reading.is_beyond, reading.is_within) == (True, False)
    near = read(TargetAtRisk(chance=0.2, clear=0.5), past, known(target=Aim(value=0.3, due_on=due)))
    assert near.value == pytest.approx(float(found.chance(0.3)[0])) == pytest.approx(0.78, abs=0.005)
    assert (near.is_beyond, near.is_within) == (False, True)
    fewer = read(TargetAtRisk(), past, known(sign=-1, target=Aim(value=0.3, due_on=due)))
    assert fewer.value == pytest.approx(1 - near.value)


def test_target_is_silent_without_one_after_its_day_and_before_there_is_a_forecast() -> None:
    aim = known(target=Aim(value=0.5, due_on=MONDAY + 30 * DAY))
    assert silent(TargetAtRisk(), weeks([0.2] * 5)) == "The KPI has no target."
    assert silent(TargetAtRisk(), weeks([0.2, 0.21, 0.2, 0.22, 0.2]), aim) == "The target's day has come."
    assert "4 final periods" in silent(TargetAtRisk(), weeks([0.2, 0.3, 0.2]), aim)


def test_drift_is_what_the_always_valid_interval_says_of_the_periods_after_the_baseline() -> None:
    before, after = [0.24, 0.26, 0.25, 0.25] * 3, [0.27, 0.29, 0.30, 0.31]
    past = weeks(before + after)
    facts = known(baseline=Level(value=0.25, standard_error=0.01, until=past.start_on[11] + 6 * DAY))
    error = (0.01**2 + 0.005**2 / 12) ** 0.5  # of the sample, and of the twelve periods that it was
    found = drift.against(
        after, 0.01, baseline=0.25, baseline_standard_error=error, shift=0.03, alpha=0.05, spread=0.005
    )
    reading = read(BaselineDrift(shift=0.03, spread=0.005), past, facts)
    assert reading.value - 0.25 == pytest.approx(found.difference[-1])
    assert reading.is_beyond == bool(found.lower[-1] > 0) is True
    assert reading.limit == pytest.approx(0.25 + found.difference[-1] - found.lower[-1])
    assert not read(BaselineDrift(shift=0.03, spread=0.005), past.until(12), facts).is_beyond


@pytest.mark.parametrize(
    ("since", "first"),
    [(None, 0), (-3, 0), (7 * 5, 5), (7 * 5 + 3, 5), (7 * 11 + 5, 11)],
    ids=["unknown", "before all", "of a week", "within one", "within the last"],
)
def test_drift_without_a_spread_learns_how_periods_swing_and_where_from_those_of_the_baseline(
    since: int | None, first: int
) -> None:
    before, after = [0.24, 0.26, 0.25, 0.25, 0.23, 0.27] * 2, [0.29, 0.31, 0.30, 0.32]
    past = weeks(before + after)
    begun = None if since is None else MONDAY + since * DAY
    facts = known(baseline=Level(value=0.25, standard_error=0.004, until=past.start_on[11] + 6 * DAY, since=begun))
    found = drift.since(
        range(16),
        before + after,
        0.01,
        change=12,
        first=first,
        baseline=0.25,
        baseline_standard_error=0.004,
        shift=0.03,
        alpha=0.05,
    )
    reading, (lower, upper) = read(BaselineDrift(shift=0.03), past, facts), map(float, found.limits())
    assert reading.value - 0.25 == pytest.approx(found.size.mean[-1])
    assert (reading.evidence["lower"], reading.evidence["upper"]) == pytest.approx((lower, upper))
    assert reading.evidence["pValue"] == pytest.approx(found.p_value[-1])
    assert (reading.is_beyond, reading.is_within) == (lower > 0, lower <= 0)
    assert reading.limit == pytest.approx(reading.value - lower)
    assert not read(BaselineDrift(shift=0.03), past.until(12), facts).is_beyond


def test_drift_learns_nothing_of_periods_without_a_value_or_an_error_and_says_so() -> None:
    past = weeks([0.24, 0.26, 0.25, 0.25] * 3 + [0.3])
    facts = known(baseline=Level(value=0.25, standard_error=0.01, until=past.start_on[11] + 6 * DAY))
    assert read(BaselineDrift(shift=0.03), past, facts).value > 0.25
    sure, lost = past.standard_error.copy(), past.value.copy()
    sure[3], lost[4] = 0.0, np.nan
    for fewer in (replace(past, standard_error=sure), replace(past, value=lost)):
        assert "Fewer than 12 periods" in silent(BaselineDrift(shift=0.03), fewer, facts)
    exact = np.where(np.arange(13) < 12, past.standard_error, 0.0)
    assert "no error" in silent(BaselineDrift(shift=0.03), replace(past, standard_error=exact), facts)


def test_drift_is_silent_without_a_baseline_before_it_and_where_the_spread_is_not_known() -> None:
    past = weeks([0.25, 0.26, 0.24])
    assert "no baseline" in silent(BaselineDrift(shift=0.03), past)
    later = known(baseline=Level(value=0.25, standard_error=0.01, until=date(2026, 3, 1)))
    assert silent(BaselineDrift(shift=0.03), past, later) == "The period is not after the baseline."
    sooner = known(baseline=Level(value=0.25, standard_error=0.01, until=date(2026, 1, 11)))
    assert "Fewer than 12 periods" in silent(BaselineDrift(shift=0.03), past, sooner)
    before_all = known(baseline=Level(value=0.25, standard_error=0.01, until=date(2026, 1, 1)))
    assert "Fewer than 12 periods" in silent(BaselineDrift(shift=0.03), weeks([0.25] * 20), before_all)


def test_drift_weighs_all_periods_since_the_baseline_or_none() -> None:
    past = weeks([0.25] * MOST)
    drifting = BaselineDrift(shift=0.03, spread=0.01)
    seen = known(baseline=Level(value=0.25, standard_error=0.01, until=past.start_on[0]))
    assert len(read(drifting, past, seen).evidence["periods"]["value"]) == 30
    assert "399 periods" in read(drifting, past, seen).sentence
    older = known(baseline=Level(value=0.25, standard_error=0.01, until=past.start_on[0] - DAY))
    assert silent(drifting, past, older) == "The baseline is more than 400 periods old: measure another."


def rows(daily: int, days: int, silence: int) -> dict[date, int]:
    return {MONDAY + place * DAY: daily for place in range(days - silence)}


def test_data_have_stopped_on_a_day_without_rows_where_many_are_usual_and_not_where_few_are() -> None:
    last = MONDAY + 41 * DAY
    many = read(DataStopped(), day(last), known(arrivals={"signed_up": rows(50, 42, 1)}))
    assert (many.is_beyond, many.is_within) == (True, False)
    assert many.sentence.startswith("No row of “signed_up” has come in on 1 day up to 2026-02-15;")
    rare = {MONDAY + place * DAY: 1 for place in range(0, 41, 2)}
    assert not read(DataStopped(), day(last), known(arrivals={"signed_up": rare})).is_beyond


@pytest.mark.parametrize("silence", [2, 30, 60])
def test_data_that_stopped_are_back_only_when_rows_come_however_long_that_takes(silence: int) -> None:
    last = MONDAY + 99 * DAY
    stopped = known(arrivals={"a": rows(50, 100, silence), "b": rows(50, 100, 0)})
    assert not read(DataStopped(), day(last), stopped).is_within
    back = {**rows(50, 100, silence), last: 1}
    assert read(DataStopped(), day(last), known(arrivals={"a": back, "b": rows(50, 100, 0)})).is_within


def test_data_are_back_when_the_events_that_stopped_are_though_a_rare_one_pauses() -> None:
    rare = {MONDAY + place * DAY: 1 for place in range(0, 99, 4)}
    found = read(DataStopped(), day(MONDAY + 99 * DAY), known(arrivals={"a": rows(50, 100, 0), "b": rare}))
    assert (found.is_beyond, found.is_within) == (False, True)


def test_data_of_an_event_that_never_came_are_no_stop() -> None:
    assert silent(DataStopped(), day(MONDAY), known(arrivals={"a": {}})) == (
        "No row of the KPI's events has come in yet."
    )
    assert "too short a time" in silent(DataStopped(), day(MONDAY + 2 * DAY), known(arrivals={"a": rows(50, 3, 1)}))


@pytest.mark.parametrize(
    ("condition", "scale", "fields"),
    [
        (Threshold(side=Side.BELOW, limit=30.0), Scale.FRACTION, ["limit", "clear"]),
        (Threshold(side=Side.BELOW, limit=30.0), Scale.AMOUNT, []),
        (Threshold(side=Side.BELOW, limit=0.3, clear=0.2, run_length=2), Scale.FRACTION, ["runLength", "clear"]),
        (Trend(run_length=1), Scale.FRACTION, ["runLength"]),
        (TargetAtRisk(chance=0.5, clear=0.2), Scale.FRACTION, ["clear"]),
        (TargetAtRisk(chance=1.0), Scale.FRACTION, ["chance"]),
        (BaselineDrift(shift=0, alpha=2, spread=-1), Scale.FRACTION, ["shift", "alpha", "spread"]),
        (DataStopped(run_length=0), Scale.FRACTION, ["runLength"]),
    ],
)
def test_conditions_name_every_fault_of_their_parameters(condition: Condition, scale: Scale, fields: list[str]) -> None:
    assert [name for name, _ in condition.problems(scale)] == fields


@pytest.mark.parametrize(
    "condition", [FLOOR, Trend(side=Side.ABOVE), TargetAtRisk(), BaselineDrift(shift=1), DataStopped()]
)
def test_condition_reads_back_as_it_was_stored(condition: Condition) -> None:
    assert decode(condition.kind, encode(condition)) == condition


def test_past_is_the_final_periods_by_their_place_in_the_calendar() -> None:
    months = [date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]
    series = Series(
        segment="",
        granularity=Granularity.MONTH,
        start_on=months,
        n=[10, 0, 20, 5],
        value=[0.1, None, 0.3, 0.4],
        standard_error=[0.01, None, 0.02, 0.03],
        lower=[None] * 4,
        upper=[None] * 4,
        is_final=[True, False, True, False],
    )
    past = Past.of(series)
    assert past.start_on == (months[0], months[2])
    assert past.number[1] - past.number[0] == 2
    assert past.value.tolist() == [0.1, 0.3]


@pytest.mark.parametrize("granularity", Granularity)
def test_next_period_has_the_next_number(granularity: Granularity) -> None:
    first = periods.start(date(2025, 12, 17), granularity)
    for _ in range(9):
        following = periods.after(first, granularity)
        assert periods.number(following, granularity) == periods.number(following - DAY, granularity) + 1
        assert periods.number(following - DAY, granularity) == periods.number(first, granularity)
        first = following
