"""Lists page by page, and objects by their global ids."""

import base64
from typing import Any

import pytest

from api.graphql.nodes import global_id, local_id
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Try
from tests.api.test_schema import named
from tests.api.test_schema_rules import roots
from tests.conftest import Ask

LIST = """
query List($first: Int, $after: String, $last: Int, $before: String) {
  kpis(first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { key } } nodes { key } totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
NODES = "query Nodes($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Kpi { key } } }"
LISTS = tuple(name for name, field in roots().items() if named(field).endswith("Connection") and name != "search")
"""Every one that is asked for nothing but its page; a search is held in test_search.py."""


async def register(ask: Ask, *keys: str) -> list[str]:
    """Register KPIs and return their ids."""
    found = [await ask(documents.KPI_REGISTER, {"input": documents.kpi(key)}) for key in keys]
    return [payload["kpiRegister"]["kpi"]["id"] for payload in found]


async def page(ask: Ask, **arguments: Any) -> tuple[list[str], dict[str, Any]]:
    """The keys on a page, and where it lies."""
    found = (await ask(LIST, arguments))["kpis"]
    keys = [node["key"] for node in found["nodes"]]
    assert [edge["node"]["key"] for edge in found["edges"]] == keys
    return keys, found["pageInfo"]


async def test_pages_forwards_visit_every_object_once_newest_first(ask: Ask) -> None:
    await register(ask, *"abcde")
    seen, after = [], None
    for _ in range(3):
        keys, info = await page(ask, first=2, after=after)
        seen.append(keys)
        assert info["hasPreviousPage"] is (after is not None)
        after = info["endCursor"]
    assert seen == [["e", "d"], ["c", "b"], ["a"]]
    assert info["hasNextPage"] is False


async def test_pages_backwards_visit_every_object_once_in_the_same_order(ask: Ask) -> None:
    await register(ask, *"abcde")
    seen, before = [], None
    for _ in range(3):
        keys, info = await page(ask, last=2, before=before)
        seen.append(keys)
        before = info["startCursor"]
    assert seen == [["b", "a"], ["d", "c"], ["e"]]
    assert info["hasPreviousPage"] is False


async def test_cursor_stays_right_while_rows_are_added(ask: Ask) -> None:
    await register(ask, *"abcd")
    _, info = await page(ask, first=2)
    await register(ask, "e", "f")
    assert (await page(ask, first=2, after=info["endCursor"]))[0] == ["b", "a"]
    keys, rest = await page(ask, last=10, before=info["startCursor"])
    assert keys == ["f", "e"]
    assert (rest["hasNextPage"], rest["hasPreviousPage"]) == (True, False)


async def test_page_between_two_cursors_holds_what_lies_between(ask: Ask) -> None:
    await register(ask, *"abcde")
    edges = (await ask(LIST))["kpis"]["edges"]
    cursors = {edge["node"]["key"]: edge["cursor"] for edge in edges}
    assert (await page(ask, after=cursors["e"], before=cursors["a"]))[0] == ["d", "c", "b"]


async def test_page_has_20_objects_when_nothing_is_said_and_100_at_most(ask: Ask) -> None:
    await register(ask, *(f"k{number}" for number in range(101)))
    found = (await ask(LIST))["kpis"]
    assert (len(found["nodes"]), found["totalCount"]) == (20, 101)
    keys, info = await page(ask, first=100)
    assert (len(keys), info["hasNextPage"]) == (100, True)
    keys, info = await page(ask, first=0)
    assert (keys, info["startCursor"], info["endCursor"]) == ([], None, None)


@pytest.mark.parametrize("name", LISTS)
async def test_list_of_an_empty_workspace_is_empty(ask: Ask, name: str) -> None:
    found = await ask(
        f"{{ {name} {{ nodes {{ __typename }} totalCount pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
    )
    info = {"hasNextPage": False, "hasPreviousPage": False}
    assert found[name] == {"nodes": [], "totalCount": 0, "pageInfo": info}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "arguments",
    [
        "first: 101",
        "first: -1",
        "last: 101",
        "first: 1, last: 1",
        'after: "nonsense"',
        'before: ""',
        'after: "é"',
        'after: "\\u0000"',
        f'after: "{global_id("Kpi", 1)}"',
        f'before: "{global_id("Cursor", 10**9)}"',
    ],
)
async def test_arguments_that_make_no_page_are_bad_input(attempt: Try, name: str, arguments: str) -> None:
    answer = await attempt(f"{{ {name}({arguments}) {{ totalCount }} }}")
    assert answer["data"] == {name: None}
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == ([name], "BAD_USER_INPUT")


async def test_root_field_that_fails_leaves_the_others_their_answers(attempt: Try, workspace: Workspace) -> None:
    answer = await attempt("{ kpis(first: 101) { totalCount } viewer { workspace } experiments { totalCount } }")
    assert answer["data"] == {"kpis": None, "viewer": {"workspace": workspace.key}, "experiments": {"totalCount": 0}}
    assert [error["path"] for error in answer["errors"]] == [["kpis"]]


async def test_each_noun_is_found_again_by_its_id(ask: Ask, drafted: str) -> None:
    document = """{ kpi(key: "activation") { id } hypothesis(key: "guidance-activates") { id } }"""
    found = await ask(document)
    ids = {"Kpi": found["kpi"]["id"], "Hypothesis": found["hypothesis"]["id"], "Experiment": drafted}
    answer = (await ask(NODES, {"ids": list(ids.values())}))["nodes"]
    assert {node["__typename"]: node["id"] for node in answer} == ids
    single = await ask("query One($id: ID!) { node(id: $id) { id } }", {"id": drafted})
    assert single["node"]["id"] == drafted


async def test_ids_that_name_nothing_are_null_in_their_place(ask: Ask) -> None:
    (known,) = await register(ask, "a")
    strange = ["", "nonsense", "é", "\0", global_id("Kpi", 999_999_999), global_id("Unit", 1), "x" * 10_000]
    nodes = (await ask(NODES, {"ids": [known, *strange, known]}))["nodes"]
    assert [node and node["key"] for node in nodes] == ["a", *[None] * len(strange), "a"]


async def test_hundred_ids_are_answered_and_one_more_is_bad_input(ask: Ask, attempt: Try) -> None:
    (known,) = await register(ask, "a")
    assert len((await ask(NODES, {"ids": [known] * 100}))["nodes"]) == 100
    answer = await attempt(NODES, {"ids": [known] * 101})
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_global_id_is_opaque_and_comes_back_as_the_row_of_its_noun() -> None:
    identity = global_id("Kpi", 17)
    assert ":" not in identity
    assert local_id("Kpi", identity) == 17
    assert local_id("Experiment", identity) is None


@pytest.mark.parametrize("text", ["Kpi:", "Kpi:-1", "Kpi:1.0", "Kpi:²", "Kpi:99999999999", "Kpi", ":1"])
def test_text_that_looks_like_an_id_is_none(text: str) -> None:
    assert local_id("Kpi", base64.urlsafe_b64encode(text.encode()).decode()) is None
