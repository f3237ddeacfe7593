"""The statements that add a KPI's units up by cohort, from raw rows alone.

Units that enter by an event are followed from their first one on; units measured every period are followed over the
window up to its end. Either way a unit is a row `e` with the moment its window opens, as an exposure is in an
experiment, so a kind's SQL serves both. What can no longer change is left alone: only cohorts from `first` on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

from kpi import traits
from kpi.enums import Unit
from kpi.events import first_id
from kpi.history.entry import Entry
from kpi.history.periods import DAY, ends
from kpi.ingest import EARLIEST
from kpi.kinds import Aggregate, Composite, Kind
from kpi.kinds.quantile import rounded
from kpi.kinds.sums import latest
from kpi.kinds.terms import LOOKBACK_DAYS

Statement = tuple[str, tuple[object, ...]]
"""SQL and its arguments."""
EVER = EARLIEST.date()
"""No row is older."""
NOBODY = -1
"""A number no event has: an event nobody has sent yet is one that has not happened."""

ENTRANTS = """
SELECT {unit} AS unit, min(o.occurred_at) AS exposed_at FROM outcomes o{accounts}
WHERE o.event_id = {event} AND o.occurred_at < '{through}Z'{recent} GROUP BY 1{since}
"""
EACH = """
SELECT DISTINCT {unit} AS unit, o.occurred_at AS exposed_at FROM outcomes o{accounts}
WHERE o.event_id = {event} AND o.occurred_at < '{through}Z' AND o.occurred_at >= '{first}Z' AND o.id >= '{first_id}'
"""
"""Who enters again is counted again."""
RECENT = """
    AND o.occurred_at >= '{first}Z' AND o.id >= '{first_id}' AND NOT EXISTS (
        SELECT FROM outcomes p WHERE p.unit = o.unit AND p.event_id = {event} AND p.occurred_at < '{first}Z'
    )
"""
"""Ids begin with the time, so that late cohorts are found without reading all of history."""
SINCE = " HAVING min(o.occurred_at) >= '{first}Z'"
"""An account's first event may be any member's: all of them are read, and there are fewer."""
OF_ACCOUNT = """ LEFT JOIN memberships m ON m.workspace_id = {workspace} AND m.member = o.unit
    AND o.occurred_at >= m.since_at AND o.occurred_at < coalesce(m.until_at, 'infinity')"""
"""What a member does counts for its account; who belongs to nobody counts for itself."""
ACTORS = """ JOIN (
    SELECT account AS unit, member, since_at, coalesce(until_at, 'infinity') AS until_at FROM memberships
    WHERE workspace_id = {workspace} AND account <> member
    UNION ALL SELECT DISTINCT unit, unit, '-infinity'::timestamptz, 'infinity'::timestamptz FROM entrants
) a ON a.unit = e.unit"""
FOLLOWED = """
SELECT e.unit, e.exposed_at, (e.exposed_at AT TIME ZONE 'UTC')::date AS entered_on{numbers}
FROM {entered} e{actors}
    LEFT JOIN outcomes o ON o.unit = {actor} AND o.event_id IN ({events}){within}
    AND o.occurred_at >= e.exposed_at + interval '{since} hours'
    AND o.occurred_at < e.exposed_at + interval '{until} hours'
GROUP BY e.unit, e.exposed_at
"""
MEASURED = """
SELECT o.unit, e.exposed_at,
    ((e.exposed_at + interval '{until} hours') AT TIME ZONE 'UTC')::date - 1 AS entered_on{numbers}
FROM (
    SELECT {unit} AS unit, o.event_id, o.occurred_at, o.value, unnest(p.opened[
        1 + width_bucket(o.occurred_at - interval '{until} hours', p.opened) :
        width_bucket(o.occurred_at - interval '{since} hours', p.opened)
    ]) AS exposed_at
    FROM outcomes o{accounts} CROSS JOIN (SELECT ARRAY(
        SELECT ((entered_on + 1)::timestamp - interval '{until} hours') AT TIME ZONE 'UTC'
        FROM unnest($1::date[]) entered_on ORDER BY 1
    ) AS opened) p
    WHERE o.event_id IN ({events}) AND o.id >= '{first_id}' AND o.id < '{last_id}'
) o CROSS JOIN LATERAL (SELECT o.exposed_at) e
GROUP BY 1, e.exposed_at{having}
"""
"""Periods are in order, so those that an outcome is in lie next to each other: from the first that closes after it to
the last that has opened. Each row is read once, however many periods there are, and its account is found before it is
laid into them."""
AMONG = " HAVING {level} > 0"
"""Who has a level then is counted, whatever else they did."""
ACCOUNT = """coalesce((SELECT m.account FROM memberships m WHERE m.workspace_id = {workspace} AND m.member = u.unit
    AND m.since_at <= u.exposed_at AND u.exposed_at < coalesce(m.until_at, 'infinity')), u.unit)"""
"""Who belongs to nobody stands alone."""
CELLS = "CREATE TEMP TABLE cells AS SELECT entered_on, {columns} FROM ({units}) u"
DROP_COHORTS = "DELETE FROM {table} WHERE definition_id = {definition} AND entered_on >= '{first}'"
ENTRIES = """
INSERT INTO history_entries (definition_id, segment, entered_on, n)
SELECT {definition}, {segment}, entered_on, count(*) FROM cells GROUP BY GROUPING SETS ({sets})
"""
MOMENTS = """
INSERT INTO history_moments (definition_id, segment, entered_on, n, mean, m2, mean_x, m2_x, c_xy)
SELECT {definition}, {segment}, entered_on, count(*), avg(k), var_pop(k) * count(*), {pair}
FROM cells WHERE {final}{counted} GROUP BY GROUPING SETS ({sets})
"""
MEASURABLE = " AND (k <> 0 OR x <> 0)"
"""A unit with nothing on either side of a ratio's line says nothing of it: who had no revenue a year ago, say."""
PAIR, ALONE = "avg(x), var_pop(x) * count(*), covar_pop(k, x) * count(*)", "NULL, NULL, NULL"
VALUES = """
INSERT INTO history_values (definition_id, segment, entered_on, value, n)
SELECT {definition}, {segment}, entered_on, value, count(*) FROM (SELECT *, {rounded} AS value FROM cells) rounded
WHERE {final} GROUP BY value, GROUPING SETS ({sets})
"""
CLUSTERS = """
INSERT INTO history_clusters (definition_id, segment, entered_on, account, n, y, x)
SELECT {definition}, {segment}, entered_on, account, count(*), sum(k), sum({x})
FROM cells WHERE {final} GROUP BY GROUPING SETS ({sets})
"""
ENDED = """
INSERT INTO history_durations (definition_id, segment, entered_on, day, events, losses)
SELECT {definition}, {segment}, entered_on, k / 2, count(*) FILTER (WHERE k % 2 = 0), count(*) FILTER (WHERE k % 2 = 1)
FROM cells WHERE k IS NOT NULL AND entered_on + 2 + k / 2 <= '{through}' GROUP BY k / 2, GROUPING SETS ({sets})
"""
BY_DAY = """
INSERT INTO history_durations (definition_id, segment, entered_on, day, events, losses)
SELECT {definition}, {segment}, entered_on, day, count(*), 0
FROM cells CROSS JOIN generate_series({day}, {last}) AS day
WHERE get_bit(b, day) = 1 AND entered_on + 2 + day <= '{through}' GROUP BY day, GROUPING SETS ({sets})
"""
DROP_SCORES = """
DELETE FROM unit_scores s USING definitions d, definitions mine
WHERE mine.id = {definition} AND d.kpi_id = mine.kpi_id AND s.definition_id = d.id
"""
"""Those of earlier versions go as well: nobody asks for them any more, and they are of people."""
SCORES = """
INSERT INTO unit_scores (definition_id, unit, ended_on, score, parts, level, segments)
SELECT {definition}, unit, entered_on, k, parts, level, ARRAY[{segments}]::text[] FROM ({units}) u
"""
LEFT = """
UPDATE unit_scores s SET has_left = NOT EXISTS (SELECT FROM later WHERE later.unit = s.unit)
WHERE s.definition_id = {definition} AND s.ended_on = '{ended_on}'
"""
LATER = "CREATE TEMP TABLE later AS {units}"
TABLES = ("history_values", "history_entries", "history_moments", "history_durations", "history_clusters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """The cohorts of a definition from the day `first` on, as far as the days before `through` are over.

    Periods are measured from `began` on, before which there is no row.
    """

    definition_id: int
    workspace_id: int
    unit: Unit
    kind: Kind
    entry: Entry
    segments: Sequence[str]
    numbers: Mapping[str, int]
    first: date
    began: date
    through: date

    def statements(self) -> Iterator[Statement]:
        """What to run, in order, in one transaction."""
        yield from (self._filled(DROP_COHORTS, table=table) for table in TABLES)
        if not self._is_periodic or self._ends:
            yield from self._summed()

    def _summed(self) -> Iterator[Statement]:
        if self.keeps_entrants:
            yield "CREATE TEMP TABLE entrants AS" + self.entrants, ()
            yield "ANALYZE entrants", ()
        yield self._cells()
        yield self._filled(ENTRIES)
        if self.kind.aggregate is Aggregate.MOMENTS:
            is_ratio = self._below is not None
            parts = {"pair": PAIR if is_ratio else ALONE, "counted": MEASURABLE if is_ratio else ""}
            yield self._filled(MOMENTS, final=self._final, **parts)
        else:
            yield self._filled(ENDED)
        if not self.kind.adds_up:
            yield self._filled(VALUES, rounded=rounded("k"), final=self._final)
        if self.kind.curve is not None:
            yield self._filled(BY_DAY, day=self.kind.curve.days[0], last=self.kind.curve.days[-1])
        if self._has_clusters:
            yield self._filled(CLUSTERS, x="1" if self._below is None else "x", final=self._final, by="account, ")
        yield "DROP TABLE cells", ()
        if self.keeps_entrants:
            yield "DROP TABLE entrants", ()

    def scored(self, at: Sequence[date], checked: tuple[date, date] | None) -> Iterator[Statement]:
        """What keeps the units' own numbers at the ends of periods, each with those of its components and its level.

        `checked` are one of these ends and the day at whose end it shows who has left since: whose level is 0.
        """
        yield self._filled(DROP_SCORES)
        segments = ", ".join(
            f"'{_quoted(name)}=' || {self._trait(place)}"
            for name, place in zip(self.segments, self._places, strict=True)
        )
        numbers = [
            ("k", self.kind.per_unit(self.numbers)),
            ("parts", self._parts),
            ("level", self._level or "NULL::float8"),
        ]
        units = replace(self, began=min(at, default=self.began))._measured(numbers)
        scores = SCORES.format(definition=self.definition_id, segments=segments, units=units)
        yield scores, (list(at), *self.segments)
        if checked is not None and self._level is not None:
            ended_on, until = checked
            later = replace(self, began=until)._measured([("level", self._level)])
            yield LATER.format(units=later), ([until],)
            yield "ANALYZE later", ()
            yield LEFT.format(definition=self.definition_id, ended_on=ended_on), ()
            yield "DROP TABLE later", ()

    @property
    def _parts(self) -> str:
        """SQL of the numbers of a composite's components, in their order; none where it is no composite."""
        components = self.kind.components if isinstance(self.kind, Composite) else ()
        return f"ARRAY[{', '.join(one.number.per_unit(self.numbers) for one in components)}]::float8[]"

    @property
    def _level(self) -> str | None:
        """SQL of the level that says who is counted at all."""
        return latest(f"o.event_id = {self._among}") if self.entry.among else None

    @property
    def entrants(self) -> str:
        """SQL of the units that enter by an event: `unit` and the moment of the first one, `exposed_at`."""
        days = {"first": self.first, "first_id": _first_id(max(self.first, EVER)), "through": self.through}
        whose = {"unit": self._whose, "accounts": self._accounts}
        event = self.numbers.get(self.entry.event or "", NOBODY)
        if self.entry.is_repeated:
            return EACH.format(event=event, **whose, **days)
        is_account = self.unit is Unit.ACCOUNT
        recent = RECENT.format(event=event, **days) if self._is_part and not is_account else ""
        since = SINCE.format(**days) if self._is_part and is_account else ""
        return ENTRANTS.format(event=event, recent=recent, since=since, **whose, **days)

    def _cells(self) -> Statement:
        columns = [f"{self._trait(place)} AS segment_{place}" for place in self._places]
        if self._has_clusters:
            whose = ACCOUNT.format(workspace=self.workspace_id) if self.entry.is_clustered else "u.unit"
            columns.append(f"{whose} AS account")
        columns += [name for name, _ in self._numbers]
        dates = (self._ends,) if self._is_periodic else ()
        return CELLS.format(columns=", ".join(columns), units=self.units), (*dates, *self.segments)

    @property
    def _ends(self) -> list[date]:
        """The last days of the periods to measure: on most days none has ended since."""
        return list(ends(self.began, self.through, self.entry.every)) if self.entry.every else []

    @property
    def units(self) -> str:
        """SQL of each unit of each cohort: `unit`, `exposed_at`, `entered_on`, its number `k`, and a ratio's `x`.

        It reads `entrants` where accounts enter by an event; of periods it takes the last days for $1.
        """
        return self._measured(self._numbers) if self._is_periodic else self._followed()

    def _trait(self, place: int) -> str:
        return traits.value_at(f"${place}", "u.unit", "u.exposed_at", self.workspace_id)

    def _followed(self) -> str:
        is_account = self.unit is Unit.ACCOUNT
        within = " AND o.occurred_at >= a.since_at AND o.occurred_at < a.until_at" if is_account else ""
        return self._windowed(
            FOLLOWED,
            self._numbers,
            actors=" LEFT" + ACTORS.format(workspace=self.workspace_id) if is_account else "",
            actor="a.member" if is_account else "e.unit",
            within=within,
            entered="entrants" if is_account else f"({self.entrants})",
        )

    def _measured(self, numbers: Sequence[tuple[str, str]]) -> str:
        earliest = max(EVER, self.began - (self.kind.window[1] + self._lookback + 1) * DAY)
        return self._windowed(
            MEASURED,
            numbers,
            having="" if self._level is None else AMONG.format(level=self._level),
            unit=self._whose,
            accounts=self._accounts,
            first_id=_first_id(earliest),
            last_id=_first_id(self.through),
        )

    def _windowed(self, template: str, numbers: Sequence[tuple[str, str]], **parts: object) -> str:
        first, until = self.kind.window
        curve = self.kind.curve
        first = min(first, curve.days[0]) if curve is not None else first
        return template.format(
            numbers="".join(f", {sql} AS {name}" for name, sql in numbers),
            events=", ".join(sorted({str(self.numbers.get(name, NOBODY)) for name in self._read})),
            since=24 * (first - self._lookback),
            until=24 * until,
            through=self.through,
            **parts,
        )

    @property
    def _numbers(self) -> list[tuple[str, str]]:
        """SQL of a unit's numbers: `k`, what a ratio divides it by as `x`, and the days of a curve as `b`."""
        found = [("k", self.kind.per_unit(self.numbers)), ("x", self._below)]
        if self.kind.curve is not None:
            found.append(("b", self.kind.by_day(self.numbers)))
        return [(name, sql) for name, sql in found if sql is not None]

    @property
    def _has_clusters(self) -> bool:
        return self.entry.has_clusters and self.kind.aggregate is Aggregate.MOMENTS and self.kind.adds_up

    @property
    def _read(self) -> set[str]:
        return {*self.kind.events, *([self.entry.among] if self.entry.among else [])}

    @property
    def _among(self) -> int:
        return self.numbers.get(self.entry.among or "", NOBODY)

    @property
    def _lookback(self) -> int:
        """Days before the window in which an outcome may matter: a level that is asked for was sent some time ago."""
        return max(self.kind.lookback_days, LOOKBACK_DAYS if self.entry.among else 0)

    @property
    def _below(self) -> str | None:
        return self.kind.divided_by(self.numbers)

    @property
    def _places(self) -> range:
        """The arguments that name the segments; where periods are measured, their days come before."""
        return range(1 + self._is_periodic, 1 + self._is_periodic + len(self.segments))

    @property
    def keeps_entrants(self) -> bool:
        """Whether `units` reads who entered from a table, as accounts with their members do, which name them twice.

        Users it finds itself: a temporary table is read by one process alone, a statement by all of the server's.
        """
        return self.entry.every is None and self.unit is Unit.ACCOUNT

    @property
    def _is_periodic(self) -> bool:
        return self.entry.every is not None

    @property
    def _is_part(self) -> bool:
        return self.first > EVER

    @property
    def _whose(self) -> str:
        return "coalesce(m.account, o.unit)" if self.unit is Unit.ACCOUNT else "o.unit"

    @property
    def _accounts(self) -> str:
        return OF_ACCOUNT.format(workspace=self.workspace_id) if self.unit is Unit.ACCOUNT else ""

    @property
    def _final(self) -> str:
        """Which cohorts are final: all periods that are over, and days whose windows have closed for all units."""
        days = 1 if self._is_periodic else 1 + self.kind.window[1]
        return f"entered_on + {days} <= '{self.through}'"

    def _filled(self, template: str, *, by: str = "", **parts: object) -> Statement:
        slices = [f"segment_{place}" for place in self._places]
        sets = [f"({by}entered_on)", *(f"({by}entered_on, {slice_})" for slice_ in slices)]
        named = [f"'{_quoted(name)}=' || {slice_}" for name, slice_ in zip(self.segments, slices, strict=True)]
        return template.format(
            definition=self.definition_id,
            first=self.first,
            through=self.through,
            segment=f"coalesce({', '.join([*named, chr(39) * 2])})",
            sets=", ".join(sets),
            **parts,
        ), ()


def _first_id(day: date) -> object:
    return first_id(datetime.combine(day, time(tzinfo=UTC)))


def _quoted(text: str) -> str:
    return text.replace("'", "''")
