"""A ratio from rows to findings, against Welch's test of the straightened rows and the kernel written out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import exp, log, sqrt
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, ttest_ind

from api.database import Database, driver
from experiments.aggregation import aggregates, floor
from experiments.enums import Policy, Role
from experiments.inference.analysis import Results
from experiments.inference.behaviour import trend
from experiments.inference.facts import FactName
from experiments.inference.health import HealthState
from experiments.planning import history
from experiments.planning.draft import CovariateChoice, KpiChoice
from kpi.errors import Invalid
from kpi.kinds import Mean, Ratio, Total
from kpi.kinds.terms import Amount, How, Measured, Term
from kpi.service import BaselineValue
from kpi.tables import Workspace
from stats.results import Reason
from tests.experiments.aggregating import START, Running, bring_up, refresh, send
from tests.experiments.planning import IDS, Rows, day, plan, planned
from tests.experiments.planning import aggregates as laid_out
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.experiments.registering import CONTROL, TREATMENT, draft, plan_choice, start
from tests.experiments.test_warehouse import evaluated
from tests.kpi.registering import register_kpi
from tests.kpi.test_service import faults

NOW = START + 12 * DAY
PER_VISIT = Ratio(
    window_days=3,
    numerator=Term(amount=Amount(event="paid", of=Measured.VALUE)),
    denominator=Term(amount=Amount(event="visited", of=Measured.COUNT)),
)
MRR = {name: Amount(event="mrr", of=Measured[f"LEVEL_AT_{name}"]) for name in ("START", "END")}
NRR = Ratio(
    window_days=3,
    numerator=Term(amount=MRR["END"], how=How.KEPT, other=MRR["START"]),
    denominator=Term(amount=MRR["START"]),
)
CELL = ("definition_id", "variant_id", "entered_on")
Array = np.ndarray[Any, np.dtype[np.float64]]


class Trial:
    """Units of two variants with visits, some without any, what they pay, and their recurring revenue."""

    def __init__(self, n: int, m: int) -> None:
        draw = np.random.default_rng(n)
        self.arm = np.repeat([0, 1], [n, m])
        self.visits = draw.poisson(draw.lognormal(0.8, 0.6, n + m))
        self.paid = np.round(self.visits * draw.gamma(2.0 + 0.4 * self.arm, 1.0), 2)
        self.before = np.where(draw.random(n + m) < 0.9, np.round(draw.lognormal(3, 1, n + m), 2), 0.0)
        self.after = np.round(self.before * draw.choice([0.0, 0.8, 1.0, 1.4], n + m), 2)

    def rows(self) -> list[Exposed | Did]:
        """Entries over three days, and what each unit does around and after them."""
        rows: list[Exposed | Did] = []
        for place, arm in enumerate(self.arm):
            unit, at = f"u{place}", START + (place % 3) * DAY + timedelta(minutes=place)
            rows.append(Exposed(unit=unit, variant=int(arm), at=at, plan=None))
            visits = range(int(self.visits[place]))
            rows += [
                Did(unit=unit, event="visited", at=at + DAY + n * timedelta(minutes=1), value=None) for n in visits
            ]
            rows.append(Did(unit=unit, event="paid", at=at + DAY, value=float(self.paid[place])))
            rows.append(Did(unit=unit, event="mrr", at=at - 200 * DAY, value=float(self.before[place])))
            rows.append(Did(unit=unit, event="mrr", at=at + 2 * DAY, value=float(self.after[place])))
        return rows

    def arms(self, above: Array, below: Array) -> tuple[Array, Array]:
        """Deng, Knoblich & Lu's straight line of each arm, unit by unit."""
        return straight(above[self.arm == 0], below[self.arm == 0]), straight(
            above[self.arm == 1], below[self.arm == 1]
        )


def straight(above: Array, below: Array) -> Array:
    level = above.sum() / below.sum()
    return np.asarray(level + (above - level * below) / below.mean())


async def started(database: Database, policy: Policy) -> Running:
    async with database.write() as session:
        place = Workspace(key=f"ratios-{datetime.now(UTC).timestamp()}", name="ratios", created_at=START)
        session.add(place)
        await session.flush()
        for key, kind in (("per-visit", PER_VISIT), ("nrr", NRR)):
            await register_kpi(session, place, key=key, definition=kind, baseline=None)
    kpis = [
        KpiChoice(kpi="per-visit", role=Role.PRIMARY, mde_difference=0.2),
        KpiChoice(kpi="nrr", role=Role.SECONDARY, mde_difference=0.1),
    ]
    made = await draft(
        database,
        place,
        variants=[CONTROL, replace(TREATMENT, weight=1.0)],
        plan=plan_choice(kpis=kpis, policy=policy, horizon_days=12, looks=3),
    )
    return Running(experiment=await start(database, made, now=START), workspace=place)


async def found(database: Database, trial: Trial, policy: Policy) -> Results:
    to = await started(database, policy)
    await send(database, to, trial.rows())
    await refresh(database, to, NOW)
    return await evaluated(database, to.experiment)


async def test_finding_of_a_ratio_is_welchs_test_of_its_straightened_rows(database: Database) -> None:
    trial = Trial(300, 260)
    visits, kept = trial.visits.astype(float), np.where(trial.before > 0, trial.after, 0.0)
    results = await found(database, trial, Policy.FIXED)
    for finding, above, below in zip(
        results.evaluation.findings, (trial.paid, kept), (visits, trial.before), strict=True
    ):
        control, treatment = trial.arms(above, below)
        theirs = ttest_ind(treatment, control, equal_var=False)
        limits = theirs.confidence_interval(0.95)
        assert finding.control.value == pytest.approx(control.mean(), rel=1e-9)
        assert finding.difference == pytest.approx(treatment.mean() - control.mean(), rel=1e-9)
        assert finding.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
        assert finding.interval is not None
        assert (finding.interval.lower, finding.interval.upper) == pytest.approx((limits.low, limits.high), rel=1e-8)
        assert "delta method" in finding.method
        assert (finding.control.n, finding.treatment.n) == (300, 260)


async def test_lift_of_a_ratio_has_the_log_interval_of_the_delta_method(database: Database) -> None:
    trial = Trial(300, 260)
    (finding, _) = (await found(database, trial, Policy.FIXED)).evaluation.findings
    control, treatment = trial.arms(trial.paid, trial.visits.astype(float))
    errors = [arm.std(ddof=1) / sqrt(arm.size) / arm.mean() for arm in (control, treatment)]
    assert finding.lift is not None
    assert finding.lift == pytest.approx(treatment.mean() / control.mean() - 1, rel=1e-9)
    assert finding.interval is not None
    assert finding.lift_interval is not None
    # As wide, in standard errors, as the interval of the difference, which is t's.
    width = (finding.interval.upper - finding.interval.lower) / 2 / (finding.standard_error or 0)
    away = norm.ppf(norm.cdf(width)) * sqrt(sum(error**2 for error in errors))
    expected = [exp(log(1 + finding.lift) + side * away) - 1 for side in (-1, 1)]
    assert [finding.lift_interval.lower, finding.lift_interval.upper] == pytest.approx(expected, rel=1e-6)


async def test_ratio_that_is_watched_has_the_kernels_interval(database: Database) -> None:
    trial = Trial(300, 260)
    results = await found(database, trial, Policy.ALWAYS_VALID)
    (finding, _) = results.evaluation.findings
    control, treatment = trial.arms(trial.paid, trial.visits.astype(float))
    variance = control.var(ddof=1) / control.size + treatment.var(ddof=1) / treatment.size
    alpha = 0.05
    size = 0.2 / (norm.ppf(1 - alpha / 2) + norm.ppf(0.8))  # the standard error that finds the mde at one look
    c = -2 * log(alpha) + log(1 - 2 * log(alpha))  # as docs/statistics.md tunes the mixture
    k = c * size**2 / variance
    half = sqrt(variance * (1 + k) / k * (log(1 + k) - 2 * log(alpha)))
    assert finding.always_valid is not None
    middle = treatment.mean() - control.mean()
    limits = (finding.always_valid.interval.lower, finding.always_valid.interval.upper)
    assert limits == pytest.approx((middle - half, middle + half), rel=1e-6)


async def test_ratio_on_planned_looks_is_looked_at_with_the_variance_of_its_straight_line(database: Database) -> None:
    trial = Trial(300, 260)
    (finding, _) = (await found(database, trial, Policy.GROUP_SEQUENTIAL)).evaluation.findings
    control, treatment = trial.arms(trial.paid, trial.visits.astype(float))
    error = sqrt(control.var(ddof=1) / control.size + treatment.var(ddof=1) / treatment.size)
    assert finding.course is not None
    last = [look for look in finding.course.looks if look.statistic is not None][-1]
    assert last.statistic == pytest.approx((treatment.mean() - control.mean()) / error, rel=1e-9)


async def test_ratio_without_anything_to_divide_by_says_so(database: Database) -> None:
    trial = Trial(150, 140)
    trial.visits[trial.arm == 1] = 0
    trial.before[:] = 0
    visits, nrr = (await found(database, trial, Policy.FIXED)).evaluation.findings
    assert [one.reason for one in (visits, nrr)] == [Reason.ZERO_DENOMINATOR] * 2
    assert [one.difference for one in (visits, nrr)] == [None, None]
    assert visits.control.value == pytest.approx(trial.paid[:150].sum() / trial.visits[:150].sum())
    assert [visits.treatment.value, nrr.control.value, nrr.treatment.value] == [None] * 3


async def test_level_that_comes_late_changes_the_days_it_is_looked_for_from(database: Database) -> None:
    """As deriving everything anew would; it happened long before anybody entered."""
    trial, to = Trial(40, 40), await started(database, Policy.FIXED)
    await send(database, to, trial.rows())
    before = await ratios(database, to)
    late = [Did(unit="u0", event="mrr", at=START - days * DAY, value=500.0) for days in (199, 401)]
    await send(database, to, late)
    found = await ratios(database, to)
    assert found == await ratios(database, to, everything=True)
    of = (trial.arm == 0) & (np.arange(80) % 3 == 0)
    levels = np.where(np.arange(80) == 0, 500.0, trial.before)
    (changed,) = (place for place in found if found[place] != before[place])
    assert (changed[0], changed[-1]) == ("nrr", START.date())
    assert found[changed] == pytest.approx((of.sum(), levels[of].mean()))


async def ratios(database: Database, to: Running, *, everything: bool = False) -> dict[tuple[Any, ...], Any]:
    """Units and mean denominator by KPI, variant and entry day."""
    async with database.raw() as connection:
        await bring_up(connection, to, NOW, everything=everything)
        rows = await aggregates.read(connection, to.experiment.id)
        n = {tuple(row[name] for name in CELL): row["n"] for row in rows.moments}
    kpis = {planned.definition.id: planned.kpi for planned in to.plan.kpis}
    below = {tuple(row[name] for name in CELL): row["mean_x"] for row in rows.covariates}
    return {(kpis[place[0]], *place[1:]): (n[place], below[place]) for place in below}


async def test_rows_below_the_floor_stay_while_levels_of_a_later_day_may_rest_on_them(database: Database) -> None:
    """Of an experiment that takes units in, whose levels are looked for 400 days back."""
    trial, to = Trial(4, 4), await started(database, Policy.FIXED)
    await send(database, to, trial.rows())
    await refresh(database, to, START + 60 * DAY)
    async with database.raw() as connection:
        assert await floor.raise_floor(
            connection, workspace_id=to.workspace.id, retention_days=20, now=START + 60 * DAY
        )
        await floor.drop_rows(connection, workspace_id=to.workspace.id)
        kept = "SELECT count(*) FROM outcomes WHERE workspace_id = $1 AND occurred_at < $2"
        assert await connection.fetchval(kept, to.workspace.id, START) == 8


async def test_values_of_past_control_units_are_those_of_the_straight_line(database: Database) -> None:
    """What splits of them are drawn from."""
    trial, to = Trial(300, 260), await started(database, Policy.FIXED)
    await send(database, to, trial.rows())
    await refresh(database, to, NOW)
    async with database.write() as session:
        connection = await driver(session)
        past = await history.past(session, connection, to.experiment)
        trials = await history.trials(connection, past)
    assert [one.kpi for one in trials] == ["per-visit", "nrr"]
    split = trials[0]
    assert isinstance(split, history.Trial)
    control, _ = trial.arms(trial.paid, trial.visits.astype(float))
    drawn = np.repeat(split.split.values, split.split.counts)  # type: ignore[union-attr]  # amounts, not times
    assert np.sort(drawn) == pytest.approx(np.sort(control), rel=1e-9)


def test_trend_of_a_ratio_is_the_slope_of_its_straightened_rows_by_entry_day() -> None:
    """Its effect grows by 0.05 a day of entry; every day brings as many units."""
    draw, days, n = np.random.default_rng(5), 20, 300
    below = draw.poisson(3.0, (2, days, n)).astype(float)
    grown = np.stack((np.zeros(days), 0.05 * np.arange(days)))[..., np.newaxis]
    above = below * (2 + grown) + draw.normal(0, 1, below.shape)
    kpi = planned("per-visit", PER_VISIT, mde=0.2, baseline=None)
    of = plan(kpi, horizon_days=40)
    rows = Rows(entries=[], moments=[], durations=[])
    for arm, variant in enumerate(of.variants):
        for number in range(days):
            cell = {"variant_id": IDS[variant.key], "entered_on": day(number), "segment": ""}
            y, x = above[arm, number], below[arm, number]
            rows.entries.append(cell | {"n": n})
            sums = {"mean": y.mean(), "m2": n * y.var(), "mean_x": x.mean(), "m2_x": n * x.var()}
            common = {"c_xy": n * np.cov(y, x, ddof=0)[0, 1], "missing": 0, "n": n}
            rows.moments.append(cell | {"definition_id": kpi.definition.id} | sums | common)
    check = trend(of, laid_out(of, rows, day(30)))
    lines = [straight(above[arm].ravel(), below[arm].ravel()).reshape(days, n).mean(axis=-1) for arm in (0, 1)]
    slope, _ = np.polyfit(np.arange(days) / 7, lines[1] - lines[0], 1)
    assert check is not None
    assert check.state is HealthState.WARNING
    assert [fact.value for fact in check.facts if fact.name is FactName.SLOPE] == [pytest.approx(slope, rel=1e-9)]


async def test_plan_with_a_ratio_and_a_covariate_is_refused_at_its_place(
    database: Database, workspace: Workspace
) -> None:
    async with database.write() as session:
        await register_kpi(session, workspace, key="per-visit", definition=PER_VISIT, baseline=None)
    choice = KpiChoice(kpi="per-visit", role=Role.SECONDARY, covariate=CovariateChoice(pre_exposure_days=7))
    with pytest.raises(Invalid) as invalid:
        await draft(database, workspace, plan=plan_choice(kpis=[*plan_choice().kpis, choice]))
    assert faults(invalid.value) == [("BAD_USER_INPUT", "plan.kpis.1.covariate")]
    assert "is a ratio" in invalid.value.problems[0].message


async def test_plan_pins_the_baseline_of_a_total_per_unit(database: Database, workspace: Workspace) -> None:
    """400 incidents of 200 units, give or take 30: 2 a unit, give or take 0.15."""
    async with database.write() as session:
        for key, n in (("incidents", 200), ("unknown", None)):
            stated = BaselineValue(value=400.0, standard_error=30.0, n=n)
            await register_kpi(session, workspace, key=key, definition=Total(event=key, window_days=7), baseline=stated)
        mean = BaselineValue(value=2.0, standard_error=0.15, n=200)
        await register_kpi(session, workspace, key="mean", definition=Mean(event="x", window_days=7), baseline=mean)
    keys = ("incidents", "unknown", "mean")
    choices = [KpiChoice(kpi=key, role=Role.SECONDARY) for key in keys]
    made = await draft(database, workspace, plan=plan_choice(kpis=[*plan_choice().kpis, *choices]))
    total, unknown, per_unit = (made.plan["kpis"][place]["baseline"] for place in (1, 2, 3))
    assert total == {"version": 1, "value": 2.0, "standard_error": 0.15, "n": 200}
    assert (unknown, per_unit) == (None, total)
