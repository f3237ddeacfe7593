"""Searching through GraphQL: what is found, in which order, page by page, by whom; and queries that are no words."""

from typing import Any

import pytest
import pytest_asyncio

from api.auth.keys import Caller
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

SEARCH = """
query Search($query: String!, $kinds: [SearchKind!], $first: Int, $after: String, $last: Int, $before: String) {
  search(query: $query, kinds: $kinds, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { rank } }
    nodes {
      rank highlights { field parts { text isMatch } }
      node { id ... on Hypothesis { key } ... on Experiment { key } ... on Learning { conclusion } }
    }
    totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


async def search(ask: Ask, query: str, **arguments: Any) -> dict[str, Any]:
    return dict((await ask(SEARCH, {"query": query} | arguments))["search"])


def named(found: dict[str, Any]) -> list[str]:
    return [hit["node"].get("key") or hit["node"]["conclusion"] for hit in found["nodes"]]


async def names(ask: Ask, query: str, **arguments: Any) -> list[str]:
    return named(await search(ask, query, **arguments))


async def marked(ask: Ask, query: str) -> dict[str, str]:
    """The highlights of the only hit, by field, with brackets around what was found."""
    (hit,) = (await search(ask, query))["nodes"]
    return {
        highlight["field"]: "".join(
            f"[{part['text']}]" if part["isMatch"] else part["text"] for part in highlight["parts"]
        )
        for highlight in hit["highlights"]
    }


async def believed(ask: Ask, key: str, **changes: Any) -> None:
    texts = {"title": "Something", "change": "Something else", "rationale": ""}
    given = documents.hypothesis(key, **(texts | changes))
    assert (await ask(documents.HYPOTHESIS_REGISTER, {"input": given}))["hypothesisRegister"]["userErrors"] == []


@pytest_asyncio.fixture
async def library(ask: Ask, started: str) -> str:
    """A hypothesis, an experiment that is over, and what was learned from it; the experiment's global id."""
    await ask(documents.EXPERIMENT_STOP, {"input": {"id": started}})
    await ask(documents.LEARNING_RECORD, {"input": documents.learning()})
    return started


@pytest.fixture
def everything() -> list[str]:
    """What the library has on tours: in a key and a name, in a conclusion and a tag, in the text of a change."""
    return ["guided-tour", "A tour helps those who come alone", "guidance-activates"]


async def test_words_are_found_in_every_kind_the_weightier_field_first(
    ask: Ask, library: str, everything: list[str]
) -> None:
    assert library
    found = await search(ask, "tour")
    assert sorted(named(found)) == sorted(everything)
    assert named(found)[2] == "guidance-activates"
    ranks = [hit["rank"] for hit in found["nodes"]]
    assert ranks == sorted(ranks, reverse=True)
    assert all(0 < rank < 1 for rank in ranks)
    assert (found["totalCount"], found["pageInfo"]["hasNextPage"]) == (3, False)


QUERIES = {
    "skip": ["A tour helps those who come alone"],
    "SKIP invited": ["A tour helps those who come alone"],
    "onboarding": ["A tour helps those who come alone"],
    "onboard": ["A tour helps those who come alone"],
    "interviewed know": ["guidance-activates"],
    "guided-tour": ["guided-tour", "guidance-activates"],
    "guided-to": ["guided-tour", "guidance-activates"],
    '"guided tour" -sign': ["guided-tour"],
    '"guided activates"': [],
    "skip or interviewed": ["A tour helps those who come alone", "guidance-activates"],
    "interview skip": [],
    "onboard skip": [],
    "inter view": [],
    "interv ": [],
    "tours": [],
    "-tour": [],
    "helps -tour": [],
    "helps -to": ["A tour helps those who come alone"],
}
WORDLESS = ("", "   ", "!!! & | ( ) :* <->", "''", '"', "-", "%_", "\\", "\x01\x02")
STRANGE = (
    ("tour " * 20_000, 3),
    ("tour" + " " * 396 + " nothing" * 10_000, 3),
    ("tour " + "x" * 99_995, 0),
    ("\u0130" * 100_000, 0),
    ("'; DROP TABLE learnings; --", 0),
    ("tour':* & !'", 3),
    ("(" * 400, 0),
    ('"' * 392 + "tour", 3),
    ("none or " * 50, 0),
    ("\U0001f600 \u202e \uff54\uff4f\uff55\uff52", 0),
)


async def test_query_finds_what_it_says(ask: Ask, library: str) -> None:
    assert library
    found = {query: sorted(await names(ask, query)) for query in QUERIES}
    assert found == {query: sorted(expected) for query, expected in QUERIES.items()}


async def test_query_without_a_word_finds_nothing(ask: Ask, library: str) -> None:
    assert library
    assert [(await search(ask, query))["totalCount"] for query in WORDLESS] == [0] * len(WORDLESS)


async def test_any_text_is_an_answer_and_only_its_beginning_counts(ask: Ask, library: str) -> None:
    assert library
    found = [(await search(ask, query))["totalCount"] for query, _ in STRANGE]
    assert found == [expected for _, expected in STRANGE]


@pytest.mark.parametrize("query", ["nul\0", "half \ud800"])
async def test_query_that_is_no_text_is_bad_input(attempt: Try, query: str) -> None:
    answer = await attempt(SEARCH, {"query": query})
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


async def test_kinds_narrow_the_search(ask: Ask, library: str) -> None:
    assert library
    assert await names(ask, "tour", kinds=["EXPERIMENT"]) == ["guided-tour"]
    assert await names(ask, "tour", kinds=["HYPOTHESIS", "HYPOTHESIS"]) == ["guidance-activates"]
    both = await search(ask, "tour", kinds=["LEARNING", "EXPERIMENT"])
    assert both["totalCount"] == 2
    assert (await search(ask, "tour", kinds=[]))["totalCount"] == 3


async def test_highlights_say_where_the_words_are_and_show_titles_whole(ask: Ask, library: str) -> None:
    assert library
    assert await marked(ask, "skip tou") == {
        "CONCLUSION": "A [tour] helps those who come alone",
        "LEARNED": "Invited users [skip] it.",
        "TAGS": "onboarding [tour]",
    }
    await ask(documents.KPI_REGISTER, {"input": documents.kpi("other")})
    long = " ".join(["before"] * 200 + ["needle"] + ["after"] * 200)
    await believed(ask, "hay", title="A needle in the hay", change=long)
    found = await marked(ask, "needle")
    assert found["TITLE"] == "A [needle] in the hay"
    assert "before [needle] after" in found["CHANGE"]
    assert len(found["CHANGE"].split()) <= 30


async def test_texts_with_markup_or_marks_of_their_own_come_back_as_plain_text(ask: Ask, drafted: str) -> None:
    assert drafted
    await believed(ask, "markup", title="\x01zebra\x02 & \u201czebra\u201d <zebra\u2019s> 5 > 4")
    assert (await marked(ask, "zebra"))["TITLE"] == '[zebra] & "[zebra]" <[zebra]\'s> 5 > 4'


@pytest.mark.parametrize(
    "title", ["\u00abzebra\u00bb", "zebra\u2014horse", "horse\u2026zebra", "\u2018Zebra\u2019", "a\u00a0zebra"]
)
async def test_word_ends_at_marks_of_good_typography_in_texts_and_in_queries(
    ask: Ask, drafted: str, title: str
) -> None:
    assert drafted
    await believed(ask, "typography", title=title)
    assert await names(ask, "zebra -nothing") == ["typography"]
    assert await names(ask, f"{title} -nothing") == ["typography"]
    assert "[" in (await marked(ask, "zebra"))["TITLE"]


async def test_word_too_long_to_be_indexed_is_stored_and_its_neighbours_are_found(ask: Ask, drafted: str) -> None:
    assert drafted
    await believed(ask, "long", change="x" * 3_990 + " zebra")
    assert await names(ask, "zebra") == ["long"]


async def test_pages_in_both_directions_visit_every_hit_once_in_one_order(ask: Ask, drafted: str) -> None:
    assert drafted
    for number in range(7):
        # Three ranks, each more than once, so that kind and age decide as well.
        await believed(ask, f"h{number}", title=" ".join(["zebra"] * (1 + number % 3)))
        await ask(
            documents.EXPERIMENT_REGISTER, {"input": documents.experiment(f"e{number}", name="zebra", hypothesis="h0")}
        )
    whole = await search(ask, "zebra", first=100)
    assert (len(whole["nodes"]), whole["totalCount"]) == (14, 14)
    assert named(whole)[-7:] == [f"e{number}" for number in (6, 5, 4, 3, 2, 1, 0)]  # of one rank, the newest first
    for forwards in (True, False):
        seen: list[str] = []
        cursor = None
        while len(seen) < 14:
            turn = {"first": 3, "after": cursor} if forwards else {"last": 3, "before": cursor}
            found = await search(ask, "zebra", **turn)
            info = found["pageInfo"]
            seen = [*seen, *named(found)] if forwards else [*named(found), *seen]
            cursor = info["endCursor"] if forwards else info["startCursor"]
            assert info["hasNextPage" if forwards else "hasPreviousPage"] is (len(seen) < 14)
            assert found["totalCount"] == 14
        assert seen == named(whole)
    empty = await search(ask, "zebra", first=0)
    assert (empty["nodes"], empty["totalCount"], empty["pageInfo"]["hasNextPage"]) == ([], 14, True)
    end = await search(ask, "zebra", after=whole["pageInfo"]["endCursor"])
    assert (end["nodes"], end["totalCount"], end["pageInfo"]["hasNextPage"]) == ([], 14, False)


@pytest.mark.parametrize("cursor", ["", "nonsense", "Q3Vyc29yOjE", "SGl0Om5hbjpMRUFSTklORzox", "SGl0OjAuNTpLUEk6MQ"])
async def test_cursor_of_another_list_is_bad_input(attempt: Try, cursor: str) -> None:
    for argument in ("after", "before"):
        answer = await attempt(SEARCH, {"query": "tour", argument: cursor})
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("arguments", [{"first": 101}, {"first": -1}, {"first": 1, "last": 1}])
async def test_page_that_cannot_be_is_bad_input(attempt: Try, arguments: dict[str, int]) -> None:
    answer = await attempt(SEARCH, {"query": "tour"} | arguments)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


async def test_stranger_finds_nothing_of_others(attempt: Try, stranger: Caller, library: str) -> None:
    assert library
    for query in ("tour", "guid or helps", "-nothing"):
        answer = await attempt(SEARCH, {"query": query}, caller=stranger)
        assert answer["errors"] == []
        assert (answer["data"]["search"]["nodes"], answer["data"]["search"]["totalCount"]) == ([], 0)


async def test_learning_that_was_changed_is_found_by_its_new_words_only(ask: Ask, library: str) -> None:
    assert library
    (hit,) = (await search(ask, "skip"))["nodes"]
    change = {"id": hit["node"]["id"], "learned": "They love zebras."}
    await ask(documents.LEARNING_UPDATE, {"input": change})
    assert await names(ask, "skip") == []
    assert await names(ask, "zebras") == ["A tour helps those who come alone"]
