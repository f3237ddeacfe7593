"""Rules that the public schema keeps beside those of test_schema.py; docs/audits.md says what holds which rule."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
    is_specified_scalar_type,
)

from api.auth.keys import Caller
from api.database import Database
from api.graphql.context import Context
from api.graphql.nodes import global_id
from api.graphql.schema import schema
from tests.api.public import PUBLIC
from tests.api.test_schema import OWN, enums, fields, inputs, named
from tests.test_house import EVERYTHING, ROOT, WITH_STATEMENTS

PARTS_WITH_AN_ID = {"AlertRule", "Annotation", "RejectionReplay"}
"""Read with the KPI they belong to, which has few, and named by their id to change them; and a row that may be gone."""
NOT_BY_KEY = {
    "ActionItem",
    "Alert",
    "ApiKey",
    "Delivery",
    "Endpoint",
    "Job",
    "Learning",
    "Member",
    "Rejection",
    "Review",
}
"""Nodes that nobody gives a name to be called by; the `key` of an API key is the part of it that is no secret."""
EDGES_OF_VALUES = {"AuditEntryEdge", "SearchEdge", "UnitAtRiskEdge"}
"""An entry is known by its number in the chain, a hit belongs to its search, and a unit is not ours to name."""
ORDERS = ("newest first", "the best first", "the worst first")
COUNTING = {"api/graphql/trusted.py", "kpi/batches.py", "kpi/storage.py"}
"""They drop the oldest documents and rejected rows beyond so many, and cut outcomes into parts: no pages."""
ROWS = {"exposures", "outcomes", "memberships", "traits", "unit", "rejections"}
"""What mutations are about beside types."""
NEEDED_TO_UPDATE = {"KpiUpdateInput": {"id", "reason"}, "WorkspaceUpdateInput": set()}
"""A KPI's record says why; the workspace is that of the key."""
LOOSE = {
    "Alert.evidence",
    "AuditEntry.details",
    "CatalogueEvent.example",
    "ExposureInput.attributes",
    "Notice.data",
    "PayloadAmendInput.payload",
    "TargetingCondition.values",
    "TargetingConditionInput.values",
    "TraitInput.value",
    "ValueChange.before",
    "ValueChange.after",
    "Variant.payload",
    "VariantInput.payload",
}
"""What is JSON: attributes and payloads of the sender's own, and what differs from one kind of thing to the next."""
WORDS_THAT_END_SO = {"NoticeType", "UnitType"}
"""Enums of which “type” is a part of the word: a notice has a `type` in Standard Webhooks, a unit is of a type."""
DEPRECATION = re.compile(r"^Use `[\w.]+`\. Gone after 20\d\d-(0[1-9]|1[0-2])\.$")


class Spy:
    """Loaders that find nothing, and keep what they were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __getattr__(self, name: str) -> "Spy":
        return self

    async def load(self, identity: int) -> None:
        """Nothing, once that is noted."""
        self.asked.append(identity)


def types(kind: type[Any]) -> Iterator[Any]:
    for found in OWN.values():
        if isinstance(found, kind):
            yield found


def roots(*, changing: bool = False) -> dict[str, GraphQLField]:
    found = PUBLIC.mutation_type if changing else PUBLIC.query_type
    assert found is not None
    return dict(found.fields)


def nodes() -> set[str]:
    return {str(found.name) for found in types(GraphQLObjectType) if "Node" in {one.name for one in found.interfaces}}


def required(found: GraphQLInputObjectType) -> set[str]:
    return {name for name, field in found.fields.items() if is_non_null_type(field.type)}


def wrong_deprecations(found: GraphQLSchema) -> list[str]:
    """What is deprecated without saying what to use and until when."""
    places = [
        (f"{name}.{part}", stated.deprecation_reason)
        for name, kind in found.type_map.items()
        if not name.startswith("__")
        for part, stated in (getattr(kind, "fields", None) or getattr(kind, "values", None) or {}).items()
    ] + [
        (f"{name}.{part}({argument}:)", given.deprecation_reason)
        for name, kind in found.type_map.items()
        for part, stated in getattr(kind, "fields", {}).items()
        for argument, given in getattr(stated, "args", {}).items()
    ]
    return [path for path, reason in places if reason is not None and not DEPRECATION.match(reason)]


def test_whatever_has_an_id_is_a_node_or_a_part_of_one() -> None:
    with_id = {found.name: found.fields["id"] for found in types(GraphQLObjectType) if "id" in found.fields}
    assert with_id.keys() - nodes() == PARTS_WITH_AN_ID
    assert {str(field.type) for field in with_id.values()} == {"ID!"}


async def test_every_node_is_looked_for_by_its_id(database: Database, caller: Caller) -> None:
    expected = sorted(nodes())
    context = Context(database=database, caller=caller)
    context._loaders = spy = Spy()  # type: ignore[assignment]  # it stands for all of them
    ids = [global_id(noun, number) for number, noun in enumerate(expected)]
    found = await schema.execute("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids}, context)
    assert (found.data, found.errors) == ({"nodes": [None] * len(ids)}, None)
    assert sorted(spy.asked) == list(range(len(expected)))


def test_node_with_a_key_is_found_by_it() -> None:
    by_key = {named(field) for field in roots().values() if list(field.args) == ["key"]}
    keyed = {name for name in nodes() if "key" in OWN[name].fields}  # type: ignore[attr-defined]  # a node has fields
    assert by_key == keyed - {"ApiKey"} == nodes() - NOT_BY_KEY


def test_connection_and_edge_are_named_for_their_node_and_of_relays_types() -> None:
    edges = [found for found in types(GraphQLObjectType) if found.name.endswith("Edge")]
    assert len(edges) > 10
    for edge in edges:
        node = named(edge.fields["node"])
        assert {name: str(field.type) for name, field in edge.fields.items()} == {
            "cursor": "String!",
            "node": f"{node}!",
        }
        assert edge.name in {f"{node}Edge", "SearchEdge"}
        connection = OWN[edge.name.removesuffix("Edge") + "Connection"]
        assert isinstance(connection, GraphQLObjectType)
        kinds = {name: str(field.type) for name, field in connection.fields.items() if name != "counts"}
        assert kinds == {
            "edges": f"[{edge.name}!]!",
            "nodes": f"[{node}!]!",
            "pageInfo": "PageInfo!",
            "totalCount": "Int!",
        }
    assert {edge.name for edge in edges if named(edge.fields["node"]) not in nodes()} == EDGES_OF_VALUES


def test_connection_says_its_order() -> None:
    found = {path: field.description for path, field in fields() if named(field).endswith("Connection")}
    assert len(found) > 10
    assert [path for path, text in found.items() if not any(order in (text or "") for order in ORDERS)] == []


def test_no_statement_pages_by_counting_rows() -> None:
    found = {name for name in WITH_STATEMENTS if re.search(r"\.offset\(|\bOFFSET\b", (ROOT / name).read_text("utf-8"))}
    assert found == COUNTING


def test_main_lists_are_ordered_by_a_field_and_a_direction() -> None:
    """And say what they are ordered by where nothing is asked for."""
    found = {name: field for name, field in roots().items() if "orderBy" in field.args}
    assert set(found) == {"kpis", "hypotheses", "experiments"}
    for name, field in found.items():
        noun = named(field).removesuffix("Connection")
        order, default = get_named_type(field.args["orderBy"].type), field.args["orderBy"].description
        assert isinstance(order, GraphQLInputObjectType)
        assert order.name == f"{noun}Order", name
        kinds = {part: str(one.type) for part, one in order.fields.items()}
        assert kinds == {"field": f"{noun}OrderField!", "direction": "OrderDirection!"}
        assert "if not said: CREATED_AT, DESC" in (default or "")


def test_filter_is_an_input_of_its_own_and_every_condition_may_be_absent() -> None:
    given = {path: field for path, field in fields() if "filter" in getattr(field, "args", {})}
    assert len(given) > 7
    for path, field in given.items():
        assert isinstance(field, GraphQLField)
        found = get_named_type(field.args["filter"].type)
        assert isinstance(found, GraphQLInputObjectType), path
        assert found.name.endswith("Filter")
        assert required(found) == set()
        lists = {name: named(one) for name, one in found.fields.items() if is_list_type(get_nullable_type(one.type))}
        assert lists in ({}, {"and": found.name, "or": found.name})


def test_filter_of_a_main_list_is_made_of_comparators() -> None:
    """A yes or no is compared with nothing."""
    for name in ("KpiFilter", "HypothesisFilter", "ExperimentFilter"):
        found = OWN[name]
        assert isinstance(found, GraphQLInputObjectType)
        kinds = {named(one) for part, one in found.fields.items() if part not in {"and", "or"}} - {"Boolean"}
        assert {"StringComparator", "DateTimeComparator"} <= kinds
        assert [kind for kind in kinds if not kind.endswith("Comparator")] == []
    comparators = {found.name: found for found in inputs() if found.name.endswith("Comparator")}
    assert {word for found in comparators.values() for word in found.fields} == {"eq", "in", "contains", "gte", "lt"}
    assert all(required(found) == set() for found in comparators.values())


def test_mutation_is_named_noun_first() -> None:
    nouns = {name[0].lower() + name[1:] for name in OWN} | ROWS
    about = {
        name: max((noun for noun in nouns if name.startswith(noun)), key=len, default="")
        for name in roots(changing=True)
    }
    assert len(about) > 50
    assert [
        name for name, noun in about.items() if not re.fullmatch(r"([A-Z][a-z]+)+", name[len(noun) :]) or not noun
    ] == []


def test_update_needs_the_id_and_nothing_else() -> None:
    updates = {found.name: required(found) for found in inputs() if found.name.endswith("UpdateInput")}
    assert len(updates) > 5
    assert {name: asked for name, asked in updates.items() if asked != {"id"}} == NEEDED_TO_UPDATE


def test_fault_of_an_input_has_a_sentence_a_code_and_a_path() -> None:
    fault = OWN["UserError"]
    assert isinstance(fault, GraphQLObjectType)
    kinds = {name: str(field.type) for name, field in fault.fields.items()}
    assert kinds == {"message": "String!", "code": "UserErrorCode!", "path": "[String!]"}


def test_root_field_that_fails_takes_no_other_with_it() -> None:
    found = {**roots(), **roots(changing=True)}
    assert {name for name, field in found.items() if isinstance(field.type, GraphQLNonNull)} == {"nodes"}


def test_enum_is_named_without_a_suffix() -> None:
    suffixed = {found.name for found in enums() if found.name.lower().endswith(("enum", "type"))}
    assert suffixed == WORDS_THAT_END_SO


def test_scalar_says_what_specifies_it_and_json_is_for_what_has_no_shape() -> None:
    own = [found for found in types(GraphQLScalarType) if not is_specified_scalar_type(found)]
    assert len(own) > 5
    assert [found.name for found in own if not (found.specified_by_url or "").startswith("https://")] == []
    assert {path for path, field in fields() if named(field) == "JSON"} == LOOSE


def test_shares_are_fractions_and_an_interval_has_its_level() -> None:
    assert {path for path, _ in fields() if re.search(r"perc(?!entile)|pct", path.lower())} == set()
    interval = OWN["Interval"]
    assert isinstance(interval, GraphQLObjectType)
    assert set(interval.fields) == {"lower", "upper", "level"}


def test_union_stands_behind_a_field_of_a_concrete_type() -> None:
    unions = {found.name for found in types(GraphQLUnionType)}
    assert unions
    paths = {path for path, field in fields() if named(field) in unions}
    assert {path.partition(".")[2] for path in paths} == {"definition", "condition"}
    assert not {path for path in paths if path.startswith(("Query.", "Mutation.", "Subscription."))}


def test_whatever_is_deprecated_says_what_to_use_and_until_when() -> None:
    assert wrong_deprecations(PUBLIC) == []


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [
        ("Use `b`. Gone after 2027-05.", []),
        ("Use `Kpi.b`. Gone after 2027-12.", []),
        ("Use b.", ["Query.a", "Query.b(c:)", "E.A"]),
        ("Use `b`. Gone after 2027-13.", ["Query.a", "Query.b(c:)", "E.A"]),
    ],
)
def test_deprecation_without_a_month_is_found(reason: str, wrong: list[str]) -> None:
    gone = f'@deprecated(reason: "{reason}")'
    found = build_schema(f"type Query {{ a: Int {gone} b(c: Int {gone}): E }} enum E {{ A {gone} B }}")
    assert sorted(wrong_deprecations(found)) == sorted(wrong)


def test_subscription_is_in_the_past_tense_and_thin_with_its_node() -> None:
    found = PUBLIC.subscription_type
    assert found is not None
    for name, field in found.fields.items():
        event = get_named_type(field.type)
        assert isinstance(event, GraphQLObjectType)
        assert name.endswith("ed")
        assert len(event.fields) <= 3
        assert {named(part) for part in event.fields.values()} & nodes()


def test_page_of_audits_has_every_rule_and_names_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "audits.md").read_text("utf-8")
    rules = re.findall(r"^\| (\d+) \| .+ \| (.+) \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rules] == list(range(1, 41))
    sources = "\n".join(path.read_text("utf-8") for path in EVERYTHING if path.name.startswith("test_"))
    tests = set(re.findall(r"def (test_\w+)", sources))
    assert set(re.findall(r"`(test_\w+)`", text)) - tests == set()
    assert [number for number, held in rules if "`test_" not in held] == ["28"]
