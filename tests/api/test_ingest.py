"""Taking rows in through GraphQL: what counts, what counts again, and what is rejected, by index."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

AT = "2026-06-02T08:00:00Z"
NOW = datetime(2026, 6, 20, tzinfo=UTC)


async def exposed(ask: Ask, *rows: dict[str, Any]) -> dict[str, Any]:
    found = await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": list(rows)}}, now=NOW)
    return dict(found["exposuresIngest"])


async def happened(ask: Ask, *rows: dict[str, Any]) -> dict[str, Any]:
    found = await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": list(rows)}}, now=NOW)
    return dict(found["outcomesIngest"])


def counts(payload: dict[str, Any]) -> tuple[int, int, int]:
    assert payload["userErrors"] == []
    report = payload["report"]
    return report["accepted"], report["duplicates"], report["rejected"]


async def test_exposures_count_once_however_often_they_are_sent(ask: Ask, started: str) -> None:
    assert started
    rows = [documents.exposure(f"u{number}", "tour", AT, attributes={"plan": "free"}) for number in range(3)]
    assert counts(await exposed(ask, *rows)) == (3, 0, 0)
    assert counts(await exposed(ask, *rows)) == (0, 3, 0)
    assert counts(await exposed(ask, rows[0], rows[0])) == (0, 2, 0)


async def test_outcomes_count_once_however_often_they_are_sent(ask: Ask) -> None:
    plain = documents.outcome("u1", "activated", AT)
    named = documents.outcome("u1", "paid", AT, value=9.5, eventId="invoice-1")
    assert counts(await happened(ask, plain, named, plain)) == (2, 1, 0)
    assert counts(await happened(ask, plain, named)) == (0, 2, 0)
    # The sender's own id tells two equal events apart, which content alone cannot.
    assert counts(await happened(ask, named | {"eventId": "invoice-2"})) == (1, 0, 0)


async def test_exposure_rows_that_are_wrong_are_told_by_index_and_their_neighbours_count(
    ask: Ask, started: str
) -> None:
    assert started
    good = documents.exposure("u1", "tour", AT)
    payload = await exposed(
        ask,
        good | {"experiment": "nothing"},
        good,
        good | {"variant": "none"},
        good | {"unit": ""},
        good | {"exposedAt": "2026-06-02T08:00:00"},
        good | {"exposedAt": "2026-05-31T23:59:59Z"},
        good | {"exposedAt": "2026-06-20T00:10:01Z"},
        good | {"exposedAt": "1989-01-01T00:00:00Z"},
        good | {"unit": "u2", "attributes": {"plan": {"name": "free"}}},
        good | {"unit": "u\0"},
        good | {"unit": "u2"},
    )
    assert counts(payload) == (2, 0, 9)
    assert [(row["index"], row["code"], row["path"]) for row in payload["report"]["rowErrors"]] == [
        (0, "UNKNOWN_EXPERIMENT", "experiment"),
        (2, "UNKNOWN_VARIANT", "variant"),
        (3, "MALFORMED", "unit"),
        (4, "MALFORMED", "exposedAt"),
        (5, "OUTSIDE_ENROLMENT", "exposedAt"),
        (6, "TIME_IN_FUTURE", "exposedAt"),
        (7, "TIME_TOO_EARLY", "exposedAt"),
        (8, "MALFORMED", "attributes[...]"),
        (9, "BAD_TEXT", "unit"),
    ]
    assert all(row["message"].endswith((".", "?")) for row in payload["report"]["rowErrors"])


async def test_outcome_rows_that_are_wrong_are_told_by_index_and_their_neighbours_count(ask: Ask) -> None:
    good = documents.outcome("u1", "activated", AT)
    payload = await happened(
        ask,
        good | {"event": ""},
        good | {"occurredAt": "2026-06-21T00:00:00Z"},
        good,
        good | {"value": 1e300},
        good | {"eventId": "\0"},
    )
    assert counts(payload) == (1, 0, 4)
    assert [(row["index"], row["code"], row["path"]) for row in payload["report"]["rowErrors"]] == [
        (0, "MALFORMED", "event"),
        (1, "TIME_IN_FUTURE", "occurredAt"),
        (3, "NOT_FINITE", "value"),
        (4, "BAD_TEXT", "eventId"),
    ]


async def test_exposure_to_a_draft_is_rejected(ask: Ask, drafted: str) -> None:
    assert drafted
    (row,) = (await exposed(ask, documents.exposure("u1", "tour", AT)))["report"]["rowErrors"]
    assert (row["code"], row["path"]) == ("NOT_STARTED", "experiment")


async def test_exposure_after_the_stop_is_rejected(ask: Ask, started: str) -> None:
    await ask(documents.EXPERIMENT_STOP, {"input": {"id": started, "stoppedAt": "2026-06-10T00:00:00Z"}})
    late = documents.exposure("u1", "tour", "2026-06-10T00:00:00Z")
    (row,) = (await exposed(ask, late))["report"]["rowErrors"]
    assert (row["code"], row["path"]) == ("OUTSIDE_ENROLMENT", "exposedAt")


@pytest.mark.parametrize("noun", ["exposures", "outcomes"])
async def test_batch_of_a_thousand_rows_is_taken_and_of_one_more_refused_whole(
    ask: Ask, started: str, noun: str
) -> None:
    assert started
    units = [f"u{number}" for number in range(1_001)]
    if noun == "exposures":
        take, rows = exposed, [documents.exposure(unit, "tour", AT) for unit in units]
    else:
        take, rows = happened, [documents.outcome(unit, "activated", AT) for unit in units]
    refused = await take(ask, *rows)
    assert refused["report"] is None
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("BAD_USER_INPUT", [noun])]
    assert counts(await take(ask, *rows[:1_000])) == (1_000, 0, 0)


async def test_batch_without_rows_is_taken(ask: Ask) -> None:
    assert counts(await happened(ask)) == (0, 0, 0)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "9"])
async def test_value_that_is_no_number_is_refused_before_anything_is_taken(attempt: Try, value: object) -> None:
    rows = [documents.outcome("u1", "paid", AT), documents.outcome("u2", "paid", AT, value=value)]
    answer = await attempt(documents.OUTCOMES_INGEST, {"input": {"outcomes": rows}})
    assert answer["data"] is None
    assert "outcomes[1].value" in answer["errors"][0]["message"]
