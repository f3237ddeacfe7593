"""The hypotheses about a KPI and the experiments that measure it, through GraphQL."""

from typing import Any

import pytest

from api.auth.keys import Caller
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

TRIALS = """
query Trials($key: String! = "activation", $first: Int, $after: String, $last: Int, $before: String) {
  kpi(key: $key) {
    hypotheses(first: $first) { totalCount nodes { key } edges { cursor node { key } } }
    experiments(first: $first, after: $after, last: $last, before: $before) {
      totalCount nodes { key } edges { node { key } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}
"""


@pytest.fixture
async def three(ask: Ask, drafted: str) -> None:
    """Three experiments that measure activation, the last beside another KPI, and one that does not."""
    assert drafted
    await ask(documents.KPI_REGISTER, {"input": documents.kpi("other")})
    first = documents.plan()["kpis"][0]
    own, guard = first | {"kpi": "other"}, {"kpi": "activation", "role": "SECONDARY"}
    for key, kpis in (("two", [first]), ("alone", [own]), ("three", [own, guard])):
        found = await ask(
            documents.EXPERIMENT_REGISTER, {"input": documents.experiment(key, plan=documents.plan(kpis=kpis))}
        )
        assert found["experimentRegister"]["userErrors"] == []
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis("again")})


async def found(ask: Ask, **variables: Any) -> dict[str, Any]:
    return dict((await ask(TRIALS, variables))["kpi"]["experiments"])


@pytest.mark.usefixtures("three")
async def test_kpi_shows_the_experiments_that_measure_it_newest_first_page_by_page(ask: Ask) -> None:
    every = await found(ask)
    assert ([node["key"] for node in every["nodes"]], every["totalCount"]) == (["three", "two", "guided-tour"], 3)
    one = await found(ask, first=2)
    assert ([node["key"] for node in one["nodes"]], one["pageInfo"]["hasNextPage"]) == (["three", "two"], True)
    two = await found(ask, first=2, after=one["pageInfo"]["endCursor"])
    assert ([edge["node"]["key"] for edge in two["edges"]], two["pageInfo"]["hasNextPage"]) == (["guided-tour"], False)
    back = await found(ask, last=1, before=two["pageInfo"]["startCursor"])
    assert [node["key"] for node in back["nodes"]] == ["two"]
    assert [node["key"] for node in (await found(ask, key="other"))["nodes"]] == ["three", "alone"]


@pytest.mark.usefixtures("three")
async def test_kpi_shows_the_hypotheses_about_it_newest_first(ask: Ask) -> None:
    shown = (await ask(TRIALS, {"first": 1}))["kpi"]["hypotheses"]
    assert ([node["key"] for node in shown["nodes"]], shown["totalCount"]) == (["again"], 2)
    assert (await ask(TRIALS, {"key": "other"}))["kpi"]["hypotheses"]["totalCount"] == 0


@pytest.mark.usefixtures("three")
async def test_kpi_of_the_same_key_in_another_workspace_shows_none_of_them(attempt: Try, stranger: Caller) -> None:
    await attempt(documents.KPI_REGISTER, {"input": documents.kpi()}, caller=stranger)
    shown = (await attempt(TRIALS, caller=stranger))["data"]["kpi"]
    assert (shown["experiments"]["totalCount"], shown["hypotheses"]["totalCount"]) == (0, 0)
