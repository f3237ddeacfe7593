"""The pages as a browser gets them: status, and that they are about what was asked for."""

import pytest

from api.auth.keys import Caller, Scope
from api.database import Database
from api.jobs.refresh import refresh_due
from tests.api import documents
from tests.api.conftest import Client, MakeKey, Try
from tests.conftest import Ask


@pytest.fixture
async def browser(client: Client, make_key: MakeKey) -> Client:
    """A signed-in browser."""
    await client.post("/sign-in", data={"key": await make_key(Scope.READ)})
    return client


@pytest.mark.parametrize("path", ["/", "/experiments/guided-tour", "/experiments/nothing"])
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
