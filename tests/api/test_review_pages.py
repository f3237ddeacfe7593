"""Reviews as files: for who is signed in and for keys that may read, and for nobody else."""

import builtins
from datetime import UTC, datetime
from typing import Any

import pytest

from api.auth.keys import Caller, Scope
from tests.api import documents
from tests.api.conftest import Client, MakeKey, Try, bearing
from tests.conftest import Ask

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
FORMS = {
    "html": "text/html; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
OPEN = {"input": {"kind": "WEEKLY", "on": "2026-06-24"}}


@pytest.fixture
async def path(ask: Ask) -> str:
    """The address of a review with a KPI, without its ending."""
    await ask(documents.KPI_REGISTER, {"input": documents.kpi(name="<b>Activation</b>")})
    opened = await ask(documents.review("Open"), OPEN, now=NOW)
    return f"/reviews/{opened['reviewOpen']['review']['id']}"


@pytest.fixture
async def reader(make_key: MakeKey) -> dict[str, str]:
    return bearing(await make_key(Scope.READ))


@pytest.mark.parametrize("form", FORMS)
async def test_key_that_may_read_gets_a_review_in_every_form(
    client: Client, reader: dict[str, str], path: str, form: str
) -> None:
    answer = await client.get(f"{path}.{form}", headers=reader)
    assert (answer.status_code, answer.headers["content-type"]) == (200, FORMS[form])
    assert form == "csv" or b"<b>Activation" not in answer.content
    assert answer.content.startswith({"pdf": b"%PDF-", "csv": b"kpi,", "md": b"# Weekly", "html": b"<!doctype"}[form])


async def test_signed_in_browser_gets_a_review_and_the_list_that_leads_to_it(
    client: Client, make_key: MakeKey, path: str
) -> None:
    await client.post("/sign-in", data={"key": await make_key(Scope.READ)})
    page = await client.get(f"{path}.html")
    assert "Weekly review, 22 Jun 2026 to 28 Jun 2026" in page.text
    assert "&lt;b&gt;Activation" in page.text
    assert f'href="{path}.html"' in (await client.get("/reviews")).text


async def test_closed_review_is_the_same_file_whatever_comes_later(
    client: Client, ask: Ask, reader: dict[str, str], path: str
) -> None:
    close = {"input": {"id": path.removeprefix("/reviews/")}}
    await ask(documents.review("Close"), close, now=NOW)
    before = [(await client.get(f"{path}.{form}", headers=reader)).text for form in ("html", "md", "csv")]
    await ask(documents.KPI_REGISTER, {"input": documents.kpi("other")})
    assert [(await client.get(f"{path}.{form}", headers=reader)).text for form in ("html", "md", "csv")] == before


async def test_file_of_a_review_is_not_sent_again_while_it_says_the_same(
    client: Client, ask: Ask, reader: dict[str, str], path: str
) -> None:
    await ask(documents.review("Close"), {"input": {"id": path.removeprefix("/reviews/")}}, now=NOW)
    for form in ("md", "csv"):
        tag = (await client.get(f"{path}.{form}", headers=reader)).headers["etag"]
        assert (await client.get(f"{path}.{form}", headers=reader | {"if-none-match": tag})).status_code == 304
    page = await client.get(f"{path}.html", headers=reader)
    assert (page.headers.get("etag"), page.headers["cache-control"]) == (None, "no-store")


@pytest.mark.parametrize("form", FORMS)
async def test_stranger_and_wrong_keys_get_nothing(client: Client, make_key: MakeKey, path: str, form: str) -> None:
    nobody = await client.get(f"{path}.{form}")
    assert (nobody.status_code, nobody.headers["location"]) == (303, "/sign-in")
    unknown = await client.get(f"{path}.{form}", headers=bearing("tl_unknown"))
    assert (unknown.status_code, unknown.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
    sender = await client.get(f"{path}.{form}", headers=bearing(await make_key(Scope.INGEST)))
    assert (sender.status_code, sender.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("path", ["/reviews/nothing.html", "/reviews/%00.md", "/reviews/UmV2aWV3OjE.docx"])
async def test_review_that_is_not_there_is_404(client: Client, reader: dict[str, str], path: str) -> None:
    assert (await client.get(path, headers=reader)).status_code == 404


async def test_review_of_another_workspace_is_404(
    client: Client, reader: dict[str, str], attempt: Try, stranger: Caller
) -> None:
    opened = await attempt(documents.review("Open"), OPEN, caller=stranger, now=NOW)
    identity = opened["data"]["reviewOpen"]["review"]["id"]
    answers = [await client.get(f"/reviews/{identity}.{form}", headers=reader) for form in FORMS]
    assert [answer.status_code for answer in answers] == [404] * 4


async def test_server_without_pango_says_so_of_a_pdf(
    client: Client, reader: dict[str, str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = builtins.__import__

    def lacking(name: str, *rest: Any, **options: Any) -> Any:
        if name == "weasyprint":
            raise OSError("cannot load library libpango-1.0")
        return found(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", lacking)
    answer = await client.get(f"{path}.pdf", headers=reader)
    assert answer.status_code == 501
    assert "Pango" in answer.json()["errors"][0]["message"]
    assert (await client.get(f"{path}.html", headers=reader)).status_code == 200
