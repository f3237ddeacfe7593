"""Taking in exposures, outcomes, memberships and traits, up to 1,000 rows a call. For more there are the doors."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import asyncpg
import strawberry
from strawberry.scalars import JSON

from api.auth.permissions import MayIngest
from api.graphql.context import Info
from api.graphql.errors import Ended, UserError, answer
from api.graphql.replies import Repeatable, once
from api.telemetry import metrics
from experiments import exposures
from kpi import events, memberships, traits
from kpi.errors import Code, Invalid, Problem
from kpi.ingest import Fault, Report
from kpi.wire import camel

MOST_ROWS = 1_000
NOT_ALL = Problem(
    code=Code.NOT_ALL, message="A row was rejected, so none was taken in; see the report.", path=("errorPolicy",)
)
Ingest = Callable[..., Awaitable[Report]]


@strawberry.input(description="A unit met a variant.")
class ExposureInput:
    """An exposure."""

    experiment: str = strawberry.field(description="The key of the experiment.")
    unit: str = strawberry.field(description="The id of the unit.")
    variant: str = strawberry.field(description="The key of the variant.")
    exposed_at: datetime = strawberry.field(description="The time, with its zone.")
    attributes: JSON | None = strawberry.field(
        description="What is known of the unit then: names with texts, numbers or booleans.", default=None
    )


@strawberry.input(description="A unit did something.")
class OutcomeInput:
    """An outcome."""

    unit: str = strawberry.field(description="The id of the unit.")
    event: str = strawberry.field(description="The name of the event.")
    occurred_at: datetime = strawberry.field(description="The time, with its zone.")
    value: float | None = strawberry.field(description="The amount, if the event has one.", default=None)
    event_id: str | None = strawberry.field(
        description="Your own id of the event: with its time it makes a retry known; another time is another event.",
        default=None,
    )


@strawberry.input(description="A member belongs to an account from a moment on, until its next membership begins.")
class MembershipInput:
    """A membership."""

    member: str = strawberry.field(description="The id of the unit that belongs to the account.")
    since_at: datetime = strawberry.field(description="The time from which it does, with its zone.")
    account: str | None = strawberry.field(description="The id of the account; none if it leaves.", default=None)


@strawberry.input(description="What is known of a unit from a moment on, until the trait's next value begins.")
class TraitInput:
    """A trait."""

    unit: str = strawberry.field(description="The id of the unit: a user, or an account.")
    name: str = strawberry.field(description="The name of the trait, such as plan; 1 to 100 characters.")
    value: JSON | None = strawberry.field(
        description="A text of up to 200 characters, a number or a boolean; null ends what was known. To be said.",
        default=strawberry.UNSET,
    )
    since_at: datetime | None = strawberry.field(
        description="The time from which it holds, with its zone; without it since always.", default=None
    )


class ErrorPolicy(StrEnum):
    """What a rejected row does to its neighbours."""

    REJECT_FAILED_ROWS = "REJECT_FAILED_ROWS"
    REJECT_EVERYTHING = "REJECT_EVERYTHING"


strawberry.enum(ErrorPolicy, description="What a rejected row does to its neighbours.")


@strawberry.input
class Taking(Repeatable):
    """What is said of every batch."""

    error_policy: ErrorPolicy = strawberry.field(
        description="What a rejected row does to its neighbours: nothing, unless REJECT_EVERYTHING is asked for. Then "
        "none is taken in, and none is kept among the rejections.",
        default=ErrorPolicy.REJECT_FAILED_ROWS,
    )


@strawberry.input(description="Exposures to take in.")
class ExposuresIngestInput(Taking):
    """Exposures to take in."""

    exposures: list[ExposureInput] = strawberry.field(description="The exposures, 1,000 at most.")


@strawberry.input(description="Outcomes to take in.")
class OutcomesIngestInput(Taking):
    """Outcomes to take in."""

    outcomes: list[OutcomeInput] = strawberry.field(description="The outcomes, 1,000 at most.")


@strawberry.input(description="Memberships to take in.")
class MembershipsIngestInput(Taking):
    """Memberships to take in."""

    memberships: list[MembershipInput] = strawberry.field(description="The memberships, 1,000 at most.")


@strawberry.input(description="Traits to take in.")
class TraitsIngestInput(Taking):
    """Traits to take in."""

    traits: list[TraitInput] = strawberry.field(description="The traits, 1,000 at most.")


@strawberry.type(description="A row that was rejected. Its neighbours were not.")
class RowError:
    """A rejected row."""

    index: int = strawberry.field(description="The place of the row in the input, from 0.")
    code: Fault = strawberry.field(description="The rule it breaks.")
    message: str = strawberry.field(description="The fault in a sentence.")
    path: str = strawberry.field(description="The path within the row.")


@strawberry.type(description="What became of the rows. Sent after the commit: what is accepted is stored.")
class IngestReport:
    """What became of the rows."""

    accepted: int = strawberry.field(description="The rows that were new.")
    duplicates: int = strawberry.field(description="The rows that were there already; they do not count again.")
    rejected: int = strawberry.field(description="The rows that were rejected.")
    row_errors: list[RowError] = strawberry.field(description="The rejected rows with their reasons.")


@strawberry.type(description="The answer to exposuresIngest.")
class ExposuresIngestPayload:
    """The answer to exposuresIngest."""

    report: IngestReport | None = strawberry.field(description="What became of the rows.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input as a whole.")


@strawberry.type(description="The answer to outcomesIngest.")
class OutcomesIngestPayload:
    """The answer to outcomesIngest."""

    report: IngestReport | None = strawberry.field(description="What became of the rows.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input as a whole.")


@strawberry.type(description="The answer to membershipsIngest.")
class MembershipsIngestPayload:
    """The answer to membershipsIngest."""

    report: IngestReport | None = strawberry.field(description="What became of the rows.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input as a whole.")


@strawberry.type(description="The answer to traitsIngest.")
class TraitsIngestPayload:
    """The answer to traitsIngest."""

    report: IngestReport | None = strawberry.field(description="What became of the rows.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input as a whole.")


ExposuresInput = Annotated[ExposuresIngestInput, strawberry.argument(description="The exposures to take in.")]
OutcomesInput = Annotated[OutcomesIngestInput, strawberry.argument(description="The outcomes to take in.")]
MembershipsInput = Annotated[MembershipsIngestInput, strawberry.argument(description="The memberships to take in.")]
TraitsInput = Annotated[TraitsIngestInput, strawberry.argument(description="The traits to take in.")]


@strawberry.type
class IngestMutation:
    """Taking in exposures, outcomes, memberships and traits."""

    @strawberry.mutation(description="Take in exposures.", permission_classes=[MayIngest])
    async def exposures_ingest(
        self,
        info: Info,
        input: ExposuresInput,  # noqa: A002 - the API's word
    ) -> ExposuresIngestPayload | None:
        """Take in exposures."""
        return await answer(ExposuresIngestPayload, lambda: _take_in(info, "exposures", exposures.ingest, input))

    @strawberry.mutation(description="Take in outcomes.", permission_classes=[MayIngest])
    async def outcomes_ingest(
        self,
        info: Info,
        input: OutcomesInput,  # noqa: A002 - the API's word
    ) -> OutcomesIngestPayload | None:
        """Take in outcomes."""
        return await answer(OutcomesIngestPayload, lambda: _take_in(info, "outcomes", events.ingest, input))

    @strawberry.mutation(
        description="Take in memberships: experiments on accounts count what their members do.",
        permission_classes=[MayIngest],
    )
    async def memberships_ingest(
        self,
        info: Info,
        input: MembershipsInput,  # noqa: A002 - the API's word
    ) -> MembershipsIngestPayload | None:
        """Take in memberships."""
        return await answer(MembershipsIngestPayload, lambda: _take_in(info, "memberships", memberships.ingest, input))

    @strawberry.mutation(
        description="Take in traits: what is known of units outside experiments, such as an account's plan.",
        permission_classes=[MayIngest],
    )
    async def traits_ingest(
        self,
        info: Info,
        input: TraitsInput,  # noqa: A002 - the API's word
    ) -> TraitsIngestPayload | None:
        """Take in traits."""
        return await answer(TraitsIngestPayload, lambda: _take_in(info, "traits", traits.ingest, input))


async def _take_in(info: Info, field: str, ingest: Ingest, batch: Any) -> dict[str, Any]:
    given: Sequence[Any] = getattr(batch, field)
    if len(given) > MOST_ROWS:
        sentence = f"{len(given)} rows; {MOST_ROWS} is the most a call takes."
        raise Invalid([Problem(code=Code.BAD_USER_INPUT, message=sentence, path=(field,))])
    rows = [_wire(row) for row in given]
    connection: asyncpg.Connection
    async with info.context.door(info) as connection:
        take_in = partial(
            ingest, connection, workspace_id=info.context.caller.workspace_id, rows=rows, now=info.context.now
        )
        report = await once(info.context, info, connection, take_in)
        if report.refusals and batch.error_policy is ErrorPolicy.REJECT_EVERYTHING:
            raise Ended(_nothing(report), [NOT_ALL])
    metrics.taken_in(field, report)
    return {"report": _report(report)}


def _wire(row: Any) -> dict[str, Any]:
    """An input as the row every other door brings: what was not said is not in it."""
    return {camel(name): value for name, value in vars(row).items() if value is not strawberry.UNSET}


def _nothing(report: Report) -> dict[str, Any]:
    """The report of a batch of which nothing was taken in."""
    return {"report": _report(replace(report, accepted=(), duplicates=()))}


def _report(report: Report) -> IngestReport:
    return IngestReport(
        accepted=len(report.accepted),
        duplicates=len(report.duplicates),
        rejected=len(report.refusals),
        row_errors=[
            RowError(index=refusal.index, code=refusal.code, message=refusal.message, path=refusal.path)
            for refusal in report.refusals
        ],
    )
