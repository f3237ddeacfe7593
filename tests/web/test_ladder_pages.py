"""The pages of the ladder, of alerts and of units at risk from made answers; numbers are checked by hand."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import web
from tests.web import ladder_samples as samples
from tests.web import samples as experiments
from tests.web.kpi_samples import alert
from tests.web.samples import Json
from tests.web.test_pages import Page
from web import ladder
from web.charts import rungs
from web.charts.rungs import Box, Rung, Sheet, Step

few = settings(max_examples=60, deadline=None, database=None, derandomize=True)


def climbed(*tops: Json, chosen: Json = samples.CHOSEN, **changes: Any) -> Page:
    return Page(web.render("ladder", samples.ladder(*tops, **changes), chosen=chosen))


def listed(*some: Json, state: str = "open", after: str | None = None) -> Page:
    return Page(web.render("alerts", samples.alerts(*some, after=after), chosen={"state": state}))


def ranked(*units: Json, chosen: Json = samples.MAY, **changes: Any) -> Page:
    return Page(web.render("at_risk", samples.at_risk(*units, **changes), chosen=chosen))


def test_ladder_page_says_of_each_kpi_how_it_stands_from_the_top_down() -> None:
    text = climbed(samples.TOP).text
    table = text[text.index("KPIs of the ladder KPI") :]
    for words in (
        "104.0% 98.0% to 110.0% 60 accounts No target 0",
        "not known yet Not known yet 0",
        "40.0% 38.0% to 42.0% 1,200 accounts ▲ meets 45.0% 0",
        "29.12 days 34 accounts ▼ misses 14.00 days 2",
    ):
        assert words in table
    names = [table.index(name) for name in ("Net revenue retention", "Retention", "Activation of", "Time to first")]
    assert names == sorted(names)


def test_ladder_page_says_of_each_link_its_number_its_sources_and_what_is_assumed_or_observational() -> None:
    text = climbed(samples.TOP).text
    for words in (
        "−0.39 −0.57 to −0.21 By experiments. Experiments −0.39 ± 0.19",
        "0.50 0.31 to 0.69 Partly assumed Observational By cohorts of the past and an assumption. "
        "Cohorts of the past 0.60 ± 0.19 Assumption 0.60 ± 0.19, 0.20 to 1.10, most likely 0.50 "
        "Two years of cohorts, read by eye (planning, 20 Jun 2026)",
        "Assumed By an assumption. Experiments – Fewer than three experiments.",
        "not identified Not identified Fewer than three past experiments have measured both KPIs.",
    ):
        assert words in text


def test_ladder_is_one_drawing_with_a_sentence_that_has_its_numbers() -> None:
    label = ladder.said(samples.LADDER)
    assert label == (
        "4 KPIs from leading to lagging, 1 off their targets, joined by 4 links with their elasticities: Time to first "
        "value to Activation of accounts within ninety days of their start −0.39; Activation of accounts within ninety "
        "days of their start to Retention 0.50 partly assumed; Retention to Net revenue retention 0.50 assumed; Time "
        "to first value to Net revenue retention not identified."
    )
    page = climbed(samples.TOP)
    assert [found for found in page.values("svg", "aria-label") if found] == [label, label]
    steps = [str(given["class"]) for tag, given in page.tags if tag == "line"]
    one = ["step assumed", "step assumed", "step estimated", "step share", "step unknown"]
    assert sorted(steps) == sorted(one + one)


def test_what_if_says_what_it_comes_to_with_its_interval_and_what_it_rests_on() -> None:
    page = climbed(samples.UNREACHED, samples.TOP)
    assert (
        "If Activation of accounts within ninety days of their start rose by 5.0% for 60% of the units, and everything "
        "above moved with it as its links say:" in page.text
    )
    reached = page.text.index(
        "Net revenue retention +1.5% +0.5% to +2.5% 3,600 (1,200 to 6,000) of 240,000 that recur now Assumed"
    )
    assert reached < page.text.index("No link leads from a KPI that was changed to the KPI at the top.")
    chosen = [given.get("value") for tag, given in page.tags if tag == "option" and "selected" in given]
    assert chosen == ["activation", "12"]


@pytest.mark.parametrize(
    ("change", "share", "words"),
    [
        (0.05, 1.0, "If X rose by 5.0%"),
        (-0.1, 0.5, "If X fell by 10.0% for 50% of the units"),
        (0.0, 1.0, "If X stayed as it is"),
    ],
)
def test_supposition_is_told_as_it_was_asked(change: float, share: float, words: str) -> None:
    assert ladder.supposed("X", change, share) == words


def test_what_if_of_a_faulty_question_points_at_each_field_and_keeps_what_was_typed() -> None:
    page = climbed(is_asked=False, chosen=samples.FAULTY | {"lift": "five"})
    faulty = {given["name"]: given["aria-describedby"] for tag, given in page.tags if given.get("aria-invalid")}
    assert faulty == {"lift": "lift-fault", "coverage": "coverage-fault"}
    assert set(faulty.values()) <= {given.get("id") for _, given in page.tags}
    assert "five" in page.values("input", "value")


def test_experiment_says_what_its_effect_is_worth_at_the_top_and_what_is_not_reached() -> None:
    text = Page(web.render("experiment", experiments.answer(experiments.finished()))).text
    worth = text[text.index("What it is worth") :]
    for words in (
        "Time to first value changes by −10.1%. −10.6% was seen; what is shown because it was significant is likely",
        "Net revenue retention +2.1% +0.4% to +4.8% 5,040 (960 to 11,520) of 240,000 that recur now Assumed",
        "Gross revenue retention – – No link leads from a KPI that was changed to the KPI at the top.",
        "this is no randomised result and decides nothing",
    ):
        assert words in worth
    assert worth.index("Net revenue retention") < worth.index("Gross revenue retention")  # what is reached comes first


def test_effect_that_was_not_picked_is_told_once_and_none_at_all_has_no_section() -> None:
    effect = {"effect": {"kpi": None, "seen": 0.04, "lift": 0.0402}, "tops": []}
    assert ladder.moved(effect) == "The KPI changes by +4.0%."
    page = web.render("experiment", experiments.answer(experiments.finished() | {"impact": None}))
    assert "What it is worth" not in page
    assert 'href="#worth"' not in page


def test_ladder_without_links_says_how_one_comes_to_be() -> None:
    page = climbed(is_asked=False, rungs=[], steps=[], chosen=samples.UNASKED)
    assert "No links yet" in page.text
    assert "select" not in [tag for tag, _ in page.tags]


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
heights = st.lists(st.integers(0, 5), min_size=1, max_size=14)


@few
@given(heights=heights, name=names, pairs=st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=20))
@pytest.mark.parametrize("sheet", rungs.SIZES, ids=lambda sheet: sheet.name)
def test_ladder_of_any_kpis_stays_on_the_paper_with_leading_ones_below_and_no_box_over_another(
    sheet: Sheet, heights: list[int], name: str, pairs: list[tuple[int, int]]
) -> None:
    found = [rung(str(place), name, height) for place, height in enumerate(heights)]
    steps = [
        Step(leading=str(a), lagging=str(b), answer="0.50 assumed", style="assumed")
        for a, b in pairs
        if max(a, b) < len(heights) and heights[a] < heights[b]
    ]
    boxes = rungs.places(found, steps, sheet)
    assert not any(one.meets(other) for one, other in combinations(boxes.values(), 2))
    for one in found:
        box = boxes[one.key]
        assert 0 <= box.left < box.left + box.width <= sheet.width
    assert all(boxes[step.leading].top > boxes[step.lagging].bottom for step in steps)
    page = Page(str(rungs.rungs(found, steps, sheet, label="1")))
    assert page.open == []
    texts = [float(str(given["y"])) for tag, given in page.tags if tag == "text"]
    (height,) = [float(str(given["viewbox"]).split()[3]) for tag, given in page.tags if tag == "svg"]
    assert 0 < min(texts) < max(texts) < height


def test_kpi_stands_right_below_the_lowest_of_what_it_leads_to_and_what_leads_to_nothing_at_the_top() -> None:
    found = [rung(key, key, height) for key, height in (("a", 0), ("b", 1), ("c", 2), ("d", 0), ("e", 1))]
    pairs = [("a", "b"), ("b", "c"), ("d", "c"), ("a", "e")]
    steps = [Step(leading=low, lagging=high, answer="1", style="estimated") for low, high in pairs]
    assert rungs.layers_of(found, steps) == {"c": 2, "e": 2, "b": 1, "d": 1, "a": 0}


def rung(key: str, name: str, height: int, **changes: Any) -> Rung:
    fields: dict[str, Any] = {"value": "1", "stands": "no target", "tone": "unclear", "alerts": 0}
    return Rung(key=key, name=name, height=height, **(fields | {"is_share_of_revenue": False} | changes))


def test_number_of_a_line_stands_on_it_and_gives_way_to_one_that_is_there() -> None:
    lower, upper = Box(left=0, top=200, width=100, height=50), Box(left=100, top=0, width=100, height=116)
    first = rungs.number_place(lower, upper, "0.50", [])
    assert (first.middle, first.top + first.height / 2) == (100, 158)  # halfway between (150, 116) and (50, 200)
    second = rungs.number_place(lower, upper, "0.50", [first])
    assert not second.meets(first)
    share = (second.top + second.height / 2 - 116) / 84
    assert second.middle == pytest.approx(150 - 100 * share)


def test_kpi_with_open_alerts_has_their_number_in_its_corner() -> None:
    words = Page(str(rungs.rungs([rung("a", "A", 0, alerts=7)], [], rungs.WIDE, label="1"))).words
    assert "7" in words
    assert "7" not in Page(str(rungs.rungs([rung("a", "A", 0)], [], rungs.WIDE, label="1"))).words


def test_alerts_page_says_what_was_seen_what_to_do_and_what_became_of_it() -> None:
    page = listed(alert(), samples.TAKEN, samples.OVER, samples.CLOSED, state="all", after="a/b=")
    for words in (
        "4 in all",
        "Activation within a week plan=pro In the week from 2026-10-26 on it was 31.0%, below the limit of 35.0%.",
        "To do Call the three largest accounts Critical Raised Ada Raised 3 Nov 2026, 06:00 UTC",
        "Target at risk 12%, limit 20%",
        "To do – no action is stated Note Calling the new accounts Warning Acknowledged",
        "Taken on 4 Nov 2026, 08:00 UTC by cs-lead",
        "Data stopped a silence of chance 4e-05",
        "Resolved 5 Nov 2026, 08:00 UTC by itself, as the value is back",
        "Resolved The form was down Info Resolved",
        "by cs-lead",
    ):
        assert words in page.text
    links = page.values("a", "href")
    assert "/kpis/activation-7d#alerts" in links
    assert "/alerts?state=all&after=a/b%3D" in links
    assert [f"/alerts?state={state}" in links for state in ("open", "raised", "acknowledged", "resolved")] == [True] * 4


def test_alerts_page_marks_the_choice_and_its_place_in_the_navigation() -> None:
    page = listed(state="resolved")
    current = [given["href"] for tag, given in page.tags if tag == "a" and given.get("aria-current")]
    assert current == ["/alerts", "/alerts?state=resolved"]
    assert "No alert of this choice" in page.text
    assert "Nothing that is watched is out of line." in listed().text


def test_units_at_risk_are_told_with_reasons_and_led_to_as_a_file() -> None:
    page = ranked(samples.UNIT, samples.NEWCOMER, after="a/b=")
    for words in (
        "2 accounts, the worst first. All of them as a CSV file",
        "a-17 plan=pro −5.00 1 0.0% stand worse −6.00 100 Sessions: 1, centre 4, costs 3",
        "a-18 −5.00 2 0.0% stand worse – was not there then – no level – its own number, which has no parts",
        "It is better than chance.",
        "Numbers of 31 Jul 2026, held against who had left by 29 Oct 2026: 62 of 611 accounts.",
        "this describes the past, and flatters",
        "Account health 76% 70.0% to 82.0% sessions 78% 71.0% to 83.0%",
        "1 (worst) 120 20.0% 24 0.0% to 30.0%",
    ):
        assert words in page.text
    links = page.values("a", "href")
    assert "/v1/export/at-risk.csv?kpi=health&worst=0.1" in links
    assert "/kpis/health/at-risk?worst=10&after=a/b%3D" in links


def test_units_at_risk_are_not_shown_to_who_may_not_see_them_and_the_page_says_so() -> None:
    page = ranked(is_listed=False, chosen=samples.MAY_NOT)
    assert "it is for keys with the scope admin" in page.text
    assert "It is better than chance." in page.text
    assert not any("at-risk.csv" in str(link) for link in page.values("a", "href"))
    assert "form" not in [tag for tag, given in page.tags if given.get("method") == "get"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"entry": None}, "The KPI is not measured every period"),
        ({}, "No numbers of single units are kept so far"),
    ],
)
def test_units_at_risk_of_what_keeps_none_say_why(changes: Json, words: str) -> None:
    assert words in ranked(unitsAtRisk=None, riskCheck=None, **changes).text


def test_file_of_units_at_risk_is_of_the_segment_that_is_shown() -> None:
    page = ranked(samples.UNIT, chosen=samples.MAY | {"segment": "plan=a&b"})
    assert "/v1/export/at-risk.csv?kpi=health&worst=0.1&segment=plan%3Da%26b" in page.values("a", "href")
    assert "Nobody: no account of the list is in this segment." in ranked(chosen=samples.MAY | {"segment": "x=y"}).text
