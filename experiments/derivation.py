"""The statements that derive slices of an experiment's aggregates from its rows.

Every unit of the slices becomes a row of a temporary table, with its number for each KPI; the three tables are its
sums by variant and entry day, for everybody and for each segment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from experiments import covariates
from experiments.actors import outcomes_with_unit, with_outcomes
from experiments.cohorts import decode
from experiments.plan import PlannedKpi
from experiments.slices import DAY, EVER, Piece
from kpi.enums import Unit
from kpi.events import first_id
from kpi.kinds import Aggregate

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

NAME_SEGMENTS = """
INSERT INTO segments (experiment_id, attribute, value)
SELECT {experiment}, attribute, value FROM (
    SELECT attribute, value, row_number() OVER (PARTITION BY attribute ORDER BY count(*) DESC, value) AS place
    FROM (
        SELECT a.attribute, {said} AS value
        FROM exposures e CROSS JOIN unnest($1::text[]) AS a (attribute) WHERE {enrolled}
    ) said
    WHERE NOT EXISTS (
        SELECT FROM segments s
        WHERE s.experiment_id = {experiment} AND s.attribute = said.attribute AND s.value = said.value
    )
    GROUP BY attribute, value
) fresh
WHERE place <= {most} - (
    SELECT count(*) FROM segments s WHERE s.experiment_id = {experiment} AND s.attribute = fresh.attribute
)
"""
"""A value that is a segment stays one, whatever becomes common later: slices derived on other days must agree."""

UNITS = """
CREATE TEMP TABLE units AS
SELECT e.variant_id, (e.exposed_at AT TIME ZONE 'UTC')::date AS entered_on{segments}{columns}{covariates}
FROM (
    SELECT e.variant_id, e.exposed_at, e.attributes{unit}{numbers} FROM exposures e{outcomes}
    WHERE {enrolled} GROUP BY e.experiment_id, e.unit
) e{before}{joins}
"""
"""A row a unit, with its number for each KPI. By the primary key alone: the fewer columns, the cheaper the grouping."""
OUTCOMES = """{joined} AND o.event_id IN ({events})
    AND o.occurred_at >= e.exposed_at + interval '{start} hours'
    AND o.occurred_at < e.exposed_at + interval '{until} hours'
"""
SEGMENT_JOIN = """ LEFT JOIN segments s{place} ON s{place}.experiment_id = {experiment}
    AND s{place}.attribute = ($1::text[])[{place}] AND s{place}.value = {said}
"""

ENTRY_COUNTS = """
INSERT INTO entry_counts (experiment_id, segment, variant_id, entered_on, n)
SELECT {experiment}, {segment}, variant_id, entered_on, count(*) FROM units GROUP BY GROUPING SETS ({sets})
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
SELECT {experiment}, k.definition_id, g.segment, g.variant_id, g.entered_on, g.n, k.mean, k.m2, k.mean_x, k.m2_x,
    k.c_xy, k.missing
FROM (
    SELECT {segment} AS segment, variant_id, entered_on, count(*) AS n, {sums}
    FROM units GROUP BY GROUPING SETS ({sets})
) g CROSS JOIN LATERAL (VALUES {rows}) AS k (definition_id, until, mean, m2, mean_x, m2_x, c_xy, missing)
WHERE g.entered_on + 1 + k.until <= '{through}'
"""
DURATIONS = """
INSERT INTO durations (experiment_id, definition_id, segment, variant_id, entered_on, day, events, losses)
SELECT {experiment}, {definition}, {segment}, variant_id, entered_on, day, count(*) FILTER (WHERE is_event),
    count(*) FILTER (WHERE NOT is_event)
FROM (SELECT *, k{definition} / 2 AS day, k{definition} % 2 = 0 AS is_event FROM units) ended
WHERE entered_on + 2 + day <= '{through}' AND entered_on + 2 + day > '{since}'
GROUP BY day, GROUPING SETS ({sets})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One piece of an experiment's aggregates, derived as far as the days through `through` are over.

    `closes` is when enrolment closed, None while it is open.
    """

    experiment_id: int
    workspace_id: int
    unit: Unit
    closes: datetime | None
    piece: Piece
    through: date
    attributes: list[str]
    numbers: Mapping[str, int]

    def statements(self) -> Iterator[Statement]:
        """What to run, in order, in one transaction."""
        if self.attributes and self.piece.with_entries:
            yield self._with_attributes(NAME_SEGMENTS, most=SEGMENT_VALUES, said=SAID.format(attribute="a.attribute"))
        yield from self._deletions()
        yield self.units()
        yield from self._entries()
        yield from self._moments()
        for planned in self._kpis(Aggregate.DURATIONS):
            yield self._filled(DURATIONS, definition=planned.definition.id, since=self.piece.since or EVER)
        yield "DROP TABLE units", ()

    def _deletions(self) -> Iterator[Statement]:
        every = f" AND entered_on >= '{self.piece.first}'"
        days = every if self.piece.days is None else f" AND entered_on = ANY('{self._days}'::date[])"
        of = f" WHERE experiment_id = {self.experiment_id:d}{days}"
        definitions = ", ".join(str(planned.definition.id) for planned in self.piece.kpis) or "NULL"
        yield f"DELETE FROM moments{of} AND definition_id IN ({definitions})", ()  # noqa: S608 - numbers of ours
        cells = f"{of} AND definition_id IN ({definitions}) AND entered_on + 2 + day > '{self.piece.since or EVER}'"
        yield f"DELETE FROM durations{cells}", ()  # noqa: S608 - as above
        if self.piece.with_entries:
            yield f"DELETE FROM entry_counts{of}", ()  # noqa: S608 - as above

    def units(self) -> Statement:
        """Make the temporary table `units`: a row for each, with its number `k` of each definition."""
        places = range(1, len(self.attributes) + 1)
        segments = [f"($1::text[])[{n}] || '=' || coalesce(s{n}.value, '(other)') AS segment_{n}" for n in places]
        numbers = {f"k{kpi.definition.id:d}": decode(kpi).per_unit(self.numbers) for kpi in self.piece.kpis}
        before = self._before()
        names = [*self.attributes, *covariates.attributes(self.piece.kpis)]
        statement, _ = self._filled(
            UNITS,
            segments="".join(f", {segment}" for segment in segments),
            joins="".join(self._segment_join(n) for n in places),
            columns="".join(f", {name}" for name in numbers),
            numbers="".join(f", {sql} AS {name}" for name, sql in numbers.items()),
            outcomes=self._outcomes() if self.piece.kpis else "",
            covariates=covariates.per_unit(self.piece.kpis, names),
            unit=before.columns,
            before=before.joined(self._enrolled()),
        )
        return statement, (names,) if names else ()

    def _before(self) -> covariates.Before:
        own = [(kpi, covariate.pre_exposure_days) for kpi, covariate in covariates.adjusted(self.piece.kpis)]
        return covariates.Before(
            kpis=[(kpi, days) for kpi, days in own if days is not None],
            unit=self.unit,
            workspace_id=self.workspace_id,
            experiment_id=self.experiment_id,
            numbers=self.numbers,
        )

    def _segment_join(self, place: int) -> str:
        said = SAID.format(attribute=f"($1::text[])[{place}]")
        return SEGMENT_JOIN.format(place=place, experiment=self.experiment_id, said=said)

    def _outcomes(self) -> str:
        kinds = [decode(planned) for planned in self.piece.kpis]
        return OUTCOMES.format(
            joined=with_outcomes(self.unit, workspace_id=self.workspace_id, experiment_id=self.experiment_id),
            events=self._events,
            start=24 * min(kind.window[0] for kind in kinds),
            until=24 * max(kind.window[1] for kind in kinds),
        )

    def _entries(self) -> Iterator[Statement]:
        if self.piece.with_entries:
            yield self._filled(ENTRY_COUNTS)
            yield self._filled(CROSSOVERS, crossed="")

    def _moments(self) -> Iterator[Statement]:
        kpis = list(self._kpis(Aggregate.MOMENTS))
        if kpis:
            sums = "avg(k{id}) AS mean_{id}, var_pop(k{id}) * count(*) AS m2_{id}"
            row = "({id}, {until}, g.mean_{id}, g.m2_{id}, {more})"
            yield self._filled(
                MOMENTS,
                sums=", ".join(sums.format(id=kpi.definition.id) + covariates.sums(kpi) for kpi in kpis),
                rows=", ".join(
                    row.format(id=kpi.definition.id, until=decode(kpi).window[1], more=covariates.row(kpi))
                    for kpi in kpis
                ),
            )

    def _kpis(self, aggregate: Aggregate) -> Iterator[PlannedKpi]:
        yield from (planned for planned in self.piece.kpis if decode(planned).aggregate is aggregate)

    def _with_attributes(self, template: str, **parts: object) -> Statement:
        statement, _ = self._filled(template, **parts)
        return statement, (self.attributes,) if self.attributes else ()

    def _enrolled(self, crossed: object = "NOT ") -> str:
        days = [f"(e.exposed_at >= '{first}Z' AND e.exposed_at < '{end}Z')" for first, end in self._spans()]
        return ENROLLED.format(
            experiment=self.experiment_id,
            # As a constant: what a subquery would say is more than the planner can guess.
            closes=self.closes.isoformat() if self.closes else "infinity",
            days=f"({' OR '.join(days)})",
            acted=self._acted(self.piece.since),
            crossed=crossed,
        )

    def _filled(self, template: str, *, crossed: object = "NOT ", **parts: object) -> Statement:
        segments = [f"segment_{n}" for n in range(1, len(self.attributes) + 1)]
        sets = ["(variant_id, entered_on)", *(f"(variant_id, entered_on, {segment})" for segment in segments)]
        return template.format(
            experiment=self.experiment_id,
            through=self.through,
            enrolled=self._enrolled(crossed),
            # Outside its own grouping set a segment's column is null.
            segment=f"coalesce({', '.join([*segments, chr(39) * 2])})",
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
    def _events(self) -> str:
        names = {name for planned in self.piece.kpis for name in decode(planned).events}
        # A number no event has: an event nobody has sent yet is one that has not happened.
        return ", ".join(sorted({str(self.numbers.get(name, -1)) for name in names}))

    @property
    def _days(self) -> str:
        return "{" + ", ".join(day.isoformat() for day in sorted(self.piece.days or ())) + "}"
