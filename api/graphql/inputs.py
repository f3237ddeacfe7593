"""The input of a running mutation as it was sent."""

from typing import Any

from graphql import value_from_ast_untyped
from strawberry.extensions import SchemaExtension


def given(context: Any, info: Any) -> dict[str, Any]:
    """The input of the running mutation as it was sent, without what the schema adds to it."""
    (field, *_) = info._raw_info.field_nodes
    sent = {one.name.value: value_from_ast_untyped(one.value, context.variables) for one in field.arguments}
    said = sent.get("input")
    return said if isinstance(said, dict) else {}


class Sent(SchemaExtension):
    """Keeps an operation's variables as they were sent: what resolvers see of them is what the schema makes of it."""

    def on_execute(self) -> Any:
        """Before the operation runs."""
        self.execution_context.context.variables = self.execution_context.variables or {}
        yield
