"""Registering, starting and stopping: the rules, all faults at once, and a seal that nothing moves."""

import asyncio
import hashlib
from collections.abc import Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf, nan
from typing import Any

import pytest
import rfc8785

from api.database import Database
from experiments import queries
from experiments.enums import Correction, Policy, Role, State
from experiments.life import moves
from experiments.planning import payloads
from experiments.planning.draft import CovariateChoice, KpiChoice, VariantChoice
from experiments.planning.targeting import Condition, Operator
from experiments.tables import Experiment
from kpi import kinds
from kpi.enums import Unit
from kpi.errors import Invalid, NotFound
from kpi.tables import Baseline, Workspace
from tests.experiments.registering import (
    CONTROL,
    LATER,
    NOW,
    PRIMARY,
    TREATMENT,
    actor,
    draft,
    freeze,
    plan_choice,
    register,
    start,
)
from tests.kpi.registering import register_hypothesis, register_kpi

ON_PRO = Condition(attribute="plan", operator=Operator.IN, values=["pro"])


def faults(invalid: Invalid) -> list[tuple[str, str]]:
    """Each problem's code and path."""
    return [(problem.code, ".".join(problem.path)) for problem in invalid.problems]


async def refused(action: Coroutine[Any, Any, Experiment]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as invalid:
        await action
    return faults(invalid.value)


async def registered(database: Database, workspace: Workspace, **changes: Any) -> Experiment:
    async with database.write() as session:
        return await register(session, workspace, **changes)


async def reread(database: Database, experiment: Experiment) -> Experiment:
    async with database.read() as session:
        found = await queries.experiments_by_id(session, experiment.workspace_id, [experiment.id])
    return found[experiment.id]


async def other_workspace(database: Database, workspace: Workspace) -> Workspace:
    async with database.write() as session:
        other = Workspace(key=f"{workspace.key}-other", name="other", created_at=NOW)
        session.add(other)
    return other


# --- register --------------------------------------------------------------------------------------------------------


async def test_register_good_experiment_is_a_draft_with_everything_pinned(
    database: Database, workspace: Workspace
) -> None:
    made = await draft(database, workspace, variants=[TREATMENT, CONTROL])
    found = await reread(database, made)
    assert (found.state, found.plan_hash, found.sealed_at, found.started_at) == (State.DRAFT, None, None, None)
    (planned,) = found.plan["kpis"]
    assert planned["baseline"] == {"version": 1, "value": 0.3, "standard_error": 0.005, "n": 8400}
    assert planned["definition"]["parameters"] == {"event": "activated", "window_days": 7}
    assert found.plan["events"] == ["activated"]
    assert [variant["key"] for variant in found.plan["variants"]] == ["control", "treatment"]
    async with database.read() as session:
        variants = (await queries.variants_of(session, [made.id]))[made.id]
    assert [variant.key for variant in variants] == ["control", "treatment"]


async def test_register_mde_as_a_lift_becomes_a_difference_of_the_baseline(
    database: Database, workspace: Workspace
) -> None:
    choice = KpiChoice(kpi="activation", role=Role.PRIMARY, mde_lift=0.1)
    made = await draft(database, workspace, plan=plan_choice(kpis=[choice]))
    assert made.plan["kpis"][0]["mde"] == pytest.approx(0.03)


async def test_register_everything_wrong_is_told_at_once_and_nothing_is_stored(
    database: Database, workspace: Workspace
) -> None:
    await draft(database, workspace)
    wrong = registered(
        database,
        workspace,
        key="shorter-form",
        name="",
        owner="\0",
        hypothesis="none",
        variants=[
            replace(CONTROL, weight=0),
            replace(TREATMENT, key="control", is_control=True),
            replace(TREATMENT, key="Bad Key", name=" ", weight=nan),
        ],
        plan=plan_choice(
            kpis=[
                KpiChoice(kpi="activation", role=Role.GUARDRAIL, mde_difference=-1),
                KpiChoice(kpi="activation", role=Role.SECONDARY, margin=inf),
                KpiChoice(kpi="none", role=Role.SECONDARY),
            ],
            alpha=0.6,
            power=1.0,
            looks=0,
            horizon_days=7,
            segment_attributes=["plan", "plan", "a=b", "\ud800"],
        ),
    )
    assert await refused(wrong) == [
        ("BAD_USER_INPUT", "name"),
        ("BAD_USER_INPUT", "owner"),
        ("BAD_USER_INPUT", "variants"),
        ("BAD_USER_INPUT", "variants.0.weight"),
        ("BAD_USER_INPUT", "variants.1.key"),
        ("BAD_USER_INPUT", "variants.2.key"),
        ("BAD_USER_INPUT", "variants.2.name"),
        ("BAD_USER_INPUT", "variants.2.weight"),
        ("BAD_USER_INPUT", "plan.alpha"),
        ("BAD_USER_INPUT", "plan.power"),
        ("BAD_USER_INPUT", "plan.looks"),
        ("BAD_USER_INPUT", "plan.segmentAttributes"),
        ("BAD_USER_INPUT", "plan.segmentAttributes.2"),
        ("BAD_USER_INPUT", "plan.segmentAttributes.3"),
        ("BAD_USER_INPUT", "plan.kpis"),
        ("BAD_USER_INPUT", "plan.kpis.0.mde"),
        ("BAD_USER_INPUT", "plan.kpis.0.margin"),
        ("BAD_USER_INPUT", "plan.kpis.0.kpi"),
        ("BAD_USER_INPUT", "plan.kpis.1.kpi"),
        ("BAD_USER_INPUT", "plan.kpis.1.margin"),
        ("BAD_USER_INPUT", "plan.kpis.1.margin"),
        ("BAD_USER_INPUT", "plan.kpis.1.kpi"),
        ("NOT_FOUND", "plan.kpis.2.kpi"),
        ("NOT_FOUND", "hypothesis"),
        ("KEY_TAKEN", "key"),
    ]
    async with database.raw() as connection:
        count = "SELECT count(*) FROM experiments WHERE workspace_id = $1"
        assert await connection.fetchval(count, workspace.id) == 1


async def test_register_keeps_what_is_optional_and_seals_it(database: Database, workspace: Workspace) -> None:
    payload = {"fields": [1, 2.5, None, True], "text": {"title": "Hallo – ö"}, "least": 1e-300, "most": 2**53 - 1}
    choice = plan_choice(minimum_days=7, layer="sign-up", traffic=0.25, audience="New teams", exclusions="Our staff")
    seats = Condition(attribute="seats", operator=Operator.GT, values=["4"])
    choice = replace(choice, targeting=[seats, ON_PRO, ON_PRO])
    made = await draft(database, workspace, variants=[CONTROL, replace(TREATMENT, payload=payload)], plan=choice)
    await start(database, made)
    found = await reread(database, made)
    assert found.traffic == 0.25
    assert found.plan["variants"][1]["payload"] == payload
    assert "payload" not in found.plan["variants"][0]
    names = ("minimum_days", "layer", "traffic", "audience", "exclusions")
    assert [found.plan[name] for name in names] == [7, "sign-up", 0.25, "New teams", "Our staff"]
    assert found.plan["targeting"] == [
        {"attribute": "plan", "operator": "IN", "values": ["pro"]},
        {"attribute": "seats", "operator": "GT", "values": [4.0]},
    ]
    assert found.plan_json == rfc8785.dumps(found.plan).decode()


async def test_register_with_everything_optional_wrong_is_told_at_once(
    database: Database, workspace: Workspace
) -> None:
    choice = plan_choice(minimum_days=29, layer="Sign up", traffic=nan, audience=" ", exclusions="x" * 4_001)
    variants = [replace(CONTROL, payload=[]), replace(TREATMENT, payload={"text": "\0"})]
    assert await refused(draft(database, workspace, variants=variants, plan=choice)) == [
        ("BAD_USER_INPUT", "variants.0.payload"),
        ("BAD_USER_INPUT", "variants.1.payload"),
        ("BAD_USER_INPUT", "plan.minimumDays"),
        ("BAD_USER_INPUT", "layer"),
        ("BAD_USER_INPUT", "traffic"),
        ("BAD_USER_INPUT", "plan.audience"),
        ("BAD_USER_INPUT", "plan.exclusions"),
    ]


def nested(depth: int) -> Any:
    """Lists in lists, so many around nothing."""
    value: Any = None
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("payload", "sentences"),
    [
        ({}, 0),
        ({"text": "x" * 4_085}, 0),  # with {"text":""} 4,096 bytes
        ({"text": "x" * 4_086}, 1),
        ({"text": "ö" * 2_043}, 1),
        ({"deep": nested(15)}, 0),
        ({"deep": nested(16)}, 1),
        ({"deep": nested(5_000)}, 1),
        ({"number": 2**53}, 1),
        ({"number": 1e30}, 1),
        ({"number": 10**400}, 1),
        ({"numbers": [nan, inf, 2**99], "\ud800": 1}, 2),
        ("text", 1),
    ],
    ids=["empty", "full", "over", "bytes", "deep", "deeper", "deepest", "whole", "large", "huge", "many", "text"],
)
def test_payload_is_small_text_that_seals_alike_everywhere(payload: Any, sentences: int) -> None:
    assert len(payloads.faults(payload)) == sentences


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"minimum_days": 0}, "plan.minimumDays"),
        ({"traffic": 0.0}, "traffic"),
        ({"traffic": 1.01}, "traffic"),
        ({"layer": ""}, "layer"),
        ({"targeting": [Condition(attribute="plan", operator=Operator.IN)]}, "plan.targeting.0.values"),
        ({"targeting": [ON_PRO] * 11}, "plan.targeting"),
        ({"correction": Correction.BENJAMINI_HOCHBERG}, "plan.correction"),
        ({"policy": Policy.ALWAYS_VALID, "correction": Correction.BENJAMINI_HOCHBERG}, "plan.correction"),
        ({"policy": Policy.FIXED, "correction": Correction.E_BENJAMINI_HOCHBERG}, "plan.correction"),
        ({"alpha": 0.0}, "plan.alpha"),
        ({"alpha": nan}, "plan.alpha"),
        ({"power": 0.04}, "plan.power"),
        ({"power": nan}, "plan.power"),
        ({"looks": 61, "horizon_days": 100}, "plan.looks"),
        ({"looks": 29}, "plan.looks"),
        ({"horizon_days": 731}, "plan.horizonDays"),
        ({"segment_attributes": ["a", "b", "c", "d", "e", "f"]}, "plan.segmentAttributes"),
        ({"segment_attributes": [""]}, "plan.segmentAttributes.0"),
        ({"kpis": []}, "plan.kpis"),
        ({"kpis": [KpiChoice(kpi="activation", role=Role.PRIMARY)]}, "plan.kpis.0.mde"),
        ({"kpis": [replace(PRIMARY, mde_difference=nan)]}, "plan.kpis.0.mde"),
        ({"kpis": [replace(PRIMARY, mde_difference=1e-200)]}, "plan.kpis.0.mde"),
        ({"kpis": [replace(PRIMARY, margin=0.1)]}, "plan.kpis.0.margin"),
        ({"kpis": [replace(PRIMARY, kpi="a\0")]}, "plan.kpis.0.kpi"),
    ],
    ids=str,
)
async def test_register_plan_that_breaks_one_rule_is_refused_at_its_place(
    database: Database, workspace: Workspace, changes: dict[str, Any], path: str
) -> None:
    found = await refused(draft(database, workspace, plan=plan_choice(**changes)))
    assert path in [place for _, place in found]


@pytest.mark.parametrize(
    ("covariate", "path"),
    [
        (CovariateChoice(), ""),
        (CovariateChoice(attribute="score", pre_exposure_days=28), ""),
        (CovariateChoice(attribute=""), ".attribute"),
        (CovariateChoice(attribute="a" * 101), ".attribute"),
        (CovariateChoice(attribute="\ud800"), ".attribute"),
        (CovariateChoice(pre_exposure_days=0), ".preExposureDays"),
        (CovariateChoice(pre_exposure_days=366), ".preExposureDays"),
        (CovariateChoice(attribute="score", when_missing=nan), ".whenMissing"),
        (CovariateChoice(attribute="score", when_missing=-1e13), ".whenMissing"),
        (CovariateChoice(pre_exposure_days=7, when_missing=1.0), ".whenMissing"),
        (CovariateChoice(attribute="score", correlation=1.0), ".correlation"),
        (CovariateChoice(attribute="score", correlation=nan), ".correlation"),
    ],
    ids=str,
)
async def test_register_covariate_that_breaks_a_rule_is_refused_at_its_place(
    database: Database, workspace: Workspace, covariate: CovariateChoice, path: str
) -> None:
    plan = plan_choice(kpis=[replace(PRIMARY, covariate=covariate)])
    found = await refused(draft(database, workspace, plan=plan))
    assert found == [("BAD_USER_INPUT", f"plan.kpis.0.covariate{path}")]


async def test_register_covariate_of_a_time_is_refused(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace, key="ttv", definition=kinds.TimeToValue(event="did", tau_days=3))
    choice = KpiChoice(kpi="ttv", role=Role.SECONDARY, covariate=CovariateChoice(attribute="score"))
    found = await refused(draft(database, workspace, plan=plan_choice(kpis=[PRIMARY, choice])))
    assert found == [("BAD_USER_INPUT", "plan.kpis.1.covariate")]


@pytest.mark.parametrize(("weight", "slopes"), [(1, "ONE"), (0.25, "EACH")])
async def test_register_covariate_has_a_slope_for_each_arm_where_the_split_is_uneven(
    database: Database, workspace: Workspace, weight: float, slopes: str
) -> None:
    choice = replace(PRIMARY, covariate=CovariateChoice(attribute="score", when_missing=2, correlation=0.5))
    variants = [CONTROL, replace(TREATMENT, weight=weight)]
    made = await draft(database, workspace, variants=variants, plan=plan_choice(kpis=[choice]))
    assert made.plan["kpis"][0]["covariate"] == {
        "attribute": "score",
        "pre_exposure_days": None,
        "when_missing": 2,
        "slopes": slopes,
        "correlation": 0.5,
    }


@pytest.mark.parametrize(
    ("variants", "path"),
    [
        ([CONTROL], "variants"),
        ([CONTROL, *(VariantChoice(key=f"v{n}", name="V", weight=1, is_control=False) for n in range(10))], "variants"),
        ([TREATMENT, replace(TREATMENT, key="other")], "variants"),
        ([CONTROL, replace(TREATMENT, weight=inf)], "variants.1.weight"),
        ([CONTROL, replace(TREATMENT, weight=1e308)], "variants.1.weight"),
        ([CONTROL, replace(TREATMENT, weight=-1)], "variants.1.weight"),
    ],
    ids=["alone", "too-many", "without-control", "endless", "huge", "negative"],
)
async def test_register_variants_that_break_a_rule_are_refused(
    database: Database, workspace: Workspace, variants: list[VariantChoice], path: str
) -> None:
    assert await refused(draft(database, workspace, variants=variants)) == [("BAD_USER_INPUT", path)]


async def test_register_lift_without_a_baseline_is_refused(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace, baseline=None)
        await register_hypothesis(session, workspace)
    choice = KpiChoice(kpi="activation", role=Role.PRIMARY, mde_lift=0.1)
    found = await refused(registered(database, workspace, plan=plan_choice(kpis=[choice])))
    assert found == [("BAD_USER_INPUT", "plan.kpis.0.mde.lift")]


async def test_register_kpis_of_users_and_accounts_together_are_refused(
    database: Database, workspace: Workspace
) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace)
        await register_kpi(session, workspace, key="seats", unit=Unit.ACCOUNT)
        await register_hypothesis(session, workspace)
    plan = plan_choice(kpis=[PRIMARY, KpiChoice(kpi="seats", role=Role.SECONDARY)])
    assert await refused(registered(database, workspace, plan=plan)) == [("BAD_USER_INPUT", "plan.kpis")]


@pytest.mark.parametrize(("horizon", "fits"), [(7, False), (8, True)])
async def test_register_horizon_must_outlast_the_window(
    database: Database, workspace: Workspace, horizon: int, fits: bool
) -> None:
    action = draft(database, workspace, plan=plan_choice(horizon_days=horizon))
    if fits:
        assert (await action).state is State.DRAFT
    else:
        assert await refused(action) == [("BAD_USER_INPUT", "plan.kpis.0.kpi")]


async def test_register_with_another_workspaces_things_does_not_find_them(
    database: Database, workspace: Workspace
) -> None:
    other = await other_workspace(database, workspace)
    await draft(database, other)
    found = await refused(registered(database, workspace))
    assert found == [("NOT_FOUND", "plan.kpis.0.kpi"), ("NOT_FOUND", "hypothesis")]


# --- start -----------------------------------------------------------------------------------------------------------


async def test_start_seals_the_plan_with_the_hash_of_its_canonical_json(
    database: Database, workspace: Workspace
) -> None:
    made = await draft(database, workspace)
    await start(database, made)
    found = await reread(database, made)
    assert (found.state, found.started_at, found.sealed_at) == (State.RUNNING, NOW, NOW)
    assert found.plan_json == rfc8785.dumps(found.plan).decode()
    assert found.plan_hash == hashlib.sha256(found.plan_json.encode()).hexdigest()


async def test_start_twice_changes_nothing(database: Database, workspace: Workspace) -> None:
    made = await draft(database, workspace)
    first = await start(database, made)
    again = await start(database, made, now=LATER, started_at=LATER)
    assert again == first
    assert await reread(database, made) == first


async def test_start_in_the_past_shows_a_plan_sealed_after_it(database: Database, workspace: Workspace) -> None:
    made = await draft(database, workspace)
    found = await start(database, made, started_at=NOW - timedelta(days=30))
    assert (found.started_at, found.sealed_at) == (NOW - timedelta(days=30), NOW)


@pytest.mark.parametrize("at", [NOW + timedelta(minutes=11), datetime.fromisoformat("1989-12-31T00:00:00Z")], ids=str)
async def test_start_at_a_time_that_cannot_be_is_refused_and_seals_nothing(
    database: Database, workspace: Workspace, at: datetime
) -> None:
    made = await draft(database, workspace)
    assert await refused(start(database, made, started_at=at)) == [("BAD_USER_INPUT", "startedAt")]
    assert (await reread(database, made)).plan_hash is None


async def test_start_after_freeze_is_refused(database: Database, workspace: Workspace) -> None:
    made = await draft(database, workspace)
    await start(database, made)
    await freeze(database, made)
    assert await refused(start(database, made, now=LATER)) == [("WRONG_STATE", "id")]


async def test_start_by_two_at_once_seals_once(database: Database, workspace: Workspace) -> None:
    made = await draft(database, workspace)
    async with database.write() as session:
        first = await moves.start(session, actor=actor(made, NOW), experiment_id=made.id)
        second = asyncio.create_task(start(database, made, now=LATER))
        await asyncio.sleep(0.2)
        assert not second.done()
    kept = await reread(database, made)
    assert await asyncio.wait_for(second, 30) == kept == first
    assert (kept.sealed_at, kept.started_at) == (NOW, NOW)


async def test_seal_a_later_baseline_or_definition_does_not_reach_it(database: Database, workspace: Workspace) -> None:
    made = await draft(database, workspace)
    sealed = await start(database, made)
    async with database.write() as session:
        definition_id = made.plan["kpis"][0]["definition"]["id"]
        session.add(
            Baseline(
                definition_id=definition_id,
                version=2,
                value=0.9,
                standard_error=0.1,
                n=None,
                from_on=None,
                to_on=None,
                created_at=LATER,
            )
        )
    async with database.write() as session:
        second = await register(session, workspace, key="second")
        assert second.plan["kpis"][0]["baseline"]["version"] == 2
    found = await reread(database, made)
    assert (found.plan, found.plan_json, found.plan_hash) == (sealed.plan, sealed.plan_json, sealed.plan_hash)
    assert found.plan["kpis"][0]["baseline"]["value"] == 0.3


async def test_seal_of_every_kind_survives_the_database(database: Database, workspace: Workspace) -> None:
    definitions = {
        "paid": kinds.Mean(event="paid", window_days=7, cap=100.0),
        "return": kinds.Retention(event="visited", day=7),
        "value": kinds.TimeToValue(event="activated", tau_days=14, loss_event="deleted"),
    }
    async with database.write() as session:
        for key, definition in definitions.items():
            await register_kpi(session, workspace, key=key, definition=definition)
    choices = [PRIMARY, *(KpiChoice(kpi=key, role=Role.SECONDARY) for key in definitions)]
    made = await draft(database, workspace, plan=plan_choice(kpis=choices, policy=Policy.ALWAYS_VALID))
    found = await start(database, made)
    assert found.plan_json == rfc8785.dumps((await reread(database, made)).plan).decode()
    assert len({planned["definition"]["id"] for planned in found.plan["kpis"]}) == 4


# --- freeze ----------------------------------------------------------------------------------------------------------


async def test_freeze_twice_changes_nothing(database: Database, workspace: Workspace) -> None:
    made = await draft(database, workspace)
    await start(database, made)
    first = await freeze(database, made)
    assert (first.state, first.frozen_at) == (State.FROZEN, LATER)
    assert await freeze(database, made, now=LATER + timedelta(days=1)) == first


async def test_freeze_before_the_start_is_refused(database: Database, workspace: Workspace) -> None:
    made = await draft(database, workspace)
    assert await refused(freeze(database, made)) == [("WRONG_STATE", "id")]
    await start(database, made)
    early = freeze(database, made, frozen_at=NOW - timedelta(seconds=1))
    assert await refused(early) == [("BAD_USER_INPUT", "frozenAt")]
    assert (await reread(database, made)).state is State.RUNNING


async def test_freeze_in_the_future_is_refused(database: Database, workspace: Workspace) -> None:
    made = await draft(database, workspace)
    await start(database, made)
    late = freeze(database, made, frozen_at=LATER + timedelta(minutes=11))
    assert await refused(late) == [("BAD_USER_INPUT", "frozenAt")]


@pytest.mark.parametrize("action", [moves.start, moves.pause, moves.resume, moves.freeze, moves.stop, moves.archive])
async def test_another_workspaces_experiment_is_not_found(
    database: Database, workspace: Workspace, action: Any
) -> None:
    other = await other_workspace(database, workspace)
    made = await draft(database, other)
    with pytest.raises(NotFound):
        async with database.write() as session:
            await action(session, actor=replace(actor(made), workspace_id=workspace.id), experiment_id=made.id)
    assert (await reread(database, made)).state is State.DRAFT
