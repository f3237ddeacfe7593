"""What a request must be, and what it comes with, before its document is looked at, however it came in."""

import re
from collections.abc import Mapping
from typing import Any

from cross_web import HTTPException
from starlette.requests import HTTPConnection

from api.auth import cookies
from api.graphql.limits import MOST_BYTES

TOO_LONG = f"A document has at most {MOST_BYTES:,} bytes; rows belong into its variables."

NO_QUERY = "There is no query: it is a document as text, or the hash of one that is known."
HASH = re.compile(r"[0-9a-f]{64}")
"""SHA-256, as it is written."""


class Refused(HTTPException):
    """A request that is answered before it is run: the status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message)
        self.code = code


def key_of(authorization: object) -> str | None:
    """The key that an `Authorization` carries; None where there is none."""
    kind, _, key = authorization.partition(" ") if isinstance(authorization, str) else ("", "", "")
    return key.strip() if kind.lower() == "bearer" and key.strip() else None


def bearer(request: HTTPConnection) -> str | None:
    """The key of a request."""
    return key_of(request.headers.get("authorization"))


def cookie_of(request: HTTPConnection) -> str | None:
    """The cookie of a request, where it counts: of one that another site might have sent it is as if there were none.

    A page asks with exact JSON by POST, which is looked at where all bodies are.
    """
    is_asked_so = request.scope["type"] == "websocket" or request.scope["method"] == "POST"
    return cookies.read(request, cookies.SIGNED_IN) if is_asked_so and cookies.is_of_own_page(request) else None


def fault_of(body: object) -> str | None:
    """What is wrong with the parameters of a request, in a sentence; None where they are right."""
    if not isinstance(body, dict):
        return "The body is not a JSON object with a query."
    wrong = [name for name in ("variables", "extensions") if not isinstance(body.get(name), dict | None)]
    if wrong:
        return f"“{wrong[0]}” is no object."
    if not isinstance(body.get("operationName"), str | None):
        return "“operationName” is no text."
    return _fault_of_hash(body) or _fault_of_document(body)


def hash_of(body: Mapping[str, Any]) -> str | None:
    """The hash that a request, which is one, knows its document by; None where it states none."""
    stated = (body.get("extensions") or {}).get("persistedQuery")
    return stated["sha256Hash"] if stated else None


def _fault_of_hash(body: Mapping[str, Any]) -> str | None:
    stated = (body.get("extensions") or {}).get("persistedQuery")
    if stated is None:
        return None
    if not isinstance(stated, dict) or stated.get("version", 1) != 1:
        return "“persistedQuery” is an object of version 1."
    digest = stated.get("sha256Hash")
    is_hash = isinstance(digest, str) and HASH.fullmatch(digest)
    return None if is_hash else "“sha256Hash” is the SHA-256 of the document, as 64 hexadecimal digits in lower case."


def _fault_of_document(body: Mapping[str, Any]) -> str | None:
    document = body.get("query")
    is_known_by_hash = document is None and hash_of(body) is not None
    return None if is_known_by_hash or (isinstance(document, str) and document) else NO_QUERY


def is_too_long(document: str) -> bool:
    """Whether a document is longer than any may be."""
    return len(document) > MOST_BYTES or len(document.encode("utf-8", "replace")) > MOST_BYTES
