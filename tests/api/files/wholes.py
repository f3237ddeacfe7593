"""Whole files for the tests, what one good row of them is, and what reading them gives."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.files.mapping import Mapping
from api.files.reading import Batch
from api.files.rejects import Reject

EXPOSURES = Mapping.load(kind="exposures")
OUTCOMES = Mapping.load(kind="outcomes")
NAIVE = datetime.fromisoformat("2026-06-01")
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
HEADER = "unit,event,occurred_at,value,event_id\n"
GOOD = "u1,visited,2026-06-01T00:00:00Z,2.5,e1\n"
GOOD_ROW = {"unit": "u1", "event": "visited", "occurredAt": JUNE, "value": "2.5", "eventId": "e1"}


def write(tmp_path: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(batches: list[Batch]) -> list[tuple[int, dict[str, Any]]]:
    return [row for batch in batches for row in zip(batch.lines, batch.rows, strict=True)]


def rejects(batches: list[Batch]) -> list[Reject]:
    return [reject for batch in batches for reject in batch.rejects]


def codes(batches: list[Batch]) -> list[tuple[int, str]]:
    return [(reject.line, reject.code) for reject in rejects(batches)]
