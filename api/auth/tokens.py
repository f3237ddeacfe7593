"""Secrets that are shown once: a public part to find them by, and a secret part of which a keyed hash is kept.

A token reads `<prefix>_<public id>_<secret>`, the secret being 32 random bytes, of which the database holds only the
HMAC-SHA-256 under the server's secret. A leaked database opens nothing.
"""

import hmac
import secrets
from dataclasses import dataclass, field

NOTHING = bytes(32)
"""Stands for the hash that is missing: it is compared all the same, so that the time taken says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One such secret."""

    prefix: str
    public_id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, prefix: str) -> "Token":
        """A token that nobody has."""
        return cls(prefix=prefix, public_id=secrets.token_hex(8), secret=secrets.token_urlsafe(32))

    @classmethod
    def read(cls, prefix: str, text: str) -> "Token":
        """The token a text is; its public part is empty for what is none."""
        found, _, rest = text.partition("_")
        public_id, _, secret = rest.partition("_")
        is_token = found == prefix and public_id.isascii() and public_id.isalnum() and len(public_id) <= 32
        return cls(prefix=prefix, public_id=public_id if is_token else "", secret=secret)

    def __str__(self) -> str:
        return f"{self.prefix}_{self.public_id}_{self.secret}"

    def hashed(self, key: bytes) -> bytes:
        """What is kept of it."""
        return hmac.digest(key, self.secret.encode("utf-8", "replace"), "sha256")

    def fits(self, kept: bytes | None, key: bytes) -> bool:
        """Whether this is the token whose hash was kept."""
        return hmac.compare_digest(kept or NOTHING, self.hashed(key))
