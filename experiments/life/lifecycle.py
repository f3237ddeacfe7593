"""The life of an experiment: which move leads from where to where. Pure.

    draft -> running -> frozen -> stopped -> decided -> archived
               |  ^
               v  |
              paused

A frozen experiment takes no more units in and measures those inside until their windows close; a stopped one measures
nothing more. A running one may be stopped at once, and a draft archived.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from experiments.enums import State


class Action(StrEnum):
    """What somebody does to an experiment."""

    START = "START"
    RAMP = "RAMP"
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    FREEZE = "FREEZE"
    STOP = "STOP"
    DECIDE = "DECIDE"
    APPROVE = "APPROVE"
    ARCHIVE = "ARCHIVE"
    AMEND = "AMEND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where a move leads, from where, and why not from elsewhere. `to` is None where the state stays as it is."""

    sources: frozenset[State]
    to: State | None
    needs: str


ENROLLING = frozenset({State.RUNNING, State.PAUSED})
MEASURING = ENROLLING | {State.FROZEN}
MOVES = {
    Action.START: Move(
        sources=frozenset({State.DRAFT}),
        to=State.RUNNING,
        needs="Only a draft starts; what has started goes on or ends.",
    ),
    Action.RAMP: Move(
        sources=ENROLLING, to=None, needs="Traffic is changed while an experiment takes units in: running or paused."
    ),
    Action.PAUSE: Move(sources=frozenset({State.RUNNING}), to=State.PAUSED, needs="Only a running experiment pauses."),
    Action.RESUME: Move(sources=frozenset({State.PAUSED}), to=State.RUNNING, needs="Only a paused experiment resumes."),
    Action.FREEZE: Move(
        sources=ENROLLING, to=State.FROZEN, needs="Enrolment is frozen while units are taken in: running or paused."
    ),
    Action.STOP: Move(
        sources=MEASURING,
        to=State.STOPPED,
        needs="Only an experiment that measures is stopped: running, paused or frozen.",
    ),
    Action.DECIDE: Move(
        sources=frozenset({State.STOPPED, State.DECIDED}),
        to=State.DECIDED,
        needs="A decision is recorded once the experiment is stopped.",
    ),
    Action.APPROVE: Move(
        sources=frozenset({State.DECIDED}), to=None, needs="There is a decision to approve once one is recorded."
    ),
    Action.ARCHIVE: Move(
        sources=frozenset({State.DRAFT, State.DECIDED}),
        to=State.ARCHIVED,
        needs="A draft or a decided experiment is archived.",
    ),
    Action.AMEND: Move(
        sources=MEASURING,
        to=None,
        needs="A sealed plan is amended while the experiment measures; a draft is registered anew.",
    ),
}
REPEATABLE = frozenset({Action.RAMP, Action.AMEND, Action.DECIDE, Action.APPROVE})
"""Moves that mean something new each time. All others, made again, change nothing."""


def is_done(state: State, action: Action) -> bool:
    """Whether the experiment is already where the move leads, so that making it again changes nothing."""
    return action not in REPEATABLE and MOVES[action].to is state


def can(state: State, action: Action) -> bool:
    """Whether the move leads on from here."""
    return state in MOVES[action].sources


def after(state: State, action: Action) -> State:
    """The state that a move leads to. Raises ValueError where it does not lead on from here."""
    if not can(state, action):
        raise ValueError(MOVES[action].needs)
    return MOVES[action].to or state


def last_entry_on(frozen_at: datetime | None) -> date | None:
    """The last UTC day on which a unit could enter; None while units may. A freeze at midnight opens no new day."""
    return None if frozen_at is None else (frozen_at.astimezone(UTC) - timedelta(microseconds=1)).date()


def moves_from(state: State) -> list[Action]:
    """The moves that lead on from here, in the order of a life."""
    return [action for action in MOVES if can(state, action)]
