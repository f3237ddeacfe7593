"""Taking rejected rows in again, after the cause is mended: through the same functions as every door."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import asyncpg
import strawberry

from api.auth.permissions import MayIngest
from api.files.intake import INGEST
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.nodes import global_id, local_id
from api.jobs.tables import Noun
from kpi import batches, storage
from kpi.errors import Code, Invalid, Problem
from kpi.ingest import KEPT_ROW, Fault, Refusal, Report

MOST_ROWS = 1_000
CUT = f"What is kept is not the whole row (it is cut at {KEPT_ROW:,} characters, or its unit is hidden): send it anew."
GONE = "There is no such rejected row in this workspace, or it is just being taken in."


@strawberry.enum(
    description="What became of a rejected row. Accepted, or a duplicate, it is no longer rejected; else it stays."
)
class ReplayOutcome(Enum):
    """What became of a rejected row."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    REJECTED = "REJECTED"
    NOT_REPLAYABLE = "NOT_REPLAYABLE"
    NOT_FOUND = "NOT_FOUND"


@strawberry.input(description="Which rejected rows are taken in again: all that are both.")
class RejectionsReplayFilter:
    """Which rejected rows are taken in again."""

    noun: Noun | None = strawberry.field(description="The noun that the rows should have been.", default=None)
    code: Fault | None = strawberry.field(description="The rule they break.", default=None)


@strawberry.input(description="Rejected rows to take in again: either by their ids or by a filter, 1,000 at most.")
class RejectionsReplayInput:
    """Rejected rows to take in again."""

    ids: list[strawberry.ID] | None = strawberry.field(description="The global ids of the rows.", default=None)
    filter: RejectionsReplayFilter | None = strawberry.field(
        description="Which rows; the oldest first, and only those that were kept whole.", default=None
    )
    after: strawberry.ID | None = strawberry.field(
        description="With a filter: only rows that came after this one, to go on after the first 1,000.", default=None
    )


@strawberry.type(description="What became of one rejected row.")
class RejectionReplay:
    """What became of one rejected row."""

    id: strawberry.ID = strawberry.field(description="The global id it has, or had, among the rejected.")
    outcome: ReplayOutcome = strawberry.field(description="What became of it.")
    code: Fault | None = strawberry.field(description="The rule it breaks now, if it stays.", default=None)
    message: str | None = strawberry.field(description="The fault in a sentence, if it stays.", default=None)
    path: str | None = strawberry.field(description="The path within the row, if it stays.", default=None)


@strawberry.type(description="The answer to rejectionsReplay.")
class RejectionsReplayPayload:
    """The answer to rejectionsReplay."""

    results: list[RejectionReplay] | None = strawberry.field(description="Row by row.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input as a whole.")


ReplayInput = Annotated[RejectionsReplayInput, strawberry.argument(description="The rejected rows to take in again.")]


@strawberry.type
class RejectionMutation:
    """Taking rejected rows in again."""

    @strawberry.mutation(description="Take rejected rows in again.", permission_classes=[MayIngest])
    async def rejections_replay(
        self,
        info: Info,
        input: ReplayInput,  # noqa: A002 - the API's word
    ) -> RejectionsReplayPayload | None:
        """Take rejected rows in again."""
        return await answer(RejectionsReplayPayload, lambda: _replay(info, input))


async def _replay(info: Info, given: RejectionsReplayInput) -> dict[str, Any]:
    ids, after = _asked(given)
    wanted = given.filter or RejectionsReplayFilter()
    workspace_id = info.context.caller.workspace_id
    connection: asyncpg.Connection
    async with info.context.door(info) as connection:
        await storage.hold_rows(connection, workspace_id)
        rows = await batches.lock_rejections(
            connection,
            workspace_id,
            ids=ids,
            noun=wanted.noun and wanted.noun.value,
            code=wanted.code and wanted.code.value,
            after=after,
            limit=MOST_ROWS,
        )
        told = await _taken_in(connection, workspace_id, rows, info.context.now)
    missing = [
        _result(identity, ReplayOutcome.NOT_FOUND, message=GONE) for identity in ids or () if identity not in told
    ]
    return {"results": [*told.values(), *missing]}


async def _taken_in(
    connection: asyncpg.Connection, workspace_id: int, rows: Sequence[Mapping[str, Any]], now: datetime
) -> dict[int, RejectionReplay]:
    """What became of each row, by its id. Rows are taken in together with those that were read in the same way."""
    told = {row["id"]: _result(row["id"], ReplayOutcome.NOT_REPLAYABLE, message=CUT) for row in rows}
    groups: defaultdict[tuple[str, bool], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["is_whole"]:
            groups[row["noun"], row["is_lax"]].append(row)
    for (noun, lax), group in groups.items():
        texts = [row["row"].encode() for row in group]
        report = await INGEST[Noun(noun)](
            connection, workspace_id=workspace_id, rows=texts, now=now, lax=lax, is_replay=True
        )
        ids = [row["id"] for row in group]
        refused = [(ids[refusal.index], refusal) for refusal in report.refusals]
        taken = [ids[index] for index in (*report.accepted, *report.duplicates)]
        await batches.settle_rejections(connection, taken=taken, refused=refused)
        told |= _results(ids, report)
    return told


def _asked(given: RejectionsReplayInput) -> tuple[list[int] | None, int]:
    """The rows that are asked for; None for those of a filter, and after which one."""
    if (given.ids is None) == (given.filter is None):
        raise _wrong("Say either ids or a filter.", "ids")
    if len(given.ids or ()) > MOST_ROWS:
        raise _wrong(f"{len(given.ids or ())} ids; {MOST_ROWS:,} is the most a call takes.", "ids")
    after = 0 if given.after is None else local_id("Rejection", given.after)
    if after is None:
        raise _wrong("This is not the id of a rejected row.", "after")
    ids = None if given.ids is None else [local_id("Rejection", identity) for identity in given.ids]
    strange = [place for place, identity in enumerate(ids or ()) if identity is None]
    if strange:
        raise _wrong("This is not the id of a rejected row.", "ids", str(strange[0]))
    return None if ids is None else [identity for identity in ids if identity is not None], after


def _wrong(message: str, *path: str) -> Invalid:
    return Invalid([Problem(code=Code.BAD_USER_INPUT, message=message, path=path)])


def _results(ids: Sequence[int], report: Report) -> dict[int, RejectionReplay]:
    outcomes = dict.fromkeys(report.accepted, ReplayOutcome.ACCEPTED) | dict.fromkeys(
        report.duplicates, ReplayOutcome.DUPLICATE
    )
    told = {ids[index]: _result(ids[index], outcome) for index, outcome in outcomes.items()}
    return told | {ids[refusal.index]: _refused(ids[refusal.index], refusal) for refusal in report.refusals}


def _refused(identity: int, refusal: Refusal) -> RejectionReplay:
    return _result(identity, ReplayOutcome.REJECTED, code=refusal.code, message=refusal.message, path=refusal.path)


def _result(identity: int, outcome: ReplayOutcome, **reason: Any) -> RejectionReplay:
    return RejectionReplay(id=global_id("Rejection", identity), outcome=outcome, **reason)
