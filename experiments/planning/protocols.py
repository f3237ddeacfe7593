"""What can be done with protocols. Each function is one action in the caller's transaction.

A protocol's versions never change: a plan records the one it was made by. An input with faults raises `Invalid` with
all of them, and stores nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.planning import terms
from experiments.planning.terms import Terms, terms_problems
from experiments.programme import library
from experiments.service import holdout_problems, measures
from experiments.tables import Protocol, ProtocolVersion
from kpi.actor import Actor
from kpi.errors import NotFound, Problem, refuse
from kpi.service import key_problems, taken, text_problems

CLEARED: Mapping[str, Any] = {"name": "", "description": ""}
"""What null makes of a text; of the terms it makes nothing said."""


async def register(
    session: AsyncSession, *, actor: Actor, key: str, name: str, description: str, plan: Terms
) -> Protocol:
    """Register a protocol with its first version."""
    problems = key_problems(key) + await _problems(session, actor, name, description, plan)
    if await library.protocols_by_key(session, actor.workspace_id, [key]):
        problems.append(taken("protocol", key))
    refuse(problems)
    protocol = Protocol(workspace_id=actor.workspace_id, key=key, created_at=actor.now)
    session.add(protocol)
    await session.flush()
    session.add(_version(protocol, 1, actor, name, description, plan))
    await session.flush()
    return protocol


async def update(
    session: AsyncSession, *, actor: Actor, protocol_id: int, given: Mapping[str, Any], plan: Mapping[str, Any]
) -> Protocol:
    """Make the next version with what is given, None clearing it; nothing, if that changes nothing."""
    protocol = await library.lock_protocol(session, actor.workspace_id, protocol_id)
    if protocol is None:
        raise NotFound
    latest = (await library.protocol_versions_of(session, [protocol_id]))[protocol_id][-1]
    texts = {"name": latest.name, "description": latest.description} | dict(given)
    texts = {field: CLEARED[field] if text is None else text for field, text in texts.items()}
    before = terms.from_document(latest.terms)
    nothing = Terms()
    changed = {field: getattr(nothing, field) if value is None else value for field, value in plan.items()}
    after = replace(before, **changed)
    refuse(await _problems(session, actor, texts["name"], texts["description"], after))
    said = (texts["name"], texts["description"], terms.to_document(after))
    if said != (latest.name, latest.description, terms.to_document(before)):
        session.add(_version(protocol, latest.version + 1, actor, texts["name"], texts["description"], after))
        await session.flush()
    return protocol


async def _problems(session: AsyncSession, actor: Actor, name: str, description: str, plan: Terms) -> list[Problem]:
    measured = await measures(session, actor.workspace_id, [kpi.kpi for kpi in plan.kpis])
    texts = text_problems({"name": name, "description": description}, required={"name"})
    held = await holdout_problems(session, actor.workspace_id, plan.holdout)
    return texts + terms_problems(plan, measured) + held


def _version(
    protocol: Protocol, number: int, actor: Actor, name: str, description: str, plan: Terms
) -> ProtocolVersion:
    return ProtocolVersion(
        protocol_id=protocol.id,
        version=number,
        name=name,
        description=description,
        terms=terms.to_document(plan),
        by=actor.name,
        created_at=actor.now,
    )
