"""The client beside the schema: a field that goes, or changes its type, breaks the build here."""

import ast
import dataclasses
import types
import typing
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    validate,
)

from tests.api.public import PUBLIC
from truelift import operations
from truelift.answers import ExperimentSummary, KpiSeries, KpiSummary, Results
from truelift.decoding import CAPITAL
from truelift.enums import Open

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "clients" / "python" / "truelift"
OPERATIONS = sorted(path.stem for path in CLIENT.rglob("*.graphql") if path.stem != operations.FRAGMENT)
SCALARS: dict[str, object] = {
    "ID": str,
    "String": str,
    "Int": int,
    "Float": float,
    "Boolean": bool,
    "DateTime": datetime,
    "Date": date,
    "Numbers": tuple[float | None, ...],
    "Counts": tuple[int, ...],
    "Days": tuple[date, ...],
}
OPEN_TEXTS = {"VerdictRule", "CheckKind"}
"""Vocabularies that the client passes on as text: they grow with the rules."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_valid_against_the_schema(name: str) -> None:
    assert validate(PUBLIC, parse(operations.document(name))) == []


def test_operations_are_all_there() -> None:
    assert OPERATIONS == ["experiments", "identity", "kpis", "results", "updated", "values"]


READ = {
    "experiments": (("experiments", "nodes"), ExperimentSummary),
    "kpis": (("kpis", "nodes"), KpiSummary),
    "values": (("kpi", "values"), KpiSeries),
    "results": (("experiment", "results"), Results),
    "updated": (("experimentResultsUpdated", "experiment", "results"), Results),
}


@pytest.mark.parametrize("name", READ)
def test_class_has_what_the_operation_asks_for_with_the_type_of_the_schema(name: str) -> None:
    path, of = READ[name]
    document = parse(operations.document(name))
    selection, parent = _reached(document, path)
    assert list(differences(document, selection, parent, of, of.__name__)) == []


def test_differences_are_seen() -> None:
    document = parse("{ experiments { nodes { id key startedAt state } } }")
    selection, parent = _reached(document, ("experiments", "nodes"))
    found = list(differences(document, selection, parent, _Wrong, "Wrong"))
    assert found == [
        "Wrong has ['id', 'key', 'name', 'started_at'], the operation asks for ['id', 'key', 'started_at', 'state']",
        "Wrong.key is int, the schema says str",
        "Wrong.started_at is datetime, the schema says datetime | None",
    ]


@dataclasses.dataclass
class _Wrong:
    id: str
    key: int
    name: str
    started_at: datetime


def differences(
    document: DocumentNode, selection: SelectionSetNode, parent: GraphQLObjectType, of: type, place: str
) -> Iterator[str]:
    """Every field of a class that is not what is asked for, or has another type than the schema's."""
    hints = typing.get_type_hints(of)
    asked = {_snake(field.name.value): field for field in _fields(document, selection)}
    if sorted(hints) != sorted(asked):
        yield f"{place} has {sorted(hints)}, the operation asks for {sorted(asked)}"
    for name in [name for name in hints if name in asked]:
        field, said = asked[name], hints[name]
        declared = parent.fields[field.name.value].type
        inner, named = _innermost(said), _named(declared)
        expected = _expected(declared, inner)
        if said != expected:
            yield f"{place}.{name} is {_shown(said)}, the schema says {_shown(expected)}"
        elif isinstance(named, GraphQLObjectType):
            assert field.selection_set is not None
            yield from differences(document, field.selection_set, named, inner, f"{place}.{name}")
        elif isinstance(named, GraphQLEnumType) and inner is not str and set(inner) != set(named.values):
            yield f"{place}.{name} knows {sorted(inner)}, the schema {sorted(named.values)}"


def _expected(declared: object, inner: type) -> object:
    """What a class should say of a type of the schema, with its own name for objects and vocabularies."""
    if isinstance(declared, GraphQLNonNull):
        return _bare(declared.of_type, inner)
    return _bare(declared, inner) | None  # type: ignore[operator]  # every bare type is a class or an alias


def _bare(declared: object, inner: type) -> object:
    if isinstance(declared, GraphQLList):
        return types.GenericAlias(tuple, (_expected(declared.of_type, inner), ...))
    assert isinstance(declared, GraphQLNamedType)
    if isinstance(declared, GraphQLScalarType):
        return SCALARS[declared.name]
    if isinstance(declared, GraphQLEnumType):
        return str if declared.name in OPEN_TEXTS else _vocabulary(inner, declared.name)
    assert dataclasses.is_dataclass(inner), f"{declared.name} is no class here"
    return inner


def _vocabulary(inner: type, name: str) -> type:
    assert issubclass(inner, Open), f"{name} is no vocabulary here"
    assert inner.__name__ == name
    return inner


def _innermost(said: object) -> typing.Any:
    """The class inside optional and many."""
    parts = [part for part in typing.get_args(said) if part not in {type(None), Ellipsis}]
    return _innermost(parts[0]) if parts else said


def _named(declared: object) -> object:
    while isinstance(declared, GraphQLNonNull | GraphQLList):
        declared = declared.of_type
    return declared


def _fields(document: DocumentNode, selection: SelectionSetNode) -> Iterator[FieldNode]:
    """The fields of a selection, with those of fragments that it spreads."""
    fragments = {found.name.value: found for found in document.definitions if isinstance(found, FragmentDefinitionNode)}
    for node in selection.selections:
        if isinstance(node, FieldNode):
            yield node
        else:
            assert isinstance(node, FragmentSpreadNode)
            yield from _fields(document, fragments[node.name.value].selection_set)


def _reached(document: DocumentNode, path: tuple[str, ...]) -> tuple[SelectionSetNode, GraphQLObjectType]:
    """What an operation selects at a path, and the type there."""
    (operation,) = [found for found in document.definitions if isinstance(found, OperationDefinitionNode)]
    parent: object = PUBLIC.get_root_type(operation.operation)
    selection = operation.selection_set
    for name in path:
        (field,) = [found for found in _fields(document, selection) if found.name.value == name]
        assert isinstance(parent, GraphQLObjectType)
        assert field.selection_set is not None
        parent, selection = _named(parent.fields[name].type), field.selection_set
    assert isinstance(parent, GraphQLObjectType)
    return selection, parent


def _snake(name: str) -> str:
    return CAPITAL.sub("_", name).lower()


def _shown(of: object) -> str:
    return (
        of.__name__
        if isinstance(of, type) and not typing.get_args(of)
        else str(of).replace("datetime.datetime", "datetime")
    )


def test_client_imports_no_other_package_of_the_repository() -> None:
    own = {"api", "experiments", "kpi", "stats", "web", "migrations", "tests"}
    imported = {
        (alias.name if isinstance(node, ast.Import) else str(node.module)).partition(".")[0]
        for path in CLIENT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {"truelift", "httpx", "msgspec"} <= imported
    assert not imported & own
