"""Links by mail, through a real mail server: members get them, and who asks cannot tell who is a member."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email import message_from_bytes, policy

import httpx
import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP
from starlette.applications import Starlette

from api.app import build
from api.auth import membership
from api.auth.letters import MAILBOX_AT_ONCE, SENDER_AT_ONCE
from api.auth.tables import Member, Role
from api.auth.tenants import ensure_workspace
from api.database import Database
from api.settings import Settings
from kpi.actor import Actor
from kpi.tables import Workspace
from tests.api.conftest import SECRET, Client
from tests.api.delivery.conftest import SENDER, Mailbox
from tests.api.people import invited, present

LINK = re.compile(r"http://truelift\.test/sign-in/link\?token=(link_\w+_[\w-]+)")
BASE = "http://truelift.test"


@pytest_asyncio.fixture(scope="module")
async def mailbox_of_all() -> AsyncIterator[Mailbox]:
    """A mail server on loopback."""
    found, loop = Mailbox(port=0, taken=[], refused={}), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(found, loop=loop), "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await server.wait_closed()


@pytest.fixture
def mailbox(mailbox_of_all: Mailbox) -> Mailbox:
    mailbox_of_all.taken.clear()
    mailbox_of_all.refused.clear()
    return mailbox_of_all


def mailing(mailbox: Mailbox) -> Settings:
    return Settings(base_url=BASE, smtp_host="127.0.0.1", smtp_port=mailbox.port, smtp_from=SENDER, smtp_starttls=False)


@pytest.fixture
def app(database: Database, mailbox: Mailbox) -> Starlette:
    """The application, with a mail server; what it has been asked for is forgotten before each test."""
    return build(database, settings=mailing(mailbox), secret=SECRET, with_worker=False)


@pytest.fixture
def email(workspace: Workspace) -> str:
    """A mailbox that no other test has."""
    return f"ada@{workspace.key}.example.org"


async def ask(client: Client, email: str) -> httpx.Response:
    return await client.post("/sign-in", data={"email": email}, headers={"origin": BASE})


async def sent(app: Starlette, mailbox: Mailbox) -> list[tuple[list[str], str]]:
    """To whom letters went, and what they say, once none is under way."""
    while app.state.letters._tasks:
        await asyncio.gather(*app.state.letters._tasks)
    return [(letter.rcpt_tos, _text(letter.content)) for letter in mailbox.taken]


def _text(content: object) -> str:
    assert isinstance(content, bytes)
    return str(message_from_bytes(content, policy=policy.default).get_content())


async def test_member_is_sent_a_link_that_signs_them_in_once(
    app: Starlette, client: Client, mailbox: Mailbox, database: Database, workspace: Workspace, email: str
) -> None:
    await invited(database, workspace, Role.EDITOR, email)
    assert "Send me a link" in (await client.get("/sign-in")).text
    assert (await ask(client, f" {email.upper()}\n")).status_code == 200
    ((to, text),) = await sent(app, mailbox)
    assert (to, workspace.name in text) == ([email], True)
    (token,) = LINK.findall(text)
    statuses = [(await client.post("/sign-in/link", data={"token": token})).status_code for _ in range(2)]
    assert statuses == [303, 403]
    async with database.raw() as connection:
        entries = await connection.fetch("SELECT * FROM audit_entries WHERE workspace_id = $1 ORDER BY 1", workspace.id)
    assert sorted((entry["actor"], entry["action"]) for entry in entries) == [
        ("Ada", "/sign-in"),
        ("Ada", "/sign-in/mail"),
    ]


async def test_answer_is_the_same_for_members_and_strangers_and_comes_before_anybody_is_looked_up(
    app: Starlette, client: Client, mailbox: Mailbox, database: Database, workspace: Workspace, email: str
) -> None:
    await present(database, workspace, Role.VIEWER, email)
    stranger = f"eve@{workspace.key}.example.org"
    async with database.raw() as connection, connection.transaction():
        await connection.execute("LOCK TABLE members, sign_in_links IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(20):
            answers = [await ask(client, one) for one in (email, stranger)]
    pages = [answer.text.replace(one, "ONE") for answer, one in zip(answers, (email, stranger), strict=True)]
    assert pages[0] == pages[1]
    assert "If ONE is the address of a member, a link is on its way." in pages[0]
    heads = [{name: answer.headers[name] for name in answer.headers if name != "x-request-id"} for answer in answers]
    lengths = [int(head.pop("content-length")) for head in heads]
    assert heads[0] == heads[1]
    assert lengths[0] - lengths[1] == 2 * (len(email) - len(stranger))
    assert [to for to, _ in await sent(app, mailbox)] == [[email]]


async def removed(database: Database, member: Member) -> None:
    actor = Actor(workspace_id=member.workspace_id, name="setup", id="setup", now=datetime.now(UTC))
    async with database.write() as session:
        await membership.remove(session, actor=actor, which=member.id)


async def test_who_is_removed_is_sent_nothing_and_who_is_in_two_workspaces_a_link_to_each(
    app: Starlette, client: Client, mailbox: Mailbox, database: Database, workspace: Workspace, email: str
) -> None:
    async with database.write() as session:
        other = await ensure_workspace(session, f"{workspace.key}-other", datetime.now(UTC))
    gone = await invited(database, workspace, Role.VIEWER, f"bob@{workspace.key}.example.org")
    await removed(database, gone)
    for place in (workspace, other):
        await present(database, place, Role.VIEWER, email)
    for one in (gone.email, email):
        await ask(client, one)
    ((to, text),) = await sent(app, mailbox)
    assert to == [email]
    found = LINK.findall(text)
    assert [(await client.get(f"/sign-in/link?token={token}")).status_code for token in found] == [200, 200]


async def test_mailbox_that_is_asked_for_often_is_left_alone_and_nobody_is_told(
    app: Starlette, client: Client, mailbox: Mailbox, database: Database, workspace: Workspace, email: str
) -> None:
    await present(database, workspace, Role.VIEWER, email)
    answers = [await ask(client, email) for _ in range(MAILBOX_AT_ONCE + 2)]
    assert len({answer.text for answer in answers}) == 1
    assert len(await sent(app, mailbox)) == MAILBOX_AT_ONCE


async def test_who_asks_for_many_mailboxes_waits_whoever_they_are_of(
    app: Starlette, client: Client, mailbox: Mailbox, database: Database, workspace: Workspace, email: str
) -> None:
    await present(database, workspace, Role.VIEWER, email)
    for number in range(SENDER_AT_ONCE):
        assert (await ask(client, f"x{number}@example.org")).status_code == 200
    for one in (email, "stranger@example.org"):
        answer = await ask(client, one)
        assert (answer.status_code, "So many links were asked for" in answer.text) == (429, True)
        assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert await sent(app, mailbox) == []


async def test_what_is_no_mailbox_is_told_so_and_a_form_of_another_site_does_nothing(
    app: Starlette, client: Client, mailbox: Mailbox, database: Database, workspace: Workspace, email: str
) -> None:
    await present(database, workspace, Role.VIEWER, email)
    for said in ("nobody", f"{email}\nBcc: eve@example.org", "a@b@c.example", "<script>@example.org"):
        answer = await ask(client, said)
        assert "This is not the address of one mailbox" in answer.text
        assert "<script>@" not in answer.text
    elsewhere = await client.post("/sign-in", data={"email": email}, headers={"origin": "https://evil.test"})
    assert elsewhere.status_code == 403
    assert await sent(app, mailbox) == []


async def test_letter_that_the_server_refuses_is_in_the_log_without_the_mailbox_or_the_link(
    app: Starlette,
    client: Client,
    mailbox: Mailbox,
    database: Database,
    workspace: Workspace,
    email: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await present(database, workspace, Role.VIEWER, email)
    mailbox.refused[email] = "550 no such mailbox"
    assert "on its way" in (await ask(client, email)).text
    assert await sent(app, mailbox) == []
    found = [record.getMessage() for record in caplog.records if record.name == "truelift.letters"]
    assert found == ["A link was not mailed: the mail server answered 550."]


@pytest.mark.parametrize("has_provider", [True, False])
async def test_no_letter_leads_past_an_identity_provider_and_none_is_offered_without_a_mail_server(
    database: Database, workspace: Workspace, mailbox: Mailbox, email: str, has_provider: bool
) -> None:
    await present(database, workspace, Role.VIEWER, email)
    provider = {"oidc_issuer": "https://id.example.org", "oidc_client_id": "c", "oidc_client_secret": "s"}
    settings = mailing(mailbox).model_copy(update=provider) if has_provider else Settings(base_url=BASE)
    app = build(database, settings=settings, secret=SECRET, with_worker=False)
    async with Client(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        page = (await client.get("/sign-in")).text
        answer = await ask(client, email)
    assert 'name="email"' not in page
    assert ("truelift member link" in page) is not has_provider
    assert (answer.status_code, "not a key that may read" in answer.text) == (403, True)
    assert app.state.letters is None
