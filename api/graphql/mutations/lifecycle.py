"""Moving an experiment on in its life."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.inputs import aware
from api.graphql.nodes import row_of
from api.graphql.types.experiment import Experiment
from experiments.life import moves


@strawberry.input
class Moving:
    """What every move says."""

    id: strawberry.ID = strawberry.field(description="The global id of the experiment.")
    reason: str | None = strawberry.field(description="The reason, kept in the experiment's history.", default=None)


@strawberry.type
class Moved:
    """What every move answers."""

    experiment: Experiment | None = strawberry.field(
        description="The experiment; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.input(description="An experiment to start.")
class ExperimentStartInput(Moving):
    """An experiment to start."""

    started_at: datetime | None = strawberry.field(
        description="The start, if it lies in the past; results then say that the plan was sealed after it.",
        default=None,
    )


@strawberry.input(description="The traffic of an experiment.")
class ExperimentRampInput(Moving):
    """The traffic of an experiment."""

    traffic: float = strawberry.field(description="The share of units that enter from now on, above 0 and at most 1.")


@strawberry.input(description="An experiment to pause.")
class ExperimentPauseInput(Moving):
    """An experiment to pause."""


@strawberry.input(description="An experiment to resume.")
class ExperimentResumeInput(Moving):
    """An experiment to resume."""


@strawberry.input(description="An experiment whose enrolment ends.")
class ExperimentFreezeInput(Moving):
    """An experiment whose enrolment ends."""

    frozen_at: datetime | None = strawberry.field(
        description="The end of enrolment, if it lies in the past.", default=None
    )


@strawberry.input(description="An experiment to stop.")
class ExperimentStopInput(Moving):
    """An experiment to stop."""

    stopped_at: datetime | None = strawberry.field(
        description="The end of measuring, if it lies in the past.", default=None
    )


@strawberry.input(description="An experiment to put away.")
class ExperimentArchiveInput(Moving):
    """An experiment to put away."""


@strawberry.type(description="The answer to experimentStart.")
class ExperimentStartPayload(Moved):
    """The answer to experimentStart."""


@strawberry.type(description="The answer to experimentRamp.")
class ExperimentRampPayload(Moved):
    """The answer to experimentRamp."""


@strawberry.type(description="The answer to experimentPause.")
class ExperimentPausePayload(Moved):
    """The answer to experimentPause."""


@strawberry.type(description="The answer to experimentResume.")
class ExperimentResumePayload(Moved):
    """The answer to experimentResume."""


@strawberry.type(description="The answer to experimentFreeze.")
class ExperimentFreezePayload(Moved):
    """The answer to experimentFreeze."""


@strawberry.type(description="The answer to experimentStop.")
class ExperimentStopPayload(Moved):
    """The answer to experimentStop."""


@strawberry.type(description="The answer to experimentArchive.")
class ExperimentArchivePayload(Moved):
    """The answer to experimentArchive."""


StartInput = Annotated[ExperimentStartInput, strawberry.argument(description="An experiment to start.")]
RampInput = Annotated[ExperimentRampInput, strawberry.argument(description="The traffic of an experiment.")]
PauseInput = Annotated[ExperimentPauseInput, strawberry.argument(description="An experiment to pause.")]
ResumeInput = Annotated[ExperimentResumeInput, strawberry.argument(description="An experiment to resume.")]
FreezeInput = Annotated[ExperimentFreezeInput, strawberry.argument(description="An experiment whose enrolment ends.")]
StopInput = Annotated[ExperimentStopInput, strawberry.argument(description="An experiment to stop.")]
ArchiveInput = Annotated[ExperimentArchiveInput, strawberry.argument(description="An experiment to put away.")]


@strawberry.type
class LifecycleMutation:
    """Moving an experiment on in its life."""

    @strawberry.mutation(description="Seal the plan and start the experiment.", permission_classes=[MayEdit])
    async def experiment_start(
        self,
        info: Info,
        input: StartInput,  # noqa: A002 - the API's word
    ) -> ExperimentStartPayload | None:
        """Seal the plan and start the experiment."""
        return await answer(
            ExperimentStartPayload,
            lambda: _move(info, input, partial(moves.start, started_at=aware("startedAt", input.started_at))),
        )

    @strawberry.mutation(
        description="Change the share of units that enter an experiment.", permission_classes=[MayEdit]
    )
    async def experiment_ramp(
        self,
        info: Info,
        input: RampInput,  # noqa: A002 - the API's word
    ) -> ExperimentRampPayload | None:
        """Change the share of units that enter an experiment."""
        return await answer(
            ExperimentRampPayload, lambda: _move(info, input, partial(moves.ramp, traffic=input.traffic))
        )

    @strawberry.mutation(
        description="Take no units in for a while; those inside are measured on.", permission_classes=[MayEdit]
    )
    async def experiment_pause(
        self,
        info: Info,
        input: PauseInput,  # noqa: A002 - the API's word
    ) -> ExperimentPausePayload | None:
        """Take no units in for a while; those inside are measured on."""
        return await answer(ExperimentPausePayload, lambda: _move(info, input, moves.pause))

    @strawberry.mutation(description="Take units in again after a pause.", permission_classes=[MayEdit])
    async def experiment_resume(
        self,
        info: Info,
        input: ResumeInput,  # noqa: A002 - the API's word
    ) -> ExperimentResumePayload | None:
        """Take units in again after a pause."""
        return await answer(ExperimentResumePayload, lambda: _move(info, input, moves.resume))

    @strawberry.mutation(
        description="Take no more units in; those inside are measured until their windows close.",
        permission_classes=[MayEdit],
    )
    async def experiment_freeze(
        self,
        info: Info,
        input: FreezeInput,  # noqa: A002 - the API's word
    ) -> ExperimentFreezePayload | None:
        """Take no more units in; those inside are measured until their windows close."""
        return await answer(
            ExperimentFreezePayload,
            lambda: _move(info, input, partial(moves.freeze, frozen_at=aware("frozenAt", input.frozen_at))),
        )

    @strawberry.mutation(
        description="Measure nothing more: what is not final by then does not count.", permission_classes=[MayEdit]
    )
    async def experiment_stop(
        self,
        info: Info,
        input: StopInput,  # noqa: A002 - the API's word
    ) -> ExperimentStopPayload | None:
        """Measure nothing more: what is not final by then does not count."""
        return await answer(
            ExperimentStopPayload,
            lambda: _move(info, input, partial(moves.stop, stopped_at=aware("stoppedAt", input.stopped_at))),
        )

    @strawberry.mutation(
        description="Put a decided experiment away, or a draft that will not run.", permission_classes=[MayEdit]
    )
    async def experiment_archive(
        self,
        info: Info,
        input: ArchiveInput,  # noqa: A002 - the API's word
    ) -> ExperimentArchivePayload | None:
        """Put a decided experiment away, or a draft that will not run."""
        return await answer(ExperimentArchivePayload, lambda: _move(info, input, moves.archive))


async def _move(info: Info, given: Moving, step: Callable[..., Awaitable[Any]]) -> dict[str, Any]:
    identity = row_of("Experiment", given.id)
    async with info.context.write(info) as session:
        moved = await step(session, actor=info.context.actor(given.reason), experiment_id=identity)
    return {"experiment": moved}
