"""Links of the ladder through GraphQL: what is assumed reads back from either end, and what is faulty."""

from typing import Any

import pytest
import pytest_asyncio

from tests.api import documents
from tests.conftest import Ask

READ = """
query Links($key: String!) { kpi(key: $key) { links {
  version source elasticity standardError df low likely high isEstimated obstacle by reason
  leading { key } lagging { key }
} } }
"""
RANGE = {"low": 0.2, "likely": 0.5, "high": 1.1}
PAIR = {"leading": "activation", "lagging": "retention", "reason": "from the literature"}


@pytest_asyncio.fixture(autouse=True)
async def kpis(ask: Ask) -> None:
    for key in ("activation", "retention"):
        await ask(documents.KPI_REGISTER, {"input": documents.kpi(key)})


async def change(ask: Ask, verb: str, **given: Any) -> dict[str, Any]:
    return dict((await ask(documents.KPI_LINK % {"verb": verb}, {"input": given}))[f"kpiLink{verb}"])


async def links(ask: Ask, key: str) -> list[dict[str, Any]]:
    return list((await ask(READ, {"key": key}))["kpi"]["links"])


async def test_assumed_link_reads_back_from_both_kpis_as_no_estimate(ask: Ask) -> None:
    link = (await change(ask, "Assume", **PAIR, **RANGE))["link"]
    assert link == RANGE | {
        "version": 1,
        "source": "ASSUMPTION",
        "elasticity": pytest.approx(0.6),  # the mean of the three
        "standardError": pytest.approx(0.035**0.5),
        "df": None,
        "isEstimated": False,
        "obstacle": None,
        "by": "test",
        "reason": "from the literature",
        "leading": {"key": "activation"},
        "lagging": {"key": "retention"},
    }
    assert await links(ask, "activation") == await links(ask, "retention") == [link]


async def test_withdrawn_link_is_answered_and_no_longer_among_the_links(ask: Ask) -> None:
    await change(ask, "Assume", **PAIR, **RANGE)
    link = (await change(ask, "Withdraw", **PAIR))["link"]
    assert (link["version"], link["elasticity"]) == (2, None)
    assert await links(ask, "activation") == []


async def test_faults_are_told_with_their_paths(ask: Ask) -> None:
    await change(ask, "Assume", **PAIR, **RANGE)
    back = PAIR | RANGE | {"leading": "retention", "lagging": "activation"}
    circle = await change(ask, "Assume", **back)
    assert circle["link"] is None
    assert [error["path"] for error in circle["userErrors"]] == [["lagging"]]
    several = await change(ask, "Assume", **back | {"lagging": "nothing", "likely": 0.1, "reason": ""})
    assert [error["path"] for error in several["userErrors"]] == [["reason"], ["likely"], ["lagging"]]
