"""What the statistics cost beside their peers in the same run: ours, theirs, the ratio, and what we aim at.

    python -m benchmarks.statistics [--rounds 3] [--environments FOLDER]

Each peer runs in a virtual environment of its own, of exactly pinned versions, and is timed within its own process on
the same numbers, so neither its start nor its imports count. All times are wall clock, the best of several rounds.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers import PINS, environment, show
from stats.arrays import Array, Numbers, numbers
from stats.methods import proportions, welch
from stats.moments import Moments
from stats.sequential import confidence_sequence
from stats.sequential.group_sequential import boundaries
from stats.survival import kaplan_meier, logrank
from stats.survival.counts import LifeTable, life_table

METRICS, UNITS, USERS, DAYS, EXPERIMENTS = 1_000, 5_000, 1_000_000, 90, 1_000
REPLICATES, LOOKS, UNITS_A_LOOK, SHARE = 10_000, 100, 50, 0.1
ALPHA = 0.05
SAMPLE = 2_000  # comparisons of a peer from which its million is extrapolated

IMPORTS = {
    "gbstats": "import gbstats.gbstats",
    "tea-tasting": "import tea_tasting",
    "lifelines": "import lifelines",
    "statsmodels": "import statsmodels.api",
}
IMPORT_OURS = """
import importlib, pkgutil, stats
for module in pkgutil.walk_packages(stats.__path__, "stats."):
    importlib.import_module(module.name)
"""

BEFORE = """
import sys, time
import numpy as np
given = np.load(sys.argv[1])
"""
AFTER = """
def timed():
    began = time.perf_counter()
    step()
    return time.perf_counter() - began
print(min(timed() for _ in range(int(sys.argv[2]))) * 1000)
"""
GBSTATS = """
from gbstats.frequentist.tests import FrequentistConfig, SequentialConfig, SequentialTwoSidedTTest, TwoSidedTTest
from gbstats.models.statistics import ProportionStatistic, SampleMeanStatistic
"""
GBSTATS_METRICS = f"""{GBSTATS}
n, mean, m2 = (given[key].tolist() for key in ("n", "mean", "m2"))
def arm(which, place):
    count, level = n[which][place], mean[which][place]
    return SampleMeanStatistic(n=int(count), sum=count * level, sum_squares=m2[which][place] + count * level**2)
def step():
    for place in range(len(n[0])):
        arms = arm(0, place), arm(1, place)
        TwoSidedTTest(*arms, FrequentistConfig(difference_type="absolute")).compute_result()
        SequentialTwoSidedTTest(*arms, SequentialConfig(difference_type="absolute")).compute_result()
"""
GBSTATS_SHARES = f"""{GBSTATS}
rng = np.random.default_rng(1)
won = rng.binomial(1000, {SHARE}, ({SAMPLE}, 2)).tolist()
def step():
    for first, second in won:
        arms = ProportionStatistic(n=1000, sum=first), ProportionStatistic(n=1000, sum=second)
        SequentialTwoSidedTTest(*arms, SequentialConfig(difference_type="absolute")).compute_result()
"""
TEA_TASTING_METRICS = """
import tea_tasting
from tea_tasting.aggr import Aggregates
n, mean, variance = (given[key].tolist() for key in ("n", "mean", "variance"))
metric = tea_tasting.Mean("y")
def arm(which, place):
    return Aggregates(int(n[which][place]), {"y": mean[which][place]}, {"y": variance[which][place]}, {})
def step():
    for place in range(len(n[0])):
        metric.analyze_aggregates(arm(0, place), arm(1, place))
"""
ROWS = """
days, happened, arm = given["days"], given["happened"], given["arm"]
parts = [arm == 0, arm == 1]
"""
STATSMODELS_TIMES = f"""{ROWS}
from statsmodels.duration.survfunc import SurvfuncRight, survdiff
def step():
    survdiff(days, happened, arm)
    [SurvfuncRight(days[part], happened[part]) for part in parts]
"""
LIFELINES_TIMES = f"""{ROWS}
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
def step():
    control, treatment = parts
    logrank_test(days[control], days[treatment], happened[control], happened[treatment])
    [KaplanMeierFitter().fit(days[part], happened[part]) for part in parts]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A peer at the same work."""

    peer: str  # a key of PINS
    source: str  # Python that defines `step`
    note: str = ""  # where it does less than we do, or not all of the work was run
    times: int = 1  # how many of its steps make up the work


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One row of the table."""

    work: str
    aim: str
    ours: Callable[[], object]
    rivals: tuple[Rival, ...] = ()


def inputs() -> dict[str, Array]:
    """The numbers of all tasks: moments of metrics, and the days to an event of users who enter day by day."""
    rng = np.random.default_rng(1)
    n, variance = np.full((2, METRICS), float(UNITS)), rng.uniform(1, 2, (2, METRICS))
    arm, entered = rng.integers(0, 2, USERS), rng.integers(0, DAYS, USERS)
    event, watched = rng.geometric(0.03 + 0.0003 * arm), DAYS - entered
    return {
        "n": n,
        "mean": rng.normal(10, 0.05, (2, METRICS)),
        "variance": variance,
        "m2": variance * (n - 1),
        "arm": arm,
        "entered": entered,
        "days": np.minimum(event, watched),
        "happened": (event <= watched).astype(np.int64),
    }


def tasks(given: Mapping[str, Array]) -> list[Task]:
    """The table to reach, row by row."""
    n, mean, m2 = given["n"], given["mean"], given["m2"]
    units, events = counted(given)
    many = np.random.default_rng(1).poisson(20, (EXPERIMENTS, 2, 1, DAYS)).astype(np.float64)
    from_rows = (Rival(peer="statsmodels", source=STATSMODELS_TIMES), Rival(peer="lifelines", source=LIFELINES_TIMES))
    return [
        Task(
            work="1,000 metrics x 2 variants, fixed + sequential",
            aim="2 ms, gbstats / 200",
            ours=lambda: metrics(Moments(n=n, mean=mean, m2=m2)),
            rivals=(
                Rival(peer="gbstats", source=GBSTATS_METRICS),
                Rival(peer="tea-tasting", source=TEA_TASTING_METRICS, note="fixed only"),
            ),
        ),
        Task(
            work="1M users, log-rank + KM, ours from counts by day",
            aim="20 ms",
            ours=lambda: times_to_event(units, events, DAYS - np.arange(DAYS)),
            rivals=from_rows,
        ),
        Task(
            work="the same, ours counting the rows first",
            aim="20 ms",
            ours=lambda: times_to_event(*counted(given), DAYS - np.arange(DAYS)),
            rivals=from_rows,
        ),
        Task(
            work="1,000 experiments x 90 days, log-rank + KM from counts",
            aim="20 ms",
            ours=lambda: times_to_event(np.full((EXPERIMENTS, 2, 1), 1e4), many, np.array([DAYS])),
        ),
        Task(
            work="10,000 A/A x 100 looks, shares, ours with the drawing",
            aim="1,000 ms",
            ours=same_shares,
            rivals=(
                Rival(
                    peer="gbstats",
                    source=GBSTATS_SHARES,
                    times=REPLICATES * LOOKS // SAMPLE,
                    note=f"extrapolated from {SAMPLE:,} looks",
                ),
            ),
        ),
        *(Task(work=f"Lan-DeMets, {k} looks", aim=aim, ours=bars(k)) for k, aim in ((5, "3 ms"), (24, "13 ms"))),
        Task(work="Lan-DeMets, 86 looks", aim="62 ms", ours=bars(86)),
    ]


def metrics(arms: Moments) -> object:
    """Welch's test and its interval, the always-valid p-value and its interval; arms (2, metrics)."""
    found = welch.compare(arms[0], arms[1], alpha=ALPHA)
    tau2 = confidence_sequence.asymptotic(found.variance, arms.n.sum(axis=0), planned_n=UNITS, alpha=ALPHA)
    log_e = confidence_sequence.log_e_value(found.difference, found.variance, tau2=tau2)
    width = confidence_sequence.half_width(found.variance, tau2=tau2, alpha=ALPHA)
    return confidence_sequence.p_value(log_e), width


def counted(given: Mapping[str, Array]) -> tuple[Array, Array]:
    """Users (2, entry days) and their events (2, entry days, duration days), from rows."""
    cohort = (given["arm"] * DAYS + given["entered"]).astype(np.int64)
    cell = cohort * DAYS + given["days"].astype(np.int64) - 1
    events = np.bincount(cell, weights=given["happened"], minlength=2 * DAYS * DAYS)
    return numbers(np.bincount(cohort)).reshape(2, DAYS), numbers(events).reshape(2, DAYS, DAYS)


def times_to_event(entered: Numbers, events: Numbers, observed: Numbers) -> object:
    """Both curves with their limits, and the log-rank test; arms on the last axis of `entered` but one."""
    table = life_table(entered, events, np.zeros(DAYS), observed)
    return kaplan_meier.estimate(table, level=1 - ALPHA), logrank.compare(arm_of(table, 0), arm_of(table, 1))


def arm_of(table: LifeTable, which: int) -> LifeTable:
    """One arm of a table (..., 2, days)."""
    return table[..., which, :]


def same_shares() -> object:
    """Draw experiments without an effect, and judge each at every look."""
    won = np.random.default_rng(1).binomial(UNITS_A_LOOK, SHARE, (2, REPLICATES, LOOKS))
    arms = Moments.of_proportion(won, UNITS_A_LOOK).cumulative()
    found = proportions.compare(arms[0], arms[1], alpha=ALPHA)
    planned = 2 * SHARE * (1 - SHARE) / (UNITS_A_LOOK * LOOKS)
    tau2 = confidence_sequence.mixture_variance(planned, ALPHA)
    log_e = confidence_sequence.log_e_value(found.difference, found.variance, tau2=tau2)
    return confidence_sequence.running_p_value(log_e)


def bars(looks: int) -> Callable[[], object]:
    """The boundary of this many equally spaced looks."""
    return lambda: boundaries(np.arange(1, looks + 1) / looks, alpha=ALPHA)


def best(step: Callable[[], object], rounds: int) -> float:
    """The least milliseconds of several rounds."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        found.append((time.perf_counter() - began) * 1_000)
    return min(found)


def answer(python: Path, source: str, *arguments: object) -> float:
    """The one number a piece of Python prints in a process of its own, away from this checkout's packages."""
    command = [str(python), "-I", "-W", "ignore", "-c", source, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - the sources above
    return float(done.stdout)


def import_time(python: Path, statement: str, rounds: int) -> float:
    """The least milliseconds of an import in a fresh process, without the interpreter's own start."""
    source = f"import time; began = time.perf_counter()\n{statement}\nprint((time.perf_counter() - began) * 1000)"
    return min(answer(python, source) for _ in range(rounds + 1))  # the first may have to compile


def row(work: str, ours: float, peer: str, theirs: float | None, aim: str) -> None:
    """Print one row: ours, theirs, how many times ours theirs is, and the aim for ours."""
    beside = "" if theirs is None else f"{theirs:,.1f} ms = {theirs / ours:,.0f} x"
    show(f"{work:<56}{ours:>8.2f} ms   {peer:<46}{beside:>24}   aim {aim}")


def measure(task: Task, pythons: Mapping[str, Path], inputs_file: Path, rounds: int) -> None:
    """One task, ours and every peer's that is installed."""
    ours = best(task.ours, 3 * rounds)  # far shorter than theirs, so more easily disturbed
    rivals = [rival for rival in task.rivals if rival.peer in pythons]
    for rival in rivals:
        source = BEFORE + rival.source + AFTER
        theirs = answer(pythons[rival.peer], source, inputs_file, rounds) * rival.times
        named = PINS[rival.peer][0].replace("==", " ")
        row(task.work, ours, f"{named} ({rival.note})" if rival.note else named, theirs, task.aim)
    if not rivals:
        row(task.work, ours, "-", None, task.aim)


def compare(folder: Path, rounds: int) -> None:
    """Make what is missing of the environments, then print row after row."""
    pythons = {peer: python for peer in IMPORTS if (python := environment(peer, folder))}
    given = inputs()
    inputs_file = folder / "inputs.npz"
    np.savez(inputs_file, allow_pickle=False, **given)
    for task in tasks(given):
        measure(task, pythons, inputs_file, rounds)
    ours = import_time(Path(sys.executable), IMPORT_OURS, rounds)
    for peer, python in pythons.items():
        theirs = import_time(python, IMPORTS[peer], rounds)
        row("import of all of `stats` in a fresh process", ours, PINS[peer][0].replace("==", " "), theirs, "400 ms")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--environments", type=Path, help="where the peers stay installed (default: nowhere)")
    given = arguments.parse_args()
    if given.environments:
        given.environments.mkdir(parents=True, exist_ok=True)
        compare(given.environments.resolve(), given.rounds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(Path(folder), given.rounds)


if __name__ == "__main__":
    main()
