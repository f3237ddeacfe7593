"""Who a provider says somebody is: its ID token, checked as OpenID Connect Core 1.0, section 3.1.3.7, asks. Pure.

Only signatures by a provider's private key count: “none”, and those under a secret that both have, are no algorithms
here, so a public key can never be taken for a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from api.auth.errors import NotConfirmed, NotVerified, UnknownKey
from kpi.ingest import is_text

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
LEEWAY = 60
"""Seconds that two clocks may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person as the provider knows them; `subject` is the issuer, a space and the `sub`."""

    subject: str
    email: str


def believed(
    token: str, key_set: KeySet, *, issuer: str, client_id: str, nonce: str, now: datetime
) -> Mapping[str, Any]:
    """What a token says, if it is for us and for this sign-in. Raises UnknownKey or NotConfirmed."""
    claims = _signed(token, key_set)
    registry = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        registry.validate(dict(claims))
    except JoseError as fault:
        raise NotConfirmed(reason=f"ID token: {fault.error}, {fault.description}") from None
    if isinstance(claims["aud"], list) and claims["aud"] != [client_id] and claims.get("azp") != client_id:
        raise NotConfirmed(reason="ID token: it is for several, and was made for another of them")
    return claims


def _signed(token: str, key_set: KeySet) -> Mapping[str, Any]:
    """What a token says, if one of the provider's keys signed it."""
    try:
        return jwt.decode(token, key_set, algorithms=ALGORITHMS).claims
    except InvalidKeyIdError:
        raise UnknownKey(reason="ID token: the provider has not the key it names") from None
    except (JoseError, ValueError, TypeError) as fault:
        raise NotConfirmed(reason=f"ID token: {type(fault).__name__}") from None


def person(claims: Mapping[str, Any], issuer: str) -> Identity:
    """Who it is that something is said of. Raises NotConfirmed, or NotVerified."""
    email, sub = claims.get("email"), claims["sub"]
    if not isinstance(email, str) or not sub or not is_text(email + sub):
        raise NotConfirmed(reason="the provider names no e-mail address")
    if claims.get("email_verified") is not True:
        raise NotVerified(reason="the e-mail address is not verified")
    return Identity(subject=f"{issuer} {sub}", email=email.strip().lower())
