"""Composites: pinned to the newest definitions when they are registered, and refused where they cannot be made."""

import pytest

from api.database import Database
from kpi import governance, kinds, queries
from kpi.enums import Unit
from kpi.errors import Invalid
from kpi.kinds import Activation, Component, Composite, Kind, Mean, Quantile, Ratio, TimeToValue
from kpi.kinds.terms import Amount, Measured, Term
from kpi.tables import Kpi, Workspace
from tests.kpi.registering import register_kpi
from tests.kpi.test_governance import who
from tests.kpi.test_service import faults

MINUTES, LOGIN = Mean(event="used", window_days=28), Activation(event="login", window_days=7)
ALONE = Term(amount=Amount(event="used", of=Measured.COUNT))


def health(*kpis: str) -> Composite:
    return Composite(components=tuple(Component(kpi=kpi, weight=place + 1.0) for place, kpi in enumerate(kpis)))


async def registered(database: Database, workspace: Workspace, **kinds_by_key: Kind) -> dict[str, Kpi]:
    async with database.write() as session:
        return {
            key: await register_kpi(session, workspace, key=key, definition=kind, baseline=None)
            for key, kind in kinds_by_key.items()
        }


async def newest(database: Database, kpi: Kpi) -> Composite:
    async with database.read() as session:
        found = (await queries.latest_definitions(session, [kpi.id]))[kpi.id]
    kind = kinds.decode(found.kind, found.parameters)
    assert isinstance(kind, Composite)
    return kind


async def redefined(database: Database, workspace: Workspace, kpi: Kpi, definition: Kind) -> Kpi:
    async with database.write() as session:
        return await governance.redefine(session, actor=who(workspace), kpi_id=kpi.id, definition=definition)


async def test_composite_pins_the_newest_definition_of_each_component(database: Database, workspace: Workspace) -> None:
    found = await registered(database, workspace, minutes=MINUTES, login=LOGIN)
    later = Mean(event="used", window_days=14)
    await redefined(database, workspace, found["minutes"], later)
    health_score = (await registered(database, workspace, health=health("minutes", "login")))["health"]
    first, second = (await newest(database, health_score)).components
    assert (first.kpi, first.version, first.weight, first.number) == ("minutes", 2, 1.0, later)
    assert (second.kpi, second.version, second.weight, second.number) == ("login", 1, 2.0, LOGIN)


async def test_composite_keeps_what_it_pinned_until_it_is_defined_anew(
    database: Database, workspace: Workspace
) -> None:
    found = await registered(database, workspace, minutes=MINUTES, login=LOGIN)
    score = (await registered(database, workspace, health=health("minutes", "login")))["health"]
    await redefined(database, workspace, found["minutes"], Mean(event="used", window_days=14))
    assert [one.version for one in (await newest(database, score)).components] == [1, 1]
    await redefined(database, workspace, score, health("minutes", "login"))
    assert [one.version for one in (await newest(database, score)).components] == [2, 1]
    again = await redefined(database, workspace, score, health("minutes", "login"))  # nothing has changed since
    async with database.read() as session:
        assert (await queries.latest_definitions(session, [again.id]))[again.id].version == 2


async def test_composite_of_a_composite_reads_the_events_of_both(database: Database, workspace: Workspace) -> None:
    await registered(database, workspace, minutes=MINUTES, login=LOGIN, paid=Mean(event="paid", window_days=30))
    await registered(database, workspace, inner=health("minutes", "login"))
    outer = (await registered(database, workspace, outer=health("inner", "paid")))["outer"]
    kind = await newest(database, outer)
    assert (kind.events, kind.window) == (("used", "login", "paid"), (0, 30))
    assert kind.kpis == {"inner", "paid", "minutes", "login"}


async def refusal(database: Database, workspace: Workspace, key: str, definition: Kind) -> Invalid:
    with pytest.raises(Invalid) as invalid:
        await registered(database, workspace, **{key: definition})
    return invalid.value


async def test_composite_of_what_cannot_be_added_up_is_refused_at_each_place(
    database: Database, workspace: Workspace
) -> None:
    await registered(
        database,
        workspace,
        minutes=MINUTES,
        speed=TimeToValue(event="used", tau_days=7),
        median=Quantile(event="used", window_days=7, quantile=0.5),
        rate=Ratio(window_days=7, numerator=ALONE, denominator=ALONE),
    )
    async with database.write() as session:
        await register_kpi(session, workspace, key="seats", definition=LOGIN, unit=Unit.ACCOUNT, baseline=None)
    parts = health("minutes", "speed", "median", "rate", "seats", "none", "health")
    found = await refusal(database, workspace, "health", parts)
    place = "definition.composite.components.{}.kpi"
    assert faults(found) == [
        *(("BAD_USER_INPUT", place.format(number)) for number in (1, 2, 3, 4)),
        ("NOT_FOUND", place.format(5)),
        ("BAD_USER_INPUT", place.format(6)),
    ]


async def test_composite_that_would_hold_itself_is_refused_however_deep(
    database: Database, workspace: Workspace
) -> None:
    await registered(database, workspace, minutes=MINUTES, login=LOGIN)
    inner = (await registered(database, workspace, inner=health("minutes", "login")))["inner"]
    await registered(database, workspace, middle=health("inner", "login"))
    await registered(database, workspace, outer=health("middle", "minutes"))
    for holds in ("inner", "middle", "outer"):
        with pytest.raises(Invalid) as invalid:
            await redefined(database, workspace, inner, health("login", holds))
        assert faults(invalid.value) == [("BAD_USER_INPUT", "definition.composite.components.1.kpi")]
        assert "cannot hold itself" in invalid.value.problems[0].message


async def test_composite_of_another_workspaces_kpi_is_refused(database: Database, workspace: Workspace) -> None:
    async with database.write() as session:
        other = Workspace(key=f"{workspace.key}-other", name="other", created_at=workspace.created_at)
        session.add(other)
        await session.flush()
        await register_kpi(session, other, key="theirs", definition=MINUTES, baseline=None)
    await registered(database, workspace, minutes=MINUTES)
    found = await refusal(database, workspace, "health", health("minutes", "theirs"))
    assert faults(found) == [("NOT_FOUND", "definition.composite.components.1.kpi")]
