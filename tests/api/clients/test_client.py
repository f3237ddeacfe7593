"""The Python client on a real server: what it sends, what comes back, and what it says when something is wrong."""

import asyncio
from asyncio import to_thread
from contextlib import aclosing
from datetime import UTC, date, datetime
from typing import Any

import pytest

from api.auth import keys
from api.auth.keys import Scope
from api.database import Database
from api.graphql.nodes import local_id
from api.jobs.refresh import refresh_due
from kpi.history.entry import Entry
from kpi.kinds import Activation
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import SECRET, MakeKey
from tests.api.servers import serving
from tests.conftest import Ask
from tests.kpi.history.rows import derive, kept
from tests.service.running import free_port
from truelift import (
    AsyncTruelift,
    BadInput,
    Forbidden,
    NoResults,
    NotFound,
    Rejection,
    Truelift,
    TrueliftError,
    Unauthenticated,
    Unavailable,
)
from truelift.enums import ExperimentState, Granularity, HealthState, KpiRole, VerdictState

ARM = 600
"""Units of an arm, so that their exposures are two batches."""
ACTIVE = {"control": 240, "tour": 360}
"""Units of an arm that activate: 40% and 60%."""
EXPOSURES = [
    {"experiment": "guided-tour", "unit": f"{arm}-{number}", "variant": arm, "exposed_at": "2026-06-02T08:00:00Z"}
    for arm in ACTIVE
    for number in range(ARM)
]
OUTCOMES = [
    {"unit": f"{arm}-{number}", "event": "activated", "occurred_at": datetime(2026, 6, 3, tzinfo=UTC)}
    for arm, count in ACTIVE.items()
    for number in range(count)
]


async def test_rows_that_go_in_come_out_as_a_finding_and_a_verdict(
    notebook: Truelift, database: Database, started: str
) -> None:
    exposed = await to_thread(notebook.ingest_exposures, EXPOSURES)
    assert (exposed.accepted, exposed.duplicates, exposed.rejections) == (2 * ARM, 0, ())
    again = await to_thread(notebook.ingest_exposures, EXPOSURES)
    assert (again.accepted, again.duplicates, again.rejections) == (0, 2 * ARM, ())
    assert (await to_thread(notebook.ingest_outcomes, OUTCOMES)).accepted == 600
    await refresh_due(database)
    (listed,) = await to_thread(notebook.experiments)
    assert (listed.key, listed.state, listed.id) == ("guided-tour", ExperimentState.RUNNING, started)
    assert [variant.key for variant in listed.variants if variant.is_control] == ["control"]
    results = await to_thread(notebook.experiment("guided-tour").results)
    (finding,) = results.findings
    assert (finding.control.n, finding.treatment.n) == (ARM, ARM)
    assert [finding.control.value, finding.treatment.value] == pytest.approx([0.4, 0.6])
    assert [finding.estimate.difference, finding.estimate.lift] == pytest.approx([0.2, 0.5])
    assert finding.kpi is not None
    assert (finding.kpi.key, finding.role, finding.is_better) == ("activation", KpiRole.PRIMARY, True)
    assert (results.diagnostics.exposed, results.diagnostics.crossovers) == (2 * ARM, 0)
    assert results.diagnostics.health in set(HealthState)
    assert results.verdict.state in set(VerdictState)
    assert results.verdict.sentence


@pytest.mark.usefixtures("started")
async def test_results_are_those_of_the_api(truelift: AsyncTruelift, ask: Ask, database: Database) -> None:
    await truelift.ingest_exposures(EXPOSURES)
    await truelift.ingest_outcomes(OUTCOMES)
    await refresh_due(database)
    results = await truelift.experiment("guided-tour").results()
    (finding,) = results.findings
    text = """{ experiment(key: "guided-tour") { results { planHash verdict { state rule }
      findings { pValue readOn interval { lower upper level } fixed { pValue } } } } }"""
    told = (await ask(text))["experiment"]["results"]
    assert (results.plan_hash, results.verdict.state, results.verdict.rule) == (
        told["planHash"],
        told["verdict"]["state"],
        told["verdict"]["rule"],
    )
    (said,) = told["findings"]
    assert finding.interval is not None
    assert [finding.interval.lower, finding.interval.upper, finding.interval.level] == list(said["interval"].values())
    assert (finding.p_value, str(finding.read_on)) == (said["pValue"], said["readOn"])
    earlier = await truelift.experiment("guided-tour").results(datetime(2026, 6, 5, tzinfo=UTC))
    assert earlier.findings[0].treatment.n == 0  # no window had closed


async def test_rejected_rows_are_told_by_their_place_in_all_that_was_sent(truelift: AsyncTruelift) -> None:
    rows: list[dict[str, Any]] = [
        {"unit": f"u{number}", "event": "paid", "occurredAt": "2026-06-02T08:00:00Z", "value": number}
        for number in range(2_500)
    ]
    rows[3] |= {"unit": ""}
    rows[2_400] |= {"occurredAt": "yesterday"}
    report = await truelift.ingest_outcomes(row for row in rows)
    assert (report.accepted, report.duplicates, report.rejected) == (2_498, 0, 2)
    assert [(one.row, one.path) for one in report.rejections] == [(3, "unit"), (2_400, "occurredAt")]
    assert all(isinstance(one, Rejection) and one.message for one in report.rejections)


async def test_values_of_a_kpi_come_as_columns(
    truelift: AsyncTruelift, database: Database, workspace: Workspace
) -> None:
    await truelift.ingest_outcomes(
        {"unit": unit, "event": event, "occurred_at": f"2026-05-{day:02d}T08:00:00Z"}
        for unit, event, day in [("a", "signed_up", 4), ("a", "activated", 5), ("b", "signed_up", 5)]
    )
    definition = await kept(database, workspace, Activation(event="activated", window_days=7), Entry(event="signed_up"))
    await derive(database, definition)
    series = await truelift.kpi("activation").values("WEEK", from_on=date(2026, 5, 1), to_on=date(2026, 5, 20))
    assert (series.granularity, series.segment) == (Granularity.WEEK, "")
    assert dict(zip(series.starts, series.n, strict=True))[date(2026, 5, 4)] == 2
    assert dict(zip(series.starts, series.value, strict=True))[date(2026, 5, 4)] == pytest.approx(0.5)
    (listed,) = await truelift.kpis()
    assert (listed.key, listed.definition_version) == ("activation", 1)


async def test_lists_come_whole_however_many_pages_they_are(truelift: AsyncTruelift, ask: Ask) -> None:
    for number in range(101):
        await ask(documents.KPI_REGISTER, {"input": documents.kpi(key=f"kpi-{number}")})
    assert len({kpi.key for kpi in await truelift.kpis()}) == 101


async def test_updates_begin_with_what_holds_and_end_with_the_key(
    truelift: AsyncTruelift, key: str, database: Database, started: str
) -> None:
    async with asyncio.timeout(60), aclosing(truelift.experiment("guided-tour").updates()) as updates:
        for count in (1, 2):
            row = EXPOSURES[count]
            await truelift.ingest_exposures([row])
            await refresh_due(database)
            assert (await anext(updates)).diagnostics.exposed == count
        async with database.write() as session:
            found = await keys.caller(session, key, SECRET, datetime.now(UTC))
            assert found is not None
            await keys.revoke(session, found.workspace_id, found.public_id, datetime.now(UTC))
        async with database.raw() as connection:
            await connection.execute("SELECT pg_notify('truelift_refreshed', $1)", str(local_id("Experiment", started)))
        with pytest.raises(Unauthenticated):
            await anext(updates)


async def test_updates_reach_the_client_that_waits(notebook: Truelift, database: Database, started: str) -> None:
    assert started
    await to_thread(notebook.ingest_exposures, EXPOSURES[:3])
    await refresh_due(database)
    updates = notebook.experiment("guided-tour").updates()
    assert (await to_thread(next, updates)).diagnostics.exposed == 3
    await to_thread(updates.close)


@pytest.mark.usefixtures("drafted")
async def test_what_is_not_there_is_named(truelift: AsyncTruelift) -> None:
    with pytest.raises(NoResults, match="had not started"):
        await truelift.experiment("guided-tour").results()
    with pytest.raises(NotFound, match="“nonsense”"):
        await truelift.experiment("nonsense").results()
    with pytest.raises(NotFound, match="no KPI “nonsense”"):
        await truelift.kpi("nonsense").values()
    with pytest.raises(NoResults, match="no values over time"):
        await truelift.kpi("activation").values()
    with pytest.raises(BadInput, match="Granularity"):
        await truelift.kpi("activation").values("YEAR")


async def test_key_that_does_not_work_or_may_not_is_told_so(address: str, make_key: MakeKey) -> None:
    async with AsyncTruelift(address, "nonsense") as client:
        with pytest.raises(Unauthenticated) as refused:
            await client.experiments()
        assert refused.value.code == "UNAUTHENTICATED"
    async with AsyncTruelift(address, await make_key(Scope.READ)) as client:
        with pytest.raises(Forbidden, match="ingest") as forbidden:
            await client.ingest_outcomes(OUTCOMES[:1])
        assert forbidden.value.report is not None
        assert forbidden.value.report.accepted == 0
    async with AsyncTruelift(address, await make_key(Scope.INGEST)) as client:
        with pytest.raises(Forbidden):
            await client.kpis()


async def test_server_that_is_not_there_is_unavailable_after_all_attempts() -> None:
    async with AsyncTruelift("http://127.0.0.1:9", "key", attempts=2) as client:
        with pytest.raises(Unavailable, match="does not answer: ConnectError"):
            await client.experiments()


def test_url_and_key_come_from_the_environment_and_the_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUELIFT_URL", raising=False)
    monkeypatch.delenv("TRUELIFT_KEY", raising=False)
    with pytest.raises(TrueliftError, match="TRUELIFT_URL and TRUELIFT_KEY"):
        Truelift()
    monkeypatch.setenv("TRUELIFT_URL", "http://127.0.0.1:8000/")
    monkeypatch.setenv("TRUELIFT_KEY", "secret")
    with Truelift() as client:
        assert client.address.url == "http://127.0.0.1:8000"
        assert client.address.headers == {"authorization": "Bearer secret"}
        assert "secret" not in repr(client.address)


@pytest.mark.usefixtures("started")
async def test_updates_go_on_when_the_server_was_away(database_url: str, database: Database, key: str) -> None:
    port = free_port()
    async with AsyncTruelift(f"http://127.0.0.1:{port}", key, attempts=8) as client:
        async with serving(database_url, port=port):
            await client.ingest_exposures(EXPOSURES[:1])
            await refresh_due(database)
            updates = client.experiment("guided-tour").updates()
            assert (await anext(updates)).diagnostics.exposed == 1
        waiting = asyncio.create_task(anext(updates))  # nobody is there
        async with asyncio.timeout(60), serving(database_url, port=port):
            await client.ingest_exposures(EXPOSURES[1:2])
            await refresh_due(database)
            found = await waiting
            while found.diagnostics.exposed == 1:  # what held when it was back, before the refresh
                found = await anext(updates)
            assert found.diagnostics.exposed == 2
            await updates.aclose()
