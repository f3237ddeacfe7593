"""An identity provider of the tests' own: OpenID Connect over loopback, its tokens signed with joserfc.

It keeps the rules of its side - codes are used once, by who began with the verifier, with the client's secret - unless
a test has it break them: what our side must then notice is the test's matter.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from api.commands.serving import Server
from tests.service.running import free_port

CLIENT_ID, CLIENT_SECRET = "truelift", "a secret: of the client's & own"
Sign = Callable[[dict[str, Any]], str]


def key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass(slots=True, kw_only=True)
class Peer:
    """A provider. `claims` go over what it would say, `sign` in place of how it would, `told` at its userinfo endpoint.

    All until `reset`.
    """

    issuer: str
    key: RSAKey
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] | None = None
    sign: Sign | None = None
    forgets_codes: bool = True
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked_for_keys: int = 0

    def reset(self) -> None:
        """Keep all the rules."""
        self.claims, self.metadata, self.sign, self.forgets_codes = {}, {}, None, True
        self.told = None

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    async def discovery(self, _request: Request) -> Response:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        if self.told is not None:
            said["userinfo_endpoint"] = f"{self.issuer}/me"
        return JSONResponse(said | self.metadata)

    async def me(self, request: Request) -> Response:
        """What is told of who has an access token."""
        assert request.headers["authorization"] == "Bearer a"
        return JSONResponse(self.told)

    async def keys(self, _request: Request) -> Response:
        self.asked_for_keys += 1
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["response_type"] == "code"
        assert (asked["client_id"], asked["code_challenge_method"]) == (CLIENT_ID, "S256")
        assert set(asked["scope"].split()) >= {"openid", "email"}
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302)

    async def token(self, request: Request) -> Response:
        async with request.form() as form:
            given = {name: str(value) for name, value in form.items()}
        asked = self.codes.get(given.get("code", ""))
        verifier = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        is_right = asked is not None and asked["code_challenge"] == challenge
        is_right = is_right and asked is not None and asked["redirect_uri"] == given.get("redirect_uri")
        if not is_right or asked is None or request.headers["authorization"] != basic():
            return JSONResponse({"error": "invalid_grant"}, 400)
        if self.forgets_codes:
            del self.codes[given["code"]]
        now = int(time())
        claims = {
            "iss": self.issuer,
            "sub": "person-1",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            "email": "Ada@Example.org",
            "email_verified": True,
        } | self.claims
        said = {name: value for name, value in claims.items() if value is not None}
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": (self.sign or self.signed)(said)})


def basic() -> str:
    """The client's name and secret, as RFC 6749, section 2.3.1, has them sent."""
    return "Basic " + base64.b64encode(f"{CLIENT_ID}:a+secret%3A+of+the+client%27s+%26+own".encode()).decode()


@asynccontextmanager
async def providing() -> AsyncIterator[Peer]:
    """A provider that runs on a port of this machine."""
    port = free_port()
    peer = Peer(issuer=f"http://127.0.0.1:{port}", key=key("first"))
    routes = [
        Route("/.well-known/openid-configuration", peer.discovery),
        Route("/keys", peer.keys),
        Route("/me", peer.me),
        Route("/authorize", peer.authorize),
        Route("/token", peer.token, methods=["POST"]),
    ]
    started = asyncio.Event()
    server = Server(uvicorn.Config(Starlette(routes=routes), port=port, log_config=None), started.set)
    task = asyncio.create_task(server.serve())
    await started.wait()
    yield peer
    server.should_exit = True
    await task
