"""`truelift serve`: the API and the pages."""

from typing import Annotated

import typer

from api.commands.loading import to_stay
from api.commands.process import DataDir, Port, check_port, console, surroundings

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; 127.0.0.1 unless set.")] = None,
    port: Port = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Leave the refreshing to `truelift work`.")] = False,
) -> None:
    """Serve the API and the pages, with the worker in the same process."""
    with surroundings(data_dir) as around:
        address, number = host or around.settings.host, port or around.settings.port
        check_port(address, number)
        with to_stay():
            from api.commands import serving  # noqa: PLC0415 - what cannot start says so before all this is loaded
        serving.serve(
            around,
            host=address,
            port=number,
            with_worker=not no_worker,
            ready=lambda: console.print(f"Truelift serves on http://{address}:{number}/"),
        )
