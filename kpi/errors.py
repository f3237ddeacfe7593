"""Errors of the kpi package.

Problem                      one fault in what a person sent: code, sentence, path
KpiError
├── Invalid                  a list of problems; nothing was stored
└── NotFound                 no such thing in this workspace
"""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """What is wrong with an input, for programs."""

    BAD_USER_INPUT = "BAD_USER_INPUT"
    KEY_TAKEN = "KEY_TAKEN"
    NOT_FOUND = "NOT_FOUND"
    WRONG_STATE = "WRONG_STATE"
    NOT_READY = "NOT_READY"
    NOT_ALL = "NOT_ALL"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault in an input: what rule it breaks and where."""

    code: Code
    message: str
    path: tuple[str, ...]


def bad(message: str, *path: str) -> Problem:
    """A value that breaks a rule, and the path to it."""
    return Problem(code=Code.BAD_USER_INPUT, message=message, path=path)


class KpiError(Exception):
    """Base of this package's errors."""


class Invalid(KpiError):
    """An input breaks one or more rules; all of them are told at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class NotFound(KpiError):
    """No such thing in this workspace."""


def refuse(problems: list[Problem]) -> None:
    """Raise all problems at once, if there are any."""
    if problems:
        raise Invalid(problems)
