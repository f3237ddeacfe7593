"""`truelift calibrate`: how often the shipped methods err, measured anew and written down."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.auth.tenants import DEFAULT
from api.commands.process import DataDir, WorkspaceKey, console, fail
from api.commands.rehearse import rehearse
from api.sample import calibration as company
from api.sample.calibration import CompanyRow
from api.sample.estimates import COHORT_DAYS, SPEED
from api.version import VERSION
from stats.calibration import decision, sample_ratio, series
from stats.calibration.decision import DecisionRow
from stats.calibration.families import FAMILIES, PEERS_UNITS, VARIANTS, Family
from stats.calibration.rates import ERRORS, Rate
from stats.calibration.sample_ratio import AlarmRow
from stats.calibration.scenarios import LIMITS, SCENARIOS, VARIED, Scenario, Start
from stats.calibration.series import SeriesRow
from stats.calibration.table import Row, rows
from stats.sequential.confidence_sequence import FEWEST, FEWEST_SUCCESSES

app = typer.Typer(add_completion=False)

ALPHA = 0.05
REPLICATES = 2_000
SEED = 2026
OUT = Path("docs/calibration.md")

SUMMARY = f"""\
Whole experiments are drawn by the thousand, once without an effect and once with it, and judged by the code that the
service runs: alpha {ALPHA}, two-sided, two arms. Of each family this is the worst that any of its rows below shows:
"""
READING = f"""\
- **False positives**: experiments without an effect in which a difference was claimed, at any look.
- **Power**: experiments with the effect in which one was claimed, at any look up to the horizon.
- **Coverage**: experiments with the effect whose interval held the true one at every look (fixed: at its only one). \
Log-rank has none, for it gives no interval of a difference; nor has exact evidence on shares and times.
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
- **Exact**: the exact evidence that belongs to the measure, from the first unit on: block e-process for shares, safe \
log-rank for times, the regression's for normal values with a covariate.
- **Constant {PEERS_UNITS:,}** and **Mixture SPRT**: what others ship by default. The kernel tuned to \
{PEERS_UNITS:,} units whatever the experiment, and tuned to the planned effect; both from the first look on. Here for \
comparison, without a promise.
- **Peeking**: the fixed test at every look. It promises nothing and shows what the others prevent.

The coverage promised of the group sequential intervals is 0.94: they are symmetric, and of a rare share, at early \
looks with few successes, they miss a little more often than 5 % of the time. Where a measure's looks do not bring \
independent increments it is judged at the horizon only.
"""
DECISION = f"""\
The same rules against the fixed test, at three sizes of experiment. The difference is drawn as the Brownian motion in
information that it becomes with many units; the bars are those of the shipped functions, at {decision.LOOKS} looks for
each horizon of the fixed test. False positives and power are those at that horizon (group sequential: at its own); then
the horizon that power {decision.POWER:.2f} takes, and the units until a decision on average if one stops there.
"""
SERIES = f"""\
Questions to a KPI over time, at {series.ALPHA}: {series.PERIODS} periods, or as many as are named, each measured with \
a standard error of 1.
Of the replicates one in {series.PART} is drawn. A forecast makes no alarms: its power is that the interval excludes a \
level so far away.
The alarm promises a mean run of {series.RUN_LENGTH:g} periods, which allows \
{2 * series.PERIODS / series.RUN_LENGTH:g} within {2 * series.PERIODS}; the drift is read after every period, from a
baseline with a standard error of {series.BASELINE_ERROR}.
"""
COMPANY = f"""\
The customers of the [sample company](sample.md), drawn anew {company.companies(10_000)} times in 10,000 replicates, \
once as large as it is loaded and once ten times as large, and estimated at {ALPHA} by the code that the service runs: \
levels from a KPI's sums, elasticities from cohorts, and what an experiment does carried up these links. The truth is \
the law's, to which no estimator has access. Estimands:

- **Level**: of all who entered early enough to be final, errors by account; of the days to first value also of those \
on their way. Power is that the interval excludes a level {company.SHIFT:.0%} lower.
- **Elasticity** (*a to b*): percent of b for one percent of a, over cohorts of {COHORT_DAYS:.0f} days and a region in \
which both are final. The truth is the slope over these very cohorts, as the law is not exactly log-linear. Both rungs \
are of the same accounts: the covariance of their errors is the delta method's. Power, here and below, is that the \
interval excludes 0.
- **Lift and gain**: an experiment in as many other accounts an arm brings first value sooner \
({SPEED.first_value_speed} in log-days) and touches nothing else. Its effect on the days to first value goes up to NRR \
by three links or by one; the gain is what that is worth a year later of 100 that enter.

- **Who leaves**: the area under the ROC curve of knowing which accounts are retained, of those that pay 90 days \
before the end; no health score can tell more of who has left by the end. Power is that the interval excludes 0.5.

An answer that is not identified counts as no power, and so does an endless interval. Rows without a gate are what \
{company.SMALL} accounts do not tell: a quarter of a region holds some 37 of them, activation and retention hardly \
differ between these beyond chance, and the estimator gives no answer rather than a wrong one. What is known:

- Weights from each cohort's own estimate of error, and logarithms as they are, made slopes at {company.SMALL} \
accounts 10 % too flat. Cohorts now count by their accounts, and logarithms are freed of half their variance: on 600 \
companies the mean is within 2 % of the truth.
- The error of a slope leaves out each of a dozen cohorts in turn, and with so few it errs to the safe side: for links \
to revenue it is 1.2 to 1.4 times the spread of the estimates, so that intervals cover more than they promise.
"""
VARIANT = """\
Other spending functions, and the kernel for gains only (alpha all on one side).
"""
SAMPLE_RATIO = f"""\
Whether the variants receive the units they were promised, at {sample_ratio.ALPHA}. The sequential check, which the
service alerts on, is slower than a test taken once, and the test taken daily alarms for nothing.
"""
BEYOND = """\
Here methods err more often than they say, for a reason that is known. The rows are shown, and do not decide whether the
command succeeds.

- **Very few units**: shares of 35 units take few values. Newcombe's interval of these two covers 94.2 %, as the sum \
over all possible tables says as well; Miettinen & Nurminen's and Agresti & Caffo's keep their promise (above).
- **A long tail with an uneven split**: skewness cancels between even arms and stays between uneven ones. Split \
evenly, or cap the amounts before the start, which restores all promises (above). \
The regression's exact evidence is made for normal values, which these are not.
- **Clusters of very uneven size**: CR2 is exact for units that are independent. Large clusters that are also alike \
inside count for more than its degrees of freedom say; with clusters of more even size it keeps its promise (above).
- **A level that rises** while the experiment runs: early units vary less than late ones, so a look has brought less \
information than its variance says, and the planned looks err a little more often (5.3 to 5.5 %).
- **A drifted baseline**: the level has changed since it was measured, and the comparison takes that for an effect. No \
method can tell; that is why it is labelled observational. Treatment against control, in the same experiments, \
keeps alpha.
- **A baseline taken as exact**: its own error is left out. The service never does that.
"""
COLUMNS = ("scenario", "family", "false positives", "power", "coverage", "decided after", "of fixed", "gate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured, and with what; the same seed and replicates give the same rows."""

    replicates: int
    seed: int
    promised: tuple[Row, ...]
    beyond: tuple[Row, ...]
    decisions: tuple[DecisionRow, ...]
    alarms: tuple[AlarmRow, ...]
    series: tuple[SeriesRow, ...]
    company: tuple[CompanyRow, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """Each broken promise in one sentence."""
        named = (
            *((f"{row.scenario}, {row.measure}, {row.family}", row.failures) for row in self.promised),
            *((f"{row.units:,} units, {row.rule}", row.failures) for row in self.decisions),
            *((f"{row.split}, {row.rule}", row.failures) for row in self.alarms),
            *((f"{row.question}, {row.world}", row.failures) for row in self.series),
            *((f"{row.question}, {row.accounts:,} accounts", row.failures) for row in self.company),
        )
        return tuple(f"{name}: {', '.join(failures)}" for name, failures in named if failures)


@app.command()
def calibrate(
    replicates: Annotated[int, typer.Option(help="Experiments of each scenario, with and without effect.", min=100)] = (
        REPLICATES
    ),
    seed: Annotated[int, typer.Option(help="Where the random numbers start.", min=0)] = SEED,
    out: Annotated[Path | None, typer.Option(help=f"The document to write. Of the methods: {OUT} unless set.")] = None,
    plan: Annotated[
        str | None, typer.Option(metavar="KEY", help="Draw experiments as the plan of this one says.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Split the control units of your experiments (or of --plan) at random.")
    ] = False,
    workspace: WorkspaceKey = DEFAULT,
    data_dir: DataDir = None,
) -> None:
    """Measure how often the shipped methods err, and write it down; or how often one plan does, or on your own data.

    Ends with 1 when a promise is broken.
    """
    if plan is not None or history:
        rehearse(
            plan=plan,
            is_history=history,
            replicates=replicates,
            seed=seed,
            out=out,
            workspace=workspace,
            data_dir=data_dir,
        )
    else:
        _calibrate(replicates, seed, out or OUT)


def _calibrate(replicates: int, seed: int, out: Path) -> None:
    if not out.parent.is_dir():
        fail(f"There is no folder {out.parent} to write to.")
    measured = measure(replicates=replicates, seed=seed)
    try:
        out.write_text(document(measured, on=datetime.now(UTC).date()), encoding="utf-8")
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}.")
    for failure in measured.failures:
        console.print(f"[bold red]broken[/] {failure}")
    console.print(f"{len(measured.promised)} rows, {len(measured.failures)} broken promises: {out}")
    if measured.failures:
        raise typer.Exit(1)


def measure(*, replicates: int, seed: int, families: Sequence[Family] = (*FAMILIES, *VARIANTS)) -> Calibration:
    """Draw and judge every scenario, each with random numbers of its own."""
    worlds, variants = (*SCENARIOS, *LIMITS), {family.name for family in VARIANTS}
    parts = (worlds, decision.SIZES, sample_ratio.SPLITS, series.QUESTIONS, company.SIZES)
    draws = iter(np.random.default_rng(seed).spawn(sum(len(part) for part in parts)))
    usual = [family for family in families if family.name not in variants]
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=replicates * len(worlds))

        def measured(scenario: Scenario) -> tuple[Row, ...]:
            progress.update(task, description=scenario.name)
            return rows(
                scenario,
                next(draws),
                replicates=replicates,
                start=Start(units=FEWEST, successes=FEWEST_SUCCESSES),
                alpha=ALPHA,
                families=families if scenario.name in VARIED else usual,
                advance=lambda done: progress.advance(task, done),
            )

        promised, beyond = (tuple(row for one in group for row in measured(one)) for group in (SCENARIOS, LIMITS))
    return Calibration(
        replicates=replicates,
        seed=seed,
        promised=promised,
        beyond=beyond,
        decisions=tuple(
            row
            for units in decision.SIZES
            for row in decision.rows(units, next(draws), replicates=replicates, alpha=ALPHA)
        ),
        alarms=tuple(
            row for split in sample_ratio.SPLITS for row in sample_ratio.rows(split, next(draws), replicates=replicates)
        ),
        series=tuple(series.row(question, next(draws), replicates=replicates) for question in series.QUESTIONS),
        company=tuple(row for size in company.SIZES for row in company.rows(size, next(draws), replicates=replicates)),
    )


def document(measured: Calibration, *, on: date) -> str:
    """The calibration as Markdown."""
    return "\n".join(_lines(measured, on)) + "\n"


def _lines(measured: Calibration, on: date) -> Iterator[str]:
    variants = {family.name for family in VARIANTS}
    yield "# Calibration: what the methods promise, and what they keep\n"
    yield f"Written on {on.isoformat()} by Truelift {VERSION} (numpy {np.__version__}). Do not edit; run again:\n"
    yield f"    truelift calibrate --replicates {measured.replicates} --seed {measured.seed}\n"
    broken = len(measured.failures)
    yield f"{measured.replicates:,} replicates, seed {measured.seed}; {broken or 'no'} broken promises.\n"
    yield SUMMARY
    yield from _summary(measured.promised)
    yield f"\n{READING}\n## Until a decision\n\n{DECISION}"
    yield from _decisions(measured.decisions)
    yield "\n## Scenarios\n"
    yield from _scenarios(SCENARIOS)
    usual = [row for row in measured.promised if row.family not in variants]
    for name in dict.fromkeys(row.measure for row in usual):
        yield f"\n## {name}\n"
        yield from _table(COLUMNS, [_cells(row, _gate) for row in usual if row.measure == name])
    yield f"\n## Other rules a plan may state\n\n{VARIANT}"
    varied = [row for row in measured.promised if row.family in variants]
    yield from _table(("measure", *COLUMNS), [(row.measure, *_cells(row, _gate)) for row in varied])
    yield f"\n## Sample ratio\n\n{SAMPLE_RATIO}"
    yield from (f"- **{split.name}**: {split.about}." for split in sample_ratio.SPLITS)
    yield ""
    yield from _alarms(measured.alarms)
    yield f"\n## KPIs over time\n\n{SERIES}"
    yield from _series(measured.series)
    yield f"\n## The sample company\n\n{COMPANY}"
    yield from _company(measured.company)
    yield f"\n## Beyond the promises\n\n{BEYOND}"
    yield from _scenarios(LIMITS)
    yield ""
    yield from _table(("measure", *COLUMNS), [(row.measure, *_cells(row, _beyond)) for row in measured.beyond])


def _summary(promised: Sequence[Row]) -> Iterator[str]:
    """One line a family: the worst of its rows, beside what is promised."""
    columns = ("family (rows)", "false positives", "at most", "coverage", "at least", "power", "at least", "gate")
    lines = []
    for family in (*FAMILIES, *VARIANTS):
        own = [row for row in promised if row.family == family.name]
        if own:
            lines.append(_worst(own))
    yield from _table(columns, lines)


def _worst(own: Sequence[Row]) -> tuple[str, ...]:
    covered, bounds = [row.coverage.value for row in own if row.coverage], own[0].bounds
    return (
        f"{own[0].family} ({len(own)})",
        _number(max(row.false_positives.value for row in own)),
        _number(bounds.most_false_positives if bounds else None),
        _number(min(covered, default=None)),
        _number(bounds.least_coverage if bounds else None),
        _number(min(row.power.value for row in own)),
        _number(bounds.least_power if bounds else None),
        "none" if bounds is None else _passed([failure for row in own for failure in row.failures]),
    )


def _decisions(measured: Sequence[DecisionRow]) -> Iterator[str]:
    columns = ("fixed test", "rule", "false positives", "power there", "horizon", "of fixed", "mean units", "of fixed")
    lines = [
        (
            f"{row.units:,} units",
            row.rule,
            _rate(row.false_positives),
            _rate(row.power),
            *_units(row.horizon, row.units),
            *_units(row.mean_end, row.units),
            "none" if row.most_false_positives is None else _passed(row.failures),
        )
        for row in measured
    ]
    yield from _table((*columns, "gate"), lines)


def _alarms(measured: Sequence[AlarmRow]) -> Iterator[str]:
    lines = [
        (
            row.split,
            row.rule,
            _rate(row.false_alarms),
            _rate(row.power),
            *_units(row.mean_end, row.horizon),
            "none" if row.most_false_alarms is None else _passed(row.failures),
        )
        for row in measured
    ]
    yield from _table(("split", "rule", "false alarms", "power", "alarm after", "of all", "gate"), lines)


def _series(measured: Sequence[SeriesRow]) -> Iterator[str]:
    columns = ("question", "world", "false alarms", "at most", "power", "to find", "coverage", "at least", "gate")
    far = {(question.name, question.world.name): question.far for question in series.QUESTIONS}
    lines = [
        (
            row.question,
            row.world,
            _rate(row.false_alarms),
            _number(row.most_false if row.false_alarms else None),
            _rate(row.power),
            f"{far[row.question, row.world]:g}",
            _rate(row.coverage),
            _number(row.least_coverage if row.coverage else None),
            _passed(row.failures),
        )
        for row in measured
    ]
    yield from _table(columns, lines)


def _company(measured: Sequence[CompanyRow]) -> Iterator[str]:
    columns = ("accounts", "question", "truth", "answered", "coverage", "at least", "power", "at least", "gate")
    lines = [
        (
            f"{row.accounts:,}",
            row.question,
            _number(row.truth),
            f"{row.answered.value:.1%}",
            _rate(row.coverage),
            _number(row.least_coverage if row.coverage else None),
            _rate(row.power),
            _number(row.least_power),
            "none" if row.least_power is None else _passed(row.failures),
        )
        for row in measured
    ]
    yield from _table(columns, lines)


def _scenarios(group: Sequence[Scenario]) -> Iterator[str]:
    yield from (f"- **{scenario.name}**: {scenario.about}." for scenario in group)


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"{'|---' * len(columns)}|"
    yield from (f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row, gate: Callable[[Row], str]) -> tuple[str, ...]:
    return (
        row.scenario,
        row.family,
        _rate(row.false_positives),
        _rate(row.power),
        _rate(row.coverage),
        f"{row.mean_end:,.0f} {row.unit}",
        f"{row.mean_end / row.horizon:.0%}",
        gate(row),
    )


def _rate(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.value:.4f} ± {rate.standard_error:.4f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _units(value: float | None, whole: float) -> tuple[str, str]:
    return ("-", "-") if value is None else (f"{value:,.0f}", f"{value / whole:.0%}")


def _gate(row: Row) -> str:
    return "none" if row.bounds is None else _passed(row.failures)


def _beyond(row: Row) -> str:
    if row.bounds is None:
        return "none"
    return f"beyond: {', '.join(row.failures)}" if row.failures else "within"


def _passed(failures: Sequence[str]) -> str:
    return f"**fail**: {', '.join(failures)}" if failures else "pass"
