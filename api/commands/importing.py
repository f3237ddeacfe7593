"""`truelift import`: a file's rows through the same functions as every other door, with a report of every reject."""

from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from api.auth.tenants import DEFAULT, ensure_workspace
from api.commands.process import DataDir, WorkspaceKey, by_command, console, fail, run, surroundings
from api.database import Database
from api.files.errors import FilesError
from api.files.intake import refused, take_in
from api.files.mapping import Mapping
from api.files.reading import Batch, read
from api.files.rejects import RejectFile
from api.jobs.tables import Noun
from api.pipeline import read_ahead, stored
from api.trail import chain
from kpi.ingest import Report

app = typer.Typer(add_completion=False)

Place = Path | Literal["-"]
AT_ONCE = {Noun.EXPOSURES: 2, Noun.OUTCOMES: 4, Noun.MEMBERSHIPS: 1, Noun.TRAITS: 1, Noun.AGGREGATES: 1}
"""Batches of a file that are stored at once, each by a process of Postgres; 1 where one has to follow the other. While
one waits for the disk at its commit, the others go on."""
AGAIN = "Run the same import again: what is in already does not count twice."


File = Annotated[
    str, typer.Argument(help="A .csv, .ndjson (both also .gz) or .parquet file, or - for CSV on standard input.")
]
MappingFile = Annotated[Path | None, typer.Option("--mapping", help="A TOML file that says what the columns mean.")]
Maps = Annotated[list[str] | None, typer.Option("--map", help="field=column, once for each.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="field=value for a constant, once for each.")]
Attributes = Annotated[list[str] | None, typer.Option("--attribute", help="attribute=column, once for each.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="The zone of times that name none; UTC unless set.")]
Form = Annotated[str | None, typer.Option("--time-format", help="iso, epoch or epoch-ms.")]
Delimiter = Annotated[str | None, typer.Option("--delimiter", help="What separates columns; found out unless set.")]
Rejects = Annotated[
    Path | None,
    typer.Option("--rejects", help="The file for rejected rows; next to you, named after FILE, unless set."),
]


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of a file's rows so far."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0

    def add(self, report: Report, rejects: int) -> None:
        """Add a batch."""
        self.accepted += len(report.accepted)
        self.duplicates += len(report.duplicates)
        self.rejected += len(report.refusals) + rejects


@app.command()
def import_(
    noun: Annotated[Noun, typer.Argument(help="What the rows are.")],
    file: File,
    mapping: MappingFile = None,
    maps: Maps = None,
    sets: Sets = None,
    attributes: Attributes = None,
    timezone: Zone = None,
    time_format: Form = None,
    delimiter: Delimiter = None,
    rejects: Rejects = None,
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """Take in a file: exposures (which unit met which variant, when), outcomes (which unit did what, when), or others.

    Memberships are which account a unit belongs to, traits what is known of a unit, each since when. Aggregates are
    what a warehouse has summed by variant and day; docs/api.md says how.
    """
    place: Place = "-" if file == "-" else Path(file)
    report = rejects or Path(f"{'stdin' if place == '-' else place.name}.{noun}.rejects.csv")
    try:
        columns = Mapping.load(
            kind=noun.value,
            path=mapping,
            maps=maps or (),
            sets=sets or (),
            attributes=attributes or (),
            timezone=timezone,
            time_format=time_format,
            delimiter=delimiter,
        )
        with surroundings(data_dir) as around:
            tally = run(around, lambda database: _into(database, workspace, noun, place, columns, report), hint=AGAIN)
    except FilesError as error:
        fail(str(error))
    console.print(f"{tally.accepted:,} accepted, {tally.duplicates:,} duplicates, {tally.rejected:,} rejected.")
    if tally.rejected:
        console.print(f"The rejected rows and their reasons are in {report}.")


async def _into(database: Database, workspace: str, noun: Noun, place: Place, mapping: Mapping, rejects: Path) -> Tally:
    async with database.write() as session:
        owner = await ensure_workspace(session, workspace, datetime.now(UTC))
    return await import_file(database, owner.id, noun, place, mapping, rejects)


async def import_file(
    database: Database, workspace_id: int, noun: Noun, place: Place, mapping: Mapping, rejects: Path
) -> Tally:
    """Take a file in, a batch a transaction. Stopped in the middle, it is simply run again: nothing counts twice."""
    tally = Tally()

    async def take(batch: Batch) -> tuple[Batch, Report]:
        async with database.raw() as connection:
            now = datetime.now(UTC)
            async with chain.batch(connection, by_command(workspace_id, "import", now)):
                report = await take_in(connection, workspace_id=workspace_id, noun=noun, batch=batch, now=now)
            return batch, report

    columns = (TextColumn(f"{noun}"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[rows]:,} rows"))
    with RejectFile(rejects) as file, Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(noun, total=None, rows=0)
        async with aclosing(stored(read_ahead(read(place, mapping)), take, at_once=AT_ONCE[noun])) as done:
            async for batch, report in done:
                tally.add(report, len(batch.rejects))
                file.write(sorted([*batch.rejects, *refused(batch, report)], key=lambda reject: reject.line))
                rows = tally.accepted + tally.duplicates + tally.rejected
                progress.update(task, completed=batch.bytes_read, total=batch.total_bytes, rows=rows)
    return tally
