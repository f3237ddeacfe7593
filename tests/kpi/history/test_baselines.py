"""Baselines measured from history: the level of cohorts that are final, on the record."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from api.database import Database
from api.jobs.histories import measure_baselines, refresh_histories
from kpi import governance, queries
from kpi.actor import Actor
from kpi.enums import Granularity
from kpi.errors import Invalid
from kpi.history.audit import Audit, audit
from kpi.history.baselines import is_due, window
from kpi.history.entry import Entry
from kpi.kinds import Activation, Kind, TimeToValue
from kpi.service import BaselineValue
from kpi.tables import Baseline, BaselineSchedule, Definition, Workspace
from tests.conftest import Ask
from tests.kpi.history.rows import NOW, derive, kept, send
from tests.kpi.registering import register_kpi

SIGNED_UP = Entry(event="signed_up")
ACTIVATION = Activation(event="activated", window_days=7)


@pytest.fixture
async def rows(database: Database, workspace: Workspace) -> None:
    """Ten users who entered in May, of whom three activated on their second day."""
    entered = [(f"u{place}", "signed_up", f"2026-05-{place + 1:02}T08:00:00Z", None) for place in range(10)]
    await send(database, workspace, entered)
    await send(
        database,
        workspace,
        [(f"u{place}", "activated", f"2026-05-{place + 2:02}T09:00:00Z", None) for place in (1, 4, 7)],
    )


def who(workspace: Workspace) -> Actor:
    return Actor(workspace_id=workspace.id, name="ada", id="k1", now=NOW, reason="The level before the summer.")


async def measured(
    database: Database, workspace: Workspace, kind: Kind, first: date, last: date
) -> tuple[Definition, Baseline]:
    definition = await kept(database, workspace, kind, SIGNED_UP, baseline=None)
    await derive(database, definition)
    async with database.write() as session:
        await governance.measure_baseline(
            session, actor=who(workspace), kpi_id=definition.kpi_id, from_on=first, to_on=last
        )
        return definition, (await queries.latest_baselines(session, [definition.id]))[definition.id]


@pytest.mark.usefixtures("rows")
async def test_baseline_of_a_share_is_that_of_the_units_of_the_window(database: Database, workspace: Workspace) -> None:
    _, found = await measured(database, workspace, ACTIVATION, date(2026, 5, 1), date(2026, 5, 31))
    did = np.array([1] * 3 + [0] * 7)
    assert (found.n, found.is_measured) == (10, True)
    assert found.value == pytest.approx(0.3)
    assert found.standard_error == pytest.approx(did.std(ddof=1) / 10**0.5)


@pytest.mark.usefixtures("rows")
async def test_baseline_of_a_time_to_value_has_the_curve_behind_it(database: Database, workspace: Workspace) -> None:
    kind = TimeToValue(event="activated", tau_days=3)
    _, found = await measured(database, workspace, kind, date(2026, 5, 1), date(2026, 5, 31))
    assert found.curve is not None
    # Three of ten on their day 1, counted from 0; Greenwood (1926) for a share without censoring is p (1 - p) / n.
    assert found.curve["survival"] == [1, pytest.approx(0.7), pytest.approx(0.7)]
    assert found.curve["variance"][1:] == [pytest.approx(0.7 * 0.3 / 10)] * 2
    assert found.value == pytest.approx(1 + 1 + 0.7)


@pytest.mark.usefixtures("rows")
async def test_baseline_of_units_still_observed_is_refused_with_the_last_day_that_is_final(
    database: Database, workspace: Workspace
) -> None:
    definition = await kept(database, workspace, ACTIVATION, SIGNED_UP)
    await derive(database, definition, date(2026, 5, 14))
    async with database.write() as session:
        with pytest.raises(Invalid, match="The last day that is final is 2026-05-06"):
            await governance.measure_baseline(
                session,
                actor=who(workspace),
                kpi_id=definition.kpi_id,
                from_on=date(2026, 5, 1),
                to_on=date(2026, 5, 31),
            )


async def test_baseline_of_a_window_without_units_is_refused(database: Database, workspace: Workspace) -> None:
    with pytest.raises(Invalid, match="Nobody entered in this window"):
        await measured(database, workspace, ACTIVATION, date(2026, 5, 1), date(2026, 5, 31))


async def test_baseline_of_a_kpi_without_an_entry_is_refused(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        kpi = await register_kpi(session, workspace)
        with pytest.raises(Invalid, match="whom it counts outside experiments"):
            await governance.measure_baseline(
                session, actor=who(workspace), kpi_id=kpi.id, from_on=date(2026, 5, 1), to_on=date(2026, 5, 2)
            )


async def test_error_of_a_stated_share_follows_from_its_units(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        kpi = await register_kpi(session, workspace, baseline=BaselineValue(value=0.2, n=400))
        (definition,) = (await queries.latest_definitions(session, [kpi.id])).values()
        found = (await queries.latest_baselines(session, [definition.id]))[definition.id]
    assert found.standard_error == pytest.approx((0.2 * 0.8 / 400) ** 0.5)


async def test_schedule_measures_a_baseline_once_a_period(database: Database, workspace: Workspace) -> None:
    days = [datetime.now(UTC).date().toordinal() - 60 + place for place in range(30)]
    entered = [(f"u{day}", "signed_up", f"{date.fromordinal(day)}T08:00:00Z", None) for day in days]
    await send(database, workspace, entered, now=datetime.now(UTC))
    await send(
        database,
        workspace,
        [(unit, "activated", at, None) for unit, _, at, _ in entered[::3]],
        now=datetime.now(UTC),
    )
    definition = await kept(database, workspace, ACTIVATION, SIGNED_UP, baseline=None)
    async with database.write() as session:
        await governance.schedule_baseline(
            session, actor=who(workspace), kpi_id=definition.kpi_id, every=Granularity.MONTH, days=90
        )
    for _ in range(2):
        await refresh_histories(database)
        await measure_baselines(database)
    async with database.read() as session:
        found = (await queries.baselines_of(session, [definition.id]))[definition.id]
    assert [row.n for row in found] == [30]
    assert found[0].value == pytest.approx(1 / 3)


def test_schedule_is_due_when_a_period_has_ended_since() -> None:
    schedule = BaselineSchedule(kpi_id=1, every=Granularity.MONTH, days=30, measured_on=date(2026, 5, 3))
    assert not is_due(schedule, date(2026, 5, 31))
    assert is_due(schedule, date(2026, 6, 1))


def test_window_ends_with_the_last_day_that_is_final() -> None:
    definition = Definition(
        kpi_id=1,
        version=1,
        kind="activation",
        parameters={"event": "a", "window_days": 7},
        entry={"event": "s"},
        created_at=NOW,
    )
    assert window(definition, date(2026, 5, 31), 10) == (date(2026, 5, 14), date(2026, 5, 23))


async def test_audit_names_the_days_without_rows_and_those_with_far_too_many(
    database: Database, workspace: Workspace
) -> None:
    rng = np.random.default_rng(3)
    first = date(2026, 3, 1)
    rows = []
    for place in range(100):
        day = date.fromordinal(first.toordinal() + place)
        n = {80: 0, 81: 0, 90: 200}.get(place, 20 + int(rng.integers(0, 5)))
        rows += [(f"u{place}-{one}", "signed_up", f"{day}T08:00:00Z", None) for one in range(n)]
    await send(database, workspace, rows)
    definition = await kept(database, workspace, ACTIVATION, SIGNED_UP, baseline=None)
    await derive(database, definition)
    async with database.read() as session:
        found = await audit(
            session,
            workspace_id=workspace.id,
            events=["signed_up", "never_sent"],
            from_on=date(2026, 5, 1),
            to_on=date(2026, 6, 8),
        )
    by_look = {(one.event, one.audit): one for one in found}
    assert by_look["signed_up", Audit.GAPS].sentence == "No rows where some are usual: 2026-05-20, 2026-05-21."
    assert "2026-05-30" in by_look["signed_up", Audit.JUMPS].sentence
    assert {one.is_sound for one in found if one.event == "never_sent"} == {True}


@pytest.mark.usefixtures("rows")
async def test_audit_counts_what_was_sent_again(database: Database, workspace: Workspace) -> None:
    again = [(f"u{place}", "signed_up", f"2026-05-{place + 1:02}T08:00:00Z", None) for place in range(10)]
    await send(database, workspace, again)
    _, found = await measured(database, workspace, ACTIVATION, date(2026, 5, 1), date(2026, 5, 31))
    assert found.audit is not None
    (said,) = [one for one in found.audit if one["audit"] == "DUPLICATES"]
    assert not said["is_sound"]
    # Thirteen were new, and ten came again.
    assert said["sentence"] == "10 outcomes were sent again since (43.5% of all that came); none counts twice."


async def test_api_tells_drift_from_the_baseline_and_why_nothing_can_be_said(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    days = [date(2026, 1, 5) + timedelta(days=place) for place in range(140)]
    entered = [(f"u{day}-{one}", "signed_up", f"{day}T08:00:00Z", None) for day in days for one in range(20)]
    await send(database, workspace, entered)
    # Six of twenty activated each day until the end of March, and twelve of twenty since.
    acted = [
        (f"u{day}-{one}", "activated", f"{day}T09:00:00Z", None)
        for day in days
        for one in range(6 if day < date(2026, 4, 1) else 12)
    ]
    await send(database, workspace, acted)
    definition = await kept(database, workspace, ACTIVATION, SIGNED_UP, baseline=None)
    await derive(database, definition)
    asked = '{ kpi(key: "activation") { drift(granularity: WEEK) { hasDrifted level baseline lower sentence } } }'
    assert (await ask(asked, now=NOW))["kpi"]["drift"] is None
    async with database.write() as session:
        await governance.measure_baseline(
            session,
            actor=who(workspace),
            kpi_id=definition.kpi_id,
            from_on=date(2026, 1, 5),
            to_on=date(2026, 3, 29),
        )
    found = (await ask(asked, now=NOW))["kpi"]["drift"]
    assert found["hasDrifted"] is True
    assert found["baseline"] == pytest.approx(0.3)
    assert 0.55 < found["level"] < 0.6
    assert found["lower"] > 0
    weeks = '{ kpi(key: "activation") { drift(granularity: QUARTER) { hasDrifted sentence } } }'
    silent = (await ask(weeks, now=NOW))["kpi"]["drift"]
    assert silent["hasDrifted"] is None
    assert silent["sentence"]
