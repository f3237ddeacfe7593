"""An experiment with every kind of KPI: rows sent to it, its aggregates refreshed as the worker does, and read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from api.database import Database
from experiments import exposures, queries
from experiments.aggregation import aggregates, slices
from experiments.aggregation.covariates import COLUMNS
from experiments.enums import Role
from experiments.planning import plan as plans
from experiments.planning.draft import KpiChoice
from experiments.tables import Experiment
from kpi import batches, events
from kpi.enums import Unit
from kpi.tables import Workspace
from tests.experiments.recomputation import KPIS, Amount, Did, Exposed, Tables, recompute
from tests.experiments.registering import CONTROL, PRIMARY, TREATMENT, draft, plan_choice, start
from tests.kpi.registering import register_kpi

START = datetime.fromisoformat("2026-03-02T00:00:00Z")
MOMENT = timedelta(microseconds=1)
VARIANTS = [CONTROL, TREATMENT, replace(TREATMENT, key="third", name="Third")]


@dataclass(frozen=True, kw_only=True)
class Running:
    """An experiment with every kind of KPI."""

    experiment: Experiment
    workspace: Workspace

    @property
    def plan(self) -> plans.Plan:
        """Its plan."""
        return plans.from_document(self.experiment.plan)


async def running(database: Database, unit: Unit = Unit.USER) -> Running:
    """Register all of it and start."""
    async with database.write() as session:
        place = Workspace(key=f"aggregates-{uuid4().hex}", name="aggregates", created_at=START)
        session.add(place)
        await session.flush()
        for key, measure in KPIS.items():
            await register_kpi(session, place, key=key, definition=measure.definition, baseline=None, unit=unit)
    plan = plan_choice(kpis=choices(), segment_attributes=["plan"])
    made = await draft(database, place, unit=unit, variants=VARIANTS, plan=plan)
    return Running(experiment=await start(database, made, now=START), workspace=place)


def choices() -> list[KpiChoice]:
    """Every KPI as the plan names it."""
    covariate = {key: measure.choice for key, measure in KPIS.items() if isinstance(measure, Amount)}
    return [PRIMARY, *(KpiChoice(kpi=key, role=Role.SECONDARY, covariate=covariate.get(key)) for key in KPIS)]


async def send(database: Database, to: Running, rows: Sequence[Exposed | Did]) -> None:
    """Take in a batch; every row of it is good."""
    async with database.raw() as connection:
        await take_in(connection, to, rows)


async def take_in(connection: asyncpg.Connection, to: Running, rows: Sequence[Exposed | Did]) -> None:
    """Take in a batch in the caller's transaction."""
    exposed = [exposure_row(row) for row in rows if isinstance(row, Exposed)]
    did = [outcome_row(row) for row in rows if isinstance(row, Did)]
    for ingest, batch in ((exposures.ingest, exposed), (events.ingest, did)):
        report = await ingest(connection, workspace_id=to.workspace.id, rows=batch, now=datetime.now(UTC))
        assert report.refusals == ()


def exposure_row(row: Exposed) -> dict[str, Any]:
    known = {name: said for name, said in (("plan", row.plan), ("score", row.score)) if said is not None}
    key = VARIANTS[row.variant].key
    met = {"experiment": "shorter-form", "unit": row.unit, "variant": key, "exposedAt": row.at}
    return met | ({"attributes": known} if known else {})


def outcome_row(row: Did) -> dict[str, Any]:
    return {"unit": row.unit, "event": row.event, "occurredAt": row.at, "value": row.value}


async def refresh(database: Database, to: Running, now: datetime, *, everything: bool = False) -> Tables:
    """Refresh and read the tables back."""
    async with database.raw() as connection:
        await bring_up(connection, to, now, everything=everything)
    found = await tables(database, to)
    async with database.raw() as connection:
        (line,) = await connection.fetch("SELECT * FROM refreshes WHERE experiment_id = $1", to.experiment.id)
    assert (line["data_through"], line["version"]) == (now, "test")
    return found


async def bring_up(connection: asyncpg.Connection, to: Running, now: datetime, *, everything: bool = False) -> None:
    """Refresh in the caller's transaction, from what the ledger says has changed."""
    pending = await batches.pending_ingests(connection, 10**6)
    ours = [row for row in pending if row["workspace_id"] == to.workspace.id]
    lines = await queries.behind(connection, [to.workspace.id], now)
    (line,) = (row for row in lines if row["id"] == to.experiment.id)
    found = slices.changes(
        ours,
        experiment_id=to.experiment.id,
        unit=to.plan.unit,
        events=line["events"],
        data_through=line["data_through"],
    )
    await aggregates.refresh(
        connection,
        experiment_id=to.experiment.id,
        workspace_id=to.workspace.id,
        plan=to.plan,
        changes=slices.EVERYTHING if everything else found,
        now=now,
        version="test",
    )
    await batches.settle_ingests(connection, [row["id"] for row in ours])


async def tables(database: Database, to: Running) -> Tables:
    """The aggregates as they are stored, by words."""
    async with database.raw() as connection:
        rows = await aggregates.read(connection, to.experiment.id)
        variants = await connection.fetch(
            "SELECT id FROM variants WHERE experiment_id = $1 ORDER BY id", to.experiment.id
        )
        crossovers = await connection.fetchval(
            "SELECT crossovers FROM refreshes WHERE experiment_id = $1", to.experiment.id
        )
    place = {row["id"]: number for number, row in enumerate(variants)}
    kpi = {planned.definition.id: planned.kpi for planned in to.plan.kpis}
    adjusting = {_place(row): tuple(row[name] for name in COLUMNS) for row in rows.covariates}
    return Tables(
        entries={(row["segment"], place[row["variant_id"]], row["entered_on"]): row["n"] for row in rows.entries},
        moments={
            (kpi[row["definition_id"]], row["segment"], place[row["variant_id"]], row["entered_on"]): (
                row["n"],
                row["mean"],
                row["m2"],
                *adjusting.get(_place(row), ()),
            )
            for row in rows.moments
            if kpi[row["definition_id"]] in KPIS
        },
        durations={
            (kpi[row["definition_id"]], row["segment"], place[row["variant_id"]], row["entered_on"], row["day"]): (
                row["events"],
                row["losses"],
            )
            for row in rows.durations
        },
        values={
            (
                kpi[row["definition_id"]],
                row["segment"],
                place[row["variant_id"]],
                row["entered_on"],
                row["value"],
            ): row["n"]
            for row in rows.values
        },
        tallies={
            (kpi[row["definition_id"]], place[row["variant_id"]], row["entered_on"]): (row["n"], row["tally"])
            for row in rows.tallies
            if kpi[row["definition_id"]] in KPIS
        },
        crossovers=crossovers or 0,
    )


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("definition_id", "segment", "variant_id", "entered_on"))


async def pending(database: Database, to: Running) -> int:
    """How many changes the aggregates do not know yet."""
    async with database.raw() as connection:
        statement = "SELECT count(*) FROM ingests WHERE is_pending AND workspace_id = $1"
        return int(await connection.fetchval(statement, to.workspace.id))


async def law_holds(database: Database, to: Running, rows: Sequence[Exposed | Did]) -> None:
    """The tables are what these rows say, as far as the last refresh reaches."""
    async with database.raw() as connection:
        statement = "SELECT data_through FROM refreshes WHERE experiment_id = $1"
        through = await connection.fetchval(statement, to.experiment.id)
    entered = [row for row in rows if isinstance(row, Exposed)]
    acted = [row for row in rows if isinstance(row, Did)]
    assert_same(await tables(database, to), recompute(entered, acted, through))


def assert_same(found: Tables, expected: Tables) -> None:
    assert found.entries == expected.entries
    assert found.moments == {
        place: pytest.approx(summary, rel=1e-9, abs=1e-9) for place, summary in expected.moments.items()
    }
    assert found.durations == expected.durations
    assert found.values == expected.values
    assert found.tallies == expected.tallies
    assert found.crossovers == expected.crossovers
