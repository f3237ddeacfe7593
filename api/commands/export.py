"""`truelift export`: rows as a file that `truelift import` reads, of any size."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from api.auth.tenants import DEFAULT, workspace
from api.commands.process import DataDir, WorkspaceKey, console, fail, run, surroundings
from api.database import Database
from api.files.times import moment
from api.files.writing import Form, written
from experiments.aggregation.extraction import ATTRIBUTE, Noun, Selection, extract
from kpi.errors import NotFound

app = typer.Typer(add_completion=False)

Experiment = Annotated[str | None, typer.Option("--experiment", help="Only what belongs to this experiment.")]
Unit = Annotated[str | None, typer.Option("--unit", help="Only rows of this unit, named as its senders write it.")]
From = Annotated[str | None, typer.Option("--from", help="A day or time, UTC unless it names a zone.")]
To = Annotated[str | None, typer.Option("--to", help="A day or time; what happened then is left out.")]
Spreadsheet = Annotated[
    bool, typer.Option("--spreadsheet", help="Defuse texts that a spreadsheet would run; not to be imported again.")
]


@app.command()
def export(
    noun: Annotated[Noun, typer.Argument(help="What to export.")],
    file: Annotated[Path, typer.Argument(help="The .csv or .parquet file to write.")],
    experiment: Experiment = None,
    unit: Unit = None,
    from_: From = None,
    to: To = None,
    spreadsheet: Spreadsheet = False,
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """Write exposures, outcomes or aggregates to a file."""
    ending = file.suffix.removeprefix(".")
    if ending not in set(Form):
        fail(f"{file} is neither a .csv nor a .parquet file.")
    if unit is not None and noun is Noun.AGGREGATES:
        fail("Aggregates are of no one unit; leave --unit out.")
    of = Selection(experiment=experiment, unit=unit, from_at=_moment("--from", from_), to_at=_moment("--to", to))
    with surroundings(data_dir) as around:
        attributes = run(
            around,
            lambda database: export_file(
                database, workspace, noun, of, file, Form(ending), for_spreadsheet=spreadsheet
            ),
        )
    again = "".join(f" --attribute '{name.removeprefix(ATTRIBUTE)}={name}:text'" for name in attributes)
    console.print(f"To take it in elsewhere: truelift import {noun} {file}{again}", soft_wrap=True, markup=False)


async def export_file(
    database: Database,
    workspace_key: str,
    noun: Noun,
    of: Selection,
    file: Path,
    form: Form,
    *,
    for_spreadsheet: bool = False,
) -> list[str]:
    """Write rows of a workspace to a file; returns the columns that hold attributes."""
    async with database.read() as session:
        owner = await workspace(session, workspace_key)
    if owner is None:
        fail(f"There is no workspace “{workspace_key}”.")
    async with database.raw() as connection:
        try:
            found = await extract(connection, workspace_id=owner.id, noun=noun, of=of)
        except NotFound:
            fail(f"There is no experiment “{of.experiment}” in the workspace “{workspace_key}”.")
        pieces = written(form, found.columns, found.batches(connection), for_spreadsheet=for_spreadsheet)
        with file.open("wb") as sink:
            async for piece in pieces:
                sink.write(piece)
    return [name for name in found.columns if name.startswith(ATTRIBUTE)]


def _moment(option: str, text: str | None) -> datetime | None:
    try:
        return None if text is None else moment(text)
    except ValueError:
        fail(f"{option} {text!r} is no moment like 2026-06-01 or 2026-06-01T08:00:00Z.")
