"""What an entry of the trail says, as the JSON that is hashed, and whether a chain of them holds together."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

BY_COMMAND, BY_WORKER = "command", "worker"
"""Instead of the id of a key, where nobody came with one."""
RETIRE = "auditRetire"
"""The action of the entry that stands for those that were retired before it."""
BEGINNING = "0" * 64
"""The hash before the first entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What somebody did; `details` are whole numbers and texts, and never the id of a unit."""

    workspace_id: int
    done_at: datetime
    actor: str
    key: str
    action: str
    node_type: str | None = None
    node_id: str | None = None
    input_hash: str | None = None
    before_hash: str | None = None
    after_hash: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What walking a chain found: how many entries, the last one, and the first that does not fit, with the reason."""

    entries: int
    number: int
    hash: str
    first_broken: int | None = None
    reason: str | None = None


def canonical(value: object) -> bytes:
    """A value as JSON in one way only: keys in order, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return text.encode("utf-8", "surrogatepass")


def digest(value: object) -> str:
    """The SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a stored entry says, as it is hashed and exported; its own hash is not part of it."""
    return {
        "workspace": row["workspace_id"],
        "number": row["number"],
        "doneAt": row["done_at"].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "actor": row["actor"],
        "key": row["key"],
        "action": row["action"],
        "nodeType": row["node_type"],
        "nodeId": row["node_id"],
        "inputHash": row["input_hash"],
        "beforeHash": row["before_hash"],
        "afterHash": row["after_hash"],
        "details": row["details"],
        "requestId": row["request_id"],
        "previousHash": row["previous_hash"],
    }


def line(row: Mapping[str, Any]) -> bytes:
    """A stored entry as a line of the export: what it says, and its hash."""
    return canonical(document(row) | {"hash": row["hash"]}) + b"\n"


class Walk:
    """Walking a chain from its first entry that is left. Entries are those of `document`, with their hash."""

    def __init__(self, *, kept: Mapping[int, str]) -> None:
        """`kept` are hashes that somebody wrote down elsewhere, by number."""
        self.kept = kept
        self.entries, self.number, self.hash = 0, 0, BEGINNING
        self._fault: tuple[int, str] | None = None
        self._missing: tuple[int, str] | None = None

    def take(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Go on over some entries, in order."""
        for entry in entries:
            if self.entries == 0 and entry["number"] > 1:
                self._missing = (entry["number"] - 1, entry["previousHash"])
                self.number, self.hash = self._missing
            reason = self._wrong(entry)
            if reason is not None and self._fault is None:
                self._fault = (entry["number"], reason)
            if reason is None and entry["action"] == RETIRE and _retired(entry) == self._missing:
                self._missing = None
            self.entries, self.number, self.hash = self.entries + 1, entry["number"], entry["hash"]

    def end(self) -> Chain:
        """What was found."""
        fault = self._fault or self._unkept()
        if self._missing is not None:
            fault = (self._missing[0] + 1, "What came before it is gone, and no entry says that it was retired.")
        number, reason = fault or (None, None)
        return Chain(entries=self.entries, number=self.number, hash=self.hash, first_broken=number, reason=reason)

    def _wrong(self, entry: Mapping[str, Any]) -> str | None:
        if entry["number"] != self.number + 1:
            return f"Its number does not follow {self.number}: what was between them is missing."
        if entry["previousHash"] != self.hash:
            return "It does not follow from the entry before."
        if entry["hash"] != digest({name: value for name, value in entry.items() if name != "hash"}):
            return "It is not what was hashed."
        if self.kept.get(entry["number"], entry["hash"]) != entry["hash"]:
            return "Its hash is not the one that was kept elsewhere."
        return None

    def _unkept(self) -> tuple[int, str] | None:
        beyond = [number for number in self.kept if number > self.number]
        return (min(beyond), "It was kept elsewhere, and is gone.") if beyond else None


def _retired(entry: Mapping[str, Any]) -> tuple[int, str]:
    """The last of the entries that one stands for: its number and its hash."""
    return entry["details"]["through"], entry["details"]["hash"]
