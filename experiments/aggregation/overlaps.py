"""Units that an experiment shares with others of its workspace: how many, and what they did, by both variants.

Derived anew once a day for each experiment, from the raw rows, and stored by day: entry days below the floor stay as
they were, and any past day is a prefix. A unit is in both when neither experiment left it out; what it did counts when
it met the other experiment before its window in this one closed. Experiments of one layer share no unit and are never
looked at; those whose aggregates are handed in have no units here.

What it may cost is bounded: `CANDIDATES` experiments are counted, the `MOST` with most units in common are read, and
each statement has `SECONDS`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from experiments.aggregation.actors import with_outcomes
from experiments.aggregation.aggregates import MEMORY
from experiments.aggregation.derivation import ENROLLED, OUTCOMES
from experiments.aggregation.slices import DAY, EVER
from experiments.inference.cohorts import decode
from experiments.inference.interaction import compared
from experiments.planning import plan as plans
from experiments.planning.plan import PlannedKpi
from kpi.enums import Unit
from kpi.kinds import TimeToValue
from kpi.storage import event_numbers, frozen_before

CANDIDATES = 50
"""Experiments that may share units, of which they are counted: those that started last."""
MOST = 10
"""Experiments that are compared with: those with most units in common."""
SECONDS = 120
"""What a statement may take; what takes longer is tried again some hours later."""
AGAIN = timedelta(hours=6)
"""How long an experiment is left alone after it was begun and came to no end."""

CLAIM = """
INSERT INTO overlap_runs (experiment_id, claimed_at)
SELECT e.id, clock_timestamp() FROM experiments e JOIN refreshes r ON r.experiment_id = e.id
    LEFT JOIN overlap_runs o ON o.experiment_id = e.id
WHERE e.started_at IS NOT NULL AND e.given_at IS NULL AND (o.claimed_at IS NULL OR (
    o.claimed_at < clock_timestamp() - $1::interval
    AND (o.data_through IS NULL OR o.data_through < date_trunc('day', least(r.data_through, e.stopped_at), 'UTC'))
))
ORDER BY o.data_through NULLS FIRST, e.id LIMIT 1
ON CONFLICT (experiment_id) DO UPDATE SET claimed_at = excluded.claimed_at
    WHERE overlap_runs.claimed_at < excluded.claimed_at - $1::interval
RETURNING experiment_id, claimed_at
"""
"""Another worker that comes to the same experiment finds it claimed."""
CLAIMED = """
SELECT e.workspace_id, e.plan, e.frozen_at,
    date_trunc('day', least(r.data_through, e.stopped_at), 'UTC') AS data_through
FROM experiments e JOIN refreshes r ON r.experiment_id = e.id WHERE e.id = $1
"""
OTHERS = """
SELECT o.id FROM experiments e
    JOIN experiments o ON o.workspace_id = e.workspace_id AND o.id <> e.id AND o.unit = e.unit
WHERE e.id = $1 AND o.given_at IS NULL AND (o.plan ->> 'layer' = e.plan ->> 'layer') IS NOT TRUE
    AND o.started_at < coalesce(e.stopped_at, 'infinity') AND e.started_at < coalesce(o.stopped_at, 'infinity')
ORDER BY o.started_at DESC, o.id LIMIT $2
"""
THEIRS = """
    JOIN exposures x ON x.unit = e.unit AND x.experiment_id = ANY($1::int[])
    JOIN experiments o ON o.id = x.experiment_id AND x.exposed_at < coalesce(o.frozen_at, 'infinity')
        AND (x.crossed_at < coalesce(o.frozen_at, 'infinity')) IS NOT TRUE
"""
"""After units `e`: their exposures `x` in other experiments, of those that did not leave them out."""
COUNTS = """
WITH shared AS (
    SELECT x.experiment_id AS other_id, e.variant_id, x.variant_id AS other_variant_id,
        (greatest(e.exposed_at, x.exposed_at) AT TIME ZONE 'UTC')::date AS met_on, count(*) AS n
    FROM exposures e {theirs} WHERE {enrolled} AND x.exposed_at < '{through}Z' GROUP BY 1, 2, 3, 4
)
SELECT * FROM shared
WHERE other_id IN (SELECT other_id FROM shared GROUP BY 1 ORDER BY sum(n) DESC, other_id LIMIT {most})
"""
OWN = """
CREATE TEMP TABLE own ON COMMIT DROP AS
SELECT e.unit, e.variant_id, e.exposed_at{numbers} FROM exposures e{outcomes}
WHERE {enrolled} GROUP BY e.experiment_id, e.unit
"""
"""A table of its own, so that nobody adds up a unit's outcomes more than once."""
MOMENTS = """
SELECT x.experiment_id AS other_id, e.variant_id, x.variant_id AS other_variant_id,
    (e.exposed_at AT TIME ZONE 'UTC')::date AS entered_on{sums}
FROM own e {theirs} GROUP BY 1, 2, 3, 4
"""
HASHED = "SET LOCAL enable_nestloop = {}"
"""Exposures meet exposures by hash: of an experiment that ANALYZE does not know yet the planner expects a few rows, and
would compare each unit of one with each of the other."""
SUMS = """,
    count(*) FILTER (WHERE {met}) AS n{id}, avg(k{id}) FILTER (WHERE {met}) AS mean{id},
    var_pop(k{id}) FILTER (WHERE {met}) * count(*) FILTER (WHERE {met}) AS m2_{id}"""
MET = "x.exposed_at < e.exposed_at + interval '{hours} hours'"
"""Before the unit's window had closed: what it meets later cannot have changed its number."""

DROP_COUNTS = "DELETE FROM overlap_counts WHERE experiment_id = $1 AND met_on >= $2"
DROP_MOMENTS = "DELETE FROM overlap_moments WHERE experiment_id = $1 AND entered_on >= $2"
HOLD = "SELECT true FROM overlap_runs WHERE experiment_id = $1 AND claimed_at = $2 FOR UPDATE"
"""From here on whoever forgets a unit waits, and has what is stored derived anew."""
FINISH = """
UPDATE overlap_runs SET computed_at = clock_timestamp(), data_through = $3 WHERE experiment_id = $1 AND claimed_at = $2
"""
FORGET = "DELETE FROM overlap_runs WHERE experiment_id = ANY($1::int[])"
RUN = """
SELECT computed_at, data_through FROM overlap_runs WHERE experiment_id = $1 AND data_through IS NOT NULL
"""
READ_COUNTS = """
WITH shared AS (
    SELECT other_id, variant_id, other_variant_id, sum(n)::int AS n FROM overlap_counts
    WHERE experiment_id = $1 AND met_on < $2 GROUP BY 1, 2, 3
)
SELECT * FROM shared
WHERE other_id IN (SELECT other_id FROM shared GROUP BY 1 ORDER BY sum(n) DESC, other_id LIMIT $3)
"""
"""Days below the floor may be of experiments that were nearest once."""
READ_MOMENTS = """
SELECT m.other_id, m.definition_id, m.variant_id, m.other_variant_id,
    pooled(ARRAY[m.n, 0, 0, m.n * m.mean, m.m2, 0]) AS sums
FROM overlap_moments m JOIN unnest($3::int[], $4::int[]) AS k (definition_id, until) USING (definition_id)
WHERE m.experiment_id = $1 AND m.entered_on + 1 + k.until <= $2 GROUP BY 1, 2, 3, 4
"""
COUNTED = ("other_id", "variant_id", "other_variant_id", "met_on", "n")
KEEP_COUNTS = """
INSERT INTO overlap_counts (experiment_id, other_id, variant_id, other_variant_id, met_on, n)
SELECT $1, * FROM unnest($2::integer[], $3::integer[], $4::integer[], $5::date[], $6::integer[])
"""
KEEP_MOMENTS = """
INSERT INTO overlap_moments (
    experiment_id, other_id, variant_id, other_variant_id, entered_on, definition_id, n, mean, m2
) SELECT $1, * FROM unnest(
    $2::integer[], $3::integer[], $4::integer[], $5::date[], $6::integer[], $7::integer[], $8::float8[], $9::float8[]
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An experiment whose overlaps are due, and the moment it was begun."""

    experiment_id: int
    claimed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaps:
    """What is stored of an experiment's shared units: counts, and n, mean and M2 by definition.

    Keys are the other experiment, the own variant and the other's; of `moments` the definition before the variants.
    """

    computed_at: datetime
    data_through: datetime
    counts: Mapping[tuple[int, int, int], int]
    moments: Mapping[tuple[int, int, int, int], tuple[float, float, float]]


async def claim(connection: asyncpg.Connection) -> Claim | None:
    """The experiment whose overlaps are furthest behind, for the caller alone; None where nothing is due."""
    row = await connection.fetchrow(CLAIM, AGAIN)
    return None if row is None else Claim(experiment_id=row["experiment_id"], claimed_at=row["claimed_at"])


async def refresh(connection: asyncpg.Connection, due: Claim) -> bool:
    """Derive an experiment's overlaps as far as its aggregates reach, in the caller's transaction. Safe to run twice.

    False where the claim is gone, because a unit was forgotten meanwhile: then nothing is stored, and it is due again.
    """
    await connection.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'; SET LOCAL work_mem = '{MEMORY}'")
    row = await connection.fetchrow(CLAIMED, due.experiment_id)
    sharing = await _sharing(connection, due.experiment_id, row)
    others = [other["id"] for other in await connection.fetch(OTHERS, due.experiment_id, CANDIDATES)]
    await connection.execute(HASHED.format("off"))
    counts = await connection.fetch(sharing.counts(), others)
    nearest = sorted({count["other_id"] for count in counts})
    moments = await _moments(connection, sharing, nearest) if nearest and sharing.kpis else []
    if not await connection.fetchval(HOLD, due.experiment_id, due.claimed_at):
        return False
    # The floor again, and last: whatever rows were dropped since are of days that stay as they were stored.
    floor = await frozen_before(connection, row["workspace_id"]) or EVER
    cells = [cell for cell in sharing.cells(moments) if cell[3] >= floor]
    await _store(connection, due.experiment_id, floor, [one for one in counts if one["met_on"] >= floor], cells)
    await connection.execute(FINISH, due.experiment_id, due.claimed_at, row["data_through"])
    return True


async def _sharing(connection: asyncpg.Connection, experiment_id: int, row: Mapping[str, Any]) -> "Sharing":
    plan = plans.from_document(row["plan"])
    kpis = tuple(compared(plan))
    names = {event for planned in kpis for event in planned.definition.events}
    return Sharing(
        experiment_id=experiment_id,
        workspace_id=row["workspace_id"],
        unit=plan.unit,
        closes=row["frozen_at"],
        through=row["data_through"].astimezone(UTC).date(),
        floor=await frozen_before(connection, row["workspace_id"]) or EVER,
        kpis=kpis,
        numbers=await event_numbers(connection, row["workspace_id"], names),
    )


async def _moments(connection: asyncpg.Connection, sharing: "Sharing", others: Sequence[int]) -> list[asyncpg.Record]:
    await connection.execute(HASHED.format("on"))
    await connection.execute(sharing.own())
    await connection.execute(HASHED.format("off"))
    return list(await connection.fetch(sharing.moments(), others))


async def _store(
    connection: asyncpg.Connection,
    experiment_id: int,
    floor: date,
    counts: Sequence[Mapping[str, Any]],
    cells: Sequence[tuple[Any, ...]],
) -> None:
    """Put what was derived in the place of what was stored, but for days below the floor."""
    await connection.execute(DROP_COUNTS, experiment_id, floor)
    await connection.execute(DROP_MOMENTS, experiment_id, floor)
    if counts:
        columns = ([one[name] for one in counts] for name in COUNTED)
        await connection.execute(KEEP_COUNTS, experiment_id, *columns)
    if cells:
        await connection.execute(KEEP_MOMENTS, experiment_id, *zip(*cells, strict=True))


async def outdate(connection: asyncpg.Connection, experiment_ids: Collection[int]) -> None:
    """Have the overlaps of experiments derived anew, and show none meanwhile: a unit that was part of them is not."""
    await connection.execute(FORGET, list(experiment_ids))


async def read(
    connection: asyncpg.Connection, experiment_id: int, through: datetime, kpis: Sequence[PlannedKpi]
) -> Overlaps | None:
    """What is stored of an experiment as of a moment; None before it was derived, and after a unit was forgotten."""
    run = await connection.fetchrow(RUN, experiment_id)
    if run is None:
        return None
    reach = min(through, run["data_through"]).astimezone(UTC)
    windows = [decode(planned).window[1] for planned in kpis]
    definitions = [planned.definition.id for planned in kpis]
    counts = await connection.fetch(READ_COUNTS, experiment_id, reach.date(), MOST)
    moments = await connection.fetch(READ_MOMENTS, experiment_id, reach.date(), definitions, windows)
    return Overlaps(
        computed_at=run["computed_at"].astimezone(UTC),
        data_through=reach,
        counts={(one["other_id"], one["variant_id"], one["other_variant_id"]): one["n"] for one in counts},
        moments={
            (one["other_id"], one["definition_id"], one["variant_id"], one["other_variant_id"]): _summary(one["sums"])
            for one in moments
        },
    )


def _summary(sums: Sequence[float]) -> tuple[float, float, float]:
    n, _, _, total, m2, _ = sums
    return n, total / n, m2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """The statements on one experiment's units and those of others ($1), and what they answer.

    `closes` is when enrolment closed, None while it is open; rows of entry days before the `floor` may be gone.
    """

    experiment_id: int
    workspace_id: int
    unit: Unit
    closes: datetime | None
    through: date
    floor: date
    kpis: tuple[PlannedKpi, ...]
    numbers: Mapping[str, int]

    def counts(self) -> str:
        """How many units are in both, by the day from which on they were."""
        days = f"e.exposed_at < '{self.through}Z'"
        return COUNTS.format(theirs=THEIRS, enrolled=self._enrolled(days), through=self.through, most=MOST)

    def own(self) -> str:
        """A table of the units of this one that are final, each with its number of every KPI."""
        windows = [decode(planned).window for planned in self.kpis]
        end = self.through - min(until for _, until in windows) * DAY
        start = 24 * min(first for first, _ in windows)
        outcomes = OUTCOMES.format(
            joined=with_outcomes(self.unit, workspace_id=self.workspace_id, experiment_id=self.experiment_id),
            # A number no event has: an event nobody has sent yet is one that has not happened.
            events=", ".join(map(str, sorted(self.numbers.values()))) or "-1",
            within="",
            start=f" + interval '{start} hours'" if start else "",
            until=24 * max(until for _, until in windows),
        )
        return OWN.format(
            numbers="".join(
                f", {_number(planned, self.numbers)} AS k{planned.definition.id:d}" for planned in self.kpis
            ),
            outcomes=outcomes,
            enrolled=self._enrolled(f"e.exposed_at >= '{self.floor}Z' AND e.exposed_at < '{end}Z'"),
        )

    def moments(self) -> str:
        """What those of them did that are in both, by the day they entered this one."""
        return MOMENTS.format(sums="".join(_sums(planned) for planned in self.kpis), theirs=THEIRS)

    def cells(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
        """A record for each definition of which units of the day are final and in both."""
        for row in rows:
            for planned in self.kpis:
                number, until = planned.definition.id, decode(planned).window[1]
                if row[f"n{number}"] and row["entered_on"] + (1 + until) * DAY <= self.through:
                    place = (row["other_id"], row["variant_id"], row["other_variant_id"], row["entered_on"])
                    yield (*place, number, row[f"n{number}"], row[f"mean{number}"], row[f"m2_{number}"])

    def _enrolled(self, days: str) -> str:
        closes = self.closes.isoformat() if self.closes else "infinity"
        return ENROLLED.format(experiment=self.experiment_id, closes=closes, days=days, acted="", crossed="NOT ")


def _number(planned: PlannedKpi, numbers: Mapping[str, int]) -> str:
    """SQL of a unit's number, once it is final; of time to value the days it took, up to tau."""
    kind = decode(planned)
    number = kind.per_unit(numbers)
    return f"coalesce({number} / 2 + 1, {kind.tau_days})::float8" if isinstance(kind, TimeToValue) else number


def _sums(planned: PlannedKpi) -> str:
    return SUMS.format(id=planned.definition.id, met=MET.format(hours=24 * decode(planned).window[1]))
