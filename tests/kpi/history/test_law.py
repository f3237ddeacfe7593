"""The law: whatever the order in which rows come in, a history's sums are what deriving everything anew would give."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.auth.tenants import ensure_workspace
from api.database import Database
from kpi.enums import Granularity, Unit
from kpi.history.entry import Entry
from kpi.kinds import Activation, Kind, Mean, Quantile, Ratio, Retention, TimeToValue
from kpi.kinds.mean import Of
from kpi.kinds.terms import Amount, How, Measured, Term
from kpi.tables import Definition
from tests.kpi.history.rows import derive, describe, join, kept, send

FIRST = datetime(2026, 5, 1, tzinfo=UTC)
DAYS = 14
AT_END, AT_START = (Amount(event="a", of=of) for of in (Measured.LEVEL_AT_END, Measured.LEVEL_AT_START))
NET = Ratio(
    window_days=5, numerator=Term(amount=AT_END, how=How.KEPT, other=AT_START), denominator=Term(amount=AT_START)
)
CASES: list[tuple[Kind, Entry, Unit]] = [
    (Activation(event="a", window_days=5), Entry(event="s"), Unit.USER),
    (Activation(event="a", window_days=3, has_curve=True), Entry(event="s"), Unit.ACCOUNT),
    (Retention(event="a", day=3, has_curve=True), Entry(event="s"), Unit.USER),
    (TimeToValue(event="a", tau_days=6, loss_event="l"), Entry(event="s"), Unit.USER),
    (Mean(event="a", window_days=4), Entry(event="a", is_clustered=True), Unit.USER),
    (Mean(event="a", window_days=7), Entry(every=Granularity.DAY), Unit.ACCOUNT),
    (Activation(event="a", window_days=3), Entry(event="s", is_repeated=True), Unit.ACCOUNT),
    (TimeToValue(event="a", tau_days=4), Entry(event="s", is_repeated=True), Unit.USER),
    (Quantile(event="a", window_days=4, quantile=0.5), Entry(event="s"), Unit.USER),
    (Mean(event="s", window_days=3, of=Of.COUNT), Entry(every=Granularity.WEEK, among="a"), Unit.USER),
    (NET, Entry(every=Granularity.WEEK), Unit.ACCOUNT),
]
TABLES = ("history_values", "history_entries", "history_moments", "history_durations", "history_clusters")

moments = st.integers(0, DAYS * 24 - 1).map(lambda hour: (FIRST + timedelta(hours=hour)).isoformat())
outcomes = st.tuples(
    st.sampled_from("uvwx"), st.sampled_from("ssaaal"), moments, st.integers(1, 9).map(float) | st.none()
)
joined = st.tuples(st.sampled_from("uvwx"), st.sampled_from(["A", "B"]), moments)
described = st.tuples(st.sampled_from("uvwx"), st.sampled_from(["pro", "team"]), moments | st.none())
steps = st.lists(
    st.tuples(st.lists(outcomes, min_size=3, max_size=20), st.lists(joined, max_size=2), st.integers(1, DAYS + 8)),
    min_size=2,
    max_size=5,
)


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(said=steps, case=st.sampled_from(CASES))
async def test_sums_of_rows_in_any_order_are_those_of_all_rows_at_once(
    database: Database, said: list[Any], case: tuple[Kind, Entry, Unit]
) -> None:
    kind, entry, unit = case
    async with database.write() as session:
        workspace = await ensure_workspace(session, f"law-{uuid4().hex[:12]}", datetime.now(UTC))
    definition = await kept(database, workspace, kind, entry, unit=unit)
    through, known = date.min, set()
    for rows, members, day in said:
        fresh = [row for row in members if (row[0], row[2]) not in known]
        fresh = list({(row[0], row[2]): row for row in fresh}.values())
        known |= {(row[0], row[2]) for row in fresh}
        await join(database, workspace, fresh)
        await send(database, workspace, rows)
        through = max(through, (FIRST + timedelta(days=day)).date())
        await derive(database, definition, through)
    again = await kept(database, workspace, kind, entry, unit=unit, key="again")
    await derive(database, again, through)
    assert await _tables(database, definition) == await _tables(database, again)


async def _tables(database: Database, definition: Definition) -> dict[str, list[Any]]:
    found = {}
    async with database.raw() as connection:
        for table in TABLES:
            rows = await connection.fetch(f"SELECT * FROM {table} WHERE definition_id = $1", definition.id)  # noqa: S608 - a name of ours
            columns = [[_rounded(value) for name, value in row.items() if name != "definition_id"] for row in rows]
            found[table] = sorted(columns, key=str)
    return found


def _rounded(value: Any) -> Any:
    """Sums of floats depend on the order of the rows, by rounding."""
    return round(value, 9) + 0.0 if isinstance(value, float) else value


@settings(max_examples=15, deadline=None, database=None, derandomize=True)
@given(rows=st.lists(outcomes, min_size=5, max_size=30), known=st.lists(described, max_size=8))
async def test_segments_of_a_trait_add_up_to_everybody(
    database: Database, rows: list[Any], known: list[tuple[str, str, str | None]]
) -> None:
    async with database.write() as session:
        workspace = await ensure_workspace(session, f"law-{uuid4().hex[:12]}", datetime.now(UTC))
    kind, entry = Mean(event="a", window_days=4), Entry(event="s")
    definition = await kept(database, workspace, kind, entry, segments=["plan"])
    said = {(unit, since): (unit, "plan", value, since) for unit, value, since in known}
    await describe(database, workspace, said.values())
    await send(database, workspace, rows)
    await derive(database, definition)
    found = await _tables(database, definition)
    whole = {row[1]: (row[2], row[2] * row[3]) for row in found["history_moments"] if row[0] == ""}
    parts: dict[date, list[tuple[int, float]]] = {}
    for segment, day, n, mean, *_ in found["history_moments"]:
        if segment:
            parts.setdefault(day, []).append((n, n * mean))
    assert set(parts) == set(whole)
    for day, (n, total) in whole.items():
        assert sum(one for one, _ in parts[day]) == n
        assert sum(one for _, one in parts[day]) == pytest.approx(total)
