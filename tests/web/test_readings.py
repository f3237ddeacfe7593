"""What a finding says in one word."""

import pytest

from tests.web.samples import ACTIVATION, DAY_30, TICKETS, TTFV, finding, sample, undefined, variants
from web.quantities import Json
from web.readings import reading

ARM = variants("Control", "New")[1]


def found(kpi: Json, before: float, after: float, error: float = 0.01, margin: float | None = None) -> Json:
    role = "PRIMARY" if margin is None else "GUARDRAIL"
    arms = sample(5000, before, error), sample(5000, after, error)
    return finding(kpi, role, ARM, control=arms[0], treatment=arms[1], margin=margin)


@pytest.mark.parametrize(
    ("kpi", "before", "after", "word", "arrow"),
    [
        (ACTIVATION, 0.3, 0.4, "Better", "▲"),
        (ACTIVATION, 0.4, 0.3, "Worse", "▼"),
        (TTFV, 6.0, 5.0, "Better", "▼"),
        (TTFV, 5.0, 6.0, "Worse", "▲"),
        (ACTIVATION, 0.3, 0.301, "No clear difference", "▲"),
    ],
)
def test_reading_follows_the_kpis_good_direction(kpi: Json, before: float, after: float, word: str, arrow: str) -> None:
    says = reading(found(kpi, before, after), is_trusted=True)
    assert (says.word, says.arrow) == (word, arrow)


@pytest.mark.parametrize(
    ("before", "after", "error", "word", "tone"),
    [
        (0.30, 0.31, 0.002, "Better", "better"),
        (0.30, 0.299, 0.002, "Within margin", "unclear"),
        (0.30, 0.275, 0.002, "Harmed beyond its margin", "worse"),
        (0.30, 0.288, 0.002, "Worse, margin not excluded", "worse"),
        (0.30, 0.299, 0.02, "Margin not excluded", "unclear"),
    ],
)
def test_reading_of_a_guardrail_is_taken_against_its_margin(
    before: float, after: float, error: float, word: str, tone: str
) -> None:
    says = reading(found(DAY_30, before, after, error, margin=0.015), is_trusted=True)
    assert (says.word, says.tone) == (word, tone)


def test_reading_of_a_guardrail_where_lower_is_better_fears_the_upper_end() -> None:
    assert reading(found(TICKETS, 0.2, 0.3, margin=0.02), is_trusted=True).word == "Harmed beyond its margin"
    assert reading(found(TICKETS, 0.3, 0.2, margin=0.02), is_trusted=True).word == "Better"


def test_reading_of_a_guardrail_takes_from_the_service_whether_it_is_shown_to_be_kept() -> None:
    between_looks = found(DAY_30, 0.299, 0.30, 0.002, margin=0.015) | {"keepsMargin": False}
    assert reading(between_looks, is_trusted=True).word == "Margin not excluded"


def test_reading_of_what_is_read_once_says_so_until_then_and_after_an_end_that_came_early() -> None:
    early = found(DAY_30, 0.299, 0.30, 0.002, margin=0.015) | {"reason": "BEFORE_END", "interval": None}
    says = reading(early | {"isOver": True}, is_trusted=True)
    assert (says.word, says.tone) == ("Read once, at the planned end", "unclear")


def test_reading_without_trust_is_neither_good_nor_bad_news() -> None:
    says = reading(found(ACTIVATION, 0.3, 0.4), is_trusted=False)
    assert (says.word, says.tone) == ("Unreliable", "unclear")


@pytest.mark.parametrize(
    ("code", "word"), [("INSUFFICIENT_DATA", "Too few units so far"), ("A_NEW_REASON", "A new reason")]
)
def test_reading_without_an_answer_is_the_reason_in_words(code: str, word: str) -> None:
    says = reading(undefined(DAY_30, "PRIMARY", ARM, code), is_trusted=True)
    assert (says.word, says.tone) == (word, "missing")


def test_reading_while_looks_remain_is_not_a_verdict_of_no_difference() -> None:
    assert reading(found(ACTIVATION, 0.3, 0.301) | {"isOver": False}, is_trusted=True).word == "Not decided yet"
