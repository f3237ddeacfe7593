"""Exposures coming in: the one function all doors end in.

Each exposure is folded into its unit's entry: the first one wins whatever the order of arrival, and meeting another
variant makes the unit a crossover, which analysis excludes and counts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from typing import Annotated

import asyncpg
import msgspec

from experiments import entrants
from experiments.planning import targeting
from experiments.planning.targeting import Condition
from kpi import batches, storage
from kpi.gate import NOBODY, Omission
from kpi.ingest import SKEW, Batch, Fault, Refusal, Refused, Report, Rows, check_text, check_time, parse_all

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Attribute = Annotated[str, msgspec.Meta(max_length=500)] | int | float | bool | None
Attributes = Annotated[
    dict[Annotated[str, msgspec.Meta(min_length=1, max_length=100)], Attribute], msgspec.Meta(max_length=50)
]


class ExposureRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One exposure on the wire."""

    experiment: Name
    unit: Name
    variant: Name
    exposed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    attributes: Attributes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What an exposure must fit: the experiment's variants by key, the time it takes units in, and which."""

    experiment_id: int
    started_at: datetime | None
    frozen_at: datetime | None
    given_at: datetime | None
    pauses: Sequence[asyncpg.Range]
    targeting: Sequence[Condition]
    variants: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one unit in one experiment: its first exposure, and the first to another variant."""

    experiment_id: int
    unit: str
    variant_id: int
    exposed_at: datetime
    crossed_at: datetime | None
    attributes: Attributes | None

    def fold(self, other: "Entry") -> "Entry":
        """Two entries of the same unit as one, the same whichever comes first."""
        first, second = sorted((self, other), key=lambda entry: (entry.exposed_at, entry.variant_id))
        same = first.variant_id == second.variant_id
        crossings = (first.crossed_at, second.crossed_at if same else second.exposed_at)
        crossed_at = min((at for at in crossings if at is not None), default=None)
        return Entry(
            experiment_id=first.experiment_id,
            unit=first.unit,
            variant_id=first.variant_id,
            exposed_at=first.exposed_at,
            crossed_at=crossed_at,
            attributes=first.attributes,
        )


async def ingest(
    connection: asyncpg.Connection,
    *,
    workspace_id: int,
    rows: Rows,
    now: datetime,
    lax: bool = False,
    is_replay: bool = False,
    without: Omission = NOBODY,
) -> Report:
    """Take in exposures. Runs in the caller's transaction; one bad row never fails its neighbours."""
    parsed, refusals = parse_all(rows, ExposureRow, _check, now, lax=lax)
    gate = await storage.gate(connection, workspace_id, "exposures", without=without)
    parsed = gate.admit(parsed, refusals)
    enrolments = await _enrolments(connection, workspace_id, {row.experiment for row in parsed.values()})
    entries: dict[int, Entry] = {}
    for index, row in parsed.items():
        try:
            entries[index] = _entry(row, enrolments.get(row.experiment))
        except Refused as refused:
            refusals.append(refused.at(index))
    again = await _again(connection, parsed, enrolments, entries, refusals, now)
    refusals = [refusal for refusal in refusals if refusal.index not in again]
    refusals += await _late_crossings(connection, entries, gate.before)
    changed = await _store(connection, entries.values())
    accepted, duplicates = _split(entries, changed)
    report = Report(
        accepted=accepted,
        duplicates=tuple(sorted({*duplicates, *again})),
        refusals=tuple(sorted(refusals, key=lambda refusal: refusal.index)),
    )
    batch = Batch(
        id=await batches.next_ingest(connection),
        workspace_id=workspace_id,
        noun="exposures",
        touched=frozenset(experiment_id for experiment_id, _ in changed),
        days=frozenset[date]().union(*changed.values()),
        received_at=now,
        is_lax=lax,
        is_hidden=gate.secret is not None,
        keeps_refused=not (is_replay or gate.without.units),
    )
    await batches.record_ingest(connection, batch, report, gate.keepable(rows, report))
    return report


async def known(connection: asyncpg.Connection, workspace_id: int, keys: Collection[str]) -> set[str]:
    """Which of these are keys of experiments."""
    return await entrants.known_experiments(connection, workspace_id, keys)


def _check(row: ExposureRow, now: datetime) -> None:
    check_text("unit", row.unit)
    check_text("experiment", row.experiment)
    check_text("variant", row.variant)
    check_time("exposedAt", row.exposed_at, now)
    for name, value in (row.attributes or {}).items():
        check_text("attributes", name)
        check_text(f"attributes.{name}", value if isinstance(value, str) else None)
        if isinstance(value, float) and not isfinite(value):
            raise Refused(Fault.NOT_FINITE, f"attributes.{name} is not a finite number.", f"attributes.{name}")


async def _enrolments(connection: asyncpg.Connection, workspace_id: int, keys: set[str]) -> dict[str, Enrolment]:
    found: dict[str, Enrolment] = {}
    for row in await entrants.enrolments(connection, workspace_id, keys):
        enrolment = Enrolment(
            experiment_id=row["id"],
            started_at=row["started_at"],
            frozen_at=row["frozen_at"],
            given_at=row["given_at"],
            pauses=row["pauses"],
            targeting=msgspec.convert(row["targeting"] or [], list[Condition]),
            variants={},
        )
        found.setdefault(row["key"], enrolment).variants[row["variant"]] = row["variant_id"]
    return found


def _entry(row: ExposureRow, enrolment: Enrolment | None) -> Entry:
    if enrolment is None:
        raise Refused(Fault.UNKNOWN_EXPERIMENT, f"There is no experiment “{row.experiment}”.", "experiment")
    if row.variant not in enrolment.variants:
        known = ", ".join(sorted(enrolment.variants))
        sentence = f"Experiment “{row.experiment}” has no variant “{row.variant}”; it has {known}."
        raise Refused(Fault.UNKNOWN_VARIANT, sentence, "variant")
    _check_enrolment(row, enrolment)
    if enrolment.targeting:
        _check_targeting(row, enrolment.targeting)
    return Entry(
        experiment_id=enrolment.experiment_id,
        unit=row.unit,
        variant_id=enrolment.variants[row.variant],
        exposed_at=row.exposed_at,
        crossed_at=None,
        attributes=row.attributes,
    )


def _check_enrolment(row: ExposureRow, enrolment: Enrolment) -> None:
    if enrolment.started_at is None:
        raise Refused(Fault.NOT_STARTED, f"Experiment “{row.experiment}” has not started.", "experiment")
    if enrolment.given_at is not None:
        sentence = f"Experiment “{row.experiment}” takes aggregates, which came first; exposures have no place beside."
        raise Refused(Fault.OTHER_SOURCE, sentence, "experiment")
    if row.exposed_at < enrolment.started_at:
        sentence = f"exposedAt is before the start of “{row.experiment}” ({enrolment.started_at.isoformat()})."
        raise Refused(Fault.OUTSIDE_ENROLMENT, sentence, "exposedAt")
    if enrolment.frozen_at is not None and row.exposed_at >= enrolment.frozen_at:
        sentence = f"exposedAt is after enrolment ended in “{row.experiment}” ({enrolment.frozen_at.isoformat()})."
        raise Refused(Fault.OUTSIDE_ENROLMENT, sentence, "exposedAt")
    if any(_is_within(row.exposed_at, pause) for pause in enrolment.pauses):
        sentence = f"exposedAt lies in a pause of “{row.experiment}”, which took no units in then."
        raise Refused(Fault.OUTSIDE_ENROLMENT, sentence, "exposedAt")


def _check_targeting(row: ExposureRow, conditions: Sequence[Condition]) -> None:
    """By what came with the exposure, which no variant can have had a part in yet. The value itself is not repeated."""
    attributes = row.attributes or {}
    one = targeting.unmet(conditions, attributes)
    if one is None:
        return
    path = f"attributes.{one.attribute}"
    is_missing = attributes.get(one.attribute) is None
    sentence = f"There is no {path}" if is_missing else f"{path} is another"
    raise Refused(Fault.NOT_TARGETED, f"{sentence}: “{row.experiment}” takes in units where {one.sentence}.", path)


def _is_within(at: datetime, pause: asyncpg.Range) -> bool:
    return not pause.isempty and pause.lower <= at and (pause.upper is None or at < pause.upper)


async def _again(
    connection: asyncpg.Connection,
    parsed: Mapping[int, ExposureRow],
    enrolments: Mapping[str, Enrolment],
    entries: Mapping[int, Entry],
    refusals: Iterable[Refusal],
    now: datetime,
) -> set[int]:
    """Rows outside the targeting whose unit is in already, in the same variant: what it is by now says nothing new."""
    outside: dict[int, tuple[int, str, int]] = {}
    for index in (refusal.index for refusal in refusals if refusal.code is Fault.NOT_TARGETED):
        row = parsed[index]
        enrolment = enrolments[row.experiment]
        outside[index] = (enrolment.experiment_id, row.unit, enrolment.variants[row.variant])
    if not outside:
        return set()
    inside = {(entry.experiment_id, entry.unit, entry.variant_id) for entry in entries.values()}
    stored = await entrants.units_inside(connection, {place[:2] for place in outside.values()}, now + SKEW)
    inside |= {(*place, variant_id) for place, variant_id in stored.items()}
    return {index for index, place in outside.items() if place in inside}


async def _late_crossings(
    connection: asyncpg.Connection, entries: dict[int, Entry], before: datetime | None
) -> list[Refusal]:
    """Take out the rows that would make crossovers of units whose entry day is frozen, and say so."""
    if before is None:
        return []
    places = {(entry.experiment_id, entry.unit) for entry in entries.values()}
    closed = await entrants.units_inside(connection, places, before)
    late = [
        index
        for index, entry in entries.items()
        if closed.get((entry.experiment_id, entry.unit), entry.variant_id) != entry.variant_id
    ]
    for index in late:
        del entries[index]
    sentence = f"The unit entered before {before.date()}, in another variant; what was counted then is final."
    return [Refusal(index=index, code=Fault.TOO_OLD, message=sentence, path="variant") for index in late]


async def _store(connection: asyncpg.Connection, entries: Iterable[Entry]) -> dict[tuple[int, str], set[date]]:
    folded: dict[tuple[int, str], Entry] = {}
    for entry in entries:
        place = (entry.experiment_id, entry.unit)
        folded[place] = folded[place].fold(entry) if place in folded else entry
    # Sorted, so that two batches that share units wait for each other in one order instead of locking up.
    return await entrants.fold_exposures(connection, _columns([folded[place] for place in sorted(folded)]))


def _columns(entries: list[Entry]) -> list[list[object]]:
    return [
        [entry.experiment_id for entry in entries],
        [entry.unit for entry in entries],
        [entry.variant_id for entry in entries],
        [entry.exposed_at for entry in entries],
        [entry.crossed_at for entry in entries],
        [msgspec.json.encode(entry.attributes).decode() if entry.attributes else None for entry in entries],
    ]


def _split(entries: dict[int, Entry], changed: Collection[tuple[int, str]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A row is accepted when its unit's entry changed and it is the first of this batch to say what it says."""
    seen: set[tuple[int, str, int]] = set()
    accepted: list[int] = []
    duplicates: list[int] = []
    for index, entry in entries.items():
        saying = (entry.experiment_id, entry.unit, entry.variant_id)
        is_news = (entry.experiment_id, entry.unit) in changed and saying not in seen
        (accepted if is_news else duplicates).append(index)
        seen.add(saying)
    return tuple(accepted), tuple(duplicates)
