"""What a document may ask for at once: each limit from both sides, prices by arithmetic, and documents made to hurt."""

from dataclasses import replace
from itertools import pairwise
from time import process_time
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_introspection_query
from strawberry.types import ExecutionResult

import web
from api.auth.keys import Caller, Scope
from api.database import Database
from api.graphql.context import Context
from api.graphql.limits import MOST, MOST_ALIKE, PRICES, TIMES
from api.graphql.nodes import global_id
from api.graphql.schema import schema
from kpi.kinds import REGISTRY
from tests.api.conftest import Try
from tests.api.public import PUBLIC

INTROSPECTION = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
)


async def run(database: Database, caller: Caller, document: str, **variables: Any) -> ExecutionResult:
    return await schema.execute(document, variables, Context(database=database, caller=caller))


async def refused(attempt: Try, document: str, **variables: Any) -> tuple[str, float] | None:
    """The limit that a document goes over and what it comes to; None where it goes over none."""
    errors = (await attempt(document, variables))["errors"]
    found = [error["extensions"] for error in errors if error.get("extensions", {}).get("code") == "LIMIT_EXCEEDED"]
    return (found[0]["limit"], found[0]["found"]) if found else None


def nested(depth: int) -> str:
    return "{ a " * depth + "}" * depth


WITHIN_AND_OVER = {
    "depth": (nested(16), nested(17), 17),
    "depth through fragments": (
        "{ a { ...F } } fragment F on Viewer " + nested(15),
        "{ a { ...F } } fragment F on Viewer " + nested(16),
        17,
    ),
    "aliases": (
        "{ " + " ".join(f"a{place}: __typename" for place in range(30)) + " }",
        "{ " + " ".join(f"a{place}: __typename" for place in range(31)) + " }",
        31,
    ),
    "aliases through fragments": (
        "{ ...F viewer { ...F } } fragment F on Query { "
        + " ".join(f"a{place}: __typename" for place in range(15))
        + " }",
        "{ ...F viewer { ...F } } fragment F on Query { "
        + " ".join(f"a{place}: __typename" for place in range(16))
        + " }",
        32,
    ),
    "fields": (
        "{ " + " ".join(f"f{place}" for place in range(500)) + " }",
        "{ " + " ".join(f"f{place}" for place in range(501)) + " }",
        501,
    ),
    "directives": ("{ viewer { workspace" + " @x" * 8 + " } }", "{ viewer { workspace" + " @x" * 9 + " } }", 9),
    "alike": ("{ " + "viewer { workspace } " * 8 + "}", "{ " + "viewer { workspace } " * 9 + "}", 9),
    "alike in what meets": (
        "{ viewer { w: workspace } viewer { " + "w: workspace " * 7 + "} }",
        "{ viewer { w: workspace } viewer { " + "w: workspace " * 8 + "} }",
        9,
    ),
    "alike through fragments": (
        "{ ...F ...G } fragment F on Query { a a a a } fragment G on Query { a a a ... on Query { a } }",
        "{ ...F ...G ...F } fragment F on Query { a a a a } fragment G on Query { a a a ... on Query { a } }",
        12,
    ),
}


@pytest.mark.parametrize("name", WITHIN_AND_OVER)
async def test_document_at_a_limit_passes_it_and_one_over_it_is_refused(attempt: Try, name: str) -> None:
    within, over, found = WITHIN_AND_OVER[name]
    assert await refused(attempt, within) is None
    assert await refused(attempt, over) == (name.split(maxsplit=1)[0], found)


async def test_ten_operations_pass_where_one_of_them_is_named_and_eleven_do_not(
    database: Database, caller: Caller
) -> None:
    ten, eleven = (" ".join(f"query Q{place} {{ __typename }}" for place in range(count)) for count in (10, 11))
    context = Context(database=database, caller=caller)
    within = await schema.execute(ten, context_value=context, operation_name="Q3")
    assert (within.data, within.errors) == ({"__typename": "Query"}, None)
    over = await schema.execute(eleven, context_value=context, operation_name="Q3")
    (error,) = over.errors or []
    assert error.extensions == {"code": "LIMIT_EXCEEDED", "limit": "operations", "most": 10, "found": 11}
    (error,) = (await schema.execute(ten, context_value=context)).errors or []
    assert "operationName" in error.message


@pytest.mark.parametrize("name", [*web.documents])
async def test_document_of_a_page_is_far_within_every_limit(database: Database, caller: Caller, name: str) -> None:
    variables = {"key": "nothing", "id": global_id("Review", 999_999_999), "segment": "", "first": 50}
    variables |= {"isAsked": True, "kpi": "nothing", "lift": 0.1, "coverage": 1.0, "periods": 12.0}
    variables |= {"mayList": True, "worst": 0.1, "seesAll": True}
    found = await run(database, caller, web.documents[name], **variables)
    assert found.errors is None
    assert found.extensions is not None
    assert 0 < found.extensions["cost"]["requested"] < MOST["cost"] / 2


@pytest.mark.parametrize(
    ("document", "cost"),
    [
        ("{ __typename }", 0.1),
        ("{ viewer { workspace } }", 1 + 0.1),
        ("{ kpis(first: 3) { totalCount nodes { key name } } }", 1 + 3 * (0.1 + 1 + 0.2)),
        ("{ kpis(last: 3) { nodes { key } } }", 1 + 3 * 1.1),
        ("{ kpis { nodes { key } } }", 1 + 20 * 1.1),
        ("{ kpis(first: null) { nodes { key } } }", 1 + 20 * 1.1),
        ("query Q($n: Int) { kpis(first: $n) { nodes { key } } }", 1 + 7 * 1.1),
        ("query Q($n: Int = 4) { kpis(first: $n) { nodes { key } } }", 1 + 7 * 1.1),
        ("query Q($m: Int = 4) { kpis(first: $m) { nodes { key } } }", 1 + 4 * 1.1),
        ("{ kpis(first: 3) { ...F } } fragment F on KpiConnection { nodes { key } }", 1 + 3 * 1.1),
        ('{ nodes(ids: ["a", "b"]) { id } }', 1 + 2 * 0.1),
        ('{ experiment(key: "x") { results { computedAt } } }', 1 + 1 + 20 + 0.1),
        ('{ experiment(key: "x") { results { findings { pValue } } } }', 1 + 1 + 20 + 1 + 5 + 0.1),
        ('{ hypothesis(key: "x") { evidence { status } } }', 1 + 1 + 50 + 0.1),
        ("query A { viewer { workspace } } # B is not run", 1.1),
    ],
)
async def test_cost_is_what_the_table_of_prices_comes_to(
    database: Database, caller: Caller, document: str, cost: float
) -> None:
    found = await run(database, caller, document, **({"n": 7} if "$n" in document else {}))
    assert found.errors is None
    assert found.extensions == {"cost": {"requested": round(cost, 1)}}


async def test_cost_over_the_cap_is_refused_before_anything_is_read(attempt: Try) -> None:
    document = "query Q($n: Int!) { experiments(first: $n) { nodes { learnings(first: 100) { nodes { id } } } } }"
    assert await refused(attempt, document, n=40) is None  # 1 + 40 x (1 + 1 + 100 x 1.1) = 4,481
    assert await refused(attempt, document, n=45) == ("cost", 5_041)
    answer = await attempt(document, {"n": 45})
    assert answer["errors"][0]["extensions"] == {
        "code": "LIMIT_EXCEEDED",
        "limit": "cost",
        "most": 5_000,
        "found": 5_041,
    }
    assert answer["data"] is None


async def test_change_costs_more_than_what_it_answers(database: Database, caller: Caller) -> None:
    document = "mutation M($input: KpiRegisterInput!) { kpiRegister(input: $input) { kpi { key } } }"
    given = {
        "key": "",
        "name": "",
        "direction": "HIGHER",
        "owner": "",
        "definition": {"activation": {"event": "e", "windowDays": 1}},
    }
    found = await run(database, caller, document, input=given)
    assert found.extensions == {"cost": {"requested": 10 + 1 + 1 + 0.1}}


def test_prices_are_of_fields_that_exist() -> None:
    for place in (*PRICES, *TIMES):
        parent, _, field = place.partition(".")
        found = PUBLIC.type_map[parent]
        assert isinstance(found, GraphQLObjectType)
        assert field in found.fields, place
    assert MOST_ALIKE == 8 == len(REGISTRY)


NINES = "".join(f"fragment {a} on Query{{{f'...{b} ' * 9}}}" for a, b in pairwise("ABCDEFGHIJ"))
BOMBS = {
    "two of each, 16 deep": "{ ...F0 }"
    + "".join(f"fragment F{place} on Query{{...F{place + 1} ...F{place + 1}}}" for place in range(16))
    + "fragment F16 on Query{viewer{workspace}}",
    "nine of each": "{ ...A }"
    + "".join(
        f"fragment {name} on Query{{{f'...{following} ' * 9}}}"
        for name, following in zip("ABCDEFGHI", "BCDEFGHIJ", strict=True)
    )
    + "fragment J on Query{a}",
    "of nothing": "{ ...A }"
    + "".join(
        f"fragment {name} on Query{{{f'...{following} ' * 9}}}"
        for name, following in zip("ABCDEFGHI", "BCDEFGHIJ", strict=True)
    ),
    "within fields": "{ viewer { ...F0 } }"
    + "".join(f"fragment F{place} on Viewer{{a{{...F{place + 1}}} b{{...F{place + 1}}}}}" for place in range(12))
    + "fragment F12 on Viewer{workspace}",
    "a loop": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    "a loop nobody enters": "{ viewer { workspace } } fragment A on Query { ...B } fragment B on Query { ...A }",
    "a loop of one": "{ ...A } fragment A on Query { viewer { workspace } ...A }",
    "150 of one name": "{" + "viewer{workspace}" * 150 + "}",
    "five of five of five": "{" + ("viewer{" + ("a{" + "b{c}" * 5 + "}") * 5 + "}") * 5 + "}",
    "inline in inline": "{" + "...{" * 120 + "a" + "}" * 121,
    "fields in fields": "{" + "a{" * 120 + "a" + "}" * 121,
    "chain of fragments": "{ ...F0 }"
    + "".join(f"fragment F{place} on Query{{...F{place + 1}}}" for place in range(200))
    + "fragment F200 on Query{a}",
}


async def timed(attempt: Try, document: str) -> tuple[float, dict[str, Any]]:
    """CPU seconds that a document takes that was never seen before, the least of three, and its answer.

    The least, for whatever else the process has to do meanwhile, as collecting garbage of other tests, counts too.
    """
    seconds, answer = [], dict[str, Any]()
    for place in range(3):
        began = process_time()
        answer = await attempt(f"{document} # {place}")
        seconds.append(process_time() - began)
    return min(seconds), answer


@pytest.mark.parametrize("name", BOMBS)
async def test_document_made_to_hurt_is_refused_in_a_tenth_of_a_second(attempt: Try, name: str) -> None:
    seconds, answer = await timed(attempt, BOMBS[name])
    assert seconds < 0.1
    assert len(answer["errors"]) == 1
    assert "loop" not in name or "within itself" in answer["errors"][0]["message"]
    assert answer["data"] is None


async def test_widest_document_within_the_limits_is_checked_in_a_quarter_of_a_second(attempt: Try) -> None:
    groups = " ".join(f"g{place}: viewer {{ " + "workspace " * 5 + "}" for place in range(29))
    fragments = "".join(f" fragment F{place} on Query {{ viewer {{ apiKey {{ name }} }} }}" for place in range(5))
    document = f"{{ {groups} {' '.join(f'...F{place}' for place in range(5))} }}{fragments}"
    seconds, answer = await timed(attempt, document)
    assert seconds < 0.25
    assert answer["errors"] == []


async def test_key_with_schema_read_may_ask_for_the_whole_schema_and_no_other(
    database: Database, caller: Caller
) -> None:
    found = await run(database, caller, INTROSPECTION)
    assert found.errors is None
    assert found.data is not None
    assert len(found.data["__schema"]["types"]) > 100
    others = replace(caller, scopes=frozenset(Scope) - {Scope.SCHEMA})
    for document in (
        INTROSPECTION,
        '{ __type(name: "Kpi") { name } }',
        "{ ...F } fragment F on Query { a: __schema { description } }",
    ):
        found = await run(database, others, document)
        assert found.data is None
        (error,) = found.errors or []
        assert error.extensions == {"code": "FORBIDDEN", "scope": "schema:read"}
    assert (await run(database, others, "{ __typename viewer { __typename } }")).errors is None


async def test_whole_schema_twice_in_one_document_costs_too_much(attempt: Try) -> None:
    twice = INTROSPECTION.replace("__schema {", "b: __schema { types { ...FullType } } __schema {", 1)
    assert await refused(attempt, INTROSPECTION) is None
    limit, found = await refused(attempt, twice) or ("", 0)
    assert (limit, found > MOST["cost"]) == ("cost", True)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ("{ viewr { workspace } }", "viewer"),
        ("{ viewer { workspac } }", "workspace"),
        ("{ kpis(frst: 1) { totalCount } }", "first"),
        ("query Q($a: Kp) { viewer { workspace } }", "Kpi"),
        ('{ search(query: "a", kinds: [HYPOTHESI]) { totalCount } }', "HYPOTHESIS"),
    ],
)
async def test_name_that_is_nearly_right_is_told_to_those_who_may_see_the_schema(
    database: Database, caller: Caller, document: str, name: str
) -> None:
    blind = replace(caller, scopes=frozenset({Scope.READ}))
    for somebody, is_told in ((caller, True), (blind, False)):
        found = await run(database, somebody, document)
        assert found.errors
        said = " ".join(error.message for error in found.errors)
        assert ("Did you mean" in said) is is_told
        assert (f"'{name}'" in said) is is_told
