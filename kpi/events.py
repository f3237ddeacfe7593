"""Outcomes coming in: the one function all doors end in.

An outcome's id is made from the row itself - 48 bits of time, then a hash of the sender's event id or of the content -
so a retry makes the same id and the primary key keeps it from counting twice. Time first keeps the index append-only;
so the same event id with another time is another outcome (docs/decisions/2026-11-22-event-ids.md).
"""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from operator import itemgetter
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pgproto.pgproto import UUID as FastUUID  # noqa: N811 - a uuid.UUID that is made 8 times as fast

from kpi import queries
from kpi.gate import NOBODY, Omission
from kpi.ingest import Batch, Fault, Refusal, Refused, Report, Rows, check_text, check_time, parse_all

EVENT_NAMES = 5_000
"""Distinct event names a workspace may have: names are a vocabulary; data belong into the value."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_VALUE = 1e100
"""A larger value is a mistake, and its square would overflow every variance it met."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class OutcomeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One outcome on the wire."""

    unit: Name
    event: Name
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    value: float | None = None
    event_id: Name | None = None


Record = tuple[UUID, int, int, str, datetime, float | None, int]
"""A row of the outcomes table: id, workspace, event, unit, time, value, batch."""


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
    parsed, refusals = parse_all(rows, OutcomeRow, _check, now, lax=lax)
    gate = await queries.gate(connection, workspace_id, "outcomes", without=without)
    parsed = gate.admit(parsed, refusals)
    numbers = await _event_numbers(connection, workspace_id, {row.event for row in parsed.values()})
    refusals += [_too_many(index) for index, row in parsed.items() if row.event not in numbers]
    batch = await queries.next_ingest(connection)
    records = {
        index: _record(workspace_id, numbers[row.event], row, batch)
        for index, row in parsed.items()
        if row.event in numbers
    }
    first_of_each = {record[0]: record for record in reversed(records.values())}
    fresh = await _store(connection, list(first_of_each.values()))
    accepted, duplicates = _split(records, fresh)
    report = Report(accepted=accepted, duplicates=duplicates, refusals=tuple(sorted(refusals, key=lambda r: r.index)))
    ledger = Batch(
        id=batch,
        workspace_id=workspace_id,
        noun="outcomes",
        touched=frozenset(records[index][2] for index in accepted),
        earliest_at=min((records[index][4] for index in accepted), default=None),
        received_at=now,
        is_lax=lax,
        is_hidden=gate.secret is not None,
        keeps_refused=not (is_replay or gate.without.units),
    )
    await queries.record_ingest(connection, ledger, report, gate.keepable(rows, report))
    return report


def outcome_id(workspace_id: int, event_number: int, row: OutcomeRow) -> UUID:
    """The id a retry of this row makes again."""
    if row.event_id is not None:
        named = f"{workspace_id}\0id\0{row.event_id}"
    else:
        at = row.occurred_at.timestamp()
        named = f"{workspace_id}\0content\0{event_number}\0{row.unit}\0{at!r}\0{row.value!r}"
    digest = blake2b(named.encode(), digest_size=10).digest()
    identity: UUID = FastUUID(_milliseconds(row.occurred_at) + digest)
    return identity


def first_id(at: datetime) -> UUID:
    """The lowest id that an outcome of this time or later may have, at whole milliseconds."""
    return UUID(bytes=_milliseconds(at) + bytes(10))


def time_of(identity: UUID) -> datetime:
    """The whole millisecond in which an outcome of this id happened."""
    return EPOCH + timedelta(milliseconds=int.from_bytes(identity.bytes[:6], "big"))


def _milliseconds(at: datetime) -> bytes:
    return int(at.timestamp() * 1000).to_bytes(6, "big")


def _check(row: OutcomeRow, now: datetime) -> None:
    check_text("unit", row.unit)
    check_text("event", row.event)
    check_text("eventId", row.event_id)
    check_time("occurredAt", row.occurred_at, now)
    if row.value is not None and not abs(row.value) <= LARGEST_VALUE:
        raise Refused(Fault.NOT_FINITE, f"value is not a finite number, or above {LARGEST_VALUE:.0e} in size.", "value")


async def _event_numbers(connection: asyncpg.Connection, workspace_id: int, names: set[str]) -> dict[str, int]:
    known = await queries.event_numbers(connection, workspace_id, names)
    unknown = sorted(names - known.keys())
    if not unknown:
        return known
    room = EVENT_NAMES - await queries.count_events(connection, workspace_id)
    await queries.add_events(connection, workspace_id, unknown[: max(room, 0)])
    return await queries.event_numbers(connection, workspace_id, names)


def _too_many(index: int) -> Refusal:
    sentence = f"This workspace has {EVENT_NAMES} event names already: put what varies into the value, not the name."
    return Refusal(index=index, code=Fault.TOO_MANY_EVENTS, message=sentence, path="event")


def _record(workspace_id: int, event_number: int, row: OutcomeRow, batch: int) -> Record:
    identity = outcome_id(workspace_id, event_number, row)
    return identity, workspace_id, event_number, row.unit, row.occurred_at, row.value, batch


async def _store(connection: asyncpg.Connection, records: list[Record]) -> set[UUID]:
    """Store what is new and return its ids. COPY straight in; only a collision pays for a look-up.

    Sorted, so that two batches that share rows wait for each other in one order instead of locking up.
    """
    pending = sorted(records, key=itemgetter(0))
    while pending:
        try:
            async with connection.transaction():
                await queries.copy_outcomes(connection, pending)
            return {record[0] for record in pending}
        except asyncpg.UniqueViolationError:
            known = await queries.known_outcomes(connection, [record[0] for record in pending])
            pending = [record for record in pending if record[0] not in known]
    return set()


def _split(records: dict[int, Record], fresh: set[UUID]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which rows were new, and which had come before - earlier in this batch, or in another."""
    unseen = set(fresh)
    accepted: list[int] = []
    duplicates: list[int] = []
    for index, (identity, *_) in records.items():
        (accepted if identity in unseen else duplicates).append(index)
        unseen.discard(identity)
    return tuple(accepted), tuple(duplicates)
