"""Making a workspace's KPIs what a file says, in the caller's transaction: all of it, on the record, or nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import governance, queries
from kpi.actor import Actor
from kpi.errors import Invalid, Problem, bad, refuse
from kpi.governance import DETAILS, Aim
from kpi.kinds import Composite
from kpi.sheets.comparison import Fate, Step, compared, form, standing
from kpi.sheets.reading import Sheet
from kpi.tables import Definition, Kpi, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A KPI as it stands in a workspace, with the newest version of what it has versions of."""

    kpi: Kpi
    definition: Definition
    target: Target | None

    @property
    def fields(self) -> dict[str, Any]:
        """All that registering it would take."""
        return standing(self.kpi, self.definition)

    @property
    def form(self) -> dict[str, Any]:
        """It as a file writes it."""
        return form(self.fields, self.target)


async def workspace_kpis(session: AsyncSession, workspace_id: int) -> list[Standing]:
    """All KPIs of a workspace, in the order of their keys."""
    kpis = await queries.kpis_of(session, workspace_id)
    ids = [kpi.id for kpi in kpis]
    definitions, targets = await queries.latest_definitions(session, ids), await queries.targets_of(session, ids)
    return [
        Standing(kpi=kpi, definition=definitions[kpi.id], target=next(iter(targets.get(kpi.id, [])), None))
        for kpi in kpis
    ]


async def apply(session: AsyncSession, *, actor: Actor, sheets: Sequence[Sheet]) -> list[Step]:
    """Register what is new and change what is different; what the file does not name stays. Returns every step.

    Raises Invalid with the faults of all KPIs.
    """
    found = {standing.kpi.key: standing for standing in await workspace_kpis(session, actor.workspace_id)}
    steps: dict[str, Step] = {}
    problems: list[Problem] = []
    for sheet in _components_first(sheets):
        try:
            steps[sheet.key] = await _apply(session, actor, sheet, found.get(sheet.key))
        except Invalid as invalid:
            problems += [replace(problem, path=(*sheet.path, *problem.path)) for problem in invalid.problems]
    refuse(problems)
    unlisted = [Step(key=key, fate=Fate.UNLISTED) for key in found if key not in steps]
    return [steps[sheet.key] for sheet in sheets] + unlisted


async def _apply(session: AsyncSession, actor: Actor, sheet: Sheet, before: Standing | None) -> Step:
    fields = dict(sheet.fields)
    if before is None:
        step = compared(None, form(fields, sheet.aim))
        kpi = await governance.register(session, actor=actor, fields=fields)
        await _aim(session, actor, kpi, sheet.aim)
        return step
    if fields["unit"] is not before.kpi.unit:
        refuse([bad(f"The unit of a KPI stays: “{sheet.key}” counts {before.kpi.unit} for good.", "unit")])
    fields["entry"] = fields["entry"] or before.fields["entry"]
    step = compared(before.form, form(fields, sheet.aim or before.target))
    if step.fate is Fate.CHANGED:
        await _change(session, actor, sheet, fields, before, step)
    return step


async def _change(
    session: AsyncSession, actor: Actor, sheet: Sheet, fields: Mapping[str, Any], before: Standing, step: Step
) -> None:
    details = {name: list(fields[name]) if name == "segments" else fields[name] for name in DETAILS}
    await governance.update(session, actor=actor, kpi_id=before.kpi.id, given=details)
    if any(change["path"].startswith(("definition.", "entry.")) for change in step.changes):
        definition, entry = fields["definition"], fields["entry"]
        await governance.redefine(session, actor=actor, kpi_id=before.kpi.id, definition=definition, entry=entry)
    await _aim(session, actor, before.kpi, sheet.aim)


async def _aim(session: AsyncSession, actor: Actor, kpi: Kpi, aim: Aim | None) -> None:
    if aim is None:
        return
    try:
        await governance.set_target(session, actor=actor, kpi_id=kpi.id, aim=aim)
    except Invalid as invalid:
        raise Invalid([replace(problem, path=("target", *problem.path)) for problem in invalid.problems]) from None


def _components_first(sheets: Sequence[Sheet]) -> Iterator[Sheet]:
    """The KPIs of a file in such an order that what a composite is made of is there before it."""
    by_key, seen = {sheet.key: sheet for sheet in sheets}, set()

    def visit(sheet: Sheet) -> Iterator[Sheet]:
        if sheet.key in seen:
            return
        seen.add(sheet.key)
        kind = sheet.fields["definition"]
        for component in kind.components if isinstance(kind, Composite) else ():
            if component.kpi in by_key:
                yield from visit(by_key[component.kpi])
        yield sheet

    for sheet in sheets:
        yield from visit(sheet)
