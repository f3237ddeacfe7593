"""Pinning a composite: the newest definition of each KPI that it is made of, or why it cannot be made of it."""

from dataclasses import replace

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import kinds, queries
from kpi.enums import Unit
from kpi.errors import Code, Problem, bad
from kpi.kinds import Component, Composite, Kind
from kpi.kinds.composite import is_component
from kpi.tables import Definition, Kpi

PATH = ("definition", "composite", "components")


async def pinned(
    session: AsyncSession, workspace_id: int, definition: Kind, *, key: str, unit: Unit
) -> tuple[Kind, list[Problem]]:
    """The definition of the KPI of this key and unit with what it is made of pinned, and what is wrong with that."""
    if not isinstance(definition, Composite):
        return definition, []
    kpis = await queries.kpis_by_key(session, workspace_id, {one.kpi for one in definition.components})
    newest = await queries.latest_definitions(session, [kpi.id for kpi in kpis.values()])
    components, problems = [], []
    for place, one in enumerate(definition.components):
        kpi, path = kpis.get(one.kpi), (*PATH, str(place), "kpi")
        if one.kpi == key:
            problems.append(bad("A composite cannot hold itself.", *path))
        elif kpi is None:
            problems.append(Problem(code=Code.NOT_FOUND, message=f"There is no KPI “{one.kpi}”.", path=path))
        else:
            found = newest[kpi.id]
            problems += [bad(text, *path) for text in _faults(kpi, found, key=key, unit=unit)]
            components.append(_pinned(one, found))
    return (definition, problems) if problems else (Composite(components=tuple(components)), [])


def _pinned(component: Component, found: Definition) -> Component:
    return replace(component, version=found.version, kind=found.kind, parameters=found.parameters)


def _faults(kpi: Kpi, definition: Definition, *, key: str, unit: Unit) -> list[str]:
    kind = kinds.decode(definition.kind, definition.parameters)
    if not is_component(kind):
        return [f"“{kpi.key}” has not one number a unit: a share, a mean, a total or a composite does."]
    if isinstance(kind, Composite) and key in kind.kpis:
        return [f"“{kpi.key}” is made of “{key}”, and a composite cannot hold itself."]
    return [] if kpi.unit is unit else [f"“{kpi.key}” counts {kpi.unit.lower()}s, and a composite counts one unit."]
