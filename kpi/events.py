"""Outcomes coming in: the one function all doors end in.

An outcome's id is made from the row itself - 48 bits of time, then a hash of the sender's event id or of the content -
so a retry makes the same id and the primary key keeps it from counting twice. Time first keeps the index append-only;
so the same event id with another time is another outcome (docs/decisions/2026-11-22-event-ids.md).
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from kpi import batches, storage
from kpi.columns import EPOCH, MICROSECOND, micros
from kpi.gate import NOBODY, Omission
from kpi.ingest import Batch, Fault, Refusal, Report, Rows
from kpi.outcomes import MICROSECONDS, OutcomeRow, Outcomes, by_column, read
from kpi.packing import packed

EVENT_NAMES = 5_000
"""Distinct event names a workspace may have: names are a vocabulary; data belong into the value."""
ID = "V16"
"""An id as it is stored: 6 bytes of time, 10 of hash."""
DIGEST = 10

Indexes = NDArray[np.int64]


async def ingest(
    connection: asyncpg.Connection,
    *,
    workspace_id: int,
    rows: Rows,
    now: datetime,
    lax: bool = False,
    is_replay: bool = False,
    without: Omission = NOBODY,
) -> Report:
    """Take in outcomes. Runs in the caller's transaction; one bad row never fails its neighbours."""
    outcomes, refusals = read(rows, now, lax=lax)
    gate = await storage.gate(connection, workspace_id, "outcomes", without=without)
    outcomes = outcomes.admitted(gate, refusals)
    known = await _event_numbers(connection, workspace_id, set(outcomes.events))
    outcomes = _named(outcomes, known, refusals)
    numbers = np.array([known[event] for event in outcomes.events], np.int64)
    batch = await batches.next_ingest(connection)
    fresh = await _store(connection, outcomes, numbers, workspace_id=workspace_id, batch=batch)
    report = Report(
        accepted=tuple(outcomes.places[fresh].tolist()),
        duplicates=tuple(outcomes.places[~fresh].tolist()),
        refusals=tuple(sorted(refusals, key=lambda refusal: refusal.index)),
    )
    arrived = _arrived(numbers[fresh], outcomes.times[fresh], now)
    ledger = Batch(
        id=batch,
        workspace_id=workspace_id,
        noun="outcomes",
        touched=frozenset(arrived),
        arrived=arrived,
        earliest_at=_earliest(outcomes.times[fresh]),
        received_at=now,
        is_lax=lax,
        is_hidden=gate.secret is not None,
        keeps_refused=not (is_replay or gate.without.units),
    )
    await batches.record_ingest(connection, ledger, report, gate.keepable(rows, report))
    return report


def outcome_ids(workspace_id: int, numbers: Sequence[int], outcomes: Outcomes) -> NDArray[np.void]:
    """The ids, 16 bytes each, that a retry of these outcomes makes again; with the numbers of their events."""
    seconds = outcomes.times / MICROSECONDS
    names = _names(workspace_id, numbers, outcomes, seconds)
    digests = b"".join([blake2b(name.encode(), digest_size=DIGEST).digest() for name in names])
    ids = np.empty((len(names), 6 + DIGEST), np.uint8)
    ids[:, :6] = (seconds * 1000).astype(">i8").view(np.uint8).reshape(-1, 8)[:, 2:]
    ids[:, 6:] = np.frombuffer(digests, np.uint8).reshape(-1, DIGEST)
    return ids.reshape(-1).view(ID)


def _names(workspace_id: int, numbers: Sequence[int], outcomes: Outcomes, seconds: NDArray[np.float64]) -> list[str]:
    """What tells an outcome from another of its time: the sender's event id, else all it says."""
    if None not in outcomes.event_ids:
        return [f"{workspace_id}\0id\0{event_id}" for event_id in outcomes.event_ids]
    values = [None if value != value else value for value in outcomes.values.tolist()]  # noqa: PLR0124 - NaN: none
    said = zip(outcomes.event_ids, numbers, outcomes.units, seconds.tolist(), values, strict=True)
    return [
        f"{workspace_id}\0content\0{number}\0{unit}\0{at!r}\0{value!r}"
        if event_id is None
        else f"{workspace_id}\0id\0{event_id}"
        for event_id, number, unit, at, value in said
    ]


async def known(
    connection: asyncpg.Connection, workspace_id: int, named: Collection[tuple[str, datetime]]
) -> set[tuple[str, datetime]]:
    """Which of these outcomes are stored already, each by its sender's event id and its time."""
    rows = [OutcomeRow(unit="", event="", occurred_at=at, event_id=event_id) for event_id, at in named]
    outcomes = by_column(dict(enumerate(rows)))
    ids = outcome_ids(workspace_id, [0] * len(rows), outcomes)
    unknown = set((await _unknown(connection, ids, np.arange(len(rows)))).tolist())
    return {one for place, one in enumerate(named) if place not in unknown}


def first_id(at: datetime) -> UUID:
    """The lowest id that an outcome of this time or later may have, at whole milliseconds."""
    return UUID(bytes=int(at.timestamp() * 1000).to_bytes(6, "big") + bytes(DIGEST))


def time_of(identity: UUID) -> datetime:
    """The whole millisecond in which an outcome of this id happened."""
    return EPOCH + timedelta(milliseconds=int.from_bytes(identity.bytes[:6], "big"))


def _arrived(numbers: NDArray[np.int64], times: NDArray[np.int64], now: datetime) -> dict[int, tuple[int, int]]:
    """By event: the rows that came in, and those among them of a day that is over, so that it was counted already."""
    today = micros(now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    found, place = np.unique(numbers, return_inverse=True)
    counts, late = np.bincount(place, minlength=found.size), np.bincount(place[times < today], minlength=found.size)
    return dict(zip(found.tolist(), zip(counts.tolist(), late.tolist(), strict=True), strict=True))


def _earliest(times: NDArray[np.int64]) -> datetime | None:
    return EPOCH + int(times.min()) * MICROSECOND if times.size else None


async def _event_numbers(connection: asyncpg.Connection, workspace_id: int, names: set[str]) -> dict[str, int]:
    known = await storage.event_numbers(connection, workspace_id, names)
    unknown = sorted(names - known.keys())
    if not unknown:
        return known
    room = EVENT_NAMES - await storage.count_events(connection, workspace_id)
    await storage.add_events(connection, workspace_id, unknown[: max(room, 0)])
    return await storage.event_numbers(connection, workspace_id, names)


def _named(outcomes: Outcomes, known: Collection[str], refusals: list[Refusal]) -> Outcomes:
    """Those whose event has a number; the refusals of the others are added."""
    is_unknown = np.array([event not in known for event in outcomes.events], np.bool_)
    return outcomes.without(is_unknown, _too_many, refusals)


def _too_many(indexes: list[int]) -> list[Refusal]:
    sentence = f"This workspace has {EVENT_NAMES} event names already: put what varies into the value, not the name."
    return [Refusal(index=index, code=Fault.TOO_MANY_EVENTS, message=sentence, path="event") for index in indexes]


async def _store(
    connection: asyncpg.Connection, outcomes: Outcomes, numbers: NDArray[np.int64], *, workspace_id: int, batch: int
) -> NDArray[np.bool_]:
    """Store what is new; returns which are. COPY straight in; only a collision pays for a look-up.

    In the order of ids, so that two batches that share rows wait for each other in one order instead of locking up.
    """
    ids = outcome_ids(workspace_id, numbers.tolist(), outcomes)
    pending = _first_of_each(ids)
    if await storage.known_outcomes(connection, ids[pending[:1]].tobytes()):  # a batch that comes again shows at once
        pending = await _unknown(connection, ids, pending)
    while pending.size:
        rows = packed(outcomes.at(pending), ids[pending], numbers[pending])
        try:
            async with connection.transaction():
                await storage.copy_outcomes(connection, rows, workspace_id=workspace_id, batch=batch)
            break
        except asyncpg.UniqueViolationError:
            pending = await _unknown(connection, ids, pending)
    fresh = np.zeros(len(ids), np.bool_)
    fresh[pending] = True
    return fresh


async def _unknown(connection: asyncpg.Connection, ids: NDArray[np.void], pending: Indexes) -> Indexes:
    """Those of which the id is not stored."""
    asked = ids[pending]
    known = set(np.frombuffer(await storage.known_outcomes(connection, asked.tobytes()), ID).tolist())
    return pending[[identity not in known for identity in asked.tolist()]]


def _first_of_each(ids: NDArray[np.void]) -> Indexes:
    """Where each id stands first, in the order of ids."""
    high, low = ids.view(">u8").reshape(-1, 2).T
    order = np.lexsort((low, high))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
    return order[is_new]
