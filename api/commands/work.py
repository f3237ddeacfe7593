"""`truelift work`: the worker alone."""

import asyncio
import signal
from contextlib import suppress

import typer

from api.commands.observing import observe
from api.commands.process import DataDir, console, run, surroundings
from api.database import Database
from api.delivery.outside import Outside
from api.jobs import worker
from api.settings import Settings
from api.telemetry.exposition import exposed
from api.telemetry.state import State

app = typer.Typer(add_completion=False)


@app.command()
def work(data_dir: DataDir = None) -> None:
    """Run the worker alone, beside `truelift serve --no-worker`."""
    with surroundings(data_dir) as around:
        observe(around)
        console.print("The worker runs.")
        outside = Outside.of(around.settings, around.secret)
        run(around, lambda database: until_ended(database, around.settings, outside))


async def until_ended(database: Database, settings: Settings, outside: Outside) -> None:
    """Work until interrupted; both signals that end a process end it quietly."""
    task = asyncio.create_task(worker.work(database, seconds=settings.refresh_seconds, outside=outside))
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, task.cancel)
    async with exposed(settings, State(database=database, worker_name=worker.APPLICATION)):
        with suppress(asyncio.CancelledError):
            await task
