"""The calibration that the product writes: it passes the shipped methods, and it catches broken ones."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import lognorm, norm
from statsmodels.stats.proportion import power_proportions_2indep

from api.commands.calibrate import document, measure
from api.version import VERSION
from stats.calibration import scenarios
from stats.calibration.families import FAMILIES, Family
from stats.calibration.scenarios import LIMITS, SCENARIOS, Amounts, Reading, Scenario, Shares, Start, Times
from stats.calibration.table import Row, rows
from stats.results import Comparisons

ALPHA = 0.05
START = Start(units=100, successes=20)
TRUELIFT = Path(sys.executable).parent / "truelift"
UNLUCKY = 0
"""A seed with which a hundred replicates break a promise by chance."""

SMALL = Shares(name="small", share=0.3, effect=0.1, n=(20, 20), looks=20)
SPENT = Amounts(name="spent", payers=0.3, spread=1.2, lift=0.2, n=(30, 20), looks=10)
FIRST_VALUE = Times(name="first value", share=0.5, half_life=3.0, hazard_ratio=1.3, daily=(30, 15), tau=7)


def measured(scenario: Scenario, replicates: int, families: Sequence[Family] = FAMILIES, seed: int = 11) -> list[Row]:
    draw = np.random.default_rng(seed)
    return list(rows(scenario, draw, replicates=replicates, start=START, alpha=ALPHA, families=families))


def broken(spoil: Callable[[Comparisons], Comparisons]) -> list[Family]:
    """The families that promise something, each judging spoilt numbers."""

    def spoilt(family: Family) -> Family:
        return replace(
            family, judge=lambda reading, *rest: family.judge(replace(reading, found=spoil(reading.found)), *rest)
        )

    return [spoilt(family) for family in FAMILIES if family.promise]


def overconfident(found: Comparisons) -> Comparisons:
    """Standard errors of half the size: the same as bars at half their height."""
    return replace(
        found,
        variance=found.variance / 4,
        statistic=found.statistic * 2,
        p_value=2 * norm.sf(2 * np.abs(found.statistic)),
        lower=(found.difference + found.lower) / 2,
        upper=(found.difference + found.upper) / 2,
    )


def mute(found: Comparisons) -> Comparisons:
    """Standard errors so large that nothing is ever found."""
    return replace(
        found,
        variance=found.variance * 100,
        statistic=found.statistic / 10,
        p_value=2 * norm.sf(np.abs(found.statistic) / 10),
    )


def truth(scenario: Scenario, measure: str) -> Comparisons:
    return scenario.expected(has_effect=True, start=START, alpha=ALPHA)[measure].found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_shipped_families_keep_their_promises_and_peeking_would_not(scenario: Scenario) -> None:
    found = measured(scenario, 400)
    assert [(row.measure, row.family, row.failures) for row in found if row.failures] == []
    assert all(row.false_positives.value > 2 * ALPHA for row in found if row.family == "Peeking")


@pytest.mark.parametrize("scenario", [SMALL, SPENT, FIRST_VALUE], ids=lambda scenario: scenario.name)
def test_bars_at_half_their_height_fail_every_family(scenario: Scenario) -> None:
    found = measured(scenario, 400, broken(overconfident))
    assert len(found) >= 3
    assert all("false positives" in row.failures for row in found)
    assert all("coverage" in row.failures for row in found if row.coverage)


@pytest.mark.parametrize("scenario", [SMALL, SPENT, FIRST_VALUE], ids=lambda scenario: scenario.name)
def test_families_that_never_reject_fail_on_power(scenario: Scenario) -> None:
    found = measured(scenario, 200, broken(mute))
    assert len(found) >= 3
    assert all(row.failures == ("power",) for row in found)


def test_power_and_false_positives_of_one_look_are_those_of_statsmodels() -> None:
    many = Shares(name="many", share=0.3, effect=0.05, n=(500, 500), looks=2)
    fixed = measured(many, 20_000)[0]
    expected = power_proportions_2indep(0.05, 0.3, 1000, alpha=ALPHA).power
    assert fixed.power.value == pytest.approx(expected, abs=4 * fixed.power.standard_error)
    assert fixed.false_positives.value == pytest.approx(ALPHA, abs=4 * fixed.false_positives.standard_error)


def test_one_look_only_makes_group_sequential_the_fixed_test() -> None:
    fixed, planned, *_ = measured(replace(SMALL, looks=1, n=(300, 300)), 2000)
    assert (fixed.power, fixed.false_positives) == (planned.power, planned.false_positives)
    assert fixed.mean_end == planned.mean_end == fixed.horizon == 600


def test_true_difference_of_amounts_is_that_of_the_lognormal() -> None:
    found = truth(SPENT, scenarios.MEAN)
    mean, second = (SPENT.payers * lognorm.moment(order, SPENT.spread) for order in (1, 2))
    assert found.difference[-1] == pytest.approx(SPENT.lift * mean)
    expected = (second - mean**2) * (1 / 300 + (1 + SPENT.lift) ** 2 / 200)
    assert found.variance[-1] == pytest.approx(expected, rel=0.01)  # n - 1 for n


def test_true_difference_of_times_is_the_area_between_the_curves() -> None:
    found = truth(FIRST_VALUE, scenarios.RESTRICTED_MEAN)
    staying = np.array([1 - 0.5 * (1 - 0.5 ** (day / 3)) for day in range(7)])
    np.testing.assert_allclose(found.difference, (staying**1.3 - staying).sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("scenario", "name"),
    [(SMALL, scenarios.SHARE), (SPENT, scenarios.MEAN), (FIRST_VALUE, scenarios.RESTRICTED_MEAN)],
)
def test_drawn_experiments_scatter_around_the_expected_one(scenario: Scenario, name: str) -> None:
    draw = np.random.default_rng(12)
    drawn: Reading = scenario.drawn(draw, 2000, has_effect=True, start=START, alpha=ALPHA)[name]
    last, expected = drawn.found.difference[:, -1], truth(scenario, name)
    assert last.mean() == pytest.approx(expected.difference[-1], abs=4 * last.std() / np.sqrt(2000))
    assert last.var() == pytest.approx(expected.variance[-1], rel=0.2)


def test_always_valid_waits_for_units_and_successes_in_both_arms() -> None:
    rare = Shares(name="rare", share=0.1, effect=0.0, n=(50, 50), looks=6)
    reading = rare.expected(has_effect=False, start=START, alpha=ALPHA)[scenarios.SHARE]
    assert reading.has_begun.tolist() == [False, False, False, True, True, True]  # 20 successes after 200 units


def test_a_rate_passes_up_to_three_standard_errors_beyond_its_promise() -> None:
    bounds = measured(SMALL, 100)[0].bounds
    assert bounds is not None
    assert bounds.most_false_positives == pytest.approx(0.05 + 3 * 0.0217945, abs=1e-6)
    assert bounds.least_coverage == pytest.approx(0.95 - 3 * 0.0217945, abs=1e-6)


def test_measuring_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a replicate or more"):
        measured(SMALL, 0)


def calibrate(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRUELIFT, "calibrate", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tempfile.gettempdir(),
    )


def test_the_command_writes_the_document_of_its_seed(tmp_path: Path) -> None:
    before = datetime.now(UTC).date()
    finished = calibrate("--replicates", "300", "--seed", "5", "--out", tmp_path / "calibration.md")
    assert finished.returncode == 0, finished.stderr
    written = (tmp_path / "calibration.md").read_text(encoding="utf-8")
    again = measure(replicates=300, seed=5)
    assert written in {document(again, on=day) for day in (before, datetime.now(UTC).date())}
    assert f"Truelift {VERSION}" in written
    assert "truelift calibrate --replicates 300 --seed 5" in written
    assert all(f"**{scenario.name}**" in written for scenario in (*SCENARIOS, *LIMITS))
    assert document(measure(replicates=300, seed=6), on=before) != document(again, on=before)


def test_the_command_ends_with_1_and_still_writes_when_a_promise_is_broken(tmp_path: Path) -> None:
    finished = calibrate("--replicates", "100", "--seed", str(UNLUCKY), "--out", tmp_path / "calibration.md")
    assert finished.returncode == 1
    assert "broken " in finished.stderr
    assert "**fail**" in (tmp_path / "calibration.md").read_text(encoding="utf-8")


def test_the_command_says_when_there_is_no_folder_to_write_to(tmp_path: Path) -> None:
    finished = calibrate("--out", tmp_path / "nowhere" / "calibration.md")
    assert finished.returncode == 1
    assert "There is no folder" in finished.stderr


def test_a_measurement_by_broken_families_lists_each_broken_promise() -> None:
    spoilt = measure(replicates=100, seed=1, families=broken(mute))
    assert len(spoilt.failures) == 36
    assert "Fast, Log-rank, Always valid: power" in spoilt.failures
    assert "36 broken promises" in document(spoilt, on=date(2026, 11, 22))
