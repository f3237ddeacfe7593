"""What the forms of pages do: the mutation of an action, run as who is signed in, and then the page anew.

There is no other way to write: a form's fields are those of the mutation's input, and what the mutation says is wrong
stands beside them. Only what we sent this very browser is taken: its cookie, its origin and the form's proof say so.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any, cast

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
    type_from_ast,
)
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

import web
from api.auth import cookies
from api.auth.keys import Caller
from api.doors import pages
from api.graphql.documents import read
from api.graphql.schema import schema
from kpi.ingest import is_text
from web.forms import ELSEWHERE

Page = Callable[[Request], Awaitable[Response]]
Values = Mapping[str, Sequence[str]]
FORM = "This form was sent from another site, or is none of ours. Load the page anew."
EXPIRED = "You have signed in anew since this form was shown. Nothing was done; send it again."
STATUSES = {"FORBIDDEN": 403, "RATE_LIMITED": 429, "BAD_REQUEST": 400, "BAD_USER_INPUT": 400}
"""Of what is refused before it is run, by its code."""
UNFIT = {"BAD_REQUEST", "BAD_USER_INPUT"}
"""Codes of an input that no form of ours states."""
DONE_SECONDS = 60
"""How long a browser keeps what it has just done, to be told of it once."""
READ: Mapping[str, Callable[[str], Any]] = {
    "Boolean": "true".__eq__,
    "Date": lambda text: date.fromisoformat(text).isoformat(),
    "DateTime": lambda text: f"{date.fromisoformat(text).isoformat()}T00:00:00Z",
    "Int": int,
}
"""How what is no text is read of one. A moment is asked for as its day."""
UNREADABLE = {
    "Date": "“{}” is no day such as 2026-12-31.",
    "DateTime": "“{}” is no day such as 2026-12-31.",
    "Int": "“{}” is no whole number.",
}
UNCHOSEN = "Choose one of these."


def posted(page: Page) -> Page:
    """What a page's forms are sent to: they are done, and the page is shown again, or says what is wrong with them."""

    async def act(request: Request) -> Response:
        caller = await pages.signed_in(request)
        if caller is None:
            return RedirectResponse("/sign-in", 303)
        values = await _values(request)
        action = "".join(values.get("action", ()))
        if not cookies.is_of_own_form(request) or action not in web.actions or not all(map(is_text, _texts(values))):
            return pages.refused(403, FORM)
        if not cookies.is_proof(caller, "".join(values.get("proof", ())), request.app.state.secret):
            said: web.Said | Response = web.Said(action=action, values=values, faults={ELSEWHERE: [EXPIRED]})
        else:
            said = await _done(request, caller, action, values)
        if isinstance(said, Response):
            return said
        request.state.said = said
        return await page(request)

    return act


async def _values(request: Request) -> dict[str, list[str]]:
    """What a form says, by field; files are nothing that one of ours says."""
    async with request.form() as form:
        return {name: [one.strip() for one in form.getlist(name) if isinstance(one, str)] for name in form}


def _texts(values: Values) -> list[str]:
    return [text for name, found in values.items() for text in (name, *found)]


async def _done(request: Request, caller: Caller, action: str, values: Values) -> web.Said | Response:
    """Run an action: what came of it, or the answer that says why nothing did, or where to see that it is done."""
    given, faults = _input(action, values)
    if faults:
        return web.Said(action=action, values=values, faults=faults)
    context = request.app.state.context(caller, getattr(request.state, "request_id", None))
    result = await schema.execute(web.actions[action], {"input": given}, context)
    if result.errors or not result.data:
        return _refused(result.errors or [])
    (answer,) = result.data.values()
    if answer["userErrors"]:
        return web.Said(action=action, values=values, faults=_by_field(answer["userErrors"]))
    if web.ACTIONS[action].shows:
        return web.Said(action=action, values=values, answer=answer)
    return _seen(request, action)


def _input(action: str, values: Values) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The input that a form states, and what cannot even be sent of it. A field that is left empty is left out."""
    given, faults = dict[str, Any](), dict[str, list[str]]()
    for name, field in _kind(action).fields.items():
        try:
            value = _value(field.type, values.get(name, ()))
        except ValueError:
            words = UNREADABLE.get(get_named_type(field.type).name, UNCHOSEN)
            faults[name] = [words.format("".join(values.get(name, ())))]
            continue
        if value is not None:
            given[name] = value
    return given, faults


def _kind(action: str) -> GraphQLInputObjectType:
    """What an action's document takes as its input."""
    (variable,) = read(web.actions[action]).operations[0].variable_definitions or ()
    return cast("GraphQLInputObjectType", get_named_type(type_from_ast(schema._schema, variable.type)))


def _value(kind: GraphQLInputType, texts: Sequence[str]) -> Any:
    """What a field says; None where it says nothing and need not. Raises ValueError."""
    is_needed = is_non_null_type(kind)
    if is_list_type(get_nullable_type(kind)):
        return list(texts) if texts or is_needed else None
    text, named = "".join(texts[:1]), get_named_type(kind)
    if not text and not is_needed:
        return None
    if isinstance(named, GraphQLEnumType) and text not in named.values:
        raise ValueError
    return READ.get(named.name, str)(text)


def _refused(errors: Sequence[GraphQLError]) -> Response:
    """The answer where a mutation was not run."""
    codes = [str((error.extensions or {}).get("code")) for error in errors]
    known = next((place for place, code in enumerate(codes) if code in STATUSES), None)
    if known is None:
        return pages.failed(codes)
    sentence = FORM if codes[known] in UNFIT else errors[known].message
    return pages.refused(STATUSES[codes[known]], sentence)


def _by_field(errors: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What a mutation says is wrong, by the field of the form that it is about."""
    found = dict[str, list[str]]()
    for error in errors:
        field, *_ = error["path"] or [ELSEWHERE]
        found.setdefault(field, []).append(error["message"])
    return found


def _seen(request: Request, action: str) -> Response:
    """Send a browser back to the page: loading it anew does nothing again."""
    answer = RedirectResponse(pages.here(request), 303)
    cookies.keep(request, answer, cookies.DONE, action, DONE_SECONDS)
    return answer
