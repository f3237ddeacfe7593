"""Documents, from their text to the moment they are run: read once, measured, and held against the schema.

What is kept of a document is true whoever sends it. What one caller may ask for and another may not - the schema about
itself, the cost that the workspace has left - is looked at each time.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from hashlib import sha256
from math import ceil
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, specified_rules
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

from api.auth.keys import Scope
from api.graphql.limits import MOST_TOKENS, Size, measured, sizes
from api.telemetry import metrics
from kpi.shelf import Shelf

MOST_KEPT = 32_000_000
"""Bytes of documents that are kept read: pages and front ends send the same few again and again."""
TOKEN_BYTES = 550
"""What a token of a document takes once it is read, about."""
MOST_SIZES = 16
"""Of one document: what it asks for depends on which of its operations is meant, and on how many are wanted."""


class Document:
    """A document that was read. What it asks for, and what the schema does not have of it, is found out once."""

    __slots__ = ("_faults", "_sizes", "digest", "node", "operations")

    def __init__(self, text: str) -> None:
        self.node = parse(text, max_tokens=MOST_TOKENS)
        self.digest = digest(text)
        self.operations = [node for node in self.node.definitions if isinstance(node, OperationDefinitionNode)]
        self._sizes: dict[object, Size] = {}
        self._faults: tuple[GraphQLError, ...] | None = None

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation that is to be run; None where it is not there, or where it is not said which of several."""
        found = [
            node for node in self.operations if name is None or (node.name is not None and node.name.value == name)
        ]
        return found[0] if len(found) == 1 else None

    def size(self, schema: GraphQLSchema, name: str | None, variables: dict[str, Any]) -> Size:
        """What it asks for. Raises GraphQLError for too much, and where it is not said what is to be run."""
        chosen = self.operation(name)
        if chosen is None:
            raise GraphQLError("Say by operationName which operation is meant.", extensions={"code": "BAD_REQUEST"})
        asked = sizes(chosen, variables)
        place = name, tuple(sorted(asked.items()))
        if place not in self._sizes:
            if len(self._sizes) >= MOST_SIZES:
                self._sizes.clear()
            self._sizes[place] = measured(schema, self.node, chosen, asked)
        return self._sizes[place]

    def faults(self, schema: GraphQLSchema) -> tuple[GraphQLError, ...]:
        """What the schema does not have of it; of one that was measured, for else this may take long."""
        if self._faults is None:
            self._faults = tuple(validate_document(schema, self.node, tuple(specified_rules)))
        return self._faults

    @property
    def bytes(self) -> int:
        """What it takes to keep it, about."""
        assert self.node.loc is not None  # noqa: S101 - documents are read with their places
        tokens, token = 1, self.node.loc.start_token
        while token.next is not None:
            tokens, token = tokens + 1, token.next
        return tokens * TOKEN_BYTES


READ: Shelf[str, Document] = Shelf(MOST_KEPT)
"""The documents that were sent last, by their hash."""


def digest(text: str) -> str:
    """The hash that a document is known by: SHA-256 of its bytes in UTF-8, in hexadecimal."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read(text: str) -> Document:
    """A document. Raises GraphQLError for what is none, or too long."""
    found = READ.get(digest(text))
    if found is None:
        found = Document(text)
        READ.put(found.digest, found, found.bytes)
    return found


class Checked(SchemaExtension):
    """Refuses what asks for too much, for what it may not see, or for what the schema does not have, in this order."""

    size: Size | None = None

    def on_parse(self) -> Iterator[None]:
        """Read the document; what is none is read again by strawberry, which says what is wrong."""
        context = self.execution_context
        context.parse_options["max_tokens"] = MOST_TOKENS
        with suppress(GraphQLError):
            context.graphql_document = read(context.query or "").node
        yield

    async def on_validate(self) -> AsyncIterator[None]:
        """Measure the document, then check it."""
        context = self.execution_context
        try:
            document, schema = read(context.query or ""), context.schema._schema
            self.size = self._measured(document, schema)
            metrics.COST.observe(self.size.cost)
            context.pre_execution_errors = list(document.faults(schema))
            if not context.pre_execution_errors:
                await spend(context.context, self.size.cost)
        except GraphQLError as refused:
            context.pre_execution_errors = [refused]
        yield

    def get_results(self) -> dict[str, Any]:
        """What the document costs, for whoever sent it."""
        return {} if self.size is None else {"cost": bill(self.execution_context.context, self.size.cost)}

    def _measured(self, document: Document, schema: GraphQLSchema) -> Size:
        context = self.execution_context
        size = document.size(schema, context._provided_operation_name, context.variables or {})
        if size.asks_for_schema and not context.context.caller.may(Scope.SCHEMA):
            sentence = f"To ask for the schema needs the scope “{Scope.SCHEMA}”, of a key or of your role."
            raise GraphQLError(sentence, extensions={"code": "FORBIDDEN", "scope": str(Scope.SCHEMA)})
        return size


async def spend(context: Any, cost: float) -> None:
    """Take what a document costs from the caller's allowance. Raises GraphQLError where there is too little."""
    context.cost = cost
    wait = 0.0 if context.allowance is None else await context.allowance.spend(context.caller, cost)
    if wait > 0:
        sentence = f"So much was asked for lately that there is enough again only in {ceil(wait)} s."
        raise GraphQLError(sentence, extensions={"code": "RATE_LIMITED", "retryAfter": ceil(wait)})


def bill(context: Any, cost: float) -> dict[str, float]:
    """What a document costs, and what the caller has left."""
    told = {"requested": round(cost, 1)}
    if context.allowance is not None:
        told |= {
            "available": round(context.allowance.left(context.caller), 1),
            "restoreRate": context.allowance.restored(),
        }
    return told
