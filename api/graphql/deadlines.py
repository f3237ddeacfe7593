"""How long a question may take. One that takes longer is given up, and what it asked of the database with it.

A change is not cut off here: it has the time that a transaction of a request has (`api.database.PATIENCE`).
"""

import asyncio
from collections.abc import AsyncIterator

from graphql import GraphQLError, OperationType
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult

DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
LATE = "This takes longer than a question may; ask for less at once."


class Timely(SchemaExtension):
    """Gives a query up that takes too long. The first event of a subscription is not waited for here."""

    async def on_execute(self) -> AsyncIterator[None]:
        """Run the query, as long as there is time."""
        context = self.execution_context
        is_query = context.operation_type.value == OperationType.QUERY.value
        try:
            async with asyncio.timeout(context.context.deadline if is_query else None):
                yield
        except TimeoutError:
            late = GraphQLError(LATE, extensions={"code": DEADLINE_EXCEEDED, "seconds": context.context.deadline})
            context.result = ExecutionResult(data=None, errors=[late])
            raise late from None
