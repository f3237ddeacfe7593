"""One sign-in on its way to the provider and back: what this browser must bring again, sealed in its own cookie.

The state says that the answer belongs to this browser, the nonce that the token was made for it, the verifier (PKCE)
that whoever redeems the code is who asked for it.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

import msgspec

LIFETIME = timedelta(minutes=10)
PURPOSE = b"flow."
"""Before what is sealed: a mark made for anything else does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A sign-in that was begun, for one workspace or whichever the person belongs to; `ends` in seconds since 1970."""

    state: str
    nonce: str
    verifier: str = field(repr=False)
    workspace: str | None
    ends: int

    @classmethod
    def begin(cls, workspace: str | None, now: datetime) -> "Flow":
        """Begin one."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        ends = int((now + LIFETIME).timestamp())
        return cls(state=state, nonce=nonce, verifier=verifier, workspace=workspace, ends=ends)

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier (RFC 7636, S256)."""
        return _plain(hashlib.sha256(self.verifier.encode()).digest())

    @property
    def proof(self) -> bytes:
        """What is kept of a state that has signed somebody in, so that it does so once."""
        return hashlib.sha256(self.state.encode()).digest()

    def sealed(self, secret: bytes) -> str:
        """As a cookie."""
        body = _plain(msgspec.json.encode(asdict(self)))
        return f"{body}.{_mark(body, secret)}"


def opened(cookie: str, state: str, secret: bytes, now: datetime) -> Flow | None:
    """The sign-in that a cookie stands for; None when it is forged or over, or when this is another one's state."""
    body, _, mark = cookie.partition(".")
    if not hmac.compare_digest(mark.encode("utf-8", "replace"), _mark(body, secret).encode()):
        return None
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=Flow)
    except (ValueError, binascii.Error):
        return None
    is_its = hmac.compare_digest(found.state.encode(), state.encode("utf-8", "replace"))
    return found if is_its and found.ends > now.timestamp() else None


def _mark(body: str, secret: bytes) -> str:
    return hmac.digest(secret, PURPOSE + body.encode("utf-8", "replace"), "sha256").hex()


def _plain(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
