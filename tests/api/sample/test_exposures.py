"""One split is broken, the others are fair; users are shared only where it does no harm."""

from collections import Counter, defaultdict

import pytest
from scipy import stats

from api.sample.rows import Row
from api.sample.runs import RUNS

FAIR = [run.key for run in RUNS if run.key != "new-editor"]


def split(rows: list[Row], experiment: str, device: str | None = None) -> list[int]:
    """Units of control and treatment, crossovers left out."""
    seen = defaultdict(set)
    for row in rows:
        if row["experiment"] == experiment and device in (None, row["attributes"]["device"]):
            seen[row["unit"]].add(row["variant"])
    counts = Counter(next(iter(variants)) for variants in seen.values() if len(variants) == 1)
    return [counts["control"], counts["treatment"]]


def test_srm_of_new_editor_is_certain(exposure_rows: list[Row]) -> None:
    assert stats.chisquare(split(exposure_rows, "new-editor")).pvalue < 1e-4


def test_srm_of_new_editor_comes_from_mobile(exposure_rows: list[Row]) -> None:
    control, treatment = split(exposure_rows, "new-editor", "mobile")
    assert 0.6 < treatment / control < 0.84
    assert stats.chisquare(split(exposure_rows, "new-editor", "desktop")).pvalue > 0.001


@pytest.mark.parametrize("experiment", FAIR)
def test_srm_of_the_other_experiments_is_absent(exposure_rows: list[Row], experiment: str) -> None:
    counts = split(exposure_rows, experiment)
    assert min(counts) > 1_000
    assert stats.chisquare(counts).pvalue > 0.01


def test_units_are_in_one_experiment_besides_new_editor(exposure_rows: list[Row]) -> None:
    experiments = defaultdict(set)
    for row in exposure_rows:
        if row["experiment"] != "new-editor":
            experiments[row["unit"]].add(row["experiment"])
    assert max(len(keys) for keys in experiments.values()) == 1


def test_new_editor_is_independent_of_the_others(exposure_rows: list[Row]) -> None:
    other: dict[str, str] = {}
    editor: dict[str, str] = {}
    for row in exposure_rows:
        (editor if row["experiment"] == "new-editor" else other)[row["unit"]] = row["variant"]
    both = Counter((other[unit], editor[unit]) for unit in editor.keys() & other.keys())
    table = [[both[a, b] for b in ("control", "treatment")] for a in ("control", "treatment")]
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_crossovers_are_few(exposure_rows: list[Row]) -> None:
    rows = Counter((row["experiment"], row["unit"]) for row in exposure_rows)
    crossed = sum(count > 1 for count in rows.values())
    assert 0.0015 < crossed / len(rows) < 0.0045
