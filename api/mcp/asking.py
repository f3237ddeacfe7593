"""What every tool does: send its document, and answer with the server's own words as compact JSON."""

from typing import Any

import msgspec
from mcp.server.mcpserver.exceptions import ToolError

from api.mcp.documents import document
from truelift import AsyncTruelift, TrueliftError


async def answer(truelift: AsyncTruelift, name: str, **variables: Any) -> str:
    """The data of a tool's document. Raises ToolError, in words, for what is wrong or not there."""
    try:
        data = await truelift.query(document(name), variables)
    except TrueliftError as error:
        raise ToolError(str(error)) from error
    (found,) = data.values()
    if found is None:
        raise ToolError(f"There is no “{variables.get('key')}” in the workspace of this key.")
    if isinstance(found, dict) and found.get("userErrors"):
        raise ToolError(compact(found["userErrors"]))
    return compact(found)


def compact(value: Any) -> str:
    """JSON without spaces."""
    return msgspec.json.encode(value).decode()
