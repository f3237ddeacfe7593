"""A KPI and a hypothesis as somebody registers them, with some of it replaced."""

from datetime import UTC, datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import service
from kpi.enums import Change, Direction, Driver, Frequency, Tier, Unit
from kpi.kinds import Activation
from kpi.service import BaselineValue
from kpi.tables import Hypothesis, Kpi, Workspace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASELINE = BaselineValue(value=0.3, standard_error=0.005, n=8400)


async def register_kpi(session: AsyncSession, workspace: Workspace, **changes: Any) -> Kpi:
    """Register a KPI that keeps all rules but for the changes."""
    fields: dict[str, Any] = {
        "key": "activation",
        "name": "Activation",
        "description": "",
        "unit": Unit.USER,
        "direction": Direction.HIGHER,
        "tier": Tier.EARLY,
        "is_leading": True,
        "driver": Driver.RENEWAL,
        "owner": "Ada",
        "data_source": "product events",
        "frequency": Frequency.DAILY,
        "action": "",
        "definition": Activation(event="activated", window_days=7),
        "baseline": BASELINE,
    }
    return await service.register_kpi(session, workspace_id=workspace.id, now=NOW, **(fields | changes))


async def register_hypothesis(session: AsyncSession, workspace: Workspace, **changes: Any) -> Hypothesis:
    """Register a hypothesis that keeps all rules but for the changes."""
    fields: dict[str, Any] = {
        "key": "shorter-form",
        "title": "A shorter form activates more",
        "change": "Ask for less at sign-up",
        "kpi": "activation",
        "direction": Change.INCREASE,
        "expected_lift": 0.1,
        "segment": None,
        "rationale": "",
        "owner": "Ada",
    }
    return await service.register_hypothesis(session, workspace_id=workspace.id, now=NOW, **(fields | changes))
