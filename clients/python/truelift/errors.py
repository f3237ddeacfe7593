"""What can go wrong, each class named for what happened.

TrueliftError          everything below; `code` and `trace_id` are the server's own, for programs and for its log
├── BadInput           the question or the rows are wrong: mend them
├── Unauthenticated    the key does not work
├── Forbidden          the key works and lacks a scope
├── NotFound           there is no experiment or KPI of this name in the key's workspace
├── NoResults          the experiment has not started
├── Unavailable        nobody answers, or not in time, also after all retries; try again later
├── ServerFault        a bug on the server's side; its log has the trace id
└── NoFrames           neither polars nor pandas is installed
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from truelift.rows import Report


class TrueliftError(Exception):
    """Something went wrong. `report` is of rows on their way in: what was stored before, which is never lost."""

    def __init__(self, message: str, *, code: str, trace_id: str | None = None) -> None:
        super().__init__(message)
        self.message, self.code, self.trace_id = message, code, trace_id
        self.report: Report | None = None

    def __str__(self) -> str:
        trace = f", trace {self.trace_id}" if self.trace_id else ""
        stored = f" Stored before: {self.report} Send the same rows again; none counts twice." if self.report else ""
        return f"{self.message} ({self.code}{trace}){stored}"


class BadInput(TrueliftError):
    """The question or the rows are wrong."""


class Unauthenticated(TrueliftError):
    """The key does not work."""


class Forbidden(TrueliftError):
    """The key lacks a scope."""


class NotFound(TrueliftError):
    """There is no such thing in the key's workspace."""


class NoResults(TrueliftError):
    """The experiment has not started."""


class Unavailable(TrueliftError):
    """Nobody answers in time."""


class ServerFault(TrueliftError):
    """A bug on the server's side."""


class NoFrames(TrueliftError):
    """Neither polars nor pandas is installed."""
