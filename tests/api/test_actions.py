"""What the forms of the pages do: everybody's mutations as who is signed in, and nothing for anybody else."""

import hmac
import logging
import re
from html import unescape

import httpx
import pytest

from api.auth.keys import Scope
from api.auth.tables import Role
from api.database import Database
from api.doors.actions import EXPIRED, FORM
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import SECRET as SERVER
from tests.api.conftest import Client, MakeKey, bearing
from tests.api.people import present, signed_in
from tests.conftest import Ask
from tests.kpi.alerts import test_judging as judging
from web.forms import ACTIONS, TWICE

COOKIE = "truelift_session"
OWN = {"origin": "http://truelift.test"}
LINK = re.compile(r"/sign-in/link\?token=(link_\w+_[\w-]+)")
SECRET = re.compile(r"tl_\w+?_[\w-]{40,}")


@pytest.fixture
async def admin(client: Client, database: Database, workspace: Workspace) -> Client:
    """The browser of an admin."""
    client.cookies.set(COOKIE, await signed_in(database, await present(database, workspace, Role.ADMIN)))
    return client


def proof(client: Client) -> str:
    """What the forms of a browser are sent with, by its cookie."""
    public_id = client.cookies[COOKIE].split("_")[1]
    return hmac.digest(SERVER, b"form." + public_id.encode(), "sha256").hex()


async def send(client: Client, action: str, **said: str | list[str]) -> httpx.Response:
    """Send a form as a browser does."""
    given = {"action": action, "proof": proof(client), **said}
    return await client.post("/settings", data=given, headers=OWN)


async def state(database: Database, table: str, workspace: Workspace, what: str) -> list[object]:
    query = f"SELECT {what} FROM {table} WHERE workspace_id = $1 ORDER BY 1"  # noqa: S608 - names from below
    async with database.raw() as connection:
        return [tuple(row) if len(row) > 1 else row[0] for row in await connection.fetch(query, workspace.id)]


def identity(page: str, action: str) -> str:
    """The id in the first form of an action."""
    found = re.search(rf'value="{action}">.*?name="id" value="([^"]+)"', page, re.DOTALL)
    assert found
    return unescape(found[1])


async def first(client: Client, action: str) -> str:
    return identity((await client.get("/settings")).text, action)


def seen(answer: httpx.Response) -> bool:
    """Whether a form was done, and the browser sent to see it."""
    return (answer.status_code, answer.headers["location"]) == (303, "/settings")


async def test_admin_invites_a_member_whose_link_is_shown_once_and_works(
    admin: Client, database: Database, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "truelift")
    said = {"name": "Bob", "email": "Bob@example.org", "role": "EDITOR", "idempotencyKey": "once"}
    answer = await send(admin, "member_invite", **said)
    found = LINK.search(answer.text)
    assert found
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    again = await send(admin, "member_invite", **said)
    assert (TWICE in again.text, LINK.search(again.text)) == (True, None)
    assert LINK.search((await admin.get("/settings")).text) is None
    assert await state(database, "members", workspace, "email, role") == [
        ("ada@example.org", "ADMIN"),
        ("bob@example.org", "EDITOR"),
    ]
    entries = await state(database, "audit_entries", workspace, "actor, action")
    assert entries == [("Ada", "memberInvite")]
    assert found[1] not in caplog.text
    admin.cookies.clear()
    assert (await admin.post("/sign-in/link", data={"token": found[1]}, headers=OWN)).status_code == 303


async def test_what_is_done_is_said_once_on_the_page_and_loading_it_anew_does_nothing_again(
    admin: Client, database: Database, workspace: Workspace
) -> None:
    await present(database, workspace, Role.VIEWER, "bob@example.org")
    page = (await admin.get("/settings")).text
    assert "Bob" in page
    assert seen(await send(admin, "member_update", id=identity(page, "member_update"), role="REVIEWER"))
    pages = [(await admin.get("/settings")).text for _ in range(2)]
    assert [ACTIONS["member_update"].done in page for page in pages] == [True, False]
    assert seen(await send(admin, "member_remove", id=await first(admin, "member_remove")))
    assert await state(database, "members", workspace, "role, state") == [
        ("ADMIN", "ACTIVE"),
        ("REVIEWER", "REMOVED"),
    ]


async def test_every_fault_of_an_input_stands_on_the_page_with_what_was_typed(
    admin: Client, database: Database, workspace: Workspace
) -> None:
    answer = await send(admin, "member_invite", name="n" * 201, email="nobody", role="ADMIN")
    assert answer.status_code == 200
    text = unescape(answer.text)
    assert "This is not the address of one mailbox" in text
    assert "A name has 1 to 200 characters." in text
    assert 'value="nobody"' in text
    assert "n" * 201 in text
    assert '<option value="ADMIN" selected>' in text
    refused = await send(admin, "member_remove", id=await first(admin, "member_remove"))
    assert "This is the last admin of the workspace" in refused.text
    assert len(await state(database, "members", workspace, "id")) == 1


async def test_admin_makes_rotates_and_revokes_a_key_whose_secret_is_shown_once(
    admin: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "truelift")
    made = await send(admin, "api_key_create", name="warehouse", scopes=["read", "ingest"], expiresAt="2099-12-31")
    assert "31 Dec 2099, 00:00 UTC" in made.text
    rotated = await send(admin, "api_key_rotate", id=await first(admin, "api_key_rotate"), graceHours="0")
    secrets = [SECRET.findall(answer.text)[0] for answer in (made, rotated)]
    assert SECRET.search((await admin.get("/settings")).text) is None
    assert not any(secret in caplog.text for secret in secrets)

    async def status(secret: str) -> int:
        return (await admin.post("/graphql", json={"query": "{ __typename }"}, headers=bearing(secret))).status_code

    assert [await status(secret) for secret in secrets] == [401, 200]
    assert seen(await send(admin, "api_key_revoke", id=await first(admin, "api_key_revoke")))
    assert await status(secrets[1]) == 401


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"name": "k", "scopes": ["read"], "expiresAt": "2020-01-01"}, "The end lies in the past."),
        ({"name": "k", "scopes": ["read"], "expiresAt": "soon"}, "“soon” is no day such as 2026-12-31."),
        ({"name": "k"}, "Say what the key may do"),
        ({"name": "k", "scopes": ["read", "everything"]}, "There is no such scope"),
        ({"name": " ", "scopes": ["read"]}, "A name has 1 to 200 characters."),
    ],
)
async def test_key_that_cannot_be_is_not_made_and_its_fault_is_told(
    admin: Client, database: Database, workspace: Workspace, said: dict[str, str | list[str]], words: str
) -> None:
    assert words in unescape((await send(admin, "api_key_create", **said)).text)
    assert await state(database, "api_keys", workspace, "id") == []


async def test_admin_adds_tests_disables_and_removes_an_endpoint_and_has_a_notice_delivered_again(
    admin: Client, database: Database, workspace: Workspace
) -> None:
    given: dict[str, str | list[str]] = {"kind": "WEBHOOK", "address": "https://hooks.example.com/t"}
    given["types"] = ["ALERT_RAISED", "LOOK_PUBLISHED"]
    made = await send(admin, "endpoint_register", **given)
    assert re.search(r"whsec_[\w+/=]{30,}", made.text)
    for action in ("endpoint_test", "delivery_redeliver"):
        assert seen(await send(admin, action, id=await first(admin, action)))
    rotated = await send(admin, "endpoint_rotate", id=await first(admin, "endpoint_rotate"))
    assert re.search(r"whsec_[\w+/=]{30,}", rotated.text)
    assert seen(await send(admin, "endpoint_update", id=await first(admin, "endpoint_update"), isEnabled="false"))
    kept = await state(database, "endpoints", workspace, "is_enabled, types")
    assert kept == [(False, ["ALERT_RAISED", "LOOK_PUBLISHED"])]
    refused = await send(admin, "delivery_redeliver", id=await first(admin, "delivery_redeliver"))
    assert "The endpoint is disabled" in refused.text
    assert "has an endpoint with this address" in (await send(admin, "endpoint_register", **given)).text
    assert seen(await send(admin, "endpoint_remove", id=await first(admin, "endpoint_remove")))
    assert await state(database, "endpoints", workspace, "id") == []


async def send_as(client: Client, proof: str, **headers: str) -> httpx.Response:
    """Send an invitation with a proof and headers of one's own."""
    said = {"action": "member_invite", "name": "Eve", "email": "eve@example.org", "role": "VIEWER", "proof": proof}
    return await client.post("/settings", data=said, headers=headers)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.REVIEWER])
async def test_who_is_no_admin_sees_no_form_and_can_send_none(
    client: Client, database: Database, workspace: Workspace, role: Role
) -> None:
    client.cookies.set(COOKIE, await signed_in(database, await present(database, workspace, role)))
    assert "member_invite" not in (await client.get("/settings")).text
    answer = await send_as(client, proof(client), **OWN)
    assert (answer.status_code, "This needs the scope “admin”" in answer.text) == (403, True)
    assert len(await state(database, "members", workspace, "id")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://truelift.test:8000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
        {"origin": "http://truelift.test", "sec-fetch-site": "same-site"},
    ],
)
async def test_form_that_no_page_of_ours_is_known_to_have_sent_does_nothing(
    admin: Client, database: Database, workspace: Workspace, headers: dict[str, str]
) -> None:
    answer = await send_as(admin, proof(admin), **headers)
    assert (answer.status_code, FORM in answer.text) == (403, True)
    assert len(await state(database, "members", workspace, "id")) == 1


async def test_form_of_a_browser_that_names_its_origin_in_its_own_header_alone_is_done(admin: Client) -> None:
    assert LINK.search((await send_as(admin, proof(admin), **{"sec-fetch-site": "same-origin"})).text)


@pytest.mark.parametrize("whose", ["nobody's", "another browser's", "none"])
async def test_form_that_was_made_for_another_browser_does_nothing_and_can_be_sent_again(
    admin: Client, database: Database, workspace: Workspace, whose: str
) -> None:
    bob = await present(database, workspace, Role.ADMIN, "bob@example.org")
    own = admin.cookies[COOKIE]
    admin.cookies.set(COOKIE, await signed_in(database, bob))
    given = {"nobody's": "0" * 64, "another browser's": proof(admin), "none": "é"}[whose]
    admin.cookies.set(COOKIE, own)
    answer = await send_as(admin, given, **OWN)
    assert (answer.status_code, EXPIRED in answer.text) == (200, True)
    assert 'value="eve@example.org"' in answer.text
    assert len(await state(database, "members", workspace, "id")) == 2


async def test_form_of_a_browser_that_is_signed_out_does_nothing(
    admin: Client, database: Database, workspace: Workspace
) -> None:
    given = proof(admin)
    await admin.post("/sign-out", headers=OWN)
    answer = await send_as(admin, given, **OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert len(await state(database, "members", workspace, "id")) == 1


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"action": "experiments"}, 403),
        ({"action": ""}, 403),
        ({"action": "member_invite", "name": "\0", "email": "e@example.org", "role": "VIEWER"}, 403),
        ({"action": "member_invite", "name": "E", "email": "e@example.org", "role": "GOD"}, 200),
        ({"action": "member_update", "id": "nobody", "role": "VIEWER"}, 200),
        ({"action": "api_key_rotate", "id": "nobody", "graceHours": "9" * 30}, 400),
    ],
)
async def test_form_that_is_none_of_ours_is_refused_in_words(
    admin: Client, database: Database, workspace: Workspace, said: dict[str, str], status: int
) -> None:
    answer = await admin.post("/settings", data={"proof": proof(admin), **said}, headers=OWN)
    assert (answer.status_code, "text/html" in answer.headers["content-type"]) == (status, True)
    assert len(await state(database, "members", workspace, "id")) == 1


async def test_page_of_an_admin_holds_the_proof_that_its_forms_are_sent_with(admin: Client) -> None:
    page = (await admin.get("/settings")).text
    assert set(re.findall(r'name="proof" value="(\w*)"', page)) == {proof(admin)}
    keys = re.findall(r'name="idempotencyKey" value="([^"]+)"', page + (await admin.get("/settings")).text)
    assert len(keys) == len(set(keys)) > 3


async def test_admin_with_a_key_has_the_same_forms(client: Client, make_key: MakeKey) -> None:
    await client.post("/sign-in", data={"key": await make_key(*Scope)})
    answer = await send(client, "member_invite", name="Bob", email="bob@example.org", role="VIEWER")
    assert LINK.search(answer.text)


async def send_to(client: Client, path: str, action: str, **said: str) -> httpx.Response:
    return await client.post(path, data={"action": action, "proof": proof(client), **said}, headers=OWN)


async def test_editor_answers_an_alert_where_it_is_listed_and_a_viewer_cannot(
    client: Client, database: Database, workspace: Workspace
) -> None:
    definition = await judging.shares(database, workspace, [2])
    await judging.watch(database, workspace, definition, judging.given(judging.FLOOR))
    await judging.until(database, definition, 1)
    editor = await present(database, workspace, Role.EDITOR)
    client.cookies.set(COOKIE, await signed_in(database, editor))
    page = (await client.get("/alerts?state=raised")).text
    which = {"id": identity(page, "alert_acknowledge")}
    taken = await send_to(client, "/alerts?state=raised", "alert_acknowledge", **which, note="Mine")
    assert (taken.status_code, taken.headers["location"]) == (303, "/alerts?state=raised")
    assert ACTIONS["alert_acknowledge"].done in (await client.get("/alerts?state=raised")).text
    said = {"alert": which["id"], "kpi": "activation", "text": "The form was down"}
    refused = await send_to(client, "/alerts?state=all", "annotation_add", **said, notedOn="tomorrow")
    assert "“tomorrow” is no day such as 2026-12-31." in unescape(refused.text)
    assert 'value="The form was down"' in refused.text
    noted = await send_to(client, "/alerts?state=all", "annotation_add", **said, notedOn="2026-06-01")
    assert noted.status_code == 303, noted.text
    assert (await send_to(client, "/alerts?state=all", "alert_resolve", **which, note="")).status_code == 303
    assert await state(database, "alerts", workspace, "state, note") == [("RESOLVED", "Mine")]
    viewer = await present(database, workspace, Role.VIEWER, "bob@example.org")
    client.cookies.set(COOKIE, await signed_in(database, viewer))
    assert "alert_resolve" not in (await client.get("/alerts?state=all")).text
    assert (await send_to(client, "/alerts", "alert_resolve", **which)).status_code == 403


async def test_reviewer_decides_on_the_page_of_an_experiment_and_says_why_where_that_is_needed(
    client: Client, database: Database, workspace: Workspace, ask: Ask, started: str
) -> None:
    reviewer = await present(database, workspace, Role.REVIEWER)
    client.cookies.set(COOKIE, await signed_in(database, reviewer))
    path = "/experiments/guided-tour"
    assert "experiment_decide" not in (await client.get(path)).text
    await ask(documents.EXPERIMENT_STOP, {"input": {"id": started, "stoppedAt": "2026-06-15T00:00:00Z"}})
    assert identity((await client.get(path)).text, "experiment_decide") == started
    said = {"id": started, "choice": "SHIP", "variant": "tour"}
    unchosen = await send_to(client, path, "experiment_decide", **said | {"choice": ""})
    assert "Choose one of these." in unchosen.text
    unsaid = await send_to(client, path, "experiment_decide", **said)
    assert (unsaid.status_code, "say why" in unsaid.text) == (200, True)
    assert '<option value="tour" selected>' in unsaid.text
    decided = await send_to(client, path, "experiment_decide", **said, reason="We believe in it")
    assert (decided.status_code, decided.headers["location"]) == (303, path)
    page = (await client.get(path)).text
    assert "Ada decided: ship tour" in page
    assert ACTIONS["experiment_decide"].done in page
