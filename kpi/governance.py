"""Changing what a KPI is: its details, definition, baseline and target, each with who, when, why and a history.

Nothing that was is lost. Definitions, baselines and targets are versions, and experiments stay with those they pinned.
A change that changes nothing leaves no trace, so a retry is safe. Each function is one action in the caller's
transaction on a locked row; an input with faults raises `Invalid` with all of them, an unknown KPI `NotFound`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

import asyncpg
import msgspec
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds, notices, queries, storage
from kpi.actor import Actor
from kpi.components import pinned
from kpi.enums import Governed, Granularity, NoticeType
from kpi.errors import Invalid, NotFound, Problem, bad, refuse
from kpi.history import baselines, measured, preview, values
from kpi.history import entry as entries
from kpi.history.entry import Entry
from kpi.history.periods import DAY
from kpi.history.sums import Sums
from kpi.kinds import Kind
from kpi.kinds.shape import Scale
from kpi.risk import marking
from kpi.risk.marking import Marked
from kpi.risk.ranking import Rule, ranking
from kpi.service import (
    LARGEST,
    BaselineValue,
    add_definition,
    baseline_problems,
    defined,
    definition_problems,
    entry_problems,
    register_kpi,
    segment_problems,
    stated,
    text_problems,
)
from kpi.tables import Baseline, BaselineSchedule, Definition, Kpi, KpiChange, Target
from kpi.wire import camel

TEXTS = ("name", "description", "owner", "data_source", "action")
CHOICES = ("direction", "tier", "is_leading", "driver", "frequency")
DETAILS = (*TEXTS, *CHOICES, "segments")
"""What of a KPI is neither its key, its unit nor a version of something."""
CLEARED: dict[str, Any] = {**dict.fromkeys(TEXTS, ""), "segments": []}
"""What is left of details that null clears."""
NOTHING: tuple[Any, ...] = (None, "", [])
"""What says nothing, in a text or a list."""
STATED = ("value", "standard_error", "n", "from_on", "to_on")
MEASURED = (*STATED, "segment")
SCHEDULED = ("every", "days")
LONGEST_BASELINE = 1_100
"""Days: what happened more than three years ago is no level before."""
FURTHEST = 36_525 * DAY
"""A target that is due later is a slip of the pen, and a calendar ends."""
AIMED = ("value", "due_on", "owner", "approver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A target as it is set: a value by a day, who answers for it, and who agreed. Without a value there is none."""

    value: float | None
    due_on: date | None
    owner: str
    approver: str


async def register(session: AsyncSession, *, actor: Actor, fields: Mapping[str, Any]) -> Kpi:
    """Register a KPI so that its history begins with who did, and why; `fields` are those of `service.register_kpi`."""
    refuse(reason_problems(actor))
    kpi = await register_kpi(
        session, workspace_id=actor.workspace_id, now=actor.now, **({"baseline": None} | dict(fields))
    )
    first = {name: getattr(kpi, name) for name in ("key", *DETAILS)}
    await record(session, actor, kpi, Governed.DETAILS, list(differences({}, first)))
    return kpi


async def update(session: AsyncSession, *, actor: Actor, kpi_id: int, given: Mapping[str, Any]) -> Kpi:
    """Change what is given of a KPI's details; None clears a text that need not be there."""
    kpi = await locked(session, actor, kpi_id)
    before = {name: getattr(kpi, name) for name in DETAILS}
    after = before | {name: CLEARED.get(name) if value is None else value for name, value in given.items()}
    texts = {camel(name): after[name] for name in TEXTS}
    problems = reason_problems(actor) + text_problems(texts, required={"name", "owner"})
    problems += segment_problems(after["segments"])
    missing = [camel(name) for name in CHOICES if after[name] is None]
    refuse(problems + [bad(f"{name} cannot be cleared.", name) for name in missing])
    changes = list(differences(before, after))
    for name, value in after.items():
        setattr(kpi, name, value)
    if before["segments"] != after["segments"]:
        await measured.derive_anew(session, (await _newest(session, kpi)).id)
    await record(session, actor, kpi, Governed.DETAILS, changes)
    return kpi


async def redefine(
    session: AsyncSession,
    *,
    actor: Actor,
    kpi_id: int,
    definition: Kind,
    baseline: BaselineValue | None = None,
    entry: Entry | None = None,
) -> Kpi:
    """Give a KPI its next definition, with a baseline if it is known: an old one says nothing of the new number.

    Without an `entry` it counts whom it counted before.
    """
    kpi, newest, after = await _next(session, actor, kpi_id, definition, entry, baseline_problems(baseline, definition))
    changes = list(differences(_defining(newest), _defining(after)))
    if not changes:
        return kpi
    await add_definition(session, kpi, after)
    if baseline is not None:
        session.add(stated(after, baseline, version=1, now=actor.now))
    await record(session, actor, kpi, Governed.DEFINITION, changes)
    return kpi


async def compare_definitions(
    session: AsyncSession,
    connection: asyncpg.Connection,
    *,
    actor: Actor,
    kpi_id: int,
    definition: Kind,
    entry: Entry | None = None,
) -> tuple[Sums | None, Sums]:
    """The past year by the newest definition, as far as it is derived, and as the one to come would have counted it.

    `connection` is the one under the session, whose transaction must not be committed.
    """
    kpi, newest, after = await _next(session, actor, kpi_id, definition, entry, [])
    counted = entries.decode(after.entry)
    if counted is None:
        raise Invalid([bad("Without an entry the KPI has no past values to compare.", "entry")])
    through = actor.now.astimezone(UTC).date()
    first = through - preview.LONGEST * DAY
    before = await values.sums(session, newest, first=first, last=through)
    then = await preview.preview(
        connection, session, kpi=kpi, definition=after, entry=counted, first=first, through=through
    )
    return before, then


async def _next(
    session: AsyncSession, actor: Actor, kpi_id: int, definition: Kind, entry: Entry | None, more: list[Problem]
) -> tuple[Kpi, Definition, Definition]:
    """A locked KPI, its newest definition, and the one that would come next, all of whose faults are told."""
    kpi = await locked(session, actor, kpi_id)
    problems = reason_problems(actor) + definition_problems(definition)
    definition, unpinned = await pinned(session, actor.workspace_id, definition, key=kpi.key, unit=kpi.unit)
    newest = await _newest(session, kpi)
    entry = entry or entries.decode(newest.entry)
    refuse(problems + unpinned + entry_problems(entry, definition, kpi.unit) + more)
    return kpi, newest, defined(kpi, definition, version=newest.version + 1, now=actor.now, entry=entry)


async def state_baseline(session: AsyncSession, *, actor: Actor, kpi_id: int, baseline: BaselineValue) -> Kpi:
    """State the next baseline of a KPI's newest definition."""
    kpi = await locked(session, actor, kpi_id)
    definition = await _newest(session, kpi)
    kind = kinds.decode(definition.kind, definition.parameters)
    refuse(reason_problems(actor) + baseline_problems(baseline, kind))
    before = (await queries.latest_baselines(session, [definition.id])).get(definition.id)
    every = (await queries.baselines_of(session, [definition.id])).get(definition.id, [])
    after = stated(definition, baseline, version=1 + max((row.version for row in every), default=0), now=actor.now)
    changes = list(differences(_values(before, STATED), _values(after, STATED)))
    if changes:
        session.add(after)
        await record(session, actor, kpi, Governed.BASELINE, changes)
    return kpi


async def measure_baseline(
    session: AsyncSession, *, actor: Actor, kpi_id: int, from_on: date, to_on: date, segment: str = ""
) -> Kpi:
    """Measure the next baseline of a KPI's newest definition from its own history."""
    kpi = await locked(session, actor, kpi_id)
    refuse(reason_problems(actor))
    definition = await _newest(session, kpi)
    after = await baselines.measure(
        session,
        workspace_id=kpi.workspace_id,
        definition=definition,
        segment=segment,
        from_on=from_on,
        to_on=to_on,
        now=actor.now,
    )
    earlier = (await queries.baselines_of(session, [definition.id])).get(definition.id, [])
    before = next((row for row in reversed(earlier) if row.segment == segment), None)
    changes = list(differences(_values(before, MEASURED), _values(after, MEASURED)))
    if changes:
        session.add(after)
        await record(session, actor, kpi, Governed.BASELINE, changes)
    return kpi


async def schedule_baseline(
    session: AsyncSession, *, actor: Actor, kpi_id: int, every: Granularity | None, days: int | None
) -> Kpi:
    """Have a KPI's baseline measured anew every so often over its last final days, or no longer (None)."""
    kpi = await locked(session, actor, kpi_id)
    refuse(reason_problems(actor) + _schedule_problems(await _newest(session, kpi), every, days))
    before = await session.get(BaselineSchedule, kpi.id)
    changes = list(differences(_values(before, SCHEDULED), {} if every is None else {"every": every, "days": days}))
    if before is not None:
        await session.delete(before)
        await session.flush()
    if every is not None and days is not None:
        kept = None if before is None else before.measured_on
        session.add(BaselineSchedule(kpi_id=kpi.id, every=every, days=days, measured_on=kept))
    await record(session, actor, kpi, Governed.BASELINE, changes)
    return kpi


async def set_target(session: AsyncSession, *, actor: Actor, kpi_id: int, aim: Aim) -> Kpi:
    """Set a KPI's target, or withdraw it."""
    kpi = await locked(session, actor, kpi_id)
    newest = await _newest(session, kpi)
    kind = kinds.decode(newest.kind, newest.parameters)
    refuse(reason_problems(actor) + _aim_problems(aim, kind, actor.now.astimezone(UTC).date()))
    before = next(iter((await queries.targets_of(session, [kpi.id])).get(kpi.id, [])), None)
    after = Target(
        kpi_id=kpi.id,
        version=1 + (before.version if before else 0),
        definition_version=newest.version,
        by=actor.name,
        reason=actor.reason or "",
        created_at=actor.now,
        **{name: getattr(aim, name) for name in AIMED},
    )
    changes = list(differences(_values(before, AIMED), _values(after, AIMED)))
    if changes and (before or aim.value is not None):
        session.add(after)
        await record(session, actor, kpi, Governed.TARGET, changes)
    return kpi


async def mark_at_risk(
    session: AsyncSession, connection: asyncpg.Connection, *, actor: Actor, kpi_id: int, rule: Rule, trait: str
) -> tuple[Kpi, Marked]:
    """Have exactly the units that a KPI's newest definition says are at risk carry a trait from now on.

    `connection` is the one under the session.
    """
    await storage.hold_rows(connection, actor.workspace_id)
    kpi = await locked(session, actor, kpi_id)
    refuse(reason_problems(actor) + rule.problems() + marking.trait_problems(trait))
    ranked = await ranking(session, kpi, await _newest(session, kpi))
    if ranked is None:
        raise Invalid([bad("This KPI keeps no numbers of single units, or none so far.", "id")])
    found = await marking.mark(connection, ranked, rule, trait=trait, now=actor.now)
    before = {"units": found.kept + found.unmarked}
    after = {"trait": trait, **msgspec.to_builtins(rule), "units": found.kept + found.marked}
    changes = list(differences(before, after)) if found.marked or found.unmarked else []
    await record(session, actor, kpi, Governed.RISK, changes)
    return kpi, found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Path, before and after of each value that is another one, as plain JSON; an empty one is as good as none."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old != new and not (old in NOTHING and new in NOTHING):
            yield msgspec.to_builtins({"path": name, "before": old, "after": new})


def _defining(definition: Definition) -> dict[str, Any]:
    counted = {} if definition.entry is None else {"entry": definition.entry}
    return {"kind": definition.kind, **definition.parameters, **counted}


def _schedule_problems(definition: Definition, every: Granularity | None, days: int | None) -> list[Problem]:
    if (every is None) != (days is None):
        return [bad("A schedule says how often, and over how many days; to end it, leave both out.", "days")]
    if every is not None and definition.entry is None:
        return [bad("This definition does not say whom it counts outside experiments: give it an entry first.", "id")]
    if days is not None and not 1 <= days <= LONGEST_BASELINE:
        return [bad(f"A baseline is measured over 1 to {LONGEST_BASELINE} days.", "days")]
    return []


def _values(row: Baseline | Target | BaselineSchedule | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {} if row is None else {name: getattr(row, name) for name in names}


def _aim_problems(aim: Aim, kind: Kind, today: date) -> list[Problem]:
    needed = set() if aim.value is None else {"owner"}
    problems = text_problems({"owner": aim.owner, "approver": aim.approver}, required=needed)
    if (aim.value is None) != (aim.due_on is None):
        problems.append(bad("A target is a value and the day it is due; to withdraw it, leave both out.", "dueOn"))
    if aim.due_on is not None and aim.due_on <= today:
        problems.append(bad("A target is due on a day to come.", "dueOn"))
    if aim.due_on is not None and aim.due_on > today + FURTHEST:
        problems.append(bad("A target is due within a hundred years.", "dueOn"))
    if aim.value is not None:
        problems += _level_problems(aim.value, kind)
    return problems


def _level_problems(value: float, kind: Kind) -> list[Problem]:
    """A target that the KPI can reach at all."""
    if not abs(value) <= LARGEST:
        return [bad(f"A target lies within {LARGEST:g} of zero.", "value")]
    if kind.scale is Scale.FRACTION and not 0 <= value <= 1:
        return [bad("This KPI is a share of units: its target is a fraction from 0 to 1, 0.4 for 40 %.", "value")]
    if kind.scale is Scale.DAYS and not 0 <= value <= kind.window[1]:
        return [bad(f"This KPI is a number of days from 0 to {kind.window[1]}, where it is cut.", "value")]
    return []


def reason_problems(actor: Actor) -> list[Problem]:
    """A change of a KPI says why."""
    reason = (actor.reason or "").strip()
    return text_problems({"reason": reason}, required={"reason"})


async def locked(session: AsyncSession, actor: Actor, kpi_id: int) -> Kpi:
    """A KPI of the actor's workspace, locked until the transaction ends. Raises NotFound."""
    kpi = await queries.lock_kpi(session, actor.workspace_id, kpi_id)
    if kpi is None:
        raise NotFound
    return kpi


async def _newest(session: AsyncSession, kpi: Kpi) -> Definition:
    return (await queries.latest_definitions(session, [kpi.id]))[kpi.id]


async def record(session: AsyncSession, actor: Actor, kpi: Kpi, what: Governed, changes: list[dict[str, Any]]) -> None:
    """Put changes of a locked KPI on its record; none leave no trace."""
    if not changes:
        return
    before = (await queries.changes_of(session, [kpi.id])).get(kpi.id, [])
    session.add(
        KpiChange(
            kpi_id=kpi.id,
            number=len(before) + 1,
            what=what,
            by=actor.name,
            by_id=actor.id,
            reason=actor.reason or "",
            changes=[change | {"path": camel(change["path"])} for change in changes],
            created_at=actor.now,
        )
    )
    said = {"kpi": kpi.key, "what": what, "number": len(before) + 1}
    await notices.tell(session, actor.workspace_id, NoticeType.KPI_CHANGED, said, actor.now)
