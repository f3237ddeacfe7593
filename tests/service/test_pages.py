"""The pages in a real browser, over the sample company: they say what the API says, and everybody can read them."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.service.running import PATIENCE, Service

EXPERIMENTS = ["guided-onboarding", "smart-templates", "weekly-digest", "new-editor", "checklist-nudge"]
SIZES = {
    "wide": ViewportSize(width=1280, height=900),
    "narrow": ViewportSize(width=390, height=844),
}
VERDICTS = {
    "SHIP": "Ship",
    "ROLL_BACK": "Roll back",
    "STOP_FUTILE": "Stop futile",
    "KEEP_RUNNING": "Keep running",
    "INCONCLUSIVE": "Inconclusive",
    "INVALID": "Invalid",
}


@pytest.fixture(scope="module", params=["wide light", "narrow dark"])
def signed_in(request: pytest.FixtureRequest, browser: Browser, demo: Service) -> Iterator[BrowserContext]:
    """A browser of one size and colour, signed in."""
    size, scheme = request.param.split()
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme)
    with complaining(context.new_page()) as page:
        sign_in(page, demo)
    yield context
    context.close()


@pytest.fixture
def page(signed_in: BrowserContext) -> Iterator[Page]:
    """A page of it, at nowhere yet."""
    with complaining(signed_in.new_page()) as page:
        yield page


@contextmanager
def complaining(page: Page) -> Iterator[Page]:
    """A page that is closed in the end; what the browser complained of meanwhile fails the test."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []


def sign_in(page: Page, demo: Service, key: str = "") -> None:
    page.goto(demo.address)
    page.fill("input[name=key]", key or demo.read_key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{demo.address}/")


def faultless(page: Page) -> None:
    """Nobody is kept from using a page as it stands, and it does not scroll sideways."""
    faults = Axe().run(page).response["violations"]
    assert [fault["id"] for fault in faults if fault["impact"] in {"serious", "critical"}] == []
    viewport = page.viewport_size
    assert viewport is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_list_names_every_experiment_with_its_verdict(page: Page, demo: Service) -> None:
    found = demo.ask("{ experiments { nodes { name results { verdict { state } } } } }")["experiments"]
    assert isinstance(found, dict)
    page.goto(demo.address)
    for node in found["nodes"]:
        expect(page.get_by_role("main")).to_contain_text(node["name"])
        expect(page.get_by_role("main")).to_contain_text(VERDICTS[node["results"]["verdict"]["state"]])


@pytest.mark.parametrize("key", EXPERIMENTS)
def test_experiment_page_says_the_verdict_and_the_plan_that_the_api_says(page: Page, demo: Service, key: str) -> None:
    found = demo.ask(f'{{ experiment(key: "{key}") {{ results {{ planHash verdict {{ sentence }} }} }} }}')[
        "experiment"
    ]
    assert isinstance(found, dict)
    page.goto(f"{demo.address}/experiments/{key}")
    expect(page.get_by_role("main")).to_contain_text(found["results"]["verdict"]["sentence"])
    expect(page.get_by_role("main")).to_contain_text(found["results"]["planHash"])


KPIS = [
    "/kpis",
    "/kpis?tier=EARLY&moves=first",
    "/kpis/ttfv",
    "/kpis/grr",
    "/kpis/activation-7d?by=DAY&segment=plan%3Dfree",
    "/kpis/nrr/at-risk",
    "/ladder?kpi=account-ttfv&lift=-10&coverage=60",
    "/alerts?state=all",
]


@pytest.mark.parametrize("path", ["/", *(f"/experiments/{key}" for key in EXPERIMENTS), *KPIS])
def test_page_has_no_serious_accessibility_fault_and_does_not_scroll_sideways(
    page: Page, demo: Service, path: str
) -> None:
    page.goto(f"{demo.address}{path}")
    faultless(page)


def test_kpi_page_says_the_level_that_the_api_says_and_is_reached_from_the_start(page: Page, demo: Service) -> None:
    found = demo.ask('{ kpi(key: "activation-7d") { name standing { level { n value } } triangle { value } } }')["kpi"]
    assert isinstance(found, dict)
    level = found["standing"]["level"]
    page.goto(demo.address)
    page.get_by_role("link", name="KPIs").click()
    page.get_by_role("link", name=found["name"], exact=True).click()
    expect(page.get_by_role("main")).to_contain_text(f"{100 * level['value']:.1f}%")
    expect(page.get_by_role("main")).to_contain_text(f"of {level['n']:,} users.")


def test_what_if_is_asked_by_keyboard_and_answered_without_script_as_the_api_answers_it(
    browser: Browser, demo: Service
) -> None:
    asked = 'impactIf(kpi: "account-ttfv", lift: -0.1, coverage: 0.6) { kpi { key } lift interval { lower upper } }'
    tops = demo.ask(f"{{ {asked} }}")["impactIf"]
    assert isinstance(tops, list)
    (nrr,) = [top for top in tops if top["kpi"]["key"] == "nrr-first-year"]
    with browser.new_context(java_script_enabled=False) as context, complaining(context.new_page()) as page:
        sign_in(page, demo)
        page.get_by_role("link", name="Ladder").click()
        page.get_by_label("If this KPI").select_option("account-ttfv")
        page.get_by_label("changed by, in %").fill("-10")
        page.get_by_label("for this % of units").fill("60")
        page.keyboard.press("Enter")
        row = page.get_by_role("row", name="Net revenue retention of the first year").first
        told = [f"{100 * number:+.1f}%".replace("-", "−") for number in (nrr["lift"], *nrr["interval"].values())]
        expect(row).to_contain_text(told[0])
        expect(row).to_contain_text(f"{told[1]} to {told[2]}")
        expect(row).to_contain_text("Assumed")


@pytest.fixture(scope="module")
def review(demo: Service) -> str:
    """The address of the review of the last quarter, which opened by itself."""
    document = "{ reviews(first: 1, filter: {kind: {eq: QUARTERLY}}) { nodes { id } } }"
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        found = demo.ask(document)["reviews"]
        assert isinstance(found, dict)
        if found["nodes"]:
            return f"/reviews/{found['nodes'][0]['id']}"
        time.sleep(0.2)
    raise AssertionError("no review opened by itself")


def test_review_page_says_what_the_api_says_and_everybody_can_read_it(page: Page, demo: Service, review: str) -> None:
    document = f'{{ review(id: "{review.removeprefix("/reviews/")}") {{ snapshot {{ figures {{ name }} }} }} }}'
    found = demo.ask(document)["review"]
    assert isinstance(found, dict)
    assert len(found["snapshot"]["figures"]) > 3
    for path in ("/reviews", f"{review}.html"):
        page.goto(f"{demo.address}{path}")
        faultless(page)
    for figure in found["snapshot"]["figures"]:
        expect(page.get_by_role("main")).to_contain_text(figure["name"])


def test_list_of_reviews_leads_to_each(page: Page, demo: Service, review: str) -> None:
    page.goto(f"{demo.address}/reviews")
    page.locator(f'a[href="{review}.html"]').click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Quarterly review")


def test_every_chart_says_its_numbers_to_a_screen_reader(page: Page, demo: Service) -> None:
    page.goto(f"{demo.address}/experiments/guided-onboarding")
    charts = page.locator("svg[role=img]:visible")
    assert charts.count() >= 4
    for place in range(charts.count()):
        label = charts.nth(place).get_attribute("aria-label") or ""
        assert any(character.isdigit() for character in label), label


def test_page_asks_no_other_origin(browser: Browser, demo: Service) -> None:
    page = browser.new_page()
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url.split("/")[2]))
    sign_in(page, demo)
    page.goto(f"{demo.address}/experiments/guided-onboarding")
    assert asked == {demo.address.removeprefix("http://")}


@contextmanager
def administering(browser: Browser, demo: Service, size: str, scheme: Literal["light", "dark"]) -> Iterator[Page]:
    """The settings, in a browser of an admin."""
    with (
        browser.new_context(viewport=SIZES[size], color_scheme=scheme) as context,
        complaining(context.new_page()) as page,
    ):
        sign_in(page, demo, demo.admin_key)
        page.goto(f"{demo.address}/settings")
        page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true })")
        yield page


def test_form_that_is_refused_has_the_focus_where_it_is_wrong_and_is_for_everybody(
    browser: Browser, demo: Service
) -> None:
    with administering(browser, demo, "narrow", "dark") as page:
        page.get_by_label("What it is for").fill("a browser")
        page.get_by_label("Ends on").fill("2020-01-01")
        page.get_by_role("button", name="Make the key").click()
        expect(page.get_by_label("Ends on")).to_be_focused()
        expect(page.get_by_label("Ends on")).to_have_accessible_description(re.compile("lies in the past"))
        expect(page.get_by_label("What it is for")).to_have_value("a browser")
        page.locator("main details").evaluate_all("all => all.forEach(one => { one.open = true })")
        faultless(page)


def test_form_that_is_done_has_the_focus_on_what_is_shown_once_and_is_for_everybody(
    browser: Browser, demo: Service
) -> None:
    with administering(browser, demo, "wide", "light") as page:
        page.get_by_label("What it is for").fill("a browser")
        page.get_by_role("checkbox", name="read see").check()
        page.get_by_role("button", name="Make the key").click()
        expect(page.get_by_role("status")).to_be_focused()
        expect(page.get_by_label("The key “a browser”")).to_have_value(re.compile("^tl_"))
        faultless(page)


def test_member_is_invited_by_keyboard_without_script_and_comes_in_by_the_link(browser: Browser, demo: Service) -> None:
    with browser.new_context(java_script_enabled=False) as context, complaining(context.new_page()) as page:
        sign_in(page, demo, demo.admin_key)
        page.goto(f"{demo.address}/settings")
        page.get_by_text("Invite a member").focus()
        page.keyboard.press("Enter")
        for said in ("Grace", "grace@northwind.example", "Editor"):
            page.keyboard.press("Tab")
            page.keyboard.type(said)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        link = page.get_by_label("Link for Grace").input_value()
        assert link.startswith(f"{demo.address}/sign-in/link?token=")
        page.get_by_role("button", name="Sign out").click()
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("banner")).to_contain_text("Grace")
        page.goto(f"{demo.address}/settings")
        expect(page.get_by_role("main")).to_contain_text("(grace@northwind.example), editor")
        expect(page.get_by_role("button")).to_have_count(1)


def test_signed_out_browser_sees_nothing(browser: Browser, demo: Service) -> None:
    page = browser.new_page()
    sign_in(page, demo)
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{demo.address}/experiments/guided-onboarding")
    assert page.url == f"{demo.address}/sign-in"
