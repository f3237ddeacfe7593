"""`truelift import` killed in the middle: what was acknowledged stays, what was not is simply imported again."""

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.api.embedded.processes import postmaster
from tests.service.running import PATIENCE, TRUELIFT, clean, stored, stored_or_none

ROWS = 60_000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of outcomes, each with an id of its own."""
    path = tmp_path_factory.mktemp("import") / "outcomes.csv"
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["unit", "event", "occurred_at", "value", "event_id"])
        for number in range(ROWS):
            day = 1 + number % 28
            writer.writerow([f"u{number % 997}", "played", f"2026-02-{day:02d}T10:00:00Z", number % 13, f"e{number}"])
    return path


def start_import(file: Path | str, data_dir: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [str(TRUELIFT), "import", "outcomes", str(file), "--data-dir", str(data_dir)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=clean(), stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("victim", ["importer", "postgres"])
def test_killed_in_the_middle_a_second_import_completes_and_counts_nothing_twice(
    data_dir: Path, file: Path, victim: str
) -> None:
    place = data_dir / f"import-{victim}"
    rows = file.read_bytes()
    half = rows.index(b"\n", len(rows) // 2) + 1
    first = start_import("-", place, file.parent)
    assert first.stdin is not None
    first.stdin.write(rows[:half])  # the rest comes after the kill, so that it cannot be over before
    first.stdin.flush()
    while not stored_or_none(place):
        assert first.poll() is None
        time.sleep(0.05)
    os.kill(first.pid if victim == "importer" else postmaster(place), signal.SIGKILL)
    said = first.communicate(rows[half:], timeout=PATIENCE)[0].decode()
    assert first.returncode != 0
    if victim == "postgres":
        assert "Run the same import again" in said
    between = stored(place)
    assert 0 < between < ROWS
    second = start_import(file, place, file.parent)
    said = second.communicate(timeout=PATIENCE)[0].decode()
    assert second.returncode == 0
    assert f"{ROWS - between:,} accepted, {between:,} duplicates, 0 rejected." in said
    assert stored(place) == ROWS
