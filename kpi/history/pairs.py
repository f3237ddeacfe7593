"""Two KPIs measured on the same units, by month of entry and segment: what a link of the ladder is estimated from.

The sums of each KPI alone do not say how the errors of both go together, and these are of the same units; taken for
independent they would pull the link towards what is true between units. So units are added up anew from raw rows, both
numbers side by side, and only units of which both windows have closed.

Allowed are two KPIs of the same unit that follow it from the same event on, or that are both measured at the end of the
same periods; of these, only periods whose windows do not overlap, for the same days would count twice. A KPI of all
units every month beside one of those who enter is not: whom the one counts is not whom the other counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

import asyncpg
import numpy as np

from kpi import storage, traits
from kpi.enums import Granularity, Unit
from kpi.history import periods
from kpi.history.derivation import ACCOUNT, EVER, Derivation
from kpi.history.entry import Entry
from kpi.history.measured import events_of
from kpi.history.periods import DAY
from kpi.kinds import Kind, TimeToValue
from kpi.kinds.shape import Floats
from stats.arrays import divide
from stats.ladder.cohorts import Cohorts

EVERYBODY = ""
FEWEST = 30
"""Units of a cohort, or accounts of users: the logarithm of a share of fewer leans to one side."""
MOST_LOST = 0.1
"""The share of units that a finer cut may lose to cohorts that are too small."""
NOBODYS = 0
"""The number of a definition whose sums are not stored."""

FIRST = "SELECT min(occurred_at AT TIME ZONE 'UTC')::date FROM outcomes WHERE event_id = ANY($1::int[])"
KEPT = "CREATE TEMP TABLE {name} ON COMMIT DROP AS {units}"
"""A table each, with statistics: without, Postgres takes thousands of units for a few and joins them one by one."""
UNITS = """
WITH both_kpis AS (
    SELECT date_trunc('month', u.entered_on)::date AS month, {cluster} AS cluster{segments},
        {y} AS y, {x} AS x, {y_lagging} AS v, {x_lagging} AS w
    FROM leading_units u JOIN lagging_units l ON l.unit = u.unit AND l.entered_on = u.entered_on
    WHERE u.entered_on + {days} <= '{through}'
), by_cluster AS (
    SELECT month, cluster, {segment} AS segment,
        sum(y)::float8 AS y, sum(x)::float8 AS x, sum(v)::float8 AS v, sum(w)::float8 AS w
    FROM both_kpis GROUP BY GROUPING SETS ({sets})
)
SELECT month, segment, count(*) AS n, {moments} FROM by_cluster GROUP BY month, segment ORDER BY month, segment
"""
TABLES = ("entrants", "leading_units", "lagging_units")
COLUMNS = ("y", "x", "v", "w")
"""The leading KPI's number of a unit and what it is divided by, then the lagging KPI's."""
PLACES = [(row, column) for row in range(4) for column in range(row, 4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A KPI as its newest definition counts it."""

    unit: Unit
    kind: Kind
    entry: Entry | None
    segments: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A leading and a lagging KPI."""

    leading: Followed
    lagging: Followed

    @property
    def is_followed(self) -> bool:
        """Whether both are of the same units from the same moment on, and each is a number that adds up over them."""
        ours, theirs = self.leading, self.lagging
        is_same = ours.entry is not None and ours.entry == theirs.entry and ours.unit is theirs.unit
        return is_same and all(_adds_up(one.kind) for one in (ours, theirs))

    @property
    def entry(self) -> Entry:
        """How units enter. Raises ValueError where they are not followed."""
        if self.leading.entry is None:
            raise ValueError("a KPI without an entry follows nobody")
        return self.leading.entry

    @property
    def traits(self) -> list[str]:
        """The traits that both are sliced by."""
        return [name for name in self.leading.segments if name in self.lagging.segments]

    @property
    def window_days(self) -> int:
        """Days until both windows have closed."""
        return max(self.leading.kind.window[1], self.lagging.kind.window[1])


def _adds_up(kind: Kind) -> bool:
    """Whether a cohort's level is a ratio of sums over units: no quantile, and nobody lost on the way."""
    return kind.adds_up and not (isinstance(kind, TimeToValue) and kind.loss_event is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A row for each month of entry and segment: units (or accounts of users), and both KPIs with errors and theirs."""

    months: tuple[date, ...]
    segments: tuple[str, ...]
    n: Floats
    leading: Floats
    leading_error: Floats
    lagging: Floats
    lagging_error: Floats
    covariance: Floats

    def cohorts(self) -> Cohorts:
        """As the elasticity is estimated from; months are the clusters."""
        return Cohorts(
            leading=self.leading,
            leading_error=self.leading_error,
            lagging=self.lagging,
            lagging_error=self.lagging_error,
            covariance=self.covariance,
            clusters=np.array([month.toordinal() for month in self.months], np.float64),
        )


async def hurry(connection: asyncpg.Connection, seconds: int) -> None:
    """Let no statement take longer than this for the rest of the transaction, as somebody waits."""
    await connection.execute(f"SET LOCAL statement_timeout = '{seconds}s'")


async def read(connection: asyncpg.Connection, workspace_id: int, pair: Pair, through: date) -> Cells:
    """The cohorts of a pair that is followed, as far as raw rows reach back, in the finest cut that leaves them large.

    The cut - everybody, or one trait that both KPIs are sliced by - follows from how many units there are alone.
    """
    names = sorted({event for one in (pair.leading, pair.lagging) for event in events_of(one.kind, pair.entry)})
    numbers = await storage.event_numbers(connection, workspace_id, names)
    first = await storage.frozen_before(connection, workspace_id) or EVER
    began = max(first, await connection.fetchval(FIRST, list(numbers.values())) or first)
    dates = [] if pair.entry.every is None else [apart(began, through, pair.entry.every, pair.window_days)]
    leading, lagging = (
        Derivation(
            definition_id=NOBODYS,
            workspace_id=workspace_id,
            unit=one.unit,
            kind=one.kind,
            entry=pair.entry,
            segments=(),
            numbers=numbers,
            first=first,
            began=began,
            through=through,
        )
        for one in (pair.leading, pair.lagging)
    )
    if leading.keeps_entrants:
        await _keep(connection, "entrants", leading.entrants)
    await _keep(connection, "leading_units", leading.units, *dates)
    await _keep(connection, "lagging_units", lagging.units, *dates)
    found = await connection.fetch(_statement(workspace_id, pair, numbers, through))
    for name in TABLES:
        await connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
    return cells(_finest(found))


async def _keep(connection: asyncpg.Connection, name: str, units: str, *arguments: object) -> None:
    await connection.execute(KEPT.format(name=name, units=units), *arguments)
    await connection.execute(f"ANALYZE {name}")


def apart(began: date, through: date, every: Granularity, days: int) -> list[date]:
    """The last days of periods of which no two share a day of their windows, the newest first."""
    found: list[date] = []
    for end in reversed(list(periods.ends(began, through, every))):
        if end - (days - 1) * DAY >= began and (not found or (found[-1] - end).days >= days):
            found.append(end)
    return found


def _statement(workspace_id: int, pair: Pair, numbers: Mapping[str, int], through: date) -> str:
    cut = [traits.value_at(_text(name), "u.unit", "u.exposed_at", workspace_id) for name in pair.traits]
    named = [f"{_text(name + '=')} || segment_{place}" for place, name in enumerate(pair.traits)]
    sets = ["(month, cluster)", *(f"(month, cluster, segment_{place})" for place in range(len(cut)))]
    return UNITS.format(
        cluster=ACCOUNT.format(workspace=workspace_id) if pair.entry.is_clustered else "u.unit",
        segments="".join(f", {sql} AS segment_{place}" for place, sql in enumerate(cut)),
        y=_number(pair.leading.kind, "u"),
        x=_below(pair.leading.kind, numbers, "u"),
        y_lagging=_number(pair.lagging.kind, "l"),
        x_lagging=_below(pair.lagging.kind, numbers, "l"),
        days=1 if pair.entry.every else 1 + pair.window_days,
        through=through,
        segment=f"coalesce({', '.join([*named, _text(EVERYBODY)])})",
        sets=", ".join(sets),
        moments=", ".join(_moments()),
    )


def _moments() -> list[str]:
    means = [f"avg({name}) AS mean_{name}" for name in COLUMNS]
    return means + [f"covar_pop({COLUMNS[i]}, {COLUMNS[j]}) AS c_{COLUMNS[i]}{COLUMNS[j]}" for i, j in PLACES]


def _number(kind: Kind, of: str) -> str:
    """A unit's number; who has not got there counts all days, as in the restricted mean."""
    if isinstance(kind, TimeToValue):
        return f"least(coalesce({of}.k / 2 + 1, {kind.tau_days}), {kind.tau_days})"
    return f"{of}.k"


def _below(kind: Kind, numbers: Mapping[str, int], of: str) -> str:
    return "1" if kind.divided_by(numbers) is None else f"{of}.x"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _finest(rows: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """Of everybody and each trait, the cut with most cohorts that are large enough, if few units are lost to others."""
    by_cut = {
        cut: list(some)
        for cut, some in groupby(sorted(rows, key=lambda row: _cut(row["segment"])), lambda row: _cut(row["segment"]))
    }
    everybody = sum(row["n"] for row in by_cut.get(EVERYBODY, []) if row["n"] >= FEWEST)
    large = {cut: [row for row in some if row["n"] >= FEWEST] for cut, some in by_cut.items()}
    kept = [some for some in large.values() if sum(row["n"] for row in some) >= (1 - MOST_LOST) * everybody]
    return max(kept, key=len, default=[])


def _cut(segment: str) -> str:
    return segment.partition("=")[0]


def cells(rows: Sequence[Mapping[str, Any]]) -> Cells:
    """Values and errors out of the moments of units' numbers, by the delta method for a ratio of sums."""
    n = np.array([row["n"] for row in rows], np.float64)
    means = np.array([[row[f"mean_{name}"] for name in COLUMNS] for row in rows], np.float64).reshape(-1, 4)
    spread = np.zeros((len(rows), 4, 4))
    for i, j in PLACES:
        spread[:, i, j] = spread[:, j, i] = [row[f"c_{COLUMNS[i]}{COLUMNS[j]}"] for row in rows]
    levels = divide(means[:, [0, 2]], means[:, [1, 3]])
    slopes = np.zeros((len(rows), 2, 4))
    for place, (above, below) in enumerate(((0, 1), (2, 3))):
        slopes[:, place, above] = divide(1.0, means[:, below])
        slopes[:, place, below] = -divide(levels[:, place], means[:, below])
    errors = slopes @ spread @ slopes.swapaxes(1, 2) / np.maximum(n - 1, 1)[:, np.newaxis, np.newaxis]
    leading_error, lagging_error = (np.sqrt(np.maximum(errors[:, place, place], 0.0)) for place in (0, 1))
    most = leading_error * lagging_error  # what rounding may go beyond where one number follows from the other
    return Cells(
        months=tuple(row["month"] for row in rows),
        segments=tuple(str(row["segment"]) for row in rows),
        n=n,
        leading=levels[:, 0],
        leading_error=leading_error,
        lagging=levels[:, 1],
        lagging_error=lagging_error,
        covariance=np.clip(errors[:, 0, 1], -most, most),
    )
