"""Turning errors into answers, in one place.

What a person can mend comes back in the payload as `userErrors`, all of it at once. `errors` is for faults of the
request itself and for bugs; a bug is logged with a trace id and answered without its text.
"""

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import strawberry
from graphql import GraphQLError
from sqlalchemy.exc import IntegrityError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from api.auth.keys import Scope
from api.database import is_away
from api.telemetry import identity
from kpi.errors import Code, Invalid, NotFound, Problem

log = logging.getLogger("truelift.graphql")
strawberry.enum(Code, name="UserErrorCode", description="What is wrong with an input, for programs.")
P = TypeVar("P")
HINT = " Did you mean "
UNAVAILABLE = "UNAVAILABLE"
NO_OPERATION = (CannotGetOperationTypeError, InvalidOperationTypeError)
"""What strawberry says of a document without the operation that is asked for."""
WORDS = {"key": "key", "email": "address"}
"""What is unique in a workspace, by its field, in words."""
AWAY = "The database does not answer in time; try again soon."


@strawberry.type(description="One fault in an input.")
class UserError:
    """One fault in an input."""

    message: str = strawberry.field(description="The fault in a sentence.")
    code: Code = strawberry.field(description="The rule it breaks.")
    path: list[str] | None = strawberry.field(description="The path to the input field that must change.")


class Ended(Exception):
    """A mutation that ends with nothing done in it, and what its payload says all the same.

    That is a row, which stands in the field of its type, or fields by name; with problems or without.
    """

    def __init__(self, said: Any, problems: Sequence[Problem] = ()) -> None:
        super().__init__("nothing was done")
        self.said, self.problems = said, problems


async def answer(payload: Callable[..., P], action: Callable[[], Coroutine[Any, Any, dict[str, Any]]]) -> P:
    """Run a mutation's action: its result as the payload's fields, or its problems as `userErrors`."""
    try:
        return payload(**await action(), user_errors=[])
    except Ended as ended:
        return payload(**_fields(payload, ended.said), user_errors=[_error(problem) for problem in ended.problems])
    except Invalid as invalid:
        return payload(user_errors=[_error(problem) for problem in invalid.problems])
    except NotFound:
        missing = Problem(code=Code.NOT_FOUND, message="There is no such thing in this workspace.", path=("id",))
        return payload(user_errors=[_error(missing)])
    except IntegrityError as error:
        # Two people registered one key at the same moment; the rule is the database's, the sentence ours.
        field = next((field for field in WORDS if f"workspace_id_{field}" in str(error.orig)), None)
        if field is None:
            raise
        taken = Problem(code=Code.KEY_TAKEN, message=f"This {WORDS[field]} has just been taken.", path=(field,))
        return payload(user_errors=[_error(taken)])


class Masked(SchemaExtension):
    """Answers an unexpected error with a trace id, and writes what it was to the log.

    A database that is away is no bug: that is said.
    """

    def on_operation(self) -> Any:
        """After the operation, replace the text of each unexpected error."""
        yield
        self._mask(self.execution_context.result)

    def on_stream_result(self, result: Any) -> Any:
        """Before an event of a stream is sent, the same: the operation ends with the last event only."""
        self._mask(result)
        yield

    def _mask(self, result: Any) -> None:
        errors = getattr(result, "errors", None)
        if errors:
            knows_schema = self.execution_context.context.caller.may(Scope.SCHEMA)
            result.errors = [_masked(error) if knows_schema else _without_hints(_masked(error)) for error in errors]


def is_of_request(result: Any) -> bool:
    """Whether an answer says that nothing was run: there is no data, and no field that an error belongs to."""
    return result.data is None and all(error.path is None for error in result.errors or [])


def _masked(error: GraphQLError) -> GraphQLError:
    if error.extensions and "code" in error.extensions:
        return error
    if error.path is None and isinstance(error.original_error, GraphQLError | None):
        return _coded(error, "BAD_REQUEST")
    if _is_of_argument(error):
        return _coded(error, "BAD_USER_INPUT")
    if isinstance(error.original_error, NO_OPERATION):
        return GraphQLError(error.message, extensions={"code": "BAD_REQUEST"})
    if is_away(error.original_error):
        log.warning("The database does not answer (%s).", type(error.original_error).__name__)
        return GraphQLError(AWAY, path=error.path, extensions={"code": UNAVAILABLE})
    trace = identity.current()
    log.error("trace %s: %s", trace, type(error.original_error).__name__, exc_info=error.original_error)
    extensions = {"code": "INTERNAL", "traceId": trace}
    return GraphQLError("Something went wrong on our side.", path=error.path, extensions=extensions)


def _is_of_argument(error: GraphQLError) -> bool:
    """Whether an argument is wrong, as only the run shows: its fault points into the document, one of ours does not."""
    original = error.original_error
    return isinstance(original, GraphQLError) and original.nodes is not None


def _coded(error: GraphQLError, code: str) -> GraphQLError:
    return GraphQLError(
        error.message, error.nodes, error.source, error.positions, path=error.path, extensions={"code": code}
    )


def _without_hints(error: GraphQLError) -> GraphQLError:
    """A fault without what the schema has instead: that is told to those who may ask for the schema."""
    plain, hint, _ = error.message.partition(HINT)
    return GraphQLError(plain, nodes=error.nodes, path=error.path, extensions=error.extensions) if hint else error


def _fields(payload: Any, said: Any) -> dict[str, Any]:
    if said is None or isinstance(said, dict):
        return said or {}
    fields = payload.__strawberry_definition__.fields
    (name,) = (field.python_name for field in fields if _type_name(field.type) == type(said).__name__)
    return {name: said}


def _type_name(kind: Any) -> str:
    inner = getattr(kind, "of_type", kind)
    return str(getattr(inner, "__name__", ""))


def _error(problem: Problem) -> UserError:
    return UserError(message=problem.message, code=problem.code, path=list(problem.path))
