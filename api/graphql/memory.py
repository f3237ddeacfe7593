"""What was answered while the database stood still, for as long as it does.

An answer to a query is a function of the document, its variables, who asks, and the rows. While the rows are the same
(`moments`) it is given again as it was, byte for byte. What asked for the moment (`Context.now`) is not kept.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from api.auth.keys import Caller
from api.graphql.moments import Moments
from api.graphql.tags import State
from kpi.shelf import Shelf

MOST = 32_000_000
"""Bytes that are kept."""
LARGEST = 1_000_000
"""Bytes of one answer that is kept."""
SMALL = 1_000
"""Bytes that are counted for what is no answer, and beside one for what it is found by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The data of an answer in JSON, what it costs to ask for it, and what that is called in metrics."""

    json: bytes
    cost: float
    label: str


class Memory:
    """What is known of one state of the database, and only of that one."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self._state: State | None = None
        self._kept: Shelf[Hashable, Any] = Shelf(MOST)

    async def visit(self) -> "Visit":
        """What is known now, for one request."""
        state = await self.moments.now()
        if state != self._state:
            self._state, self._kept = state, Shelf(MOST)
        return Visit(memory=self, state=state, kept=self._kept)

    async def keep(self, visit: "Visit") -> None:
        """Keep what a request has found out, if the database is still what it was when the request came."""
        if visit.state is not None and visit.found and await self.moments.now() == visit.state == self._state:
            for key, value, size in visit.found:
                self._kept.put(key, value, size + SMALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request's look at what is known, and what it adds."""

    memory: Memory
    state: State | None
    kept: Shelf[Hashable, Any]
    found: list[tuple[Hashable, Any, int]] = field(default_factory=list)

    def caller(self, bearer: str) -> Caller | None:
        """Whose key this is, if that is known."""
        found: Caller | None = self.kept.get(_hidden(bearer))
        return found

    def note_caller(self, bearer: str, caller: Caller | None) -> None:
        """Note whose key this is; of keys that open nothing there is no end."""
        if caller is not None:
            self.found.append((_hidden(bearer), caller, 0))

    def answer(self, key: Hashable) -> "Answer | None":
        """An answer, if it is known."""
        found: Answer | None = self.kept.get(key)
        return found

    def note_answer(self, key: Hashable, answer: "Answer") -> None:
        """Note an answer, unless it is very large."""
        if len(answer.json) <= LARGEST:
            self.found.append((key, answer, len(answer.json)))

    async def end(self) -> None:
        """Hand over what was found out."""
        await self.memory.keep(self)


def place(caller: Caller, text: str, name: str | None, variables: Mapping[str, Any] | None) -> Hashable:
    """What an answer is found by."""
    asked = blake2b(text.encode("utf-8", "surrogatepass")).digest()
    return caller, asked, name, msgspec.json.encode(variables or {}, order="deterministic")


def _hidden(bearer: str) -> bytes:
    return blake2b(bearer.encode("utf-8", "surrogatepass")).digest()
