"""Memberships coming in: which account a unit belongs to, from when on.

Experiments on accounts count what an account's members do while they belong to it. A member belongs to one account at
a time: each membership ends where the member's next begins, whatever the order in which they come in.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import asyncpg
import msgspec

from kpi import batches, storage
from kpi.gate import NOBODY, Omission
from kpi.ingest import Batch, Fault, Refusal, Report, Rows, check_text, check_time, parse_all

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Key = tuple[str, datetime]
"""A membership: the member, and when it begins."""


class MembershipRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One membership on the wire; without an account the member belongs to none from then on."""

    member: Name
    since_at: Annotated[datetime, msgspec.Meta(tz=True)]
    account: Name | None = None


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
    """Take in memberships. Runs in the caller's transaction; one bad row never fails its neighbours."""
    parsed, refusals = parse_all(rows, MembershipRow, _check, now, lax=lax)
    gate = await storage.gate(connection, workspace_id, "memberships", without=without)
    parsed = gate.admit(parsed, refusals)
    await storage.lock_memberships(connection, workspace_id)
    known = await storage.known_memberships(connection, workspace_id, _keys(parsed.values()))
    accepted: list[int] = []
    duplicates: list[int] = []
    for index, row in parsed.items():
        key = (row.member, row.since_at)
        if key not in known:
            known[key] = row.account
            accepted.append(index)
        elif known[key] == row.account:
            duplicates.append(index)
        else:
            refusals.append(_contradiction(index, row, known[key]))
    report = Report(
        accepted=tuple(accepted),
        duplicates=tuple(duplicates),
        refusals=tuple(sorted(refusals, key=lambda refusal: refusal.index)),
    )
    batch = Batch(
        id=await batches.next_ingest(connection),
        workspace_id=workspace_id,
        noun="memberships",
        touched=frozenset(),
        received_at=now,
        is_lax=lax,
        is_hidden=gate.secret is not None,
        keeps_refused=not (is_replay or gate.without.units),
    )
    await _store(connection, batch, [parsed[index] for index in accepted])
    await batches.record_ingest(connection, batch, report, gate.keepable(rows, report))
    return report


def _check(row: MembershipRow, now: datetime) -> None:
    check_text("member", row.member)
    check_text("account", row.account)
    check_time("sinceAt", row.since_at, now)


def _keys(rows: Iterable[MembershipRow]) -> list[Key]:
    return [(row.member, row.since_at) for row in rows]


def _contradiction(index: int, row: MembershipRow, account: str | None) -> Refusal:
    known = "to no account" if account is None else "to another account"
    sentence = f"This member is known to belong {known} from {row.since_at.isoformat()} on."
    return Refusal(index=index, code=Fault.CONTRADICTION, message=sentence, path="account")


async def _store(connection: asyncpg.Connection, batch: Batch, rows: list[MembershipRow]) -> None:
    if rows:
        records = [(batch.workspace_id, row.member, row.since_at, row.account, batch.id) for row in rows]
        await storage.add_memberships(connection, records)
        await storage.end_memberships(connection, batch.workspace_id, {row.member for row in rows}, batch.id)
