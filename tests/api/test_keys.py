"""API keys: what is stored of one, what opens, and what ends."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.auth import keys
from api.auth.keys import PREFIX, Scope
from api.database import Database
from kpi.tables import Workspace
from tests.api.conftest import SECRET, MakeKey

OTHER_SECRET = b"another secret of 32 characters."
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
"""All examples of a test share its workspace."""


def parts(key: str) -> tuple[str, str]:
    prefix, public_id, token = key.split("_", 2)
    assert prefix == PREFIX
    return public_id, token


async def test_secret_of_a_key_is_nowhere_in_its_row(database: Database, make_key: MakeKey) -> None:
    public_id, token = parts(await make_key(Scope.READ))
    async with database.raw() as connection:
        row = await connection.fetchrow("SELECT k.*, k::text AS shown FROM api_keys k WHERE public_id = $1", public_id)
    assert token not in row["shown"]
    assert token.encode() not in row["secret_hash"]
    assert row["secret_hash"] == hmac.new(SECRET, token.encode(), hashlib.sha256).digest()


async def test_key_opens_with_the_servers_secret_and_with_no_other(
    database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    key = await make_key(Scope.READ, Scope.INGEST)
    async with database.read() as session:
        caller = await keys.caller(session, key, SECRET, datetime.now(UTC))
        assert await keys.caller(session, key, OTHER_SECRET, datetime.now(UTC)) is None
    assert caller is not None
    assert (caller.workspace_id, caller.scopes) == (workspace.id, frozenset({Scope.READ, Scope.INGEST}))


async def test_keys_are_never_alike(make_key: MakeKey) -> None:
    made = [parts(await make_key(Scope.READ)) for _ in range(20)]
    assert len({public_id for public_id, _ in made}) == len({token for _, token in made}) == 20


@settings(SHARED, max_examples=60)
@given(text=st.text() | st.text("tl_0aZ-", max_size=60) | st.binary().map(lambda raw: raw.decode("latin-1")))
@example(text=f"{PREFIX}_")
@example(text=f"{PREFIX}__")
@example(text=f"{PREFIX}_{'0' * 16}_\0")
@example(text=f"{PREFIX}_{'0' * 16}_\ud800")
@example(text=f"{PREFIX}_\ud800_x")
@example(text=f"{PREFIX}_²_x")
async def test_text_that_is_no_key_opens_nothing_and_breaks_nothing(database: Database, text: str) -> None:
    async with database.read() as session:
        assert await keys.caller(session, text, SECRET, datetime.now(UTC)) is None
        assert await keys.caller_by_id(session, "nobody", 0, datetime.now(UTC)) is None


@settings(SHARED, max_examples=30)
@given(place=st.integers(0, 100), letter=st.characters(codec="utf-8"))
async def test_key_with_one_letter_changed_opens_nothing(
    database: Database, make_key: MakeKey, place: int, letter: str
) -> None:
    key = await make_key(Scope.READ)
    changed = key[: place % len(key)] + letter + key[place % len(key) + 1 :]
    async with database.read() as session:
        assert (await keys.caller(session, changed, SECRET, datetime.now(UTC)) is None) is (changed != key)


async def test_revoked_key_opens_nothing_and_cannot_be_revoked_again(
    database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    key, now = await make_key(Scope.READ), datetime.now(UTC)
    public_id, _ = parts(key)
    async with database.write() as session:
        assert not await keys.revoke(session, workspace.id + 1, public_id, now)
    async with database.write() as session:
        assert await keys.revoke(session, workspace.id, public_id, now)
    async with database.write() as session:
        assert not await keys.revoke(session, workspace.id, public_id, now)
        assert await keys.caller(session, key, SECRET, datetime.now(UTC)) is None
        assert await keys.caller_by_id(session, public_id, 0, datetime.now(UTC)) is None
        (row,) = await keys.listed(session, workspace.id)
    assert row.revoked_at == now


@pytest.mark.parametrize("public_id", ["", "nobody", "²", "x" * 10_000])
async def test_revoking_what_is_no_key_says_so(database: Database, workspace: Workspace, public_id: str) -> None:
    async with database.write() as session:
        assert not await keys.revoke(session, workspace.id, public_id, datetime.now(UTC))
