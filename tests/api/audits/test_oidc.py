"""Signing in at oidc-provider, a certified OpenID provider, end to end; what no real one does, it is made to do."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from api.app import build
from api.auth.tables import Role
from api.database import Database
from api.settings import Settings
from kpi.tables import Workspace
from tests.api.audits.test_schema import PACKAGES
from tests.api.conftest import SECRET, Client
from tests.api.people import OWN, invited
from tests.service.running import free_port

NODE = shutil.which("node")
BASE, CALLBACK = "http://truelift.test", "http://truelift.test/sign-in/oidc/callback"
CLIENT, CLIENT_SECRET = "truelift", "a secret: of the client's & own"
ELSEWHERE = "http://elsewhere.test/callback"
NOT_CONFIRMED = "Who you are could not be confirmed."
VIEWER = '{"query": "{ viewer { workspace role member { email } } }"}'

pytestmark = [
    pytest.mark.audit,
    pytest.mark.skipif(NODE is None, reason="NOT AUDITED: Node is absent"),
    pytest.mark.skipif(not (PACKAGES / "node_modules").is_dir(), reason="NOT AUDITED: run `make audit`"),
]


@dataclass(slots=True, kw_only=True)
class Peer:
    """The provider, in a process of its own."""

    issuer: str
    process: asyncio.subprocess.Process

    async def ready(self) -> None:
        assert self.process.stdout is not None
        while (line := await self.process.stdout.readline()) != b"ready\n":
            assert line, "the provider ended"

    async def become(self, **told: object) -> None:
        """Be another provider of the same name, with the same keys unless it is told otherwise."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(told).encode() + b"\n")
        await self.ready()


@pytest_asyncio.fixture(scope="module")
async def peer_of_all() -> AsyncIterator[Peer]:
    issuer = f"http://127.0.0.1:{free_port()}"
    clients = [
        {"client_id": CLIENT, "client_secret": CLIENT_SECRET, "redirect_uris": [CALLBACK]},
        {"client_id": "another", "client_secret": CLIENT_SECRET, "redirect_uris": [ELSEWHERE]},
    ]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(NODE), PACKAGES / "oidc.mjs", json.dumps({"issuer": issuer, "clients": clients}), stdin=pipe, stdout=pipe
    )
    found = Peer(issuer=issuer, process=process)
    await found.ready()
    yield found
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


@pytest_asyncio.fixture
async def peer(peer_of_all: Peer) -> Peer:
    await peer_of_all.become()
    return peer_of_all


@pytest.fixture
def app(database: Database, peer: Peer) -> Starlette:
    settings = Settings(
        oidc_allows_http=True,
        oidc_issuer=peer.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=CLIENT_SECRET,
        base_url=BASE,
    )
    return build(database, settings=settings, secret=SECRET, with_worker=False)


@pytest_asyncio.fixture
async def ada(database: Database, workspace: Workspace) -> str:
    """Somebody who is invited."""
    email = f"ada@{workspace.key}.example.org"
    await invited(database, workspace, Role.EDITOR, email)
    return email


async def back(there: str, login: str) -> str:
    """Where the provider sends a browser back to whose person signs in there, and consents."""
    async with httpx.AsyncClient(timeout=60) as browser:
        answer = await browser.get(there)
        for _ in range(12):
            if answer.is_redirect:
                there = urljoin(there, answer.headers["location"])
                if not there.startswith(("http://127.0.0.1", "http://localhost")):
                    return there
                answer = await browser.get(there)
                continue
            form = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert form, answer.text
            assert prompt, answer.text
            said = {"prompt": prompt[1], "login": login, "password": "any"}
            there = urljoin(there, form[1])
            answer = await browser.post(there, data=said)
    raise AssertionError("the provider goes round in circles")


async def begun(client: Client) -> str:
    """Where a browser is sent that begins to sign in."""
    answer = await client.get("/sign-in/oidc")
    assert answer.status_code == 303
    return str(answer.headers["location"])


async def finished(client: Client, login: str) -> httpx.Response:
    """Sign in at the provider, and come back."""
    return await client.get(await back(await begun(client), login))


async def is_in(client: Client) -> bool:
    return (await client.get("/")).status_code == 200


async def refused(client: Client, answer: httpx.Response, caplog: pytest.LogCaptureFixture, reason: str) -> None:
    assert (answer.status_code, NOT_CONFIRMED in answer.text) == (403, True)
    assert not await is_in(client)
    assert reason in caplog.text
    assert "eyJ" not in caplog.text


@pytest.mark.parametrize(
    "told",
    [
        {"conforms": True},  # the mailbox is told at the userinfo endpoint alone, as the specification has it
        {"conforms": False},  # the mailbox is in the ID token
        {"alg": "ES256"},
        {"alg": "PS256"},
    ],
    ids=str,
)
async def test_person_signs_in_at_a_certified_provider(
    client: Client, peer: Peer, ada: str, workspace: Workspace, told: dict[str, Any]
) -> None:
    await peer.become(**told)
    answer = await finished(client, ada)
    assert (answer.status_code, answer.headers.get("location")) == (303, "/"), answer.text
    viewer = (await client.post("/graphql", content=VIEWER, headers=OWN)).json()["data"]["viewer"]
    assert viewer == {"workspace": workspace.key, "role": "EDITOR", "member": {"email": ada}}


async def test_provider_that_has_new_keys_is_asked_for_them(client: Client, peer: Peer, ada: str) -> None:
    assert (await finished(client, ada)).status_code == 303
    await peer.become(hasNewKeys=True)
    client.cookies.clear()
    assert (await finished(client, ada)).status_code == 303


async def test_answer_of_another_sign_in_and_one_that_was_used_sign_nobody_in(
    client: Client, peer: Peer, ada: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = parse_qs(urlsplit(await back(await begun(client), ada)).query)
    second = parse_qs(urlsplit(await back(await begun(client), ada)).query)
    assert second["iss"] == [peer.issuer]
    mixed = {"code": first["code"][0], "state": second["state"][0], "iss": peer.issuer}
    # The provider holds the code against the verifier of who began it, and refuses.
    await refused(client, await client.get(f"{CALLBACK}?{urlencode(mixed)}"), caplog, "no ID token for the code (400)")


async def test_person_who_does_not_sign_in_there_is_told_so(client: Client, ada: str) -> None:
    there = f"{await begun(client)}&prompt=none"
    answer = await client.get(await back(there, ada))
    assert (answer.status_code, "did not sign you in" in answer.text) == (403, True)


async def test_mailbox_that_the_provider_has_not_verified_signs_nobody_in(client: Client, peer: Peer, ada: str) -> None:
    await peer.become(verified=False)
    answer = await finished(client, ada)
    assert (answer.status_code, "has not verified your e-mail address" in answer.text) == (403, True)
    assert not await is_in(client)


async def test_token_whose_time_is_over_signs_nobody_in(
    client: Client, peer: Peer, ada: str, caplog: pytest.LogCaptureFixture
) -> None:
    await peer.become(slow=3_600)
    await refused(client, await finished(client, ada), caplog, "expired_token")


async def token_of(peer: Peer, client_id: str, redirect: str, nonce: str, login: str) -> str:
    """An ID token of the provider's own, for a client and a nonce of one's choice."""
    verifier, challenge = "v" * 43, "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"
    asked = {"client_id": client_id, "response_type": "code", "redirect_uri": redirect, "scope": "openid email"}
    asked |= {"nonce": nonce, "state": "s", "code_challenge": challenge, "code_challenge_method": "S256"}
    answer = await back(f"{peer.issuer}/auth?{urlencode(asked)}", login)
    given = {"grant_type": "authorization_code", "code": parse_qs(urlsplit(answer).query)["code"][0]}
    given |= {"redirect_uri": redirect, "code_verifier": verifier}
    auth = httpx.BasicAuth(client_id, "a+secret%3A+of+the+client%27s+%26+own")
    async with httpx.AsyncClient() as other:
        told = (await other.post(f"{peer.issuer}/token", data=given, auth=auth)).json()
    return str(told["id_token"])


@pytest.mark.parametrize(
    ("client_id", "redirect", "has_nonce", "reason"),
    [
        ("another", ELSEWHERE, True, "Invalid claim: 'aud'"),
        (CLIENT, CALLBACK, False, "Invalid claim: 'nonce'"),
    ],
)
async def test_token_that_was_made_for_another_client_or_another_sign_in_signs_nobody_in(
    client: Client,
    peer: Peer,
    ada: str,
    caplog: pytest.LogCaptureFixture,
    client_id: str,
    redirect: str,
    has_nonce: bool,
    reason: str,
) -> None:
    there = await begun(client)
    nonce = parse_qs(urlsplit(there).query)["nonce"][0] if has_nonce else "another"
    token = await token_of(peer, client_id, redirect, nonce, ada)
    await peer.become(token=token)
    await refused(client, await client.get(await back(there, ada)), caplog, reason)


async def test_userinfo_of_another_person_signs_nobody_in(
    client: Client, peer: Peer, ada: str, caplog: pytest.LogCaptureFixture
) -> None:
    await peer.become(sub="somebody else")
    await refused(client, await finished(client, ada), caplog, "does not tell of the same person")
