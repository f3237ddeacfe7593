"""Server-sent events of a subscription: how it is asked for, what each line adds, how long to go on after breaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from truelift.errors import ServerFault
from truelift.steps import JSON, Answer, Send, checked, fault, pause_before_next

ENDED = Answer(status=None, body=b"The server ended the stream.")
"""What a stream leaves that ends without saying so."""


def subscription(text: str, variables: Mapping[str, Any]) -> Send:
    """A subscription as a request for a stream."""
    body = msgspec.json.encode({"query": text, "variables": dict(variables)})
    return Send(path="/graphql", body=body, headers=JSON | {"accept": "text/event-stream"})


@dataclass(slots=True)
class Event:
    """An event whose lines are coming in. A line that is empty ends it; one that begins with a colon is a heartbeat."""

    name: str = ""
    data: list[str] = field(default_factory=list)

    def add(self, line: str) -> bool:
        """Add a line; whether the event is whole now."""
        name, _, value = line.partition(":")
        if name == "event":
            self.name = value.strip()
        elif name == "data":
            self.data.append(value.removeprefix(" "))
        return not line and bool(self.name)

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self.name == "complete"

    def payload(self) -> Any:
        """The data that it carries. Raises TrueliftError for a fault."""
        answer = msgspec.json.decode("\n".join(self.data))
        if answer.get("errors"):
            raise fault(answer["errors"][0])
        return answer["data"]


@dataclass(slots=True, kw_only=True)
class Patience:
    """How long to go on after breaks: so many without an event in between."""

    attempts: int
    failures: int = 0

    def reset(self) -> None:
        """An event came."""
        self.failures = 0

    def pause(self, lost: Answer) -> float:
        """Seconds to wait after a break. Raises TrueliftError when there is nothing to wait for."""
        pause = pause_before_next(lost, self.failures)
        self.failures += 1
        if pause is not None and self.failures < self.attempts:
            return pause
        checked(lost)
        raise ServerFault(f"The server answered {lost.status} instead of a stream.", code="NO_STREAM")
