"""What a request must be before its document is looked at, however it came in."""

from cross_web import HTTPException

from api.graphql.limits import MOST_BYTES

TOO_LONG = f"A document has at most {MOST_BYTES:,} bytes; rows belong into its variables."


class Refused(HTTPException):
    """A request that is answered before it is run: the status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message)
        self.code = code


def key_of(authorization: object) -> str | None:
    """The key that an `Authorization` carries; None where there is none."""
    kind, _, key = authorization.partition(" ") if isinstance(authorization, str) else ("", "", "")
    return key.strip() if kind.lower() == "bearer" and key.strip() else None


def fault_of(body: object) -> str | None:
    """What is wrong with the parameters of a request, in a sentence; None where they are right."""
    if not isinstance(body, dict):
        return "The body is not a JSON object with a query."
    if not isinstance(body.get("query"), str) or not body["query"]:
        return "There is no query: it is a document as text."
    if not isinstance(body.get("operationName"), str | None):
        return "“operationName” is no text."
    wrong = [name for name in ("variables", "extensions") if not isinstance(body.get(name), dict | None)]
    return f"“{wrong[0]}” is no object." if wrong else None


def is_too_long(document: str) -> bool:
    """Whether a document is longer than any may be."""
    return len(document) > MOST_BYTES or len(document.encode("utf-8", "replace")) > MOST_BYTES
