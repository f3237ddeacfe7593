"""What is told when: one notice for each change, in its transaction, and none for what changes nothing."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from api.app import build
from api.database import Database
from api.delivery import parcels
from api.delivery.parcels import Parcel
from api.delivery.tables import EndpointKind
from api.settings import Settings
from kpi.enums import NoticeType
from kpi.notices import TELLINGS
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import SECRET, Client
from tests.conftest import Ask
from tests.experiments.aggregating import START, refresh, running, send
from tests.experiments.recomputation import DAY
from tests.experiments.test_publishing import publish, published, rows_of

SAMPLE = dict.fromkeys(("kpi", "what", "experiment", "choice", "plannedOn", "verdict", "review"), "x")
STORED = "SELECT type, data FROM notices WHERE workspace_id = $1 ORDER BY id"


async def told(database: Database, workspace_id: int) -> list[tuple[str, dict[str, Any]]]:
    async with database.raw() as connection:
        return [(row["type"], row["data"]) for row in await connection.fetch(STORED, workspace_id)]


async def test_change_of_a_kpi_is_told_once_and_one_that_changes_nothing_or_is_refused_is_not(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    kpi = await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    change = {"id": kpi["kpiRegister"]["kpi"]["id"], "owner": "Grace", "reason": "she knows it best"}
    for given in (change, change, change | {"owner": None}):
        await ask(documents.KPI_CHANGE % {"verb": "Update"}, {"input": given})
    assert await told(database, workspace.id) == [
        ("KPI_CHANGED", {"kpi": "activation", "what": "DETAILS", "number": 1})
    ]


async def test_start_stop_and_decision_of_an_experiment_are_told(
    database: Database, workspace: Workspace, ask: Ask, started: str
) -> None:
    for verb in ("Pause", "Resume", "Stop", "Stop"):
        await ask(documents.move(verb), {"input": {"id": started}})
    await ask(documents.move("Decide"), {"input": {"id": started, "choice": "ABANDON"}})
    key = {"experiment": "guided-tour"}
    assert await told(database, workspace.id) == [
        ("EXPERIMENT_STARTED", key),
        ("EXPERIMENT_STOPPED", key),
        ("EXPERIMENT_DECIDED", key | {"choice": "ABANDON", "variant": None}),
    ]


async def test_published_look_is_told_with_its_verdict_and_only_once_though_two_workers_publish_it(
    database: Database,
) -> None:
    to = await running(database)
    await send(database, to, rows_of(0))
    await refresh(database, to, START + 9 * DAY)
    await asyncio.gather(publish(database, to), publish(database, to))
    assert await publish(database, to) == []
    (look,) = await published(database, to)
    said = {"experiment": to.experiment.key, "plannedOn": look.planned_on.isoformat(), "verdict": look.verdict}
    assert [data for what, data in await told(database, to.workspace.id) if what == "LOOK_PUBLISHED"] == [said]


def parcel(what: NoticeType, data: dict[str, str]) -> Parcel:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    return Parcel(
        delivery_id=1,
        endpoint_id=1,
        attempt=1,
        kind=EndpointKind.SLACK,
        address="",
        salts=(),
        key=uuid4(),
        type=what,
        data=data,
        created_at=now,
        sent_at=now,
    )


def test_link_of_a_review_leads_to_its_own_page() -> None:
    data = {"review": "weekly of 2026-06-22 to 2026-06-28", "reviewId": "UmV2aWV3OjU="}
    told = parcel(NoticeType.REVIEW_CLOSED, data)
    assert parcels.link(told, "https://truelift.test") == "https://truelift.test/reviews/UmV2aWV3OjU%3D.html"


@pytest.mark.parametrize("what", NoticeType)
async def test_link_of_every_notice_leads_to_a_page_there_is(database: Database, what: NoticeType) -> None:
    data = {name: SAMPLE[name] for name in TELLINGS[what].names}
    link = urlsplit(parcels.link(parcel(what, data), "https://truelift.test"))
    pages = {"experiment": "/experiments/x", "kpi": "/kpis/x", "review": "/reviews"}
    assert link.path == next((page for name, page in pages.items() if name in data), "/")
    app = build(database, settings=Settings(), secret=SECRET, with_worker=False)
    async with Client(transport=httpx.ASGITransport(app), base_url="https://truelift.test") as client:
        answer = await client.get(link.path)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")
