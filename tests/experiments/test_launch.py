"""The checks before a launch: each by plain arithmetic, what they read of a real workspace, and what blocks a start."""

import asyncio
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from scipy.stats import binomtest
from statsmodels.stats.power import NormalIndPower

from api.database import Database, driver
from experiments import service
from experiments.enums import Policy, Role, Slopes
from experiments.life import moves
from experiments.life.launch import Accrual, Check, CheckState, LaunchCheck, Neighbour, Surroundings, checks
from experiments.life.surroundings import launch_checks
from experiments.planning.draft import DesignChoice, KpiChoice
from experiments.planning.plan import Covariate, PinnedBaseline, Plan
from experiments.planning.replays import Shown, settings
from experiments.planning.targeting import Condition, Operator
from experiments.tables import Experiment, Rehearsal
from kpi import governance
from kpi.enums import Unit
from kpi.errors import Code, Invalid
from kpi.kinds import Activation, Mean
from kpi.queries import kpis_by_key
from kpi.tables import Baseline, Workspace
from tests.experiments.aggregating import START, Running, refresh, running, send
from tests.experiments.planning import CONTROL, OTHER, TREATMENT, plan, planned
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.experiments.registering import NOW, actor, draft, freeze, plan_choice, register, start
from tests.kpi.registering import register_hypothesis, register_kpi

TODAY = date(2026, 6, 1)
AT = datetime(2026, 6, 1, 9, tzinfo=UTC)


def baseline(version: int = 1, **changes: Any) -> Baseline:
    fields: dict[str, Any] = {
        "definition_id": planned().definition.id,
        "version": version,
        "value": 0.3,
        "standard_error": 0.005,
        "n": 8400,
        "from_on": None,
        "to_on": TODAY - timedelta(days=10),
        "created_at": AT,
    }
    return Baseline(**(fields | changes))


def answered(count: int = 100, plan_: Plan | None = None, version: int = 1, **changes: Any) -> Shown:
    """What splits showed for the plan's KPI, `count` differences in 2,000."""
    of = plan_ or plan()
    (setting, *_) = settings(of, of.kpis[0]).values()
    fields: dict[str, Any] = {
        "experiment_id": 1,
        "replays": 2000,
        "false_positives": count,
        "units": 12_345,
        "days": 20,
        "data_through": AT,
        "computed_at": AT,
        "seed": 1,
        "version": "test",
    }
    stored = Rehearsal(**(asdict(setting) | fields | changes))
    return Shown(kpi="activation", version=version, experiment="before", stored=stored)


def around(**changes: Any) -> Surroundings:
    """A workspace in which every check passes, but for the changes."""
    fields: dict[str, Any] = {
        "baselines": {planned().definition.id: [baseline()]},
        "neighbours": [],
        "accrual": Accrual(experiment="before", daily=1e6),
        "known_events": frozenset({"activated"}),
        "late_events": frozenset({"activated"}),
        "replayed": [answered()],
        "sources": {planned().definition.id: "before"},
    }
    return Surroundings(**(fields | changes))


def of(kind: Check, plan_: Plan, **changes: Any) -> list[LaunchCheck]:
    return [check for check in checks(plan_, around(**changes), AT) if check.kind is kind]


def one(kind: Check, plan_: Plan, **changes: Any) -> LaunchCheck:
    (found,) = of(kind, plan_, **changes)
    return found


def test_plan_with_nothing_in_its_way_passes_every_check() -> None:
    held = Neighbour(key="everything", layer=None, traffic=1.0, primaries=frozenset({"activation"}))
    found = checks(plan(audience="New teams", holdout=held.key), around(segment="new teams", neighbours=[held]), AT)
    assert [check.kind for check in found] == list(Check)
    assert {check.state for check in found} == {CheckState.PASS}


# --- power -----------------------------------------------------------------------------------------------------------

FIXED = plan(policy=Policy.FIXED)
NEEDED = 2 * NormalIndPower().solve_power(0.05 / (0.005**2 * 8400) ** 0.5, alpha=0.05, power=0.8)
"""Units of both variants, by statsmodels: an mde of 0.05 at the spread of the baseline."""
COUNTED = 14
"""Entry days of a horizon of 16 whose window of 2 days closes in time."""


@pytest.mark.parametrize(("more", "state"), [(1.001, CheckState.PASS), (0.999, CheckState.WARN)])
def test_power_passes_when_the_units_that_come_and_are_final_are_those_needed(more: float, state: CheckState) -> None:
    accrual = Accrual(experiment="before", daily=more * NEEDED / COUNTED)
    found = one(Check.POWER, FIXED, accrual=accrual)
    assert found.state is state
    assert f"About {NEEDED:,.0f} users are needed for “activation”" in found.sentence
    halved = one(Check.POWER, replace(FIXED, traffic=0.5), accrual=replace(accrual, daily=2 * accrual.daily))
    assert halved == found


def test_power_that_is_missed_names_the_horizon_that_would_do() -> None:
    daily = NEEDED / 30.5
    found = one(Check.POWER, FIXED, accrual=Accrual(experiment="before", daily=daily))
    assert found.sentence.endswith("A horizon of 33 days would do, or a larger mde.")  # 31 days of entry, 2 of window
    never = one(Check.POWER, FIXED, accrual=Accrual(experiment="before", daily=0.01))
    assert "No horizon is long enough" in never.sentence


def test_power_of_an_always_valid_test_asks_for_a_longer_horizon() -> None:
    # Its horizon is 1.72 times that of one look with 28 looks up to it and 1.81 times with 7; here are 16.
    daily = 1.7 * NEEDED / COUNTED
    test = plan(policy=Policy.ALWAYS_VALID)
    assert one(Check.POWER, test, accrual=Accrual(experiment="before", daily=daily)).state is CheckState.WARN
    assert one(Check.POWER, test, accrual=Accrual(experiment="b", daily=1.1 * daily)).state is CheckState.PASS
    assert one(Check.POWER, FIXED, accrual=Accrual(experiment="before", daily=daily)).state is CheckState.PASS


def test_power_is_judged_by_the_primary_that_needs_the_longest() -> None:
    small = planned("small", Mean(event="paid", window_days=3), mde=0.01)
    both = plan(planned(), small, policy=Policy.FIXED)
    alone = plan(replace(small, role=Role.PRIMARY), policy=Policy.FIXED)
    assert alone.planned_units is not None
    found = one(Check.POWER, both, accrual=Accrual(experiment="before", daily=1.0))
    assert "for “small”" in found.sentence
    assert both.kpis[1].information is not None
    assert alone.kpis[0].information is not None
    shared = alone.planned_units * both.kpis[1].information / alone.kpis[0].information
    assert f"{shared:,.0f} users" in found.sentence


def test_power_without_a_baseline_or_without_history_warns_and_says_what_is_missing() -> None:
    assert "no experiment has taken any in" in one(Check.POWER, FIXED, accrual=None).sentence
    bare = plan(planned(baseline=None))
    assert "No primary KPI has a baseline" in one(Check.POWER, bare).sentence
    assert {one(Check.POWER, FIXED, accrual=None).state, one(Check.POWER, bare).state} == {CheckState.WARN}


GUARD = planned("errors", Mean(event="activated", window_days=2), role=Role.GUARDRAIL, mde=None, margin=0.025)


def test_power_counts_what_a_guardrail_needs_to_be_shown_inside_its_margin() -> None:
    # Half of the mde as a margin, and half of beta: 1 - 0.2 / 2.
    needed = 2 * NormalIndPower().solve_power(0.025 / (0.005**2 * 8400) ** 0.5, alpha=0.05, power=0.9)
    found = one(Check.POWER, plan(planned(), GUARD, policy=Policy.FIXED), accrual=None)
    assert f"About {needed:,.0f} users are needed for the guardrail “errors”" in found.sentence
    wide = one(Check.POWER, plan(planned(), replace(GUARD, margin=0.1), policy=Policy.FIXED), accrual=None)
    assert f"About {NEEDED:,.0f} users are needed for “activation”" in wide.sentence
    few = one(Check.POWER, plan(planned(), GUARD), accrual=Accrual(experiment="before", daily=NEEDED / COUNTED))
    assert few.state is CheckState.WARN
    assert few.sentence.endswith("or a wider margin.")


def test_power_of_a_guardrail_without_a_baseline_is_not_known_and_warns() -> None:
    found = one(Check.POWER, plan(planned(), replace(GUARD, baseline=None)))
    assert found.state is CheckState.WARN
    assert "What the guardrail “errors” needs is not known" in found.sentence


# --- looks -----------------------------------------------------------------------------------------------------------


def test_looks_before_any_unit_is_final_are_told_kpi_by_kpi() -> None:
    slow = planned("spend", Mean(event="paid", window_days=8))
    slowest = replace(planned("errors", Mean(event="e", window_days=12)), role=Role.GUARDRAIL, mde=None, margin=0.02)
    found = one(Check.LOOKS, plan(planned(), slow, slowest))  # looks on days 4, 8, 12 and 16
    assert found.state is CheckState.WARN
    assert "“spend” is final 8 days after exposure, so looks 1 (day 4), 2 (day 8) of 4 cannot see it" in found.sentence
    assert (
        "the guardrail “errors” is final 12 days after exposure, so looks 1 (day 4), 2 (day 8), 3 (day 12)"
        in found.sentence
    )
    assert "activation" not in found.sentence


@pytest.mark.parametrize(
    "of",
    [
        plan(planned("spend", Mean(event="paid", window_days=3))),
        plan(planned("spend", Mean(event="paid", window_days=8)), minimum_days=9),  # those looks are not taken anyway
        plan(planned("spend", Mean(event="paid", window_days=8)), policy=Policy.ALWAYS_VALID),
        plan(planned("spend", Mean(event="paid", window_days=8)), policy=Policy.FIXED),
        plan(planned(), planned("spend", Mean(event="paid", window_days=8), role=Role.SECONDARY)),
    ],
    ids=["short", "minimum", "any-day", "one-look", "informing"],
)
def test_looks_that_are_taken_when_units_are_final_pass(of: Plan) -> None:
    assert one(Check.LOOKS, of).state is CheckState.PASS


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize(("alpha", "power"), [(0.0001, 0.999), (0.5, 0.999), (0.5, 0.501), (0.0001, 0.0002)])
@pytest.mark.parametrize("mde", [1e-12, 1e12])
def test_power_of_the_oddest_plan_that_may_be_registered_is_a_sentence(
    policy: Policy, alpha: float, power: float, mde: float
) -> None:
    pinned = PinnedBaseline(version=1, value=0.3, standard_error=1e12, n=2**31 - 1)
    arms = [CONTROL, replace(TREATMENT, weight=1e-12), replace(OTHER, weight=1e12)]
    odd = plan(planned(baseline=pinned, mde=mde), policy=policy, alpha=alpha, power=power, variants=arms, traffic=1e-12)
    found = one(Check.POWER, odd, accrual=Accrual(experiment="before", daily=1 / 28))
    assert not {"inf", "nan"} & set(found.sentence.replace(".", " ").split())


# --- baseline --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"to_on": TODAY - timedelta(days=90)}, CheckState.PASS),
        ({"to_on": TODAY - timedelta(days=91)}, CheckState.WARN),
        ({"to_on": None, "created_at": AT - timedelta(days=90)}, CheckState.PASS),
        ({"to_on": None, "created_at": AT - timedelta(days=91)}, CheckState.WARN),
    ],
)
def test_baseline_is_fresh_for_ninety_days_after_its_window_or_its_statement(
    changes: dict[str, Any], state: CheckState
) -> None:
    known = {planned().definition.id: [baseline(**changes)]}
    assert one(Check.BASELINE, plan(), baselines=known).state is state


def test_baseline_that_is_absent_or_replaced_warns_for_each_primary_kpi_and_no_other() -> None:
    absent = planned("paid", Mean(event="paid", window_days=3), baseline=None)
    unread = planned("seen", Mean(event="seen", window_days=3), role=Role.SECONDARY, baseline=None)
    newer = {planned().definition.id: [baseline(), baseline(2)]}
    first, second = of(Check.BASELINE, plan(planned(), absent, unread), baselines=newer)
    assert (first.state, second.state) == (CheckState.WARN, CheckState.WARN)
    assert "plan on version 2" in first.sentence
    assert "“paid” has no baseline" in second.sentence


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "times"),
    [
        ((1, 1), None),
        ((70, 30), None),  # (1/0.7 + 1/0.3) / 4 = 1.19
        ((75, 25), "1.3"),
        ((10, 90), "2.8"),
        ((2, 1, 1), None),  # a larger control serves both
        ((8, 1, 1), "1.9"),  # (1/8 + 1) * 10 / 6
    ],
)
def test_weights_that_cost_a_quarter_more_units_than_even_ones_warn_with_the_cost(
    weights: tuple[float, ...], times: str | None
) -> None:
    variants = [replace(v, weight=w) for v, w in zip((CONTROL, TREATMENT, OTHER), weights, strict=False)]
    found = one(Check.WEIGHTS, replace(plan(), variants=variants))
    assert found.state is (CheckState.PASS if times is None else CheckState.WARN)
    assert times is None or f"it needs {times} times" in found.sentence


# --- overlap ---------------------------------------------------------------------------------------------------------


def neighbour(key: str, layer: str | None, traffic: float = 1.0, *primaries: str) -> Neighbour:
    return Neighbour(key=key, layer=layer, traffic=traffic, primaries=frozenset(primaries))


@pytest.mark.parametrize(
    ("traffic", "others", "states"),
    [
        (0.2, [neighbour("a", "form", 0.7), neighbour("b", "form", 0.1)], [CheckState.PASS]),  # 1.0000000000000002
        (0.21, [neighbour("a", "form", 0.7), neighbour("b", "form", 0.1)], [CheckState.BLOCK]),
        (None, [neighbour("a", "form", 0.01)], [CheckState.BLOCK]),
        (None, [neighbour("a", "other"), neighbour("b", None)], [CheckState.PASS]),
        (0.5, [neighbour("a", "form", 0.5, "activation")], [CheckState.PASS]),
        (0.5, [neighbour("a", None, 0.5, "activation")], [CheckState.WARN]),
        (0.5, [neighbour("a", "other", 0.5, "activation", "paid")], [CheckState.WARN]),
        (0.5, [neighbour("a", "form", 1.0), neighbour("b", None, 1.0, "activation")], ["BLOCK", "WARN"]),
    ],
)
def test_overlap_blocks_a_full_layer_and_warns_of_rivals_that_no_layer_keeps_apart(
    traffic: float | None, others: list[Neighbour], states: list[CheckState]
) -> None:
    found = of(Check.OVERLAP, replace(plan(), layer="form", traffic=traffic), neighbours=others)
    assert [check.state for check in found] == states


def test_overlap_without_a_layer_never_blocks_and_lists_its_rivals() -> None:
    others = [neighbour("a", None, 1.0, "activation"), neighbour("b", "form", 0.25, "activation", "paid")]
    found = one(Check.OVERLAP, plan(), neighbours=others)
    assert found.state is CheckState.WARN
    assert found.sentence.startswith("“a” (100%), “b” (25%) decide on “activation” too")


# --- data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("segment", "said", "states"),
    [
        (None, {}, []),
        ("new teams", {}, [CheckState.WARN]),
        ("new teams", {"audience": "New teams"}, [CheckState.PASS]),
        ("new teams", {"targeting": [Condition(attribute="age", operator=Operator.EXISTS)]}, [CheckState.PASS]),
    ],
)
def test_hypothesis_about_a_part_of_the_units_asks_who_enters(
    segment: str | None, said: dict[str, Any], states: list[CheckState]
) -> None:
    assert [check.state for check in of(Check.AUDIENCE, plan(**said), segment=segment)] == states


def test_kpi_defined_anew_since_the_draft_was_registered_warns() -> None:
    (fine,) = of(Check.DEFINITION, plan(), versions={"activation": 1})
    (warned,) = of(Check.DEFINITION, plan(), versions={"activation": 2})
    assert (fine.state, warned.state) == (CheckState.PASS, CheckState.WARN)
    assert "“activation” (version 1, now 2)" in warned.sentence


def test_holdout_that_does_not_measure_warns() -> None:
    check = one(Check.HOLDOUT, plan(holdout="everything"))
    assert (check.state, "“everything”" in check.sentence) == (CheckState.WARN, True)
    assert of(Check.HOLDOUT, plan()) == []


def test_overlap_of_a_holdout_with_those_that_keep_to_it_is_meant() -> None:
    keeper = Neighbour(
        key="rival", layer=None, traffic=1.0, primaries=frozenset({"activation"}), holdout=plan().experiment
    )
    assert one(Check.OVERLAP, plan(), neighbours=[keeper]).state is CheckState.PASS
    assert one(Check.OVERLAP, plan(), neighbours=[replace(keeper, holdout="another")]).state is CheckState.WARN


def test_data_warns_of_an_event_that_never_came_and_of_one_that_no_longer_comes() -> None:
    two = plan(planned(), planned("paid", Mean(event="paid", window_days=3), role=Role.SECONDARY))
    never, silent = of(Check.DATA, two, known_events=frozenset({"paid"}), late_events=frozenset())
    assert (never.state, silent.state) == (CheckState.WARN, CheckState.WARN)
    assert "“activated”, which “activation” counts, has never come in" in never.sentence
    assert "“paid”, which “paid” counts, has not happened in the last 7 days" in silent.sentence


# --- A/A history -----------------------------------------------------------------------------------------------------


def least_above(alpha: float) -> int:
    """The fewest differences in 2,000 splits whose interval, by scipy, lies above alpha."""
    return next(n for n in range(2_000) if binomtest(n, 2_000).proportion_ci(0.99, "wilson").low > alpha)


def test_history_passes_while_the_interval_of_its_false_positives_reaches_down_to_alpha() -> None:
    bad = least_above(0.05)
    assert one(Check.AA_HISTORY, plan(), replayed=[answered(0)]).state is CheckState.PASS
    assert one(Check.AA_HISTORY, plan(), replayed=[answered(bad - 1)]).state is CheckState.PASS
    found = one(Check.AA_HISTORY, plan(), replayed=[answered(bad)])
    limits = binomtest(bad, 2_000).proportion_ci(0.99, "wilson")
    assert found.state is CheckState.WARN
    assert f"{bad / 2_000:.1%} of 2,000 (99% interval {limits.low:.1%} to {limits.high:.1%})" in found.sentence
    assert "12,345 control units of “before”" in found.sentence
    assert "alpha allows 5.0%" in found.sentence


def test_history_of_an_adjusted_kpi_says_that_it_is_judged_without_its_covariate() -> None:
    covariate = Covariate(
        attribute="score", pre_exposure_days=None, when_missing=0.0, slopes=Slopes.ONE, correlation=0.5
    )
    assert (
        "in “activation”, without its covariate, in 5.0%"
        in one(Check.AA_HISTORY, plan(planned(covariate=covariate))).sentence
    )


def test_history_is_held_against_the_alpha_of_one_test_and_the_worst_split_counts() -> None:
    three = plan(variants=[CONTROL, TREATMENT, replace(OTHER, weight=0.25)])  # two comparisons: 0.025 each
    even, uneven = settings(three, three.kpis[0]).values()
    bad = least_above(0.025)
    fine, broken = (answered(n, three, share=of.share) for n, of in ((bad - 1, even), (bad, uneven)))
    assert one(Check.AA_HISTORY, three, replayed=[fine]).sentence.startswith("How often the test errs")
    assert one(Check.AA_HISTORY, three, replayed=[fine, replace(fine, stored=broken.stored)]).state is CheckState.WARN
    spared = answered(bad - 1, three, share=uneven.share)
    assert one(Check.AA_HISTORY, three, replayed=[fine, spared]).state is CheckState.PASS


@pytest.mark.parametrize(
    ("replayed", "sources", "words"),
    [
        ([], {}, "No experiment has final units of version 1 of “activation”"),
        ([], {planned().definition.id: "before"}, "experimentRehearse splits the control units of “before”"),
        ([answered(alpha=0.01)], {planned().definition.id: "before"}, "under these rules is not known"),
        ([answered(definition_id=1, version=3)], {planned().definition.id: "b"}, "is of version 3, not 1"),
        ([answered(units=999)], {}, "Only 999 control units of “before”"),
        ([answered(0, units=0, replays=0)], {}, "Only 0 control units of “before”"),
        ([answered(computed_at=AT - timedelta(days=91))], {}, "is 91 days old. experimentRehearse measures it anew"),
    ],
)
def test_history_that_is_missing_too_small_or_old_warns_and_says_what_to_do(
    replayed: list[Shown], sources: dict[int, str], words: str
) -> None:
    found = one(Check.AA_HISTORY, plan(), replayed=replayed, sources=sources)
    assert found.state is CheckState.WARN
    assert words in found.sentence


def test_history_is_fresh_for_ninety_days_and_asked_of_no_kpi_that_only_informs() -> None:
    old = answered(computed_at=AT - timedelta(days=90))
    seen = planned("seen", Mean(event="seen", window_days=3), role=Role.SECONDARY)
    (found,) = of(Check.AA_HISTORY, plan(planned(), seen), replayed=[old])
    assert found.state is CheckState.PASS


# --- what is read of a workspace -------------------------------------------------------------------------------------


async def read(database: Database, experiment: Experiment, now: datetime) -> dict[Check, LaunchCheck]:
    async with database.read() as session:
        found = await launch_checks(session, [experiment], now)
        return {check.kind: check for check in found[experiment.id]}


async def test_checks_of_a_draft_read_entries_events_baselines_and_rivals(database: Database) -> None:
    to = await running(database)
    days = 10
    units = [(f"u{number}", START + (number % days) * DAY) for number in range(60 * days)]
    await send(database, to, [Exposed(unit=unit, variant=0, at=at, plan=None) for unit, at in units])
    await send(database, to, [Did(unit="u1", event="activated", at=START + 3 * DAY, value=None)])
    now = START + days * DAY
    await refresh(database, to, now)
    async with database.write() as session:
        second = await register(session, to.workspace, key="second", plan=plan_choice(traffic=0.5))
    found = await read(database, second, now)
    assert "30 a day as in “shorter-form”" in found[Check.POWER].sentence
    assert found[Check.OVERLAP].state is CheckState.WARN
    assert "“shorter-form” (100%) decides on “activation” too" in found[Check.OVERLAP].sentence
    assert found[Check.DATA].state is CheckState.PASS
    assert found[Check.BASELINE].state is CheckState.PASS
    week_later = await read(database, second, START + 11 * DAY)
    assert "has not happened in the last 7 days" in week_later[Check.DATA].sentence
    assert await read(database, to.experiment, now) == {}
    await freeze(database, to.experiment, now=now, frozen_at=now)
    assert (await read(database, second, now))[Check.OVERLAP].state is CheckState.WARN
    async with database.write() as session:
        await moves.stop(session, actor=actor(to.experiment, now), experiment_id=to.experiment.id)
    assert (await read(database, second, now))[Check.OVERLAP].state is CheckState.PASS


async def test_units_a_day_are_reckoned_with_the_traffic_of_each_day_and_without_pauses(database: Database) -> None:
    to = await running(database)
    await move(database, to, moves.ramp, 2, traffic=0.25)
    await move(database, to, moves.pause, 4)
    await move(database, to, moves.resume, 7)
    await move(database, to, moves.ramp, 8, traffic=0.5)
    # 40 a day at all traffic, for ten days: of the third and fourth, and of the eighth, a quarter; then half of it.
    came = [40, 40, 10, 10, 0, 0, 0, 10, 20, 20]
    units = [(f"u{day}-{number}", START + day * DAY) for day, count in enumerate(came) for number in range(count)]
    await send(database, to, [Exposed(unit=unit, variant=0, at=at, plan=None) for unit, at in units])
    now = START + len(came) * DAY
    await refresh(database, to, now)
    async with database.write() as session:
        second = await register(session, to.workspace, key="second", plan=plan_choice())
    assert "40 a day as in “shorter-form”" in (await read(database, second, now))[Check.POWER].sentence
    asked = DesignChoice(
        plan=plan_choice(), units_per_day=None, traffic=0.5, weights=[1, 1], correlations=[0.0], has_horizon=True
    )
    async with database.read() as session:
        found = await service.design(session, await driver(session), workspace_id=to.workspace.id, asked=asked)
    assert found.traffic is not None
    assert found.traffic.units_per_day == pytest.approx(20)


async def move(database: Database, to: Running, how: Any, day: float, **what: float) -> None:
    """Somebody moves an experiment on, so many days after its start."""
    async with database.write() as session:
        who = actor(to.experiment, START + day * DAY)
        await how(session, actor=who, experiment_id=to.experiment.id, **what)


async def test_checks_of_a_new_workspace_know_no_history_and_no_events(
    database: Database, workspace: Workspace
) -> None:
    found = await read(database, await draft(database, workspace), NOW)
    assert {kind for kind, check in found.items() if check.state is CheckState.WARN} == {
        Check.POWER,
        Check.LOOKS,
        Check.DATA,
        Check.AA_HISTORY,
    }
    assert "“activation” is final 7 days after exposure, so look 1 (day 7) of 4" in found[Check.LOOKS].sentence
    assert "has never come in" in found[Check.DATA].sentence


async def test_draft_of_a_kpi_that_is_defined_anew_is_told_so(database: Database, workspace: Workspace) -> None:
    drafted = await draft(database, workspace)
    assert (await read(database, drafted, NOW))[Check.DEFINITION].state is CheckState.PASS
    async with database.write() as session:
        kpi = (await kpis_by_key(session, workspace.id, ["activation"]))["activation"]
        who = actor(drafted, reason="a week is too short")
        await governance.redefine(
            session, actor=who, kpi_id=kpi.id, definition=Activation(event="activated", window_days=14)
        )
    assert "version 1, now 2" in (await read(database, drafted, NOW))[Check.DEFINITION].sentence


# --- what blocks a start ---------------------------------------------------------------------------------------------


async def layered(database: Database, workspace: Workspace, **traffic: float) -> list[Experiment]:
    """Drafts of one layer that take so much of it."""
    async with database.write() as session:
        await register_kpi(session, workspace)
        await register_hypothesis(session, workspace)
        return [
            await register(session, workspace, key=key, plan=plan_choice(layer="form", traffic=share))
            for key, share in traffic.items()
        ]


async def refused(action: Any) -> list[tuple[Code, tuple[str, ...]]]:
    with pytest.raises(Invalid) as invalid:
        await action
    return [(problem.code, problem.path) for problem in invalid.value.problems]


async def ramp(database: Database, experiment: Experiment, traffic: float) -> Experiment:
    async with database.write() as session:
        return await moves.ramp(session, actor=actor(experiment), experiment_id=experiment.id, traffic=traffic)


async def test_start_into_a_full_layer_is_refused_until_there_is_room(database: Database, workspace: Workspace) -> None:
    first, second = await layered(database, workspace, first=0.6, second=0.5)
    await start(database, first)
    assert await refused(start(database, second)) == [(Code.NOT_READY, ("id",))]
    assert await refused(start(database, second, started_at=NOW)) == [(Code.NOT_READY, ("id",))]
    await ramp(database, first, 0.5)
    assert (await start(database, second)).traffic == 0.5
    assert await refused(ramp(database, first, 0.6)) == [(Code.BAD_USER_INPUT, ("traffic",))]
    assert (await ramp(database, first, 0.4)).traffic == 0.4


async def test_start_in_the_past_takes_history_in_whatever_runs_now(database: Database, workspace: Workspace) -> None:
    first, second = await layered(database, workspace, first=0.6, second=0.5)
    await start(database, first)
    assert (await start(database, second, started_at=NOW - timedelta(days=30))).sealed_at == NOW


async def test_start_of_accounts_does_not_wait_for_a_layer_of_users(database: Database, workspace: Workspace) -> None:
    (first,) = await layered(database, workspace, first=1.0)
    await start(database, first)
    async with database.write() as session:
        await register_kpi(session, workspace, key="seats", unit=Unit.ACCOUNT)
        seats = KpiChoice(kpi="seats", role=Role.PRIMARY, mde_difference=0.02)
        other = await register(session, workspace, key="other", plan=plan_choice(kpis=[seats], layer="form"))
    assert (await start(database, other)).started_at == NOW


async def test_two_that_want_the_last_room_of_a_layer_at_once_do_not_both_get_it(
    database: Database, workspace: Workspace
) -> None:
    first, second = await layered(database, workspace, first=0.6, second=0.6)
    async with database.write() as session:
        await moves.start(session, actor=actor(first, NOW), experiment_id=first.id)
        waiting = asyncio.create_task(start(database, second))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    assert await refused(asyncio.wait_for(waiting, 30)) == [(Code.NOT_READY, ("id",))]
