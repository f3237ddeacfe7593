"""Reviews as a page, as Markdown, as CSV and on paper: they say the same, and nothing in them is markup."""

import csv
from io import StringIO

import pytest

import web
from tests.web.reviewing import EVIL, draft, figure, held, nothing, review, told, wicked, worth
from tests.web.test_pages import LEAK, Page
from web import reviews
from web.charts.courses import course
from web.printing import printed


def page(of: web.quantities.Json) -> Page:
    return Page(web.render("review", told(of)))


def test_page_says_levels_differences_targets_decisions_items_and_the_backlog() -> None:
    text = page(review()).text
    for words in (
        "Weekly review, 22 Jun 2026 to 28 Jun 2026",
        "Target at risk Activation is 38.2%. Ada",
        "38.2% 35.4% to 41.0%, 1,200 units, of 15 Jun 2026",
        "−2.30 pp −6.30 to +1.70 pp, within chance",
        "−3.00 pp −5.00 to −1.00 pp, ▼ worse",
        "45.0% by 31 Dec 2026 not met now, chance by then 12%",
        "No period of it is final yet.",
        "Ship “tour” mara, 24 Jun 2026, 10:00 UTC : the season ends",
        "Keep running decided against it",
        "Activation, Tour: +5.1% (+1.0% to +9.2%)",
        "NRR: +1.2% (+0.4% to +2.0%) or 34,000 a year (11,000 to 57,000), by links that are assumed",
        "GRR: No link leads there.",
        "below the limit of 30.0%. Critical, 25 Jun 2026, 06:00 UTC Call new sign-ups Resolved the form was broken",
        "Call the ten activation · from the review of 15 Jun 2026",
        "20 Jun 2026 ▼ overdue",
        "17.8% 3.56% It has to move by 17.8%.",
        "A quiet week. Nobody was ill.",
    ):
        assert words in text
    assert review()["snapshotHash"] in text


@pytest.mark.parametrize("of", [review(), draft(), wicked()], ids=["closed", "draft", "wicked"])
def test_every_form_leaks_no_missing_value(of: web.quantities.Json) -> None:
    paper = Page(web.render("review_paper", told(of)))
    assert paper.open == []
    assert LEAK.findall(" ".join((page(of).text, paper.text, reviews.markdown(told(of))))) == []


def test_nothing_that_people_write_becomes_markup_or_a_formula() -> None:
    for name in ("review", "review_paper"):
        html = web.render(name, told(wicked()))
        assert "<script>alert" not in html
        assert html.count("&lt;script&gt;alert") > 10
    text = reviews.markdown(told(wicked()))
    assert "<script>" not in text.replace(r"\<", "")
    assert r"\[x\](https\://example.org) \*b\*" in text
    rows = list(csv.reader(StringIO(reviews.table(told(wicked())))))
    assert rows[1][1] == f"'{EVIL}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# no heading", r"\# no heading"),
        ("- no item", r"\- no item"),
        ("1. no list", r"1\. no list"),
        ("two\n\nlines", "two lines"),
        ("www.example.org", r"www\.example.org"),
        ("20.0% - fine", "20.0% - fine"),
    ],
)
def test_text_in_markdown_stays_text_on_one_line(text: str, expected: str) -> None:
    assert reviews.plain(text) == expected


def test_markdown_has_a_table_of_as_many_columns_in_every_row() -> None:
    lines = reviews.markdown(told(review())).splitlines()
    start = lines.index("## KPIs") + 2
    table = lines[start : start + 4]
    assert {line.count(" | ") for line in (table[0], *table[2:])} == {5}
    assert table[2].startswith("| Activation in 7 days (Ada) | 38.2% (35.4% to 41.0%, 1,200 units, of 15 Jun 2026) |")


def test_table_has_a_row_a_kpi_with_plain_numbers() -> None:
    first, second = csv.DictReader(StringIO(reviews.table(told(review()))))
    assert {name: first[name] for name in ("kpi", "period", "n", "value", "change", "baseline_difference")} == {
        "kpi": "activation",
        "period": "2026-06-15",
        "n": "1200",
        "value": "0.382",
        "change": "-0.023",
        "baseline_difference": "-0.03",
    }
    assert (first["target_met"], first["target_chance"], first["stale"]) == ("false", "0.12", "false")
    assert (second["value"], second["reason"]) == ("", "No period of it is final yet.")


def test_chart_says_its_numbers_and_draws_the_target() -> None:
    drawn = reviews.course(figure())
    assert 'aria-label="Activation in 7 days over 3 periods: from 41.0% to 38.2%; target 45.0%."' in drawn
    assert drawn.count('class="reference"') == 1
    assert "reference" not in reviews.course(figure(target=None))
    assert not reviews.has_course(nothing())


def test_chart_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one value"):
        course(["a"], [None], [None], [None], target=None, label="", tick_text=lambda number, _: str(number))


def test_difference_without_an_answer_is_a_dash() -> None:
    assert (reviews.difference(None, "FRACTION"), reviews.difference_detail(held(None, 0), "FRACTION")) == ("–", "")


def test_paper_is_a_pdf_with_the_words_of_the_review() -> None:
    made = printed(told(review()))
    assert made.startswith(b"%PDF-")
    assert len(made) > 10_000


def test_paper_asks_no_address_that_people_write() -> None:
    of = review(notes='<img src="https://example.org/a.png"> url(https://example.org/b)')
    assert printed(told(of)).startswith(b"%PDF-")


def test_kpis_that_a_change_does_not_reach_are_told_together_by_the_reason() -> None:
    nowhere = {"lift": None, "reason": "No link leads there."}
    tops = [worth(name="GRR", **nowhere), worth(name="NRR"), worth(name="Renewals", **nowhere)]
    known, missing = reviews.worths(tops)
    assert known.startswith("NRR: ")
    assert missing == "GRR, Renewals: No link leads there."
