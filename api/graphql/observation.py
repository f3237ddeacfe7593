"""What is noted of each operation: how long it took and what became of it, and of a slow one a line in the log.

In metrics an operation goes by the field of the schema that it asks for: the name that its sender gave it could be
anything, and of any number. The log and a span have that name, and the hash of the document; never the document.
"""

import logging
from collections.abc import Iterator
from functools import lru_cache
from time import perf_counter
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLSchema, OperationType
from strawberry.extensions import SchemaExtension

from api.graphql.documents import digest, read
from api.telemetry import metrics, tracing

log = logging.getLogger("truelift.operations")
UNREADABLE, SEVERAL, OTHER = "(unreadable)", "(several)", "(other)"
OK, INVALID, INTERNAL, ENDED = "OK", "INVALID", "INTERNAL", "ENDED"
KEPT = 32
"""Documents whose label is kept."""
LONGEST_NAME = 64
"""Of an operation, as it is logged."""


class Noted(SchemaExtension):
    """Notes each operation, after all else that looks at it."""

    def on_operation(self) -> Iterator[None]:
        """Take the time of the operation; that of a subscription says how long somebody listened."""
        began, span = perf_counter(), tracing.begin("operation")
        try:
            yield
        finally:  # also of one that was given up
            self._note(perf_counter() - began, span)

    def _note(self, seconds: float, span: Any) -> None:
        context = self.execution_context
        text, name = context.query or "", context._provided_operation_name
        labels = label(context.schema._schema, text, name), outcome(context.result)
        if labels[0].startswith(OperationType.SUBSCRIPTION.value):
            metrics.SUBSCRIPTION.labels(*labels).inc()
        else:
            metrics.OPERATION.labels(*labels).observe(seconds)
            if seconds >= context.context.slow_seconds:
                log.warning(
                    "An operation was slow.", extra=told(text, name, labels[0]) | {"seconds": round(seconds, 3)}
                )
        if span is not None:
            tracing.end(span, told(text, name, labels[0]), is_failed=labels[1] == INTERNAL)


@lru_cache(maxsize=KEPT)
def label(schema: GraphQLSchema, text: str, name: str | None) -> str:
    """What a document asks for, as one of a few names: its kind, and the field if it is one of the schema's."""
    try:
        chosen = read(text).operation(name)
    except GraphQLError:
        return UNREADABLE
    if chosen is None:
        return UNREADABLE
    root = schema.get_root_type(chosen.operation)
    fields = {node.name.value if isinstance(node, FieldNode) else SEVERAL for node in chosen.selection_set.selections}
    field = fields.pop() if len(fields) == 1 else SEVERAL
    is_known = field == SEVERAL or (root is not None and field in root.fields)
    return f"{chosen.operation.value} {field if is_known else OTHER}"


def outcome(result: Any) -> str:
    """What became of an operation: the code of its first error, or that it ended before there was an answer."""
    if result is None:
        return ENDED
    errors = result.errors or ()
    if not errors:
        return OK
    return str((errors[0].extensions or {}).get("code", INVALID))


def told(text: str, name: str | None, field: str) -> dict[str, str]:
    """What the log and a span may say of an operation."""
    return {
        "operation": field,
        "operation_name": _name(text, name)[:LONGEST_NAME],
        "document": digest(text)[:16],
    }


def _name(text: str, name: str | None) -> str:
    """The name that the document has for what is run: of what was sent beside it nobody knows what it is."""
    try:
        chosen = read(text).operation(name)
    except GraphQLError:
        return ""
    return chosen.name.value if chosen is not None and chosen.name is not None else ""
