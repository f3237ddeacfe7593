"""Daily aggregates coming in, of companies that keep their rows in a warehouse: the one function all doors end in.

An experiment takes raw rows or aggregates, whichever came first, never both. A row replaces what its cell said before,
so sending everything again is the same state; days below the workspace's floor are final, as for rows. The data of such
an experiment reach as far as the last time somebody sent some: what was not sent by then did not happen.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import asyncpg

from experiments.aggregation import given
from experiments.aggregation.cells import AggregateRow, Place, Sheet, Taker, Value
from experiments.inference.cohorts import EVERYBODY
from experiments.life.lifecycle import last_entry_on
from experiments.planning import plan as plans
from kpi.batches import next_ingest, record_ingest
from kpi.ingest import Batch, Fault, Refused, Report, Rows, check_text, parse_all
from kpi.storage import gate

Takers = dict[str, Taker | Refused]
"""Experiments by key, each ready to take aggregates, or with the reason why it does not."""


async def ingest(
    connection: asyncpg.Connection,
    *,
    workspace_id: int,
    rows: Rows,
    now: datetime,
    lax: bool = False,
    is_replay: bool = False,
) -> Report:
    """Take in aggregates. Runs in the caller's transaction; one bad row never fails its neighbours."""
    parsed, refusals = parse_all(rows, AggregateRow, _check, now, lax=lax)
    parsed = (await gate(connection, workspace_id, "aggregates")).admit(parsed, refusals)
    takers = await _takers(connection, workspace_id, {row.experiment for row in parsed.values()}, now)
    said: dict[int, tuple[Place, Value]] = {}
    for index, row in parsed.items():
        try:
            said[index] = _taker(row.experiment, takers).cell(row)
        except Refused as refused:
            refusals.append(refused.at(index))
    returning = {number for taker in takers.values() if isinstance(taker, Taker) for number in taker.returning}
    sheet = Sheet(await given.cells(connection, {place[0] for place, _ in said.values()}), returning)
    accepted: list[int] = []
    duplicates: list[int] = []
    # How many entered before what they did, in whichever order a batch says it.
    for index in sorted(said, key=lambda index: said[index][0][1] is not None):
        try:
            (accepted if sheet.put(*said[index]) else duplicates).append(index)
        except Refused as refused:
            refusals.append(refused.at(index))
    report = Report(
        accepted=tuple(sorted(accepted)),
        duplicates=tuple(sorted(duplicates)),
        refusals=tuple(sorted(refusals, key=lambda refusal: refusal.index)),
    )
    told = {said[index][0][0][0] for index in (*accepted, *duplicates)}
    await _store(connection, sheet, told, now)
    batch = Batch(
        id=await next_ingest(connection),
        workspace_id=workspace_id,
        noun="aggregates",
        touched=frozenset(place[0][0] for place in sheet.changed),
        days=frozenset(place[0][3] for place in sheet.changed),
        received_at=now,
        is_lax=lax,
        keeps_refused=not is_replay,
    )
    await record_ingest(connection, batch, report, rows)
    return report


def _check(row: AggregateRow, _now: datetime) -> None:
    for path in ("experiment", "variant", "kpi", "segment"):
        check_text(path, getattr(row, path))


def _taker(key: str, takers: Takers) -> Taker:
    found = takers.get(key) or Refused(Fault.UNKNOWN_EXPERIMENT, f"There is no experiment “{key}”.", "experiment")
    if isinstance(found, Refused):
        raise Refused(found.code, found.message, found.path)
    return found


async def _takers(connection: asyncpg.Connection, workspace_id: int, keys: set[str], now: datetime) -> Takers:
    found = await given.lock_takers(connection, workspace_id, keys)
    variants = await given.variant_numbers(connection, [row["id"] for row in found])
    segments = await given.segment_names(connection, [row["id"] for row in found])
    return {row["key"]: _made(row, variants[row["id"]], segments[row["id"]], now) for row in found}


def _made(
    row: Mapping[str, Any], variants: dict[str, int], segments: dict[str, set[str]], now: datetime
) -> Taker | Refused:
    key, started_at, frozen_at = row["key"], row["started_at"], row["frozen_at"]
    if started_at is None:
        return Refused(Fault.NOT_STARTED, f"Experiment “{key}” has not started.", "experiment")
    if row["has_rows"]:
        sentence = f"Experiment “{key}” takes exposures, which came first; aggregates have no place beside them."
        return Refused(Fault.OTHER_SOURCE, sentence, "experiment")
    return Taker(
        experiment_id=row["id"],
        plan=plans.from_document(row["plan"]),
        variants=variants,
        first_on=_day(started_at),
        last_on=last_entry_on(frozen_at),
        today=_day(now),
        segments=segments,
    )


async def _store(connection: asyncpg.Connection, sheet: Sheet, told: set[int], now: datetime) -> None:
    await given.note_given(connection, sorted(told), now)
    await given.name_segments(connection, {cohort[:2] for cohort, _, _ in sheet.changed if cohort[1] != EVERYBODY})
    await given.write_cells(connection, sheet.changed)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()
