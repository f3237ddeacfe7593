"""An experiment as somebody registers and starts it, with some of it replaced."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from api.database import Database
from experiments import service
from experiments.enums import Kind, Policy, Role
from experiments.life import moves
from experiments.planning.draft import KpiChoice, PlanChoice, VariantChoice
from experiments.tables import Experiment
from kpi.actor import Actor
from kpi.enums import Unit
from kpi.tables import Workspace
from tests.kpi.registering import register_hypothesis, register_kpi

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=40)
CONTROL = VariantChoice(key="control", name="Control", weight=1, is_control=True)
TREATMENT = VariantChoice(key="treatment", name="Shorter form", weight=1, is_control=False)
PRIMARY = KpiChoice(kpi="activation", role=Role.PRIMARY, mde_difference=0.02)


def plan_choice(**changes: Any) -> PlanChoice:
    """A plan that keeps all rules but for the changes."""
    fields: dict[str, Any] = {
        "kpis": [PRIMARY],
        "alpha": 0.05,
        "power": 0.8,
        "policy": Policy.GROUP_SEQUENTIAL,
        "looks": 4,
        "horizon_days": 28,
        "segment_attributes": [],
    }
    return PlanChoice(**(fields | changes))


async def register(session: AsyncSession, workspace: Workspace, **changes: Any) -> Experiment:
    """Register an experiment that keeps all rules but for the changes; its KPI and hypothesis are there already."""
    fields: dict[str, Any] = {
        "key": "shorter-form",
        "name": "Shorter form",
        "hypothesis": "shorter-form",
        "kind": Kind.ONBOARDING_FLOW,
        "owner": "Ada",
        "variants": [CONTROL, TREATMENT],
        "plan": plan_choice(),
    }
    return await service.register(session, workspace_id=workspace.id, now=NOW, **(fields | changes))


async def draft(database: Database, workspace: Workspace, unit: Unit = Unit.USER, **changes: Any) -> Experiment:
    """A registered experiment with its KPI and hypothesis."""
    async with database.write() as session:
        await register_kpi(session, workspace, unit=unit)
        await register_hypothesis(session, workspace)
        return await register(session, workspace, **changes)


async def start(database: Database, experiment: Experiment, **times: datetime) -> Experiment:
    """Start it in a transaction of its own."""
    async with database.write() as session:
        return await moves.start(
            session, actor=actor(experiment, times.pop("now", NOW)), experiment_id=experiment.id, **times
        )


async def freeze(database: Database, experiment: Experiment, **times: datetime) -> Experiment:
    """End its enrolment in a transaction of its own."""
    async with database.write() as session:
        return await moves.freeze(
            session, actor=actor(experiment, times.pop("now", LATER)), experiment_id=experiment.id, **times
        )


def actor(experiment: Experiment, now: datetime = LATER, name: str = "ada", reason: str | None = None) -> Actor:
    """Somebody who makes a move."""
    return Actor(workspace_id=experiment.workspace_id, name=name, id=name, now=now, reason=reason)
