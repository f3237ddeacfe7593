"""What was worked out lately, found by all that it was worked out from.

An evaluation is a pure function of the plan, the stored numbers and the days, and the checks of these and of what else
is known of the data. Both are found by a hash of every one of these, taken of what was read a moment ago: what is
found is what would be worked out, whatever wrote the rows, and nobody has to say when they change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b

import msgspec

from experiments.inference.cohorts import Aggregates, Rows, Table, assemble
from experiments.inference.evaluation import Evaluation, evaluate
from experiments.inference.health import Health
from experiments.inference.monitoring import Circumstances, inspect
from experiments.inference.reading import Calendar
from experiments.planning.plan import Plan
from kpi.shelf import Shelf

MOST, MOST_CHECKS = 64_000_000, 4_000_000
"""Bytes that are kept, about."""
TIMES = 4
"""What an evaluation takes beside the numbers it is of, in their size: they are laid out, and read day by day."""
FINDING_BYTES = 8_000
"""What a finding takes, about."""
CHECKS_BYTES = 8_000
"""What the checks of one experiment take, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """An evaluation and the aggregates it is of; `mark` is the hash of all that both were worked out from."""

    mark: bytes
    aggregates: Aggregates
    evaluation: Evaluation


WORKED: Shelf[bytes, Worked] = Shelf(MOST)
CHECKED: Shelf[bytes, Health] = Shelf(MOST_CHECKS)


def evaluated(plan: Plan, variant_ids: Mapping[str, int], rows: Rows, calendar: Calendar) -> Worked:
    """Lay the rows out and evaluate the plan on them, unless that was done lately."""
    mark, size = _mark(plan, variant_ids, rows, calendar)
    found = WORKED.get(mark)
    if found is None:
        aggregates = assemble(plan, variant_ids, rows, calendar.through)
        found = Worked(mark=mark, aggregates=aggregates, evaluation=evaluate(plan, aggregates, calendar))
        findings = len(found.evaluation.findings) + len(found.evaluation.segment_findings)
        WORKED.put(mark, found, size * TIMES + findings * FINDING_BYTES)
    return found


def inspected(plan: Plan, worked: Worked, circumstances: Circumstances) -> Health:
    """Check what was evaluated in its circumstances, unless that was done lately."""
    mark = blake2b(worked.mark + repr(circumstances).encode()).digest()
    found = CHECKED.get(mark)
    if found is None:
        evaluation = worked.evaluation
        found = inspect(plan, worked.aggregates, evaluation.findings, evaluation.sample_ratio, circumstances)
        CHECKED.put(mark, found, CHECKS_BYTES)
    return found


def _mark(plan: Plan, variant_ids: Mapping[str, int], rows: Rows, calendar: Calendar) -> tuple[bytes, int]:
    """The hash of everything that an evaluation reads, and the bytes of its numbers."""
    said, size = blake2b(msgspec.json.encode((plan, variant_ids, calendar))), 0
    for part in _parts(rows):
        said.update(part)
        size += len(part)
    return said.digest(), size


def _parts(rows: Rows) -> Iterator[bytes]:
    """The numbers, each column after what it is a column of and how long it is."""
    for field in fields(rows):
        table: Table = getattr(rows, field.name)
        for key, columns in table.groups.items():
            for name, column in columns.items():
                yield repr((field.name, key, name, column.dtype.str, column.size)).encode()
                yield column.tobytes()
