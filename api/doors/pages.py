"""The pages: each runs its own GraphQL document as the signed-in caller and fills its template with the answer."""

from collections.abc import Sequence
from secrets import token_hex
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

import web
from api.auth import callers, cookies
from api.auth.keys import Caller, Scope
from api.doors import faults, forms
from api.doors.faults import NOT_FOUND, SOON
from api.graphql.context import Context
from api.graphql.deadlines import DEADLINE_EXCEEDED, LATE
from api.graphql.errors import AWAY, UNAVAILABLE
from api.graphql.schema import schema
from api.version import VERSION
from kpi.enums import Granularity, Tier
from kpi.ingest import is_text

PAGE = 50
"""Experiments, KPIs or reviews on a page of their list."""
MOVES = {"first": True, "later": False}
"""Whether KPIs move before revenue does, as an address says it."""


async def experiments(request: Request) -> Response:
    """The list of experiments."""
    after = request.query_params.get("after")
    return await _page(request, "experiments", {"first": PAGE, "after": after})


async def experiment(request: Request) -> Response:
    """One experiment and its results."""
    return await _page(request, "experiment", {"key": request.path_params["key"]}, must_find="experiment")


async def kpis(request: Request) -> Response:
    """The KPIs and how they stand, all of them or those of a tier, leading or lagging."""
    asked = request.query_params
    tier, moves = asked.get("tier"), asked.get("moves")
    if tier not in (None, *Tier) or moves not in (None, *MOVES):
        return _html("not_found", {}, 404)
    chosen = {"tier": {"eq": tier}, "isLeading": None if moves is None else MOVES[moves]}
    variables = {"first": PAGE, "after": asked.get("after"), "filter": chosen}
    return await _page(request, "kpis", variables, chosen={"tier": tier, "moves": moves})


async def kpi(request: Request) -> Response:
    """One KPI over time, by the periods and in the segment that are asked for."""
    asked = request.query_params
    granularity, segment = asked.get("by"), asked.get("segment", "")
    if granularity not in (None, *Granularity) or not is_text(segment):
        return _html("not_found", {}, 404)
    variables = {"key": request.path_params["key"], "granularity": granularity, "segment": segment}
    return await _page(request, "kpi", variables | {"tests": asked.get("tests")}, must_find="kpi")


async def ladder(request: Request) -> Response:
    """The ladder, and what a change that is supposed would come to."""
    asked = forms.supposition(request.query_params)
    must_find = "impactIf" if asked.variables["isAsked"] else None
    return await _page(request, "ladder", asked.variables, must_find=must_find, chosen=asked.chosen)


async def alerts(request: Request) -> Response:
    """The alerts: those that are open, or those of a state."""
    state = request.query_params.get("state", forms.OPEN)
    if state not in forms.STATES:
        return _html("not_found", {}, 404)
    variables = {"first": PAGE, "after": request.query_params.get("after"), "filter": forms.STATES[state]}
    return await _page(request, "alerts", variables, chosen={"state": state})


async def at_risk(request: Request) -> Response:
    """The units of a KPI that stand worst, for who may see single units."""
    caller = await signed_in(request)
    if caller is None:
        return to_sign_in(request)
    asked = forms.worst(request.query_params)
    variables = asked.variables | {"key": request.path_params["key"], "first": PAGE}
    variables["mayList"] = caller.may(Scope.ADMIN) and not asked.chosen["faults"]
    found = await told(request, caller, "at_risk", variables, must_find="kpi")
    chosen = asked.chosen | {"may_list": caller.may(Scope.ADMIN)}
    return found if isinstance(found, Response) else shown(request, caller, "at_risk", found, chosen=chosen)


async def reviews(request: Request) -> Response:
    """The list of reviews."""
    return await _page(request, "reviews", {"first": PAGE, "after": request.query_params.get("after")})


async def settings(request: Request) -> Response:
    """Who and what may come in, as far as the caller may see it."""
    caller = await signed_in(request)
    if caller is None:
        return to_sign_in(request)
    variables = {"first": PAGE, "seesAll": caller.may(Scope.ADMIN)}
    found = await told(request, caller, "settings", variables)
    provider = request.app.state.provider
    name = None if provider is None else provider.client.name
    return found if isinstance(found, Response) else shown(request, caller, "settings", found, provider=name)


async def _page(
    request: Request, name: str, variables: dict[str, Any], must_find: str | None = None, **beside: Any
) -> Response:
    caller = await signed_in(request)
    if caller is None:
        return to_sign_in(request)
    found = await told(request, caller, name, variables, must_find)
    return found if isinstance(found, Response) else shown(request, caller, name, found, **beside)


async def told(
    request: Request, caller: Caller, name: str, variables: dict[str, Any], must_find: str | None = None
) -> dict[str, Any] | Response:
    """What the document of a page tells a caller; the answer that says why, where it tells nothing."""
    state = request.app.state
    context = Context(database=state.database, caller=caller, deadline=state.deadline)
    result = await schema.execute(web.documents[name], variable_values=variables, context_value=context)
    codes = [(error.extensions or {}).get("code") for error in result.errors or []]
    if "BAD_USER_INPUT" in codes:
        return missing()
    if result.errors or result.data is None:
        return failed(codes)
    if must_find is not None and result.data[must_find] is None:
        return missing()
    return result.data


def failed(codes: Sequence[str | None]) -> Response:
    """The page that says why there is no answer, by the codes of its errors."""
    if DEADLINE_EXCEEDED in codes:
        return refused(504, LATE)
    if UNAVAILABLE in codes:
        response = refused(503, AWAY)
        response.headers.update(SOON)
        return response
    return refused(500, "The page could not be made; what went wrong is in the server's log.")


def shown(request: Request, caller: Caller, name: str, data: dict[str, Any], **beside: Any) -> Response:
    """A page of what its document told, with what its forms need, and what came of the one that was just sent."""
    said = getattr(request.state, "said", None)
    done = cookies.read(request, cookies.DONE) if said is None else None
    sent: dict[str, Any] = {
        "proof": cookies.proof(caller, request.app.state.secret),
        "fresh": token_hex(8),
        "here": here(request),
    }
    answer = page(name, data, said=said, done=done, **sent, **beside)
    if done:
        cookies.drop(request, answer, cookies.DONE)
    return answer


def to_sign_in(request: Request) -> Response:
    """Have somebody sign in, and show them this page then."""
    answer = RedirectResponse("/sign-in", 303)
    cookies.want(request, answer, here(request))
    return answer


def here(request: Request) -> str:
    """The address of a page, as its own forms are sent to it."""
    query = request.url.query
    return quote(request.url.path) + (f"?{query}" if query else "")


def page(name: str, data: dict[str, Any], status: int = 200, **beside: Any) -> Response:
    """A page of what its document told."""
    return _html(name, data, status, **beside)


def missing() -> Response:
    """The page that says there is no such page."""
    return _html("not_found", {}, 404)


async def nowhere(request: Request, fault: Exception) -> Response:
    """Answer an address that leads nowhere: with a page to a browser, in words to a program."""
    if not isinstance(fault, HTTPException):
        raise fault
    if fault.status_code == NOT_FOUND and "text/html" in request.headers.get("accept", ""):
        return missing()
    return faults.refused(fault)


def refused(status: int, sentence: str) -> Response:
    """The page that says why there is none."""
    return _html("not_found", {}, status, error=sentence)


def _html(page: str, data: dict[str, Any], status: int = 200, **context: Any) -> HTMLResponse:
    return HTMLResponse(web.render(page, data, version=VERSION, **context), status)


async def signed_in(request: Request) -> Caller | None:
    """Who signed this browser in; None when nobody who may read did."""
    cookie = cookies.read(request, cookies.SIGNED_IN)
    caller = await callers.by_cookie(request.app.state.database, cookie, request.app.state.secret)
    return caller if caller is not None and caller.may(Scope.READ) else None
