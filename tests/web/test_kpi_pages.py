"""The KPI pages from made answers: what they say of a KPI, and of what is not known; numbers are checked by hand."""

import json
import re
from typing import Any

import pytest

import web
from tests.web.kpi_samples import (
    CATALOGUE,
    DEFINITIONS,
    RULES,
    activation,
    alert,
    defined,
    monthly,
    note,
    one,
    overview,
    silent,
    values,
    young,
)
from tests.web.samples import Json
from tests.web.test_pages import Page
from web import alerts, standings
from web.charts.scale import room
from web.quantities import axis_level, chance, levels


def shown(of: Json) -> Page:
    return Page(web.render("kpi", one(of)))


def listed(*of: Json, chosen: dict[str, Any] | None = None, **given: Any) -> Page:
    return Page(web.render("kpis", overview(*of, **given), chosen=chosen or {}))


def test_kpi_page_says_how_it_stands_against_baseline_target_and_the_period_before() -> None:
    text = shown(activation()).text
    for words in (
        "41.2% In the week from 26 Oct 2026: 41.2% (95% interval 39.2% to 43.2%), of 1,000 users.",
        # 0.412 - 0.39 with a reach of 0.015, and 0.412 - 0.45 with one of 0.02
        "Against the baseline ▲ Better 2.20 pp above the baseline of 39.0%, interval of the difference "
        "+0.70 to +3.70 pp, p 0.021.",
        "Against the target ▼ Short of it 3.80 pp below the target of 45.0%, interval of the difference "
        "−5.80 to −1.80 pp. The chance that the true level is there or beyond is <1%.",
        "Against the period before ▲ No clear difference 2.20 pp above the level before of 39.0%",
        "17% to meet the target If it goes on as it did, it will be 42.5% (35.0% to 50.0%) in the week from "
        "30 Nov 2026. The chance to meet the target by 31 Dec 2026 is 17%.",
        "Observational Nobody was assigned by chance: whatever else differs may be the reason.",
    ):
        assert words in text
    assert text.count("Nobody was assigned by chance") == 1


def test_kpi_page_of_a_kpi_whose_better_is_lower_reads_a_rise_as_worse() -> None:
    text = shown(activation(direction="LOWER")).text
    assert "Against the baseline ▲ Worse" in text
    assert "Against the target ▼ Beyond it" in text


def test_kpi_page_shows_its_blocks_in_the_order_they_are_read() -> None:
    ids = [given["id"] for tag, given in shown(activation()).tags if tag == "section" and "id" in given]
    assert ids == [
        "standing", "levels", "segments", "cohorts", "alerts", "experiments", "aims", "links", "definition", "history",
    ]  # fmt: skip


def test_kpi_page_charts_say_their_numbers_in_a_sentence() -> None:
    labels = [label for label in shown(activation()).values("svg", "aria-label") if label]
    assert len(labels) == 5  # two sizes of two charts, and the trend of one segment
    assert all(re.search(r"\d", label) for label in labels)
    assert labels[0].startswith("Activation within a week by week, 10 periods. In the week from 26 Oct 2026: 41.2%")
    assert labels[0].endswith("is 17%.")


def drawn(of: Json) -> list[dict[str, str | None]]:
    """The shapes of the first chart."""
    figure = standings.levels_figure(of)
    assert figure is not None
    return [given for _, given in Page(str(figure.wide)).tags]


def test_chart_of_levels_joins_what_is_final_and_leaves_what_is_not_by_itself() -> None:
    shapes = drawn(activation())
    line = next(given["d"] for given in shapes if given.get("class") == "line treatment")
    assert str(line).count("L") == 7  # of ten periods one is empty and one not final: eight points
    assert [given.get("class") for given in shapes].count("mark open") == 1
    outlook = next(given["d"] for given in shapes if given.get("class") == "line outlook")
    assert str(outlook).count("L") == 4  # from the last final value over four weeks to come
    assert str(outlook).split("L")[0] == "M" + str(line).split("L")[-1]


def test_chart_of_levels_has_a_baseline_of_its_own_segment_only_and_a_mark_where_the_target_is_due() -> None:
    classes = [given.get("class") for given in drawn(activation())]
    assert {"band control", "line control", "target", "mark due"} <= set(classes)
    other = activation(values=values([0.3, 0.4], 2, segment="plan=pro"))
    assert not {"band control", "line control"} & {given.get("class") for given in drawn(other)}


def test_room_is_what_holds_the_values_without_zero_and_nothing_below_it() -> None:
    assert list(room([0.4, 0.6], margin=0.1)) == pytest.approx([0.38, 0.62])
    assert list(room([0.01, 0.6], margin=0.1)) == pytest.approx([0, 0.659])
    assert list(room([-1.0, 1.0], margin=0.1)) == pytest.approx([-1.2, 1.2])
    assert room([5.0], margin=0.1) == (4.5, 5.5)
    assert room([], margin=0.1) == (0.0, 1.0)


def test_kpi_page_gives_the_triangle_only_cells_that_are_known() -> None:
    page = shown(activation())
    assert "31 Aug 2026 900 10.0% 20.0% 40.0%" in page.text
    assert "7 Sep 2026 1,100 12.0% 28.0% not known yet" in page.text
    shades = [str(given["class"]) for tag, given in page.tags if tag == "td" and "shade-" in (given.get("class") or "")]
    # 0.1, 0.2, 0.4, 0.12 and 0.28 between 0.1 and 0.4, in fifths
    assert [int(one.rsplit("-", 1)[1]) for one in shades] == [0, 2, 5, 0, 3]


def test_triangle_of_many_ages_shows_those_that_people_speak_of_and_the_last() -> None:
    ages = [*range(1, 32), 35, 42, 49, 56, 60]
    found = standings.shown_ages({"ages": ages})
    assert len(found) <= 12
    assert (found[0], found[-1]) == (1, 60)
    assert set(found) <= {1, 2, 3, 5, 7, 10, 14, 21, 28, 35, 42, 49, 56, 60}
    assert standings.shown_ages({"ages": [3, 1, 2, 1]}) == [1, 2, 3]


def test_kpi_page_links_periods_and_segments_with_what_is_chosen() -> None:
    page = shown(activation())
    links = page.values("a", "href")
    assert "/kpis/activation-7d?by=MONTH" in links
    assert "/kpis/activation-7d?by=WEEK&segment=plan%3Dpro" in links
    chosen = [given["href"] for tag, given in page.tags if tag == "a" and given.get("aria-current") == "true"]
    assert chosen == ["/kpis", "/kpis/activation-7d?by=WEEK", "/kpis/activation-7d?by=WEEK"]


def test_kpi_page_of_what_is_measured_by_month_offers_no_shorter_periods_and_keeps_the_segment() -> None:
    page = shown(monthly())
    links = page.values("a", "href")
    assert "/kpis/activation-7d?by=QUARTER&segment=plan%3Dodd%20%26%20new" in links
    assert not any("by=WEEK" in str(link) for link in links)
    for words in (
        "90.0% In Oct 2026: 90.0%, of 60 accounts.",
        "It cannot be held against the baseline: too few units so far.",
        "It cannot be held against the target: too few units so far.",
        "It cannot be held against the level before: too few units so far.",
        "Where it is heading cannot be said: too few periods so far.",
        "the lesser of the level of “mrr” at the start and the level of “mrr” at the end in its last 7 days",
        "It is measured at the end of each month, of accounts with a level of “mrr” then, over the window up to it.",
        "Its error is that of accounts",
        '{"unit": "a-17", "event": "signed_up", "occurredAt": "2026-05-01T09:00:00Z"}',
    ):
        assert words in page.text


def test_kpi_page_of_a_first_period_without_baseline_and_target_says_what_is_not_there() -> None:
    of = activation(target=None, outlook=None)
    of["standing"] |= {"change": None, "againstBaseline": None, "againstTarget": None}
    text = shown(of).text
    for words in (
        "No baseline was measured of this segment.",
        "No target is set.",
        "There is no final period before.",
        "There is no outlook yet.",
    ):
        assert words in text
    assert "Observational" not in text


def test_kpi_page_before_its_first_data_says_what_to_send() -> None:
    page = shown(silent())
    for words in (
        "No values yet",
        "“project_created”, “signed_up”",
        "How to send them",
        "No baseline yet. kpiBaselineMeasure measures one",
        "Nothing since it was registered on 1 May 2026.",
    ):
        assert words in page.text
    assert "Over time" not in page.text
    assert "Measured in experiments only" in shown(silent(entry=None)).text


def test_kpi_page_of_a_young_kpi_draws_what_there_is_and_says_that_nothing_is_final() -> None:
    page = shown(young())
    for words in (
        "No period is final yet: the units that entered are still being observed.",
        "Deriving the values failed the last time: The disk is full.",
        "newer rows wait",
    ):
        assert words in page.text
    assert any("No period is final yet." in (label or "") for label in page.values("svg", "aria-label"))


def test_kpi_page_tells_baselines_by_how_they_came_and_what_spoke_against_them() -> None:
    text = shown(activation()).text
    assert "2 15 Jun 2026 39.0% 37.5% to 40.5% 1 Mar 2026 to 31 May 2026 Everybody, 4,321 users" in text
    assert "users Nothing speaks against them" in text
    assert "no window Everybody Typed in" in text
    assert "“mrr”: No rows where some are usual." in shown(monthly()).text


def test_kpi_page_says_of_links_what_is_assumed_and_what_the_data_do_not_give() -> None:
    page = shown(activation())
    assert "Gross revenue retention 0.60 ± 0.19 standard error Assumption Assumed" in page.text
    assert "Too few cohorts Cohorts" in page.text
    links = page.values("a", "href")
    assert "/kpis/grr" in links
    assert "/kpis/ttfv" in links


@pytest.mark.parametrize("words", DEFINITIONS)
def test_kpi_page_says_a_definition_in_words(words: str) -> None:
    assert words in shown(defined(DEFINITIONS[words])).text


def test_overview_groups_by_tier_and_gives_each_kpi_its_numbers() -> None:
    page = listed(activation(), monthly())
    assert page.text.index("Early") < page.text.index("Activation within a week") < page.text.rindex("Late")
    for words in (
        "41.2% 39.2% to 43.2% week from 26 Oct 2026 +2.20 pp −0.80 to +5.20 pp ▲ No clear difference",
        "39.0% 37.5% to 40.5% 45.0% by 31 Dec 2026 17% 14 Nov 2026",
        "Leading, higher is better · Ada",
    ):
        assert words in page.text
    # Nine weeks are final, of which the first has no value.
    assert "From 37.0% to 41.2% over 9 periods" in page.values("svg", "aria-label")


def test_overview_says_why_a_kpi_has_no_value() -> None:
    fresh = {"lastOn": None, "computedAt": None, "isStale": False, "failure": None}
    assert "in experiments only" in listed(silent()).text
    assert "no data yet" in listed(silent(freshness=fresh)).text
    text = listed(young()).text
    assert "no period is final" in text
    assert "Deriving it failed" in text


def test_overview_links_filters_that_add_up_and_pages_that_keep_them() -> None:
    page = listed(activation(), after="x+/=&y", chosen={"tier": "EARLY", "moves": "first"})
    links = page.values("a", "href")
    for link in (
        "/kpis?moves=first",
        "/kpis?tier=LATE&moves=first",
        "/kpis?tier=EARLY&moves=later",
        "/kpis?tier=EARLY",
    ):
        assert link in links
    assert "/kpis?after=x%2B/%3D%26y&tier=EARLY&moves=first" in links
    assert "1 of this choice" in page.text


def test_overview_of_a_choice_without_any_says_so_and_not_that_there_are_no_kpis() -> None:
    text = listed(registered=("ttfv",), chosen={"tier": "LATE", "moves": None}).text
    assert "No KPI of this choice" in text
    assert "No KPIs yet" not in text


def test_overview_without_kpis_says_how_one_comes_to_be_and_offers_the_catalogue() -> None:
    page = listed()
    for words in ("No KPIs yet", 'fromCatalogue: "activation-rate"', "truelift import outcomes outcomes.csv"):
        assert words in page.text
    assert "#catalogue" in page.values("a", "href")
    assert all(str(offered["name"]) in page.text for offered in CATALOGUE)


def test_overview_offers_of_the_catalogue_what_is_not_registered() -> None:
    text = listed(activation()).text
    offered = text[text.index("From the catalogue") :]
    assert "ttfv Time to first value Days until value. signed_up , first_value" in offered
    assert "activation-7d" not in offered


def test_kpi_pages_escape_hostile_names() -> None:
    hostile = "<script>alert(1)</script>\"'"
    named = activation(key=hostile, name=hostile, owner=hostile, segmentNames=["", hostile])
    for page in (shown(named), listed(named)):
        assert [tag for tag, _ in page.tags].count("script") == 1
        assert hostile in page.text


def test_levels_and_chances_are_written_without_a_sign_and_never_as_certain() -> None:
    assert levels(0.392, 0.432, "FRACTION") == "39.2% to 43.2%"
    assert levels(None, 0.4, "FRACTION") == "–"
    assert [chance(part) for part in (0.0, 0.17, 0.999, None)] == ["<1%", "17%", ">99%", "–"]
    assert axis_level(40.0, 0, "%") == "40%"


@pytest.mark.parametrize(
    ("granularity", "words"),
    [("DAY", "9 Nov 2026"), ("WEEK", "the week from 9 Nov 2026"), ("MONTH", "Nov 2026"), ("QUARTER", "Q4 2026")],
)
def test_period_is_named_as_people_name_it(granularity: str, words: str) -> None:
    assert standings.period("2026-11-09", granularity) == words
    assert standings.during("2026-11-09", granularity) == f"{'on' if granularity == 'DAY' else 'in'} {words}"


def test_chart_of_levels_marks_the_days_that_were_noted_and_neighbours_share_a_number() -> None:
    page = Page(str(standings.levels_figure(activation()).wide))  # type: ignore[union-attr]  # there is one
    across = [float(str(given["x1"])) for _, given in page.tags if given.get("class") == "note-line"]
    # Weeks are drawn from 7 Sep (the first has no value) to the target's day, 31 Dec: 115 days over 610 of the paper.
    assert across == pytest.approx([66 + days * 610 / 115 for days in (7, 28, 35)], abs=0.01)
    assert [word for word in page.words if "–" in word or word in {"1", "2", "3"}] == ["1", "2", "3"]
    close = activation(annotations=[note("2026-10-05", "a"), note("2026-10-07", "b"), note("2026-09-14", "c")])
    assert "2–3" in Page(str(standings.levels_figure(close).wide)).words  # type: ignore[union-attr]  # as above


def test_kpi_page_lists_notes_by_the_numbers_of_the_chart_and_those_of_other_times_apart() -> None:
    text = shown(activation()).text
    assert (
        "Noted in this time 1 14 Sep 2026 Back from the summer ops 2 5 Oct 2026 A new price list ops "
        "3 12 Oct 2026 The form was down ops, of the alert: It fell." in text
    )
    assert "Noted before or after it 1 – 6 Jan 2025 The first customer ops" in text
    assert "Noted on 14 Sep 2026, 5 Oct 2026, 12 Oct 2026." in standings.levels_sentence(activation())
    assert standings.notes(silent(annotations=[note("2026-10-12", "Before any value")]))[0] == []


def test_kpi_page_shows_open_alerts_with_what_to_do_and_what_every_rule_watches() -> None:
    text = Page(web.render("kpi", one(activation(), alert()))).text
    for words in (
        "plan=pro In the week from 2026-10-26 on it was 31.0%, below the limit of 35.0%. Limit 31.0%, limit 35.0%",
        "To do Call the three largest accounts Critical Raised Ada Raised 3 Nov 2026, 06:00 UTC",
        "It cannot judge: No row has come in yet.",
        "switched off",
        "rests 1 day after it was resolved",
    ):
        assert words in text
    assert "No alert is open." in shown(activation()).text
    assert "Nothing is watched yet." in shown(silent()).text


@pytest.mark.parametrize("words", RULES)
def test_rule_says_what_it_watches_for_with_its_limits(words: str) -> None:
    assert alerts.watched(RULES[words], "FRACTION") == words


def test_kpi_page_lists_the_experiments_on_it_with_verdict_and_the_effect_on_it_alone() -> None:
    page = shown(activation())
    for words in (
        "Experiments on it 3",
        "Trial c A guide helps Primary Decided Ship started 1 Aug 2026 +8.8% +3.42 pp +2.5% to +15.0% Guide ▲ Better",
        "+8.8% +3.42 pp +2.5% to +15.0% Tour ▲ Within margin",
        "+8.8% +0.0342 +2.5% to +15.0% Guide ▲ No clear difference Guide – Too few units so far",
        "Trial a Primary Draft – not started made 20 Jul 2026",
        "Hypotheses about it",
        "A guide brings users to their first project Ada Increase, +5.0% Everybody 1 Jul 2026",
        "Ada Increase plan=pro",
        "The newest 2 of 12.",
    ):
        assert words in page.text
    assert "66.0%" not in page.text  # that is the effect on another KPI
    assert "/kpis/activation-7d?tests=b/c%3D#experiments" in page.values("a", "href")
    assert "No experiment measures it yet." in shown(silent()).text


def test_kpi_page_leads_to_the_units_at_risk_of_what_ranks_units_every_period() -> None:
    mean = DEFINITIONS[
        "The mean per unit of the values of “paid”, less those of “cost” within 28 days, 500 at most for each."
    ]
    entry = {"event": None, "every": "MONTH", "isClustered": False, "among": None}
    assert "/kpis/activation-7d/at-risk" in shown(activation(entry=entry, definition=mean)).values("a", "href")
    for other in (activation(), monthly(), silent(entry=None)):
        assert "/kpis/activation-7d/at-risk" not in shown(other).values("a", "href")


def test_axis_of_days_and_weeks_together_names_places_that_are_far_enough_apart() -> None:
    of = activation(values=values([0.4] * 10, 10), annotations=[])
    of["values"]["starts"] = [f"2026-09-{day:02}" for day in range(1, 11)]
    figure = standings.levels_figure(of)
    assert figure is not None
    # From 1 Sep to 31 Dec are 121 days, so nine labels are 15.125 days apart at least; the outlook is of 9 Nov on.
    assert [word for word in Page(str(figure.wide)).words if "%" not in word] == ["1 Sep", "9 Nov", "30 Nov", "31 Dec"]


@pytest.mark.parametrize(
    ("definition", "why"),
    [
        ("RatioDefinition", "what it is divided by adds up to nothing in each of them."),
        ("TimeToValueDefinition", "in none of them was anybody who still waited watched up to day 30."),
    ],
)
def test_kpi_page_of_final_periods_without_a_value_does_not_say_that_they_are_open(definition: str, why: str) -> None:
    kinds = (*DEFINITIONS.values(), monthly()["definition"])
    kind = next(one for one in kinds if one["__typename"] == definition)
    kpi = silent(values=values([None, None], 2), segmentNames=[""], definition=kind)
    text = shown(kpi).text
    assert f"Periods are final, but have no value: {why}" in text
    assert "No period is final" not in text


def test_kpi_page_says_which_events_never_came_once_there_are_values() -> None:
    said = "No row of project_creatd has ever come in, so the values are as if nobody did it."
    assert said in shown(activation(unseenEvents=["project_creatd"])).text
    assert "has ever come in" not in shown(activation()).text + shown(silent(unseenEvents=["signed_up"])).text


def test_kpi_page_sets_names_in_backticks_as_code_and_everything_else_as_text() -> None:
    html = web.render("kpi", one(activation(description="Users with `a <b>` / <i>all</i> & `open")))
    assert "Users with <code>a &lt;b&gt;</code> / &lt;i&gt;all&lt;/i&gt; &amp; `open" in html


def test_example_of_an_event_has_a_value_where_the_kpi_reads_one_and_its_own_letters() -> None:
    revenue = activation(
        definition={"__typename": "MeanDefinition", "event": "bezahlt für", "of": "VALUE", "lessEvent": "zurück"}
    )
    assert json.loads(standings.example("zurück", revenue))["value"] > 0
    assert '"event": "bezahlt für"' in standings.example("bezahlt für", revenue)
    assert "value" not in json.loads(standings.example("signed_up", revenue))
    counted = activation(definition={"__typename": "MeanDefinition", "event": "paid", "of": "COUNT", "lessEvent": None})
    assert standings.valued(counted) == set()


def test_chart_of_values_that_are_all_alike_shows_their_intervals_whole() -> None:
    kpi = activation(baselines=[], target=None, outlook=None, standing=None)
    flat = values([0.0, 0.0], 2) | {"lower": [0.0, 0.0], "upper": [0.5, 0.5]}
    assert "40%" in web.render("kpi", one(kpi | {"values": flat}))
