"""What both clients can ask, as steps: which document, with what, and which class the answer becomes."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from truelift.answers import ExperimentSummary, KpiSeries, KpiSummary, Results
from truelift.decoding import decode
from truelift.errors import NoResults, NotFound
from truelift.operations import document
from truelift.steps import Steps, graphql

T = TypeVar("T")


def asking(operation: str, variables: Mapping[str, Any], attempts: int) -> Steps[Any]:
    """The data of an operation of ours."""
    given = {name: value.isoformat() if isinstance(value, date) else value for name, value in variables.items()}
    return (yield from graphql(document(operation), given, attempts=attempts))


def everything(operation: str, of: type[T], attempts: int) -> Steps[list[T]]:
    """A whole list, page after page, oldest first as the server gives it."""
    found: list[T] = []
    after: str | None = None
    while True:
        data = yield from asking(operation, {"after": after}, attempts)
        (page,) = data.values()
        found += [decode(node, of) for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def experiments(attempts: int) -> Steps[list[ExperimentSummary]]:
    """All experiments."""
    return everything("experiments", ExperimentSummary, attempts)


def kpis(attempts: int) -> Steps[list[KpiSummary]]:
    """All KPIs."""
    return everything("kpis", KpiSummary, attempts)


def results(key: str, as_of: datetime | None, attempts: int) -> Steps[Results]:
    """An experiment's results. Raises NotFound, and NoResults of one that has not started."""
    data = yield from asking("results", {"key": key, "asOf": as_of}, attempts)
    return results_of(data["experiment"], key)


def results_of(experiment: Mapping[str, Any] | None, key: str) -> Results:
    """The results of an experiment as it was answered."""
    found = _found(experiment, "experiment", key)
    if found["results"] is None:
        raise NoResults(f"The experiment “{key}” has no results: it had not started.", code="NO_RESULTS")
    return decode(found["results"], Results)


def identity(key: str, attempts: int) -> Steps[str]:
    """An experiment's global id, which subscriptions go by."""
    data = yield from asking("identity", {"key": key}, attempts)
    return str(_found(data["experiment"], "experiment", key)["id"])


def values(
    key: str,
    *,
    granularity: str | None,
    segment: str,
    from_on: date | None,
    to_on: date | None,
    attempts: int,
) -> Steps[KpiSeries]:
    """A KPI's values by period. Raises NotFound, and NoResults of one that has none outside experiments."""
    variables = {"key": key, "granularity": granularity, "segment": segment, "fromOn": from_on, "toOn": to_on}
    data = yield from asking("values", variables, attempts)
    found = _found(data["kpi"], "KPI", key)["values"]
    if found is None:
        sentence = f"The KPI “{key}” has no values over time: its definition says no entry, or it has not been derived."
        raise NoResults(sentence, code="NO_RESULTS")
    return decode(found, KpiSeries)


def _found(node: Mapping[str, Any] | None, noun: str, key: str) -> Mapping[str, Any]:
    if node is None:
        raise NotFound(f"There is no {noun} “{key}” in the workspace of this key.", code="NOT_FOUND")
    return node
