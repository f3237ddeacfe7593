"""What can be followed. An event says that something changed and holds the thing as it is now.

Before every event the caller is looked up again, so that whose key is revoked or who is removed hears nothing more.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Annotated

import strawberry
from graphql import GraphQLError

from api.auth import callers
from api.auth.permissions import MayRead
from api.graphql.context import Info
from api.graphql.news import Channel
from api.graphql.nodes import local_id
from api.graphql.types.alert import Alert
from api.graphql.types.experiment import Experiment
from api.graphql.types.job import Job
from api.jobs.tables import JobState
from kpi.alerts import tables as alert_tables
from kpi.alerts.queries import raised_since

LATELY = timedelta(minutes=10)
"""How far back a subscription looks for alerts that it has not told yet."""
ENDED = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}

ExperimentId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the experiment.")]
JobId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the job.")]


@strawberry.type(description="The results of an experiment have been brought up to date.")
class ExperimentResultsUpdated:
    """The results of an experiment have been brought up to date."""

    experiment: Experiment | None = strawberry.field(description="The experiment as it is now.")


@strawberry.type(description="A job has moved on.")
class JobProgressed:
    """A job has moved on."""

    job: Job | None = strawberry.field(description="The job as it is now.")


@strawberry.type(description="An alert was raised on a KPI.")
class AlertRaised:
    """An alert was raised on a KPI."""

    alert: Alert = strawberry.field(description="The alert as it is now.")


@strawberry.type(description="What can be followed.")
class Subscription:
    """What can be followed."""

    @strawberry.subscription(
        description="Each update of an experiment's results; the first event comes at once.",
        permission_classes=[MayRead],
    )
    async def experiment_results_updated(
        self,
        info: Info,
        id: ExperimentId,  # noqa: A002 - the API's word
    ) -> AsyncGenerator[ExperimentResultsUpdated, None]:
        """Each update of an experiment's results."""
        number = await _number(info, "Experiment", id)
        async for _ in _changes(info, Channel.REFRESHED, number):
            yield ExperimentResultsUpdated(experiment=await info.context.loaders.experiments.load(number))  # type: ignore[arg-type]  # a row stands for itself

    @strawberry.subscription(
        description="Each step of a job until it ends; the first event comes at once.", permission_classes=[MayRead]
    )
    async def job_progressed(
        self,
        info: Info,
        id: JobId,  # noqa: A002 - the API's word
    ) -> AsyncGenerator[JobProgressed, None]:
        """Each step of a job until it ends."""
        number = await _number(info, "Job", id)
        async for _ in _changes(info, Channel.JOBS, number):
            job = await info.context.loaders.jobs.load(number)
            yield JobProgressed(job=job)  # type: ignore[arg-type]  # a row stands for itself
            if job is None or job.state in ENDED:
                return

    @strawberry.subscription(
        description="Each alert that is raised in the workspace from now on. What a break of the connection hides is in"
        " `alerts`.",
        permission_classes=[MayRead],
    )
    async def alert_raised(self, info: Info) -> AsyncGenerator[AlertRaised, None]:
        """Each alert that is raised from now on."""
        await _arrive(info)
        told = {alert.id for alert in await _recent(info)}
        async for _ in _changes(info, Channel.ALERTS, info.context.caller.workspace_id):
            recent = await _recent(info)
            for alert in recent:
                if alert.id not in told:
                    yield AlertRaised(alert=alert)  # type: ignore[arg-type]  # a row stands for itself
            told = {alert.id for alert in recent}


async def _recent(info: Info) -> list[alert_tables.Alert]:
    """The alerts raised lately: one may be committed after another that was raised later."""

    async def read() -> list[alert_tables.Alert]:
        async with info.context.read() as session:
            return await raised_since(session, info.context.caller.workspace_id, info.context.now - LATELY)

    return await info.context.loaders.once("alerts", read)


async def _arrive(info: Info) -> None:
    """Read with those who arrive at the same time: after a break of the network that may be all of them."""
    if info.context.desk is not None:
        editions, workspace_id = info.context.desk.editions, info.context.caller.workspace_id
        info.context.turn_to(await editions.now(info.context.database, workspace_id))


async def _number(info: Info, noun: str, identity: str) -> int:
    """The row that an id of the caller's workspace names."""
    await _arrive(info)
    number = local_id(noun, identity)
    loader = info.context.loaders.experiments if noun == "Experiment" else info.context.loaders.jobs
    if number is None or await loader.load(number) is None:
        raise GraphQLError("There is no such thing in this workspace.", extensions={"code": "NOT_FOUND"})
    return number


async def _changes(info: Info, channel: Channel, number: int) -> AsyncGenerator[None, None]:
    """Now, and each time the row has changed since; with fresh loaders, which would else remember what was."""
    desk, caller = info.context.desk, info.context.caller
    if desk is None or desk.is_full(caller.workspace_id):
        sentence = "Too many subscriptions are open; close some, or ask from time to time."
        raise GraphQLError(sentence, extensions={"code": "RATE_LIMITED"})
    places = (channel, str(number)), *((Channel.KEYS, name) for name in caller.names)
    asks = (*caller.names, str(caller.rotation), *sorted(caller.scopes))
    with desk.guest(caller.workspace_id), desk.seat(*places) as flag:
        flag.set()
        while True:
            is_told = flag.is_set()
            flag.clear()  # what is told from here on may be missing in what is read now
            loaders = await desk.editions.now(info.context.database, caller.workspace_id)
            found = await loaders.once(" ".join(asks), partial(callers.again, info.context.database, caller))
            if found is None:
                return
            if is_told:
                info.context.turn_to(loaders)
                yield
            with suppress(TimeoutError):
                await asyncio.wait_for(flag.wait(), callers.patience(found))
