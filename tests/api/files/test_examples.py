"""The two mapping files of docs/examples on the real files they describe, against counts made with the csv module."""

import csv
import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from api.files.mapping import Kind, Mapping
from api.files.reading import read

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
MET = datetime(2026, 6, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason=f"THE REAL FILES ARE ABSENT: {DATA} does not exist, so the mapping files are not tried."
)


def head(name: str, tmp_path: Path) -> tuple[Path, list[dict[str, str]]]:
    """The first 1,000 lines of a real file as a file, and its rows as the csv module reads them."""
    with gzip.open(DATA / f"{name}.csv.gz", "rt", newline="", encoding="utf-8") as file:
        lines = list(islice(file, 1_000))
    path = tmp_path / f"{name}.csv"
    path.write_text("".join(lines), encoding="utf-8", newline="")
    return path, list(csv.DictReader(lines))


def imported(name: str, kind: Kind, path: Path) -> list[tuple[int, dict[str, Any]]]:
    mapping = Mapping.load(kind=kind, path=ROOT / "docs" / "examples" / f"{name}.toml")
    batches = list(read(path, mapping))
    assert [reject for batch in batches for reject in batch.rejects] == []
    return [row for batch in batches for row in zip(batch.lines, batch.rows, strict=True)]


def test_cookie_cats_exposures_are_one_a_player(tmp_path: Path) -> None:
    path, table = head("cookie_cats", tmp_path)
    keys = {"gate_30": "control", "gate_40": "gate-40"}
    assert [row for _, row in imported("cookie_cats", "exposures", path)] == [
        {
            "experiment": "cookie-cats-gate",
            "unit": row["userid"],
            "variant": keys[row["version"]],
            "exposedAt": MET,
            "attributes": {},
        }
        for row in table
    ]


def test_cookie_cats_outcomes_are_those_of_the_table_on_their_days(tmp_path: Path) -> None:
    path, table = head("cookie_cats", tmp_path)
    expected: set[tuple[str, str, timedelta, float | None]] = set()
    for row in table:
        rounds = float(row["sum_gamerounds"])
        expected |= {(row["userid"], "round_played", timedelta(hours=1), rounds)} if rounds else set()
        for day in (1, 7):
            if row[f"retention_{day}"] == "TRUE":
                expected.add((row["userid"], "session_started", timedelta(days=day), None))
    found = [row for _, row in imported("cookie_cats", "outcomes", path)]
    assert {(row["unit"], row["event"], row["occurredAt"] - MET, row["value"]) for row in found} == expected
    assert len({row["eventId"] for row in found}) == len(found) == len(expected)


def test_hillstrom_exposures_are_one_a_line_with_typed_attributes(tmp_path: Path) -> None:
    path, table = head("hillstrom", tmp_path)
    found = imported("hillstrom", "exposures", path)
    keys = {"No E-Mail": "control", "Mens E-Mail": "mens", "Womens E-Mail": "womens"}
    assert [(line, row["unit"]) for line, row in found] == [(n, str(n)) for n in range(2, 1_001)]
    assert [row["variant"] for _, row in found] == [keys[row["segment"]] for row in table]
    assert [row["attributes"]["history"] for _, row in found] == [float(row["history"]) for row in table]
    assert [row["attributes"]["newbie"] for _, row in found] == [row["newbie"] == "1" for row in table]


def test_hillstrom_outcomes_are_those_of_the_table(tmp_path: Path) -> None:
    path, table = head("hillstrom", tmp_path)
    found = [row for _, row in imported("hillstrom", "outcomes", path)]
    expected = Counter(
        visited=sum(row["visit"] == "1" for row in table),
        purchased=sum(row["conversion"] == "1" for row in table),
        spent=sum(float(row["spend"]) > 0 for row in table),
    )
    assert Counter(row["event"] for row in found) == expected
    spent = {row["unit"]: row["value"] for row in found if row["event"] == "spent"}
    assert spent == {str(n): float(row["spend"]) for n, row in enumerate(table, 2) if float(row["spend"])}
    assert {row["occurredAt"] - MET for row in found} == {timedelta(days=1)}
