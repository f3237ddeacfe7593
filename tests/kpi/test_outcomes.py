"""Outcomes by column: a batch read in one stride is the batch read row by row, and ids stay what they were."""

import struct
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi import outcomes
from kpi.columns import Columns
from kpi.events import first_id, outcome_ids, time_of
from kpi.gate import NOBODY, Gate, Omission, hidden
from kpi.ingest import Refusal, parse_all
from kpi.outcomes import OutcomeRow, by_column, read
from kpi.packing import packed
from tests.kpi.wire import HALF_A_PAIR, NOW, anything, outcome

EAST = timezone(timedelta(hours=9))
EARLY = datetime(1990, 1, 1, tzinfo=UTC)
GIVEN = [UUID("01a19671-c23b-c323-a703-98b0a18a31d8"), UUID("01a19671-c23b-0cb9-43c6-24dcb7e83f8c")]
moments = st.datetimes(EARLY.replace(tzinfo=None), NOW.replace(tzinfo=None), timezones=st.sampled_from([UTC, EAST]))
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=9)
good = st.builds(
    OutcomeRow,
    unit=names,
    event=names,
    occurred_at=moments,
    value=st.none() | st.floats(-1e100, 1e100),
    event_id=st.none() | names,
)


def plain_id(workspace_id: int, number: int, row: OutcomeRow) -> bytes:
    """An outcome's id by its definition, one row at a time: 48 bits of milliseconds, then 80 of BLAKE2b."""
    seconds = row.occurred_at.timestamp()
    said = (
        f"content\0{number}\0{row.unit}\0{seconds!r}\0{row.value!r}" if row.event_id is None else f"id\0{row.event_id}"
    )
    digest = blake2b(f"{workspace_id}\0{said}".encode(), digest_size=10).digest()
    return int(seconds * 1000).to_bytes(6, "big") + digest


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.lists(good, max_size=5))
def test_ids_of_a_batch_are_the_ids_of_its_rows(rows: list[OutcomeRow]) -> None:
    numbers = list(range(7, 7 + len(rows)))
    found = outcome_ids(3, numbers, by_column(dict(enumerate(rows)))).tolist()
    assert found == [plain_id(3, number, row) for number, row in zip(numbers, rows, strict=True)]


def test_id_of_an_outcome_is_what_the_first_release_gave_it() -> None:
    at = datetime(2026, 11, 1, 9, 30, 0, 123456, tzinfo=UTC)
    named = OutcomeRow(unit="u1", event="paid", occurred_at=at, value=2.5, event_id="e1")
    bare = OutcomeRow(unit="ü", event="paid", occurred_at=at, value=None)
    assert [UUID(bytes=one) for one in outcome_ids(1, [5, 5], by_column({0: named, 1: bare})).tolist()] == GIVEN
    assert [time_of(identity) for identity in GIVEN] == [at.replace(microsecond=123000)] * 2
    assert first_id(at) == UUID(bytes=GIVEN[0].bytes[:6] + bytes(10))


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.lists(good, max_size=5))
def test_packed_rows_are_those_of_a_plain_packer(rows: list[OutcomeRow]) -> None:
    taken = by_column(dict(enumerate(rows)))
    numbers = list(range(2, 2 + len(rows)))
    ids = outcome_ids(9, numbers, taken)
    expected = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    for row, number in zip(rows, numbers, strict=True):
        since = (row.occurred_at - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        unit = row.unit.encode()
        value = struct.pack(">i", -1) if row.value is None else struct.pack(">id", 8, row.value)
        expected += struct.pack(">hi16siiiq", 5, 16, plain_id(9, number, row), 4, number, 8, since)
        expected += value + struct.pack(">i", len(unit)) + unit
    assert packed(taken, ids, np.array(numbers, np.int64)) == expected + b"\xff\xff"


def same(first: outcomes.Outcomes, second: outcomes.Outcomes) -> bool:
    numbers = ("places", "times", "values")
    texts = ("units", "events", "event_ids")
    return all(np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True) for name in numbers) and all(
        list(getattr(first, name)) == list(getattr(second, name)) for name in texts
    )


WRONG: list[dict[str, Any]] = [
    {"unit": "\0"},
    {"unit": HALF_A_PAIR},
    {"unit": ""},
    {"unit": 7},
    {"unit": None},
    {"event": "e\0"},
    {"eventId": HALF_A_PAIR},
    {"eventId": "i" * 201},
    {"value": float("nan")},
    {"value": -1e101},
    {"value": "1_000"},
    {"value": True},
    {"occurredAt": NOW + timedelta(minutes=11)},
    {"occurredAt": EARLY - timedelta(microseconds=1)},
    {"occurredAt": NOW.replace(tzinfo=None)},
    {"occurredAt": None},
    {"occurredAt": "9999-12-31T23:59:59.999999Z"},
    {"occurredAt": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
    {"occurredAt": datetime(1, 1, 1, tzinfo=EAST)},
]


@pytest.mark.parametrize(
    "change", [*WRONG, {"value": "7.5"}, {"value": 7}, {"value": None}, {"occurredAt": "2026-11-01T00:00Z"}], ids=repr
)
@pytest.mark.parametrize("lax", [True, False])
def test_read_one_odd_row_among_good_ones_is_read_as_if_alone(change: dict[str, Any], lax: bool) -> None:
    rows = [outcome(f"u{n}", value=float(n), eventId=None) for n in range(5)]
    rows[3] |= change
    parsed, refusals = parse_all(rows, OutcomeRow, outcomes.check, NOW, lax=lax)
    columns = Columns(fields={name: [row[name] for row in rows] for name in rows[0]})
    for given_rows in (rows, columns):
        found, refused = read(given_rows, NOW, lax=lax)
        assert refused == refusals
        assert same(found, by_column(parsed))


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    rows=st.lists(st.builds(lambda more: outcome() | more if isinstance(more, dict) else more, anything), max_size=4)
)
def test_read_whatever_comes_is_what_each_row_is_alone(rows: list[Any]) -> None:
    found, refusals = read([outcome(), *rows], NOW, lax=False)
    parsed, refused = parse_all([outcome(), *rows], OutcomeRow, outcomes.check, NOW, lax=False)
    assert (refusals, same(found, by_column(parsed))) == (refused, True)


def test_read_two_objects_in_one_line_and_one_object_in_two_are_no_rows() -> None:
    line = msgspec.json.encode(outcome())
    half = line.index(b',"event"')
    lines = [line + b"," + line, line[:half], line[half + 1 :], line]
    found, refusals = read(lines, NOW, lax=False)
    assert (found.places.tolist(), [one.index for one in refusals]) == ([3], [0, 1, 2])


@pytest.mark.parametrize("before", [None, NOW - timedelta(days=1)])
@pytest.mark.parametrize("secret", [None, b"s" * 32])
@pytest.mark.parametrize("forgotten", [[], ["u1", "u4"]])
def test_admitted_are_the_rows_that_the_gate_admits_and_refused_alike(
    before: datetime | None, secret: bytes | None, forgotten: list[str]
) -> None:
    key = b"f" * 32
    stored = [unit if secret is None else hidden(secret, unit) for unit in forgotten]
    without = Omission(secret=key, units=frozenset(hidden(key, unit) for unit in stored)) if stored else NOBODY
    gate = Gate(noun="outcomes", before=before, secret=secret, without=without)
    moments = [NOW - timedelta(days=1) + place * timedelta(microseconds=1) for place in range(-3, 4)]
    parsed = {
        2 * place: OutcomeRow(unit=f"u{place}", event="paid", occurred_at=at, value=1.0)
        for place, at in enumerate(moments)
    }
    by_row: list[Refusal] = []
    in_columns: list[Refusal] = []
    expected = by_column(gate.admit(parsed, by_row))
    assert same(by_column(parsed).admitted(gate, in_columns), expected)
    assert in_columns == by_row
    gone = {0, 2, 4} if before else set()
    gone |= {2, 8} if forgotten else set()
    assert expected.places.tolist() == [place for place in parsed if place not in gone]
