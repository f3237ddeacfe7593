"""The law: whatever happens, in whatever order, the aggregates equal a full recompute.

A machine of its own (hypothesis) sends rows of every kind - late, early, twice, crossing over, by skewed clocks -
lets days pass, refreshes, and cuts the connection after any statement of an ingest or a refresh.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

import asyncpg
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.engine import make_url

from api.database import Database
from tests.experiments.aggregating import (
    MOMENT,
    START,
    Running,
    assert_same,
    bring_up,
    refresh,
    running,
    send,
    tables,
    take_in,
)
from tests.experiments.recomputation import DAY, Did, Exposed, recompute

T = TypeVar("T")
UNITS = ["u1", "u2", "u3", "u4"]

moments_of_a_day = st.sampled_from([timedelta(0), MOMENT, timedelta(hours=13), DAY - MOMENT])


def times(days: int) -> st.SearchStrategy[datetime]:
    """Within the first days."""
    return st.builds(lambda day, within: START + day * DAY + within, st.integers(0, days - 1), moments_of_a_day)


exposed = st.builds(
    Exposed,
    unit=st.sampled_from(UNITS),
    variant=st.sampled_from([0, 0, 0, 1, 2]),
    at=times(3),
    plan=st.just(None),
)
did = st.builds(
    Did,
    unit=st.sampled_from(UNITS),
    event=st.sampled_from(["did", "did", "deleted", "other"]),
    at=times(5),
    value=st.sampled_from([None, 0.1, 2.5, -3.0]),
)
batches = st.lists(exposed | did | did, min_size=2, max_size=8)


class Law(RuleBasedStateMachine):
    """One experiment, what was sent to it, and what its tables must therefore say."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = Database(self.url)
        self.to: Running = self.run(running(self.database))
        self.rows: list[Exposed | Did] = []
        self.now = START + timedelta(hours=1)
        self.is_fresh = False

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Wait for a step."""
        return self.loop.run_until_complete(step)

    @initialize(batch=st.lists(exposed, min_size=3, max_size=6))
    def begin(self, batch: list[Exposed]) -> None:
        """An experiment with nobody in it would prove little."""
        self.send(batch)

    @rule(batch=batches, passed=st.sampled_from([timedelta(0), timedelta(hours=5), DAY, DAY, 2 * DAY]))
    def live(self, batch: list[Exposed | Did], passed: timedelta) -> None:
        """Rows come in, whenever they happened, time passes, and the worker comes round."""
        self.send(batch)
        self.refresh(passed)

    @rule(batch=batches)
    def send(self, batch: Sequence[Exposed | Did]) -> None:
        """Rows come in, and nobody looks at them yet."""
        self.run(send(self.database, self.to, batch))
        self.rows += batch
        self.is_fresh = False

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """A sender retries what it had sent."""
        self.run(send(self.database, self.to, data.draw(st.lists(st.sampled_from(self.rows), min_size=1, max_size=5))))
        self.is_fresh = False

    @rule(batch=batches, statement=st.integers(1, 8))
    def send_and_be_cut_off(self, batch: list[Exposed | Did], statement: int) -> None:
        """The connection goes away in the middle of an ingest: all of the batch is in, or nothing of it."""
        if self.run(self.cut_off(lambda connection: take_in(connection, self.to, batch), after=statement)):
            self.rows += batch
        self.is_fresh = False

    @rule(passed=st.sampled_from([timedelta(0), DAY]))
    def refresh(self, passed: timedelta) -> None:
        """The worker comes round."""
        self.now += passed
        self.run(refresh(self.database, self.to, self.now))
        self.is_fresh = True

    @rule(passed=st.sampled_from([timedelta(0), DAY]), statement=st.integers(1, 40))
    def refresh_and_be_cut_off(self, passed: timedelta, statement: int) -> None:
        """The connection goes away in the middle of a refresh."""
        self.now += passed
        finished = self.run(self.cut_off(lambda connection: bring_up(connection, self.to, self.now), after=statement))
        self.is_fresh = finished

    @invariant()
    def tables_equal_a_recompute(self) -> None:
        """After a refresh the tables are what the rows say; before it they may be behind."""
        if self.is_fresh:
            entered = [row for row in self.rows if isinstance(row, Exposed)]
            acted = [row for row in self.rows if isinstance(row, Did)]
            assert_same(self.run(tables(self.database, self.to)), recompute(entered, acted, self.now))

    async def cut_off(self, step: Callable[[asyncpg.Connection], Awaitable[None]], *, after: int) -> bool:
        """Run a step in a transaction and end the connection after so many statements; whether it got through."""
        url = make_url(self.url)
        connection = await asyncpg.connect(
            user=url.username,
            password=url.password,
            database=url.database,
            host=url.query.get("host", url.host),
            port=url.port,
            server_settings={"timezone": "UTC"},
        )
        seen = 0

        def count(_query: object) -> None:
            nonlocal seen
            seen += 1
            if seen == after:
                connection.terminate()

        connection.add_query_logger(count)
        with suppress(asyncpg.InterfaceError, asyncpg.PostgresConnectionError, ConnectionError):
            async with connection.transaction():
                await step(connection)
        is_through = not connection.is_closed()
        await connection.close()
        return is_through

    def teardown(self) -> None:
        """Leave nothing open."""
        self.run(self.database.close())
        self.loop.close()


def test_aggregates_whatever_happens_equal_a_recompute(database: Database, database_url: str) -> None:
    assert database  # at the newest schema
    machine = type("LawHere", (Law,), {"url": database_url})
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=40, stateful_step_count=12, deadline=None, database=None, derandomize=True),
    )
