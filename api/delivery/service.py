"""What a person does with endpoints and deliveries: each function one action in the caller's transaction.

An input with faults raises `Invalid` with all of them, an unknown endpoint or delivery `NotFound`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from api.delivery import addresses, queries, signing
from api.delivery.carrying import NO_MAIL
from api.delivery.errors import BadAddress
from api.delivery.outside import Outside
from api.delivery.tables import Delivery, DeliveryState, Endpoint, EndpointKind
from kpi import notices
from kpi.actor import Actor
from kpi.enums import NoticeType
from kpi.errors import Code, Invalid, NotFound, Problem, bad, refuse

MOST_ENDPOINTS = 50
"""Of a workspace: each notice goes to all of them."""
BY_HAND = "Disabled by hand."
TAKEN = "The workspace has an endpoint with this address. If its secret was lost, rotate it."


async def register(
    session: AsyncSession,
    *,
    actor: Actor,
    outside: Outside,
    kind: EndpointKind,
    address: str,
    types: Sequence[NoticeType] | None,
) -> tuple[Endpoint, str | None]:
    """Register an endpoint; returns it and, of a webhook, its secret, which is shown this once."""
    refuse(_address_problems(kind, address, outside) + _type_problems(types))
    if await queries.count_endpoints(session, actor.workspace_id) >= MOST_ENDPOINTS:
        refuse([_wrong(f"A workspace has {MOST_ENDPOINTS} endpoints at most: remove one first.", "address")])
    new = Endpoint(
        workspace_id=actor.workspace_id,
        kind=kind,
        address=address,
        types=_names(types),
        is_enabled=True,
        disabled_reason=None,
        salt=signing.salt(),
        old_salt=None,
        rotated_at=None,
        created_by=actor.name,
        created_at=actor.now,
    )
    kept = await queries.add_endpoint(session, new)
    if kept is None:
        raise Invalid([_taken()])
    return kept, secret_of(kept, outside)


async def update(
    session: AsyncSession, *, actor: Actor, outside: Outside, endpoint_id: int, given: Mapping[str, Any]
) -> Endpoint:
    """Change what is given: `address`, `types` (None for all) and `is_enabled`."""
    endpoint = await _locked(session, actor, endpoint_id)
    address, is_enabled = given.get("address", endpoint.address), given.get("is_enabled", endpoint.is_enabled)
    problems = _type_problems(given.get("types"))
    if address != endpoint.address:
        problems += _address_problems(endpoint.kind, address, outside)
        problems += [_taken()] if await queries.is_taken(session, endpoint, address or "") else []
    if is_enabled is None:
        problems.append(bad("isEnabled is true or false.", "isEnabled"))
    refuse(problems)
    endpoint.address = address
    if "types" in given:
        endpoint.types = _names(given["types"])
    if is_enabled != endpoint.is_enabled:
        endpoint.is_enabled, endpoint.disabled_reason = is_enabled, None if is_enabled else BY_HAND
    return endpoint


async def rotate(session: AsyncSession, *, actor: Actor, outside: Outside, endpoint_id: int) -> tuple[Endpoint, str]:
    """Give a webhook a new secret, which is shown this once. For a day the one before signs as well."""
    endpoint = await _locked(session, actor, endpoint_id)
    if endpoint.kind is not EndpointKind.WEBHOOK:
        refuse([_wrong("Only webhooks are signed; this endpoint has no secret.", "id")])
    endpoint.old_salt, endpoint.salt, endpoint.rotated_at = endpoint.salt, signing.salt(), actor.now
    return endpoint, signing.shown(signing.key(outside.secret, endpoint.salt))


async def remove(session: AsyncSession, *, actor: Actor, endpoint_id: int) -> Endpoint:
    """Remove an endpoint with its deliveries, those that wait too; returns it as it was."""
    endpoint = await _locked(session, actor, endpoint_id)
    await queries.remove(session, endpoint)
    return endpoint


async def test(session: AsyncSession, *, actor: Actor, endpoint_id: int) -> Delivery:
    """Send an endpoint a notice of its own, which is delivered as every other is."""
    endpoint = await _locked(session, actor, endpoint_id)
    refuse(_disabled_problems(endpoint))
    notice = notices.made(actor.workspace_id, NoticeType.ENDPOINT_TESTED, {}, actor.now)
    notice.is_pending = False  # it is for this endpoint alone
    session.add(notice)
    await session.flush()
    delivery = Delivery(
        workspace_id=actor.workspace_id,
        notice_id=notice.id,
        endpoint_id=endpoint.id,
        state=DeliveryState.WAITING,
        attempts=0,
        next_at=actor.now,
        created_at=actor.now,
    )
    return await queries.send_now(session, delivery)


async def redeliver(session: AsyncSession, *, actor: Actor, delivery_id: int) -> Delivery:
    """Deliver a notice again, at once; its id stays, so a receiver that has it can leave it out."""
    delivery = await queries.lock_delivery(session, actor.workspace_id, delivery_id)
    if delivery is None:
        raise NotFound
    endpoint = await queries.endpoints_by_id(session, actor.workspace_id, [delivery.endpoint_id])
    refuse(_disabled_problems(endpoint[delivery.endpoint_id]))
    return await queries.send_now(session, delivery)


def secret_of(endpoint: Endpoint, outside: Outside) -> str | None:
    """The secret of a webhook, as its receiver is given it; None for what is not signed."""
    if endpoint.kind is not EndpointKind.WEBHOOK:
        return None
    return signing.shown(signing.key(outside.secret, endpoint.salt))


async def _locked(session: AsyncSession, actor: Actor, endpoint_id: int) -> Endpoint:
    endpoint = await queries.lock_endpoint(session, actor.workspace_id, endpoint_id)
    if endpoint is None:
        raise NotFound
    return endpoint


def _address_problems(kind: EndpointKind, address: str | None, outside: Outside) -> list[Problem]:
    if kind is EndpointKind.EMAIL and outside.mail is None:
        return [_wrong(NO_MAIL, "kind")]
    try:
        if kind is EndpointKind.EMAIL:
            addresses.mailbox(address or "")
        else:
            addresses.target(address or "", outside.allowed)
    except BadAddress as fault:
        return [bad(str(fault), "address")]
    return []


def _type_problems(types: Sequence[NoticeType] | None) -> list[Problem]:
    if types is None:
        return []
    if NoticeType.ENDPOINT_TESTED in types:
        return [bad("A test goes to the endpoint that is tested; it is not subscribed to.", "types")]
    return [] if types else [bad("Name one type at least, or leave types out for all of them.", "types")]


def _disabled_problems(endpoint: Endpoint) -> list[Problem]:
    return [] if endpoint.is_enabled else [_wrong("The endpoint is disabled: enable it first.", "id")]


def _names(types: Sequence[NoticeType] | None) -> list[str] | None:
    return None if types is None else [one.name for one in dict.fromkeys(types)]


def _taken() -> Problem:
    return Problem(code=Code.KEY_TAKEN, message=TAKEN, path=("address",))


def _wrong(message: str, *path: str) -> Problem:
    return Problem(code=Code.WRONG_STATE, message=message, path=path)
