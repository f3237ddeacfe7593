"""The public schema keeps its own rules, and the file that front ends read is the schema itself."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    get_named_type,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    is_specified_scalar_type,
    validate_schema,
)

from api.graphql.schema import SDL, sdl
from tests.api.public import PUBLIC

OWN = {name: found for name, found in PUBLIC.type_map.items() if not name.startswith("__")}
LISTS_THAT_ARE_NO_CONNECTION = {"Query.nodes"}
"""Relay's own field: as many as were asked for, 100 at most."""
NARROWING = {"filter", "orderBy", "query", "kinds", "below", "worst", "segment", "traits"}
"""What a connection is asked beside its page."""
VERBS = {
    "breachesMargin",
    "breaksErrorControl",
    "changesEstimand",
    "differs",
    "keepsMargin",
    "needsApproval",
    "needsSecondPerson",
    "opensReviews",
    "requiresProtocol",
}
"""Booleans that read as a question without is, has or can: does the finding keep its margin?"""
NAMED_OTHERWISE = {
    "ExperimentResults.dataThrough",
    "Decision.dataThrough",
    "Interaction.dataThrough",
    "PublishedLook.dataThrough",
    "Rehearsal.dataThrough",
    "ReviewOpenInput.on",
    "DateComparator.gte",
    "DateComparator.lt",
    "DateTimeComparator.gte",
    "DateTimeComparator.lt",
}
"""The watermark, whose word is older than the rule; a day that is only a day; and what times are held against."""


class Place(NamedTuple):
    """Something with a name and a description, and where it is."""

    path: str
    description: str | None


def objects() -> Iterator[GraphQLObjectType | GraphQLInterfaceType]:
    for found in OWN.values():
        if isinstance(found, GraphQLObjectType | GraphQLInterfaceType):
            yield found


def inputs() -> Iterator[GraphQLInputObjectType]:
    for found in OWN.values():
        if isinstance(found, GraphQLInputObjectType):
            yield found


def enums() -> Iterator[GraphQLEnumType]:
    for found in OWN.values():
        if isinstance(found, GraphQLEnumType):
            yield found


def fields() -> Iterator[tuple[str, GraphQLField | GraphQLInputField]]:
    for found in (*objects(), *inputs()):
        for name, field in found.fields.items():
            yield f"{found.name}.{name}", field


def places() -> Iterator[Place]:
    """Everything that a description belongs to."""
    for name, found in OWN.items():
        if not is_specified_scalar_type(found):
            yield Place(name, found.description)
    for path, field in fields():
        yield Place(path, field.description)
        for argument, stated in getattr(field, "args", {}).items():
            yield Place(f"{path}({argument}:)", stated.description)
    for enum in enums():
        for value, meant in enum.values.items():
            yield Place(f"{enum.name}.{value}", meant.description)


def named(field: GraphQLField | GraphQLInputField) -> str:
    return get_named_type(field.type).name


def test_file_is_the_schema() -> None:
    assert SDL.read_text(encoding="utf-8") == sdl(), "write it anew with `make schema`"


def test_schema_is_valid() -> None:
    assert validate_schema(PUBLIC) == []


def test_everything_is_described_in_a_sentence() -> None:
    found = list(places())
    assert len(found) > 300
    assert [place.path for place in found if not (place.description or "").strip()] == []
    assert [place.path for place in found if not (place.description or "").rstrip().endswith((".", "?"))] == []


def test_enum_values_are_in_capitals() -> None:
    values = [f"{found.name}.{value}" for found in enums() for value in found.values]
    assert len(values) > 300
    assert [path for path in values if not path.partition(".")[2].isupper()] == []


def test_list_of_objects_with_an_id_is_a_connection() -> None:
    node = PUBLIC.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    with_id = {found.name for found in PUBLIC.get_possible_types(node)} | {"Node"}
    assert {"Kpi", "Hypothesis", "Experiment"} <= with_id
    bare = {
        path
        for path, field in fields()
        if is_list_type(get_nullable_type(field.type))
        and named(field) in with_id
        and not path.partition(".")[0].endswith("Connection")
    }
    assert bare == LISTS_THAT_ARE_NO_CONNECTION


def test_every_connection_has_edges_nodes_a_count_and_relays_arguments() -> None:
    connections = {found.name: set(found.fields) for found in objects() if found.name.endswith("Connection")}
    assert len(connections) == 17
    assert connections["RejectionConnection"] >= {"counts"}  # by noun and rule, beside the page
    assert all(names - {"counts"} == {"edges", "nodes", "pageInfo", "totalCount"} for names in connections.values())
    paths = {path: field for path, field in fields() if named(field) in connections}
    assert len(paths) == 22
    for field in paths.values():
        assert isinstance(field, GraphQLField)
        assert set(field.args) - NARROWING == {"first", "after", "last", "before"}


def test_times_end_in_at_and_dates_in_on_and_nothing_else_does() -> None:
    for suffix, scalar in (("At", "DateTime"), ("On", "Date")):
        typed = {path for path, field in fields() if named(field) in {scalar, f"{scalar}Comparator"}}
        assert typed
        wrong = {path for path in typed if not path.endswith(suffix)} - NAMED_OTHERWISE
        assert wrong == set()
        assert {path for path, _ in fields() if path.endswith(suffix)} <= typed


def test_booleans_ask_a_question() -> None:
    names = {path.partition(".")[2] for path, field in fields() if named(field) == "Boolean"}
    assert len(names) > 8
    asked = {name for name in names if name.startswith(("is", "has", "can"))}
    assert names - asked == VERBS


def test_every_input_and_payload_belongs_to_its_mutation() -> None:
    mutation = PUBLIC.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        title = name[0].upper() + name[1:]
        assert set(field.args) == {"input"}
        assert str(field.args["input"].type) == f"{title}Input!"
        assert str(field.type) == f"{title}Payload"
        payload = PUBLIC.type_map[f"{title}Payload"]
        assert isinstance(payload, GraphQLObjectType)
        assert str(payload.fields["userErrors"].type) == "[UserError!]!"
        others = [stated for key, stated in payload.fields.items() if key != "userErrors"]
        assert others
        assert not any(isinstance(stated.type, GraphQLNonNull) for stated in others)


def test_inputs_that_are_one_of_many_are_marked_so() -> None:
    assert {found.name for found in inputs() if found.is_one_of} == {
        "AlertConditionInput",
        "KpiDefinitionInput",
        "MdeInput",
    }


@pytest.mark.parametrize("word", ["user", "metric", "arm", "uplift", "treatmentGroup"])
def test_names_keep_to_one_word_an_idea(word: str) -> None:
    allowed = {"Srm.arms"}
    found = {path for path, _ in fields() if path.partition(".")[2].lower().rstrip("s") == word.lower()}
    assert found <= allowed


def test_no_reference_is_a_bare_id_of_another_object() -> None:
    assert [path for path, _ in fields() if path.endswith("Id") and not path.endswith(".eventId")] == []


def test_columns_with_an_entry_a_day_are_sent_as_one_value_each() -> None:
    """And say how each reads, for a list says so by its type."""
    columns = [(path, field) for path, field in fields() if path.startswith(("Series.", "Curve."))]
    kinds = {path: named(field) for path, field in columns if not is_list_type(get_nullable_type(field.type))}
    assert kinds.pop("Curve.median") == "Float"
    assert set(kinds) | {"Curve.median"} == {path for path, _ in columns}
    assert {path for path, kind in kinds.items() if kind != "Numbers"} == {"Series.on", "Series.n", "Curve.atRisk"}
    for name, form in (("Numbers", "`[Float]`"), ("Counts", "`[Int!]`"), ("Days", "`[Date!]`")):
        scalar = PUBLIC.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        assert form in (scalar.description or "")
        assert scalar.specified_by_url == "https://www.rfc-editor.org/rfc/rfc8259#section-5"


def test_inputs_refer_to_inputs_only() -> None:
    assert all(
        is_input_object_type(get_named_type(field.type))
        or not isinstance(get_named_type(field.type), GraphQLObjectType)
        for found in inputs()
        for field in found.fields.values()
    )
