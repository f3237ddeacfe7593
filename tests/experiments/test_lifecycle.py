"""The life of an experiment: every move from every state, two people at once, and any life against a model."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from api.auth.tenants import ensure_workspace
from api.database import Database, driver
from experiments import queries
from experiments.enums import Choice, State
from experiments.life import amendments, decisions, lifecycle, moves, story
from experiments.life.amendments import PlanChange
from experiments.life.lifecycle import Action
from experiments.tables import Experiment
from kpi.actor import Actor
from kpi.errors import Code, Invalid
from kpi.tables import Workspace
from tests.experiments.registering import NOW, actor, draft, freeze, start

T = TypeVar("T")

ALLOWED = {
    State.DRAFT: {Action.START: State.RUNNING, Action.ARCHIVE: State.ARCHIVED},
    State.RUNNING: {
        Action.RAMP: State.RUNNING,
        Action.PAUSE: State.PAUSED,
        Action.FREEZE: State.FROZEN,
        Action.STOP: State.STOPPED,
        Action.AMEND: State.RUNNING,
    },
    State.PAUSED: {
        Action.RAMP: State.PAUSED,
        Action.RESUME: State.RUNNING,
        Action.FREEZE: State.FROZEN,
        Action.STOP: State.STOPPED,
        Action.AMEND: State.PAUSED,
    },
    State.FROZEN: {Action.STOP: State.STOPPED, Action.AMEND: State.FROZEN},
    State.STOPPED: {Action.DECIDE: State.DECIDED},
    State.DECIDED: {Action.DECIDE: State.DECIDED, Action.APPROVE: State.DECIDED, Action.ARCHIVE: State.ARCHIVED},
    State.ARCHIVED: {},
}
"""The whole life, written out a second time."""
WALKED = {
    Action.START: moves.start,
    Action.PAUSE: moves.pause,
    Action.RESUME: moves.resume,
    Action.FREEZE: moves.freeze,
    Action.STOP: moves.stop,
    Action.ARCHIVE: moves.archive,
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", Action)
def test_every_move_from_every_state_leads_where_the_life_says_or_is_refused(state: State, action: Action) -> None:
    leads_to = ALLOWED[state].get(action)
    assert lifecycle.can(state, action) == (leads_to is not None)
    assert (action in lifecycle.moves_from(state)) == (leads_to is not None)
    if leads_to is None:
        with pytest.raises(ValueError, match=lifecycle.MOVES[action].needs):
            lifecycle.after(state, action)
    else:
        assert lifecycle.after(state, action) is leads_to


class Life(RuleBasedStateMachine):
    """One experiment that people move about as they like, and where it must therefore be."""

    loop: asyncio.AbstractEventLoop
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.now, self.state, self.traffic = NOW, State.DRAFT, 1.0
        self.walked: list[Action] = []
        self.decided: list[Choice] = []
        self.horizon, self.amended = 28, 0
        self.audience: str | None = None
        self.is_approved = False

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Wait for a step."""
        return self.loop.run_until_complete(step)

    @initialize()
    def register(self) -> None:
        """A draft in a workspace of its own, which wants a second person for decisions against the verdict."""
        self.made = self.run(self._registered())

    async def _registered(self) -> Experiment:
        async with self.database.write() as session:
            workspace = await ensure_workspace(session, f"life-{uuid4().hex[:12]}", NOW)
            workspace.needs_second_person = True
        return await draft(self.database, workspace)

    @rule(action=st.sampled_from(list(WALKED)))
    def move(self, action: Action) -> None:
        """Somebody makes a move that leads on, was made already, or is refused."""
        moved = self.try_to(action, lambda session, who: WALKED[action](session, actor=who, experiment_id=self.made.id))
        if moved:
            self.state = lifecycle.MOVES[action].to or self.state

    @rule(traffic=st.sampled_from([0.1, 0.5, 1.0]))
    def ramp(self, traffic: float) -> None:
        """Traffic that is what it was is no step."""
        before = len(self.walked)
        if self.try_to(
            Action.RAMP,
            lambda session, who: moves.ramp(session, actor=who, experiment_id=self.made.id, traffic=traffic),
        ):
            if traffic == self.traffic:
                del self.walked[before:]
            self.traffic = traffic

    @rule(days=st.integers(20, 40))
    def amend(self, days: int) -> None:
        """An amendment that changes nothing is refused."""
        change = PlanChange(horizon_days=days)
        if days != self.horizon and self.try_to(
            Action.AMEND,
            lambda session, who: amendments.amend(session, actor=who, experiment_id=self.made.id, change=change),
        ):
            self.horizon, self.amended = days, self.amended + 1

    @rule(audience=st.sampled_from([None, "New teams", "All teams"]))
    def address(self, audience: str | None) -> None:
        """What a plan may be without is stated by an amendment, and cleared by one."""
        change = PlanChange(audience=audience)
        if audience != self.audience and self.try_to(
            Action.AMEND,
            lambda session, who: amendments.amend(session, actor=who, experiment_id=self.made.id, change=change),
        ):
            self.audience, self.amended = audience, self.amended + 1

    @rule(choice=st.sampled_from(Choice))
    def decide(self, choice: Choice) -> None:
        """There are no data, so shipping goes against what they say."""

        async def step(session: Any, who: Actor) -> Experiment:
            variant = "treatment" if choice is Choice.SHIP else None
            connection = await driver(session)
            return await decisions.decide(
                session, connection, actor=who, experiment_id=self.made.id, choice=choice, variant=variant
            )

        if self.try_to(Action.DECIDE, step):
            self.state, self.is_approved = State.DECIDED, False
            self.decided.append(choice)

    @rule(name=st.sampled_from(["ada", "grace"]))
    def approve(self, name: str) -> None:
        """Only a second person approves, and only what needs it."""
        can = bool(self.decided) and (self.is_approved or (self.decided[-1] is Choice.SHIP and name == "grace"))
        before = list(self.walked)
        if can and self.try_to(
            Action.APPROVE,
            lambda session, who: decisions.approve(session, actor=who, experiment_id=self.made.id),
            name=name,
        ):
            self.walked = before if self.is_approved else self.walked
            self.is_approved = True
        elif not can and self.state is State.DECIDED:
            with pytest.raises(Invalid):
                self.run(
                    self._do(
                        lambda session, who: decisions.approve(session, actor=who, experiment_id=self.made.id), name
                    )
                )

    def try_to(self, action: Action, step: Callable[..., Any], name: str = "ada") -> bool:
        """Make a move; what the life does not allow is refused, and leaves no trace."""
        self.now += timedelta(hours=1)
        if expected(self.state, action) is None:
            with pytest.raises(Invalid) as refused:
                self.run(self._do(step, name))
            assert Code.WRONG_STATE in {problem.code for problem in refused.value.problems}
            return False
        is_repeat = action not in ALLOWED[self.state]
        self.run(self._do(step, name))
        self.walked += [] if is_repeat else [action]
        return True

    async def _do(self, step: Callable[..., Any], name: str) -> None:
        async with self.database.write() as session:
            await step(session, actor(self.made, self.now, name, reason="because"))

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        """State, times, traffic, plan, and the whole history."""
        self.run(self._compare())

    async def _compare(self) -> None:
        async with self.database.read() as session:
            found = (await queries.experiments_by_id(session, self.made.workspace_id, [self.made.id]))[self.made.id]
            steps = (await story.steps_of(session, [self.made.id])).get(self.made.id, [])
            decided = (await story.decisions_of(session, [self.made.id])).get(self.made.id, [])
            amended = (await story.amendments_of(session, [self.made.id])).get(self.made.id, [])
        assert (found.state, found.traffic, found.plan["horizon_days"]) == (self.state, self.traffic, self.horizon)
        assert found.plan.get("audience") == self.audience
        assert [step.action for step in steps] == self.walked
        assert [decision.choice for decision in decided] == self.decided
        assert [amendment.number for amendment in amended] == list(range(1, self.amended + 1))
        assert not steps or steps[-1].state is self.state
        assert (found.started_at is None) == (Action.START not in self.walked)
        assert (found.stopped_at is None) == (Action.STOP not in self.walked)
        if decided:
            assert (decided[-1].approved_at is not None) == self.is_approved


def expected(state: State, action: Action) -> State | None:
    """Where a move leads: on, nowhere new where it was made already, or None where it is refused."""
    leads_to = ALLOWED[state].get(action)
    return state if leads_to is None and lifecycle.MOVES[action].to is state else leads_to


def test_life_of_any_length_goes_as_the_model_says(database: Database, database_url: str) -> None:
    assert database  # at the newest schema
    loop = asyncio.new_event_loop()
    own = Database(database_url)
    try:
        run_state_machine_as_test(
            type("LifeHere", (Life,), {"loop": loop, "database": own}),
            settings=settings(max_examples=30, stateful_step_count=12, deadline=None, database=None, derandomize=True),
        )
    finally:
        loop.run_until_complete(own.close())
        loop.close()


# --- two people at once ----------------------------------------------------------------------------------------------


async def at_once(database: Database, experiment: Experiment, *steps: Callable[..., Any]) -> list[Any]:
    """Everybody clicks at the same moment; what each was answered."""

    async def click(step: Callable[..., Any], name: str) -> Any:
        async with database.write() as session:
            return await step(
                session, actor=actor(experiment, NOW, name, reason="because"), experiment_id=experiment.id
            )

    clicks = (click(step, f"person-{number}") for number, step in enumerate(steps))
    return await asyncio.gather(*clicks, return_exceptions=True)


async def actions(database: Database, experiment: Experiment) -> list[Action]:
    async with database.read() as session:
        return [step.action for step in (await story.steps_of(session, [experiment.id])).get(experiment.id, [])]


async def test_two_people_who_start_at_once_start_it_once(database: Database, workspace: Workspace) -> None:
    experiment = await draft(database, workspace)
    answers = await at_once(database, experiment, moves.start, moves.start, moves.start)
    assert {answer.plan_hash for answer in answers} == {answers[0].plan_hash}
    assert await actions(database, experiment) == [Action.START]


async def test_start_and_amend_at_once_amend_the_sealed_plan_or_nothing(
    database: Database, workspace: Workspace
) -> None:
    experiment = await draft(database, workspace)

    async def amend(session: Any, **given: Any) -> Experiment:
        return await amendments.amend(session, change=PlanChange(alpha=0.01), **given)

    _, amended = await at_once(database, experiment, moves.start, amend)
    assert await actions(database, experiment) in ([Action.START], [Action.START, Action.AMEND])
    assert isinstance(amended, Invalid) == (await actions(database, experiment) == [Action.START])


async def test_pause_and_stop_at_once_leave_a_stopped_experiment(database: Database, workspace: Workspace) -> None:
    experiment = await draft(database, workspace)
    await start(database, experiment)
    await at_once(database, experiment, moves.pause, moves.stop)
    async with database.read() as session:
        found = (await queries.experiments_by_id(session, workspace.id, [experiment.id]))[experiment.id]
    assert found.state is State.STOPPED


async def test_freeze_of_a_paused_experiment_ends_the_pause(database: Database, workspace: Workspace) -> None:
    experiment = await draft(database, workspace)
    await start(database, experiment)
    await at_once(database, experiment, moves.pause)
    assert (await freeze(database, experiment)).state is State.FROZEN
