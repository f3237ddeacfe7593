"""The pages as a browser gets them: status, and that they are about what was asked for."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from api.auth.keys import Caller, Scope
from api.database import Database
from api.jobs.histories import refresh_histories
from api.jobs.refresh import refresh_due
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Client, MakeKey, Try
from tests.conftest import Ask
from tests.kpi.alerts import test_judging as judging
from tests.kpi.risk.accounts import scored


@pytest.fixture
async def browser(client: Client, make_key: MakeKey) -> Client:
    """A signed-in browser."""
    await client.post("/sign-in", data={"key": await make_key(Scope.READ)})
    return client


@pytest.mark.parametrize(
    "path",
    [
        "/", "/experiments/guided-tour", "/experiments/nothing", "/kpis", "/kpis/nothing", "/kpis/nothing/at-risk",
        "/ladder", "/alerts",
    ],
)  # fmt: skip
async def test_page_sends_a_browser_that_is_not_signed_in_to_the_form(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    form = await client.get("/sign-in")
    assert form.status_code == 200
    assert 'name="key"' in form.text


async def test_list_of_an_empty_workspace_is_a_page(browser: Client) -> None:
    answer = await browser.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_list_names_an_experiment_and_its_page_is_there_in_every_state(
    browser: Client, database: Database, ask: Ask, drafted: str
) -> None:
    async def shown() -> bool:
        pages = [await browser.get(path) for path in ("/", "/experiments/guided-tour")]
        return all(page.status_code == 200 and "Guided tour" in page.text for page in pages)

    assert await shown()
    await ask(documents.EXPERIMENT_START, {"input": {"id": drafted, "startedAt": "2026-06-01T00:00:00Z"}})
    assert await shown()
    rows = [documents.exposure(f"u{n}", ("control", "tour")[n % 2], "2026-06-02T00:00:00Z") for n in range(40)]
    await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": rows}})
    await refresh_due(database)
    assert await shown()
    await ask(documents.EXPERIMENT_STOP, {"input": {"id": drafted, "stoppedAt": "2026-06-15T00:00:00Z"}})
    await refresh_due(database)
    assert await shown()


async def test_name_with_markup_is_shown_as_text(browser: Client, ask: Ask, drafted: str) -> None:
    assert drafted
    name = "<script>alert('tour')</script>"
    await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment("other-tour", name=name)})
    pages = [await browser.get(path) for path in ("/", "/experiments/other-tour")]
    assert [page.status_code for page in pages] == [200, 200]
    assert not any("<script>alert" in page.text for page in pages)
    assert all("&lt;script&gt;alert" in page.text for page in pages)


async def test_kpis_are_chosen_by_tier_and_by_whether_they_lead(browser: Client, ask: Ask) -> None:
    for key, tier, is_leading in (("a-one", "EARLY", True), ("a-two", "LATE", True), ("a-three", "EARLY", False)):
        given = documents.kpi(key) | {"name": f"Number {key}", "tier": tier, "isLeading": is_leading}
        assert (await ask(documents.KPI_REGISTER, {"input": given}))["kpiRegister"]["userErrors"] == []

    async def shown(**chosen: str) -> set[str]:
        answer = await browser.get("/kpis", params=chosen)
        assert answer.status_code == 200
        return {key for key in ("a-one", "a-two", "a-three") if f"Number {key}" in answer.text}

    assert await shown() == {"a-one", "a-two", "a-three"}
    assert await shown(tier="EARLY") == {"a-one", "a-three"}
    assert await shown(moves="first") == {"a-one", "a-two"}
    assert await shown(tier="EARLY", moves="later") == {"a-three"}
    assert await shown(tier="GROWTH") == set()


async def test_page_of_a_kpi_is_there_before_and_after_its_first_rows(
    browser: Client, ask: Ask, database: Database
) -> None:
    given = documents.kpi("activation-rate") | {
        "frequency": "DAILY",
        "entry": {"event": "signed_up"},
        "definition": {"activation": {"event": "activated", "windowDays": 2, "hasCurve": True}},
    }
    assert (await ask(documents.KPI_REGISTER, {"input": given}))["kpiRegister"]["userErrors"] == []
    assert "No values yet" in (await browser.get("/kpis/activation-rate")).text
    began = datetime.now(UTC) - timedelta(days=20)
    rows = [documents.outcome(f"u{n}", "signed_up", began.isoformat()) for n in range(4)]
    rows += [documents.outcome("u1", "activated", (began + timedelta(hours=1)).isoformat())]
    await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": rows}})
    await refresh_histories(database)
    shown = [await browser.get("/kpis/activation-rate"), await browser.get("/kpis")]
    assert [page.status_code for page in shown] == [200, 200]
    assert "25.0%" in shown[0].text
    assert "25.0%" in shown[1].text
    by_month = await browser.get("/kpis/activation-rate", params={"by": "QUARTER", "segment": "plan=none"})
    assert "Nobody entered in the segment “plan=none”" in by_month.text


@pytest.mark.parametrize("path", ["/kpis/nothing", "/kpis/%00", "/kpis?tier=NOW", "/kpis?moves=up", "/kpis?after=x"])
async def test_page_of_no_kpi_is_404(browser: Client, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


LINK = {"leading": "activation", "lagging": "retention", "low": 0.5, "likely": 0.5, "high": 0.5, "reason": "known"}


async def test_ladder_shows_its_links_and_works_out_what_is_asked(browser: Client, ask: Ask) -> None:
    assert "No links yet" in (await browser.get("/ladder")).text
    for key in ("activation", "retention"):
        await ask(documents.KPI_REGISTER, {"input": documents.kpi(key, name=f"Share of {key}")})
    await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": LINK})
    shown = (await browser.get("/ladder")).text
    assert "0.50 assumed" in shown
    assert "What it would come to" not in shown
    asked = await browser.get("/ladder", params={"kpi": "activation", "lift": "-5", "coverage": "60"})
    assert (asked.status_code, "No KPI is a share of revenue" in asked.text) == (200, True)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"lift": "five"}, "“five” is no number of per cent."),
        ({"lift": "-96"}, "“-96” is not between -95 and 1000 per cent."),
        ({"lift": "5", "coverage": "101"}, "“101” is not between 0 and 100 per cent."),
        ({"lift": "nan"}, "“nan” is not between"),
    ],
)
async def test_ladder_says_what_is_wrong_with_a_question_beside_its_field(
    browser: Client, ask: Ask, said: dict[str, str], words: str
) -> None:
    for key in ("activation", "retention"):
        await ask(documents.KPI_REGISTER, {"input": documents.kpi(key)})
    await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": LINK})
    answer = await browser.get("/ladder", params={"kpi": "activation"} | said)
    assert answer.status_code == 200
    assert words in answer.text
    assert f'value="{said["lift"]}"' in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/ladder?kpi=nothing&lift=5",
        "/alerts?state=odd",
        "/alerts?after=x",
        "/kpis/nothing/at-risk",
        "/kpis/%00/at-risk",
    ],
)
async def test_page_of_what_is_not_there_is_404(browser: Client, path: str) -> None:
    assert (await browser.get(path)).status_code == 404


async def test_alerts_are_shown_by_state_and_on_the_page_of_their_kpi(
    browser: Client, ask: Ask, database: Database, workspace: Workspace
) -> None:
    definition = await judging.shares(database, workspace, [2])
    await judging.watch(database, workspace, definition, judging.given(judging.FLOOR))
    await judging.until(database, definition, 1)

    async def shown(path: str) -> bool:
        answer = await browser.get(path)
        assert answer.status_code == 200
        return "below the limit of 30.0%" in answer.text

    pages = ("/alerts", "/alerts?state=raised", "/alerts?state=all", "/kpis/activation")
    assert [await shown(path) for path in pages] == [True] * 4
    assert not await shown("/alerts?state=resolved")
    identity = (await ask("{ alerts { nodes { id } } }"))["alerts"]["nodes"][0]["id"]
    await ask(documents.ALERT_ANSWER % {"verb": "Resolve"}, {"input": {"id": identity, "note": "The form was down"}})
    assert [await shown(path) for path in pages] == [False, False, True, False]
    assert "The form was down" in (await browser.get("/alerts?state=resolved")).text


async def test_units_at_risk_are_for_who_may_see_them_and_for_them_a_file_too(
    client: Client, make_key: MakeKey, database: Database, workspace: Workspace
) -> None:
    await scored(database, workspace)
    await client.post("/sign-in", data={"key": await make_key(Scope.READ)})
    hidden = await client.get("/kpis/health/at-risk?worst=100")
    assert hidden.status_code == 200
    assert "scope <code>admin</code>" in hidden.text
    assert "ben" not in hidden.text
    assert (await client.get("/v1/export/at-risk.csv?kpi=health&worst=1")).status_code == 401
    await client.post("/sign-out")
    await client.post("/sign-in", data={"key": await make_key(Scope.READ, Scope.ADMIN)})
    shown = await client.get("/kpis/health/at-risk?worst=50")
    assert "Sessions: 1, centre 4, costs 3" in shown.text
    assert "2 users, the worst first." in shown.text
    address = re.search(r'href="(/v1/export/at-risk.csv[^"]*)"', shown.text)
    assert address is not None
    file = await client.get(unescape(address[1]))
    assert [line.split(",")[0] for line in file.text.splitlines()] == ["unit", "ben", "dan"]
    for wrong in ("0", "x", "101"):
        faulty = await client.get(f"/kpis/health/at-risk?worst={wrong}")
        assert (faulty.status_code, "ben" in faulty.text, 'role="alert"' in faulty.text) == (200, False, True)


@pytest.mark.parametrize("query", ["by=HOUR", "segment=%00"])
async def test_page_of_a_kpi_by_what_cannot_be_is_404(browser: Client, ask: Ask, query: str) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi("activation-rate")})
    assert (await browser.get("/kpis/activation-rate")).status_code == 200
    assert (await browser.get(f"/kpis/activation-rate?{query}")).status_code == 404


@pytest.mark.parametrize("path", ["/experiments/nothing", "/experiments/%00", "/experiments/%ff", "/?after=nonsense"])
async def test_page_of_nothing_is_404(browser: Client, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_page_of_another_workspace_is_404(browser: Client, attempt: Try, stranger: Caller) -> None:
    for document, given in (
        (documents.KPI_REGISTER, documents.kpi()),
        (documents.HYPOTHESIS_REGISTER, documents.hypothesis()),
        (documents.EXPERIMENT_REGISTER, documents.experiment()),
    ):
        (payload,) = (await attempt(document, {"input": given}, caller=stranger))["data"].values()
        assert payload["userErrors"] == []
    assert (await browser.get("/experiments/guided-tour")).status_code == 404
    assert "Guided tour" not in (await browser.get("/")).text


async def test_list_goes_on_after_a_cursor(browser: Client, ask: Ask, drafted: str) -> None:
    assert drafted
    for number in range(50):
        await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment(f"e{number}", name=f"Trial {number}")})
    first = await browser.get("/")
    found = await ask("{ experiments(first: 50) { pageInfo { endCursor } } }")
    second = await browser.get("/", params={"after": found["experiments"]["pageInfo"]["endCursor"]})
    assert (first.status_code, second.status_code) == (200, 200)
    assert "Trial 49" in first.text
    assert "Guided tour" not in first.text
    assert "Guided tour" in second.text


@pytest.mark.parametrize(
    "path", ["/nowhere", "/kpis/nothing", "/experiments/nothing", "/reviews/nothing.html", "/alerts?state=x"]
)
async def test_address_without_a_page_is_a_page_with_ways_on_that_names_no_other_noun(
    browser: Client, path: str
) -> None:
    answer = await browser.get(path, headers={"Accept": "text/html,application/xhtml+xml"})
    assert answer.status_code == 404
    assert "Your workspace has nothing at this address" in answer.text
    assert all(f'href="{way}"' in answer.text for way in ("/", "/kpis", "/reviews"))


async def test_program_is_told_in_words_that_an_address_leads_nowhere(client: Client) -> None:
    nowhere, wrong = await client.get("/v2/outcomes"), await client.get("/v1/outcomes")
    assert (nowhere.status_code, wrong.status_code, wrong.headers["allow"]) == (404, 405, "POST")
    codes = [answer.json()["errors"][0]["extensions"]["code"] for answer in (nowhere, wrong)]
    assert codes == ["NOT_FOUND", "METHOD_NOT_ALLOWED"]
