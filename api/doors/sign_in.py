"""Signing in to the pages and out: with a key, by a link that works once and may be mailed, or at an identity provider.

A link is confirmed by a form: what fetches addresses ahead of people - mail scanners, previews - uses none up.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.auth import callers, cookies, members, sign_ins
from api.auth.entries import entry
from api.auth.errors import NoMember, NotBegun, NotConfirmed, SignInError
from api.auth.keys import Scope
from api.auth.oidc import flow
from api.auth.oidc.flow import Flow
from api.auth.oidc.identity import Identity
from api.auth.tables import Member
from api.database import driver
from api.delivery import addresses
from api.delivery.errors import BadAddress
from api.doors import pages
from api.trail import chain
from api.trail.entry import Deed
from kpi.ingest import is_text
from kpi.queries import workspace_by_id

log = logging.getLogger("truelift.sign_in")
ELSEWHERE = "This form was sent from another site."
NO_KEY = "This is not a key that may read."
TOO_OFTEN = "So many links were asked for from here that none is sent now; try again in a minute."
NO_LINK = "This link signs nobody in: it has been used, is older than 15 minutes, or is not whole. Ask for another."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was typed to have a link mailed, what is wrong with it, and whether it is on its way."""

    said: str = ""
    fault: str = ""
    is_sent: bool = False


async def form(request: Request) -> Response:
    """What one can sign in with."""
    if await pages.signed_in(request) is not None:
        return RedirectResponse("/", 303)
    return _form(request)


async def sent(request: Request) -> Response:
    """Sign a browser in with a key, or have a link mailed to it: whichever of the forms was sent."""
    if not cookies.is_same_origin(request):
        return _form(request, 403, ELSEWHERE)
    mailbox = await _given(request, "email")
    return _by_mail(request, mailbox) if mailbox and request.app.state.letters else await _with_key(request)


def _by_mail(request: Request, said: str) -> Response:
    """Have a link mailed. The answer is the same whoever it is: only what is no mailbox, or too often, is told so."""
    try:
        mailbox = addresses.mailbox(said.lower())
    except BadAddress as fault:
        return _form(request, mail=Asked(said=said, fault=str(fault)))
    sender = request.client.host if request.client else ""
    wait = request.app.state.letters.ask(mailbox, sender, getattr(request.state, "request_id", None))
    if wait > 0:
        answer = _form(request, 429, mail=Asked(said=said, fault=TOO_OFTEN))
        answer.headers["retry-after"] = str(ceil(wait))
        return answer
    return _form(request, mail=Asked(said=said, is_sent=True))


async def _with_key(request: Request) -> Response:
    database, secret = request.app.state.database, request.app.state.secret
    caller = await callers.by_key(database, await _given(request, "key"), secret)
    if caller is None or not caller.may(Scope.READ):
        return _form(request, 403, NO_KEY)
    async with database.of(caller.workspace_id).write() as session:
        cookie = await sign_ins.with_key(session, caller, secret=secret, now=datetime.now(UTC))
    return _welcome(request, cookie)


async def link(request: Request) -> Response:
    """Ask who follows a link to confirm it."""
    token, state = request.query_params.get("token", ""), request.app.state
    async with state.database.read() as session:
        member = await sign_ins.invited(session, token, state.secret, datetime.now(UTC))
        if member is None:
            return _refused(NO_LINK)
        workspace = await workspace_by_id(session, member.workspace_id)
    return pages.page("link", {}, token=token, member=member.email, workspace=workspace.name)


async def with_link(request: Request) -> Response:
    """Sign a browser in by a link, which works no more."""
    if not cookies.is_same_origin(request):
        return _refused(ELSEWHERE)
    token, state, now = await _given(request, "token"), request.app.state, datetime.now(UTC)
    async with state.database.write() as session:
        member = await sign_ins.follow(session, token, state.secret, now)
        if member is None:
            return _refused(NO_LINK)
        cookie = await sign_ins.as_member(session, member, secret=state.secret, now=now)
        await session.flush()
        await chain.append(await driver(session), _deed(request, member, "link", now))
    return _welcome(request, cookie)


async def to_provider(request: Request) -> Response:
    """Send a browser to the identity provider."""
    provider, now = request.app.state.provider, datetime.now(UTC)
    if provider is None:
        return pages.missing()
    workspace = request.query_params.get("workspace", "")
    begun = Flow.begin(workspace if workspace and is_text(workspace) else None, now)
    try:
        answer = RedirectResponse(await provider.address(begun, now), 303)
    except SignInError as fault:
        return _failed(request, fault)
    sealed = begun.sealed(request.app.state.secret)
    cookies.keep(request, answer, cookies.FLOW, sealed, int(flow.LIFETIME.total_seconds()))
    return answer


async def from_provider(request: Request) -> Response:
    """Sign in who comes back from the identity provider."""
    if request.app.state.provider is None:
        return pages.missing()
    try:
        answer = _welcome(request, await _by_provider(request, datetime.now(UTC)))
    except SignInError as fault:
        answer = _failed(request, fault)
    cookies.drop(request, answer, cookies.FLOW)
    return answer


async def sign_out(request: Request) -> Response:
    """Sign a browser out."""
    answer = RedirectResponse("/sign-in", 303)
    if not cookies.is_same_origin(request):
        return answer
    database = request.app.state.database
    caller = await callers.by_cookie(database, cookies.read(request, cookies.SIGNED_IN), request.app.state.secret)
    if caller is not None and caller.sign_in is not None:
        async with database.of(caller.workspace_id).write() as session:
            await sign_ins.end(session, caller.sign_in, datetime.now(UTC))
    cookies.drop(request, answer, cookies.SIGNED_IN)
    return answer


async def _by_provider(request: Request, now: datetime) -> str:
    """The cookie of who comes back. Raises SignInError."""
    told, state = request.query_params, request.app.state
    begun = flow.opened(cookies.read(request, cookies.FLOW), told.get("state", ""), state.secret, now)
    if begun is None:
        raise NotBegun(reason="its state is not one that this browser has begun")
    if told.get("iss", state.provider.client.issuer) != state.provider.client.issuer:
        raise NotConfirmed(reason="another issuer answers")
    if "code" not in told:
        raise NotConfirmed(f"{state.provider.client.name} did not sign you in. Begin anew.", reason="no code")
    person = await state.provider.identity(told["code"], begun, now)
    async with state.database.write() as session:
        member = await members.of_person(session, email=person.email, subject=person.subject, workspace=begun.workspace)
        if member is None:
            raise NoMember(_no_member(person))
        member.subject = person.subject
        cookie = await sign_ins.as_member(session, member, secret=state.secret, now=now, proof=begun.proof)
        await session.flush()
        await chain.append(await driver(session), _deed(request, member, "provider", now))
        return cookie


def _no_member(person: Identity) -> str:
    return (
        f"You are signed in there as {person.email}, but nobody of this address is a member here."
        " Ask an admin of your workspace to invite you."
    )


def _deed(request: Request, member: Member, by: str, now: datetime) -> Deed:
    request_id = getattr(request.state, "request_id", None)
    return entry(member, "/sign-in", {"by": by}, now=now, request_id=request_id)


async def _given(request: Request, field: str) -> str:
    async with request.form() as sent:
        return str(sent.get(field, "")).strip()


def _welcome(request: Request, cookie: str) -> Response:
    answer = RedirectResponse(cookies.wanted(request), 303)
    cookies.sign_in(request, answer, cookie)
    cookies.drop(request, answer, cookies.WANTED)
    return answer


def _form(request: Request, status: int = 200, error: str | None = None, mail: Asked | None = None) -> Response:
    provider = request.app.state.provider
    if mail is None and request.app.state.letters is not None:
        mail = Asked()
    name = None if provider is None else provider.client.name
    return pages.page("sign_in", {}, status, error=error, provider=name, mail=mail)


def _refused(error: str) -> Response:
    return pages.page("link", {}, 403, error=error)


def _failed(request: Request, fault: SignInError) -> Response:
    log.warning("Somebody was not signed in: %s: %s.", type(fault).__name__, fault)
    return _form(request, fault.status, fault.sentence)
