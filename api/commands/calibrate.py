"""`truelift calibrate`: how often the shipped methods err, measured anew and written down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.commands.process import console, fail
from api.version import VERSION
from experiments.reading import FEWEST, FEWEST_SUCCESSES
from stats.calibration.families import FAMILIES, Family
from stats.calibration.scenarios import LIMITS, SCENARIOS, Scenario, Start
from stats.calibration.table import ERRORS, Rate, Row, rows

ALPHA = 0.05
REPLICATES = 2_000
SEED = 2026
OUT = Path("docs/calibration.md")

INTRODUCTION = f"""\
Whole experiments are drawn by the thousand, once without an effect and once with it, and judged by the code that the
service runs: alpha {ALPHA}, two-sided, two arms.

- **False positives**: experiments without an effect in which a difference was claimed, at any look.
- **Power**: experiments with the effect in which one was claimed, at any look.
- **Coverage**: experiments with the effect whose interval held the true one at every look (fixed: at its only one). \
Log-rank has none, for it gives no interval of a difference.
- **Decided after**: where the experiment ended on average with the effect, an undecided one counting as the horizon; \
then as a share of the fixed test, which always goes there.

A rate is given with the standard error of the simulation. False positives pass up to alpha plus {ERRORS} standard \
errors of a method that is exactly at alpha, coverage down to its promise less as many, and power down to its floor: a \
test that never rejects fails too. The command ends with 1 when a promise is broken. Families:

- **Fixed**: one look, at the horizon.
- **Group sequential**: boundaries by O'Brien-Fleming spending at every look. The clock is the information that the \
experiment is expected to bring; the service's follows what each experiment did bring.
- **Always valid**: the kernel, tuned to the horizon, from {FEWEST} units and {FEWEST_SUCCESSES} successes an arm on \
(log-rank: from a variance of 5 on). At the fixed test's horizon it has less power; that is its price.
- **Peeking**: the fixed test at every look. It promises nothing and is here for comparison.

The coverage promised of the group sequential intervals is 0.94: they are symmetric, and of a rare share, at early \
looks with few successes, they miss a little more often than 5 % of the time.
"""
BEYOND = """\
Here the methods err a little more often than they say. The rows are shown, and do not decide whether the command
succeeds.

- A long tail with an uneven split: skewness cancels between even arms and stays between uneven ones. Split evenly, or \
cap the amounts before the start.
- A level that rises while the experiment runs: early units vary less than late ones, so a look has brought less \
information than its variance says, and the planned looks err a tenth more often (0.055).
"""
COLUMNS = (
    "scenario",
    "family",
    "false positives",
    "at most",
    "power",
    "at least",
    "coverage",
    "at least",
    "decided after",
    "of fixed",
    "gate",
)
HEADER = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured, and with what; the same seed and replicates give the same rows."""

    replicates: int
    seed: int
    promised: tuple[Row, ...]
    beyond: tuple[Row, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """Each broken promise in one sentence."""
        return tuple(
            f"{row.scenario}, {row.measure}, {row.family}: {', '.join(row.failures)}"
            for row in self.promised
            if row.failures
        )


def calibrate(
    replicates: Annotated[int, typer.Option(help="Experiments of each scenario, with and without effect.", min=100)] = (
        REPLICATES
    ),
    seed: Annotated[int, typer.Option(help="Where the random numbers start.", min=0)] = SEED,
    out: Annotated[Path, typer.Option(help="The document to write.")] = OUT,
) -> None:
    """Measure false positives, power and coverage of the shipped methods, and write them down."""
    if not out.parent.is_dir():
        fail(f"There is no folder {out.parent} to write to.")
    measured = measure(replicates=replicates, seed=seed)
    try:
        out.write_text(document(measured, on=datetime.now(UTC).date()), encoding="utf-8")
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}.")
    for failure in measured.failures:
        console.print(f"[bold red]broken[/] {failure}")
    console.print(f"{len(measured.promised)} rows, {len(measured.failures)} with a broken promise: {out}")
    if measured.failures:
        raise typer.Exit(1)


def measure(*, replicates: int, seed: int, families: Sequence[Family] = FAMILIES) -> Calibration:
    """Draw and judge every scenario, each with random numbers of its own."""
    draws = np.random.default_rng(seed).spawn(len(SCENARIOS) + len(LIMITS))
    start = Start(units=FEWEST, successes=FEWEST_SUCCESSES)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    found: dict[str, tuple[Row, ...]] = {}
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=replicates * len(draws))
        for scenario, draw in zip((*SCENARIOS, *LIMITS), draws, strict=True):
            progress.update(task, description=scenario.name)
            found[scenario.name] = rows(
                scenario,
                draw,
                replicates=replicates,
                start=start,
                alpha=ALPHA,
                families=families,
                advance=lambda done: progress.advance(task, done),
            )
    promised, beyond = (tuple(row for one in group for row in found[one.name]) for group in (SCENARIOS, LIMITS))
    return Calibration(replicates=replicates, seed=seed, promised=promised, beyond=beyond)


def document(measured: Calibration, *, on: date) -> str:
    """The calibration as Markdown."""
    return "\n".join(_lines(measured, on)) + "\n"


def _lines(measured: Calibration, on: date) -> Iterator[str]:
    yield "# Calibration: what the methods promise, and what they keep\n"
    yield f"Written on {on.isoformat()} by Truelift {VERSION} (numpy {np.__version__}). Do not edit; run again:\n"
    yield f"    truelift calibrate --replicates {measured.replicates} --seed {measured.seed}\n"
    broken = len(measured.failures)
    yield f"{measured.replicates:,} replicates, seed {measured.seed}; {broken or 'no'} broken promises.\n"
    yield INTRODUCTION
    yield "## Scenarios\n"
    yield from _scenarios(SCENARIOS)
    for name in dict.fromkeys(row.measure for row in measured.promised):
        yield f"\n## {name}\n\n{HEADER}"
        yield from (_line(row, is_gated=True) for row in measured.promised if row.measure == name)
    yield f"\n## Beyond the promises\n\n{BEYOND}"
    yield from _scenarios(LIMITS)
    yield f"\n{HEADER}"
    yield from (_line(row, is_gated=False) for row in measured.beyond)


def _scenarios(group: Sequence[Scenario]) -> Iterator[str]:
    yield from (f"- **{scenario.name}**: {scenario.about}." for scenario in group)


def _line(row: Row, *, is_gated: bool) -> str:
    bounds = row.bounds
    cells = (
        row.scenario,
        row.family,
        _rate(row.false_positives),
        _bound(bounds.most_false_positives if bounds else None),
        _rate(row.power),
        _bound(bounds.least_power if bounds else None),
        _rate(row.coverage),
        _bound(bounds.least_coverage if bounds and row.coverage else None),
        f"{row.mean_end:,.0f} {row.unit}",
        f"{row.mean_end / row.horizon:.0%}",
        _gate(row, is_gated=is_gated),
    )
    return f"| {' | '.join(cells)} |"


def _rate(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.value:.4f} ± {rate.standard_error:.4f}"


def _bound(bound: float | None) -> str:
    return "-" if bound is None else f"{bound:.4f}"


def _gate(row: Row, *, is_gated: bool) -> str:
    if row.bounds is None:
        return "none"
    if not is_gated:
        return f"beyond: {', '.join(row.failures)}" if row.failures else "within"
    return f"**fail**: {', '.join(row.failures)}" if row.failures else "pass"
