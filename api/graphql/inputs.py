"""The input of a mutation: as it was sent, and what is read of it in every mutation alike."""

from datetime import datetime
from typing import Any

from graphql import value_from_ast_untyped
from strawberry import UNSET
from strawberry.extensions import SchemaExtension

from api.graphql.nodes import within_calendar
from kpi.errors import Code, Invalid, Problem


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


def said(given: object) -> dict[str, Any]:
    """The fields of an input that were said; one that was not stays as it is."""
    return {name: value for name, value in vars(given).items() if value is not UNSET}


def aware(field: str, at: datetime | None) -> datetime | None:
    """A time of the input in UTC. Raises Invalid for one without a zone."""
    if at is None:
        return None
    if at.tzinfo is None:
        sentence = f"{field} has no time zone; write 2026-06-01T00:00:00Z for UTC."
        raise Invalid([Problem(code=Code.BAD_USER_INPUT, message=sentence, path=(field,))])
    return within_calendar(at)
