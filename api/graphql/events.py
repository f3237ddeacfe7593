"""The execution of an operation: all it reads is of one moment, and what many ask of one event is worked out once."""

from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from inspect import isawaitable
from typing import Any

import msgspec
from graphql import ExecutionResult, OperationType
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.utils.await_maybe import await_maybe

from api.graphql.memory import place
from api.sitting import Sitting

Work = Callable[[], Any]
"""Works an answer out; some of them have to be waited for."""


class Execution(StrawberryGraphQLCoreExecutionContext):
    """The execution of an operation. Those of an event are one, where loaders, caller, document and variables are."""

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Run the operation, or what a subscription asks of an event."""
        work = partial(self._read, super().execute_operation, serially)
        if self.operation.operation is not OperationType.SUBSCRIPTION:
            return work()
        return self.context_value.loaders.once(self._asked(), partial(_written, work))

    def _read(self, work: Callable[[bool | None], Any], serially: bool | None) -> Any:
        result = work(serially)
        return _seated(self.context_value.loaders.sitting, result) if isawaitable(result) else result

    def _asked(self) -> Hashable:
        """What is asked of which event; its row is kept by the loaders that have read it."""
        context, operation = self.context_value, self.operation
        assert operation.loc is not None  # noqa: S101 - documents are read with their places
        name = None if operation.name is None else operation.name.value
        event = type(self.root_value), *map(id, vars(self.root_value).values())
        return event, place(context.caller, operation.loc.source.body, name, context.variables)


async def _seated(sitting: Sitting, result: Awaitable[ExecutionResult]) -> ExecutionResult:
    """What is worked out in one sitting."""
    async with sitting.stay():
        return await result


async def _written(work: Work) -> ExecutionResult:
    """The answer, in JSON already."""
    result: ExecutionResult = await await_maybe(work())
    if not result.errors:
        data: Any = msgspec.Raw(msgspec.json.encode(result.data))
        result.data = data
    return result
