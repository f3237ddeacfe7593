"""Traits coming in: what is known of a unit outside an experiment, such as an account's plan, and since when.

A trait has the value that began last, whatever the order in which its values come in. One without a moment holds since
always, that is since ALWAYS; one without a value is not known any more from its moment on.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated

import asyncpg
import msgspec

from kpi import batches, storage
from kpi.gate import NOBODY, Omission
from kpi.ingest import Batch, Fault, Refusal, Refused, Report, Rows, check_text, check_time, parse_all

ALWAYS = datetime(1000, 1, 1, tzinfo=UTC)
"""Before every moment a row can name: as `since_at`, since always. Every zone can show it, and every driver reads it
back as it was, neither of which is true of the year 1."""
TRAIT_NAMES = 100
"""Distinct names of traits a workspace may have: names are a vocabulary; data belong into the value."""
LONGEST_VALUE = 200
WHOLE = 2**53
"""Below it a float that is whole is that integer, and written as one: 12.0 seats are 12."""
VALUE_AT = """
coalesce((
    SELECT traits.value FROM traits
    WHERE traits.workspace_id = {workspace} AND traits.unit = {unit} AND traits.name = {name}
        AND traits.since_at <= {moment}
    ORDER BY traits.since_at DESC LIMIT 1
), '(none)')
""".strip()

Unit = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_VALUE)]
Key = tuple[str, str, datetime]
"""A trait: the unit, the name, and the moment from which it has its value."""


class TraitRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One trait on the wire. The value has to be said: null, and only null, ends what was known."""

    unit: Unit
    name: Name
    value: Text | bool | int | float | None
    since_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    @property
    def key(self) -> Key:
        """What makes it this trait and no other."""
        return self.unit, self.name, self.since_at or ALWAYS

    @property
    def text(self) -> str | None:
        """The value as it is stored: numbers and booleans as JSON writes them."""
        value = self.value
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE:
            return str(int(value))
        return str(value).lower()


async def ingest(
    connection: asyncpg.Connection,
    *,
    workspace_id: int,
    rows: Rows,
    now: datetime,
    lax: bool = False,
    is_replay: bool = False,
    without: Omission = NOBODY,
    is_stored: bool = False,
) -> Report:
    """Take in traits. Runs in the caller's transaction; one bad row never fails its neighbours.

    With `is_stored` their units are named as they are stored, not as senders name them.
    """
    parsed, refusals = parse_all(rows, TraitRow, _check, now, lax=lax)
    gate = await storage.gate(connection, workspace_id, "traits", without=without)
    gate = replace(gate, secret=None) if is_stored else gate
    parsed = gate.admit(parsed, refusals)
    await storage.lock_traits(connection, workspace_id)
    known = await storage.known_traits(connection, workspace_id, [row.key for row in parsed.values()])
    names = await storage.trait_names(connection, workspace_id)
    report = _judged(parsed, refusals, known, names)
    batch = Batch(
        id=await batches.next_ingest(connection),
        workspace_id=workspace_id,
        noun="traits",
        touched=frozenset(),
        received_at=now,
        is_lax=lax,
        is_hidden=gate.secret is not None,
        keeps_refused=not (is_replay or gate.without.units),
    )
    fresh = [parsed[index] for index in report.accepted]
    if fresh:
        await storage.add_traits(connection, [(workspace_id, *row.key, row.text, batch.id) for row in fresh])
    await batches.record_ingest(connection, batch, report, gate.keepable(rows, report))
    return report


def value_at(name_sql: str, unit_sql: str, moment_sql: str, workspace_id: int) -> str:
    """SQL of the value that a unit's trait has at a moment, as text; "(none)" where it is not known.

    One look into the key. A name, a unit or a moment that is a column has to say of which table, and not of `traits`.
    """
    return VALUE_AT.format(workspace=int(workspace_id), unit=unit_sql, name=name_sql, moment=moment_sql)


def _check(row: TraitRow, now: datetime) -> None:
    check_text("unit", row.unit)
    check_text("name", row.name)
    if row.since_at is not None:
        check_time("sinceAt", row.since_at, now)
    if isinstance(row.value, float) and not isfinite(row.value):
        raise Refused(Fault.NOT_FINITE, "value is not a finite number.", "value")
    check_text("value", row.text)
    if row.text is not None and len(row.text) > LONGEST_VALUE:
        raise Refused(Fault.MALFORMED, f"value has more than {LONGEST_VALUE} digits.", "value")


def _judged(
    parsed: Mapping[int, TraitRow], refusals: list[Refusal], known: dict[Key, str | None], names: set[str]
) -> Report:
    """What becomes of each row, in order: the first to say something of a trait at a moment is held to be right."""
    accepted: list[int] = []
    duplicates: list[int] = []
    for index, row in parsed.items():
        if row.key in known:
            if known[row.key] == row.text:
                duplicates.append(index)
            else:
                refusals.append(_contradiction(index, row, known[row.key]))
        elif row.name not in names and len(names) >= TRAIT_NAMES:
            refusals.append(_too_many(index))
        else:
            known[row.key] = row.text
            names.add(row.name)
            accepted.append(index)
    return Report(
        accepted=tuple(accepted),
        duplicates=tuple(duplicates),
        refusals=tuple(sorted(refusals, key=lambda refusal: refusal.index)),
    )


def _contradiction(index: int, row: TraitRow, value: str | None) -> Refusal:
    has = "no value" if value is None else "another value"
    since, hint = "since always", ": say since when this one holds (sinceAt)"
    if row.since_at is not None:
        since, hint = f"from {row.since_at.isoformat()} on", ""
    sentence = f"This trait of the unit is known to have {has} {since}{hint}."
    return Refusal(index=index, code=Fault.CONTRADICTION, message=sentence, path="value")


def _too_many(index: int) -> Refusal:
    sentence = f"This workspace has {TRAIT_NAMES} traits already: put what varies into the value, not the name."
    return Refusal(index=index, code=Fault.TOO_MANY_TRAITS, message=sentence, path="name")
