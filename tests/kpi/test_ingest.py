"""The contract of a row, without a database: whatever comes in, a row becomes a value or is refused with a reason."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi.ingest import (
    EARLIEST,
    KEPT_ROW,
    MOST_MESSAGE,
    MOST_PATH,
    SKEW,
    Broken,
    Fault,
    Refused,
    check_text,
    check_time,
    is_kept_whole,
    kept_text,
    parse,
)
from kpi.outcomes import OutcomeRow
from tests.kpi.wire import HALF_A_PAIR, NOW, Row, anything, outcome, texts

NAIVE = datetime.fromisoformat("2026-11-01")
many = settings(max_examples=150, deadline=None, database=None, derandomize=True)
fields = st.sampled_from(["unit", "event", "occurredAt", "value", "eventId", "colour"]) | texts


def is_storable(text: str) -> bool:
    return "\0" not in text and text.encode("utf-8").decode() == text


def parsed(row: Any) -> OutcomeRow | Refused:
    try:
        return parse(row, OutcomeRow, lax=False)
    except Refused as refused:
        return refused


@many
@given(st.dictionaries(fields, anything, max_size=3) | anything)
def test_parse_any_row_is_a_value_or_a_storable_refusal(drawn: Any) -> None:
    read = parsed(outcome() | drawn if isinstance(drawn, dict) else drawn)
    if isinstance(read, Refused):
        assert read.message.endswith(".")
        assert read.path
        assert is_storable(read.message + read.path)


@many
@given(anything)
def test_kept_text_any_row_can_be_stored(row: Any) -> None:
    assert is_storable(kept_text(row))


def test_kept_text_long_row_is_cut_at_the_stated_length() -> None:
    assert len(kept_text({"unit": "u" * 10_000})) == KEPT_ROW


def test_kept_text_good_text_is_json() -> None:
    assert kept_text({"unit": "ü", "value": 1.5}) == '{"unit":"ü","value":1.5}'


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"unit": ""}, "unit", "length >= 1"),
        ({"unit": "u" * 201}, "unit", "length <= 200"),
        ({"unit": 5}, "unit", "got `int`"),
        ({"event": ""}, "event", "length >= 1"),
        ({"eventId": ""}, "eventId", "length >= 1"),
        ({"value": "7"}, "value", "got `str`"),
        ({"value": True}, "value", "got `bool`"),
        ({"occurredAt": "2026-11-01T00:00:00"}, "occurredAt", "timezone"),
        ({"occurredAt": NAIVE}, "occurredAt", "timezone"),
        ({"occurredAt": "yesterday"}, "occurredAt", "RFC3339"),
        ({"occurredAt": 1767225600}, "occurredAt", "got `int`"),
        ({"colour": "red"}, "row", "unknown field `colour`"),
        ({"a\0b": 1}, "row", "unknown field `a\ufffdb`"),
    ],
)
def test_parse_malformed_field_is_refused_naming_it(change: Row, path: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(outcome() | change, OutcomeRow, lax=False)
    assert (refused.value.code, refused.value.path) == (Fault.MALFORMED, path)
    assert says in refused.value.message


def test_parse_field_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        parse(outcome() | {HALF_A_PAIR: 1}, OutcomeRow, lax=False)
    assert refused.value.code is Fault.BAD_TEXT


def test_parse_row_that_is_no_object_is_refused() -> None:
    nothing: list[Any] = [None, [], "row", 7]
    for row in nothing:
        with pytest.raises(Refused) as refused:
            parse(row, OutcomeRow, lax=False)
        assert (refused.value.code, refused.value.path) == (Fault.MALFORMED, "row")


def test_parse_lax_reads_numbers_out_of_the_cells_of_a_file() -> None:
    assert parse(outcome(value="7.5"), OutcomeRow, lax=True).value == 7.5


@pytest.mark.parametrize("text", ["a\0b", f"a{HALF_A_PAIR}", "\udfff", "ü\0"])
def test_check_text_nul_or_half_a_pair_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        check_text("unit", text)
    assert (refused.value.code, refused.value.path) == (Fault.BAD_TEXT, "unit")


@pytest.mark.parametrize("text", [None, "plain", "ünï", "🚀", "\x01", "\u202e"])
def test_check_text_anything_else_passes(text: str | None) -> None:
    check_text("unit", text)


def test_check_time_edges_pass_and_a_moment_beyond_is_refused() -> None:
    moment = timedelta(microseconds=1)
    for at in (NOW + SKEW, EARLIEST, NOW.astimezone(timezone(timedelta(hours=14)))):
        check_time("occurredAt", at, NOW)
    for at, code in ((NOW + SKEW + moment, Fault.TIME_IN_FUTURE), (EARLIEST - moment, Fault.TIME_TOO_EARLY)):
        with pytest.raises(Refused) as refused:
            check_time("occurredAt", at, NOW)
        assert (refused.value.code, refused.value.path) == (code, "occurredAt")


def test_limits_are_those_promised() -> None:
    assert timedelta(minutes=10) == SKEW
    assert datetime(1990, 1, 1, tzinfo=UTC) == EARLIEST


@many
@given(st.binary(max_size=40) | anything.map(ascii).map(str.encode))
def test_parse_any_bytes_are_a_value_or_a_storable_refusal_and_can_be_kept(row: bytes) -> None:
    read = parsed(row)
    assert isinstance(read, Refused)
    assert is_storable(read.message + read.path + kept_text(row))
    assert is_kept_whole(row) is (kept_text(row).encode() == row)


def test_parse_bytes_are_the_row_that_they_spell() -> None:
    told = b'{"unit":"u1","event":"e","occurredAt":"2026-11-01T00:00:00Z","value":7}'
    assert parsed(told) == OutcomeRow(unit="u1", event="e", occurred_at=datetime(2026, 11, 1, tzinfo=UTC), value=7)


@pytest.mark.parametrize("row", [{"n" * 100_000: 1}, b'{"' + b"n" * 100_000 + b'": 1}'])
def test_refusal_of_a_row_with_a_long_name_is_cut(row: Any) -> None:
    refused = parsed(row)
    assert isinstance(refused, Refused)
    assert len(refused.message) == MOST_MESSAGE
    assert refused.message.endswith("…")
    assert len(Refused(Fault.MALFORMED, "", "p" * 1_000).path) == MOST_PATH


def test_broken_row_is_refused_as_its_door_says_and_never_kept_whole() -> None:
    row = Broken(beginning=b"{}", code=Fault.TOO_LONG, message="The row is too long.")
    refused = parsed(row)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.message, kept_text(row), is_kept_whole(row)) == (row.code, row.message, "{}", False)
