"""`GET /v1/export/at-risk.csv?kpi=health&worst=0.1`: the units at risk as a file, for those who call them.

A file for people: in a CSV, text that a spreadsheet would run as a formula is always defused. It says what single units
did, so it needs the scope `admin`: of a key, or of who is signed in and follows the link on the page.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from math import nan

import asyncpg
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from api.auth.keys import Scope
from api.database import Database
from api.doors.export import AT_ONCE, LONGEST, File, Refusal, answered, linked_workspace_of, make_room
from api.files.writing import MEDIA, Form, written
from kpi import queries
from kpi.ingest import is_text
from kpi.risk import listing
from kpi.risk.listing import AtRisk
from kpi.risk.ranking import Ranking, Rule, ranking

PATH = "/v1/export/at-risk.{form}"
FIELDS = frozenset({"kpi", "below", "worst", "segment", "trait"})
"""What may be asked for; `trait` as often as there are traits to show."""
MOST_TRAITS = 20
COLUMNS: dict[str, type] = {
    "unit": str,
    "score": float,
    "rank": int,
    "of": int,
    "percentile": float,
    "change": float,
    "level": float,
    "segments": str,
    "reasons": str,
}


async def at_risk(request: Request) -> Response:
    """Stream a KPI's units at risk as a file."""
    return await answered(lambda: _at_risk(request))


async def _at_risk(request: Request) -> Response:
    form, said = _form(request.path_params["form"]), request.query_params
    rule, traits = _rule(said), _traits(said)
    workspace_id = await linked_workspace_of(request, Scope.ADMIN)
    database = request.app.state.database.of(workspace_id)
    of = await _ranking(database, workspace_id, said["kpi"])
    make_room()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(AT_ONCE)
        connection = await stack.enter_async_context(database.reading(LONGEST))
        pieces = written(form, _columns(of, traits), _rows(connection, of, rule, traits), for_spreadsheet=True)
        return File(pieces, name=f"at-risk.{form}", media_type=MEDIA[form], held=stack.pop_all())


async def _ranking(database: Database, workspace_id: int, key: str) -> Ranking:
    async with database.read() as session:
        kpi = (await queries.kpis_by_key(session, workspace_id, [key])).get(key)
        if kpi is None:
            raise Refusal(404, "NOT_FOUND", f"There is no KPI “{key}”.")
        definition = (await queries.latest_definitions(session, [kpi.id])).get(kpi.id)
        of = None if definition is None else await ranking(session, kpi, definition)
    if of is None:
        raise Refusal(404, "NOT_FOUND", f"“{key}” keeps no numbers of single units, or none so far.")
    return of


def _columns(of: Ranking, traits: Sequence[str]) -> Mapping[str, type]:
    parts = {f"{what}.{one.kpi}": float for one in of.components for what in ("value", "contribution")}
    return COLUMNS | parts | dict.fromkeys((f"trait.{name}" for name in traits), str)


async def _rows(
    connection: asyncpg.Connection, of: Ranking, rule: Rule, traits: Sequence[str]
) -> AsyncIterator[list[tuple[object, ...]]]:
    now = datetime.now(UTC)
    async for batch in listing.everyone(connection, of, rule):
        known = await listing.known(connection, of.workspace_id, [one.unit for one in batch], traits, now)
        yield [(*_cells(of, one), *(known.get((one.unit, name)) for name in traits)) for one in batch]


def _cells(of: Ranking, one: AtRisk) -> Iterator[object]:
    yield from (one.unit, one.score, one.rank, one.n, one.percentile, one.change, one.level)
    yield from ("; ".join(one.segments), "; ".join(of.reasons(one.values)))
    for part in of.parts(one.values):
        yield from (part.value, part.contribution)


def _form(name: str) -> Form:
    if name not in set(Form):
        raise Refusal(404, "NOT_FOUND", "The units at risk come as .csv and as .parquet.")
    return Form(name)


def _rule(said: QueryParams) -> Rule:
    if not FIELDS.issuperset(said) or not all(is_text(value) for _, value in said.multi_items()) or "kpi" not in said:
        raise Refusal(400, "BAD_USER_INPUT", f"What can be asked for is {', '.join(sorted(FIELDS))}; kpi has to be.")
    rule = Rule(below=_number(said.get("below")), worst=_number(said.get("worst")), segment=said.get("segment", ""))
    for problem in rule.problems():
        raise Refusal(400, "BAD_USER_INPUT", problem.message)
    return rule


def _traits(said: QueryParams) -> list[str]:
    names = list(dict.fromkeys(said.getlist("trait")))
    if len(names) > MOST_TRAITS:
        raise Refusal(400, "BAD_USER_INPUT", f"{MOST_TRAITS} traits at most are shown with each unit.")
    return names


def _number(text: str | None) -> float | None:
    """What is no number is NaN, which no rule takes."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return nan
