"""The experiments of a workspace as flags, and which of them a unit is inside of."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec
from sqlmodel.ext.asyncio.session import AsyncSession

from experiments import entrants, queries
from experiments.enums import Choice
from experiments.flags.assignment import places
from experiments.flags.evaluation import UNSAID, Arm, Flag, Flags
from experiments.flags.layers import NOTHING, Claim, Holding, holdings
from experiments.life import story
from experiments.life.lifecycle import MEASURING, Action
from experiments.planning import plan as plans
from experiments.planning.plan import Plan, PlannedVariant
from experiments.tables import Amendment, Decision, Experiment, Step
from kpi.gate import hidden
from kpi.ingest import SKEW
from kpi.workspaces import workspace_by_id

VALUE = "value"
"""A payload whose only field this is, is what the field says: a boolean, a number, a text."""


class Layered(msgspec.Struct):
    """What a plan says of its layer, whatever else it says."""

    layer: str | None = None


async def flags(session: AsyncSession, workspace_id: int) -> Flags:
    """The flags of a workspace, as they are now."""
    rows = await queries.all_experiments(session, workspace_id)
    ids = [row.id for row in rows]
    steps = await story.steps_of(session, ids)
    decisions = await story.decisions_of(session, ids)
    amendments = await story.amendments_of(session, ids)
    held = holdings(_claims(rows, steps, amendments))
    found = [_flag(row, held.get(row.id, NOTHING), decisions.get(row.id, ())) for row in rows]
    workspace = await workspace_by_id(session, workspace_id)
    return Flags(
        by_key={flag.key: flag for flag in found},
        version=max((step.id for some in steps.values() for step in some), default=0),
        secret=workspace.unit_secret,
    )


async def inside(
    connection: asyncpg.Connection, flags: Flags, ids: Collection[int], unit: str, now: datetime
) -> dict[int, str]:
    """The variants that a unit is inside of, by experiment."""
    stored = unit if flags.secret is None else hidden(flags.secret, unit)
    return await entrants.variants_inside(connection, ids, stored, now + SKEW)


def _flag(row: Experiment, holding: Holding, decisions: Sequence[Decision]) -> Flag:
    plan = plans.from_document(row.plan)
    latest = decisions[-1] if decisions else None
    is_decided = latest is not None and not (latest.needs_approval and latest.approved_at is None)
    is_shipped = latest is not None and is_decided and latest.choice is Choice.SHIP
    return Flag(
        id=row.id,
        key=row.key,
        state=row.state,
        arms=_arms(plan),
        control=next(variant.key for variant in plan.variants if variant.is_control),
        traffic=row.traffic,
        targeting=plan.targeting or (),
        holding=holding,
        holdout=plan.holdout,
        takes_rows=row.given_at is None,
        is_decided=is_decided,
        shipped=latest.variant if latest is not None and is_shipped else None,
    )


def _arms(plan: Plan) -> list[Arm]:
    """The variants. Without payloads the keys are the values; beside one that has one, none leaves it to the code."""
    has_payloads = any(variant.payload is not None for variant in plan.variants)
    return [
        Arm(key=variant.key, value=_value(variant) if has_payloads else variant.key, weight=variant.weight)
        for variant in plan.variants
    ]


def _value(variant: PlannedVariant) -> object:
    if variant.payload is None:
        return UNSAID
    return variant.payload[VALUE] if set(variant.payload) == {VALUE} else variant.payload


def _claims(
    rows: Sequence[Experiment], steps: Mapping[int, Sequence[Step]], amendments: Mapping[int, Sequence[Amendment]]
) -> Iterator[Claim]:
    """What each experiment wanted of its layer after each step, in the order the steps were made."""
    made = [
        (step.id, claim)
        for row in rows
        for step, claim in _claims_of(row, steps.get(row.id, ()), amendments.get(row.id, ()))
    ]
    yield from (claim for _, claim in sorted(made, key=lambda one: one[0]))


def _claims_of(row: Experiment, steps: Sequence[Step], amendments: Sequence[Amendment]) -> Iterator[tuple[Step, Claim]]:
    replaced = [msgspec.json.decode(one.replaced_json, type=Layered).layer for one in amendments]
    layers = [*replaced, msgspec.convert(row.plan, Layered).layer]
    if not any(layers):
        return
    traffic, amended = plans.from_document(row.plan).traffic or 1.0, 0
    for step in steps:
        amended += step.action is Action.AMEND
        traffic = step.traffic or traffic
        layer = layers[amended] if step.state in MEASURING else None
        space = (layer, row.unit) if layer is not None else None
        yield step, Claim(experiment=row.id, space=space, places=places(traffic))
