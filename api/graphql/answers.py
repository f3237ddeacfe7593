"""Answers that are known while the database stands still: how one is kept, and given again (`memory`)."""

from time import perf_counter
from typing import Any

import msgspec
from graphql import GraphQLError
from strawberry.http import GraphQLRequestData
from strawberry.types import ExecutionResult

from api.graphql.context import Context
from api.graphql.documents import bill, read, spend
from api.graphql.memory import Answer
from api.graphql.observation import OK, label
from api.graphql.schema import schema
from api.telemetry import metrics


async def again(known: Answer, context: Context, began: float) -> ExecutionResult:
    """An answer that is known: it costs what it cost."""
    metrics.COST.observe(known.cost)
    try:
        await spend(context, known.cost)
    except GraphQLError as refused:
        return ExecutionResult(data=None, errors=[refused])
    metrics.OPERATION.labels(known.label, OK).observe(perf_counter() - began)
    data: Any = msgspec.Raw(known.json)
    return ExecutionResult(data=data, errors=None, extensions={"cost": bill(context, known.cost)})


def made(result: ExecutionResult, asked: GraphQLRequestData) -> Answer:
    """An answer as it is kept."""
    text, name = asked.query or "", asked.operation_name
    return Answer(
        json=msgspec.json.encode(result.data),
        cost=read(text).size(schema._schema, name, asked.variables or {}).cost,
        label=label(schema._schema, text, name),
    )
