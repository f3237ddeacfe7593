"""The company is the same for the same seed, whatever the day."""

from datetime import date, timedelta

import numpy as np

from api.sample import Company, exposures, outcomes, simulate
from api.sample.rows import Row
from tests.api.sample.conftest import TODAY

LATER = timedelta(days=100)


def test_simulate_twice_gives_equal_rows(exposure_rows: list[Row], outcome_rows: list[Row]) -> None:
    again = simulate(today=TODAY)
    assert list(exposures(again)) == exposure_rows
    assert list(outcomes(again)) == outcome_rows


def test_simulate_on_a_later_day_only_shifts_times(
    company: Company, exposure_rows: list[Row], outcome_rows: list[Row]
) -> None:
    later = simulate(today=TODAY + LATER)
    assert [{**row, "exposedAt": row["exposedAt"] - LATER} for row in exposures(later)] == exposure_rows
    assert [{**row, "occurredAt": row["occurredAt"] - LATER} for row in outcomes(later)] == outcome_rows
    assert later.periods["new-editor"].started_at == company.periods["new-editor"].started_at + LATER
    assert later.truths == company.truths


def test_simulate_with_another_seed_gives_another_company(company: Company) -> None:
    other = simulate(today=TODAY, seed=1)
    assert not np.array_equal(other.users.signed_up[:100], company.users.signed_up[:100])


def test_company_has_the_promised_size(company: Company, exposure_rows: list[Row], outcome_rows: list[Row]) -> None:
    assert len(company.accounts) == 2_000
    assert 19_000 < len(company.users) < 22_000
    assert len(exposure_rows) == company.exposure_count
    assert len(outcome_rows) == company.outcome_count
    assert 300_000 < company.outcome_count < 500_000


def test_sign_ups_follow_the_week() -> None:
    days = [
        row["occurredAt"].weekday()
        for row in outcomes(simulate(today=date(2026, 11, 23)))
        if row["event"] == "signed_up"
    ]
    share = np.bincount(days, minlength=7) / len(days)
    assert share[5:].max() < 0.6 * share[:4].min()


def test_account_of_a_user_is_open_at_sign_up_and_gives_plan_and_region(company: Company) -> None:
    users, accounts = company.users, company.accounts
    assert (accounts.opened[users.account] <= users.signed_up).all()
    assert (accounts.plan[users.account] == users.plan).all()
    assert (accounts.region[users.account] == users.region).all()


def test_periods_say_one_experiment_runs_since_18_days(company: Company) -> None:
    running = [period for period in company.periods.values() if period.frozen_at is None]
    assert len(company.periods) == 5
    assert [period.started_at.date() for period in running] == [TODAY - timedelta(days=18)]
