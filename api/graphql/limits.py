"""What a document may ask for at once, worked out before it is checked against the schema.

Fragments can make a short document long: each is measured once, however often it is spread, so the work is bounded by
what was sent and not by what it stands for. What is counted is always the document as if every fragment were written
out where it is spread.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionNode,
    SelectionSetNode,
    TypeMetaFieldDef,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)

from api.graphql.nodes import DEFAULT_PAGE, LARGEST_PAGE

MOST_BYTES = 32_000
"""Of a document; rows belong into its variables."""
MOST_TOKENS = 2_000
"""As above, and each costs time to read."""
MOST = {"depth": 16, "aliases": 30, "fields": 500, "directives": 8, "operations": 10, "cost": 5_000}
"""Of a document as it is executed. The standard introspection is 15 deep."""
MOST_NESTED = 48
"""Selections inside selections, fragments among them: so deep goes the pass itself."""
MOST_ALIKE = 8
"""Fields of one name in one place: the check that they agree compares each with each. As many as there are kinds of
KPI, for who asks for a definition asks for the event of each."""

OBJECT, SCALAR = 1.0, 0.1
"""The price of a field: one that has fields of its own, and one that has none."""
PRICES = {
    "Query.experimentDesign": 100.0,
    "Query.impact": 200.0,
    "Query.impactIf": 50.0,
    "Query.kpiLadder": 20.0,
    "Query.programme": 50.0,
    "Query.search": 20.0,
    "Experiment.impact": 50.0,
    "Experiment.results": 20.0,
    "Experiment.launchChecks": 10.0,
    "Experiment.rehearsals": 5.0,
    "Hypothesis.evidence": 50.0,
    "Kpi.values": 5.0,
    "Kpi.againstBaseline": 3.0,
    "Kpi.againstTarget": 3.0,
    "Kpi.betweenCohorts": 5.0,
    "Kpi.changeEffect": 20.0,
    "Kpi.outlook": 10.0,
    "Kpi.drift": 10.0,
    "Kpi.seasons": 5.0,
    "Kpi.segmentNames": 2.0,
    "Kpi.standing": 5.0,
    "Kpi.bySegment": 30.0,
    "Kpi.triangle": 5.0,
    "Kpi.adoption": 5.0,
    "Kpi.unitsAtRisk": 10.0,
    "Kpi.experiments": 2.0,
    "Kpi.riskCheck": 10.0,
    "Review.snapshot": 20.0,
    "Query.backlog": 20.0,
    "Mutation.kpiRedefinePreview": 200.0,
    "Mutation.kpiBaselineMeasure": 50.0,
    "Hypothesis.impact": 50.0,
    "ExperimentResults.findings": 5.0,
    "ExperimentResults.segmentFindings": 5.0,
    "ExperimentResults.interactions": 5.0,
    "Finding.series": 2.0,
    "Finding.curves": 2.0,
}
"""What takes more than reading a row, beside the price of what is read of it."""
MUTATION = 10.0
"""The price of a change, beside that of what it answers."""
INTROSPECTION = 0.015
"""The price of a field of the schema about itself: nothing is read for it, but there are many."""
SELF = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
"""The fields that ask for the schema."""
TIMES = {"__Schema.types": 250, "__Type.fields": 8, "__Type.inputFields": 4, "__Type.enumValues": 4, "__Field.args": 2}
"""How many the schema has of itself, about."""

ENOUGH = 1_000_000_000
"""No more than so many are named: fragments in fragments soon come to more than a number in JSON can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What selections ask for, with all that is below them."""

    depth: int = 0
    aliases: int = 0
    fields: int = 0
    directives: int = 0
    cost: float = 0.0
    asks_for_schema: bool = False

    def __add__(self, other: "Size") -> "Size":
        """Both, side by side."""
        return Size(
            depth=max(self.depth, other.depth),
            aliases=self.aliases + other.aliases,
            fields=self.fields + other.fields,
            directives=self.directives + other.directives,
            cost=self.cost + other.cost,
            asks_for_schema=self.asks_for_schema or other.asks_for_schema,
        )


def measured(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, sizes: Mapping[str, int]
) -> Size:
    """What a document asks for; of its operations, the cost is that of the one that is run. Raises GraphQLError.

    `sizes` are the operation's variables as far as they say how many are wanted.
    """
    found = Measure(schema, document, sizes)
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    _hold("operations", len(operations))
    cost = found.of(operation).cost
    whole = sum((found.of(node) for node in operations), Size()) + found.of_fragments()
    for name in ("depth", "aliases", "fields", "directives"):
        _hold(name, getattr(whole, name))
    for node in operations:
        found.hold_alike([node.selection_set])
    _hold("cost", cost)
    return Size(cost=cost, asks_for_schema=whole.asks_for_schema)


def sizes(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, int]:
    """How many the variables of an operation ask for: numbers, given or by default, and the lengths of lists."""
    stated = {node.variable.name.value: node.default_value for node in operation.variable_definitions or ()}
    found = {name: int(value.value[:10]) for name, value in stated.items() if isinstance(value, IntValueNode)}
    for name in stated.keys() & variables.keys():
        value = variables[name]
        found.pop(name, None)
        if isinstance(value, int | list):
            found[name] = len(value) if isinstance(value, list) else value
    return found


class Measure:
    """One pass over a document."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, sizes: Mapping[str, int]) -> None:
        self._schema, self._sizes = schema, sizes
        fragments = (node for node in document.definitions if isinstance(node, FragmentDefinitionNode))
        self._fragments = {node.name.value: node for node in fragments}
        self._known: dict[str, Size] = {}
        self._open: list[str] = []
        self._nested = 0

    def of(self, operation: OperationDefinitionNode) -> Size:
        """What an operation asks for."""
        root = self._schema.get_root_type(operation.operation)
        own = Size(directives=len(operation.directives or ()))
        return own + self._selections(operation.selection_set, root)

    def of_fragments(self) -> Size:
        """What those ask for that no operation spreads: they are checked all the same."""
        return sum((self._fragment(name) for name in [*self._fragments] if name not in self._known), Size())

    def hold_alike(self, sets: list[SelectionSetNode]) -> None:
        """Raise GraphQLError where fields of one name meet too often; of a document whose fields are few enough."""
        alike: dict[str, list[FieldNode]] = {}
        for field in self._written_out(node for found in sets for node in found.selections):
            alike.setdefault((field.alias or field.name).value, []).append(field)
        for name, fields in alike.items():
            if len(fields) > MOST_ALIKE:
                raise _refused(
                    "alike", MOST_ALIKE, len(fields), f"The field “{name}” is asked for too often in one place"
                )
            self.hold_alike([field.selection_set for field in fields if field.selection_set])

    def _written_out(self, selections: Iterable[SelectionNode]) -> Iterator[FieldNode]:
        for node in selections:
            if isinstance(node, FieldNode):
                yield node
            elif not isinstance(node, FragmentSpreadNode):
                yield from self._written_out(node.selection_set.selections)  # type: ignore[attr-defined]  # it is inline
            elif node.name.value in self._fragments:
                yield from self._written_out(self._fragments[node.name.value].selection_set.selections)

    def _selections(self, found: SelectionSetNode, parent: GraphQLNamedType | None) -> Size:
        self._nested += 1
        if self._nested > MOST_NESTED:
            raise _refused("depth", MOST_NESTED, self._nested, "The document is nested too deeply")
        size = sum((self._selection(node, parent) for node in found.selections), Size())
        self._nested -= 1
        return size

    def _selection(self, node: SelectionNode, parent: GraphQLNamedType | None) -> Size:
        own = Size(directives=len(node.directives or ()))
        if isinstance(node, FieldNode):
            return own + self._field(node, parent)
        if isinstance(node, FragmentSpreadNode):
            return own + self._fragment(node.name.value)
        condition = node.type_condition  # type: ignore[attr-defined]  # the third kind of selection is an inline one
        meant = self._schema.get_type(condition.name.value) if condition else parent
        return own + self._selections(node.selection_set, meant)  # type: ignore[attr-defined]  # as above

    def _fragment(self, name: str) -> Size:
        """A fragment that does not exist counts as a field: the check against the schema says what it is."""
        if name in self._open:
            raise GraphQLError(f"Cannot spread fragment “{name}” within itself.", extensions={"code": "BAD_REQUEST"})
        if name not in self._fragments:
            return Size(fields=1)
        if name not in self._known:
            node = self._fragments[name]
            self._open.append(name)
            own = Size(directives=len(node.directives or ()))
            meant = self._schema.get_type(node.type_condition.name.value)
            self._known[name] = own + self._selections(node.selection_set, meant)
            self._open.pop()
        return self._known[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Size:
        name = node.name.value
        stated = self._stated(parent, name)
        meant = get_named_type(stated.type) if stated else None
        place = f"{parent.name if parent else ''}.{name}"
        below = self._selections(node.selection_set, meant) if node.selection_set else Size()
        return Size(
            depth=below.depth + 1,
            aliases=below.aliases + (node.alias is not None),
            fields=below.fields + 1,
            directives=below.directives,
            cost=self._price(place, meant) + below.cost * self._times(node, stated, place),
            asks_for_schema=below.asks_for_schema or name in SELF,
        )

    def _stated(self, parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
        """A field as the schema has it; None for one it does not have."""
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return None
        return (SELF if parent is self._schema.query_type else {}).get(name) or parent.fields.get(name)

    def _price(self, place: str, meant: GraphQLNamedType | None) -> float:
        if place.startswith("__"):
            return INTROSPECTION
        base = OBJECT if is_composite_type(meant) else SCALAR
        change = self._schema.mutation_type
        is_change = change is not None and place.startswith(f"{change.name}.")
        return base + PRICES.get(place, 0.0) + (MUTATION if is_change else 0.0)

    def _times(self, node: FieldNode, stated: GraphQLField | None, place: str) -> int:
        """How many there are, at most, of what is below a field."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        accepted = stated.args.keys() if stated else set()
        if {"first", "last"} <= accepted:
            asked = [self._number(given[name]) for name in ("first", "last") if name in given]
            return min(max((size for size in asked if size is not None), default=DEFAULT_PAGE), LARGEST_PAGE)
        if "ids" in accepted:
            return min(self._number(given.get("ids")) or 1, LARGEST_PAGE)
        return TIMES.get(place, 1)

    def _number(self, value: ValueNode | None) -> int | None:
        """How many an argument asks for; None where it says nothing of the kind."""
        if isinstance(value, VariableNode):
            return self._sizes.get(value.name.value)
        if isinstance(value, ListValueNode):
            return len(value.values)
        return int(value.value[:10]) if isinstance(value, IntValueNode) else None


def _hold(name: str, found: float) -> None:
    if found > MOST[name]:
        raise _refused(name, MOST[name], found, f"The document asks for too much: its {name}")


def _refused(limit: str, most: int, found: float, beginning: str) -> GraphQLError:
    found = min(round(found, 1), ENOUGH)
    extensions = {"code": "LIMIT_EXCEEDED", "limit": limit, "most": most, "found": found}
    return GraphQLError(f"{beginning} ({found:,g} where {most:,} are allowed).", extensions=extensions)
