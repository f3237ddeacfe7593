"""What a review says, as one value: what was read, and the agenda made of it. Pure.

Closed reviews are stored as these values. So a field that is added has a default, and none is taken away or renamed:
else what was closed before could not be read any more.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
import rfc8785

from experiments.enums import Choice
from experiments.programme.reviews.backlog import Entry
from experiments.programme.reviews.enums import ItemState, ReviewKind, Topic
from experiments.programme.reviews.figures import Aimed, Figure
from kpi.enums import AlertState, Severity
from kpi.kinds.shape import Scale

AT_RISK = 0.5
"""A target that is more likely missed than met is talked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an experiment found on a KPI that decides, of one variant; None where it has no answer."""

    kpi: str
    name: str
    variant: str
    scale: Scale
    difference: float | None
    lower: float | None
    upper: float | None
    lift: float | None
    lift_lower: float | None
    lift_upper: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What changes that were shipped come to at a KPI at the top of the ladder, less the winner's curse.

    `net` is in money a year, None where the revenue is not known; the lift too where no link leads to the top.
    """

    kpi: str
    name: str
    lift: float | None = None
    lower: float | None = None
    upper: float | None = None
    net: float | None = None
    net_lower: float | None = None
    net_upper: float | None = None
    is_estimated: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alert that was raised in the period or open in it, and the action that it triggers."""

    kpi: str
    name: str
    owner: str
    severity: Severity
    state: AlertState
    sentence: str
    action: str
    note: str | None
    raised_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """An experiment that was decided in the period, beside the verdict of that moment."""

    experiment: str
    name: str
    owner: str
    hypothesis: str
    choice: Choice
    variant: str | None
    verdict: str | None
    differs: bool
    reason: str | None
    by: str
    decided_at: datetime
    effects: list[Effect]
    worth: list[Worth]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An experiment that waits for a person's decision, and why."""

    experiment: str
    name: str
    owner: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something to do, of this review or left open by an earlier one; `from_on` is the first day of its review."""

    id: int
    text: str
    owner: str
    due_on: date | None
    kpi: str | None
    experiment: str | None
    state: ItemState
    note: str | None
    done_at: datetime | None
    kind: ReviewKind
    from_on: date
    is_earlier: bool
    is_overdue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Something that needs attention, what it is about, and whose it is."""

    topic: Topic
    sentence: str
    owner: str
    kpi: str | None = None
    experiment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a review shows, as of a moment. It is a function of what was read, of nothing else."""

    workspace: str
    kind: ReviewKind
    from_on: date
    to_on: date
    read_at: datetime
    notes: str
    agenda: str
    decisions: str
    points: list[Point]
    figures: list[Figure]
    alarms: list[Alarm]
    experiments: list[Decided]
    shipped: list[Worth]
    items: list[Item]
    backlog: list[Entry]


def canonical(snapshot: Snapshot) -> bytes:
    """The snapshot in RFC 8785's canonical JSON."""
    return rfc8785.dumps(msgspec.to_builtins(snapshot))


def seal(written: bytes) -> str:
    """The SHA-256 of a canonical snapshot, in hex."""
    return hashlib.sha256(written).hexdigest()


def from_document(document: dict[str, Any]) -> Snapshot:
    """The snapshot that a stored document holds."""
    return msgspec.convert(document, Snapshot)


def points(
    figures: Sequence[Figure], alarms: Iterable[Alarm], waiting: Iterable[Waiting], items: Iterable[Item], to_on: date
) -> list[Point]:
    """What needs attention, in the order of the topics."""
    found = [point for figure in figures for point in _of_figure(figure, to_on)]
    found += [_of_alarm(alarm) for alarm in alarms if alarm.state is not AlertState.RESOLVED]
    found += [
        Point(topic=Topic.DECISION, sentence=one.sentence, owner=one.owner, experiment=one.experiment)
        for one in waiting
    ]
    found += [_of_item(item) for item in items if item.is_overdue]
    order = list(Topic)
    return sorted(found, key=lambda point: order.index(point.topic))


def _of_figure(figure: Figure, to_on: date) -> Iterator[Point]:
    for topic, sentence in (*_of_target(figure, to_on), *_of_level(figure, to_on)):
        yield Point(topic=topic, sentence=sentence, owner=figure.owner, kpi=figure.kpi)


def _of_target(figure: Figure, to_on: date) -> Iterator[tuple[Topic, str]]:
    target = figure.target
    if target is None or figure.value is None:
        return
    level, aim = said(figure.value, figure.scale), said(target.value, figure.scale)
    if target.due_on <= to_on:
        if not target.is_met:
            yield Topic.TARGET_MISSED, f"{figure.name} is {level}; it was to be {aim} by {target.due_on}."
    elif (doubt := _doubt(target)) is not None:
        yield Topic.TARGET_AT_RISK, f"{figure.name} is {level} and shall be {aim} by {target.due_on}: {doubt}."


def _doubt(target: Aimed) -> str | None:
    if target.chance is not None:
        return f"the chance is {target.chance:.0%} if it goes on as it did" if target.chance < AT_RISK else None
    if target.is_met or target.is_within_error:
        return None
    return "it is short of it, and its past is too short to say more"


def _of_level(figure: Figure, to_on: date) -> Iterator[tuple[Topic, str]]:
    against, change = figure.baseline, figure.change
    if against is not None and against.is_worse:
        level, before = said(figure.value, figure.scale), said(against.against, figure.scale)
        yield Topic.DRIFT, f"{figure.name} is {level}, worse than its baseline of {before} beyond chance."
    if change is not None and change.is_worse:
        level, before = said(figure.value, figure.scale), said(change.against, figure.scale)
        yield Topic.CHANGE, f"{figure.name} is {level}, worse than the {before} of the period before beyond chance."
    if figure.is_stale:
        reach = "nothing is derived yet" if figure.last_on is None else f"it reaches {figure.last_on}"
        yield Topic.STALE, f"The data of {figure.name} are behind the period, which ends on {to_on}: {reach}."


def _of_alarm(alarm: Alarm) -> Point:
    sentence = f"{alarm.name}: {alarm.sentence}" + (f" Then: {alarm.action}" if alarm.action else "")
    return Point(topic=Topic.ALERT, sentence=sentence, owner=alarm.owner, kpi=alarm.kpi)


def _of_item(item: Item) -> Point:
    sentence = f"“{item.text}” was due on {item.due_on} and is open."
    return Point(topic=Topic.OVERDUE, sentence=sentence, owner=item.owner, kpi=item.kpi, experiment=item.experiment)


def said(number: float | None, scale: Scale) -> str:
    """A level as people say it."""
    if number is None:
        return "unknown"
    if scale.is_percentage:
        return f"{number:.1%}"
    return f"{number:.2f} days" if scale is Scale.DAYS else f"{number:,.4g}"
