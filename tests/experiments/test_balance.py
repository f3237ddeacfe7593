"""The checks that arms are alike: each with what makes it warn, what leaves it silent, and how seldom it errs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from api.database import Database
from experiments.aggregation.aggregates import read
from experiments.aggregation.forgetting import forget
from experiments.enums import Role, Slopes
from experiments.inference.balance import IMBALANCE, SPREAD, apart, capped, evidence, imbalance
from experiments.inference.facts import FactName
from experiments.inference.health import ALARM, Check, CheckKind, HealthState
from experiments.planning.draft import CovariateChoice, KpiChoice
from experiments.planning.plan import Covariate, Plan, PlannedKpi
from kpi.kinds import Mean, TimeToValue
from kpi.tables import Workspace
from stats.moments import Moments
from tests.experiments.aggregating import START, Running, refresh, send
from tests.experiments.planning import CONTROL, IDS, OTHER, TREATMENT, Rows, aggregates, day, plan, planned
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.experiments.registering import PRIMARY, draft, plan_choice, start
from tests.experiments.test_covariates import NOW, SCORE, Trial, started
from tests.experiments.test_warehouse import evaluated
from tests.kpi.registering import register_kpi

OK, WARNING, _ = HealthState
HOUR = timedelta(hours=1)
BY_SCORE = Covariate(attribute="score", pre_exposure_days=None, when_missing=0.0, slopes=Slopes.ONE, correlation=None)
PLAN = plan(planned(covariate=BY_SCORE))


def number(check: Check, name: FactName, about: str) -> float:
    (found,) = [fact.value for fact in check.facts if (fact.name, fact.about) == (name, about)]
    return found


def differences(check: Check) -> list[float]:
    return [fact.value for fact in check.facts if fact.name is FactName.DIFFERENCE]


# --- before exposure, in memory ---------------------------------------------------------------------------------------


def scored(of: Plan, *means: float, n: int = 400, days: int = 3, spread: float = 1.0) -> Rows:
    """Units of each variant whose score has a mean, and a standard deviation, the same on each of some days."""
    rows = Rows(entries=[], moments=[], durations=[])
    for number_ in range(days):
        for variant, mean in zip(of.variants, means, strict=True):
            own = {"variant_id": IDS[variant.key], "entered_on": day(number_), "segment": "", "n": n}
            rows.entries.append(own)
            shape = {"mean": 0.3, "m2": n * 0.21, "mean_x": mean, "m2_x": n * spread**2, "c_xy": 0.0, "missing": 0}
            rows.moments.extend(own | shape | {"definition_id": kpi.definition.id} for kpi in of.kpis)
    return rows


def checked(of: Plan, *means: float, through: int = 9, **more: Any) -> Check | None:
    return imbalance(of, aggregates(of, scored(of, *means, **more), day(through)))


def test_covariate_that_differs_between_arms_warns_with_the_kernel_in_standard_deviations() -> None:
    check = checked(PLAN, 5.0, 5.4)
    assert check is not None
    assert (check.kind, check.state) == (CheckKind.IMBALANCE, WARNING)
    about = "“score” beside “Activation” in Shorter form"
    assert check.sentence == (
        f"Units differed before they were exposed: {about} 5.4, in Control 5. Assignment or logging depends on who they"
        " are."
    )
    # By hand: 1,200 units an arm, of variance 1 about means that are 0.4 apart.
    variance = (2400 * 1.0 + 600 * 0.4**2) / 2399
    z2 = 0.4**2 / (variance * 2 / 1200)
    k = IMBALANCE**2 / (2 / 1200)
    log_e = z2 * k / (2 * (1 + k)) - np.log1p(k) / 2
    assert number(check, FactName.P_VALUE, about) == pytest.approx(np.exp(-log_e))
    assert number(check, FactName.DIFFERENCE, about) == pytest.approx(0.4)


def test_covariate_that_is_alike_in_all_arms_is_fine_and_each_kpi_and_variant_counts_as_a_question() -> None:
    alone = checked(PLAN, 5.0, 5.1)
    assert alone is not None
    assert alone.state is OK
    both = plan(planned(covariate=BY_SCORE), planned("return", role=Role.SECONDARY, covariate=BY_SCORE))
    of = replace(both, variants=[CONTROL, TREATMENT, OTHER])
    check = checked(of, 5.0, 5.1, 5.0)
    assert check is not None
    about = "“score” beside “Activation” in Shorter form"
    found = number(alone, FactName.P_VALUE, about)
    assert number(check, FactName.P_VALUE, check.facts[0].about) == pytest.approx(min(1.0, 4 * found))


def test_arms_that_all_say_one_number_each_differ_though_neither_has_a_spread() -> None:
    check = checked(PLAN, 0.0, 5.0, spread=0.0)
    assert check is not None
    assert check.state is WARNING
    alike = checked(PLAN, 0.1, 0.1, spread=0.0)
    assert alike is None  # nothing varies: nothing can be said


@pytest.mark.parametrize(
    ("n", "days", "through", "is_made"), [(33, 3, 9, False), (34, 3, 9, True), (99, 9, 3, False), (99, 9, 4, True)]
)
def test_imbalance_waits_for_a_hundred_final_units_in_each_arm(n: int, days: int, through: int, is_made: bool) -> None:
    """Of nine entry days of 99 units one is final at the end of the third day, two at that of the fourth."""
    assert (checked(PLAN, 5.0, 9.0, n=n, days=days, through=through) is not None) is is_made


def test_plan_without_a_covariate_has_no_check_of_it() -> None:
    of = plan()
    rows = scored(of, 5.0, 9.0)
    assert imbalance(of, aggregates(of, rows, day(9))) is None


# --- at a cap, in memory ---------------------------------------------------------------------------------------------

SPENT = planned("revenue", Mean(event="paid", window_days=2, cap=100.0), baseline=None, mde=None, role=Role.SECONDARY)
CAPPING = plan(planned(), SPENT)


def tallied(of: PlannedKpi, *by_day: tuple[tuple[int, int], ...]) -> Rows:
    """Of each entry day and variant: how many units are tallied, of how many."""
    rows = Rows(entries=[], moments=[], durations=[])
    for number_, arms in enumerate(by_day):
        for variant, (tally, n) in zip((CONTROL, TREATMENT), arms, strict=True):
            own = {"variant_id": IDS[variant.key], "entered_on": day(number_)}
            rows.entries.append(own | {"segment": "", "n": n})
            rows.tallies.append(own | {"definition_id": of.definition.id, "n": n, "tally": tally})
    return rows


def capping(*by_day: tuple[tuple[int, int], ...], through: int = 9) -> Check | None:
    return capped(CAPPING, aggregates(CAPPING, tallied(SPENT, *by_day), day(through)))


def test_more_than_one_unit_in_twenty_at_a_cap_warns_and_one_in_twenty_does_not() -> None:
    fine = capping(((20, 400), (20, 400)))
    assert fine is not None
    assert (fine.kind, fine.state) == (CheckKind.CAPPED, OK)
    check = capping(((20, 400), (11, 200)), ((0, 0), (10, 200)))
    assert check is not None
    assert check.state is WARNING
    assert check.sentence.startswith("Many units are at the cap: “Revenue” in Shorter form 5.2%. What they do beyond")
    assert number(check, FactName.SHARE, "“Revenue” in Shorter form") == 21 / 400
    assert number(check, FactName.SHARE, "“Revenue” in Control") == 20 / 400


def test_shares_at_a_cap_that_differ_warn_with_the_kernel_on_their_pooled_variance() -> None:
    check = capping(((20, 4000), (120, 4000)))
    assert check is not None
    assert check.state is WARNING
    assert check.sentence == (
        "More units of one variant than of another are at the cap: “Revenue” in Shorter form 3.0%, in Control 0.5%. It"
        " hides a part of the difference."
    )
    variance = 0.0175 * (1 - 0.0175) * 2 / 4000
    k = SPREAD**2 / variance
    log_e = 0.025**2 / variance * k / (2 * (1 + k)) - np.log1p(k) / 2
    assert number(check, FactName.P_VALUE, "“Revenue” in Shorter form") == pytest.approx(np.exp(-log_e))


def test_units_whose_window_is_open_are_not_asked_and_neither_are_few() -> None:
    """The window has two days: entry day 1 is final at the end of day 3."""
    by_day = (((2, 200), (2, 200)), ((90, 200), (90, 200)))
    states = [check and check.state for check in (capping(*by_day, through=through) for through in (2, 3, 4))]
    assert states == [None, OK, WARNING]
    assert capping(((50, 99), (50, 99))) is None


def test_plan_without_a_cap_and_aggregates_without_tallies_have_no_check_of_it() -> None:
    uncapped = plan(
        planned(), replace(SPENT, definition=planned("revenue", Mean(event="paid", window_days=2)).definition)
    )
    assert capped(uncapped, aggregates(uncapped, tallied(SPENT, ((50, 200), (0, 200))), day(9))) is None
    assert capping() is None


# --- how seldom they err ----------------------------------------------------------------------------------------------

PATHS, LOOKS = 2_000, 20
LIMIT = ALARM + 3 * (ALARM * (1 - ALARM) / PATHS) ** 0.5


@pytest.mark.parametrize("share", [0.5, 0.1], ids=["even", "uneven"])
def test_imbalance_looked_at_every_day_seldom_warns_of_sound_arms_and_finds_a_fault(share: float) -> None:
    """A skewed covariate that is zero for most units, drawn alike in both arms; then one that one arm has more of."""
    draw = np.random.default_rng(7)

    def arm(size: int, more: float = 0.0) -> Moments:
        spent = draw.gamma(0.5, 2.0, (PATHS, LOOKS, size)) * (draw.random((PATHS, LOOKS, size)) < 0.2) + more
        return Moments.from_values(spent).cumulative(axis=1)

    control, treatment, shifted = arm(round(100 * (1 - share))), arm(round(100 * share)), arm(round(100 * share), 0.25)
    alarms = [(evidence(control, other) >= -np.log(ALARM)).any(axis=1).mean() for other in (treatment, shifted)]
    assert alarms[0] <= LIMIT
    assert alarms[1] > 0.5


@pytest.mark.parametrize(("share", "sizes"), [(0.01, (100, 100)), (0.3, (20, 10)), (0.02, (200, 20))])
def test_shares_looked_at_every_day_seldom_warn_of_sound_arms_and_a_fault_is_found(
    share: float, sizes: tuple[int, int]
) -> None:
    draw = np.random.default_rng(8)

    def alarms(*shares: float) -> float:
        daily = [draw.binomial(size, one, (PATHS, LOOKS)) for size, one in zip(sizes, shares, strict=True)]
        tally = np.stack([count.cumsum(axis=1) for count in daily], axis=-1)
        n = np.arange(1, LOOKS + 1)[:, np.newaxis] * np.array(sizes)
        return float((apart(tally, np.broadcast_to(n, tally.shape)) >= -np.log(ALARM)).any(axis=(1, 2)).mean())

    assert alarms(share, share) <= LIMIT
    assert alarms(share, share + 0.25) > 0.5


# --- on rows ----------------------------------------------------------------------------------------------------------


KINDS = {"revenue": Mean(event="paid", window_days=2, cap=50.0), "speed": TimeToValue(event="activated", tau_days=3)}


async def watched(database: Database) -> Running:
    """An experiment on an activation, an amount with a cap and a time."""
    async with database.write() as session:
        place = Workspace(key=f"balance-{uuid4().hex}", name="balance", created_at=START)
        session.add(place)
        await session.flush()
        for key, kind in KINDS.items():
            await register_kpi(session, place, key=key, name=key.title(), definition=kind, baseline=None)
    kpis = [PRIMARY, *(KpiChoice(kpi=key, role=Role.SECONDARY) for key in KINDS)]
    made = await draft(database, place, plan=plan_choice(kpis=kpis))
    return Running(experiment=await start(database, made, now=START), workspace=place)


def entered(n: int) -> list[Exposed]:
    """Units of both variants in turn, over three days."""
    return [
        Exposed(unit=f"u{place}", variant=place % 2, at=START + place % 3 * DAY + timedelta(hours=20), plan=None)
        for place in range(n)
    ]


async def checks_on(database: Database, rows: Sequence[Exposed | Did]) -> dict[CheckKind, Check]:
    to = await watched(database)
    await send(database, to, rows)
    await refresh(database, to, NOW)
    return {check.kind: check for check in (await evaluated(database, to.experiment)).health.checks}


@pytest.mark.parametrize(("heavy", "state"), [(12, OK), (40, WARNING)])
async def test_units_that_reach_the_cap_warn_where_they_are_many(
    database: Database, heavy: int, state: HealthState
) -> None:
    """Each of these units of the treatment pays the cap in two pieces; one pays as much too late to count."""
    units = entered(600)
    paid = [
        Did(unit=one.unit, event="paid", at=one.at + hours * HOUR, value=25.0)
        for one in units[1 : 2 * heavy : 2]
        for hours in (1, 30)
    ]
    late = [Did(unit=units[-1].unit, event="paid", at=units[-1].at + hours * HOUR, value=25.0) for hours in (1, 48)]
    check = (await checks_on(database, [*units, *paid, *late]))[CheckKind.CAPPED]
    assert check.state is state
    assert number(check, FactName.SHARE, "“Revenue” in Shorter form") == heavy / 300


@pytest.mark.parametrize(
    ("before", "n", "state"),
    [
        (timedelta(microseconds=1), 18, WARNING),
        (DAY, 18, WARNING),
        (DAY, 14, OK),
        (timedelta(0), 18, OK),  # at the very moment is after it
        (DAY + timedelta(microseconds=1), 18, OK),
    ],
)
async def test_units_that_did_it_in_the_day_before_exposure_warn_where_they_are_many(
    database: Database, before: timedelta, n: int, state: HealthState
) -> None:
    units = entered(600)
    did = [
        Did(unit=one.unit, event="activated", at=one.at - before, value=None)
        for one in units[1 : 2 * n : 2]
        for _ in "ab"
    ]
    check = (await checks_on(database, [*units, *did]))[CheckKind.EARLY_OUTCOMES]
    assert check.state is state
    is_early = timedelta(0) < before <= DAY
    for kpi in ("Activation", "Speed"):
        assert number(check, FactName.SHARE, f"“{kpi}” in Shorter form") == (n / 300 if is_early else 0)
    assert ("Exposures are logged after the change was seen" in check.sentence) is (state is WARNING)


async def test_units_of_one_variant_that_did_it_before_exposure_more_often_warn(database: Database) -> None:
    units = entered(800)
    did = [Did(unit=one.unit, event="activated", at=one.at - HOUR, value=None) for one in units[1:160:2]]
    check = (await checks_on(database, [*units, *did]))[CheckKind.EARLY_OUTCOMES]
    assert "“Activation” in Shorter form 20.0%, in Control 0.0%; “Speed” in Shorter form 20.0%" in check.sentence
    assert number(check, FactName.P_VALUE, "“Speed” in Shorter form") < ALARM


async def test_late_row_of_before_the_exposure_is_counted_and_a_forgotten_unit_is_not(database: Database) -> None:
    to, units = await watched(database), entered(4)
    await send(database, to, units)
    await refresh(database, to, NOW)

    async def early_ones() -> dict[str, int]:
        async with database.raw() as connection:
            rows = (await read(connection, to.experiment.id)).tallies
        kpi = {planned.definition.id: planned.kpi for planned in to.plan.kpis}
        found: dict[str, int] = {}
        for row in rows:
            found[kpi[row["definition_id"]]] = found.get(kpi[row["definition_id"]], 0) + row["tally"]
        return found

    assert await early_ones() == {"activation": 0, "revenue": 0, "speed": 0}
    await send(database, to, [Did(unit="u1", event="activated", at=units[1].at - HOUR, value=None)])
    await refresh(database, to, NOW)
    assert await early_ones() == {"activation": 1, "revenue": 0, "speed": 1}
    async with database.raw() as connection:
        await forget(connection, workspace_id=to.workspace.id, unit="u1", now=NOW)
    await refresh(database, to, NOW)
    assert await early_ones() == {"activation": 0, "revenue": 0, "speed": 0}


async def check_of(database: Database, trial: Trial, covariate: CovariateChoice, *more: Did) -> Check:
    to = await started(database, covariate)
    await send(database, to, [*trial.rows(), *more])
    await refresh(database, to, NOW)
    (found,) = [
        check for check in (await evaluated(database, to.experiment)).health.checks if check.kind is CheckKind.IMBALANCE
    ]
    return found


async def test_attribute_that_one_arm_has_more_of_warns_and_one_drawn_alike_does_not(database: Database) -> None:
    trial = Trial(300, 300)
    assert (await check_of(database, trial, SCORE)).state is OK
    trial.score[trial.arm == 1] += 1.0
    check = await check_of(database, trial, SCORE)
    assert check.state is WARNING
    known = [np.where(np.isnan(trial.score), 0.5, trial.score)[trial.arm == arm].mean() for arm in (0, 1)]
    assert differences(check) == pytest.approx([known[1] - known[0]] * 2)  # of the amount and of the share


async def test_kpi_that_one_arm_had_more_of_before_exposure_warns(database: Database) -> None:
    trial = Trial(300, 300)
    entered = [row for row in trial.rows() if isinstance(row, Exposed)]
    before = [
        Did(unit=row.unit, event="paid", at=row.at - timedelta(days=2), value=1.0 + place % 3 + row.variant)
        for place, row in enumerate(entered)
    ]
    check = await check_of(database, trial, CovariateChoice(pre_exposure_days=28), *before)
    assert check.state is WARNING
    assert "over 28 days before exposure in Shorter form" in check.sentence
    assert differences(check) == pytest.approx([1.0])  # nobody was active before: of that nothing can be said
