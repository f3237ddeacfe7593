"""Learnings through GraphQL: recorded, changed, listed by tag and by experiment, found again."""

from typing import Any

import pytest
import pytest_asyncio

from api.auth.keys import Caller
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

LIST = """query List($tag: String, $first: Int, $after: String) {
  learnings(filter: {tags: {eq: $tag}}, first: $first, after: $after) {
    nodes { conclusion } totalCount pageInfo { endCursor }
  }
}"""


@pytest_asyncio.fixture
async def stopped(ask: Ask, started: str) -> str:
    """An experiment that is over; its global id."""
    await ask(documents.EXPERIMENT_STOP, {"input": {"id": started}})
    return started


async def recorded(ask: Ask, **changes: Any) -> dict[str, Any]:
    payload = (await ask(documents.LEARNING_RECORD, {"input": documents.learning(**changes)}))["learningRecord"]
    assert payload["userErrors"] == []
    return dict(payload["learning"])


async def updated(ask: Ask, identity: str, **given: Any) -> dict[str, Any]:
    return dict((await ask(documents.LEARNING_UPDATE, {"input": {"id": identity} | given}))["learningUpdate"])


async def refused(ask: Ask, **changes: Any) -> list[tuple[str, list[str]]]:
    payload = (await ask(documents.LEARNING_RECORD, {"input": documents.learning(**changes)}))["learningRecord"]
    assert payload["learning"] is None
    return [(error["code"], error["path"]) for error in payload["userErrors"]]


async def listed(ask: Ask, **arguments: Any) -> tuple[list[str], int, str | None]:
    found = (await ask(LIST, arguments))["learnings"]
    return [node["conclusion"] for node in found["nodes"]], found["totalCount"], found["pageInfo"]["endCursor"]


async def test_learning_reads_back_as_it_was_given_and_is_found_by_its_id(ask: Ask, stopped: str) -> None:
    assert stopped
    given = documents.learning()
    learning = await recorded(ask)
    assert {name: learning[name] for name in ("conclusion", "learned", "tags", "links")} == {
        name: given[name] for name in ("conclusion", "learned", "tags", "links")
    }
    assert (learning["by"], learning["experiment"], learning["history"]) == ("test", {"key": "guided-tour"}, [])
    assert (learning["updatedBy"], learning["updatedAt"]) == (None, None)
    document = "query One($id: ID!) { node(id: $id) { __typename ... on Learning { conclusion } } }"
    found = (await ask(document, {"id": learning["id"]}))["node"]
    assert found == {"__typename": "Learning", "conclusion": given["conclusion"]}


async def test_update_changes_what_is_given_clears_what_is_null_and_keeps_what_it_said(ask: Ask, stopped: str) -> None:
    assert stopped
    first = await recorded(ask)
    second = (await updated(ask, first["id"], learned=None, tags=None))["learning"]
    assert (second["conclusion"], second["learned"], second["tags"]) == (first["conclusion"], None, [])
    assert second["links"] == first["links"]
    assert (second["updatedBy"], second["recordedAt"]) == ("test", first["recordedAt"])
    same = (await updated(ask, first["id"], tags=[]))["learning"]
    assert len(same["history"]) == 1
    third = (await updated(ask, first["id"], conclusion="Tours help", links=None))["learning"]
    assert (third["conclusion"], third["links"]) == ("Tours help", [])
    versions = [(kept["number"], kept["learned"], kept["tags"]) for kept in third["history"]]
    assert versions == [(1, first["learned"], first["tags"]), (2, None, [])]
    assert third["history"][0]["writtenAt"] == first["recordedAt"]
    assert third["history"][1]["writtenAt"] == second["updatedAt"]


async def test_update_with_faults_tells_all_and_changes_nothing(ask: Ask, stopped: str) -> None:
    assert stopped
    learning = await recorded(ask)
    payload = await updated(ask, learning["id"], conclusion=None, tags=["No"], links=["http://a.b"])
    assert payload["learning"] is None
    assert [error["path"] for error in payload["userErrors"]] == [["conclusion"], ["tags", "0"], ["links", "0"]]
    assert (await updated(ask, learning["id"]))["learning"] == learning


async def test_learning_of_an_experiment_that_goes_on_or_is_not_there_is_refused(ask: Ask, started: str) -> None:
    assert started
    assert await refused(ask) == [("WRONG_STATE", ["experiment"])]
    await ask(documents.EXPERIMENT_FREEZE, {"input": {"id": started}})
    assert await refused(ask, tags=["No"]) == [("BAD_USER_INPUT", ["tags", "0"]), ("WRONG_STATE", ["experiment"])]
    assert await refused(ask, experiment="none", conclusion="") == [
        ("BAD_USER_INPUT", ["conclusion"]),
        ("NOT_FOUND", ["experiment"]),
    ]
    assert await refused(ask, experiment="nul\0") == [("NOT_FOUND", ["experiment"])]
    assert (await listed(ask))[1] == 0


async def test_draft_that_was_archived_may_be_learned_from(ask: Ask, drafted: str) -> None:
    assert await refused(ask) == [("WRONG_STATE", ["experiment"])]
    await ask(documents.move("Archive"), {"input": {"id": drafted}})
    assert (await recorded(ask))["experiment"] == {"key": "guided-tour"}


async def test_list_by_tag_holds_those_that_have_it_page_by_page(ask: Ask, stopped: str) -> None:
    assert stopped
    for number, tags in enumerate((["a", "b"], ["b"], ["ab"], ["a"])):
        await recorded(ask, conclusion=str(number), tags=tags)
    assert (await listed(ask))[:2] == (["3", "2", "1", "0"], 4)
    assert (await listed(ask, tag="a"))[:2] == (["3", "0"], 2)
    page, total, cursor = await listed(ask, tag="b", first=1)
    assert (page, total) == (["1"], 2)
    assert (await listed(ask, tag="b", first=1, after=cursor))[0] == ["0"]
    for nothing in ("none", "", "nul\0", "half \ud800", "x" * 100_000):
        assert (await listed(ask, tag=nothing))[:2] == ([], 0)


async def test_experiment_lists_its_own_learnings_only(ask: Ask, stopped: str) -> None:
    await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment("other")})
    other = (await ask('{ experiment(key: "other") { id } }'))["experiment"]["id"]
    await ask(documents.move("Archive"), {"input": {"id": other}})
    await recorded(ask, conclusion="mine")
    await recorded(ask, conclusion="theirs", experiment="other")
    document = "{ experiments { nodes { key learnings(first: 5) { nodes { conclusion } totalCount } } } }"
    found = {node["key"]: node["learnings"] for node in (await ask(document))["experiments"]["nodes"]}
    assert found == {
        "guided-tour": {"nodes": [{"conclusion": "mine"}], "totalCount": 1},
        "other": {"nodes": [{"conclusion": "theirs"}], "totalCount": 1},
    }
    assert stopped


async def test_stranger_neither_reads_nor_writes_learnings(
    ask: Ask, attempt: Try, stranger: Caller, stopped: str
) -> None:
    assert stopped
    learning = await recorded(ask)
    theirs = await attempt(LIST, {}, caller=stranger)
    assert theirs["data"]["learnings"]["totalCount"] == 0
    node = await attempt("query One($id: ID!) { node(id: $id) { id } }", {"id": learning["id"]}, caller=stranger)
    assert node["data"]["node"] is None
    for document, given, path in (
        (documents.LEARNING_RECORD, documents.learning(), ["experiment"]),
        (documents.LEARNING_UPDATE, {"id": learning["id"], "conclusion": "stolen"}, ["id"]),
    ):
        (payload,) = (await attempt(document, {"input": given}, caller=stranger))["data"].values()
        assert [(error["code"], error["path"]) for error in payload["userErrors"]] == [("NOT_FOUND", path)]
    assert (await updated(ask, learning["id"]))["learning"] == learning


@pytest.mark.parametrize("identity", ["", "nonsense", "RXhwZXJpbWVudDox"])
async def test_update_of_what_is_no_learning_is_not_found(ask: Ask, identity: str) -> None:
    payload = await updated(ask, identity, conclusion="x")
    assert [(error["code"], error["path"]) for error in payload["userErrors"]] == [("NOT_FOUND", ["id"])]
