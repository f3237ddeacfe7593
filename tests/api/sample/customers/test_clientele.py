"""The customers' rows: the same for a seed, of people who belong somewhere, and in an order that makes sense."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from api.sample import Company, customer_outcomes, memberships, simulate
from api.sample.customers import clientele
from api.sample.outcomes import EVENTS
from api.sample.rows import Row
from tests.api.sample.conftest import TODAY

END = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
LATER = timedelta(days=100)
OF_USERS = ["signed_up", "project_created", "task_completed", "seat_invited", "purchase", "arr_new", "arr_expansion",
            "arr_contraction", "arr_churn"]  # fmt: skip


@pytest.fixture(scope="module")
def rows(company: Company) -> list[Row]:
    return list(customer_outcomes(company.clientele))


@pytest.fixture(scope="module")
def belongs(company: Company) -> dict[str, Row]:
    return {row["member"]: row for row in memberships(company)}


def of(rows: list[Row], *events: str) -> Iterator[tuple[str, datetime, float]]:
    return ((row["unit"], row["occurredAt"], row["value"]) for row in rows if row["event"] in events)


def test_customers_twice_are_the_same_and_on_a_later_day_only_shifted(rows: list[Row]) -> None:
    assert list(customer_outcomes(simulate(today=TODAY).clientele)) == rows
    later = customer_outcomes(clientele(seed=80, today=TODAY + LATER))
    assert [{**row, "occurredAt": row["occurredAt"] - LATER} for row in later] == rows


def test_customers_of_another_seed_are_others(company: Company) -> None:
    other = clientele(seed=1, today=TODAY).customers
    assert not np.array_equal(other.opened, company.clientele.customers.opened)


def test_customers_come_in_the_promised_number(company: Company, rows: list[Row]) -> None:
    assert len(company.clientele.customers) == 900
    assert 150_000 < len(rows) == len(company.clientele) < 300_000
    assert len(clientele(seed=1, today=TODAY, accounts=50).customers) == 50


def test_rows_are_unique_in_time_order_and_before_today(rows: list[Row]) -> None:
    times = [row["occurredAt"] for row in rows]
    assert times == sorted(times)
    assert END - timedelta(days=731) < times[0]
    assert times[-1] < END
    assert len({row["eventId"] for row in rows}) == len(rows)


def test_every_event_of_the_customers_is_sent(rows: list[Row]) -> None:
    assert {row["event"] for row in rows} == set(EVENTS) - set(OF_USERS)


def test_every_unit_is_an_account_or_belongs_to_one_when_it_acts(rows: list[Row], belongs: dict[str, Row]) -> None:
    opened = {unit: at for unit, at, _ in of(rows, "account_created")}
    for row in rows:
        if row["unit"].startswith("member-"):
            home = belongs[row["unit"]]
            assert home["sinceAt"] <= row["occurredAt"]
            assert opened[home["account"]] <= row["occurredAt"]
        else:
            assert row["unit"] in opened


def test_every_member_belongs_to_one_account_that_exists(company: Company, belongs: dict[str, Row]) -> None:
    members = list(memberships(company))
    assert len(members) == len(belongs) == len(company.users) + len(company.clientele.members)
    assert all(row["sinceAt"] < END for row in members)
    assert all(row["account"].startswith(("account-", "customer-")) for row in members)


def test_revenue_is_a_state_that_begins_with_the_contract_is_sent_every_term_and_ends_with_0(rows: list[Row]) -> None:
    opened = {unit: at for unit, at, _ in of(rows, "account_created")}
    states = defaultdict(list)
    for unit, at, value in of(rows, "mrr"):
        states[unit].append((at, value))
    ended = 0
    for unit, found in states.items():
        assert opened[unit] - timedelta(hours=2) < found[0][0] < opened[unit]
        gaps = [later - sooner for (sooner, _), (later, _) in pairwise(found)]
        assert all(timedelta(days=90) < gap < timedelta(days=92) for gap in gaps)
        assert all(value > 0 for _, value in found[:-1])
        ended += found[-1][1] == 0
    assert set(states) == set(opened)
    assert 0.05 < ended / len(states) < 0.5


def test_nothing_happens_in_an_account_that_has_left(rows: list[Row], belongs: dict[str, Row]) -> None:
    left = {unit: at for unit, at, value in of(rows, "mrr") if value == 0}
    for row in rows:
        account = belongs[row["unit"]]["account"] if row["unit"] in belongs else row["unit"]
        assert account not in left or row["occurredAt"] <= left[account]


def test_renewals_that_are_due_have_a_forecast_and_are_won_or_the_end(rows: list[Row]) -> None:
    due, forecast, won = ({(unit, at): value for unit, at, value in of(rows, event)} for event in
                          ("renewal_due", "renewal_forecast", "renewal_won"))  # fmt: skip
    paid = {(unit, at): value for unit, at, value in of(rows, "mrr")}
    assert due.keys() == forecast.keys() >= won.keys()
    assert all((paid[place] > 0) == (place in won) for place in due)
    assert all(won[place] <= due[place] for place in won)
    assert 0.85 < len(won) / len(due) < 0.98


def test_what_presupposes_something_else_comes_after_it_and_is_not_more_frequent(rows: list[Row]) -> None:
    counts = Counter(row["event"] for row in rows)
    for part, whole in [
        ("expansion_won", "expansion_closed"),
        ("account_saved", "risk_flagged"),
        ("outcome_attained", "outcome_agreed"),
        ("onboarding_task_completed", "onboarding_task_assigned"),
        ("opportunity_created", "pqa_reached"),
        ("adoption_reached", "activated"),
        ("renewal_conversation_held", "renewal_window_opened"),
    ]:
        first: dict[str, datetime] = {}
        for unit, at, _ in of(rows, whole):
            first.setdefault(unit, at)
        assert 0 < counts[part] < counts[whole]
        assert all(first[unit] <= at for unit, at, _ in of(rows, part)), part


def test_seats_in_use_are_no_more_than_seats(rows: list[Row]) -> None:
    seats: dict[str, float] = {}
    for row in rows:
        if row["event"] == "seats":
            seats[row["unit"]] = row["value"]
        if row["event"] == "seats_active":
            assert 0 <= row["value"] <= seats[row["unit"]]
