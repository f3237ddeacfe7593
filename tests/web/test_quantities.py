"""Numbers in words."""

import math

import pytest

from web import quantities
from web.quantities import SPACE, Json


@pytest.mark.parametrize(
    ("number", "on", "expected"),
    [
        (0.4121, "FRACTION", "41.2%"),
        (6.416, "DAYS", f"6.42{SPACE}days"),
        (41.27, "AMOUNT", "41.3"),
        (12345.6, "AMOUNT", "12,346"),
        (0.0312, "AMOUNT", "0.0312"),
        (0.0, "AMOUNT", "0"),
        (None, "DAYS", "–"),
        (math.nan, "FRACTION", "–"),
        (math.inf, "AMOUNT", "–"),
    ],
)
def test_value_is_written_in_the_unit_of_its_kpi(number: float | None, on: str, expected: str) -> None:
    assert quantities.value(number, on) == expected


@pytest.mark.parametrize(
    ("number", "on", "expected"),
    [
        (0.0342, "FRACTION", f"+3.42{SPACE}pp"),
        (-0.68, "DAYS", f"−0.68{SPACE}days"),
        (-0.001, "DAYS", f"0.00{SPACE}days"),
        (None, "FRACTION", "–"),
    ],
)
def test_difference_is_signed_and_a_share_differs_by_points(number: float | None, on: str, expected: str) -> None:
    assert quantities.difference(number, on) == expected


def test_difference_of_a_mean_is_written_as_finely_as_the_interval_beside_it() -> None:
    beside = {"lower": -1.72, "upper": 4.92}
    assert quantities.difference(0.0714, "AMOUNT", beside) == "+0.07"
    assert quantities.difference(0.0714, "AMOUNT") == "+0.0714"


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"lower": -0.94, "upper": -0.31}, f"−0.94 to −0.31{SPACE}days"),
        ({"lower": None, "upper": 0.9}, f"below +0.90{SPACE}days"),
        ({"lower": 0.1, "upper": None}, f"above +0.10{SPACE}days"),
        ({"lower": None, "upper": None}, "unbounded"),
        (None, "–"),
    ],
)
def test_interval_says_its_ends_or_that_it_has_none(bounds: Json | None, expected: str) -> None:
    assert quantities.interval(bounds, "DAYS") == expected


def test_lift_interval_puts_the_percent_sign_on_each_end() -> None:
    assert quantities.lift_interval({"lower": 0.0101, "upper": 0.0919}) == "+1.0% to +9.2%"


@pytest.mark.parametrize(
    ("number", "expected"), [(0.00004, "<0.001"), (0.0316, "0.032"), (1.0, "1.000"), (None, "–"), (math.nan, "–")]
)
def test_p_value_is_never_written_as_zero(number: float | None, expected: str) -> None:
    assert quantities.p_value(number) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2026-11-16T06:04:31Z", "16 Nov 2026, 06:04 UTC"), ("2026-11-16T01:04:31+02:00", "15 Nov 2026, 23:04 UTC")],
)
def test_moment_is_written_in_utc_whatever_its_zone(text: str, expected: str) -> None:
    assert quantities.moment(text) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("GROUP_SEQUENTIAL", "Group sequential"),
        ("SRM_ALARM", "SRM alarm"),
        ("A sentence, as it is.", "A sentence, as it is."),
        (None, "–"),
    ],
)
def test_words_turn_codes_into_words_and_leave_sentences_alone(code: str | None, expected: str) -> None:
    assert quantities.words(code) == expected


@pytest.mark.parametrize(("number", "expected"), [(0.05, "5%"), (0.025, "2.5%"), (0.8, "80%")])
def test_rate_keeps_the_decimals_it_was_given(number: float, expected: str) -> None:
    assert quantities.rate(number) == expected


def test_kpi_without_a_definition_is_told_as_an_amount() -> None:
    assert quantities.scale({"scale": None}) == "AMOUNT"
    assert quantities.scale({"scale": "RATE"}) == "RATE"


def test_rate_above_one_reads_as_per_cent_and_its_differences_as_points() -> None:
    assert quantities.value(1.04, "RATE") == "104.0%"
    assert quantities.levels(0.98, 1.1, "RATE") == "98.0% to 110.0%"
    assert quantities.difference(-0.0123, "RATE") == f"−1.23{SPACE}pp"


@pytest.mark.parametrize(("number", "expected"), [(0.42, "0.42"), (25.0, "25.00"), (1.234e9, "1.2 × 10⁹"), (None, "–")])
def test_evidence_beyond_a_thousand_is_a_power_of_ten(number: float | None, expected: str) -> None:
    assert quantities.evidence(number) == expected


def test_size_is_a_difference_without_its_sign() -> None:
    assert quantities.size(0.015, "FRACTION") == f"1.50{SPACE}pp"


@pytest.mark.parametrize(
    ("number", "name", "expected"),
    [
        (1203.4, "EXPECTED_UNITS", "1,203"),
        (5, "DAYS", "5"),
        (0.0123, "SHARE", "1.2%"),
        (0.0002, "P_VALUE", "<0.001"),
        (-0.0123, "SLOPE", "−0.0123"),
        (0, "DIFFERENCE", "0"),
    ],
)
def test_fact_is_written_by_its_name(number: float, name: str, expected: str) -> None:
    assert quantities.fact(number, name) == expected
