"""`truelift migrate`: the database at the schema of this version."""

import typer

from api.commands.process import DataDir, console, run, surroundings
from api.schema import newest, upgrade

app = typer.Typer(add_completion=False)


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to the schema of this version."""
    with surroundings(data_dir) as around:
        run(around, lambda database: upgrade(database.engine), is_migration=True)
    console.print(f"The database is at revision {newest()}.")
