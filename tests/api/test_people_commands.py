"""`truelift member` and `truelift key rotate`, in this process: who may come in afterwards, and what the trail says."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from api.auth import keys, sign_ins
from api.commands import key, member
from api.commands.demo import way_in
from api.database import Database
from tests.api import databases
from tests.api.databases import url_of
from tests.api.test_commands import SECRET, first, on

APPS = {"key": key.app, "member": member.app}
Run = Callable[..., Result]
LINK = re.compile(r"http://127\.0\.0\.1:8000/sign-in/link\?token=(link_[0-9a-f]{16}_[\w-]{43})\n")


@pytest.fixture(scope="module")
def migrated(database_url: str) -> str:
    """The address of a database at the newest schema, in which each test has a workspace of its own."""
    return url_of(database_url, asyncio.run(databases.migrated(database_url)))


@pytest.fixture
def place() -> str:
    """The key of a workspace that nobody else uses."""
    return f"commands-{uuid4().hex[:12]}"


@pytest.fixture
def run(migrated: str, place: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on that workspace."""
    monkeypatch.setenv("DATABASE_URL", migrated)
    monkeypatch.setenv("TRUELIFT_SECRET", SECRET)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(APPS[words[0]], [*words[1:], "--workspace", place])


def said(url: str, place: str, expression: str, table: str) -> Any:
    """What the rows of a workspace say."""
    rows = f"{table} t JOIN workspaces w ON w.id = t.workspace_id AND w.key = '{place}'"
    return first(url, f"SELECT {expression} FROM {rows}")  # noqa: S608 - of this file


def invited_by(url: str, token: str) -> Any:
    async def look(database: Database) -> Any:
        async with database.read() as session:
            return await sign_ins.invited(session, token, SECRET.encode(), datetime.now(UTC))

    return on(url, look)


def test_member_is_invited_with_a_link_listed_changed_and_removed(run: Run, migrated: str, place: str) -> None:
    invited = run("member", "invite", "Ada@example.org", "--role", "admin", "--name", "Ada")
    found = LINK.fullmatch(invited.stdout)
    assert found is not None
    assert invited_by(migrated, found[1]).email == "ada@example.org"
    elsewhere = run("member", "link", "ada@example.org", "--port", "8001").stdout
    assert elsewhere.startswith("http://127.0.0.1:8001/sign-in/link?token=link_")
    again = LINK.fullmatch(run("member", "link", "ada@example.org").stdout)
    assert again is not None
    assert invited_by(migrated, found[1]) is None
    assert invited_by(migrated, again[1]).role == "ADMIN"
    listed = run("member", "list").stderr
    assert all(word in listed for word in ("ada@example.org", "Ada", "admin", "invited"))
    assert "link_" not in listed
    assert run("member", "update", "ada@example.org", "--role", "viewer").exit_code == 0
    assert run("member", "remove", "ada@example.org").exit_code == 0
    assert invited_by(migrated, again[1]) is None
    assert said(migrated, place, "role || ' ' || state", "members") == "VIEWER REMOVED"
    name = said(migrated, place, "'member-' || t.id", "members")
    trail = said(
        migrated, place, "string_agg(action || ' ' || (details->>'member'), ',' ORDER BY number)", "audit_entries"
    )
    assert trail == ",".join(
        f"truelift member {verb} {name}" for verb in ("invite", "link", "link", "update", "remove")
    )


def test_command_on_nobody_or_with_faults_ends_with_a_sentence_and_changes_nothing(
    run: Run, migrated: str, place: str
) -> None:
    for words, sentence in (
        (("member", "link", "ada@example.org"), "Nobody of this address is a member"),
        (("member", "remove", "ada@example.org"), "Nobody of this address is a member"),
        (("member", "invite", "ada", "--role", "viewer"), "not the address of one mailbox"),
        (("key", "rotate", "nothing"), "There is no key nothing"),
        (("key", "create", " ", "--scope", "read"), "A name has 1 to 200 characters."),
    ):
        ended = run(*words)
        assert (ended.exit_code, ended.stdout, sentence in ended.stderr) == (1, "", True)
    assert said(migrated, place, "count(w.id)", "members") == 0
    assert first(migrated, f"SELECT count(*) FROM workspaces WHERE key = '{place}'") == 0  # noqa: S608 - of this file


def test_key_is_rotated_with_a_grace_and_ends_after_its_days(run: Run, migrated: str, place: str) -> None:
    old = run("key", "create", "a notebook", "--scope", "read", "--days", "90").stdout.strip()
    public_id = old.split("_")[1]
    new = run("key", "rotate", public_id, "--grace-hours", "2").stdout.strip()
    newest = run("key", "rotate", public_id, "--grace-hours", "0").stdout.strip()

    async def opening(database: Database) -> list[bool]:
        async with database.read() as session:
            now = datetime.now(UTC)
            return [await keys.caller(session, one, SECRET.encode(), now) is not None for one in (old, new, newest)]

    assert on(migrated, opening) == [False, False, True]
    assert said(migrated, place, "extract(day FROM expires_at - t.created_at)", "api_keys") == 90
    trail = "truelift key create,truelift key rotate,truelift key rotate"
    assert said(migrated, place, "string_agg(action, ',' ORDER BY number)", "audit_entries") == trail


def test_demo_lets_its_admin_in_at_every_start_and_invites_each_of_the_company_once(migrated: str) -> None:
    tokens = [on(migrated, lambda database: way_in(database, SECRET.encode())) for _ in range(2)]
    assert None not in tokens
    found = [invited_by(migrated, str(token)) for token in tokens]
    assert (found[0], found[1].name, found[1].role) == (None, "Sam Rivera", "ADMIN")
    assert said(migrated, "default", "string_agg(email, ' ' ORDER BY t.id)", "members").split()[:2] == [
        "sam.rivera@northwind.example",
        "maya.okafor@northwind.example",
    ]
    first(migrated, "UPDATE members SET state = 'REMOVED' WHERE email LIKE 'sam%' RETURNING id")
    assert on(migrated, lambda database: way_in(database, SECRET.encode())) is None
