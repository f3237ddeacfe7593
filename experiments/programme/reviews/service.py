"""What can be done with a review: opened, written in, closed for good; and with what it found is to be done.

Each function is one action in the caller's transaction. An input with faults raises `Invalid` with all of them, and
stores nothing. Doing the same once more changes nothing, so a retry is safe.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import asyncpg
import msgspec
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.programme.reviews import queries, reading
from experiments.programme.reviews.enums import ItemState, ReviewKind, ReviewState
from experiments.programme.reviews.snapshot import Snapshot, canonical, from_document, seal
from experiments.programme.reviews.tables import ActionItem, Review
from experiments.queries import experiment_by_key
from kpi import notices
from kpi.actor import Actor
from kpi.enums import NoticeType
from kpi.errors import Code, Invalid, NotFound, Problem, bad, refuse
from kpi.history import periods
from kpi.history.periods import DAY
from kpi.ingest import EARLIEST
from kpi.queries import kpis_by_key
from kpi.service import absent, text_problems

SCHEDULE = "schedule"
"""Who opens the reviews that nobody opens by hand."""
WRITTEN = ("notes", "agenda", "decisions")
"""What people write in a review."""


async def open_(session: AsyncSession, *, actor: Actor, kind: ReviewKind, on: date) -> Review:
    """Open the review of the period that a day is in; the one there is, where it was opened before."""
    if periods.start(on, kind.granularity) > actor.now.date():
        raise Invalid([bad("This period has not begun.", "on")])
    if on < EARLIEST.date():
        raise Invalid([bad("No row is of a time before 1990.", "on")])
    return await queries.open_review(session, _new(actor.workspace_id, kind, on, actor.name, actor.now))


async def due(session: AsyncSession, now: datetime) -> list[Review]:
    """Reviews, not stored yet, of the periods that ended last, wherever they are wanted and missing."""
    found = []
    for kind in ReviewKind:
        ended = periods.start(now.date(), kind.granularity) - DAY
        from_on = periods.start(ended, kind.granularity)
        midnight = reading.midnight(ended + DAY)
        missing = await queries.workspaces_without(session, kind, from_on, midnight)
        found += [_new(workspace_id, kind, ended, SCHEDULE, now) for workspace_id in missing]
    return found


async def update(session: AsyncSession, *, actor: Actor, review_id: int, given: Mapping[str, Any]) -> Review:
    """Write in a draft: notes, agenda, decisions; None clears. Raises Invalid, NotFound."""
    review = await _draft(session, actor, review_id)
    said = {name: given[name] or "" for name in WRITTEN if name in given}
    refuse(text_problems(said, required=set()))
    for name, value in said.items():
        setattr(review, name, value)
    return review


async def close(
    session: AsyncSession, connection: asyncpg.Connection, *, actor: Actor, review_id: int, told_as: str
) -> Review:
    """Keep what a draft says now, for good. `connection` is the session's own. Raises Invalid, NotFound.

    `told_as` is the id by which the outside finds it.
    """
    review = await _locked(session, actor, review_id)
    if review.state is ReviewState.CLOSED:
        return review
    if actor.now.date() <= review.to_on:
        raise _wrong(f"The period of this review ends on {review.to_on}; it can be closed after that.")
    snapshot = await reading.snapshot(session, connection, review, actor.now)
    written = canonical(snapshot)
    review.state, review.closed_by, review.closed_at = ReviewState.CLOSED, actor.name, actor.now
    review.snapshot, review.snapshot_json = msgspec.to_builtins(snapshot), written.decode()
    review.snapshot_hash = seal(written)
    said = {"kind": review.kind, "fromOn": review.from_on, "toOn": review.to_on}
    told = {"review": name_of(review), "reviewId": told_as, **said}
    await notices.tell(session, actor.workspace_id, NoticeType.REVIEW_CLOSED, told, actor.now)
    await session.flush()
    return review


async def shown(session: AsyncSession, connection: asyncpg.Connection, review: Review, now: datetime) -> Snapshot:
    """What a review says: now, or once it is closed what it said then."""
    if review.snapshot_json is not None:
        return from_document(msgspec.json.decode(review.snapshot_json))
    return await reading.snapshot(session, connection, review, now)


async def add_item(
    session: AsyncSession,
    *,
    actor: Actor,
    review_id: int,
    text: str,
    owner: str,
    due_on: date | None = None,
    kpi: str | None = None,
    experiment: str | None = None,
) -> ActionItem:
    """Note in a draft what is to be done, by whom and until when, about a KPI or an experiment by key, or neither."""
    review = await _draft(session, actor, review_id)
    problems = text_problems({"text": text, "owner": owner}, required={"text", "owner"})
    about = {"kpi_id": await _kpi(session, actor, kpi, problems)}
    about["experiment_id"] = await _experiment(session, actor, experiment, problems)
    if kpi is not None and experiment is not None:
        problems.append(bad("It is about a KPI or about an experiment, not both.", "experiment"))
    refuse(problems)
    said: dict[str, Any] = {"text": text.strip(), "owner": owner.strip(), "due_on": due_on, **about}
    if (known := await queries.same_item(session, review.id, said)) is not None:
        return known
    item = ActionItem(
        workspace_id=actor.workspace_id,
        review_id=review.id,
        state=ItemState.OPEN,
        created_by=actor.name,
        created_at=actor.now,
        **said,
    )
    session.add(item)
    await session.flush()
    return item


async def update_item(session: AsyncSession, *, actor: Actor, item_id: int, given: Mapping[str, Any]) -> ActionItem:
    """Change what is given of something to do: text, owner, due_on, note, state. Raises Invalid, NotFound.

    What a closed review said of it stays as it was.
    """
    item = await queries.lock_item(session, actor.workspace_id, item_id)
    if item is None:
        raise NotFound
    after = {name: getattr(item, name) for name in ("text", "owner", "due_on", "note", "state")} | dict(given)
    texts = {name: after[name] or "" for name in ("text", "owner", "note")}
    problems = text_problems(texts, required={"text", "owner"})
    if after["state"] is None:
        problems.append(bad("It is open, done or dropped.", "state"))
    refuse(problems)
    item.text, item.owner, item.note = texts["text"].strip(), texts["owner"].strip(), after["note"] or None
    item.due_on, item.state = after["due_on"], after["state"]
    item.done_at = (item.done_at or actor.now) if item.state is ItemState.DONE else None
    await session.flush()
    return item


def name_of(review: Review) -> str:
    """What a review is called in a sentence."""
    return f"{review.kind.lower()} of {review.from_on} to {review.to_on}"


def _new(workspace_id: int, kind: ReviewKind, on: date, by: str, now: datetime) -> Review:
    return Review(
        workspace_id=workspace_id,
        kind=kind,
        from_on=periods.start(on, kind.granularity),
        to_on=periods.last(on, kind.granularity),
        state=ReviewState.DRAFT,
        notes="",
        agenda="",
        decisions="",
        created_by=by,
        created_at=now,
    )


async def _locked(session: AsyncSession, actor: Actor, review_id: int) -> Review:
    review = await queries.lock_review(session, actor.workspace_id, review_id)
    if review is None:
        raise NotFound
    return review


async def _draft(session: AsyncSession, actor: Actor, review_id: int) -> Review:
    review = await _locked(session, actor, review_id)
    if review.state is ReviewState.CLOSED:
        raise _wrong("This review is closed: it stays as it is. Write in the next one.")
    return review


async def _kpi(session: AsyncSession, actor: Actor, key: str | None, problems: list[Problem]) -> int | None:
    found = None if key is None else (await kpis_by_key(session, actor.workspace_id, [key])).get(key)
    if key is not None and found is None:
        problems.append(absent("KPI", key, "kpi"))
    return None if found is None else found.id


async def _experiment(session: AsyncSession, actor: Actor, key: str | None, problems: list[Problem]) -> int | None:
    found = None if key is None else await experiment_by_key(session, actor.workspace_id, key)
    if key is not None and found is None:
        problems.append(absent("experiment", key, "experiment"))
    return None if found is None else found.id


def _wrong(sentence: str) -> Invalid:
    return Invalid([Problem(code=Code.WRONG_STATE, message=sentence, path=("id",))])
