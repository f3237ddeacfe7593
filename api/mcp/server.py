"""The MCP server over standard input and output."""

from typing import Any

from mcp.server import MCPServer

from api.mcp.documents import document
from api.mcp.reading import add_reading
from api.mcp.writing import add_writing
from api.version import VERSION
from truelift import AsyncTruelift, Forbidden

NEEDED = "edit"
"""The scope of a key that registers."""
INSTRUCTIONS = (
    "Truelift tests KPIs as hypotheses. Its verdicts and checks are authoritative: quote them, do not recalculate. Ask"
    " experiment_diagnostics before experiment_results."
)


def built(truelift: AsyncTruelift, *, writes: bool) -> MCPServer[Any]:
    """The server with its tools: those that read, and those that register where that was asked for."""
    server: MCPServer[Any] = MCPServer(
        "truelift", instructions=INSTRUCTIONS, version=VERSION, log_level="WARNING", subscriptions=False
    )
    add_reading(server, truelift)
    if writes:
        add_writing(server, truelift)
    return server


async def serve(url: str, key: str, *, writes: bool) -> None:
    """Serve until standard input ends. Raises TrueliftError for a key that may not do what is asked."""
    async with AsyncTruelift(url, key) as truelift:
        if writes:
            await check(truelift)
        await built(truelift, writes=writes).run_stdio_async()


async def check(truelift: AsyncTruelift) -> None:
    """Raise Forbidden for a key that may not register."""
    scopes = (await truelift.query(document("viewer")))["viewer"]["apiKey"]["scopes"]
    if NEEDED not in scopes:
        raise Forbidden(
            f"--write needs a key with the scope “{NEEDED}”; this one has {', '.join(scopes)}.", code="FORBIDDEN"
        )
