"""Truelift from a program on an event loop: the same as `truelift.client`, awaited."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from truelift import asking, rows
from truelift.address import SECONDS, Address, address
from truelift.answers import ExperimentSummary, KpiSeries, KpiSummary, Results
from truelift.operations import document
from truelift.steps import Answer, Send, Steps, Wait, graphql
from truelift.stream import ENDED, Event, Patience, subscription
from truelift.transport import OK, answered, silence

T = TypeVar("T")


class AsyncTruelift:
    """A Truelift server, seen with a key. Without `url` and `key`, TRUELIFT_URL and TRUELIFT_KEY say them.

    A request that meets no answer, 429 or 503 is sent again, `attempts` times in all, after the pause that the server
    asks for. Every method raises TrueliftError; `truelift.errors` draws the tree.
    """

    def __init__(self, url: str | None = None, key: str | None = None, *, attempts: int = 5) -> None:
        self.address: Address = address(url, key, attempts)
        self._http = httpx.AsyncClient(base_url=self.address.url, headers=self.address.headers, timeout=SECONDS)

    async def experiments(self) -> list[ExperimentSummary]:
        """All experiments of the workspace."""
        return await self._run(asking.experiments(self.address.attempts))

    def experiment(self, key: str) -> "AsyncExperiment":
        """An experiment by its key. Nothing is asked before its results are."""
        return AsyncExperiment(self, key)

    async def kpis(self) -> list[KpiSummary]:
        """All KPIs of the workspace."""
        return await self._run(asking.kpis(self.address.attempts))

    def kpi(self, key: str) -> "AsyncKpi":
        """A KPI by its key. Nothing is asked before its values are."""
        return AsyncKpi(self, key)

    async def ingest_exposures(self, data: Any) -> rows.Report:
        """Send exposures - `experiment, unit, variant, exposed_at, attributes` - as mappings or a frame."""
        return await self._run(rows.sent("exposures", data, attempts=self.address.attempts))

    async def ingest_outcomes(self, data: Any) -> rows.Report:
        """Send outcomes - `unit, event, occurred_at, value, event_id` - as mappings or a frame."""
        return await self._run(rows.sent("outcomes", data, attempts=self.address.attempts))

    async def query(self, text: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of a GraphQL query of your own, as it is answered. A mutation is never sent twice."""
        found: dict[str, Any] = await self._run(graphql(text, variables or {}, attempts=self.address.attempts))
        return found

    async def close(self) -> None:
        """Give back the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def follow(
        self, text: str, variables: Mapping[str, Any] | None = None, *, goes_on: bool = False
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The data of each event of a GraphQL subscription of your own, again from the start after a break.

        One that goes on is asked for again also when the server ends it, as it does when it stops.
        """
        send, patience = subscription(text, variables or {}), Patience(attempts=self.address.attempts)
        while True:
            try:
                async with self._http.stream("POST", send.path, content=send.body, headers=send.headers) as response:
                    if response.status_code != OK:
                        await response.aread()
                        lost = answered(response)
                    else:
                        lost = ENDED
                        event = Event()
                        async for line in response.aiter_lines():
                            if not event.add(line):
                                continue
                            if event.is_last and not goes_on:
                                return
                            if event.is_last:
                                break
                            patience.reset()
                            yield event.payload()
                            event = Event()
            except httpx.TransportError as error:
                lost = silence(self.address, error)
            await asyncio.sleep(patience.pause(lost))

    async def _run(self, steps: Steps[T]) -> T:
        answer: Answer | None = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as done:
                result: T = done.value
                return result
            answer = await self._take(step)

    async def _take(self, step: Send | Wait) -> Answer | None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return answered(await self._http.post(step.path, content=step.body, headers=step.headers))
        except httpx.TransportError as error:
            return silence(self.address, error)


class AsyncExperiment:
    """An experiment on a server."""

    def __init__(self, truelift: AsyncTruelift, key: str) -> None:
        self._truelift, self.key = truelift, key

    def __repr__(self) -> str:
        return f"AsyncExperiment({self.key!r})"

    async def results(self, as_of: datetime | None = None) -> Results:
        """Its results now, or as they were at a moment. Raises NotFound, and NoResults of one that has not started."""
        return await self._truelift._run(asking.results(self.key, as_of, self._truelift.address.attempts))

    async def updates(self) -> AsyncGenerator[Results, None]:
        """Its results as soon as there are some, and again whenever they change, until you stop.

        Who reads slowly is told less often and never something old; after a break, what holds now comes first.
        """
        identity = await self._truelift._run(asking.identity(self.key, self._truelift.address.attempts))
        async for data in self._truelift.follow(document("updated"), {"id": identity}, goes_on=True):
            if data["experimentResultsUpdated"]["experiment"]["results"]:  # none before the first row
                yield asking.results_of(data["experimentResultsUpdated"]["experiment"], self.key)


class AsyncKpi:
    """A KPI on a server."""

    def __init__(self, truelift: AsyncTruelift, key: str) -> None:
        self._truelift, self.key = truelift, key

    def __repr__(self) -> str:
        return f"AsyncKpi({self.key!r})"

    async def values(
        self,
        granularity: str | None = None,
        segment: str = "",
        *,
        from_on: date | None = None,
        to_on: date | None = None,
    ) -> KpiSeries:
        """Its values by DAY, WEEK, MONTH or QUARTER, of everybody or of a segment such as `plan=pro`.

        Raises NotFound, and NoResults of a KPI that has no values outside experiments.
        """
        attempts = self._truelift.address.attempts
        steps = asking.values(
            self.key, granularity=granularity, segment=segment, from_on=from_on, to_on=to_on, attempts=attempts
        )
        return await self._truelift._run(steps)
