"""Moving an experiment on in its life: start, ramp, pause, resume, freeze, stop, archive.

Each move is one action in the caller's transaction, on a locked row, so that two people who click at once make it once.
It leaves a step that says who made it and why. A move that does not lead on from the state raises `Invalid`; one that
was made already changes nothing.
"""

from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import queries
from experiments.enums import State
from experiments.life import lifecycle, story
from experiments.life.launch import CheckState, layer_fault
from experiments.life.lifecycle import Action
from experiments.life.surroundings import launch_checks, neighbours
from experiments.planning import plan as plans
from experiments.planning.draft import TRAFFIC, is_share
from experiments.tables import Experiment, Step
from kpi import notices
from kpi.actor import Actor
from kpi.enums import NoticeType
from kpi.errors import Code, NotFound, Problem, bad, refuse
from kpi.gate import midnight
from kpi.ingest import EARLIEST, SKEW
from kpi.service import text_problems
from kpi.storage import hold_clearing, hold_floor


async def start(
    session: AsyncSession, *, actor: Actor, experiment_id: int, started_at: datetime | None = None
) -> Experiment:
    """Seal the plan and start, where no check before the launch blocks it.

    A start in the past, to take in history, is not checked: it has happened. It shows as a plan sealed after its data.
    """
    await hold_clearing(session, actor.workspace_id)  # what its covariates read is not being dropped just now
    experiment = await locked(session, actor, experiment_id)
    if lifecycle.is_done(experiment.state, Action.START):
        return experiment
    begins = started_at or actor.now
    problems = move_problems(experiment, Action.START) + _time_problems("startedAt", begins, actor)
    if begins >= actor.now - SKEW:
        problems += await _launch_problems(session, experiment, actor)
    refuse(problems)
    sealed = plans.from_document(experiment.plan)
    experiment.plan_json = plans.canonical(sealed).decode()
    experiment.plan_hash = plans.seal(sealed)
    experiment.sealed_at = actor.now
    experiment.started_at = begins
    await made(session, experiment, Action.START, actor, at=begins)
    await tell(session, experiment, NoticeType.EXPERIMENT_STARTED, actor)
    return experiment


async def ramp(session: AsyncSession, *, actor: Actor, experiment_id: int, traffic: float) -> Experiment:
    """Change the share of units that enter; those inside stay. Shares between variants do not change."""
    experiment = await locked(session, actor, experiment_id)
    problems = move_problems(experiment, Action.RAMP)
    if not is_share(traffic):
        problems.append(bad(TRAFFIC, "traffic"))
    elif traffic > experiment.traffic:
        layer = plans.from_document(experiment.plan).layer
        problems += await layer_problems(session, experiment, layer, traffic, "traffic")
    refuse(problems)
    if traffic == experiment.traffic:
        return experiment
    experiment.traffic = traffic
    return await made(session, experiment, Action.RAMP, actor, traffic=traffic)


async def pause(session: AsyncSession, *, actor: Actor, experiment_id: int) -> Experiment:
    """Take no units in for a while; those inside are measured on."""
    experiment = await locked(session, actor, experiment_id)
    if lifecycle.is_done(experiment.state, Action.PAUSE):
        return experiment
    refuse(move_problems(experiment, Action.PAUSE))
    story.begin_pause(session, experiment, actor.now)
    return await made(session, experiment, Action.PAUSE, actor)


async def resume(session: AsyncSession, *, actor: Actor, experiment_id: int) -> Experiment:
    """Take units in again."""
    experiment = await locked(session, actor, experiment_id)
    if lifecycle.is_done(experiment.state, Action.RESUME):
        return experiment
    refuse(move_problems(experiment, Action.RESUME))
    await story.end_pause(session, experiment, actor.now)
    return await made(session, experiment, Action.RESUME, actor)


async def freeze(
    session: AsyncSession, *, actor: Actor, experiment_id: int, frozen_at: datetime | None = None
) -> Experiment:
    """Take no more units in; those inside are measured until their windows close."""
    floor = midnight(await hold_floor(session, actor.workspace_id))  # first, as an ingest does: else they could lock up
    experiment = await locked(session, actor, experiment_id)
    if lifecycle.is_done(experiment.state, Action.FREEZE):
        return experiment
    ends = frozen_at or actor.now
    refuse(move_problems(experiment, Action.FREEZE) + _end_problems("frozenAt", ends, experiment, actor, floor))
    await _end_enrolment(session, experiment, ends, actor)
    await made(session, experiment, Action.FREEZE, actor, at=ends)
    await queries.outdate(session, experiment, actor.now)
    return experiment


async def stop(
    session: AsyncSession, *, actor: Actor, experiment_id: int, stopped_at: datetime | None = None
) -> Experiment:
    """Measure nothing more: what has not become final by then does not count. Enrolment ends too, if it had not."""
    floor = midnight(await hold_floor(session, actor.workspace_id))  # as above
    experiment = await locked(session, actor, experiment_id)
    if lifecycle.is_done(experiment.state, Action.STOP):
        return experiment
    ends = stopped_at or actor.now
    problems = move_problems(experiment, Action.STOP)
    if experiment.frozen_at is None:
        problems += _end_problems("stoppedAt", ends, experiment, actor, floor)
    elif ends < experiment.frozen_at:
        problems.append(bad("An experiment is stopped when or after its enrolment ended.", "stoppedAt"))
    refuse(problems + _time_problems("stoppedAt", ends, actor))
    if experiment.frozen_at is None:
        await _end_enrolment(session, experiment, ends, actor)
    experiment.stopped_at = ends
    await made(session, experiment, Action.STOP, actor, at=ends)
    await queries.outdate(session, experiment, actor.now)
    await tell(session, experiment, NoticeType.EXPERIMENT_STOPPED, actor)
    return experiment


async def archive(session: AsyncSession, *, actor: Actor, experiment_id: int) -> Experiment:
    """Put a decided experiment away, or a draft that will not run."""
    experiment = await locked(session, actor, experiment_id)
    if lifecycle.is_done(experiment.state, Action.ARCHIVE):
        return experiment
    refuse(move_problems(experiment, Action.ARCHIVE))
    return await made(session, experiment, Action.ARCHIVE, actor)


async def locked(session: AsyncSession, actor: Actor, experiment_id: int) -> Experiment:
    """The experiment, locked until the transaction ends. Raises NotFound, and Invalid for a reason that is no text."""
    refuse(text_problems({"reason": actor.reason or ""}, required=set()))
    experiment = await queries.lock_experiment(session, actor.workspace_id, experiment_id)
    if experiment is None:
        raise NotFound
    return experiment


def move_problems(experiment: Experiment, action: Action) -> list[Problem]:
    """Why this move does not lead on from where the experiment is."""
    if lifecycle.can(experiment.state, action):
        return []
    sentence = f"“{experiment.key}” is {experiment.state.lower()}. {lifecycle.MOVES[action].needs}"
    return [Problem(code=Code.WRONG_STATE, message=sentence, path=("id",))]


async def _launch_problems(session: AsyncSession, experiment: Experiment, actor: Actor) -> list[Problem]:
    """What blocks a start. Two that want the last room of a layer come one after the other."""
    if plans.from_document(experiment.plan).layer is not None:
        await queries.hold_layer(session, experiment.workspace_id)
    found = await launch_checks(session, [experiment], actor.now)
    return [
        Problem(code=Code.NOT_READY, message=check.sentence, path=("id",))
        for check in found[experiment.id]
        if check.state is CheckState.BLOCK
    ]


async def layer_problems(
    session: AsyncSession, experiment: Experiment, layer: str | None, traffic: float, *path: str
) -> list[Problem]:
    """Why an experiment that measures cannot have so much of a layer. Those that want its last room come in turn."""
    if layer is None:
        return []
    await queries.hold_layer(session, experiment.workspace_id)
    started = await queries.started_experiments(session, experiment.workspace_id)
    full = layer_fault(layer, traffic, neighbours(started, experiment))
    return [] if full is None else [bad(full, *path)]


async def made(
    session: AsyncSession,
    experiment: Experiment,
    action: Action,
    actor: Actor,
    *,
    at: datetime | None = None,
    traffic: float | None = None,
) -> Experiment:
    """Move the experiment on, and leave the step."""
    experiment.state = lifecycle.after(experiment.state, action)
    await story.leave(
        session,
        Step(
            workspace_id=actor.workspace_id,
            experiment_id=experiment.id,
            action=action,
            state=experiment.state,
            by=actor.name,
            reason=actor.reason,
            effective_at=at or actor.now,
            made_at=actor.now,
            traffic=traffic,
        ),
    )
    return experiment


async def tell(session: AsyncSession, experiment: Experiment, what: NoticeType, actor: Actor, **more: Any) -> None:
    """Tell the outside what somebody did to an experiment."""
    said = {"experiment": experiment.key, **more}
    await notices.tell(session, experiment.workspace_id, what, said, actor.now)


async def _end_enrolment(session: AsyncSession, experiment: Experiment, ends: datetime, actor: Actor) -> None:
    """End enrolment, also for rows that came in already: what is derived from them is out of date then."""
    if experiment.state is State.PAUSED:
        await story.end_pause(session, experiment, actor.now)
    experiment.frozen_at = ends


def _end_problems(
    field: str, ends: datetime, experiment: Experiment, actor: Actor, floor: datetime | None
) -> list[Problem]:
    problems = _time_problems(field, ends, actor)
    if floor is not None and ends < floor:
        problems.append(bad(f"What happened before {floor.date()} is final: rows may have been dropped.", field))
    elif experiment.started_at is not None and ends < experiment.started_at:
        problems.append(bad("An experiment ends after it has started.", field))
    return problems


def _time_problems(field: str, at: datetime, actor: Actor) -> list[Problem]:
    if at > actor.now + SKEW:
        return [bad(f"{field} is in the future.", field)]
    if at < EARLIEST:
        return [bad(f"{field} is before 1990.", field)]
    return []
