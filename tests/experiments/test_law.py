"""The law: whatever happens, in whatever order, the aggregates equal a full recompute.

A machine of its own (hypothesis) sends rows of every kind - late, early, twice, crossing over, by skewed clocks -
lets days pass, refreshes, and cuts the connection after any statement of an ingest or a refresh.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

import asyncpg
from hypothesis import given, settings
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
from experiments.aggregation.slices import due
from experiments.enums import Role
from experiments.planning.plan import PinnedDefinition, PlannedKpi
from kpi import kinds
from kpi.enums import Direction
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
from tests.experiments.recomputation import DAY, KPIS, Amount, Did, Duration, Exposed, Ranked, recompute

T = TypeVar("T")
UNITS = [f"u{number}" for number in range(12)]


@dataclass(frozen=True, kw_only=True)
class Entering:
    """An exposure so many days before the machine's day."""

    unit: str
    variant: int
    days_ago: int
    within: timedelta
    score: float | None


@dataclass(frozen=True, kw_only=True)
class Moving:
    """An exposure so long before one that is known, of the same unit."""

    whose: int
    variant: int | None
    earlier: timedelta


@dataclass(frozen=True, kw_only=True)
class Acting:
    """An outcome beside the beginning of a day of a unit's own; `whose` picks one of the exposures there are."""

    whose: int
    day: int
    beside: timedelta
    event: str
    value: float | None


entering = st.builds(
    Entering,
    unit=st.sampled_from(UNITS),
    variant=st.sampled_from([0, 0, 0, 1, 2]),
    days_ago=st.integers(-1, 3),
    within=st.sampled_from([timedelta(0), MOMENT, timedelta(hours=13), DAY - MOMENT]),
    score=st.sampled_from([None, 0.5, 4.0]),
)
moving = st.builds(
    Moving,
    whose=st.integers(0, 15),
    variant=st.sampled_from([None, None, 0, 1]),
    earlier=st.sampled_from([MOMENT, timedelta(hours=14), DAY, 2 * DAY]),
)
acting = st.builds(
    Acting,
    whose=st.integers(0, 15),
    day=st.integers(-2, 3),
    beside=st.sampled_from([-MOMENT, timedelta(0), timedelta(hours=7), DAY - MOMENT]),
    event=st.sampled_from(["did", "did", "did", "deleted", "other"]),
    value=st.sampled_from([None, 0.1, 2.5, -3.0]),
)
batches = st.lists(entering | moving | acting | acting, min_size=1, max_size=3)
Batch = Sequence[Entering | Moving | Acting]
Row = Exposed | Did


def _related(row: Moving | Acting, entry: Exposed) -> Row:
    """A row that is told by an exposure there is."""
    if isinstance(row, Moving):
        variant = entry.variant if row.variant is None else row.variant
        return Exposed(unit=entry.unit, variant=variant, at=max(START, entry.at - row.earlier), plan=None)
    return Did(unit=entry.unit, event=row.event, at=entry.at + row.day * DAY + row.beside, value=row.value)


class Law(RuleBasedStateMachine):
    """One experiment, what was sent to it, and what its tables must therefore say.

    It begins with many rows, some of days to come, since a refresh of many costs no more than one of few. Then little
    comes in around the machine's day, and quiet days pass one by one: only where nothing else has a slice derived does
    it show that it was not.
    """

    loop: asyncio.AbstractEventLoop
    database: Database
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.to: Running = self.run(running(self.database))
        self.rows: list[Row] = []
        self.now = START + timedelta(hours=1)
        self.is_fresh = False

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Wait for a step."""
        return self.loop.run_until_complete(step)

    def rows_of(self, batch: Batch) -> list[Row]:
        """What the rows of a batch say on the machine's day."""
        today = self.now.replace(hour=0)
        found: list[Row] = [
            Exposed(
                unit=row.unit,
                variant=row.variant,
                at=max(START, today - row.days_ago * DAY + row.within),
                plan=None,
                score=row.score,
            )
            for row in batch
            if isinstance(row, Entering)
        ]
        entered = [row for row in [*found, *self.rows[::-1]] if isinstance(row, Exposed)]
        return found + [
            _related(row, entered[row.whose % len(entered)]) for row in batch if not isinstance(row, Entering)
        ]

    @initialize(
        entered=st.lists(entering, min_size=12, max_size=16),
        acted=st.lists(acting, min_size=16, max_size=30),
        days=st.integers(0, 4),
    )
    def begin(self, entered: Batch, acted: Batch, days: int) -> None:
        """An experiment with nobody in it would prove little."""
        self.now += 2 * DAY
        self.refresh(timedelta(0))
        self.live_and_be_quiet([*entered, *acted], days)

    @rule(batch=batches, passed=st.sampled_from([timedelta(0), timedelta(hours=5), DAY, DAY]))
    def live(self, batch: Batch, passed: timedelta) -> None:
        """Rows come in, whenever they happened, time passes, and the worker comes round."""
        self.send(batch)
        self.refresh(passed)

    @rule(batch=batches, days=st.integers(1, 4))
    def live_and_be_quiet(self, batch: Batch, days: int) -> None:
        """Rows come in, and then none for some days; the worker comes round on each."""
        self.send(batch)
        for passed in [timedelta(0), *[DAY] * days]:
            self.refresh(passed)
            self.tables_equal_a_recompute()

    @rule(batch=batches)
    def send(self, batch: Batch) -> None:
        """Rows come in, and nobody looks at them yet."""
        rows = self.rows_of(batch)
        self.run(send(self.database, self.to, rows))
        self.rows += rows
        self.is_fresh = False

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """A sender retries what it had sent."""
        self.run(send(self.database, self.to, data.draw(st.lists(st.sampled_from(self.rows), min_size=1, max_size=5))))
        self.is_fresh = False

    @rule(batch=batches, statement=st.integers(1, 8))
    def send_and_be_cut_off(self, batch: Batch, statement: int) -> None:
        """The connection goes away in the middle of an ingest: all of the batch is in, or nothing of it."""
        rows = self.rows_of(batch)
        if self.run(self.cut_off(lambda connection: take_in(connection, self.to, rows), after=statement)):
            self.rows += rows
        self.is_fresh = False

    @rule(passed=st.sampled_from([timedelta(0), DAY, 2 * DAY, 4 * DAY]))
    def refresh(self, passed: timedelta) -> None:
        """The worker comes round, perhaps after days."""
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


def test_aggregates_whatever_happens_equal_a_recompute(database: Database, database_url: str) -> None:
    assert database  # at the newest schema
    loop = asyncio.new_event_loop()
    own = Database(database_url)
    try:
        run_state_machine_as_test(
            type("LawHere", (Law,), {"url": database_url, "loop": loop, "database": own}),
            settings=settings(max_examples=22, stateful_step_count=8, deadline=None, database=None, derandomize=True),
        )
    finally:
        loop.run_until_complete(own.close())
        loop.close()


# --- which slices are due, by the day each of them is final -----------------------------------------------------------

days = st.integers(0, 12).map(lambda number: START.date() + number * DAY)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(before=days, passed=st.integers(1, 4), stale=st.frozensets(days, max_size=4))
def test_due_slices_are_those_that_became_final_and_final_ones_that_are_stale(
    before: date, passed: int, stale: frozenset[date]
) -> None:
    """Not one more either: that would be right, and cost what history costs."""
    through = before + passed * DAY
    every = [START.date() + number * DAY for number in range(-10, 25)]
    entered = {day for day in every if day in stale or before < day <= through}
    for key, measure in KPIS.items():
        planned = _planned(key, measure)
        pieces = [piece for piece in due([planned], stale, before=before, through=through) if planned in piece.kpis]
        until = measure.definition.window[1]
        # Durations are final day by day, and so are the days of a curve that is not whole.
        has_curve = isinstance(measure, Amount) and measure.by_day is not None and not measure.is_whole
        is_by_day = isinstance(measure, Duration) or has_curve
        first = 1 if is_by_day else until
        assert {day for piece in pieces for day in piece.days or ()} == {
            day
            for day in every
            if day + (1 + first) * DAY <= through and (day in entered or day + (1 + until) * DAY > before)
        }


def _planned(key: str, measure: Amount | Ranked | Duration) -> PlannedKpi:
    name, parameters = kinds.encode(measure.definition)
    return PlannedKpi(
        kpi=key,
        name=key,
        role=Role.SECONDARY,
        direction=Direction.HIGHER,
        definition=PinnedDefinition(id=1, version=1, kind=name, parameters=parameters, events=[]),
        baseline=None,
        mde=None,
        margin=None,
        information=None,
    )
