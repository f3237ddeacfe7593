"""`POST /ofrep/v1/evaluate/flags` and `/{key}`: experiments as flags, by OpenFeature's Remote Evaluation Protocol 0.3.

Evaluating writes nothing, and reads only where a unit may be inside of an experiment that would not take it in now. It
is no exposure: the answer says in `metadata` whether meeting the variant would be one (`exposes`), and whoever shows it
reports that it was met.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from time import monotonic
from typing import Any

import msgspec
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from api.auth.keys import Caller, Scope
from api.database import Database, driver
from api.doors import changes
from api.doors.bodies import Unreadable, whole
from api.doors.openapi import CODES, DOCUMENT
from api.graphql.requests import bearer
from experiments.flags import reading
from experiments.flags.evaluation import UNSAID, Answer, Attributes, Flag, Flags
from kpi.ingest import is_text

PREFIX = "/ofrep/v1"
LARGEST_CONTEXT = 100_000
"""Bytes of a request."""
LONGEST_UNIT = 200
ASKED_WITH = ["authorization", "content-type", "if-none-match", "x-api-key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whom flags are evaluated for: the unit, if it is named, and what else is known of it."""

    caller: Caller
    unit: str | None
    attributes: Attributes


async def evaluate(request: Request) -> Response:
    """Evaluate one flag."""
    key: str = request.path_params["key"]
    return await _told(request, _one, key=key)


async def evaluate_all(request: Request) -> Response:
    """Evaluate all flags of the workspace."""
    return await _told(request, _all)


async def document(_request: Request) -> Response:
    """The protocol as it is spoken here."""
    return JSONResponse(DOCUMENT)


async def _told(request: Request, tell: Callable[..., Awaitable[Response]], **more: str) -> Response:
    """What is told, or why nothing can be."""
    try:
        caller = await _caller(request)
        return await tell(request, await _asked(request, caller), **more)
    except Unreadable as fault:
        return _failure(fault, more)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it


async def _one(request: Request, asked: Asked, *, key: str) -> Response:
    flags = await _flags(request, asked.caller)
    flag = flags.by_key.get(key)
    if flag is None:
        raise Unreadable(404, "FLAG_NOT_FOUND", "There is no experiment of this key.")
    inside = await _inside(request, asked, flags, [flag])
    told = _answered(flags, flag, asked, inside)
    return _json(told, 400 if "errorCode" in told else 200)


async def _all(request: Request, asked: Asked) -> Response:
    flags = await _flags(request, asked.caller)
    listed = [flag for flag in flags.by_key.values() if flag.is_listed]
    inside = await _inside(request, asked, flags, listed)
    told = [_answered(flags, flag, asked, inside) for flag in listed]
    etag = _etag(told)
    if etag in _known(request):
        return Response(status_code=304, headers={"etag": etag})
    stream = changes.stream(request.app.state.secret, asked.caller, flags.version, prefix=PREFIX)
    return _json({"flags": told, "eventStreams": [stream], "metadata": {"version": flags.version}}, etag=etag)


async def _caller(request: Request) -> Caller:
    """Who asks. Raises Unreadable for a key that does not work, or may not, or has asked too often."""
    key = bearer(request) or request.headers.get("x-api-key")
    caller: Caller | None = None if key is None else await request.app.state.board.caller(key)
    if caller is None:
        sentence = "This needs a key: send the header “Authorization: Bearer <key>”, or “X-API-Key: <key>”."
        raise Unreadable(401, "GENERAL", sentence)
    if not caller.may(Scope.EVALUATE):
        raise Unreadable(403, "GENERAL", f"This needs a key with the scope “{Scope.EVALUATE}”.")
    wait = request.app.state.evaluations.take(caller.workspace_id, 1, monotonic())
    if wait > 0:
        raise TooOften(wait)
    return caller


class TooOften(Unreadable):
    """A workspace that asks more often than it may, and the seconds until it may again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(429, "GENERAL", "This workspace asks for flags too often; try again soon.")
        self.seconds = seconds


async def _asked(request: Request, caller: Caller) -> Asked:
    """Whom it is asked for. Raises Unreadable."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Unreadable(415, "PARSE_ERROR", "Send application/json.")
    try:
        body = msgspec.json.decode(await whole(request.stream(), LARGEST_CONTEXT))
    except (ValueError, RecursionError):
        raise Unreadable(400, "PARSE_ERROR", "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Unreadable(400, "PARSE_ERROR", "The body is not a JSON object.")
    context = body.get("context", {})
    if not isinstance(context, dict):
        raise Unreadable(400, "INVALID_CONTEXT", "The context is not a JSON object.")
    unit = None if context.get("targetingKey") == "" else context.get("targetingKey")
    if unit is not None and not (isinstance(unit, str) and len(unit) <= LONGEST_UNIT and is_text(unit)):
        raise Unreadable(400, "INVALID_CONTEXT", f"The targetingKey is a text of 1 to {LONGEST_UNIT} characters.")
    attributes = {name: value for name, value in context.items() if isinstance(value, str | bool | int | float)}
    return Asked(caller=caller, unit=unit, attributes=attributes)


async def _flags(request: Request, caller: Caller) -> Flags:
    """The flags; of one who has been told of a change, at least as new as that."""
    said = request.query_params.get("flagConfigEtag", "").strip('"')
    version = int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0
    flags: Flags = await request.app.state.board.flags(caller.workspace_id, version)
    return flags


async def _inside(request: Request, asked: Asked, flags: Flags, some: Collection[Flag]) -> Mapping[int, str]:
    """Which experiments the unit is inside of, where the answer depends on it."""
    ids = flags.asked(some, asked.unit, asked.attributes)
    if not ids or asked.unit is None:
        return {}
    database: Database = request.app.state.database.of(asked.caller.workspace_id)
    async with database.read() as session:
        return await reading.inside(await driver(session), flags, ids, asked.unit, datetime.now(UTC))


def _answered(flags: Flags, flag: Flag, asked: Asked, inside: Mapping[int, str]) -> dict[str, Any]:
    try:
        answer = flags.answer(flag, asked.unit, asked.attributes, inside)
    except LookupError:
        sentence = "The context has no targetingKey: it says which unit is assigned."
        return {"key": flag.key, "errorCode": "TARGETING_KEY_MISSING", "errorDetails": sentence}
    return _success(answer, flag)


def _success(answer: Answer, flag: Flag) -> dict[str, Any]:
    told = {"key": answer.key, "reason": answer.reason, "variant": answer.variant}
    value = {} if answer.value is UNSAID else {"value": answer.value}
    return {**told, **value, "metadata": {"exposes": answer.exposes, "state": flag.state}}


def _etag(told: object) -> str:
    """What a bulk answer is known by: the same for the same flags."""
    digest = hashlib.sha256(msgspec.json.encode(told)).digest()
    return f'"{urlsafe_b64encode(digest[:18]).decode()}"'


def _known(request: Request) -> set[str]:
    return {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}


def _json(body: object, status: int = 200, *, etag: str | None = None) -> Response:
    headers = {"etag": etag} if etag else {}
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def _failure(fault: Unreadable, more: Mapping[str, str]) -> Response:
    code = fault.code if fault.code in CODES else "GENERAL"
    answer = _json({**more, "errorCode": code, "errorDetails": fault.message}, fault.status)
    if isinstance(fault, TooOften):
        answer.headers["retry-after"] = str(ceil(fault.seconds))
    if fault.status == 401:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


ROUTES = Mount(
    PREFIX,
    routes=[
        Route("/evaluate/flags/{key}", evaluate, methods=["POST"]),
        Route("/evaluate/flags", evaluate_all, methods=["POST"]),
        Route("/events", changes.events, methods=["GET"]),
        Route("/openapi.json", document, methods=["GET"]),
    ],
    # No cookie is read here, so a page of any origin may ask with the key that it was given.
    middleware=[
        Middleware(
            CORSMiddleware,
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=ASKED_WITH,
            expose_headers=["etag", "retry-after"],
        )
    ],
)
