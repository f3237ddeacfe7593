"""Amending a sealed plan: what is recorded, what stays pinned, and when the promised error rates are gone."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from api.database import Database, driver
from experiments import exposures, queries
from experiments.enums import Correction, Policy, Role
from experiments.inference import analysis
from experiments.life import amendments, moves, story
from experiments.life.amendments import PayloadChange, PlanChange
from experiments.planning import plan as plans
from experiments.planning.draft import CovariateChoice, KpiChoice
from experiments.planning.targeting import Condition, Operator
from experiments.tables import Amendment, Experiment
from kpi.errors import Invalid
from kpi.ingest import Fault, Report
from kpi.kinds import Activation
from kpi.tables import Baseline, Workspace
from tests.experiments import test_floor
from tests.experiments.aggregating import choices, refresh, running, send
from tests.experiments.recomputation import Did, Exposed
from tests.experiments.registering import (
    CONTROL,
    LATER,
    NOW,
    PRIMARY,
    TREATMENT,
    actor,
    draft,
    plan_choice,
    register,
    start,
)
from tests.kpi.registering import register_kpi
from tests.kpi.wire import told

SCORE = CovariateChoice(attribute="score", when_missing=1.5, correlation=0.4)
GUARD = KpiChoice(kpi="retention", role=Role.GUARDRAIL, margin=0.01)
ON_PRO = Condition(attribute="plan", operator=Operator.IN, values=["pro"])
ON_ALL = [Condition(attribute="plan", operator=Operator.IN)]


async def amend(
    database: Database, experiment: Experiment, reason: str | None = "because", **change: Any
) -> Experiment:
    async with database.write() as session:
        who = actor(experiment, LATER, reason=reason)
        return await amendments.amend(session, actor=who, experiment_id=experiment.id, change=PlanChange(**change))


async def take(database: Database, workspace: Workspace, *rows: dict[str, Any]) -> Report:
    async with database.raw() as connection:
        return await exposures.ingest(connection, workspace_id=workspace.id, rows=rows, now=LATER)


async def amendments_of(database: Database, experiment: Experiment) -> list[Amendment]:
    async with database.read() as session:
        return (await story.amendments_of(session, [experiment.id])).get(experiment.id, [])


async def started(database: Database, workspace: Workspace) -> Experiment:
    made = await draft(database, workspace)
    async with database.write() as session:
        await register_kpi(
            session,
            workspace,
            key="retention",
            definition=Activation(event="came", window_days=14),
            baseline=None,
        )
    return await start(database, made)


async def test_amendment_records_what_changed_and_keeps_the_plan_it_replaced(
    database: Database, workspace: Workspace
) -> None:
    sealed = await started(database, workspace)
    amended = await amend(database, sealed, horizon_days=35, kpis=[PRIMARY, GUARD])
    (recorded,) = await amendments_of(database, sealed)
    assert recorded.changes == [
        {"path": "horizon_days", "before": 28, "after": 35},
        {"path": "kpis.retention.role", "before": None, "after": "GUARDRAIL"},
        {"path": "kpis.retention.margin", "before": None, "after": 0.01},
    ]
    assert (recorded.replaced_hash, recorded.replaced_json) == (sealed.plan_hash, sealed.plan_json)
    assert hashlib.sha256(recorded.replaced_json.encode()).hexdigest() == recorded.replaced_hash
    assert amended.plan_hash == hashlib.sha256((amended.plan_json or "").encode()).hexdigest() != sealed.plan_hash
    assert (recorded.by, recorded.reason, recorded.created_at) == ("ada", "because", LATER)


async def test_kpi_that_stays_keeps_its_definition_and_baseline(database: Database, workspace: Workspace) -> None:
    sealed = await started(database, workspace)
    definition_id = sealed.plan["kpis"][0]["definition"]["id"]
    newer = Baseline(
        definition_id=definition_id,
        version=2,
        value=0.9,
        standard_error=0.1,
        n=None,
        from_on=None,
        to_on=None,
        created_at=NOW,
    )
    async with database.write() as session:
        session.add(newer)
    amended = await amend(database, sealed, alpha=0.01)
    assert amended.plan["kpis"][0]["baseline"]["value"] == 0.3
    assert amended.plan["kpis"][0]["definition"] == sealed.plan["kpis"][0]["definition"]


async def test_kpi_that_stays_keeps_its_covariate(database: Database) -> None:
    to = await running(database)
    amended = await amend(database, to.experiment, alpha=0.01)
    before, after = ([kpi.get("covariate") for kpi in of.plan["kpis"]] for of in (to.experiment, amended))
    assert after == before
    assert [covariate for covariate in after if covariate]
    (recorded,) = await amendments_of(database, to.experiment)
    assert [change["path"] for change in recorded.changes] == ["alpha"]


async def test_amendment_tells_the_covariate_before_and_after(database: Database, workspace: Workspace) -> None:
    sealed = await started(database, workspace)
    amended = await amend(database, sealed, kpis=[replace(PRIMARY, covariate=SCORE)])
    said = {"attribute": "score", "pre_exposure_days": None, "when_missing": 1.5, "slopes": "ONE", "correlation": 0.4}
    assert amended.plan["kpis"][0]["covariate"] == said
    (recorded,) = await amendments_of(database, sealed)
    assert recorded.changes == [{"path": "kpis.activation.covariate", "before": None, "after": said}]


async def test_amendment_of_a_covariate_drops_the_sums_of_the_old_one_also_of_frozen_days(database: Database) -> None:
    to = await running(database)
    sent: list[Exposed | Did] = [
        replace(test_floor.entry("a", 0.2), score=3),
        replace(test_floor.entry("b", 30.2), score=5),
        test_floor.deed("b", 30.4),
    ]
    await send(database, to, sent)
    await refresh(database, to, test_floor.at(40))
    assert await test_floor.cleared(database, to, test_floor.at(40)) == test_floor.at(26).date()
    kpis = [replace(kpi, covariate=SCORE) if kpi.kpi == "sum-2-score" else kpi for kpi in choices()]
    await amend(database, to.experiment, kpis=kpis)
    async with database.read() as session:
        found = await queries.experiments_by_id(session, to.workspace.id, [to.experiment.id])
    amended = replace(to, experiment=found[to.experiment.id])
    cells = (await refresh(database, amended, test_floor.at(40), everything=True)).moments
    frozen, later = (test_floor.at(day).date() for day in (0, 30))
    assert cells["sum-2-score", "", 0, frozen] == (1, 0, 0)
    assert cells["act-2-score", "", 0, frozen] == (1, 0, 0, 3, 0, 0, 0)
    assert cells["sum-2-score", "", 0, later] == (1, 2, 0, 5, 0, 0, 0)


async def test_amendment_changes_and_clears_what_is_optional(database: Database, workspace: Workspace) -> None:
    shown = replace(TREATMENT, payload={"fields": 2})
    choice = plan_choice(
        minimum_days=7,
        layer="sign-up",
        audience="New teams",
        exclusions="Staff",
        targeting=[ON_PRO],
        correction=Correction.HOLM,
        segment_attributes=["plan"],
    )
    sealed = await start(database, await draft(database, workspace, variants=[CONTROL, shown], plan=choice))
    changed = await amend(
        database,
        sealed,
        layer="form",
        targeting=[replace(ON_PRO, values=["team", "pro"]), ON_PRO],
        audience="All teams",
        payloads=[PayloadChange(variant="control", payload={"fields": 9})],
    )
    assert changed.plan == sealed.plan | {
        "layer": "form",
        "audience": "All teams",
        "targeting": [
            {"attribute": "plan", "operator": "IN", "values": ["pro"]},
            {"attribute": "plan", "operator": "IN", "values": ["pro", "team"]},
        ],
        "variants": [sealed.plan["variants"][0] | {"payload": {"fields": 9}}, sealed.plan["variants"][1]],
    }
    nothing = dict.fromkeys(("minimum_days", "segment_attributes", "layer", "audience", "exclusions", "correction"))
    gone = [PayloadChange(variant="treatment"), PayloadChange(variant="control")]
    cleared = await amend(database, sealed, **nothing, targeting=[], payloads=gone)
    assert cleared.plan["segment_attributes"] == []
    assert not plans.OPTIONAL & {name for part in (cleared.plan, *cleared.plan["variants"]) for name in part}
    _, recorded = await amendments_of(database, sealed)
    assert {change["path"]: change["after"] for change in recorded.changes} == {
        "minimum_days": None,
        "segment_attributes": [],
        "correction": None,
        "layer": None,
        "targeting": None,
        "audience": None,
        "exclusions": None,
        "variants.control.payload": None,
        "variants.treatment.payload": None,
    }


async def test_amendment_that_clears_what_every_plan_has_is_refused_with_all_of_it(
    database: Database, workspace: Workspace
) -> None:
    sealed = await started(database, workspace)
    twice = [PayloadChange(variant="treatment", payload={"a": 1}), PayloadChange(variant="treatment", payload=7)]
    stated = [*twice, PayloadChange(variant="nobody")]
    with pytest.raises(Invalid) as refused:
        await amend(database, sealed, **dict.fromkeys(amendments.NEEDED), payloads=stated, layer="No", targeting=ON_ALL)
    assert [problem.path for problem in refused.value.problems] == [
        *(("plan", name) for name in ("kpis", "alpha", "power", "policy", "looks", "horizonDays")),
        ("payloads", "1", "variant"),
        ("payloads", "1", "payload"),
        ("payloads", "2", "variant"),
        ("layer",),
        ("plan", "targeting", "0", "values"),
    ]


async def test_amendment_into_a_full_layer_is_refused_until_there_is_room(
    database: Database, workspace: Workspace
) -> None:
    sealed = await started(database, workspace)
    async with database.write() as session:
        other = await register(session, workspace, key="other", plan=plan_choice(layer="form", traffic=0.4))
    await start(database, other)
    with pytest.raises(Invalid) as refused:
        await amend(database, sealed, layer="form")
    assert [problem.path for problem in refused.value.problems] == [("layer",)]
    async with database.write() as session:
        await moves.ramp(session, actor=actor(sealed), experiment_id=sealed.id, traffic=0.6)
    assert (await amend(database, sealed, layer="form")).plan["layer"] == "form"
    with pytest.raises(Invalid):
        async with database.write() as session:
            await moves.ramp(session, actor=actor(other), experiment_id=other.id, traffic=0.5)


async def test_exposures_are_held_against_the_targeting_in_force_and_rejected_ones_come_in_later(
    database: Database, workspace: Workspace
) -> None:
    sealed = await start(database, await draft(database, workspace, plan=plan_choice(targeting=[ON_PRO])))
    free, pro = (
        {
            "experiment": sealed.key,
            "unit": plan,
            "variant": "control",
            "exposedAt": NOW.isoformat(),
            "attributes": {"plan": plan},
        }
        for plan in ("free", "pro")
    )
    assert told(await take(database, workspace, free, pro)) == [Fault.NOT_TARGETED, "accepted"]
    await amend(database, sealed, targeting=[replace(ON_PRO, values=["free"])])
    assert told(await take(database, workspace, free, pro | {"unit": "other"})) == ["accepted", Fault.NOT_TARGETED]
    await amend(database, sealed, targeting=None)
    assert told(await take(database, workspace, pro | {"unit": "other"})) == ["accepted"]


async def test_amendment_names_and_clears_a_holdout_but_not_itself(database: Database, workspace: Workspace) -> None:
    sealed = await started(database, workspace)
    async with database.write() as session:
        await register(session, workspace, key="everything")
    for key in (sealed.key, "nothing"):
        with pytest.raises(Invalid) as refused:
            await amend(database, sealed, holdout=key)
        assert [problem.path for problem in refused.value.problems] == [("plan", "holdout")]
    named = await amend(database, sealed, holdout="everything")
    assert (named.plan["holdout"], named.holdout_id is None) == ("everything", False)
    kept = await amend(database, sealed, audience="New teams")
    assert (kept.plan["holdout"], kept.holdout_id) == ("everything", named.holdout_id)
    cleared = await amend(database, sealed, holdout=None)
    assert ("holdout" in cleared.plan, cleared.holdout_id) == (False, None)


async def test_amendment_leaves_what_is_optional_as_it_was_sealed(database: Database, workspace: Workspace) -> None:
    shown = replace(TREATMENT, payload={"fields": 2})
    choice = plan_choice(minimum_days=7, layer="sign-up", traffic=0.5, audience="New teams", exclusions="Staff")
    sealed = await start(database, await draft(database, workspace, variants=[CONTROL, shown], plan=choice))
    amended = await amend(database, sealed, minimum_days=14)
    (recorded,) = await amendments_of(database, sealed)
    assert recorded.changes == [{"path": "minimum_days", "before": 7, "after": 14}]
    assert amended.plan == sealed.plan | {"minimum_days": 14}
    with pytest.raises(Invalid) as refused:
        await amend(database, sealed, horizon_days=13)
    assert [problem.path for problem in refused.value.problems] == [("plan", "minimumDays")]


ENTERING = [
    {"layer": "form"},
    {"targeting": [ON_PRO]},
    {"audience": "New teams"},
    {"exclusions": "Staff"},
    {"payloads": [PayloadChange(variant="treatment", payload={"fields": 1})]},
]
CHANGES = [
    ({"alpha": 0.1}, True),
    ({"power": 0.9}, True),
    ({"policy": Policy.ALWAYS_VALID}, True),
    ({"looks": 7}, True),
    ({"horizon_days": 40}, True),
    ({"minimum_days": 14}, True),
    ({"kpis": [KpiChoice(kpi="activation", role=Role.PRIMARY, mde_difference=0.5)]}, True),
    ({"kpis": [PRIMARY, replace(GUARD, role=Role.PRIMARY, mde_difference=0.1, margin=None)]}, True),
    ({"kpis": [PRIMARY, GUARD]}, False),
    ({"kpis": [replace(PRIMARY, covariate=SCORE)]}, True),
    ({"kpis": [PRIMARY, KpiChoice(kpi="retention", role=Role.SECONDARY, covariate=SCORE)]}, False),
    ({"segment_attributes": ["plan"]}, False),
    ({"correction": Correction.HOLM}, False),
    *((change, False) for change in ENTERING),
]


@pytest.mark.parametrize(("change", "breaks"), CHANGES)
async def test_change_of_what_decides_breaks_error_control_once_units_are_in(
    database: Database, workspace: Workspace, change: dict[str, Any], breaks: bool
) -> None:
    before = await started(database, workspace)
    row = {"experiment": before.key, "unit": "u1", "variant": "control", "exposedAt": NOW.isoformat()}
    assert (await take(database, workspace, row)).accepted == (0,)
    await amend(database, before, **change)
    (made,) = await amendments_of(database, before)
    assert (made.breaks_error_control, made.changes_estimand) == (breaks, change in ENTERING)


@pytest.mark.parametrize("change", [change for change, _ in CHANGES])
async def test_change_before_anybody_came_breaks_nothing(
    database: Database, workspace: Workspace, change: dict[str, Any]
) -> None:
    before = await started(database, workspace)
    await amend(database, before, **change)
    (made,) = await amendments_of(database, before)
    assert (made.breaks_error_control, made.changes_estimand) == (False, False)


def test_payload_of_a_variant_that_is_named_as_a_kpi_breaks_nothing() -> None:
    changes = [{"path": "variants.activation.payload", "before": None, "after": {"fields": 1}}]
    assert not amendments.breaks_error_control(changes, frozenset({"activation"}))
    assert amendments.changes_estimand(changes)


async def test_results_after_a_change_of_alpha_are_exploratory(database: Database) -> None:
    to = await running(database)
    await send(database, to, [Exposed(unit="u1", variant=0, at=to.experiment.started_at or NOW, plan=None)])
    await refresh(database, to, LATER)
    assert not (await results(database, to.experiment)).is_exploratory
    await amend(database, to.experiment, segment_attributes=[])
    assert not (await results(database, to.experiment)).is_exploratory
    await amend(database, to.experiment, alpha=0.11)
    assert (await results(database, to.experiment)).is_exploratory


async def results(database: Database, experiment: Experiment) -> analysis.Results:
    async with database.read() as session:
        found = (await queries.experiments_by_id(session, experiment.workspace_id, [experiment.id]))[experiment.id]
        seen = await analysis.results(session, await driver(session), found)
    assert seen is not None
    return seen


async def test_amendment_without_reason_or_change_is_refused_with_all_its_faults(
    database: Database, workspace: Workspace
) -> None:
    sealed = await started(database, workspace)
    for reason, change, paths in (
        (" ", {"alpha": 0.9, "looks": 0}, [("reason",), ("plan", "alpha"), ("plan", "power"), ("plan", "looks")]),
        ("because", {}, [("plan",)]),
        ("because", {"kpis": []}, [("plan", "kpis")]),
    ):
        with pytest.raises(Invalid) as refused:
            await amend(database, sealed, reason=reason, **change)
        assert [problem.path for problem in refused.value.problems] == paths
    assert await amendments_of(database, sealed) == []
