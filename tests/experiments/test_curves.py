"""Curves of shares on Postgres against a recount of the rows in pandas, with limits and Kaplan-Meier of statsmodels."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.proportion import proportion_confint

from api.database import Database, driver
from experiments.aggregation import warehouse
from experiments.enums import Role
from experiments.inference import analysis
from experiments.inference.findings import Curve, Finding
from experiments.planning.draft import KpiChoice
from kpi.kinds import Activation, Retention
from kpi.kinds.shape import CurveOf
from kpi.tables import Workspace
from tests.experiments.aggregating import START, Running, refresh, send
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.experiments.registering import PRIMARY, draft, plan_choice, start
from tests.kpi.registering import register_kpi

LAST, WINDOW = 5, 4
KINDS = {
    "back": Retention(event="visited", day=LAST, has_curve=True),
    "back-alone": Retention(event="visited", day=LAST),
    "visited": Activation(event="visited", window_days=WINDOW, has_curve=True),
}
THROUGH = START + 11 * DAY
VARIANTS = ("control", "treatment")


async def curved(database: Database, workspace: Workspace) -> Running:
    """A running experiment with shares by day."""
    async with database.write() as session:
        for key, kind in KINDS.items():
            await register_kpi(session, workspace, key=key, definition=kind, baseline=None)
    choices = [PRIMARY, *(KpiChoice(kpi=key, role=Role.SECONDARY) for key in KINDS)]
    plan = plan_choice(kpis=choices, segment_attributes=["plan"])
    made = await draft(database, workspace, plan=plan)
    return Running(experiment=await start(database, made, now=START), workspace=workspace)


def lived(units: int) -> tuple[list[Exposed], list[Did]]:
    """Units of eight days, and what they did over the ten days after."""
    draw = np.random.default_rng(7)
    met = [
        Exposed(unit=f"u{n}", variant=n % 2, at=START + timedelta(minutes=int(at)), plan=("free", "pro")[n % 3 == 0])
        for n, at in enumerate(draw.integers(0, 8 * 1440, units))
    ]
    visits = draw.poisson([2.0 + one.variant for one in met])
    did = [
        Did(unit=one.unit, event="visited", at=one.at + timedelta(minutes=int(at)), value=None)
        for one, many in zip(met, visits, strict=True)
        for at in draw.integers(0, 10 * 1440, many)
    ]
    return met, did


def watched(met: Sequence[Exposed], did: Sequence[Did], through: datetime) -> pd.DataFrame:
    """A row for each unit that has been watched for a day: how long, and the days of its own on which it came."""
    frame = pd.DataFrame([{"unit": one.unit, "variant": one.variant, "plan": one.plan, "at": one.at} for one in met])
    frame["age"] = (pd.Timestamp(through) - frame["at"].dt.floor("D")).dt.days - 1
    came = pd.DataFrame([{"unit": one.unit, "did": one.at} for one in did]).merge(frame, on="unit")
    came["day"] = (came["did"] - came["at"]) // pd.Timedelta(days=1)
    days = came.groupby("unit")["day"].agg(set).rename("days")
    joined = frame.merge(days, on="unit", how="left")
    joined["days"] = [own if isinstance(own, set) else set() for own in joined["days"]]
    return joined[joined["age"] > 0]


def assert_returned(found: Curve, units: pd.DataFrame) -> None:
    for at, day in enumerate(range(1, LAST + 1)):
        own = units[units["age"] > day]
        came = sum(day in days for days in own["days"])
        assert found.at_risk[at] == len(own)
        if own.empty:
            assert (found.share[at], found.lower[at], found.upper[at]) == (None, None, None)
        else:
            assert found.share[at] == pytest.approx(came / len(own))
            limits = proportion_confint(came, len(own), alpha=0.05, method="wilson")
            assert (found.lower[at], found.upper[at]) == pytest.approx(limits)


def assert_reached(found: Curve, units: pd.DataFrame) -> None:
    first = np.array([min((day for day in days if day >= 0), default=99) for days in units["days"]])
    watched_for = np.minimum(units["age"], WINDOW)
    happened = first < watched_for
    fitted = SurvfuncRight(np.where(happened, first + 1, watched_for), happened)
    assert fitted.surv_times.tolist() == [1, 2, 3, 4], (
        "somebody does it on each day, so that there are no steps to fill"
    )
    left, error = fitted.surv_prob, fitted.surv_prob_se
    stretch = np.exp(norm.isf(0.025) * error / (left * np.log(left)))
    assert found.share == pytest.approx((1 - left).tolist())
    assert found.lower == pytest.approx((1 - left**stretch).tolist())
    assert found.upper == pytest.approx((1 - left ** (1 / stretch)).tolist())
    assert found.at_risk == [int(((watched_for >= day) & (first >= day - 1)).sum()) for day in range(1, WINDOW + 1)]


async def findings(database: Database, of: Running, as_of: datetime | None = None) -> list[Finding]:
    async with database.read() as session:
        seen = await analysis.results(session, await driver(session), of.experiment, as_of)
    assert seen is not None
    return [*seen.evaluation.findings, *seen.evaluation.segment_findings]


def arms(finding: Finding) -> list[tuple[int, Curve]]:
    assert finding.curves is not None
    return [(0, finding.curves.control), (1, finding.curves.treatment)]


async def test_curves_of_shares_equal_a_recount_of_the_rows_today_and_as_of_any_day(
    database: Database, workspace: Workspace
) -> None:
    to = await curved(database, workspace)
    met, did = lived(500)
    for on in range(1, 12):  # a day at a time; what was done on every third day comes in a day late
        until, before = START + on * DAY, START + (on - 1) * DAY
        rows: list[Exposed | Did] = [one for one in met if before <= one.at < until]
        rows += [one for one in did if before <= one.at < until and on % 3]
        rows += [one for one in did if before - DAY <= one.at < before and on % 3 == 1]
        await send(database, to, rows)
        await refresh(database, to, until)
    for as_of in (None, START + 6 * DAY):
        units = watched(met, [one for one in did if one.at < THROUGH], as_of or THROUGH)
        for finding in await findings(database, to, as_of):
            own = units if not finding.segment else units[units["plan"] == finding.segment.removeprefix("plan=")]
            if finding.kpi not in ("back", "visited"):
                assert finding.curves is None
                continue
            assert finding.curves is not None
            for variant, curve in arms(finding):
                check = assert_returned if finding.kpi == "back" else assert_reached
                check(curve, own[own["variant"] == variant])


async def test_curves_say_what_they_are_of_and_end_with_the_kpis_own_number(
    database: Database, workspace: Workspace
) -> None:
    to = await curved(database, workspace)
    met, did = lived(300)
    await send(database, to, [*met, *did])
    await refresh(database, to, START + 30 * DAY)
    by_kpi = {finding.kpi: finding for finding in await findings(database, to) if not finding.segment}
    back, visited = by_kpi["back"], by_kpi["visited"]
    assert back.curves is not None
    assert visited.curves is not None
    assert (back.curves.of, back.curves.days) == (CurveOf.RETURNED, [1, 2, 3, 4, 5])
    assert (visited.curves.of, visited.curves.days) == (CurveOf.REACHED, [1, 2, 3, 4])
    assert (back.curves.log_rank, back.curves.hazard_ratio, back.curves.control.median) == (None, None, None)
    assert visited.curves.log_rank is not None
    # Everybody's window has closed: the last day of the curve is the KPI itself, which a curve does not change.
    assert back.curves.control.share[-1] == pytest.approx(back.control.value)
    assert visited.curves.treatment.share[-1] == pytest.approx(visited.treatment.value)
    assert back.curves.treatment.at_risk[-1] == back.treatment.n
    alone = by_kpi["back-alone"]
    assert (back.difference, back.p_value, back.interval) == (alone.difference, alone.p_value, alone.interval)


async def test_aggregates_without_days_have_a_number_and_no_curve(database: Database, workspace: Workspace) -> None:
    to = await curved(database, workspace)
    cell: dict[str, Any] = {"experiment": "shorter-form", "enteredOn": START.date()}
    rows = [
        cell | {"variant": variant} | more
        for variant in VARIANTS
        for more in (
            {"n": 100},
            {"n": 100, "kpi": "back", "successes": 30},
            {"n": 100, "kpi": "visited", "successes": 9},
        )
    ]
    rows += [cell | {"variant": "treatment", "kpi": "visited", "day": day, "events": 3} for day in (0, 2, 3)]
    async with database.raw() as connection:
        report = await warehouse.ingest(connection, workspace_id=to.workspace.id, rows=rows, now=THROUGH)
    assert report.refusals == ()
    await refresh(database, to, THROUGH)
    by_kpi = {finding.kpi: finding for finding in await findings(database, to)}
    assert (by_kpi["back"].control.value, by_kpi["back"].curves) == (0.3, None)
    shares = [curve.share for _, curve in arms(by_kpi["visited"])]
    assert shares == [[0, 0, 0, 0], pytest.approx([0.03, 0.03, 0.06, 0.09])]
