"""The statements that derive slices of an experiment's aggregates from its rows.

Every unit of the slices becomes a row with its number for each KPI, and units that are alike (variant, entry day,
segments, durations, numbers of quantiles) become one row of a temporary table; the three tables are its sums by variant
and entry day, for everybody and for each segment, and so are the counts of units by their numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import pairwise

from experiments.aggregation import covariates, tallies
from experiments.aggregation.actors import outcomes_with_unit, with_outcomes
from experiments.aggregation.slices import DAY, EVER, Piece
from experiments.inference.cohorts import decode
from experiments.planning.plan import PlannedKpi
from kpi.enums import Unit
from kpi.events import first_id
from kpi.kinds import Aggregate
from kpi.kinds.quantile import rounded
from kpi.kinds.shape import DayCurve

Statement = tuple[str, tuple[object, ...]]
"""SQL and its arguments."""

SEGMENT_VALUES = 20
"""Values of an attribute that become segments of their own; the rest are read together as “(other)”."""

ENROLLED = """
e.experiment_id = {experiment} AND e.exposed_at < '{closes}' AND {days}{acted}
    AND (e.crossed_at < '{closes}') IS {crossed}TRUE
"""
"""Exposures before enrolment closed, of units that crossed before that or did not. A crossing after changes nothing."""
ACTED = """
    AND e.unit IN (
        SELECT acted.unit FROM {acted} WHERE o.id >= '{first}' AND o.id < '{end}' AND o.event_id IN ({events})
    )
"""
"""Who did anything of interest in a span of time; ids begin with the time."""
SAID = "coalesce(nullif(e.attributes ->> {attribute}, ''), '(none)')"

SAY = """
CREATE TEMP TABLE said AS
SELECT a.attribute, {said} AS value, count(*) AS n
FROM exposures e CROSS JOIN unnest($1::text[]) AS a (attribute) WHERE {enrolled} GROUP BY 1, 2
"""
"""A table of its own, because several processes of the server can read for it, and none for an INSERT."""
NAME_SEGMENTS = """
INSERT INTO segments (experiment_id, attribute, value)
SELECT {experiment}, attribute, value FROM (
    SELECT attribute, value, row_number() OVER (PARTITION BY attribute ORDER BY n DESC, value) AS place FROM said
    WHERE NOT EXISTS (
        SELECT FROM segments s
        WHERE s.experiment_id = {experiment} AND s.attribute = said.attribute AND s.value = said.value
    )
) fresh
WHERE place <= {most} - (
    SELECT count(*) FROM segments s WHERE s.experiment_id = {experiment} AND s.attribute = fresh.attribute
)
"""
"""A value that is a segment stays one, whatever becomes common later: slices derived on other days must agree."""

UNITS = """
SELECT e.variant_id, (e.exposed_at AT TIME ZONE 'UTC')::date AS entered_on{segments}{columns}{covariates}
FROM ({parts}) e
"""
"""A row a unit, with its number for each KPI, and its second number where it has one."""
PART = """(
    SELECT e.variant_id, e.exposed_at, e.attributes{numbers} FROM exposures e{outcomes}
    WHERE {enrolled}{within}{group}{order}
)"""
"""Units between two bounds. By the primary key alone: the fewer columns, the cheaper the grouping."""
OUTCOMES = """{joined} AND o.event_id IN ({events}){within}
    AND o.occurred_at >= e.exposed_at{start}
    AND o.occurred_at < e.exposed_at + interval '{until} hours'
"""
SEGMENT = """
    , ($1::text[])[{place}] || '=' || CASE WHEN {said} = ANY (ARRAY(
        SELECT value FROM segments WHERE experiment_id = {experiment} AND attribute = ($1::text[])[{place}]
    )) THEN {said} ELSE '(other)' END AS segment_{place}
"""
CELLS = """
CREATE TEMP TABLE cells AS
SELECT {alike}, count(*) AS n{sums} FROM ({units}) units GROUP BY {alike}
"""
"""Few rows, however many units: each process of the server adds up its own, and hands over the sums."""
SUMS = "ARRAY[count(*), 0, 0, avg(k{id}) * count(*), var_pop(k{id}) * count(*), 0] AS m{id}"
"""As `pooled` adds them up: n, the sum and squares of a second number, the same of the KPI, and what both share."""
ENTRY_COUNTS = """
INSERT INTO entry_counts (experiment_id, segment, variant_id, entered_on, n)
SELECT {experiment}, {segment}, variant_id, entered_on, sum(n) FROM cells GROUP BY GROUPING SETS ({sets})
"""
CROSSOVERS = """
INSERT INTO entry_counts (experiment_id, segment, variant_id, entered_on, n, crossovers)
SELECT {experiment}, '', e.variant_id, (e.exposed_at AT TIME ZONE 'UTC')::date, 0, count(*)
FROM exposures e WHERE {enrolled} GROUP BY 3, 4
ON CONFLICT (experiment_id, segment, variant_id, entered_on) DO UPDATE SET crossovers = excluded.crossovers
"""
MOMENTS = """
INSERT INTO moments (experiment_id, definition_id, segment, variant_id, entered_on, n, mean, m2, mean_x, m2_x, c_xy,
    missing)
SELECT {experiment}, k.definition_id, g.segment, g.variant_id, g.entered_on, k.m[1], k.m[4] / k.m[1], k.m[5],
    k.x[2] / k.x[1], k.x[3], k.x[6], k.missing
FROM (
    SELECT {segment} AS segment, variant_id, entered_on, {sums} FROM cells GROUP BY GROUPING SETS ({sets})
) g CROSS JOIN LATERAL (VALUES {rows}) AS k (definition_id, until, m, x, missing)
WHERE g.entered_on + 1 + k.until <= '{through}'
"""
TALLIES = """
INSERT INTO tallies (experiment_id, definition_id, variant_id, entered_on, n, tally)
SELECT {experiment}, k.definition_id, g.variant_id, g.entered_on, g.n, k.tally
FROM (SELECT variant_id, entered_on, sum(n) AS n, {sums} FROM cells GROUP BY variant_id, entered_on) g
    CROSS JOIN LATERAL (VALUES {rows}) AS k (definition_id, until, tally)
WHERE g.entered_on + 1 + k.until <= '{through}'
"""
DURATIONS = """
INSERT INTO durations (experiment_id, definition_id, segment, variant_id, entered_on, day, events, losses)
SELECT {experiment}, {definition}, {segment}, variant_id, entered_on, day, {counts}
FROM {ended}
WHERE entered_on + {final} <= '{through}' AND entered_on + 2 + day > '{since}'
GROUP BY day, GROUPING SETS ({sets})
"""
VALUES = """
INSERT INTO value_counts (experiment_id, definition_id, segment, variant_id, entered_on, value, n)
SELECT {experiment}, {definition}, {segment}, variant_id, entered_on, k{definition}, sum(n) FROM cells
WHERE entered_on + 1 + {until} <= '{through}' GROUP BY k{definition}, GROUPING SETS ({sets})
"""
"""Of a quantile: how many units have which number."""
ENDS = {
    "counts": "coalesce(sum(n) FILTER (WHERE is_event), 0), coalesce(sum(n) FILTER (WHERE NOT is_event), 0)",
    "ended": "(SELECT *, k{id} / 2 AS day, k{id} % 2 = 0 AS is_event FROM cells) ended",
}
"""Of a time to an event: when units' observation ended, and how."""
BY_DAY = {
    "counts": "sum(units), 0",
    "ended": """(
    SELECT cells.*, {first} + place::int - 1 AS day, units
    FROM cells CROSS JOIN LATERAL unnest(d{id}) WITH ORDINALITY AS counted (units, place) WHERE units > 0
) days""",
}
"""Of a curve: how many units did it on each day, or for the first time."""
ON_DAYS = "ARRAY[{counts}] AS d{id}"
ON_DAY = "count(*) FILTER (WHERE get_bit(b{id}, {day}) = 1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One piece of an experiment's aggregates, derived as far as the days through `through` are over.

    `closes` is when enrolment closed, None while it is open. `bounds` are ids of units in order, as SQL: what lies
    between two of them can be derived by a process of the server of its own.
    """

    experiment_id: int
    workspace_id: int
    unit: Unit
    closes: datetime | None
    piece: Piece
    through: date
    attributes: list[str]
    numbers: Mapping[str, int]
    bounds: Sequence[str] = ()

    def statements(self) -> Iterator[Statement]:
        """What to run, in order, in one transaction."""
        if self.attributes and self.piece.with_entries:
            yield self._with_attributes(SAY, said=SAID.format(attribute="a.attribute"))
            yield self._filled(NAME_SEGMENTS, most=SEGMENT_VALUES)
            yield "DROP TABLE said", ()
        yield from self._deletions()
        yield self._cells()
        yield from self._entries()
        yield from self._moments()
        yield from self._values()
        yield from self._tallies()
        yield from self._durations()
        yield "DROP TABLE cells", ()

    def _deletions(self) -> Iterator[Statement]:
        every = f" AND entered_on >= '{self.piece.first}'"
        days = every if self.piece.days is None else f" AND entered_on = ANY('{self._days}'::date[])"
        of = f" WHERE experiment_id = {self.experiment_id:d}{days}"
        if self.piece.kpis:
            own = f"{of} AND definition_id IN ({_numbers(self.piece.kpis)})"
            if self.piece.since is None:
                yield f"DELETE FROM moments{own}", ()  # noqa: S608 - numbers of ours
                yield f"DELETE FROM value_counts{own}", ()  # noqa: S608 - as above
            final = f"{own} AND entered_on + 2 + day > '{self.piece.since or EVER}'"
            yield f"DELETE FROM durations{final}", ()  # noqa: S608 - as above
        if self._tallied:
            own = f"{of} AND definition_id IN ({_numbers(self._tallied)})"
            yield f"DELETE FROM tallies{own}", ()  # noqa: S608 - as above
        if self.piece.with_entries:
            yield f"DELETE FROM entry_counts{of}", ()  # noqa: S608 - as above

    def units(self) -> Statement:
        """Read a row for each unit, with its number `k` of each definition."""
        names = [*self.attributes, *covariates.attributes(self._summed)]
        statement, _ = self._filled(
            UNITS,
            segments="".join(self._segment(place) for place in range(1, len(self.attributes) + 1)),
            columns="".join(f", {name}" for name in self._numbers),
            covariates=covariates.columns(self._summed, names),
            parts=" UNION ALL ".join(self._part(low, high) for low, high in pairwise([None, *self.bounds, None])),
        )
        return statement, (names,) if names else ()

    def _part(self, low: str | None, high: str | None) -> str:
        numbers = self._numbers | covariates.numbers(self._summed, self.numbers)
        part, _ = self._filled(
            PART,
            numbers="".join(f", {sql} AS {name}" for name, sql in numbers.items()),
            outcomes=self._outcomes(_between("o", low, high)) if numbers else "",
            within=_between("e", low, high),
            group=" GROUP BY e.experiment_id, e.unit" if numbers else "",
            # Nobody needs the order; asked for, it lets the planner see what reading in order saves.
            order=" ORDER BY e.unit" if self.bounds else "",
        )
        return part

    def _cells(self) -> Statement:
        kept = [f"k{planned.definition.id:d}" for planned in self._timed + self._counted]
        sums = [*map(_sums, self._summed), *tallies.sums(self._tallied)]
        sums += [_on_days(planned, curve) for planned, curve in self._curves]
        units, arguments = self.units()
        cells = CELLS.format(
            alike=", ".join(["variant_id", "entered_on", *self._segments, *kept]),
            sums="".join(f", {sql}" for sql in sums),
            units=units,
        )
        return cells, arguments

    def _segment(self, place: int) -> str:
        said = SAID.format(attribute=f"($1::text[])[{place}]")
        return SEGMENT.format(place=place, experiment=self.experiment_id, said=said)

    def _outcomes(self, within: str) -> str:
        windows = [decode(planned).window for planned in self.piece.kpis]
        before = [-days for days in (*covariates.days_before(self._summed), tallies.days_before(self.piece.waiting))]
        start = 24 * min([first for first, _ in windows] + [curve.days[0] for _, curve in self._curves] + before)
        return OUTCOMES.format(
            joined=with_outcomes(self.unit, workspace_id=self.workspace_id, experiment_id=self.experiment_id),
            events=self._events,
            within=within,
            start=f" + interval '{start} hours'" if start else "",
            until=24 * max((until for _, until in windows), default=0),
        )

    def _entries(self) -> Iterator[Statement]:
        if self.piece.with_entries:
            yield self._filled(ENTRY_COUNTS)
            yield self._filled(CROSSOVERS, crossed="")

    def _moments(self) -> Iterator[Statement]:
        if self._summed:
            yield self._filled(
                MOMENTS, sums=", ".join(map(_pooled, self._summed)), rows=", ".join(map(_row, self._summed))
            )

    def _values(self) -> Iterator[Statement]:
        for planned in self._counted:
            until = decode(planned).window[1]
            yield self._filled(VALUES, definition=planned.definition.id, until=until)

    def _tallies(self) -> Iterator[Statement]:
        if self._tallied:
            yield self._filled(
                TALLIES,
                sums=", ".join(map(tallies.pooled, self._tallied)),
                rows=", ".join(map(tallies.row, self._tallied)),
            )

    @property
    def _tallied(self) -> list[PlannedKpi]:
        return [*tallies.capped(self._summed), *self.piece.waiting]

    def _durations(self) -> Iterator[Statement]:
        for planned in self._timed:
            yield self._ended(planned, ENDS, "2 + day")
        for planned, curve in self._curves:
            final = f"1 + {decode(planned).window[1]}" if curve.is_whole else "2 + day"
            yield self._ended(planned, BY_DAY, final, first=curve.days[0])

    def _ended(self, planned: PlannedKpi, parts: Mapping[str, str], final: str, **places: int) -> Statement:
        definition = planned.definition.id
        said = {name: part.format(id=definition, **places) for name, part in parts.items()}
        return self._filled(DURATIONS, definition=definition, final=final, since=self.piece.since or EVER, **said)

    @property
    def _numbers(self) -> dict[str, str]:
        """SQL of a unit's numbers: `k` of each KPI, `b` of each curve, and what is tallied."""
        numbers = {f"k{kpi.definition.id:d}": decode(kpi).per_unit(self.numbers) for kpi in self._summed + self._timed}
        numbers |= {f"k{kpi.definition.id:d}": rounded(decode(kpi).per_unit(self.numbers)) for kpi in self._counted}
        numbers |= tallies.numbers(self.piece.waiting, self.numbers)
        return numbers | {f"b{kpi.definition.id:d}": decode(kpi).by_day(self.numbers) for kpi, _ in self._curves}

    @property
    def _summed(self) -> list[PlannedKpi]:
        """The KPIs whose moments are derived: only where all units are read, and not just those who acted."""
        return [] if self.piece.since else [kpi for kpi in self._of(Aggregate.MOMENTS) if decode(kpi).adds_up]

    @property
    def _counted(self) -> list[PlannedKpi]:
        """The KPIs of which is counted how many units have which number, likewise."""
        return [] if self.piece.since else [kpi for kpi in self._of(Aggregate.MOMENTS) if not decode(kpi).adds_up]

    @property
    def _timed(self) -> list[PlannedKpi]:
        return self._of(Aggregate.DURATIONS)

    def _of(self, aggregate: Aggregate) -> list[PlannedKpi]:
        return [planned for planned in self.piece.kpis if decode(planned).aggregate is aggregate]

    @property
    def _curves(self) -> list[tuple[PlannedKpi, DayCurve]]:
        """The KPIs with a curve beside their number."""
        found = ((planned, decode(planned).curve) for planned in self.piece.kpis)
        return [(planned, curve) for planned, curve in found if curve is not None]

    def _with_attributes(self, template: str, **parts: object) -> Statement:
        statement, _ = self._filled(template, **parts)
        return statement, (self.attributes,) if self.attributes else ()

    def _filled(self, template: str, *, crossed: object = "NOT ", **parts: object) -> Statement:
        days = [f"(e.exposed_at >= '{first}Z' AND e.exposed_at < '{end}Z')" for first, end in self._spans()]
        enrolled = ENROLLED.format(
            experiment=self.experiment_id,
            # As a constant: what a subquery would say is more than the planner can guess.
            closes=self.closes.isoformat() if self.closes else "infinity",
            days=f"({' OR '.join(days)})",
            acted=self._acted(self.piece.since),
            crossed=crossed,
        )
        sets = ["(variant_id, entered_on)", *(f"(variant_id, entered_on, {segment})" for segment in self._segments)]
        return template.format(
            experiment=self.experiment_id,
            through=self.through,
            enrolled=enrolled,
            # Outside its own grouping set a segment's column is null.
            segment=f"coalesce({', '.join([*self._segments, chr(39) * 2])})",
            sets=", ".join(sets),
            **parts,
        ), ()

    def _spans(self) -> list[tuple[date, date]]:
        """The days as few spans, each with the day after its last: what an index can go by."""
        if self.piece.days is None:
            return [(self.piece.first, self.through + DAY)]
        days = sorted(self.piece.days)
        firsts = [day for day in days if day - DAY not in self.piece.days]
        ends = [day + DAY for day in days if day + DAY not in self.piece.days]
        return list(zip(firsts, ends, strict=True))

    def _acted(self, since: date | None) -> str:
        """A day of a unit's own that became final since then began a day before at most."""
        if since is None:
            return ""
        first, end = (first_id(datetime.combine(day, time(tzinfo=UTC))) for day in (since - DAY, self.through))
        acted = outcomes_with_unit(self.unit, workspace_id=self.workspace_id, experiment_id=self.experiment_id)
        return ACTED.format(acted=acted, first=first, end=end, events=self._events)

    @property
    def _segments(self) -> list[str]:
        return [f"segment_{n}" for n in range(1, len(self.attributes) + 1)]

    @property
    def _events(self) -> str:
        names = {name for planned in self.piece.kpis for name in decode(planned).events}
        names |= {decode(planned).first_event or "" for planned in self.piece.waiting}
        # A number no event has: an event nobody has sent yet is one that has not happened.
        return ", ".join(sorted({str(self.numbers.get(name, -1)) for name in names}))

    @property
    def _days(self) -> str:
        return "{" + ", ".join(day.isoformat() for day in sorted(self.piece.days or ())) + "}"


def _numbers(kpis: Sequence[PlannedKpi]) -> str:
    return ", ".join(str(planned.definition.id) for planned in kpis)


def _sums(planned: PlannedKpi) -> str:
    return covariates.sums(planned) if covariates.is_paired(planned) else SUMS.format(id=planned.definition.id)


def _on_days(planned: PlannedKpi, curve: DayCurve) -> str:
    counts = ", ".join(ON_DAY.format(id=planned.definition.id, day=day) for day in curve.days)
    return ON_DAYS.format(id=planned.definition.id, counts=counts)


def _pooled(planned: PlannedKpi) -> str:
    pooled = f"pooled(m{planned.definition.id:d}) AS m{planned.definition.id:d}"
    return f"{pooled}, {covariates.missing(planned)}" if covariates.is_paired(planned) else pooled


def _row(planned: PlannedKpi) -> str:
    number, until = planned.definition.id, decode(planned).window[1]
    return f"({number:d}, {until}, g.m{number:d}, {covariates.row(planned)})"


def _between(alias: str, low: str | None, high: str | None) -> str:
    from_low = "" if low is None else f" AND {alias}.unit >= {low}"
    return from_low if high is None else f"{from_low} AND {alias}.unit < {high}"
