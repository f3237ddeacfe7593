"""The identity provider: what it says of itself, its keys, and the code that it turns into a token.

Whom it is to be asked at is read from its discovery document (OpenID Connect Discovery 1.0), once an hour; so are its
keys, and at once when a token names one that is not among them.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from api.auth.errors import NotConfirmed, ProviderAway, UnknownKey
from api.auth.oidc.flow import Flow
from api.auth.oidc.identity import Identity, believed, person
from api.settings import Settings, is_loopback

DISCOVERY = "/.well-known/openid-configuration"
CALLBACK = "/sign-in/oidc/callback"
SCOPES = "openid email profile"
FRESH = timedelta(hours=1)
SECONDS = 5.0
LARGEST = 1_000_000
"""Bytes of an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What we are to the provider, as the operator set it."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    redirect_uri: str
    allows_http: bool = False

    @classmethod
    def of(cls, settings: Settings, base_url: str) -> "Client | None":
        """What the settings say; None when no provider is set."""
        if not (settings.oidc_issuer and settings.oidc_client_id and settings.oidc_client_secret):
            return None
        return cls(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            name=settings.oidc_name,
            redirect_uri=base_url + CALLBACK,
            allows_http=settings.oidc_allows_http,
        )


class Provider:
    """One identity provider, with what it last said of itself."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._said: dict[str, tuple[datetime, Mapping[str, Any]]] = {}
        self._trust = httpx.create_ssl_context()  # reading the certificates anew each time would hold up everybody

    async def address(self, flow: Flow, now: datetime) -> str:
        """Where a browser goes to sign in. Raises ProviderAway."""
        where = await self._endpoint("authorization_endpoint", now)
        asked = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": SCOPES,
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        return f"{where}{'&' if urlsplit(where).query else '?'}{urlencode(asked)}"

    async def identity(self, code: str, flow: Flow, now: datetime) -> Identity:
        """Who came back with a code. Raises NotConfirmed or ProviderAway."""
        given = await self._given(code, flow, now)
        try:
            claims = await self._believed(given["id_token"], flow, now, FRESH)
        except UnknownKey:
            claims = await self._believed(given["id_token"], flow, now, timedelta(0))
        if "email" not in claims:
            claims = {**claims, **await self._told(given.get("access_token"), claims["sub"], now)}
        return person(claims, self.client.issuer)

    async def _believed(self, token: str, flow: Flow, now: datetime, fresh: timedelta) -> Mapping[str, Any]:
        said = await self._get(await self._endpoint("jwks_uri", now), now, fresh)
        try:
            keys = KeySet.import_key_set(dict(said))  # type: ignore[arg-type]  # what it is not, it refuses
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as fault:
            raise ProviderAway(reason=f"its keys cannot be read ({type(fault).__name__})") from None
        client = self.client
        return believed(token, keys, issuer=client.issuer, client_id=client.client_id, nonce=flow.nonce, now=now)

    async def _told(self, access: object, sub: str, now: datetime) -> Mapping[str, Any]:
        """The mailbox that the userinfo endpoint names: many tell it there alone (OpenID Connect Core 1.0, 5.4)."""
        is_bearer = isinstance(access, str) and access.isascii()
        if not is_bearer or "userinfo_endpoint" not in await self._metadata(now):
            return {}
        where = await self._endpoint("userinfo_endpoint", now)
        status, answer = await self._ask("GET", where, headers={"authorization": f"Bearer {access}"})
        if status != httpx.codes.OK or answer.get("sub") != sub:
            raise NotConfirmed(reason=f"the userinfo endpoint does not tell of the same person ({status})")
        return {name: answer[name] for name in ("email", "email_verified") if name in answer}

    async def _given(self, code: str, flow: Flow, now: datetime) -> Mapping[str, Any]:
        """What the provider gives for a code, an ID token at least."""
        where = await self._endpoint("token_endpoint", now)
        said = await self._metadata(now)
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": flow.verifier,
        }
        methods = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = None
        if "client_secret_basic" in methods:
            basic = httpx.BasicAuth(*map(quote_plus, self._credentials))
        else:
            asked |= dict(zip(("client_id", "client_secret"), self._credentials, strict=True))
        status, answer = await self._ask("POST", where, data=asked, auth=basic)
        if status != httpx.codes.OK or not isinstance(answer.get("id_token"), str):
            raise NotConfirmed(reason=f"the provider gave no ID token for the code ({status})")
        return answer

    @property
    def _credentials(self) -> tuple[str, str]:
        return self.client.client_id, self.client.client_secret

    async def _endpoint(self, name: str, now: datetime) -> str:
        where = (await self._metadata(now)).get(name)
        if not isinstance(where, str) or not is_safe(where, allows_http=self.client.allows_http):
            raise ProviderAway(reason=f"its {name} is not an address we may call")
        return where

    async def _metadata(self, now: datetime) -> Mapping[str, Any]:
        said = await self._get(self.client.issuer.rstrip("/") + DISCOVERY, now, FRESH)
        if said.get("issuer") != self.client.issuer:
            raise ProviderAway(reason="its discovery document is another issuer's")
        return said

    async def _get(self, where: str, now: datetime, fresh: timedelta) -> Mapping[str, Any]:
        """A document of the provider, not older than this."""
        found = self._said.get(where)
        if found is None or now - found[0] >= fresh:
            status, answer = await self._ask("GET", where)
            if status != httpx.codes.OK:
                raise ProviderAway(reason=f"it answered {status}")
            found = self._said[where] = now, answer
        return found[1]

    async def _ask(
        self, method: str, where: str, headers: Mapping[str, str] | None = None, **asked: Any
    ) -> tuple[int, Mapping[str, Any]]:
        """What the provider answers, as JSON; what is no object is an empty one. Raises ProviderAway."""
        body, said = bytearray(), {"accept": "application/json", **(headers or {})}
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx.AsyncClient(timeout=SECONDS, follow_redirects=False, verify=self._trust) as client,
                client.stream(method, where, headers=said, **asked) as answer,
            ):
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > LARGEST:
                        raise ProviderAway(reason="its answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as fault:
            raise ProviderAway(reason=type(fault).__name__) from None
        return answer.status_code, _object(bytes(body))


def is_safe(address: str, *, allows_http: bool) -> bool:
    """Whether an address may be called: https, or http on this very machine where that was allowed."""
    try:
        found = urlsplit(address)
    except ValueError:
        return False
    if found.scheme == "https":
        return bool(found.hostname)
    return allows_http and found.scheme == "http" and is_loopback(found.hostname or "")


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
