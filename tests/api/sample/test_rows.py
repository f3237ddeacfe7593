"""Rows are in the public wire form and hold the faults of real logs."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from math import isfinite

import numpy as np
import pytest

from api.sample import Company, exposures, simulate
from api.sample.rows import Row
from tests.api.sample.conftest import TODAY

END = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
BEGIN = END - timedelta(days=120)


def test_outcome_rows_are_aware_finite_unique_and_in_time_order(outcome_rows: list[Row]) -> None:
    times = [row["occurredAt"] for row in outcome_rows]
    assert all(at.tzinfo is UTC for at in times)
    assert times == sorted(times)
    assert times[0] >= BEGIN
    assert times[-1] < END
    assert all(row["value"] is None or isfinite(row["value"]) for row in outcome_rows)
    assert len({row["eventId"] for row in outcome_rows}) == len(outcome_rows)
    assert {frozenset(row) for row in outcome_rows} == {frozenset({"unit", "event", "occurredAt", "value", "eventId"})}


def test_exposure_rows_name_registered_variants_in_time_order(company: Company, exposure_rows: list[Row]) -> None:
    registered = {
        (experiment["key"], variant["key"])
        for experiment in company.registrations.experiments
        for variant in experiment["variants"]
    }
    times = [row["exposedAt"] for row in exposure_rows]
    assert {(row["experiment"], row["variant"]) for row in exposure_rows} == registered
    assert all(at.tzinfo is UTC for at in times)
    assert times == sorted(times)
    known = {"account", "plan", "region", "device"}
    assert all(set(row["attributes"]) - {"visits_before"} == known for row in exposure_rows)


def test_visits_before_sign_up_are_known_of_most_and_go_with_the_sessions_after(
    exposure_rows: list[Row], outcome_rows: list[Row]
) -> None:
    sessions = Counter(row["unit"] for row in outcome_rows if row["event"] == "session_started")
    visits = {row["unit"]: row["attributes"].get("visits_before") for row in exposure_rows}
    known = {unit: count for unit, count in visits.items() if count is not None}
    assert 0.86 < len(known) / len(visits) < 0.90
    assert np.corrcoef(list(known.values()), [sessions[unit] for unit in known])[0, 1] > 0.5


@pytest.mark.parametrize("seed", range(10))
def test_exposures_fall_into_the_period_of_their_experiment(seed: int) -> None:
    drawn = simulate(today=TODAY, seed=seed)
    for row in exposures(drawn):
        period = drawn.periods[row["experiment"]]
        assert period.started_at <= row["exposedAt"] < (period.frozen_at or END)


def test_values_belong_to_money_events_only(outcome_rows: list[Row]) -> None:
    with_value = {row["event"] for row in outcome_rows if row["value"] is not None}
    without = {row["event"] for row in outcome_rows if row["value"] is None}
    assert with_value == {"purchase", "arr_new", "arr_expansion", "arr_contraction", "arr_churn"}
    assert without == {
        "signed_up", "first_value", "project_created", "session_started", "task_completed", "seat_invited",
    }  # fmt: skip
    assert all(row["value"] > 0 for row in outcome_rows if row["value"] is not None)


def test_a_few_outcomes_precede_the_exposure(exposure_rows: list[Row], outcome_rows: list[Row]) -> None:
    exposed_at = {row["unit"]: row["exposedAt"] for row in reversed(exposure_rows)}
    before = [row for row in outcome_rows if row["unit"] in exposed_at and row["occurredAt"] < exposed_at[row["unit"]]]
    assert 100 < len(before) < 0.01 * len(outcome_rows)
    assert {row["event"] for row in before} == {"session_started", "project_created"}


def test_purchases_have_a_heavy_tail(outcome_rows: list[Row]) -> None:
    values = sorted((row["value"] for row in outcome_rows if row["event"] == "purchase"), reverse=True)
    top = values[: len(values) // 20]
    assert sum(top) > 0.25 * sum(values)


def test_arr_of_an_account_opens_once_never_falls_below_zero_and_ends_with_churn(outcome_rows: list[Row]) -> None:
    sign = {"arr_new": 1, "arr_expansion": 1, "arr_contraction": -1, "arr_churn": -1}
    arr: Counter[str] = Counter()
    churned: set[str] = set()
    for row in outcome_rows:
        if row["event"] not in sign:
            continue
        unit = row["unit"]
        assert unit.startswith("account-")
        assert unit not in churned
        assert (row["event"] == "arr_new") == (unit not in arr)
        arr[unit] += sign[row["event"]] * row["value"]
        assert arr[unit] > -0.05
        if row["event"] == "arr_churn":
            churned.add(unit)
            assert abs(arr[unit]) < 0.05
    assert len(churned) > 10
