"""`truelift calibrate --plan` and `--history`: how often one plan errs, and how often splits of one's own data do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.auth.tenants import workspace as workspace_by_key
from api.commands.process import console, fail, run, surroundings
from api.database import Database, driver
from api.version import VERSION
from experiments import queries
from experiments.planning import history
from experiments.planning.history import MOST_UNITS, Past, Trial
from experiments.planning.rehearsal import Missing, Scene, scenes
from stats.calibration.rates import ERRORS, Rate
from stats.calibration.splits import Replayed
from stats.calibration.table import Row

PLAN_HEADER = "family", "false positives", "power", "coverage", "decided after", "gate"
HISTORY_HEADER = "family", "false positives", "at most", "gate"
PLAN_INTRODUCTION = f"""\
Whole experiments are drawn as each KPI's plan describes them, without an effect and with the planned one, and judged \
by the code that the service runs. Units enter as they have so far and then at their mean rate; before the first of \
them, as the plan needs them. Planned looks fall on the plan's days, the fixed test on the horizon; always-valid \
inference and peeking look every day. An undecided experiment counts as decided at the horizon. The plan's own family \
is held against its promise, up to {ERRORS} standard errors of the simulation: false positives and coverage always, \
power where the horizon brings the planned information. The other families stand beside it.
"""
HISTORY_INTRODUCTION = f"""\
Each experiment's control units are split at random into two arms, with their own final values on their own days, and \
judged along the plan's days: nothing distinguishes the arms, so every difference found is a false positive. Amounts \
are those of the first entry days, up to {MOST_UNITS:,} control units. Splits of the same units are not independent \
experiments, so the standard error is that of the splitting only and says nothing of other units. The plan's own \
family is held against alpha; the others stand beside it.
"""
Part: TypeAlias = Scene | Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One KPI's table with what it is about, its answer in a sentence, and whether a promise is broken."""

    heading: str
    about: str
    answer: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_broken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was measured, and how to measure it again."""

    title: str
    command: str
    introduction: str
    blocks: tuple[Block, ...]
    missing: tuple[str, ...]


def rehearse(
    *,
    plan: str | None,
    is_history: bool,
    replicates: int,
    seed: int,
    out: Path | None,
    workspace: str,
    data_dir: Path | None,
) -> None:
    """Measure one plan, or splits of what one experiment or all have seen; show it, and write it if asked to."""
    if out is not None and not out.parent.is_dir():
        fail(f"There is no folder {out.parent} to write to.")
    with surroundings(data_dir) as around:
        parts = run(around, lambda database: read(database, workspace, plan, is_history=is_history))
    words = ["truelift calibrate", *(["--plan", plan] if plan else []), *(["--history"] if is_history else [])]
    command = " ".join([*words, f"--replicates {replicates} --seed {seed}"])
    report = measure(parts, is_history=is_history, replicates=replicates, seed=seed, command=command)
    _show(report)
    if out is not None:
        _write(report, out)
    if any(block.is_broken for block in report.blocks):
        fail("A promise was broken: see the rows marked so.")


async def read(database: Database, workspace: str, key: str | None, *, is_history: bool) -> list[Part | Missing]:
    """What can be tried out of one experiment, or of all that have started, and why the rest cannot."""
    found: list[Part | Missing] = []
    for past in await _pasts(database, workspace, key):
        if not is_history:
            found += scenes(past.plan, past.entered, is_closed=past.is_closed)
            continue
        async with database.raw() as connection:
            found += await history.trials(connection, past)
    return found


async def _pasts(database: Database, workspace: str, key: str | None) -> list[Past]:
    async with database.read() as session:
        owner = await workspace_by_key(session, workspace)
        if owner is None:
            fail(f"There is no workspace “{workspace}”.")
        named = None if key is None else await queries.experiment_by_key(session, owner.id, key)
        if key is not None and named is None:
            fail(f"There is no experiment “{key}” in the workspace “{workspace}”.")
        chosen = await queries.started_experiments(session, owner.id) if named is None else [named]
        if not chosen:
            fail(f"No experiment in the workspace “{workspace}” has started, so there is nothing to split.")
        connection = await driver(session)
        return [await history.past(session, connection, experiment) for experiment in chosen]


# --- what is measured ------------------------------------------------------------------------------------------------


def measure(parts: Sequence[Part | Missing], *, is_history: bool, replicates: int, seed: int, command: str) -> Report:
    """Draw or split, and judge, each part with random numbers of its own; fail where there is none."""
    missing = tuple(part.sentence for part in parts if isinstance(part, Missing))
    ready = [part for part in parts if not isinstance(part, Missing)]
    if not ready:
        fail(" ".join(missing))
    blocks: list[Block] = []
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=replicates * len(ready))
        for part, draw in zip(ready, np.random.default_rng(seed).spawn(len(ready)), strict=True):
            progress.update(task, description=part.kpi)
            blocks.append(_block(part, draw, replicates, lambda done: progress.advance(task, done)))
    return Report(
        title="Calibration on your own data" if is_history else "Calibration of one plan",
        command=command,
        introduction=HISTORY_INTRODUCTION if is_history else PLAN_INTRODUCTION,
        blocks=tuple(blocks),
        missing=missing,
    )


def _block(part: Part, draw: np.random.Generator, replicates: int, advance: Callable[[int], object]) -> Block:
    if isinstance(part, Scene):
        return _plan_block(part, part.rows(draw, replicates=replicates, advance=advance))
    return _history_block(part, part.replayed(draw, replicates=replicates, advance=advance))


def _plan_block(scene: Scene, rows: Sequence[Row]) -> Block:
    entered = scene.world.n.sum(axis=0).cumsum()
    horizon = int(scene.world.days[-1])
    about = (
        f"{scene.world.about}; {scene.units:,} units of both arms in {entered.size} days, alpha {scene.alpha:.3g};"
        f" day {horizon} brings {scene.information:.0%} of the planned information."
    )

    def cells(row: Row) -> tuple[str, ...]:
        units = int(entered[max(1, round(row.mean_end)) - 1])
        after = f"{row.mean_end:.0f} days, {units:,} entered"
        gate = _gate(row.failures) if row.family == scene.own else "beside"
        return (
            _name(row.family, scene.own),
            _rate(row.false_positives),
            _rate(row.power),
            _rate(row.coverage),
            after,
            gate,
        )

    return Block(
        heading=f"{scene.kpi}, {scene.variant} against control",
        about=about,
        answer=_plan_answer(scene.own, {row.family: row for row in rows}),
        header=PLAN_HEADER,
        rows=tuple(cells(row) for row in rows),
        is_broken=any(row.failures for row in rows),
    )


def _history_block(trial: Trial, rows: Sequence[Replayed]) -> Block:
    days = trial.split.days
    about = (
        f"{trial.units:,} control units split {1 - trial.split.share:.0%} : {trial.split.share:.0%},"
        f" days {int(days[0])} to {int(days[-1])} after the start, alpha {trial.plan.alpha:.3g}."
    )

    def cells(row: Replayed) -> tuple[str, ...]:
        gate = _gate(("false positives",) * row.is_broken) if row.family == trial.own else "beside"
        most = "-" if row.most is None else f"{row.most:.4f}"
        return _name(row.family, trial.own), _rate(row.false_positives), most, gate

    return Block(
        heading=f"{trial.experiment}: {trial.kpi}, as for {trial.variant}",
        about=about,
        answer=_history_answer(trial.own, {row.family: row for row in rows}),
        header=HISTORY_HEADER,
        rows=tuple(cells(row) for row in rows),
        is_broken=any(row.is_broken for row in rows if row.family == trial.own),
    )


def _plan_answer(own: str, rows: Mapping[str, Row]) -> str:
    row, peeking = rows[own], rows["Peeking"]
    return (
        f"With the effect, the plan's own rule finds it in {row.power.value:.1%} of experiments and ends after"
        f" {row.mean_end:.0f} days on average; without it, it claims one in {row.false_positives.value:.1%}"
        f" (peeking: {peeking.false_positives.value:.1%})."
    )


def _history_answer(own: str, rows: Mapping[str, Replayed]) -> str:
    row, peeking = rows[own], rows["Peeking"]
    return (
        f"Between arms that nothing distinguishes, the plan's own rule claims a difference in"
        f" {row.false_positives.value:.1%} of splits (peeking: {peeking.false_positives.value:.1%})."
    )


def _name(family: str, own: str) -> str:
    return f"{family} (the plan's)" if family == own else family


def _rate(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.value:.4f} ± {rate.standard_error:.4f}"


def _gate(failures: Sequence[str]) -> str:
    return f"fail: {', '.join(failures)}" if failures else "pass"


# --- how it is told --------------------------------------------------------------------------------------------------


def _show(report: Report) -> None:
    console.print(f"[bold]{report.title}[/]\n\n{report.introduction}")
    for block in report.blocks:
        table = Table(
            *block.header, title=block.heading, caption=block.about, title_justify="left", caption_justify="left"
        )
        for row in block.rows:
            table.add_row(*row)
        console.print(table)
        console.print(f"{block.answer}\n", soft_wrap=True)
    for sentence in report.missing:
        console.print(f"[bold]missing[/] {sentence}", soft_wrap=True)


def _write(report: Report, out: Path) -> None:
    try:
        out.write_text("\n".join(lines(report)) + "\n", encoding="utf-8")
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}.")
    console.print(f"{len(report.blocks)} tables: {out}")


def lines(report: Report) -> Iterator[str]:
    """The report as Markdown."""
    today = datetime.now(UTC).date().isoformat()
    yield f"# {report.title}\n"
    yield f"Written on {today} by Truelift {VERSION} (numpy {np.__version__}). Do not edit; run again:\n"
    yield f"    {report.command}\n"
    yield report.introduction
    for block in report.blocks:
        yield f"## {block.heading}\n\n{block.about}\n\n{block.answer}\n"
        yield f"| {' | '.join(block.header)} |\n{'|---' * len(block.header)}|"
        yield from (f"| {' | '.join(row)} |" for row in block.rows)
        yield ""
    yield from (f"- Missing: {sentence}" for sentence in report.missing)
