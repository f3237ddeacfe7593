"""Whole pages from made answers: complete, honest about gaps, safe, and asking for nothing they do not show."""

import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    parse,
    validate,
)

import web
from tests.web import ladder_samples, reviewing, settings_samples
from tests.web.kpi_samples import DEFINITIONS, KPIS, activation, alert, defined, one, overview
from tests.web.samples import (
    EXPERIMENTS,
    VIEWER,
    Json,
    answer,
    broken,
    check,
    draft,
    early,
    fact,
    finished,
    listed,
    looks,
    returned,
    three_arms,
)
from web import reviews

VOID = {"br", "circle", "hr", "img", "input", "line", "link", "meta", "path", "rect"}
LEAK = re.compile(r"\b(None|nan|NaN|inf|Infinity|undefined|Undefined|null)\b")


class Page(HTMLParser):
    """The parts of a page that the tests look at."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, tag: str, attribute: str) -> list[str | None]:
        return [given.get(attribute) for name, given in self.tags if name == tag]


def shown(of: Json) -> Page:
    return Page(web.render("experiment", answer(of)))


S = ladder_samples
LADDERS = {
    "ladder": web.render("ladder", S.ladder(S.TOP, S.UNREACHED, S.POOR), chosen=S.CHOSEN),
    "ladder without a question": web.render("ladder", S.ladder(is_asked=False), chosen=S.UNASKED),
    "ladder of a faulty question": web.render("ladder", S.ladder(is_asked=False), chosen=S.FAULTY),
    "ladder to no revenue": web.render("ladder", S.ladder(), chosen=S.CHOSEN),
    "no ladder": web.render("ladder", S.ladder(is_asked=False, rungs=[], steps=[]), chosen=S.UNASKED),
    "alerts": web.render("alerts", S.alerts(alert(), S.TAKEN, S.OVER, S.CLOSED, after="a/b="), chosen={"state": "all"}),
    "alerts once something is done": web.render(
        "alerts", S.alerts(alert()), chosen={"state": "all"}, done="alert_resolve"
    ),
    "no open alerts": web.render("alerts", S.alerts(), chosen={"state": "open"}),
    "no such alerts": web.render("alerts", S.alerts(), chosen={"state": "resolved"}),
    "units at risk": web.render("at_risk", S.at_risk(S.UNIT, S.NEWCOMER, after="a/b="), chosen=S.MAY),
    "units at risk of a faulty question": web.render("at_risk", S.at_risk(is_listed=False), chosen=S.WRONG),
    "nobody at risk": web.render("at_risk", S.at_risk(), chosen=S.MAY | {"segment": "plan=pro"}),
    "units that are hidden": web.render("at_risk", S.at_risk(is_listed=False), chosen=S.MAY_NOT),
    "units of no number": web.render("at_risk", S.at_risk(unitsAtRisk=None, riskCheck=None), chosen=S.MAY),
    "units of no period": web.render(
        "at_risk", S.at_risk(unitsAtRisk=None, riskCheck=None, entry=None, freshness=None), chosen=S.MAY
    ),
}
ALL = {
    **{name: web.render("experiment", answer(make())) for name, make in EXPERIMENTS.items()},
    "experiment once it is decided": web.render("experiment", answer(finished()), done="experiment_decide"),
    "list": web.render("experiments", listed(*(make() for make in EXPERIMENTS.values()), after="a/b=")),
    "empty list": web.render("experiments", listed()),
    **{name: web.render("kpi", one(make())) for name, make in KPIS.items()},
    "KPIs": web.render("kpis", overview(*(make() for make in KPIS.values()), after="a/b=")),
    "no KPIs": web.render("kpis", overview()),
    "a KPI with alerts": web.render("kpi", one(activation(), alert(), ladder_samples.TAKEN)),
    **LADDERS,
    "review": web.render("review", reviewing.told(reviewing.review())),
    "draft of a review": web.render("review", reviewing.told(reviewing.draft())),
    "reviews": web.render("reviews", reviewing.listed(reviewing.review(), reviewing.draft(), after="a/b=")),
    "no reviews": web.render("reviews", reviewing.listed()),
    "sign in": web.render("sign_in", {}, error="This key is not known."),
    "sign in elsewhere": web.render("sign_in", {}, provider="Northwind's accounts"),
    "sign in by mail": web.render("sign_in", {}, mail={"said": "", "fault": "", "is_sent": False}),
    "link on its way": web.render("sign_in", {}, mail={"said": "ada@example.org", "fault": "", "is_sent": True}),
    "link to nowhere": web.render("sign_in", {}, mail={"said": "ada", "fault": "This is not it.", "is_sent": False}),
    "link": web.render("link", {}, token="link_0_0", member="ada@example.org", workspace="Northwind"),
    "used link": web.render("link", {}, error="This link signs nobody in."),
    "settings": web.render("settings", settings_samples.told()),
    "settings of a viewer": web.render("settings", settings_samples.narrow()),
    "settings of a new workspace": web.render("settings", settings_samples.bare()),
    "settings once something is done": web.render("settings", settings_samples.told(), done="api_key_revoke"),
    **{
        f"settings, {name} refused": web.render("settings", settings_samples.told(), said=said)
        for name, said in settings_samples.refused().items()
    },
    **{
        f"settings, {name} answered": web.render("settings", settings_samples.told(), said=said)
        for name, said in settings_samples.answered().items()
    },
    "not found": web.render("not_found", {"viewer": VIEWER}),
}


@pytest.mark.parametrize("name", ALL)
def test_page_is_balanced_and_leaks_no_missing_value(name: str) -> None:
    page = Page(ALL[name])
    assert page.open == []
    attributes = " ".join(str(value) for _, given in page.tags for value in given.values() if value is not None)
    assert LEAK.findall(page.text + attributes) == []


@pytest.mark.parametrize("name", ALL)
def test_page_obeys_the_content_policy_and_asks_no_other_origin(name: str) -> None:
    page = Page(ALL[name])
    scripts = [given for tag, given in page.tags if tag == "script"]
    assert [given["src"] for given in scripts] == ["/static/page.js"]
    assert all("style" not in given and not any(key.startswith("on") for key in given) for _, given in page.tags)
    assert "style" not in [tag for tag, _ in page.tags]
    links = [*page.values("a", "href"), *page.values("link", "href"), *page.values("form", "action")]
    assert all(link and link[0] in "/#" and not link.startswith("//") for link in links)


@pytest.mark.parametrize("name", ALL)
def test_page_has_one_heading_a_language_unique_ids_and_targets_for_its_anchors(name: str) -> None:
    page = Page(ALL[name])
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert len(ids) == len(set(ids))
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert page.values("html", "lang") == ["en"]
    anchors = {link[1:] for link in page.values("a", "href") if link and link.startswith("#")}
    pointing = ("aria-labelledby", "aria-describedby", "for")
    pointed = {name for _, given in page.tags for by in pointing for name in (given.get(by) or "").split()}
    assert anchors | pointed <= set(ids)


@pytest.mark.parametrize("name", [*EXPERIMENTS, *KPIS, *LADDERS, "KPIs", "no KPIs"])
def test_every_chart_is_a_named_image_and_every_table_scrolls_in_a_named_focusable_region(name: str) -> None:
    page = Page(ALL[name])
    images = [given for tag, given in page.tags if tag == "svg" and "aria-hidden" not in given]
    assert all(given["role"] == "img" and given["aria-label"] for given in images)
    regions = [given for tag, given in page.tags if tag == "div" and given.get("role") == "region"]
    assert len(regions) == [tag for tag, _ in page.tags].count("table")
    assert all(given["tabindex"] == "0" and given["aria-label"] for given in regions)


def test_experiment_page_of_a_finished_test_tells_verdict_numbers_and_provenance() -> None:
    text = shown(finished()).text
    for words in (
        "A checklist on the first screen brings new users to first value sooner",
        "Ship",
        "−0.68 days",
        "28 of 28",
        "Control 4,988",
        "Look 4 of 4 taken, at 100% of the planned information: z 4.60, boundary ±2.04, crossed.",
        "Within 14 days, Checklist reaches first value 0.68 days sooner on average than Control",
        "Within margin",
        "Observational",
        "9f2c1a7be0d4463b8f5e21c09d77a6b4e3f18c52d0b96a417ce85f3320ab91d6",
        "18 Oct 2026, 15:20 UTC",
        "the same plan, software 0.1.0",
    ):
        assert words in text


def test_experiment_page_shows_its_blocks_in_the_order_they_are_read() -> None:
    ids = [given["id"] for tag, given in shown(finished()).tags if tag == "section" and "id" in given]
    assert ids == [
        "looks",
        "findings",
        "days",
        "curves",
        "segments",
        "interactions",
        "baseline",
        "worth",
        "record",
        "method",
    ]


def test_experiment_page_tells_what_people_did_and_that_an_amendment_broke_the_promise() -> None:
    text = shown(finished()).text
    assert text.index("The plan was changed with the data in sight") < text.index("Verdict")
    for words in (
        "mara decided: iterate",
        "when the verdict was ship. This goes against the verdict. Reason: the legal review is not done",
        "It waits for the approval of a second person.",
        "horizon_days: 21 → 28; kpis.tickets.role: – → GUARDRAIL",
        "No: exploratory from here",
        "mara: ramp to 50% – no faults",
    ):
        assert words in text


def test_experiment_page_tells_that_an_amendment_changed_who_enters() -> None:
    of = finished()
    title = "Who enters, or what they see, was changed on the way"
    assert title not in shown(of).text
    condition = {"attribute": "plan", "operator": "IN", "values": ["<pro>"]}
    changes = [{"path": "targeting", "before": None, "after": [condition]}]
    of["amendments"] = [
        of["amendments"][0] | {"breaksErrorControl": False, "changesEstimand": True, "changes": changes}
    ]
    text = shown(of).text
    assert text.index(title) < text.index("Verdict")
    assert 'targeting: – → [{"attribute": "plan", "operator": "IN", "values": ["<pro>"]}]' in text
    assert "Yes, of an average over before and after" in text


def test_experiment_page_charts_say_their_numbers_in_a_sentence() -> None:
    labels = [label for label in shown(finished()).values("svg", "aria-label") if label]
    assert len(labels) == 10
    assert all(re.search(r"\d", label) for label in labels)
    assert any(label.startswith("Lift against control with its interval, 5 rows.") for label in labels)


def test_experiment_page_draws_the_share_that_came_back_with_its_table_and_says_that_it_decides_nothing() -> None:
    page = shown(finished())
    for words in (
        "Day-30 retention: share that came back, by day since exposure",
        "The band of a day holds for a single look at it (fixed horizon). It shows; the KPI's test decides.",
        # 0.63 / sqrt(30) and 0.61 / sqrt(30), each with 1.96 sqrt(p (1 - p) / 4402)
        "30 11.5% 10.6% to 12.4% 4,042 11.1% 10.2% to 12.1% 4,042",
    ):
        assert words in page.text
    label = next(label for label in page.values("svg", "aria-label") if (label or "").startswith("Share that came"))
    assert "Share that came back on day 30: Checklist 11.5%, Control 11.1%. Read on" in str(label)


def test_experiment_page_of_a_curve_before_its_kpi_has_an_answer_shows_the_days_there_are() -> None:
    of = early()
    young = returned(151, 0.6, 0.5)
    for arm in ("control", "treatment"):
        for column in ("share", "lower", "upper"):
            young[arm][column][4:] = [None] * 26
    of["results"]["findings"][1]["curves"] = young
    page = shown(of)
    label = next(label for label in page.values("svg", "aria-label") if (label or "").startswith("Share that came"))
    assert str(label) == (
        "Share that came back on day 4: Guided tour 25.0%, Control 30.0%. The difference cannot be given yet."
    )


def test_experiment_page_of_a_broken_split_warns_before_any_number_and_calls_no_finding_good() -> None:
    text = shown(broken()).text
    assert text.index("nothing below can be trusted") < text.index("Verdict")
    for words in ("821,588", "818,535", "+3,053", "−3,053", "Sequential p <0.001", "Broken split", "Unreliable"):
        assert words in text
    assert "▲ Better" not in text
    assert "The plan was sealed after the first data" in text


def test_experiment_page_early_on_gives_each_missing_answer_its_reason() -> None:
    text = shown(early()).text
    for words in (
        "– Too few units so far",
        "– Every unit has the same value so far",
        "below +0.90 days",
        "– not reached by half",
        "– not enough events",
        "No look of 4 has been taken yet. 23 days remain to the horizon.",
        "5 of 28",
    ):
        assert words in text


def test_experiment_page_tells_the_numbers_behind_the_verdict_and_what_is_still_to_come() -> None:
    text = shown(early()).text
    for words in (
        "Difference, “Time to first value” in Guided tour −0.500",
        "Conditional power, “Time to first value” in Guided tour 61.2%",
        "Next look 25 Oct 2026; the plan ends 16 Nov 2026; 8,930 more final units for the planned power, 22 days at",
    ):
        assert words in text
    assert "Still to come" not in shown(finished()).text


def with_checks(of: Json, health: str, *checks: Json) -> Page:
    of["results"]["diagnostics"] |= {"health": health, "checks": [check("SPLIT", "OK", "Fine."), *checks]}
    return shown(of)


def test_experiment_page_warns_of_checks_with_their_numbers_and_leaves_the_findings_as_they_are() -> None:
    stalled = check("STALLED", "WARNING", "No unit has entered for 5 whole days.", fact("EXPECTED_UNITS", 1203.4))
    text = with_checks(finished(), "WARNING", stalled, check("DRIFT", "OK", "Control is where it was.")).text
    assert text.index("Checks of the data warn") < text.index("Verdict")
    assert "Stalled. No unit has entered for 5 whole days. Expected units: 1,203" in text
    assert "Control is where it was" not in text
    assert "Unreliable" not in text


def test_experiment_page_of_data_that_fail_a_check_calls_no_finding_good() -> None:
    crossed = check("CROSSOVERS", "INVALID", "One in five met two variants.", fact("SHARE", 0.2, "all"))
    text = with_checks(finished(), "INVALID", crossed).text
    assert text.index("The data fail a check: nothing below can be trusted") < text.index("Verdict")
    assert "Share, all: 20.0%" in text
    assert "Unreliable" in text
    assert "▼ Better" not in text


def test_experiment_page_asks_whether_segments_differ() -> None:
    text = shown(finished()).text
    assert "Do the effects differ between segments?" in text
    assert "plan Time to first value Checklist 2 0.52 0% 0.470 0.940" in text
    assert "fewer than two segments have an answer" in text


def test_experiment_page_says_which_effects_depend_on_another_experiment_and_whose_split_is_broken() -> None:
    text = shown(finished()).text
    for words in (
        "Pricing page 6,204 0.620 As both plans promise",
        "Weekly digest 310 0.004 Not as promised: one changes who is in the other",
        "Annual first Pricing page 5,980 −0.61 days −0.02 days +0.59 days −0.04 to +1.22 days",
        "0.031 0.031 ▲ Depends on it",
        "– Too few units so far",
    ):
        assert words in text
    assert "Other experiments" not in shown(broken()).text


def test_list_page_says_of_which_experiments_the_data_warn() -> None:
    for health, words in (("WARNING", "A check of the data warns"), ("INVALID", "A check of the data fails")):
        of = finished()
        of["results"]["diagnostics"]["health"] = health
        assert words in Page(web.render("experiments", listed(of))).text


def test_experiment_page_of_a_finding_without_an_interval_shows_its_number_and_draws_no_mark() -> None:
    of = three_arms()
    of["results"]["findings"][0] |= {"interval": None, "liftInterval": None, "alwaysValid": None}
    page = shown(of)
    assert "+5.3%, no interval yet" in page.text
    label = next(label for label in page.values("svg", "aria-label") if (label or "").startswith("Lift"))
    assert "Day-30 retention, Weekly digest · higher is better: +5.3%, no interval yet" in str(label)


def test_experiment_page_of_an_adjusted_finding_says_by_what_what_it_saved_and_how_it_was_before() -> None:
    text = shown(finished()).text
    for words in (
        "higher is better, adjusted by sessions_before",
        "adjusted by sessions_before, variance −37.2%, missing for 2.4% of the units",
        "slope 0.52 unadjusted +0.0770, −0.107 to +0.261, p 0.411",
        "the two levels beside it are as measured",
    ):
        assert words in text
    of = finished()
    of["results"]["findings"][-1]["adjustment"] |= {
        "attribute": None,
        "preExposureDays": 28,
        "missing": 0.0,
        "varianceReduction": None,
        "controlSlope": 0.4,
        "fixed": None,
    }
    text = shown(of).text
    assert "adjusted by the same KPI in the 28 days before exposure +2.1%" in text
    assert "slope 0.52, Control 0.40 unadjusted +0.0770 15 Nov 2026" in text
    assert "as measured" not in shown(broken()).text


def test_experiment_page_without_any_lift_draws_no_empty_forest() -> None:
    assert not any((label or "").startswith("Lift") for label in shown(early()).values("svg", "aria-label"))


def test_experiment_page_with_three_arms_reads_each_treatment_by_itself() -> None:
    text = shown(three_arms()).text
    for words in ("▲ Better", "▼ Worse", "This plan allows a look on any day", "No hypothesis was registered."):
        assert words in text
    assert "The arms drift from their planned size" in text


def test_experiment_page_with_three_arms_names_the_one_to_ship_and_how_each_stands() -> None:
    text = shown(three_arms()).text
    for words in (
        "Ship: Weekly digest",
        "Weekly digest Ship The weekly digest keeps more users",
        "Daily digest with a very long name indeed Roll back The daily digest loses users.",
    ):
        assert words in text
    assert "Ship: " not in shown(finished()).text  # with one treatment there is nothing to tell apart


def test_experiment_page_shows_a_guardrail_by_the_interval_that_its_margin_is_held_against() -> None:
    of = finished()
    guardrail = next(one for one in of["results"]["findings"] if one["role"] == "GUARDRAIL")
    guardrail["repeated"] = {"lower": -0.0123, "upper": 0.0321}
    assert "−0.0123 to +0.0321" in shown(of).text


def test_experiment_page_of_a_draft_shows_the_plan_and_no_findings() -> None:
    page = shown(draft())
    assert "The plan below can still be changed." in page.text
    assert "– not sealed yet" in page.text
    assert "findings" not in [given.get("id") for _, given in page.tags]


def test_experiment_page_of_a_draft_says_what_blocks_its_start_and_what_to_think_about() -> None:
    page = shown(draft())
    assert "checks" in [given.get("id") for _, given in page.tags]
    for words in (
        "1 of 8 checks blocks the start.",
        "Power Think again About 9,812 users are needed",
        "Overlap Blocks the start The layer “first-day” has no room",
        "Data Passes What “activation-7d” counts",
        "AA history Think again No experiment has final units",
    ):
        assert words in page.text
    assert "Before the launch" not in shown(finished()).text


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        (["PASS", "PASS"], "All 2 checks pass."),
        (["PASS", "WARN"], "It may start; 1 of 2 checks warns."),
        (["WARN", "WARN"], "It may start; 2 of 2 checks warn."),
        (["BLOCK", "BLOCK", "WARN"], "2 of 3 checks block the start."),
    ],
)
def test_experiment_page_of_a_draft_sums_its_checks_up(states: list[str], sentence: str) -> None:
    of = draft()
    of["launchChecks"] = [{"kind": "DATA", "state": state, "sentence": "So it is."} for state in states]
    assert sentence in shown(of).text


def test_experiment_page_says_which_looks_come_before_the_minimum_of_days() -> None:
    of = early()
    of["plan"]["minimumDays"] = 10
    of["results"]["looks"] = looks([], too_early=1)
    text = shown(of).text
    assert "nothing decided before day 10" in text
    assert text.count("Before the minimum") == 1
    assert "Before the minimum" not in shown(early()).text


def test_experiment_page_says_what_the_correction_of_the_plan_promises() -> None:
    of = early()
    assert (
        "corrected by the e-BH rule: the share of false ones among those found is held to α on any day"
        in shown(of).text
    )
    of["plan"]["correction"] = "HOLM"
    assert "corrected by Holm's method: the chance of any false finding among them is held to α" in shown(of).text


def test_experiment_page_says_who_enters_where_the_plan_does() -> None:
    of = early()
    assert "Who enters" not in shown(of).text
    of["plan"] |= {"targeting": [{"sentence": "“plan” is one of “free”"}], "exclusions": "Our own staff"}
    assert "Who enters “plan” is one of “free”; without: Our own staff" in shown(of).text
    of["holdout"] = {"name": "Everything new"}
    assert "without: Our own staff; without the control of “Everything new”" in shown(of).text


def test_experiment_page_with_no_findings_and_no_looks_still_stands() -> None:
    of = finished()
    of["results"] |= {"findings": [], "looks": [], "segmentFindings": []}
    text = shown(of).text
    assert "– No findings" in text
    assert "– No look is planned" in text


def test_experiment_page_whose_results_used_another_plan_says_so() -> None:
    of = finished()
    of["results"]["planHash"] = "0000"
    assert "another plan: 0000" in shown(of).text


def test_page_escapes_hostile_names_in_words_and_charts() -> None:
    hostile = "<script>alert(1)</script>\"'"
    of = finished()
    of["name"] = of["owner"] = of["hypothesis"]["title"] = hostile
    for finding in of["results"]["findings"]:
        finding["variant"]["name"] = hostile
        finding["kpi"] = finding["kpi"] | {"name": hostile}
    page = shown(of)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert hostile in page.text


def test_list_page_links_each_experiment_and_the_next_page_with_escaped_keys() -> None:
    odd = finished() | {"key": "a/b c?d"}
    page = Page(web.render("experiments", listed(odd, after="x+/=&y")))
    links = page.values("a", "href")
    assert "/experiments/a/b%20c%3Fd" in links
    assert "/?after=x%2B/%3D%26y" in links


def test_list_page_shows_verdict_state_and_broken_split_of_each() -> None:
    text = Page(ALL["list"]).text
    for words in ("5 in all", "Ship", "Invalid", "Keep running", "Draft", "1,637,070 units"):
        assert words in text
    assert text.count("Arm sizes do not match the plan") == 1


def test_list_page_without_experiments_says_how_one_comes_to_be() -> None:
    assert "No experiments yet" in Page(ALL["empty list"]).text


def test_sign_in_page_with_an_error_ties_it_to_the_field() -> None:
    page = Page(ALL["sign in"])
    field = next(given for tag, given in page.tags if tag == "input")
    assert (field["name"], field["aria-invalid"], field["aria-describedby"]) == ("key", "true", "key-hint key-error")
    assert [(given["method"], given["action"]) for tag, given in page.tags if tag == "form"] == [("post", "/sign-in")]
    assert "This key is not known." in page.text


def test_page_names_the_viewer_given_beside_the_data() -> None:
    html = web.render("not_found", {}, viewer={"workspace": "Elsewhere", "name": "Ada"}, version="1.2.3")
    assert "Elsewhere" in html
    assert "/static/page.css?v=1.2.3" in html
    assert "Sign out" not in web.render("not_found", {})


class Watched(dict[str, Any]):
    """An answer that notes which of its fields were read."""

    def __init__(self, of: Json, path: str, seen: set[str]) -> None:
        super().__init__({key: watched(value, f"{path}.{key}", seen) for key, value in of.items()})
        self.path, self.seen = path, seen

    def __getitem__(self, key: str) -> Any:
        self.seen.add(f"{self.path}.{key}")
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.seen.add(f"{self.path}.{key}")
        return super().get(key, default)


def watched(value: Any, path: str, seen: set[str]) -> Any:
    if isinstance(value, dict):
        return Watched(value, path, seen)
    return [watched(item, path, seen) for item in value] if isinstance(value, list) else value


def asked(document: str) -> set[str]:
    """Every path a document selects, by the names of the answer, fragments unfolded."""
    nodes = parse(document).definitions
    fragments = {node.name.value: node for node in nodes if isinstance(node, FragmentDefinitionNode)}

    def below(selections: SelectionSetNode, path: str) -> Iterator[str]:
        for node in selections.selections:
            if isinstance(node, FragmentSpreadNode):
                yield from below(fragments[node.name.value].selection_set, path)
            elif isinstance(node, InlineFragmentNode):
                yield from below(node.selection_set, path)
            elif isinstance(node, FieldNode):
                named = f"{path}.{(node.alias or node.name).value}"
                yield named
                if node.selection_set:
                    yield from below(node.selection_set, named)

    operation = next(node for node in nodes if isinstance(node, OperationDefinitionNode))
    return set(below(operation.selection_set, ""))


@pytest.mark.parametrize(
    ("page", "answers"),
    [
        ("experiments", [listed(finished(), early(), draft(), after="x")]),
        ("experiment", [answer(make()) for make in EXPERIMENTS.values()]),
        ("kpis", [overview(*(make() for make in KPIS.values()), after="x"), overview()]),
        (
            "kpi",
            [
                one(made, alert(), ladder_samples.TAKEN)
                for made in (*(make() for make in KPIS.values()), *map(defined, DEFINITIONS.values()))
            ],
        ),
        ("reviews", [reviewing.listed(reviewing.review(), reviewing.draft(), after="x")]),
        ("settings", [settings_samples.told(), settings_samples.narrow(), settings_samples.bare()]),
    ],
)
def test_document_of_a_page_asks_exactly_what_the_page_reads(page: str, answers: list[Json]) -> None:
    seen: set[str] = set()
    for given in answers:
        web.render(page, Watched(given, "", seen))
    assert seen == asked(web.documents[page])


@pytest.mark.parametrize(
    ("page", "answers"),
    [
        ("ladder", [(S.ladder(S.TOP, S.UNREACHED, S.POOR), S.CHOSEN)]),
        ("alerts", [(S.alerts(alert(), S.TAKEN, S.OVER, S.CLOSED, after="x"), {"state": "all"})]),
        ("at_risk", [(S.at_risk(S.UNIT, S.NEWCOMER, after="x"), S.MAY), (S.at_risk(riskCheck=None), S.MAY)]),
    ],
)
def test_document_of_a_page_with_a_choice_asks_exactly_what_the_page_reads(
    page: str, answers: list[tuple[Json, Json]]
) -> None:
    seen: set[str] = set()
    for given, chosen in answers:
        web.render(page, Watched(given, "", seen), chosen=chosen)
    assert seen == asked(web.documents[page])


def test_document_of_a_review_asks_exactly_what_its_forms_read() -> None:
    seen: set[str] = set()
    for given in (reviewing.told(reviewing.review()), reviewing.told(reviewing.draft())):
        web.render("review", Watched(given, "", seen))
        reviews.markdown(Watched(given, "", seen))
        reviews.table(Watched(given, "", seen))
    assert seen == asked(web.documents["review"])


@pytest.mark.parametrize("page", web.documents)
def test_document_of_a_page_is_valid_against_the_committed_schema(page: str) -> None:
    assert validate(committed(), parse(web.documents[page])) == []


@cache
def committed() -> GraphQLSchema:
    return build_schema((Path(__file__).parents[2] / "api/graphql/schema.graphql").read_text(encoding="utf-8"))


def test_documents_belong_to_pages_and_every_static_file_is_there() -> None:
    assert set(web.documents) == {
        "alerts",
        "at_risk",
        "experiment",
        "experiments",
        "kpi",
        "kpis",
        "ladder",
        "review",
        "reviews",
        "settings",
    }
    assert {path.name for path in web.static_dir.iterdir()} == {"mark.svg", "page.css", "page.js"}
