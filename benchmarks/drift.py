"""How often a level that never drifts is called drifted at any look, and a drift is found: the table of docs/alerts.md.

    python -m benchmarks.drift --series 4000

Series are drawn whose neighbours correlate by so much and whose periods differ by twice their sampling error, or by
half of it, and judged by the code behind the alert after every period. The baseline is the mean of all periods before.
Takes some minutes of one core. Ends with 1 where false alarms are beyond alpha and 3 standard errors of the simulation.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Annotated

import numpy as np
import typer

from stats.arrays import Array
from stats.calibration.rates import beyond, blocks
from stats.series import drift

ALPHA = 0.05
SHIFT = 0.05
"""The drift worth knowing of, which is that of the series with one: five times the smaller of the deviations."""
DEVIATIONS = ((0.02, 0.01), (0.01, 0.02))
"""Of the swings, and of the sampling."""
HISTORIES = (12, 24, 52)
TIES = (0.0, 0.3, 0.6, 0.8, 0.95)
LOOKS = (52, 100)
FOUND_BY = 26
PART = 4
"""Of so many series one is drawn with a drift: its chance is far from nothing, and so is soon known."""
BLOCK = 25
"""Series judged at once, which keeps them in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How many periods lie before, how alike neighbours are, and what swings and sampling differ by."""

    history: int
    tie: float
    swing: float
    sampling: float

    def drawn(self, draw: np.random.Generator, series: int, looks: int) -> Array:
        """Series around zero (series, history + looks)."""
        swings = draw.normal(0, self.swing, (series, self.history + looks))
        for period in range(1, swings.shape[1]):
            swings[:, period] = self.tie * swings[:, period - 1] + swings[:, period] * (1 - self.tie**2) ** 0.5
        return np.asarray(swings + draw.normal(0, self.sampling, swings.shape))

    def judged(self, values: Array) -> Array:
        """The always-valid p-values after each look (series, looks)."""
        return drift.since(
            range(values.shape[1]),
            values,
            self.sampling,
            change=self.history,
            first=0,
            baseline=values[:, : self.history].mean(axis=-1),
            baseline_standard_error=self.sampling / self.history**0.5,
            shift=SHIFT,
            alpha=ALPHA,
        ).p_value


def rates(world: World, draw: np.random.Generator, series: int) -> tuple[float, ...]:
    """Shares called drifted at any of the looks without a drift, and found to have drifted with one."""
    calm = np.concatenate([world.judged(world.drawn(draw, size, LOOKS[-1])) for size in blocks(series, BLOCK)])
    later = np.arange(world.history + FOUND_BY) >= world.history
    parts = blocks(max(series // PART, 1), BLOCK)
    moved = np.concatenate([world.judged(world.drawn(draw, size, FOUND_BY) + SHIFT * later) for size in parts])
    return (*(float((calm[:, look - 1] <= ALPHA).mean()) for look in LOOKS), float((moved[:, -1] <= ALPHA).mean()))


def rows(series: int, seed: int) -> Iterator[tuple[World, tuple[float, ...]]]:
    """Every world with its shares."""
    cells = list(product(DEVIATIONS, HISTORIES, TIES))
    for (deviations, history, tie), draw in zip(cells, np.random.default_rng(seed).spawn(len(cells)), strict=True):
        world = World(history=history, tie=tie, swing=deviations[0], sampling=deviations[1])
        yield world, rates(world, draw, series)


def main(
    series: Annotated[int, typer.Option(help="Series without a drift in each world.", min=100)] = 4_000,
    seed: Annotated[int, typer.Option(help="Where the random numbers start.", min=0)] = 2026,
) -> None:
    """Print the table, row by row."""
    most, failures = beyond(ALPHA, series), 0
    _say(
        "swings : sampling",
        "history",
        "neighbours",
        *(f"false, {looks} looks" for looks in LOOKS),
        f"found by {FOUND_BY}",
    )
    _say(*["---"] * 6)
    for world, (soon, late, found) in rows(series, seed):
        failures += late > most
        kind = (f"{world.swing / world.sampling:g} : 1", f"{world.history} periods", f"{world.tie:g}")
        _say(*kind, f"{soon:.1%}", f"{late:.1%}", f"{found:.0%}")
    sys.stdout.write(f"\nAt most {most:.1%} pass; {failures or 'no'} rows are beyond.\n")
    raise typer.Exit(bool(failures))


def _say(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
