"""What the tests of the calibration share: small worlds, and families that are broken on purpose."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import norm

from stats.calibration.families import FAMILIES, Family
from stats.calibration.scenarios import Amounts, Reading, Scenario, Shares, Start, Times
from stats.calibration.table import Row, rows

ALPHA = 0.05
START = Start(units=100, successes=20)

SMALL = Shares(name="small", share=0.3, effect=0.1, n=(20, 20), looks=20)
SPENT = Amounts(name="spent", payers=0.3, spread=1.2, lift=0.2, n=(30, 20), looks=10)
FIRST_VALUE = Times(name="first value", share=0.5, half_life=3.0, hazard_ratio=1.3, daily=(30, 15), tau=7)


def measured(scenario: Scenario, replicates: int, families: Sequence[Family] = FAMILIES, seed: int = 11) -> list[Row]:
    draw = np.random.default_rng(seed)
    return list(rows(scenario, draw, replicates=replicates, start=START, alpha=ALPHA, families=families))


def broken(spoil: Callable[[Reading], Reading]) -> list[Family]:
    """The families that promise something, each judging spoilt numbers."""

    def spoilt(family: Family) -> Family:
        return replace(family, judge=lambda reading, *rest: family.judge(spoil(reading), *rest))

    return [spoilt(family) for family in FAMILIES if family.promise]


def overconfident(reading: Reading) -> Reading:
    """Standard errors of half the size, which is the same as bars at half their height; and evidence fourfold."""
    found = reading.found
    smaller = replace(
        found,
        variance=found.variance / 4,
        statistic=found.statistic * 2,
        p_value=2 * norm.sf(2 * np.abs(found.statistic)),
        lower=(found.difference + found.lower) / 2,
        upper=(found.difference + found.upper) / 2,
    )
    return replace(reading, found=smaller, log_e=None if reading.log_e is None else 4 * reading.log_e)


def mute(reading: Reading) -> Reading:
    """Standard errors so large, and evidence so weak, that nothing is ever found."""
    found = reading.found
    larger = replace(
        found,
        variance=found.variance * 100,
        statistic=found.statistic / 10,
        p_value=2 * norm.sf(np.abs(found.statistic) / 10),
    )
    return replace(reading, found=larger, log_e=None if reading.log_e is None else reading.log_e / 100)
