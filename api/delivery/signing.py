"""Signatures of webhooks, after Standard Webhooks 1.0: HMAC-SHA-256 over id, timestamp and body.

The key of an endpoint is derived from its salt under the server's secret, so a leaked database signs nothing.
"""

import base64
import hmac
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

SALT_BYTES = 16
OVERLAP = timedelta(hours=24)
"""How long the key before a rotation signs as well, so that a receiver can change over without missing anything."""


def salt() -> bytes:
    """What a new key is derived from."""
    return secrets.token_bytes(SALT_BYTES)


def salts(newest: bytes, old: bytes | None, rotated_at: datetime | None, now: datetime) -> tuple[bytes, ...]:
    """The salts whose keys sign now, the newest first."""
    is_old_good = old is not None and rotated_at is not None and now < rotated_at + OVERLAP
    return (newest, old) if is_old_good and old is not None else (newest,)


def key(secret: bytes, salt: bytes) -> bytes:
    """The 32 bytes that an endpoint's webhooks are signed with."""
    return hmac.digest(secret, b"endpoint." + salt, "sha256")


def shown(key: bytes) -> str:
    """A key as its receiver is given it."""
    return "whsec_" + base64.b64encode(key).decode()


def headers(keys: Sequence[bytes], *, identity: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a signed webhook that is sent at a moment, one signature a key."""
    timestamp = str(int(at.timestamp()))
    signed = f"{identity}.{timestamp}.".encode() + body
    return {
        "webhook-id": identity,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signatures(keys, signed)),
    }


def _signatures(keys: Sequence[bytes], signed: bytes) -> Iterable[str]:
    for one in keys:
        yield "v1," + base64.b64encode(hmac.digest(one, signed, "sha256")).decode()
