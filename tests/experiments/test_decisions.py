"""Decisions: what is recorded beside the verdict, when a reason is needed, and whose approval counts."""

from datetime import timedelta
from typing import Any

import pytest

from api.database import Database, driver
from experiments.enums import Choice
from experiments.inference.treatments import Rule, VerdictState
from experiments.inference.verdict import Standing, Verdict
from experiments.life import decisions, moves, story
from experiments.tables import Decision, Experiment
from kpi import workspaces
from kpi.errors import Invalid
from kpi.tables import Workspace
from tests.experiments.aggregating import START, Running, refresh, running, send
from tests.experiments.planning import OTHER, TREATMENT
from tests.experiments.recomputation import Exposed
from tests.experiments.registering import LATER, NOW, actor, draft, start

HOUR = timedelta(hours=1)


async def stopped(database: Database, experiment: Experiment) -> Experiment:
    async with database.write() as session:
        return await moves.stop(session, actor=actor(experiment, LATER), experiment_id=experiment.id)


async def over(database: Database, workspace: Workspace) -> Experiment:
    """An experiment that stopped without data."""
    return await stopped(database, await start(database, await draft(database, workspace)))


async def decide(
    database: Database, experiment: Experiment, choice: Choice, variant: str | None = None, **who: Any
) -> Experiment:
    async with database.write() as session:
        return await decisions.decide(
            session,
            await driver(session),
            actor=actor(experiment, LATER + HOUR, **who),
            experiment_id=experiment.id,
            choice=choice,
            variant=variant,
        )


async def approve(database: Database, experiment: Experiment, name: str) -> Experiment:
    async with database.write() as session:
        who = actor(experiment, LATER + 2 * HOUR, name)
        return await decisions.approve(session, actor=who, experiment_id=experiment.id)


async def recorded(database: Database, experiment: Experiment) -> list[Decision]:
    async with database.read() as session:
        return (await story.decisions_of(session, [experiment.id])).get(experiment.id, [])


async def refused(action: Any) -> list[tuple[str, ...]]:
    with pytest.raises(Invalid) as invalid:
        await action
    return [problem.path for problem in invalid.value.problems]


async def two_persons(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        await workspaces.update(session, workspace_id=workspace.id, given={"needs_second_person": True})


def judged(state: VerdictState, *standings: VerdictState) -> Verdict:
    """A verdict on two treatments that stand like this; only what a choice is held against is told."""
    treatments = zip((TREATMENT, OTHER), standings, strict=False)
    told = (Standing(variant=variant, state=own, rule=Rule.UNDECIDED, sentence="") for variant, own in treatments)
    return Verdict(state=state, rule=Rule.UNDECIDED, sentence="", would_change="", standings=tuple(told))


@pytest.mark.parametrize("state", VerdictState)
@pytest.mark.parametrize("choice", Choice)
def test_choice_departs_where_it_ships_without_evidence_or_withholds_in_spite_of_it(
    choice: Choice, state: VerdictState
) -> None:
    ships, should = choice is Choice.SHIP, state is VerdictState.SHIP
    variant = TREATMENT.key if ships else None
    assert decisions.departs(choice, variant, judged(state, state)) is (ships != should)


def test_choice_to_ship_departs_unless_the_very_variant_may_be_shipped() -> None:
    ship, worse = VerdictState.SHIP, VerdictState.ROLL_BACK
    for standings, departs in (
        ((ship, worse), (False, True)),
        ((worse, ship), (True, False)),
        ((ship, ship), (False,) * 2),
    ):
        verdict = judged(ship, *standings)
        assert tuple(decisions.departs(Choice.SHIP, one.key, verdict) for one in (TREATMENT, OTHER)) == departs
        assert decisions.departs(Choice.ABANDON, None, verdict)
    assert decisions.departs(Choice.SHIP, TREATMENT.key, None)
    assert not decisions.departs(Choice.ABANDON, None, None)


async def test_decision_keeps_the_verdict_the_plan_and_the_watermark_of_its_moment(database: Database) -> None:
    to: Running = await running(database)
    await send(database, to, [Exposed(unit="u1", variant=0, at=START, plan=None)])
    await refresh(database, to, LATER + HOUR)
    await stopped(database, to.experiment)
    decided = await decide(database, to.experiment, Choice.ABANDON)
    (kept,) = await recorded(database, to.experiment)
    assert (kept.choice, kept.variant, kept.differs, kept.reason) == (Choice.ABANDON, None, False, None)
    assert (kept.verdict, kept.rule) == ("INCONCLUSIVE", "NO_LOOK_LEFT")
    assert (kept.plan_hash, kept.data_through, kept.by) == (decided.plan_hash, LATER, "ada")


async def test_decision_against_the_verdict_or_once_more_needs_a_reason(
    database: Database, workspace: Workspace
) -> None:
    experiment = await over(database, workspace)
    assert await refused(decide(database, experiment, Choice.SHIP, "treatment")) == [("reason",)]
    await decide(database, experiment, Choice.SHIP, "treatment", reason="the law asks for it")
    assert await refused(decide(database, experiment, Choice.ABANDON)) == [("reason",)]
    await decide(database, experiment, Choice.ABANDON, reason="the law was repealed")
    found = [(decision.number, decision.choice, decision.differs) for decision in await recorded(database, experiment)]
    assert found == [(1, Choice.SHIP, True), (2, Choice.ABANDON, False)]


@pytest.mark.parametrize(
    ("choice", "variant"),
    [(Choice.SHIP, None), (Choice.SHIP, "control"), (Choice.SHIP, "none"), (Choice.ITERATE, "treatment")],
)
async def test_only_shipping_names_a_variant_and_not_the_control(
    database: Database, workspace: Workspace, choice: Choice, variant: str | None
) -> None:
    experiment = await over(database, workspace)
    assert await refused(decide(database, experiment, choice, variant, reason="because")) == [("variant",)]
    assert await recorded(database, experiment) == []


async def test_decision_before_the_stop_is_refused(database: Database, workspace: Workspace) -> None:
    experiment = await start(database, await draft(database, workspace))
    assert await refused(decide(database, experiment, Choice.ABANDON)) == [("id",)]


async def test_second_person_approves_what_goes_against_the_verdict_once(
    database: Database, workspace: Workspace
) -> None:
    await two_persons(database, workspace)
    experiment = await over(database, workspace)
    await decide(database, experiment, Choice.SHIP, "treatment", reason="because")
    assert await refused(approve(database, experiment, "ada")) == [("id",)]
    await approve(database, experiment, "grace")
    await approve(database, experiment, "edsger")
    (kept,) = await recorded(database, experiment)
    assert (kept.needs_approval, kept.approved_by, kept.approved_at) == (True, "grace", LATER + 2 * HOUR)


async def test_decision_by_the_verdict_or_in_a_trusting_workspace_needs_no_approval(
    database: Database, workspace: Workspace
) -> None:
    experiment = await over(database, workspace)
    await decide(database, experiment, Choice.SHIP, "treatment", reason="because")
    assert await refused(approve(database, experiment, "grace")) == [("id",)]
    await two_persons(database, workspace)
    await decide(database, experiment, Choice.ROLL_BACK, reason="no evidence")
    assert [decision.needs_approval for decision in await recorded(database, experiment)] == [False, False]
    assert NOW < LATER
