"""What can be done with KPIs and hypotheses. Each function is one action in the caller's transaction.

An input with faults raises `Invalid` with all of them, and stores nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from math import isfinite, sqrt

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds, queries
from kpi.components import pinned
from kpi.enums import Change, Direction, Driver, Frequency, Tier, Unit
from kpi.errors import Code, Invalid, Problem, bad
from kpi.history import entry as entries
from kpi.history import measured
from kpi.history.entry import MOST_SEGMENTS, Entry
from kpi.ingest import is_text
from kpi.kinds import Kind
from kpi.kinds.shape import Scale
from kpi.tables import Baseline, Definition, Hypothesis, Kpi
from kpi.wire import camel

KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
LONGEST_NAME = 100
"""Characters of a trait's name."""
LONGEST_TEXT = 4_000
"""Characters of a free text field."""
SMALLEST, LARGEST = 1e-12, 1e12
"""Sizes of effects and errors beyond which arithmetic, not statistics, would answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineValue:
    """A baseline as it is stated: without its error it would be no estimate.

    Of a share the units it was measured on say the error.
    """

    value: float
    standard_error: float | None = None
    n: int | None = None
    from_on: date | None = None
    to_on: date | None = None


async def register_kpi(
    session: AsyncSession,
    *,
    workspace_id: int,
    now: datetime,
    key: str,
    name: str,
    description: str,
    unit: Unit,
    direction: Direction,
    tier: Tier,
    is_leading: bool,
    driver: Driver,
    owner: str,
    data_source: str,
    frequency: Frequency,
    action: str,
    definition: Kind,
    baseline: BaselineValue | None,
    entry: Entry | None = None,
    segments: Sequence[str] = (),
) -> Kpi:
    """Register a KPI with the first version of its definition and, if known, its baseline."""
    texts = {"name": name, "description": description, "owner": owner, "dataSource": data_source, "action": action}
    problems = key_problems(key) + text_problems(texts, required={"name", "owner"})
    problems += definition_problems(definition) + baseline_problems(baseline, definition)
    definition, unpinned = await pinned(session, workspace_id, definition, key=key, unit=unit)
    problems += unpinned + entry_problems(entry, definition, unit) + segment_problems(segments)
    if await queries.kpis_by_key(session, workspace_id, [key]):
        problems.append(taken("KPI", key))
    if problems:
        raise Invalid(problems)
    kpi = Kpi(
        workspace_id=workspace_id,
        key=key,
        name=name,
        description=description,
        unit=unit,
        direction=direction,
        tier=tier,
        is_leading=is_leading,
        driver=driver,
        owner=owner,
        data_source=data_source,
        frequency=frequency,
        action=action,
        segments=list(segments),
        created_at=now,
    )
    session.add(kpi)
    await session.flush()
    await _define(session, kpi, definition, baseline, now, entry)
    return kpi


async def register_hypothesis(
    session: AsyncSession,
    *,
    workspace_id: int,
    now: datetime,
    key: str,
    title: str,
    change: str,
    kpi: str,
    direction: Change,
    expected_lift: float | None,
    segment: str | None,
    rationale: str,
    owner: str,
) -> Hypothesis:
    """Register what a change is believed to do to a KPI."""
    texts = {"title": title, "change": change, "segment": segment or "", "rationale": rationale, "owner": owner}
    problems = key_problems(key) + text_problems(texts, required={"title", "change", "owner"})
    if expected_lift is not None and not (isfinite(expected_lift) and expected_lift != 0):
        problems.append(bad("An expected lift is a fraction other than zero, 0.05 for five per cent.", "expectedLift"))
    measured = (await queries.kpis_by_key(session, workspace_id, [kpi])).get(kpi)
    if measured is None:
        problems.append(absent("KPI", kpi, "kpi"))
    if await queries.hypotheses_by_key(session, workspace_id, [key]):
        problems.append(taken("hypothesis", key))
    if problems or measured is None:
        raise Invalid(problems)
    hypothesis = Hypothesis(
        workspace_id=workspace_id,
        key=key,
        title=title,
        change=change,
        kpi_id=measured.id,
        direction=direction,
        expected_lift=expected_lift,
        segment=segment,
        rationale=rationale,
        owner=owner,
        created_at=now,
    )
    session.add(hypothesis)
    await session.flush()
    return hypothesis


def key_problems(key: str) -> list[Problem]:
    """A key is short, lower-case and fit for an address."""
    if KEY.fullmatch(key):
        return []
    return [bad("A key has 1 to 63 characters: small letters, digits and hyphens, not starting with one.", "key")]


def text_problems(texts: dict[str, str], *, required: set[str]) -> list[Problem]:
    """Free text is not endless, is text, and is there where it must be."""
    problems: list[Problem] = []
    for field, text in texts.items():
        if field in required and not text.strip():
            problems.append(bad(f"{field} is missing.", field))
        if len(text) > LONGEST_TEXT:
            problems.append(bad(f"{field} has {len(text)} characters; {LONGEST_TEXT} is the most.", field))
        if not is_text(text):
            problems.append(bad(f"{field} holds a character that is not text.", field))
    return problems


def taken(noun: str, key: str) -> Problem:
    """A key that another thing has."""
    return Problem(code=Code.KEY_TAKEN, message=f"The key “{key}” is taken by another {noun}.", path=("key",))


def absent(noun: str, key: str, *path: str) -> Problem:
    """A key that nothing has."""
    return Problem(code=Code.NOT_FOUND, message=f"There is no {noun} “{key}”.", path=path)


def is_size(size: float) -> bool:
    """Whether a number can be the size of an effect or an error: positive, and within reason."""
    return SMALLEST <= size <= LARGEST


def definition_problems(definition: Kind) -> list[Problem]:
    """What is wrong with a definition's parameters."""
    kind = camel(kinds.encode(definition)[0])
    return [bad(text, "definition", kind, *field.split(".")) for field, text in definition.problems()]


def entry_problems(entry: Entry | None, definition: Kind, unit: Unit) -> list[Problem]:
    """What is wrong with whom a KPI counts."""
    found = [] if entry is None else entry.problems(definition, unit)
    return [bad(text, "entry", field) for field, text in found]


def segment_problems(segments: Sequence[str]) -> list[Problem]:
    """A KPI is sliced by few traits, each once."""
    problems: list[Problem] = []
    if len(segments) > MOST_SEGMENTS:
        problems.append(bad(f"A KPI is sliced by {MOST_SEGMENTS} traits at most.", "segments"))
    if len(set(segments)) < len(segments):
        problems.append(bad("A trait is named once.", "segments"))
    if any(not (1 <= len(name) <= LONGEST_NAME and is_text(name)) for name in segments):
        problems.append(bad(f"A trait's name has 1 to {LONGEST_NAME} characters of text.", "segments"))
    return problems


def error_of(baseline: BaselineValue, definition: Kind) -> float | None:
    """The standard error as it is stated, or of a share as its units say; None where neither is known."""
    p, n = baseline.value, baseline.n
    if baseline.standard_error is None and definition.scale is Scale.FRACTION and n and 0 < p < 1:
        return sqrt(p * (1 - p) / n)
    return baseline.standard_error


def baseline_problems(baseline: BaselineValue | None, definition: Kind) -> list[Problem]:
    """A baseline is an estimate of something within reason, with its error."""
    if baseline is None:
        return []
    problems: list[Problem] = []
    if not abs(baseline.value) <= LARGEST:
        problems.append(bad(f"A baseline's value lies within {LARGEST:g} of zero.", "baseline", "value"))
    if not is_size(error_of(baseline, definition) or 0):
        sentence = f"A baseline is an estimate: its standard error is a positive number, {SMALLEST:g} to {LARGEST:g}."
        hint = " Of a share between 0 and 1 it follows from n." if definition.scale is Scale.FRACTION else ""
        problems.append(bad(sentence + hint, "baseline", "standardError"))
    if baseline.n is not None and baseline.n < 2:
        problems.append(bad("A baseline is measured on at least two units.", "baseline", "n"))
    if baseline.from_on and baseline.to_on and baseline.from_on > baseline.to_on:
        problems.append(bad("A baseline's window ends on or after the day it begins.", "baseline", "toOn"))
    return problems


async def _define(
    session: AsyncSession, kpi: Kpi, kind: Kind, baseline: BaselineValue | None, now: datetime, entry: Entry | None
) -> None:
    definition = defined(kpi, kind, version=1, now=now, entry=entry)
    await add_definition(session, kpi, definition)
    if baseline is not None:
        session.add(stated(definition, baseline, version=1, now=now))
        await session.flush()


def defined(kpi: Kpi, kind: Kind, *, version: int, now: datetime, entry: Entry | None) -> Definition:
    """A version of a KPI's definition, and whom it counts outside experiments."""
    name, parameters = kinds.encode(kind)
    counted = entries.encode(entry)
    return Definition(kpi_id=kpi.id, version=version, kind=name, parameters=parameters, entry=counted, created_at=now)


async def add_definition(session: AsyncSession, kpi: Kpi, definition: Definition) -> None:
    """Store a definition, and have its history kept."""
    session.add(definition)
    await session.flush()
    if (history := measured.history(kpi, definition)) is not None:
        session.add(history)


def stated(definition: Definition, baseline: BaselineValue, *, version: int, now: datetime) -> Baseline:
    """A version of a definition's baseline."""
    values = {field.name: getattr(baseline, field.name) for field in fields(baseline)}
    values["standard_error"] = error_of(baseline, kinds.decode(definition.kind, definition.parameters))
    return Baseline(definition_id=definition.id, version=version, created_at=now, **values)
