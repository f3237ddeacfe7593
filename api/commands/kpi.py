"""`truelift kpi`: KPIs in a file beside the code - what it would change, applied as one, and written from a workspace.

`plan` ends with 0 when the file says what the workspace has, with 2 when it would change something, and with 1 when
it cannot be applied, so that a build can tell them apart.
"""

import getpass
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from api.auth.tenants import DEFAULT, ensure_workspace, workspace
from api.commands.process import DataDir, WorkspaceKey, by_command, console, fail, run, surroundings
from api.database import Database, driver
from api.trail import chain
from api.trail.entry import BY_COMMAND
from kpi.actor import Actor
from kpi.errors import Invalid, Problem
from kpi.sheets import applying
from kpi.sheets.comparison import Fate, Step
from kpi.sheets.document import Document, parse
from kpi.sheets.reading import Sheet, read

app = typer.Typer(help="Keep KPIs in a file beside the code.", no_args_is_help=True, add_completion=False)

CHANGES = 2
"""The exit code of a plan that would change something."""
MARKS = {Fate.NEW: "+", Fate.CHANGED: "~", Fate.UNCHANGED: "=", Fate.UNLISTED: "?"}
LONGEST_SHOWN = 100
"""Characters of a value in a plan."""

File = Annotated[Path, typer.Argument(help="A YAML file of KPIs.")]
Reason = Annotated[str, typer.Option("--reason", help="The reason, kept in the history of every KPI that changes.")]
As = Annotated[str | None, typer.Option("--as", help="Who changes them; your account on this machine unless set.")]


@app.command()
def plan(file: File, workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None) -> None:
    """Show what a file would change. Ends with 0 for nothing, 2 for something, 1 for a file that cannot be applied."""
    steps = _run(file, workspace, data_dir, reason="A plan, not applied.", name="plan", is_trial=True)
    _show(steps)
    if any(step.fate in (Fate.NEW, Fate.CHANGED) for step in steps):
        raise typer.Exit(CHANGES)


@app.command()
def apply(
    file: File, reason: Reason, name: As = None, workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None
) -> None:
    """Make the workspace's KPIs what a file says, on the record: all of it or nothing. None is ever removed."""
    if not reason.strip():
        fail("A change needs a reason: say it with --reason.")
    _show(_run(file, workspace, data_dir, reason=reason, name=name or getpass.getuser(), is_trial=False))


@app.command()
def export(workspace: WorkspaceKey = DEFAULT, data_dir: DataDir = None) -> None:
    """Write the workspace's KPIs to standard output, as a file that `plan` and `apply` read."""
    with surroundings(data_dir) as around:
        forms = run(around, lambda database: _forms(database, workspace))
    typer.echo(msgspec.yaml.encode({"kpis": forms}).decode(), nl=False)


def _run(file: Path, key: str, data_dir: Path | None, *, reason: str, name: str, is_trial: bool) -> list[Step]:
    document, sheets = _read(file)
    with surroundings(data_dir) as around:
        found = run(
            around, lambda database: applied(database, key, sheets, reason=reason, name=name, is_trial=is_trial)
        )
    if isinstance(found, Invalid):
        _refuse(file, document, found.problems)
    return found


async def applied(
    database: Database, key: str, sheets: Sequence[Sheet], *, reason: str, name: str, is_trial: bool
) -> list[Step] | Invalid:
    """Apply a file to a workspace, which is made if it is new; a trial is the same and leaves nothing."""
    now = datetime.now(UTC)
    try:
        async with database.trial() if is_trial else database.write() as session:
            owner = await ensure_workspace(session, key, now)
            actor = Actor(workspace_id=owner.id, name=name, id=BY_COMMAND, now=now, reason=reason)
            connection, deed = await driver(session), by_command(owner.id, "kpi apply", now, name=name)
            async with chain.recorded(connection, deed):
                steps = await applying.apply(session, actor=actor, sheets=sheets)
                await session.flush()
            return steps
    except Invalid as invalid:
        return invalid


async def _forms(database: Database, key: str) -> list[dict[str, Any]]:
    async with database.read() as session:
        owner = await workspace(session, key)
        if owner is None:
            fail(f"There is no workspace “{key}”.")
        return [standing.form for standing in await applying.workspace_kpis(session, owner.id)]


def _read(file: Path) -> tuple[Document, list[Sheet]]:
    try:
        document = parse(file.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8 text.")
    except Invalid as invalid:
        _refuse(file, None, invalid.problems)
    sheets, problems = read(document.value)
    if problems:
        _refuse(file, document, problems)
    return document, sheets


def _refuse(file: Path, document: Document | None, problems: Iterable[Problem]) -> NoReturn:
    """Say every fault with its line and path, and end."""
    for problem in problems:
        line = document.line(problem.path) if document is not None and problem.path else None
        place = f"{file}:{line}" if line else f"{file}"
        path = f" {'.'.join(problem.path)}:" if problem.path else ""
        console.print(f"{place}:{path} {problem.message}", soft_wrap=True, markup=False)
    fail("Nothing was changed.")


def _show(steps: Sequence[Step]) -> None:
    for step in steps:
        if step.fate is Fate.UNCHANGED:
            continue
        note = " stands in the workspace, not in the file; it stays" if step.fate is Fate.UNLISTED else ""
        typer.echo(f"{MARKS[step.fate]} {step.key}{note}")
        for change in step.changes:
            before = "" if step.fate is Fate.NEW else f"{_value(change['before'])} -> "
            typer.echo(f"    {change['path']}: {before}{_value(change['after'])}")
    count = {fate: sum(step.fate is fate for step in steps) for fate in Fate}
    typer.echo(
        f"{count[Fate.NEW]} new, {count[Fate.CHANGED]} changed, {count[Fate.UNCHANGED]} unchanged,"
        f" {count[Fate.UNLISTED]} only in the workspace."
    )


def _value(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
