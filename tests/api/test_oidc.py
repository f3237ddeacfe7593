"""Signing in at an identity provider: a good one, and everything that may be wrong with what comes back."""

import base64
import hmac
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.applications import Starlette

from api.app import build
from api.auth import membership
from api.auth.oidc import flow
from api.auth.oidc.flow import Flow
from api.auth.oidc.provider import is_safe
from api.auth.tables import Role
from api.auth.tenants import ensure_workspace
from api.database import Database
from api.settings import Settings, SettingsError, load
from kpi.actor import Actor
from kpi.tables import Workspace
from tests.api.conftest import SECRET, Client
from tests.api.people import OWN, invited, present
from tests.api.provider import CLIENT_ID, CLIENT_SECRET, Peer, key, providing

COOKIE = "truelift_session"
NOT_CONFIRMED = "Who you are could not be confirmed."
VIEWER = '{"query": "{ viewer { name workspace role } }"}'
TRUST = httpx.create_ssl_context()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module")
async def peer_of_all() -> AsyncIterator[Peer]:
    async with providing() as found:
        yield found


@pytest.fixture
def peer(peer_of_all: Peer) -> Peer:
    peer_of_all.reset()
    return peer_of_all


@pytest.fixture(scope="module")
def elsewhere(database: Database, peer_of_all: Peer) -> Starlette:
    """The application, where people sign in at the peer."""
    settings = Settings(
        oidc_allows_http=True,
        oidc_issuer=peer_of_all.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_name="Northwind ID",
        base_url="http://truelift.test",
    )
    return build(database, settings=settings, secret=SECRET, with_worker=False)


@pytest_asyncio.fixture
async def client(elsewhere: Starlette) -> AsyncIterator[Client]:
    transport = httpx.ASGITransport(elsewhere, raise_app_exceptions=False)
    async with Client(transport=transport, base_url="http://truelift.test") as client:
        yield client


@pytest_asyncio.fixture
async def ada(database: Database, workspace: Workspace, peer: Peer) -> str:
    """Somebody who is invited, under a mailbox of her own in this test's workspace alone."""
    email = f"ada@{workspace.key}.example.org"
    await invited(database, workspace, Role.EDITOR, email)
    peer.claims = {"email": email, "sub": workspace.key}
    return email


async def begun(client: Client, **asked: str) -> str:
    """Where the provider sends a browser back to that began to sign in there."""
    there = await client.get("/sign-in/oidc", params=asked)
    assert there.status_code == 303
    async with httpx.AsyncClient(verify=TRUST) as browser:
        back = await browser.get(there.headers["location"])
    assert back.headers["location"].startswith("http://truelift.test/sign-in/oidc/callback?")
    return str(back.headers["location"])


async def is_signed_in(client: Client) -> bool:
    return (await client.get("/")).status_code == 200


async def refused(client: Client, address: str, sentence: str, status: int = 403) -> None:
    """Follow an address back: it signs nobody in, says why, and nothing of the token or the person."""
    answer = await client.get(address)
    assert (answer.status_code, sentence in answer.text) == (status, True)
    assert COOKIE not in answer.headers.get("set-cookie", "")
    assert not any(word in answer.text for word in ("eyJ", "Traceback", "joserfc", "code-"))
    assert not await is_signed_in(client)


async def test_invited_person_signs_in_at_the_provider_and_is_a_member(
    client: Client, database: Database, workspace: Workspace, ada: str
) -> None:
    assert "Sign in with Northwind ID" in (await client.get("/sign-in")).text
    answer = await client.get(await begun(client))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in answer.headers["set-cookie"]
    told = (await client.post("/graphql", content=VIEWER, headers=OWN)).json()["data"]["viewer"]
    assert told == {"name": "Ada", "workspace": workspace.key, "role": "EDITOR"}
    async with database.raw() as connection:
        state = await connection.fetchval("SELECT state FROM members WHERE email = $1", ada)
        entry = await connection.fetchrow("SELECT * FROM audit_entries WHERE workspace_id = $1", workspace.id)
    assert (state, entry["actor"], entry["details"]) == ("ACTIVE", "Ada", {"by": "provider"})


async def test_provider_is_told_what_it_needs_and_nothing_that_must_stay_here(client: Client) -> None:
    answer = await client.get("/sign-in/oidc")
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert set(asked) == {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
    assert {"HttpOnly", "SameSite=lax", "Max-Age=600"} <= set(answer.headers["set-cookie"].split("; "))


CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "another"}, "invalid_claim, Invalid claim: 'nonce'"),
    "no nonce": ({"nonce": None}, "missing_claim, Missing claim: 'nonce'"),
    "for another client": ({"aud": "somebody"}, "Invalid claim: 'aud'"),
    "for several, made for another": ({"aud": [CLIENT_ID, "somebody"], "azp": "somebody"}, "it is for several"),
    "for several, made for nobody": ({"aud": [CLIENT_ID, "somebody"]}, "it is for several"),
    "for nobody": ({"aud": None}, "Missing claim: 'aud'"),
    "of another issuer": ({"iss": "https://accounts.example.org"}, "Invalid claim: 'iss'"),
    "of no issuer": ({"iss": None}, "Missing claim: 'iss'"),
    "expired": ({"exp": int(time()) - 3_600}, "expired_token"),
    "without an end": ({"exp": None}, "Missing claim: 'exp'"),
    "issued tomorrow": ({"iat": int(time()) + 86_400}, "issued in the future"),
    "of nobody": ({"sub": None}, "Missing claim: 'sub'"),
    "without a mailbox": ({"email": None}, "names no e-mail"),
    "with what Postgres cannot hold": ({"email": "a\0@example.org"}, "names no e-mail"),
}


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("fault", CLAIMS)
async def test_token_that_says_what_it_must_not_signs_nobody_in(
    client: Client, peer: Peer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    claims, reason = CLAIMS[fault]
    peer.claims |= claims
    await refused(client, await begun(client), NOT_CONFIRMED)
    assert reason in caplog.text


def unsigned(claims: dict[str, Any]) -> str:
    parts = ({"alg": "none", "kid": "first"}, claims)
    return ".".join(_part(json.dumps(part).encode()) for part in parts) + "."


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    "way", ["none", "public key as a secret", "client secret", "another's key", "unknown key", "changed", "no token"]
)
async def test_token_that_the_provider_did_not_sign_signs_nobody_in(client: Client, peer: Peer, way: str) -> None:
    other = key("first")

    def confused(claims: dict[str, Any]) -> str:
        """HS256 under the public key, which everybody has: by hand, since no library does it for us."""
        said = f"{_part(json.dumps({'alg': 'HS256', 'kid': 'first'}).encode())}.{_part(json.dumps(claims).encode())}"
        return f"{said}.{_part(hmac.digest(peer.key.as_pem(private=False), said.encode(), 'sha256'))}"

    def under_secret(claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET))

    def changed(claims: dict[str, Any]) -> str:
        head, _, mark = peer.signed(claims).split(".")
        return f"{head}.{_part(json.dumps(claims | {'email': 'eve@example.org'}).encode())}.{mark}"

    peer.sign = {
        "none": unsigned,
        "public key as a secret": confused,
        "client secret": under_secret,
        "another's key": lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, other),
        "unknown key": lambda claims: jwt.encode({"alg": "RS256", "kid": "second"}, claims, other),
        "changed": changed,
        "no token": lambda _claims: "",
    }[way]
    await refused(client, await begun(client), NOT_CONFIRMED)


@pytest.mark.usefixtures("ada")
async def test_key_that_is_new_is_asked_for_and_others_are_not_asked_for_again(client: Client, peer: Peer) -> None:
    await client.get(await begun(client))
    before, peer.key = peer.asked_for_keys, key("next")
    client.cookies.clear()
    await client.get(await begun(client))
    assert await is_signed_in(client)
    client.cookies.clear()
    await client.get(await begun(client))
    assert peer.asked_for_keys == before + 1
    peer.key = key("first")


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_mailbox_that_is_not_verified_signs_nobody_in(client: Client, peer: Peer, verified: object) -> None:
    peer.claims["email_verified"] = verified
    await refused(client, await begun(client), "has not verified your e-mail address")


@pytest_asyncio.fixture
async def fresh(database: Database, peer: Peer) -> AsyncIterator[Client]:
    """A browser of an application that has asked the provider nothing yet."""
    settings = Settings(
        oidc_allows_http=True,
        oidc_issuer=peer.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        base_url="http://truelift.test",
    )
    app = build(database, settings=settings, secret=SECRET, with_worker=False)
    async with Client(transport=httpx.ASGITransport(app), base_url="http://truelift.test") as client:
        yield client


async def test_mailbox_that_is_told_at_the_userinfo_endpoint_alone_signs_its_member_in(
    fresh: Client, workspace: Workspace, peer: Peer, ada: str
) -> None:
    peer.claims |= {"email": None, "email_verified": None}
    peer.told = {"sub": workspace.key, "email": ada, "email_verified": True, "nonce": "whatever it says"}
    assert (await fresh.get(await begun(fresh))).status_code == 303
    assert await is_signed_in(fresh)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"sub": "somebody else"}, NOT_CONFIRMED),
        ({"sub": None}, NOT_CONFIRMED),
        ({"email": None}, NOT_CONFIRMED),
        ({"email_verified": False}, "has not verified your e-mail address"),
        ({"email_verified": "true"}, "has not verified your e-mail address"),
    ],
)
async def test_userinfo_of_somebody_else_or_without_a_verified_mailbox_signs_nobody_in(
    fresh: Client, workspace: Workspace, peer: Peer, ada: str, told: dict[str, Any], sentence: str
) -> None:
    peer.claims |= {"email": None, "email_verified": None}
    peer.told = {"sub": workspace.key, "email": ada, "email_verified": True} | told
    await refused(fresh, await begun(fresh), sentence)


async def test_what_a_token_says_of_the_mailbox_is_not_asked_for_elsewhere(fresh: Client, peer: Peer, ada: str) -> None:
    assert ada
    peer.claims["email_verified"] = False
    peer.told = {"sub": peer.claims["sub"], "email": ada, "email_verified": True}
    await refused(fresh, await begun(fresh), "has not verified your e-mail address")


async def test_person_who_is_no_member_is_told_so_and_sees_nothing(
    client: Client, database: Database, workspace: Workspace, peer: Peer
) -> None:
    stranger = f"eve@{workspace.key}.example.org"
    peer.claims = {"email": stranger, "sub": "eve"}
    await refused(client, await begun(client), f"signed in there as {stranger}, but nobody of this address is a member")
    member = await present(database, workspace, Role.ADMIN, stranger)
    await present(database, workspace, Role.ADMIN, "other@example.org")
    async with database.write() as session:
        actor = Actor(workspace_id=workspace.id, name="setup", id="setup", now=datetime.now(UTC))
        await membership.remove(session, actor=actor, which=member.id)
    await refused(client, await begun(client), "nobody of this address is a member")


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    "fault", ["another state", "no state", "no cookie", "another browser", "over", "no code", "iss"]
)
async def test_return_that_this_browser_did_not_begin_signs_nobody_in(
    client: Client, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "over":
        monkeypatch.setattr(flow, "LIFETIME", timedelta(seconds=-1))
    address = await begun(client)
    if fault == "another browser":
        client.cookies.clear()
        await client.get("/sign-in/oidc")
    if fault == "no cookie":
        client.cookies.clear()
    address = {
        "another state": address.replace("state=", "state=x"),
        "no state": address.partition("&state")[0],
        "no code": address.replace("code=", "error="),
        "iss": f"{address}&iss=https://accounts.example.org",
    }.get(fault, address)
    sentence = {"no code": "Northwind ID did not sign you in.", "iss": NOT_CONFIRMED}
    await refused(client, address, sentence.get(fault, "This sign-in was not begun in this browser"))


@pytest.mark.usefixtures("ada")
async def test_code_and_state_sign_in_once_also_with_the_cookie_of_the_first_time(client: Client, peer: Peer) -> None:
    address = await begun(client)
    kept = dict(client.cookies)
    await client.get(address)
    assert await is_signed_in(client)
    client.cookies.clear()
    await refused(client, address, "This sign-in was not begun in this browser")
    client.cookies.update(kept)
    await refused(client, address, NOT_CONFIRMED)  # the provider takes a code once
    peer.forgets_codes = False
    client.cookies.clear()
    address = await begun(client)
    kept = dict(client.cookies)
    await client.get(address)
    client.cookies.clear()
    client.cookies.update(kept)
    await refused(client, address, "This has signed somebody in already")  # and so do we, whatever the provider does


async def test_mailbox_that_is_given_to_somebody_else_opens_nothing(
    client: Client, database: Database, workspace: Workspace, ada: str, peer: Peer
) -> None:
    await client.get(await begun(client))
    client.cookies.clear()
    peer.claims = {"email": ada, "sub": "somebody else"}
    await refused(client, await begun(client), "nobody of this address is a member")
    peer.claims = {"email": f"lovelace@{workspace.key}.example.org", "sub": workspace.key}  # the same person, renamed
    await client.get(await begun(client))
    assert await is_signed_in(client)
    async with database.raw() as connection:
        assert await connection.fetchval("SELECT count(*) FROM members WHERE workspace_id = $1", workspace.id) == 1


async def test_person_of_two_workspaces_comes_to_the_one_they_name_or_were_in_last(
    client: Client, database: Database, workspace: Workspace, ada: str
) -> None:
    async with database.write() as session:
        other = await ensure_workspace(session, f"{workspace.key}-other", datetime.now(UTC))
    await invited(database, other, Role.VIEWER, ada)
    await client.get(await begun(client, workspace="\0"))
    assert await is_signed_in(client)
    await client.get(await begun(client, workspace=other.key))
    for named, expected in (({"workspace": other.key}, other), ({}, other), ({"workspace": workspace.key}, workspace)):
        client.cookies.clear()
        await client.get(await begun(client, **named))
        told = (await client.post("/graphql", content=VIEWER, headers=OWN)).json()["data"]["viewer"]
        assert told["workspace"] == expected.key


async def test_provider_that_does_not_answer_as_it_should_is_said_to_and_not_asked_for_anything(
    database: Database, peer: Peer
) -> None:
    for metadata in (
        {"issuer": "https://accounts.example.org"},
        {"authorization_endpoint": "http://accounts.example.org/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"padding": " " * 1_000_000},
    ):
        peer.metadata = metadata
        app = build(
            database,
            settings=Settings(
                oidc_allows_http=True, oidc_issuer=peer.issuer, oidc_client_id="c", oidc_client_secret="s"
            ),
            secret=SECRET,
            with_worker=False,
        )
        async with Client(transport=httpx.ASGITransport(app), base_url="http://truelift.test") as client:
            answer = await client.get("/sign-in/oidc")
        assert (answer.status_code, "does not answer as it should" in answer.text) == (503, True)


async def test_why_somebody_was_not_signed_in_is_logged_without_the_token_or_the_person(
    client: Client, ada: str, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    peer.claims["nonce"] = "another"
    with caplog.at_level(logging.WARNING, "truelift.sign_in"):
        await client.get(await begun(client))
    (record,) = [record for record in caplog.records if record.name == "truelift.sign_in"]
    assert "nonce" in record.getMessage()
    assert not any(word in record.getMessage() for word in (ada, "eyJ", "another"))


async def test_where_no_provider_is_set_there_is_no_way_to_one(app: Starlette) -> None:
    async with Client(transport=httpx.ASGITransport(app), base_url="http://truelift.test") as client:
        for path in ("/sign-in/oidc", "/sign-in/oidc/callback?code=c&state=s"):
            assert (await client.get(path)).status_code == 404


def test_sealed_flow_is_opened_with_its_state_and_secret_in_its_time_alone() -> None:
    begun = Flow.begin(None, NOW)
    sealed = begun.sealed(SECRET)
    assert flow.opened(sealed, begun.state, SECRET, NOW) == begun
    assert flow.opened(sealed, begun.state, b"another secret of 32 characters.", NOW) is None
    assert flow.opened(sealed, "another", SECRET, NOW) is None
    assert flow.opened(sealed, begun.state, SECRET, NOW + timedelta(minutes=10)) is None
    body, _, mark = sealed.partition(".")
    for forged in ("", ".", f"{body}.", f"x{body}.{mark}", f"{body}.{mark[:-1]}x", "\ud800.\ud800"):
        assert flow.opened(forged, begun.state, SECRET, NOW) is None


def test_challenge_is_the_one_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    found = Flow(state="", nonce="", verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", workspace=None, ends=0)
    assert found.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    ("issuer", "allows", "fits"),
    [
        ("https://accounts.example.org", "false", True),
        ("https://accounts.example.org/realms/x", "false", True),
        ("http://accounts.example.org", "true", False),
        ("http://127.0.0.1:9000", "false", False),
        ("http://127.0.0.1:9000", "true", True),
        ("https://accounts.example.org?x=1", "false", False),
        ("accounts.example.org", "false", False),
        ("https://", "false", False),
        ("https://[", "false", False),
    ],
)
def test_issuer_is_https_unless_it_is_this_machine_and_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, issuer: str, allows: str, fits: bool
) -> None:
    monkeypatch.setenv("TRUELIFT_OIDC_ISSUER", issuer)
    monkeypatch.setenv("TRUELIFT_OIDC_ALLOWS_HTTP", allows)
    monkeypatch.setenv("TRUELIFT_OIDC_CLIENT_ID", "c")
    monkeypatch.setenv("TRUELIFT_OIDC_CLIENT_SECRET", "s")
    if fits:
        assert load().oidc_issuer == issuer
        return
    with pytest.raises(SettingsError, match="TRUELIFT_OIDC_ISSUER is wrong"):
        load()


@pytest.mark.parametrize("missing", ["ISSUER", "CLIENT_ID", "CLIENT_SECRET"])
def test_provider_is_set_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    given = {"ISSUER": "https://accounts.example.org", "CLIENT_ID": "c", "CLIENT_SECRET": "s"}
    for name, value in given.items():
        if name != missing:
            monkeypatch.setenv(f"TRUELIFT_OIDC_{name}", value)
    with pytest.raises(SettingsError, match="together or not at all"):
        load()


@pytest.mark.parametrize(
    ("address", "allows_http", "safe"),
    [
        ("https://accounts.example.org/token", False, True),
        ("http://accounts.example.org/token", True, False),
        ("http://127.0.0.1:1/token", True, True),
        ("http://127.0.0.1:1/token", False, False),
        ("http://127.0.0.1.example.org/token", True, False),
        ("https://[", False, False),
        ("file:///etc/passwd", True, False),
    ],
)
def test_addresses_of_the_provider_are_https_too(address: str, allows_http: bool, safe: bool) -> None:
    assert is_safe(address, allows_http=allows_http) is safe
