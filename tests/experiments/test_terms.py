"""What a protocol fills in of a plan, what departs from it, and what it cannot say. Pure."""

from dataclasses import fields
from typing import Any

import pytest

from experiments.enums import Correction, Policy, Role
from experiments.planning import terms
from experiments.planning.draft import KpiChoice, Measure, PlanChoice
from experiments.planning.plan import PinnedBaseline, PinnedDefinition, PinnedProtocol
from experiments.planning.targeting import Condition, Operator
from experiments.planning.terms import KpiTerms, PlanField, PlanPart, Terms, fill, terms_problems
from kpi.enums import Direction, Driver, Frequency, Tier, Unit
from kpi.tables import Kpi
from tests.experiments.registering import NOW, plan_choice

PRIMARY = KpiChoice(kpi="activation", role=Role.PRIMARY, mde_difference=0.02)
GUARD = KpiTerms(kpi="tickets", role=Role.GUARDRAIL, margin=0.1)
ALL_FIXED = Terms(
    alpha=0.01,
    power=0.9,
    policy=Policy.FIXED,
    looks=1,
    horizon_days=21,
    segment_attributes=["plan"],
    correction=Correction.HOLM,
    holdout="everything",
    targeting=[Condition(attribute="age", operator=Operator.GTE, values=["18"])],
    fixed=list(PlanField),
)


def by(said: Terms) -> terms.Protocol:
    return terms.Protocol(pin=PinnedProtocol(key="careful", version=3), terms=said)


def filled(said: Terms | None, **stated: Any) -> PlanChoice:
    found = fill(PlanPart(**stated), None if said is None else by(said))
    assert found.problems == []
    return found.plan


def paths(said: Terms | None, **stated: Any) -> list[tuple[str, ...]]:
    return [problem.path for problem in fill(PlanPart(**stated), None if said is None else by(said)).problems]


def measured(*keys: str) -> dict[str, Measure]:
    return {
        key: Measure(
            kpi=Kpi(
                id=1,
                workspace_id=1,
                key=key,
                name=key,
                description="",
                unit=Unit.USER,
                direction=Direction.HIGHER,
                tier=Tier.EARLY,
                is_leading=True,
                driver=Driver.RENEWAL,
                owner="Ada",
                data_source="",
                frequency=Frequency.DAILY,
                action="",
                created_at=NOW,
            ),
            definition=PinnedDefinition(
                id=1, version=1, kind="activation", parameters={"event": "e", "window_days": 7}, events=["e"]
            ),
            baseline=PinnedBaseline(version=1, value=0.3, standard_error=0.005, n=8400),
        )
        for key in keys
    }


def broken(*keys: str, **said: Any) -> list[tuple[str, ...]]:
    return [problem.path for problem in terms_problems(Terms(**said), measured(*keys))]


def test_whole_plan_without_a_protocol_stays_as_it_is() -> None:
    whole = plan_choice()
    found = fill(whole, None)
    assert (found.plan, found.problems) == (whole, [])


def test_what_nobody_says_is_usual_but_a_horizon_has_to_be_said() -> None:
    found = filled(None, kpis=[PRIMARY], horizon_days=14)
    assert (found.alpha, found.power, found.policy, found.looks) == (0.05, 0.8, Policy.GROUP_SEQUENTIAL, 4)
    assert list(found.segment_attributes) == []
    assert paths(None, kpis=[PRIMARY]) == [("plan", "horizonDays")]


def test_what_is_left_out_comes_from_the_protocol_and_what_is_stated_stays() -> None:
    said = Terms(alpha=0.01, power=0.9, horizon_days=21, segment_attributes=["plan"])
    found = filled(said, kpis=[PRIMARY], power=0.95, segment_attributes=[])
    assert (found.alpha, found.power, found.horizon_days, found.looks) == (0.01, 0.95, 21, 4)
    assert list(found.segment_attributes) == []


def test_each_fixed_field_that_departs_is_told_with_its_path() -> None:
    changed: dict[str, Any] = {
        "alpha": 0.05,
        "power": 0.8,
        "policy": Policy.ALWAYS_VALID,
        "looks": 2,
        "horizon_days": 14,
        "segment_attributes": [],
        "correction": Correction.BENJAMINI_HOCHBERG,
        "holdout": "nothing",
        "targeting": [Condition(attribute="age", operator=Operator.GTE, values=[17])],
    }
    for name, value in changed.items():
        assert paths(ALL_FIXED, **{name: value}) == [("plan", PlanField[name.upper()].path)]
        assert paths(ALL_FIXED, **{name: getattr(ALL_FIXED, name)}) == []
    assert paths(ALL_FIXED, **changed) == [("plan", name.path) for name in PlanField]
    assert PlanField.HORIZON_DAYS.path == "horizonDays"
    (alpha, *_) = fill(PlanPart(alpha=0.05), by(ALL_FIXED)).problems
    assert alpha.message == "The protocol “careful” (version 3) fixes alpha at 0.01."


def test_every_field_of_a_plan_but_its_kpis_may_be_said_and_fixed() -> None:
    named = {name.attribute for name in PlanField}
    for stated in (Terms, PlanPart):
        assert named <= {item.name for item in fields(stated)}


def test_fixed_kpis_come_in_beside_those_stated_and_others_only_where_none_are() -> None:
    wanted = KpiTerms(kpi="retention", role=Role.SECONDARY, is_fixed=False)
    said = Terms(kpis=[GUARD, wanted], horizon_days=14)
    found = filled(said, kpis=[PRIMARY])
    assert [(kpi.kpi, kpi.role, kpi.margin) for kpi in found.kpis] == [
        ("activation", Role.PRIMARY, None),
        ("tickets", Role.GUARDRAIL, 0.1),
    ]
    assert [kpi.kpi for kpi in filled(said).kpis] == ["tickets", "retention"]
    assert [kpi.kpi for kpi in filled(said, kpis=[]).kpis] == ["tickets"]


def test_stated_kpi_is_completed_where_its_role_is_the_protocols() -> None:
    said = Terms(
        kpis=[GUARD, KpiTerms(kpi="activation", role=Role.PRIMARY, mde_lift=0.1, is_fixed=False)], horizon_days=14
    )
    guard, first = (KpiChoice(kpi="tickets", role=Role.GUARDRAIL), KpiChoice(kpi="activation", role=Role.PRIMARY))
    found = {kpi.kpi: kpi for kpi in filled(said, kpis=[guard, first]).kpis}
    assert (found["tickets"].margin, found["activation"].mde_lift) == (0.1, 0.1)
    second = KpiChoice(kpi="activation", role=Role.SECONDARY)
    assert filled(said, kpis=[second]).kpis[0] == second
    assert filled(said, kpis=[PRIMARY]).kpis[0] == PRIMARY


@pytest.mark.parametrize(
    ("choice", "path"),
    [
        (KpiChoice(kpi="tickets", role=Role.SECONDARY), "role"),
        (KpiChoice(kpi="tickets", role=Role.GUARDRAIL, margin=0.2), "margin"),
        (KpiChoice(kpi="activation", role=Role.PRIMARY, mde_difference=0.05), "mde"),
        (KpiChoice(kpi="activation", role=Role.PRIMARY, mde_lift=0.2), "mde"),
    ],
)
def test_stated_kpi_that_departs_from_a_fixed_one_is_told(choice: KpiChoice, path: str) -> None:
    said = Terms(kpis=[GUARD, KpiTerms(kpi="activation", role=Role.PRIMARY, mde_lift=0.1)], horizon_days=14)
    other = KpiChoice(kpi="retention", role=Role.SECONDARY)
    assert paths(said, kpis=[other, choice]) == [("plan", "kpis", "1", path)]


def test_mde_that_a_protocol_leaves_open_is_the_experiments_to_state() -> None:
    said = Terms(kpis=[KpiTerms(kpi="activation", role=Role.PRIMARY)], horizon_days=14)
    assert paths(said, kpis=[PRIMARY]) == []
    assert paths(said) == [("plan", "kpis")]


def test_terms_come_back_from_their_document() -> None:
    for said in (ALL_FIXED, Terms(), Terms(kpis=[GUARD])):
        again = terms.from_document(terms.to_document(said))
        assert terms.to_document(again) == terms.to_document(said)
        assert (again.alpha, again.policy, list(again.kpis)) == (said.alpha, said.policy, list(said.kpis))


def test_terms_keep_the_rules_of_a_plan_as_far_as_they_go() -> None:
    first = KpiTerms(kpi="activation", role=Role.PRIMARY)
    assert broken() == []
    assert broken("tickets", "activation", kpis=[GUARD, first], alpha=0.01, fixed=[PlanField.ALPHA]) == []
    assert broken(alpha=0.9, power=2.0, looks=0, horizon_days=800) == [
        ("plan", "alpha"),
        ("plan", "power"),
        ("plan", "looks"),
        ("plan", "horizonDays"),
    ]
    assert broken("activation", kpis=[GUARD, first, first]) == [
        ("plan", "kpis", "0", "kpi"),
        ("plan", "kpis", "2", "kpi"),
    ]
    unguarded = KpiTerms(kpi="tickets", role=Role.GUARDRAIL)
    assert broken("tickets", kpis=[unguarded]) == [("plan", "kpis", "0", "margin")]
    nothing = KpiTerms(kpi="activation", role=Role.PRIMARY, mde_difference=0.0)
    assert broken("activation", kpis=[nothing]) == [("plan", "kpis", "0", "mde")]
    assert broken("activation", kpis=[first], horizon_days=7) == [("plan", "kpis", "0", "kpi")]


def test_correction_comes_from_the_protocol_and_fits_its_policy() -> None:
    assert filled(Terms(correction=Correction.HOLM), kpis=[PRIMARY], horizon_days=14).correction is Correction.HOLM
    assert filled(None, kpis=[PRIMARY], horizon_days=14).correction is None
    unsound = {"policy": Policy.FIXED, "correction": Correction.E_BENJAMINI_HOCHBERG}
    assert broken(**unsound) == [("plan", "correction")]
    assert broken(correction=Correction.BENJAMINI_HOCHBERG) == [("plan", "correction")]
    assert broken(policy=Policy.FIXED, correction=Correction.BENJAMINI_HOCHBERG) == []


def test_targeting_that_is_fixed_may_be_narrowed_and_not_dropped() -> None:
    grown = Condition(attribute="age", operator=Operator.GTE, values=[18.0])
    here = Condition(attribute="country", operator=Operator.IN, values=["DE"])
    assert paths(ALL_FIXED, targeting=[here, grown]) == []
    assert paths(ALL_FIXED, targeting=[here]) == paths(ALL_FIXED, targeting=[]) == [("plan", "targeting")]
    (fault,) = fill(PlanPart(targeting=[here]), by(ALL_FIXED)).problems
    assert fault.message == "The protocol “careful” (version 3) fixes targeting at “age” is at least “18”."
    assert filled(ALL_FIXED, kpis=[PRIMARY]).targeting == ALL_FIXED.targeting
    assert broken(targeting=[Condition(attribute="", operator=Operator.EXISTS)]) == [
        ("plan", "targeting", "0", "attribute")
    ]


def test_fixed_field_has_a_value_and_is_named_once() -> None:
    found = broken(alpha=0.05, fixed=[PlanField.POWER, PlanField.ALPHA, PlanField.ALPHA])
    assert found == [("plan", "fixed", "0"), ("plan", "fixed", "2")]
