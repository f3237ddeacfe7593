"""Recording what a person decides on an experiment that is over, beside what was recommended.

A decision against the verdict says why; where the workspace asks for it, a second person approves. Decisions are never
changed: a new one, with its reason, takes the place of the one before.
"""

import asyncpg
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.enums import Cause, Choice
from experiments.inference.analysis import results
from experiments.inference.treatments import VerdictState
from experiments.inference.verdict import Verdict
from experiments.life import story
from experiments.life.lifecycle import Action
from experiments.life.moves import locked, made, move_problems, tell
from experiments.planning import plan as plans
from experiments.programme import weighing
from experiments.tables import Decision, Experiment
from kpi.actor import Actor
from kpi.enums import NoticeType
from kpi.errors import Code, Problem, bad, refuse
from kpi.workspaces import workspace_by_id


async def decide(
    session: AsyncSession,
    connection: asyncpg.Connection,
    *,
    actor: Actor,
    experiment_id: int,
    choice: Choice,
    variant: str | None = None,
) -> Experiment:
    """Record a decision with the verdict of this moment. `connection` is the session's own. Raises Invalid."""
    experiment = await locked(session, actor, experiment_id)
    refuse(move_problems(experiment, Action.DECIDE))
    seen = await results(session, connection, experiment)
    before = (await story.decisions_of(session, [experiment_id])).get(experiment_id, [])
    differs = departs(choice, variant, None if seen is None else seen.verdict)
    problems = _variant_problems(experiment, choice, variant)
    if (differs or before) and not (actor.reason or "").strip():
        what = "another decision than the one before" if before else "a decision other than the verdict"
        problems.append(bad(f"This is {what}: say why.", "reason"))
    refuse(problems)
    workspace = await workspace_by_id(session, actor.workspace_id)
    session.add(
        Decision(
            workspace_id=actor.workspace_id,
            experiment_id=experiment_id,
            number=len(before) + 1,
            choice=choice,
            variant=variant,
            verdict=None if seen is None else seen.verdict.state,
            rule=None if seen is None else seen.verdict.rule,
            differs=differs,
            reason=actor.reason,
            by=actor.name,
            by_id=actor.id,
            needs_approval=differs and workspace.needs_second_person,
            approved_by=None,
            approved_by_id=None,
            approved_at=None,
            plan_hash=experiment.plan_hash or "",
            data_through=None if seen is None else seen.data_through,
            created_at=actor.now,
        )
    )
    await weighing.weigh(session, connection, experiment=experiment, cause=Cause.DECISION, by=actor.name, now=actor.now)
    await tell(session, experiment, NoticeType.EXPERIMENT_DECIDED, actor, choice=choice, variant=variant)
    return await made(session, experiment, Action.DECIDE, actor)


async def approve(session: AsyncSession, *, actor: Actor, experiment_id: int) -> Experiment:
    """Approve the latest decision as a second person. Approving twice changes nothing. Raises Invalid."""
    experiment = await locked(session, actor, experiment_id)
    refuse(move_problems(experiment, Action.APPROVE))
    latest = (await story.decisions_of(session, [experiment_id]))[experiment_id][-1]
    if latest.approved_at is not None:
        return experiment
    refuse(_approval_problems(latest, actor))
    latest.approved_by, latest.approved_by_id, latest.approved_at = actor.name, actor.id, actor.now
    return await made(session, experiment, Action.APPROVE, actor)


def departs(choice: Choice, variant: str | None, verdict: Verdict | None) -> bool:
    """Whether a choice goes against the verdict: shipping without evidence, or not shipping in spite of it.

    Evidence is that of the variant that is shipped: any that may be, not only the one the verdict names.
    """
    standings = () if verdict is None else verdict.standings
    may_ship = {one.variant.key for one in standings if one.state is VerdictState.SHIP}
    return variant not in may_ship if choice is Choice.SHIP else bool(may_ship)


def _variant_problems(experiment: Experiment, choice: Choice, variant: str | None) -> list[Problem]:
    treatments = [planned.key for planned in plans.from_document(experiment.plan).variants if not planned.is_control]
    if choice is Choice.SHIP and variant not in treatments:
        return [bad(f"Say which variant is shipped: {', '.join(treatments)}.", "variant")]
    if choice is not Choice.SHIP and variant is not None:
        return [bad("Only a decision to ship names a variant.", "variant")]
    return []


def _approval_problems(latest: Decision, actor: Actor) -> list[Problem]:
    if not latest.needs_approval:
        sentence = "The latest decision needs no approval."
    elif latest.by_id == actor.id:
        sentence = "A second person approves: this decision is your own."
    else:
        return []
    return [Problem(code=Code.WRONG_STATE, message=sentence, path=("id",))]
