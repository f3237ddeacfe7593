"""Our answers beside those kept from R and the Python peers: to nine digits, after a long recursion to six."""

from collections import Counter

import pytest

from tests.agreement.checks import Answer, Check, distance
from tests.agreement.sources import SOURCES
from tests.agreement.table import CHECKS, public_functions, uncompared
from tests.agreement.uncompared import REASONS, exception_of


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_our_answer_equals_the_one_kept(check: Check) -> None:
    found = distance(check.ours(), SOURCES[check.source].kept()["answers"][check.answer])
    assert {part: apart for part, apart in found.items() if apart > check.tolerance} == {}


@pytest.mark.parametrize("source", SOURCES)
def test_every_answer_kept_is_compared(source: str) -> None:
    compared = Counter(check.answer for check in CHECKS if check.source == source)
    assert set(compared) == set(SOURCES[source].kept()["answers"])


@pytest.mark.parametrize("source", SOURCES)
def test_kept_answers_name_the_versions_they_came_from(source: str) -> None:
    versions = SOURCES[source].kept()["versions"]
    assert versions
    assert all(str(version)[0].isdigit() for version in versions.values())


def test_every_check_covers_functions_that_are_there() -> None:
    named = {name for check in CHECKS for name in check.covers}
    assert len(named) > 140
    assert named - set(public_functions()) == set()


def test_every_public_function_is_compared_or_says_why_not() -> None:
    assert [name for name in uncompared() if exception_of(name) is None] == []


def test_no_exception_is_left_for_a_function_that_is_compared_or_gone() -> None:
    assert set(REASONS) - {exception_of(name) for name in uncompared()} == set()


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ({"a": [1.0, 2.0]}, {"a": [1.0, 2.0 / 1.5]}, {"a": 0.5}),
        ({"a": [1.0, float("nan")]}, {"a": [1.0, None]}, {"a": 0.0}),
        ({"a": [1.0, 1.0]}, {"a": [1.0, None]}, {"a": float("inf")}),
        ({"a": 0.1}, {"a": 0.0}, {"a": float("inf")}),
        ({"a": [1.0]}, {"a": [1.0, 2.0]}, {"a": float("inf")}),
        ({"a": 1.0}, {"b": 1.0}, {"a": float("inf"), "b": float("inf")}),
    ],
)
def test_distance_is_relative_and_infinite_where_only_one_answers(
    ours: Answer, theirs: Answer, expected: dict[str, float]
) -> None:
    assert distance(ours, theirs) == pytest.approx(expected)
