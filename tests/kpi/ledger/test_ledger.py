"""Every KPI of the catalogue, computed by the product from the ledger's rows; the other side is plain arithmetic.

Days of a time to value are counted whole: who gets there on day 0 took one day.
"""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
import pytest_asyncio

from api.auth.tenants import ensure_workspace
from api.database import Database
from kpi import service
from kpi.catalogue import templates
from kpi.catalogue.completion import Choice, completed
from kpi.history.values import level
from kpi.queries import latest_definitions
from tests.kpi.history.rows import cohorts, derive, join, send
from tests.kpi.ledger.rows import MEMBERS, rows
from tests.kpi.registering import NOW

YEAR_AGO = 500 + 1000 + 1200 + 800 + 300 + 400 + 2000 + 150 + 600
"""MRR on 1 July 2025, of nine accounts."""
DUE = 9600 + 3600 + 6000 + 12000 + 24000 + 14400
RENEWED = 7200 + 6000 + 24000 + 14400
REVENUE = 3 * 900 + 3 * 1200 + 3 * 2600
COST = (310 + 290) + 500 + 1200

EXPECTED: dict[str, float] = {
    # One of four at risk gets there on day 0; one is lost on day 4; one of the two left gets there on day 17.
    "ttfv": 1 + 17 * (3 / 4) + 10 * (3 / 4) * (1 / 2),
    # One of the three who are not lost by then reaches value for the second time, on day 8.
    "time-to-second-value": 9 + 47 * (2 / 3),
    "activation-rate": 1 / 4,
    "onboarding-tasks": (2 + 3 + 0) / (4 + 3 + 2),
    "onboarding-completion": 1 / 3,
    "early-usage-depth": (3 + 1 + 0 + 2) / 4,
    "early-usage-days": (3 + 2 + 2 + 1) / 4,
    # The smallest number that half of the four users do not exceed.
    "early-usage-median": sorted([3, 1, 0, 2])[2 - 1],
    "stickiness": 2 / 4,
    "seat-utilisation": (15 + 10 + 54) / (20 + 40 + 60),
    "feature-breadth": (3 + 1 + 3) / 3,
    "feature-depth": (4 + 1 + 3) / (3 + 1 + 3),
    "account-usage-days": (4 + 1 + 3) / 3,
    "adoption-velocity": (41 + 120 + 11) / 3,
    "pxq-signals": (2 + 1) / 11,
    "pqa-rate": 1 / 3,
    "pqa-to-opportunity": 1 / 2,
    "retention-d7": 2 / 4,
    "retention-d30": 1 / 4,
    "rolling-retention": 2 / 4,
    "bracket-retention": 3 / 4,
    "return-cadence": (3 + 2 + 1 + 3) / 4,
    "logo-churn": 2 / 9,
    "grr": (500 + 0 + 1200 + 600 + 300 + 400 + 2000 + 150 + 0) / YEAR_AGO,
    "nrr": (900 + 0 + 1200 + 600 + 350 + 400 + 2600 + 150 + 0) / YEAR_AGO,
    "revenue-contraction": (800 - 600) / YEAR_AGO,
    "revenue-churn": (1000 + 600) / YEAR_AGO,
    "renewal-rate": 4 / 6,
    "renewal-rate-arr": RENEWED / DUE,
    "renewal-forecast-accuracy": ((7200 - 2400) + (6000 - 1000) + 0 + (24000 - 4000) + 14400) / RENEWED,
    "renewal-forecast-error": (2400 + 0 + 1000 + 12000 + 4000 + 0) / DUE,
    "renewal-conversation-speed": (6 + 1 + 90) / 3,
    "outcome-attainment": (2 + 0 + 1) / (3 + 2 + 1),
    "support-incidents": 2 + 3,
    "incidents-per-customer": (2 + 3) / 11,
    "survey-happiness": ((0.6 + 0.2) / 2 - 0.5 + (1 + 0) / 2) / 3,
    "sentiment": (0.3 + (-0.1 + 0.5) / 2) / 2,
    "service-quality": (1 - 0.5 + (0.5 + 0) / 2) / 3,
    "happiness": (
        (0.4 * 0.4 + 0.3 * 0.3 + 0.3 * 1.0)
        + (0.4 * -0.5 + 0.3 * 0.0 + 0.3 * -0.5)
        + (0.4 * 0.5 + 0.3 * 0.2 + 0.3 * 0.25)
    )
    / 3,
    "health-score": (
        (0.4 * (4 - 10) / 5 + 0.4 * (3 - 5) / 3 - 0.2 * (2 - 2) / 2)
        + (0.4 * (1 - 10) / 5 + 0.4 * (1 - 5) / 3 - 0.2 * (0 - 2) / 2)
        + (0.4 * (3 - 10) / 5 + 0.4 * (3 - 5) / 3 - 0.2 * (3 - 2) / 2)
    )
    / 3,
    "save-rate": 1 / 3,
    "time-to-save": (21 + 90 + 90) / 3,
    "expansion-rate": ((900 - 500) + (350 - 300) + (2600 - 2000)) / YEAR_AGO,
    "expansion-win-rate": 2 / 5,
    "cross-department-adoption": (2 + 1) / 2,
    "cost-to-serve": COST / 10,
    "margin-per-customer": ((2700 - 600) + (3600 - 500) + (7800 - 1200)) / 3,
    "margin-rate": (REVENUE - COST) / REVENUE,
    "reference-count": 1 + 2,
    "review-velocity": 1 + 1,
}


@pytest_asyncio.fixture(scope="module")
async def values(database: Database) -> dict[str, float | None]:
    """The value of every KPI of the catalogue on 1 July 2026."""
    async with database.write() as session:
        workspace = await ensure_workspace(session, f"ledger-{uuid4().hex[:12]}", datetime.now(UTC))
    await join(database, workspace, [(member, account, "2025-06-01T00:00:00Z") for member, account in MEMBERS.items()])
    await send(database, workspace, rows())
    found: dict[str, float | None] = {}
    for key in templates():
        fields, problems = completed({"owner": "Ada"}, Choice(template=key))
        assert not problems
        async with database.write() as session:
            kpi = await service.register_kpi(session, workspace_id=workspace.id, now=NOW, baseline=None, **fields)
            definition = (await latest_definitions(session, [kpi.id]))[kpi.id]
        await derive(database, definition)
        found[key] = level(await cohorts(database, definition)).value
    return found


@pytest.mark.parametrize("key", EXPECTED)
def test_a_kpi_of_the_catalogue_is_what_the_ledger_adds_up_to(key: str, values: dict[str, float | None]) -> None:
    assert values[key] == pytest.approx(EXPECTED[key], rel=1e-12, abs=1e-12)


def test_every_kpi_of_the_catalogue_is_in_the_ledger() -> None:
    assert set(EXPECTED) == set(templates())


def test_revenue_retention_is_what_its_parts_make(values: dict[str, float | None]) -> None:
    parts = ("expansion-rate", "revenue-contraction", "revenue-churn", "nrr")
    expansion, contraction, churn, nrr = (values[part] or 0 for part in parts)
    assert nrr == pytest.approx(1 + expansion - contraction - churn, rel=1e-12)
