"""Below the floor nothing is derived again; above it the law holds; no row is taken that could not count whole."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.database import Database
from experiments import exposures, queries
from experiments.aggregation import floor
from experiments.aggregation.floor import GRACE, Floor, Holder
from experiments.enums import Duty
from experiments.life import moves
from kpi import events, storage
from kpi.errors import Invalid
from kpi.ingest import Fault, Report
from tests.experiments.aggregating import (
    START,
    Running,
    assert_same,
    exposure_row,
    outcome_row,
    refresh,
    running,
    send,
    tables,
)
from tests.experiments.recomputation import Did, Exposed, Tables, recompute
from tests.experiments.registering import actor, freeze

LATER = START + timedelta(days=100)
TODAY = date(2026, 6, 1)
DAYS = timedelta(days=1)
KEPT = 5
"""Days of retention: less than the windows, which come first."""


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def entry(unit: str, day: float, variant: int = 0) -> Exposed:
    return Exposed(unit=unit, variant=variant, at=at(day), plan=None)


def deed(unit: str, day: float, value: float | None = 2.0) -> Did:
    return Did(unit=unit, event="did", at=at(day), value=value)


FIRST: list[Exposed | Did] = [
    entry("a", 0.2),
    entry("b", 0.3, 1),
    entry("c", 1.1),
    entry("d", 20.5),
    deed("a", 0.4),
    deed("a", 1.4, 0.5),
    deed("b", 1.0),
    deed("c", 2.5),
    deed("d", 20.6),
]


async def cleared(database: Database, to: Running, now: datetime) -> date | None:
    """Raise the floor and drop everything below it, as the worker does; where the floor is then."""
    async with database.raw() as connection:
        await floor.raise_floor(connection, workspace_id=to.workspace.id, retention_days=KEPT, now=now)
    async with database.raw() as connection:
        while await floor.drop_rows(connection, workspace_id=to.workspace.id):
            pass
        return await storage.frozen_before(connection, to.workspace.id)


async def kept(database: Database, to: Running) -> tuple[int, int]:
    """How many outcomes and exposures are there."""
    async with database.raw() as connection:
        outcomes = await connection.fetchval("SELECT count(*) FROM outcomes WHERE workspace_id = $1", to.workspace.id)
        entered = await connection.fetchval("SELECT count(*) FROM exposures WHERE experiment_id = $1", to.experiment.id)
    return outcomes, entered


async def offered(database: Database, to: Running, row: Exposed | Did) -> Report:
    async with database.raw() as connection:
        if isinstance(row, Exposed):
            return await exposures.ingest(connection, workspace_id=to.workspace.id, rows=[exposure_row(row)], now=LATER)
        return await events.ingest(connection, workspace_id=to.workspace.id, rows=[outcome_row(row)], now=LATER)


def law(sent: Sequence[Exposed | Did], now: datetime) -> Tables:
    entered = [row for row in sent if isinstance(row, Exposed)]
    return recompute(entered, [row for row in sent if isinstance(row, Did)], now)


def holder(window: int, through: date | None, frozen_on: date | None = None) -> Holder:
    return Holder(window=window * DAYS, through=through, frozen_on=frozen_on)


def test_floor_without_an_experiment_is_as_many_days_back_as_rows_are_kept() -> None:
    day = TODAY - 90 * DAYS
    assert floor.floor(90, TODAY, []) == Floor(frozen_before=day, refused_before=day)


def test_floor_waits_for_the_longest_window_and_its_late_rows() -> None:
    found = floor.floor(10, TODAY, [holder(7, TODAY), holder(30, TODAY)])
    assert found.frozen_before == TODAY - 30 * DAYS - GRACE
    assert found.refused_before == TODAY - GRACE


def test_floor_waits_for_a_refresh_that_is_behind() -> None:
    assert floor.floor(10, TODAY, [holder(7, TODAY - 50 * DAYS)]).frozen_before == TODAY - 57 * DAYS - GRACE


def test_floor_does_not_wait_for_an_experiment_whose_last_window_closed_long_ago() -> None:
    over = holder(300, TODAY, TODAY - 310 * DAYS)
    assert floor.floor(10, TODAY, [over]).frozen_before == TODAY - 10 * DAYS
    assert floor.floor(10, TODAY, [over]).refused_before == max(TODAY - 10 * DAYS, TODAY - 9 * DAYS)
    just_not = holder(300, TODAY, TODAY - 307 * DAYS)
    assert floor.floor(10, TODAY, [just_not]).frozen_before == TODAY - 307 * DAYS


def test_floor_with_an_experiment_never_refreshed_does_not_rise() -> None:
    assert floor.floor(10, TODAY, [holder(7, None)]).frozen_before == date.min


@given(
    retention=st.integers(1, 400),
    holders=st.lists(
        st.builds(
            holder,
            st.integers(1, 365),
            st.integers(0, 500).map(lambda days: TODAY - days * DAYS),
            st.none() | st.integers(0, 800).map(lambda days: TODAY - days * DAYS),
        )
    ),
)
def test_floor_wherever_it_is_leaves_frozen_windows_closed_and_late_rows_their_grace(
    retention: int, holders: list[Holder]
) -> None:
    found = floor.floor(retention, TODAY, holders)
    assert found.frozen_before <= TODAY - retention * DAYS
    for one in holders:
        assert one.through is not None
        last = found.frozen_before - DAYS
        last = min(last, one.frozen_on or last)
        assert last + DAYS + one.window + GRACE <= max(one.through, last + DAYS + one.window + GRACE)
        assert last + DAYS + one.window <= found.refused_before
        if one.frozen_on is None or one.frozen_on >= found.frozen_before:
            assert found.frozen_before + one.window + GRACE <= one.through or one.frozen_on is not None


async def test_rows_below_the_floor_are_dropped_and_the_tables_stay(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    before = await refresh(database, to, at(40))
    assert await kept(database, to) == (5, 4)
    assert await cleared(database, to, at(40)) == at(26).date()
    # The experiment still takes units in, so who entered is still known; what they did is not.
    assert await kept(database, to) == (0, 4)
    assert_same(await tables(database, to), before)


async def test_full_recompute_after_the_rows_are_gone_leaves_frozen_days_alone(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    before = await refresh(database, to, at(40))
    await cleared(database, to, at(40))
    assert_same(await refresh(database, to, at(40), everything=True), before)
    late: list[Exposed | Did] = [entry("e", 34.5), deed("e", 34.7), deed("d", 33.0)]
    await send(database, to, late)
    assert_same(await refresh(database, to, at(41), everything=True), law([*FIRST, *late], at(41)))


async def test_outcomes_below_the_floor_stay_while_a_covariate_of_a_later_day_reads_them(database: Database) -> None:
    to = await running(database)  # one of its KPIs is adjusted for the two days before exposure
    early = [deed("f", 23.9, 9.0), deed("f", 24.6, 0.7), deed("f", 25.4, 0.4)]
    sent: list[Exposed | Did] = [*FIRST, *early, entry("f", 26.2)]
    await send(database, to, sent)
    await refresh(database, to, at(40))
    assert await cleared(database, to, at(40)) == at(26).date()
    assert (await kept(database, to))[0] == 2  # from the first moment of day 24 on
    found = await refresh(database, to, at(40), everything=True)
    assert_same(found, law(sent, at(40)))
    assert found.moments["sum-2-before", "", 0, at(26.2).date()][3] == pytest.approx(0.7 + 0.4)
    await send(database, to, [entry("g", 37.5)])
    await refresh(database, to, at(50))
    assert await cleared(database, to, at(50)) == at(36).date()
    assert (await kept(database, to))[0] == 0


async def test_freeze_after_the_rows_are_gone_leaves_frozen_days_alone(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    before = await refresh(database, to, at(40))
    await cleared(database, to, at(40))
    await freeze(database, to.experiment, now=at(40), frozen_at=at(39))
    assert_same(await refresh(database, to, at(40)), before)


async def test_freeze_below_the_floor_is_refused(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await refresh(database, to, at(40))
    await cleared(database, to, at(40))
    with pytest.raises(Invalid) as refused:
        await freeze(database, to.experiment, now=at(40), frozen_at=at(3))
    assert [problem.path for problem in refused.value.problems] == [("frozenAt",)]


async def test_rows_that_frozen_days_could_hold_are_refused_and_later_ones_count(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await refresh(database, to, at(40))
    # The longest window is that of the primary KPI, 7 days: frozen are the days up to 40 - 7 - 7.
    assert await cleared(database, to, at(40)) == at(26).date()
    for row in (entry("late", 25.9), deed("d", 32.9)):
        (refusal,) = (await offered(database, to, row)).refusals
        assert refusal.code is Fault.TOO_OLD
        assert refusal.path == ("exposedAt" if isinstance(row, Exposed) else "occurredAt")
    for row in (entry("late", 26.0), deed("late", 33.0)):
        assert (await offered(database, to, row)).accepted == (0,)


async def test_unit_of_a_frozen_day_that_comes_back_is_no_new_unit_and_no_crossover(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    before = await refresh(database, to, at(40))
    await cleared(database, to, at(40))
    assert (await offered(database, to, entry("a", 39.0))).duplicates == (0,)
    (refusal,) = (await offered(database, to, entry("a", 39.0, variant=1))).refusals
    assert (refusal.code, refusal.path) == (Fault.TOO_OLD, "variant")
    assert_same(await refresh(database, to, at(40), everything=True), before)


async def test_exposures_of_a_frozen_experiment_are_dropped_when_enrolment_lies_below(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await freeze(database, to.experiment, now=at(40), frozen_at=at(25))
    before = await refresh(database, to, at(41))
    assert await cleared(database, to, at(41)) == at(36).date()
    assert await kept(database, to) == (0, 0)
    assert_same(await refresh(database, to, at(41), everything=True), before)


async def test_floor_waits_for_changes_that_the_aggregates_do_not_know(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await refresh(database, to, at(40))
    await send(database, to, [deed("c", 1.5)])
    assert await cleared(database, to, at(40)) is None
    assert await kept(database, to) == (6, 4)
    await refresh(database, to, at(40))
    assert await cleared(database, to, at(40)) == at(26).date()


async def test_floor_waits_while_an_ingest_is_not_committed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await refresh(database, to, at(40))
    monkeypatch.setattr(floor, "LOCK_SECONDS", 1)
    async with database.raw() as connection:
        report = await events.ingest(
            connection, workspace_id=to.workspace.id, rows=[outcome_row(deed("c", 1.5))], now=LATER
        )
        assert report.accepted == (0,)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await cleared(database, to, at(40))
    assert await cleared(database, to, at(40)) is None  # now it is committed, and pending


async def test_floor_waits_while_a_refresh_runs_or_has_failed(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await refresh(database, to, at(40))
    async with database.raw() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('refresh'), $1)", to.experiment.id)
        assert await cleared(database, to, at(40)) is None
    async with database.raw() as connection:
        await queries.note_fault(connection, to.experiment.id, Duty.REFRESH, "DataError", at(40))
    assert await cleared(database, to, at(40)) is None
    async with database.raw() as connection:
        await queries.clear_fault(connection, to.experiment.id, Duty.REFRESH)
    assert await cleared(database, to, at(40)) is not None


async def test_floor_does_not_wait_for_an_experiment_that_was_refreshed_up_to_its_stop(database: Database) -> None:
    to = await running(database)
    await send(database, to, FIRST)
    await refresh(database, to, at(9))
    async with database.write() as session:
        await moves.stop(session, actor=actor(to.experiment, at(10)), experiment_id=to.experiment.id)
    await refresh(database, to, at(9.5))
    assert await cleared(database, to, at(60)) == at(9 - 7).date() - GRACE
    await refresh(database, to, at(10))
    assert await cleared(database, to, at(60)) == at(60 - KEPT).date()


async def test_many_rows_are_dropped_in_batches_and_those_of_others_stay(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "BATCH", 3)
    to, other = await running(database), await running(database)
    # All in one millisecond, between somebody else's: a batch must end even so.
    many = [deed(f"u{number}", 1.0) for number in range(20)]
    for place in (to, other):
        await send(database, place, [*FIRST, *many])
        await refresh(database, place, at(40))
    async with database.raw() as connection:
        assert await floor.raise_floor(connection, workspace_id=to.workspace.id, retention_days=KEPT, now=at(40))
    batches = 0
    is_more = True
    while is_more:
        async with database.raw() as connection:
            is_more = await floor.drop_rows(connection, workspace_id=to.workspace.id)
        batches += 1
    assert batches == 9  # 25 outcomes, three at a time
    assert (await kept(database, to))[0] == 0
    assert (await kept(database, other))[0] == 25


units = st.sampled_from(["u1", "u2", "u3"])
lived = st.lists(
    st.builds(entry, units, st.floats(0, 60), st.sampled_from([0, 0, 1])) | st.builds(deed, units, st.floats(0, 60)),
    max_size=8,
)


@settings(max_examples=8, deadline=None, database=None, derandomize=True)
@given(steps=st.lists(st.tuples(lived, st.sampled_from(["refresh", "everything", "clear"])), min_size=4, max_size=6))
def test_law_with_days_frozen_in_between_holds_for_every_row_that_was_taken(
    database_url: str, database: Database, steps: list[tuple[list[Exposed | Did], str]]
) -> None:
    assert database  # at the newest schema
    asyncio.run(_live(database_url, steps))


async def _live(url: str, steps: list[tuple[list[Exposed | Did], str]]) -> None:
    """Rows come in around the day they happened or much later; whatever was taken must be in the tables."""
    database = Database(url)
    to, sent = await running(database), list[Exposed | Did]()
    for number, (batch, then) in enumerate(steps):
        now = at(12.0 * (number + 1))
        for row in batch:
            if row.at <= now and not (await offered(database, to, row)).refusals:
                sent.append(row)
        found = await refresh(database, to, now, everything=then == "everything")
        assert_same(found, law(sent, now))
        if then == "clear":
            await cleared(database, to, now)
    await database.close()
