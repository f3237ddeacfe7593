"""The statements that derive slices of an experiment's aggregates from its rows.

Every unit of the slices becomes a row of a temporary table, with its number for each KPI; the three tables are its
sums by variant and entry day, for everybody and for each segment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from experiments.cohorts import decode
from experiments.plan import PlannedKpi
from experiments.slices import Piece
from kpi.kinds import Aggregate

Statement = tuple[str, tuple[object, ...]]
"""SQL and its arguments."""

SEGMENT_VALUES = 20
"""Values of an attribute that become segments of their own; the rest are read together as “(other)”."""

ENROLLED = """
SELECT x.unit, x.variant_id, x.exposed_at AS entered_at, (x.exposed_at AT TIME ZONE 'UTC')::date AS entered_on,
    coalesce(x.crossed_at < enrolment.closes, false) AS has_crossed, x.attributes
FROM (SELECT coalesce(stopped_at, 'infinity') AS closes FROM experiments WHERE id = {experiment}) enrolment
    CROSS JOIN {source}
WHERE x.experiment_id = {experiment} AND x.exposed_at < enrolment.closes
    AND (x.exposed_at AT TIME ZONE 'UTC')::date <= '{through}'
"""
"""The units that came in before enrolment closed. A crossing after that changes nothing any more."""
ALL_DAYS = "exposures x"
SOME_DAYS = """unnest('{days}'::date[]) AS slice (day) JOIN exposures x
    ON x.exposed_at >= slice.day::timestamp AT TIME ZONE 'UTC'
    AND x.exposed_at < (slice.day + 1)::timestamp AT TIME ZONE 'UTC'"""
SAID = "coalesce(nullif(e.attributes ->> {attribute}, ''), '(none)')"

NAME_SEGMENTS = """
INSERT INTO segments (experiment_id, attribute, value)
SELECT {experiment}, attribute, value FROM (
    SELECT attribute, value, row_number() OVER (PARTITION BY attribute ORDER BY count(*) DESC, value) AS place
    FROM (
        SELECT a.attribute, {said} AS value
        FROM ({enrolled}) e CROSS JOIN unnest($1::text[]) AS a (attribute) WHERE NOT e.has_crossed
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
SELECT e.variant_id, e.entered_on{segments}, {numbers}
FROM ({enrolled}) e{joins} LEFT JOIN outcomes o ON o.unit = e.unit AND o.event_id IN ({events})
    AND o.occurred_at >= e.entered_at + interval '{start} hours'
    AND o.occurred_at < e.entered_at + interval '{until} hours'
WHERE NOT e.has_crossed
GROUP BY e.unit, e.variant_id, e.entered_on, e.entered_at{keys}
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
SELECT {experiment}, '', variant_id, entered_on, 0, count(*) FROM ({enrolled}) e WHERE has_crossed GROUP BY 3, 4
ON CONFLICT (experiment_id, segment, variant_id, entered_on) DO UPDATE SET crossovers = excluded.crossovers
"""
MOMENTS = """
INSERT INTO moments (experiment_id, definition_id, segment, variant_id, entered_on, n, mean, m2)
SELECT {experiment}, k.definition_id, g.segment, g.variant_id, g.entered_on, g.n, k.mean, k.m2
FROM (
    SELECT {segment} AS segment, variant_id, entered_on, count(*) AS n, {sums}
    FROM units GROUP BY GROUPING SETS ({sets})
) g CROSS JOIN LATERAL (VALUES {rows}) AS k (definition_id, until, mean, m2)
WHERE g.entered_on + 1 + k.until <= '{through}'
"""
DURATIONS = """
INSERT INTO durations (experiment_id, definition_id, segment, variant_id, entered_on, day, events, losses)
SELECT {experiment}, {definition}, {segment}, variant_id, entered_on, day, count(*) FILTER (WHERE is_event),
    count(*) FILTER (WHERE NOT is_event)
FROM (SELECT *, k{definition} / 2 AS day, k{definition} % 2 = 0 AS is_event FROM units) ended
WHERE entered_on + 2 + day <= '{through}'
GROUP BY day, GROUPING SETS ({sets})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One piece of an experiment's aggregates, derived as far as the days through `through` are over."""

    experiment_id: int
    piece: Piece
    through: date
    attributes: list[str]
    numbers: Mapping[str, int]

    def statements(self) -> Iterator[Statement]:
        """What to run, in order, in one transaction."""
        if self.attributes and self.piece.with_entries:
            yield self._with_attributes(NAME_SEGMENTS, most=SEGMENT_VALUES, said=SAID.format(attribute="a.attribute"))
        yield from self._deletions()
        yield self._units()
        yield from self._entries()
        yield from self._moments()
        for planned in self._kpis(Aggregate.DURATIONS):
            yield self._filled(DURATIONS, definition=planned.definition.id)
        yield "DROP TABLE units", ()

    def _deletions(self) -> Iterator[Statement]:
        days = "" if self.piece.days is None else f" AND entered_on = ANY('{self._days}'::date[])"
        of = f" WHERE experiment_id = {self.experiment_id:d}{days}"
        definitions = ", ".join(str(planned.definition.id) for planned in self.piece.kpis)
        for table in ("moments", "durations"):
            yield f"DELETE FROM {table}{of} AND definition_id IN ({definitions})", ()  # noqa: S608 - numbers of ours
        if self.piece.with_entries:
            yield f"DELETE FROM entry_counts{of}", ()  # noqa: S608 - as above

    def _units(self) -> Statement:
        places = range(1, len(self.attributes) + 1)
        segments = [f"($1::text[])[{n}] || '=' || coalesce(s{n}.value, '(other)') AS segment_{n}" for n in places]
        kinds = [decode(planned) for planned in self.piece.kpis]
        return self._with_attributes(
            UNITS,
            segments="".join(f", {segment}" for segment in segments),
            keys="".join(f", s{n}.value" for n in places),
            joins="".join(
                SEGMENT_JOIN.format(
                    place=n, experiment=self.experiment_id, said=SAID.format(attribute=f"($1::text[])[{n}]")
                )
                for n in places
            ),
            numbers=", ".join(
                f"{kind.per_unit(self.numbers)} AS k{planned.definition.id:d}"
                for kind, planned in zip(kinds, self.piece.kpis, strict=True)
            ),
            # A number no event has: an event nobody has sent yet is one that has not happened.
            events=", ".join(str(self.numbers.get(name, -1)) for kind in kinds for name in kind.events),
            start=24 * min(kind.window[0] for kind in kinds),
            until=24 * max(kind.window[1] for kind in kinds),
        )

    def _entries(self) -> Iterator[Statement]:
        if self.piece.with_entries:
            yield self._filled(ENTRY_COUNTS)
            yield self._filled(CROSSOVERS)

    def _moments(self) -> Iterator[Statement]:
        kpis = list(self._kpis(Aggregate.MOMENTS))
        if kpis:
            sums = "avg(k{id}) AS mean_{id}, var_pop(k{id}) * count(*) AS m2_{id}"
            row = "({id}, {until}, g.mean_{id}, g.m2_{id})"
            yield self._filled(
                MOMENTS,
                sums=", ".join(sums.format(id=planned.definition.id) for planned in kpis),
                rows=", ".join(
                    row.format(id=planned.definition.id, until=decode(planned).window[1]) for planned in kpis
                ),
            )

    def _kpis(self, aggregate: Aggregate) -> Iterator[PlannedKpi]:
        yield from (planned for planned in self.piece.kpis if decode(planned).aggregate is aggregate)

    def _with_attributes(self, template: str, **parts: object) -> Statement:
        statement, _ = self._filled(template, **parts)
        return statement, (self.attributes,) if self.attributes else ()

    def _filled(self, template: str, **parts: object) -> Statement:
        source = ALL_DAYS if self.piece.days is None else SOME_DAYS.format(days=self._days)
        enrolled = ENROLLED.format(experiment=self.experiment_id, source=source, through=self.through)
        segments = [f"segment_{n}" for n in range(1, len(self.attributes) + 1)]
        sets = ["(variant_id, entered_on)", *(f"(variant_id, entered_on, {segment})" for segment in segments)]
        return template.format(
            experiment=self.experiment_id,
            through=self.through,
            enrolled=enrolled,
            # Outside its own grouping set a segment's column is null.
            segment=f"coalesce({', '.join([*segments, chr(39) * 2])})",
            sets=", ".join(sets),
            **parts,
        ), ()

    @property
    def _days(self) -> str:
        return "{" + ", ".join(day.isoformat() for day in sorted(self.piece.days or ())) + "}"
