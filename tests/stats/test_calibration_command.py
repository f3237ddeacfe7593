"""`truelift calibrate`: the document it writes, and how it ends."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import typer

from api.commands.calibrate import calibrate, document, measure
from api.version import VERSION
from stats.calibration.families import FAMILIES, VARIANTS
from stats.calibration.sample_ratio import SPLITS
from stats.calibration.scenarios import LIMITS, SCENARIOS
from stats.calibration.series import QUESTIONS
from tests.stats.calibrating import broken, mute

TRUELIFT = Path(sys.executable).parent / "truelift"
LUCKY, UNLUCKY = 2, 1
"""Seeds with which a hundred replicates keep all promises, and break some by chance."""


def test_the_command_writes_the_document_of_its_seed(tmp_path: Path) -> None:
    before = datetime.now(UTC).date()
    words: list[str | Path] = [
        TRUELIFT,
        "calibrate",
        "--replicates",
        "100",
        "--seed",
        str(LUCKY),
        "--out",
        tmp_path / "calibration.md",
    ]
    finished = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    written = (tmp_path / "calibration.md").read_text(encoding="utf-8")
    again = measure(replicates=100, seed=LUCKY)
    assert written in {document(again, on=day) for day in (before, datetime.now(UTC).date())}
    assert f"Truelift {VERSION}" in written
    assert f"truelift calibrate --replicates 100 --seed {LUCKY}" in written
    named = {*(world.name for world in (*SCENARIOS, *LIMITS)), *(split.name for split in SPLITS)}
    assert all(f"**{name}**" in written for name in named)
    assert all(f"| {family.name} (" in written for family in (*FAMILIES, *VARIANTS))
    assert all(f"| {question.name} | {question.world.name} |" in written for question in QUESTIONS)


def test_the_command_ends_with_1_and_still_writes_when_a_promise_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        calibrate(replicates=100, seed=UNLUCKY, out=tmp_path / "calibration.md")
    assert ended.value.exit_code == 1
    assert "broken " in capsys.readouterr().err
    assert "**fail**" in (tmp_path / "calibration.md").read_text(encoding="utf-8")


def test_the_command_says_when_there_is_no_folder_to_write_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        calibrate(replicates=100, seed=LUCKY, out=tmp_path / "nowhere" / "calibration.md")
    assert ended.value.code == 1
    assert "There is no folder" in capsys.readouterr().err


def test_a_measurement_by_broken_families_lists_each_broken_promise() -> None:
    spoilt = measure(replicates=25, seed=1, families=broken(mute))
    names = [f"{row.scenario}, {row.measure}, {row.family}: power" for row in spoilt.promised]
    assert list(spoilt.failures[: len(names)]) == names
    assert "Fast, Log-rank, Always valid: power" in names
    assert f"{len(spoilt.failures)} broken promises" in document(spoilt, on=date(2026, 11, 22))
