"""Documents, from their text to the moment they are run: read once, measured, and held against the schema."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from math import ceil
from time import monotonic
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, specified_rules
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

from api.auth.keys import Scope
from api.graphql.limits import MOST_TOKENS, Size, measured, sizes
from api.telemetry import metrics

KEPT = 32
"""Documents that are kept read and checked: pages and front ends send the same few again and again."""


@lru_cache(maxsize=KEPT)
def read(text: str) -> DocumentNode:
    """A document. Raises GraphQLError for what is none, or too long."""
    return parse(text, max_tokens=MOST_TOKENS)


def operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    """The operation that is to be run; None where it is not there, or where it is not said which of several."""
    found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is not None:
        found = [node for node in found if node.name is not None and node.name.value == name]
    return found[0] if len(found) == 1 else None


class Checked(SchemaExtension):
    """Refuses what asks for too much, for what it may not see, or for what the schema does not have, in this order."""

    size: Size | None = None

    def on_parse(self) -> Iterator[None]:
        """Read the document; what is none is read again by strawberry, which says what is wrong."""
        context = self.execution_context
        context.parse_options["max_tokens"] = MOST_TOKENS
        with suppress(GraphQLError):
            context.graphql_document = read(context.query or "")
        yield

    def on_validate(self) -> Iterator[None]:
        """Measure the document, then check it."""
        context = self.execution_context
        try:
            self.size = self._measured(context.query or "")
            metrics.COST.observe(self.size.cost)
            context.pre_execution_errors = list(_checked(context.schema._schema, context.query or ""))
            if not context.pre_execution_errors:
                self._spend(self.size.cost)
        except GraphQLError as refused:
            context.pre_execution_errors = [refused]
        yield

    def get_results(self) -> dict[str, Any]:
        """What the document costs, for whoever sent it."""
        if self.size is None:
            return {}
        caller, budgets = self.execution_context.context.caller, self.execution_context.context.budgets
        cost: dict[str, float] = {"requested": round(self.size.cost, 1)}
        if budgets is not None:
            left = budgets.left(caller.workspace_id, monotonic())
            cost |= {"available": round(left, 1), "restoreRate": budgets.per_second}
        return {"cost": cost}

    def _spend(self, cost: float) -> None:
        """Take what the document costs from the workspace's budget. Raises GraphQLError where there is too little."""
        caller, budgets = self.execution_context.context.caller, self.execution_context.context.budgets
        wait = 0.0 if budgets is None else budgets.take(caller.workspace_id, cost, monotonic())
        if wait > 0:
            sentence = f"The workspace has asked for too much lately; there is enough again in {ceil(wait)} s."
            raise GraphQLError(sentence, extensions={"code": "RATE_LIMITED", "retryAfter": ceil(wait)})

    def _measured(self, text: str) -> Size:
        context = self.execution_context
        name = context._provided_operation_name
        chosen = operation(read(text), name)
        if chosen is None:
            raise GraphQLError("Say by operationName which operation is meant.", extensions={"code": "BAD_REQUEST"})
        asked = tuple(sorted(sizes(chosen, context.variables or {}).items()))
        size = _size(context.schema._schema, text, name, asked)
        if size.asks_for_schema and not context.context.caller.may(Scope.SCHEMA):
            sentence = f"To ask for the schema needs the scope “{Scope.SCHEMA}”, of a key or of your role."
            raise GraphQLError(sentence, extensions={"code": "FORBIDDEN", "scope": str(Scope.SCHEMA)})
        return size


@lru_cache(maxsize=KEPT)
def _size(schema: GraphQLSchema, text: str, name: str | None, asked: tuple[tuple[str, int], ...]) -> Size:
    """What a document asks for, by its text. Raises GraphQLError for too much."""
    document = read(text)
    chosen = operation(document, name)
    assert chosen is not None  # noqa: S101 - whoever asks has looked
    return measured(schema, document, chosen, dict(asked))


@lru_cache(maxsize=KEPT)
def _checked(schema: GraphQLSchema, text: str) -> tuple[GraphQLError, ...]:
    """What the schema does not have of a document."""
    return tuple(validate_document(schema, read(text), tuple(specified_rules)))
