"""`truelift mcp`: what a language model may ask of a server, over standard input and output."""

import asyncio
import os
from importlib.util import find_spec
from typing import Annotated

import typer

from api.commands.process import fail

app = typer.Typer(add_completion=False)
KEY, URL = "TRUELIFT_KEY", "TRUELIFT_URL"
NEEDED = ("mcp", "httpx")
"""What the extra `mcp` installs."""


@app.command()
def mcp(
    url: Annotated[str, typer.Option(envvar=URL, help="The address of the server.")] = "http://127.0.0.1:8000",
    write: Annotated[bool, typer.Option("--write", help="Also offer to register hypotheses and drafts.")] = False,
) -> None:
    """Serve a model its tools until it hangs up. The key is in TRUELIFT_KEY: no list of processes shows it."""
    if not all(find_spec(name) for name in NEEDED):
        fail("This needs the extra “mcp”: “make mcp” installs it.")
    key = os.environ.get(KEY)
    if not key:
        fail(f"Set {KEY} to a key with the scope “read”; “truelift key create NAME --scope read” makes one.")
    from api.mcp import server  # noqa: PLC0415 - the extra need not be installed
    from truelift import TrueliftError  # noqa: PLC0415 - as above

    try:
        asyncio.run(server.serve(url, key, writes=write))
    except TrueliftError as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
