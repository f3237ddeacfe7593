"""The log: one line an event, as JSON or as text. What is logged is logged through `logging`, as everywhere.

Of an error it says where it happened and what kind it is, and not its message: a database quotes rows in it, and a
parser what it was given.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import Processor

Form = Literal["json", "text"]
OURS = ("operation", "operation_name", "document", "seconds")
"""What a line may hold beside its sentence."""
DEEPEST = 8
"""Errors that led to one another, of which a line tells."""


def configure(form: Form | None) -> None:
    """Write the log of this process to standard error; without a form as text at a terminal, else as JSON."""
    form = form or ("text" if sys.stderr.isatty() else "json")
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def formatter(form: Form) -> logging.Formatter:
    """How a line is written."""
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        ExtraAdder(allow=OURS),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _told,
    ]
    as_json: list[Processor] = [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer()]
    last = as_json if form == "json" else [_lines]
    return ProcessorFormatter(foreign_pre_chain=before, processors=[ProcessorFormatter.remove_processors_meta, *last])


def told(error: BaseException, *, deepest: int = DEEPEST) -> list[str]:
    """Where an error happened and of what kind it is, and first what led to it; without any message."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = [*told(cause, deepest=deepest - 1), "which led to"] if cause and deepest > 1 else []
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) and deepest > 1 else ()
    return [*before, *places, _kind(error), *(line for one in inner for line in told(one, deepest=deepest - 1))]


def _kind(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__module__}.{type(error).__qualname__}" + (f" (SQLSTATE {state})" if state else "")


def _told(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put what can be told of an error in its place."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if event["logger"] == "asyncio":  # below its sentence stands a task with the message of its error
        event["event"] = event["event"].partition("\n")[0]
    if isinstance(error, BaseException):
        event["error"] = told(error)
    return event


def _lines(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """An event as text: its sentence, what goes with it, and the lines of an error below."""
    error = event.pop("error", [])
    first = [str(event.pop(name)) for name in ("timestamp", "level", "logger", "event")]
    rest = [f"{name}={value}" for name, value in event.items()]
    return "\n    ".join([" ".join([*first, *rest]).replace("\n", " "), *error])
