"""Values over time as the API is asked for them: times that are too long, and the ends of the calendar."""

import pytest

from api.database import Database
from api.jobs.refresh import refresh_due
from kpi import events
from kpi.history.entry import Entry
from kpi.kinds import Activation
from kpi.tables import Workspace
from tests.api.conftest import Try
from tests.conftest import Ask
from tests.kpi.history.rows import NOW, derive, kept, send

BY_DAY = 'granularity: DAY, fromOn: "2021-01-01"'


@pytest.fixture
async def rows(database: Database, workspace: Workspace) -> None:
    """Two users, five years apart."""
    await send(
        database,
        workspace,
        [("old", "signed_up", "2021-05-04T08:00:00Z", None), ("new", "signed_up", "2026-05-11T08:00:00Z", None)],
    )
    definition = await kept(database, workspace, Activation(event="activated", window_days=7), Entry(event="signed_up"))
    await derive(database, definition)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    "field",
    [
        f"values({BY_DAY}) {{ starts }}",
        f'changeEffect({BY_DAY}, changedOn: "2026-05-01", segment: "", comparison: "") {{ slopePValue }}',
    ],
)
async def test_more_periods_than_an_answer_holds_are_refused_with_what_to_do(attempt: Try, field: str) -> None:
    answer = await attempt(f'{{ kpi(key: "activation") {{ {field} }} }}')
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    # From 2021-05-04 to 2026-05-11, both included: five years, a week, the leap day of 2024 and the first day.
    assert error["message"].startswith(f"That is {5 * 365 + 7 + 1 + 1} periods")


@pytest.mark.usefixtures("rows")
async def test_ends_of_the_calendar_leave_nothing_out_and_break_nothing(ask: Ask) -> None:
    data = await ask(
        """{ kpi(key: "activation") {
            early: values(toOn: "0001-01-01") { starts }
            late: values(granularity: QUARTER, fromOn: "0001-01-01", toOn: "9999-12-31") { n }
        } }"""
    )
    assert data["kpi"]["early"] == {"starts": []}
    assert sum(data["kpi"]["late"]["n"]) == 2


@pytest.mark.usefixtures("rows")
async def test_baseline_of_days_to_come_is_refused(ask: Ask) -> None:
    found = (await ask('{ kpi(key: "activation") { id } }'))["kpi"]["id"]
    data = await ask(
        """mutation($id: ID!) { kpiBaselineMeasure(input: {
            id: $id, reason: "Ever", fromOn: "2021-01-01", toOn: "9999-12-31"
        }) { userErrors { path message } } }""",
        {"id": found},
    )
    (error,) = data["kpiBaselineMeasure"]["userErrors"]
    assert error["path"] == ["toOn"]
    assert error["message"] == "This window is not over: the last day that is known is 2026-06-30."


async def test_events_that_never_came_are_named(database: Database, workspace: Workspace, ask: Ask) -> None:
    await kept(database, workspace, Activation(event="activatd", window_days=7), Entry(event="signed_up"))
    rows = [
        {"unit": "u1", "event": event, "occurredAt": "2026-05-11T08:00:00Z"} for event in ("signed_up", "activated")
    ]
    async with database.raw() as connection:
        await events.ingest(connection, workspace_id=workspace.id, rows=rows, now=NOW)
    document = '{ kpi(key: "activation") { events unseenEvents } }'
    assert (await ask(document))["kpi"]["unseenEvents"] == ["activatd", "signed_up"]
    await refresh_due(database)
    assert (await ask(document))["kpi"] == {"events": ["activatd", "signed_up"], "unseenEvents": ["activatd"]}
