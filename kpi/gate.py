"""What a workspace asks of every row that comes in: that it is not too old, and that its unit is hidden.

A workspace that hides its units stores a keyed 128-bit hash in place of every unit id. Its key lies in the workspace's
row: whoever has only the rows, an export or the log cannot tell who a unit is, or try out names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import blake2b
from typing import Any, Literal, TypeVar

import msgspec

from kpi.ingest import Fault, Refusal, Report, Rows

T = TypeVar("T", bound=msgspec.Struct)
Noun = Literal["exposures", "outcomes", "memberships", "traits", "aggregates"]
MOMENT = {
    "exposures": ("exposed_at", "exposedAt"),
    "outcomes": ("occurred_at", "occurredAt"),
    "aggregates": ("entered_on", "enteredOn"),
}
"""When a row happened, where that may be too long ago: the name in Python and on the wire."""
UNITS: dict[Noun, tuple[str, ...]] = {
    "exposures": ("unit",),
    "outcomes": ("unit",),
    "memberships": ("member", "account"),
    "traits": ("unit",),
    "aggregates": (),
}
"""The fields that name a unit."""
UNIT_BYTES = 16
SECRET_BYTES = 32
KNOWN = frozenset(
    {"experiment", "variant", "exposedAt", "event", "occurredAt", "value", "eventId", "sinceAt", "name"}
    | {name for names in UNITS.values() for name in names}
)
"""Fields of a rejected row that are kept where units are hidden; anything else might name one."""
NOT_KEPT = "(not kept: units are hidden here)"
FORGOTTEN = "Its unit was forgotten after the file was sent."


@dataclass(frozen=True, slots=True, kw_only=True)
class Omission:
    """Units that rows of one file must not bring back, as hashes under a key of the file's own."""

    secret: bytes
    units: frozenset[str]

    def holds(self, unit: str | None) -> bool:
        """Whether a unit, as it is stored, is left out."""
        return unit is not None and bool(self.units) and hidden(self.secret, unit) in self.units


NOBODY = Omission(secret=bytes(SECRET_BYTES), units=frozenset())
"""No unit is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One workspace's gate for rows of one noun: the first moment it takes, and the key its units are hidden under.

    Rows of a file that was sent before a unit was forgotten come without that unit.
    """

    noun: Noun
    before: datetime | None
    secret: bytes | None
    without: Omission = NOBODY

    def unit(self, unit: str) -> str:
        """A unit as it is stored."""
        return unit if self.secret is None else hidden(self.secret, unit)

    def admit(self, parsed: Mapping[int, T], refusals: list[Refusal]) -> dict[int, T]:
        """The rows that may pass, as they are stored, by index; the refusals of the others are added."""
        before = self.before
        if before is not None and self.noun in MOMENT:
            name, _ = MOMENT[self.noun]
            late = {index for index, row in parsed.items() if _began(getattr(row, name)) < before}
            refusals += self.too_old(sorted(late))
            parsed = {index: row for index, row in parsed.items() if index not in late}
        if self.secret is not None:
            parsed = {index: msgspec.structs.replace(row, **self._hidden(row)) for index, row in parsed.items()}
        return self._remembered(parsed, refusals) if self.without.units else dict(parsed)

    def too_old(self, indexes: Iterable[int]) -> list[Refusal]:
        """Refusals of rows that happened before the first moment this gate takes."""
        if self.before is None:
            return []
        path, day = MOMENT[self.noun][1], self.before.date()
        sentence = f"{path} is before {day}: what happened then is final, and its rows may have been dropped."
        return [Refusal(index=index, code=Fault.TOO_OLD, message=sentence, path=path) for index in indexes]

    def forgotten(self, indexes: Iterable[int]) -> list[Refusal]:
        """Refusals of rows of which a unit was forgotten after their file was sent."""
        path = UNITS[self.noun][0]
        return [Refusal(index=index, code=Fault.FORGOTTEN, message=FORGOTTEN, path=path) for index in indexes]

    def keepable(self, rows: Rows, report: Report) -> Rows:
        """The rows as rejected ones may be kept, at their places."""
        if self.secret is None:
            return rows
        refused = {refusal.index for refusal in report.refusals}
        return [self._keepable(row) if index in refused else None for index, row in enumerate(rows)]

    def _remembered(self, parsed: Mapping[int, T], refusals: list[Refusal]) -> dict[int, T]:
        gone = {index for index, row in parsed.items() if any(map(self.without.holds, self._units(row).values()))}
        refusals += self.forgotten(sorted(gone))
        return {index: row for index, row in parsed.items() if index not in gone}

    def _keepable(self, row: Any) -> object:
        fields = _fields(row)
        if not isinstance(fields, Mapping):
            return NOT_KEPT
        known = {name: value for name, value in fields.items() if name in KNOWN}
        return known | {name: self.unit(str(known[name])) for name in UNITS[self.noun] if known.get(name) is not None}

    def _hidden(self, row: Any) -> dict[str, str]:
        return {name: self.unit(unit) for name, unit in self._units(row).items() if unit is not None}

    def _units(self, row: Any) -> dict[str, str | None]:
        return {name: getattr(row, name) for name in UNITS[self.noun]}


def hidden(secret: bytes, unit: str) -> str:
    """A unit's keyed 128-bit hash, in hex."""
    return blake2b(unit.encode("utf-8", "surrogatepass"), key=secret, digest_size=UNIT_BYTES).hexdigest()


def midnight(day: date | None) -> datetime | None:
    """The first moment of a UTC day."""
    return None if day is None else datetime.combine(day, time(tzinfo=UTC))


def _began(when: date) -> datetime:
    """When a moment was, or a day began."""
    return when if isinstance(when, datetime) else datetime.combine(when, time(tzinfo=UTC))


def _fields(row: object) -> object:
    """A wire row as its fields, however the door brings it."""
    if not isinstance(row, bytes):
        return row
    try:
        return msgspec.json.decode(row)
    except (ValueError, RecursionError):
        return None
