"""What must be true after every fault."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from api.commands.doctor import recompute
from api.database import Database
from benchmarks.faults.load import Row
from benchmarks.faults.service import Service, require
from kpi.events import outcome_ids
from kpi.outcomes import OutcomeRow, by_column
from tests.api.embedded.processes import command, everything, keepers, postmaster
from tests.experiments.aggregating import VARIANTS, Running, law_holds, outcome_row
from tests.experiments.recomputation import Did, Exposed


async def check_rows(database: Database, to: Running, rows: list[Row]) -> None:
    """Every acknowledged row is there exactly once, and nothing else."""
    async with database.raw() as connection:
        events = await connection.fetch("SELECT id, name FROM events WHERE workspace_id = $1", to.workspace.id)
        stored = await connection.fetch("SELECT id FROM outcomes WHERE workspace_id = $1", to.workspace.id)
        entries = await connection.fetch(
            "SELECT x.unit, v.key, x.exposed_at, x.crossed_at FROM exposures x JOIN variants v ON v.id = x.variant_id"
            " WHERE x.experiment_id = $1",
            to.experiment.id,
        )
    number = {row["name"]: row["id"] for row in events}
    sent = [msgspec.convert(outcome_row(row), OutcomeRow) for row in rows if isinstance(row, Did)]
    expected = outcome_ids(to.workspace.id, [number[row.event] for row in sent], by_column(dict(enumerate(sent))))
    require(sorted(row["id"].bytes for row in stored) == sorted(set(expected.tolist())), "outcomes are lost or double")
    require(sorted(map(tuple, entries), key=str) == sorted(_entries(rows), key=str), "exposures are lost or wrong")


def _entries(rows: list[Row]) -> Iterator[tuple[str, str, datetime, datetime | None]]:
    by_unit = defaultdict(list)
    for row in rows:
        if isinstance(row, Exposed):
            by_unit[row.unit].append(row)
    for unit, ones in by_unit.items():
        first = min(ones, key=lambda one: (one.at, one.variant))
        crossed = min((one.at for one in ones if one.variant != first.variant), default=None)
        yield unit, VARIANTS[first.variant].key, first.at, crossed


async def check_aggregates(database: Database, to: Running, rows: list[Row], *, is_plain: bool) -> None:
    """The aggregates are what `truelift doctor --recompute` derives, and now and then what plain Python does."""
    wrong = [check.sentence for check in await recompute(database, is_mending=False) if not check.is_ok]
    require(not wrong, f"aggregates differ: {wrong}")
    if is_plain:
        await law_holds(database, to, rows)


def check_processes(service: Service) -> None:
    """One server and one keeper, however many there were."""
    servers = [pid for pid in everything(service.data) if _is_server(pid, service.data)]
    require(servers == [postmaster(service.data)], f"servers: {servers}")
    require(len(keepers(service.data)) == 1, f"keepers: {keepers(service.data)}")


def _is_server(pid: int, data: Path) -> bool:
    program, _, words = command(pid).partition(" ")
    return program.endswith("/postgres") and str(data) in words
