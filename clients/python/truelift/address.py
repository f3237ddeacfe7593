"""Where the server is, and the key that opens it."""

import os
from dataclasses import dataclass, field

from truelift.errors import BadInput

URL, KEY = "TRUELIFT_URL", "TRUELIFT_KEY"
"""The variables of the environment that stand for what is not given."""
SECONDS = 60.0
"""Seconds an answer may take, and a stream may be silent: the server's heartbeat is quicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server is, the key that opens it, and how often a request is tried."""

    url: str
    key: str = field(repr=False)  # a notebook shows what it holds, and is shared
    attempts: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"authorization": f"Bearer {self.key}"}


def address(url: str | None, key: str | None, attempts: int) -> Address:
    """What is given, or else what the environment says. Raises BadInput where both are silent."""
    found = {URL: url or os.environ.get(URL), KEY: key or os.environ.get(KEY)}
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise BadInput(f"Give the url and the key, or set {' and '.join(missing)}.", code="BAD_USER_INPUT")
    if attempts < 1:
        raise BadInput("At least one attempt is needed.", code="BAD_USER_INPUT")
    return Address(url=str(found[URL]).rstrip("/"), key=str(found[KEY]), attempts=attempts)
