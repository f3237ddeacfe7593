"""Experiments as flags: OpenFeature's own library for Python and its provider, unchanged, and the protocol raw."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types
from openfeature import api as openfeature
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails
from openfeature.hook import Hook, HookContext, HookHints

from api.auth import keys
from api.auth.keys import Scope
from api.database import Database
from api.doors.openapi import DOCUMENT
from api.graphql.nodes import local_id
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import MakeKey, bearing
from tests.api.servers import serving
from tests.conftest import Ask
from tests.waiting import came

ONE, ALL = "/ofrep/v1/evaluate/flags/guided-tour", "/ofrep/v1/evaluate/flags"
IN_TOUR, NEW, IN_CONTROL = "u1", "u4", "u2"
"""By the published hash: the first half of the places is control's (tests/experiments/flags/test_assignment.py)."""


class Evaluate(Protocol):
    """Evaluate one flag, or all."""

    async def __call__(
        self, unit: str | None = IN_TOUR, *, path: str = ONE, headers: dict[str, str] | None = None, **attributes: Any
    ) -> httpx.Response:
        """The answer."""


@pytest_asyncio.fixture(scope="module")
async def service(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    assert database  # at the newest schema
    async with serving(database_url, wrong_keys_at_once=100_000) as client:
        yield client


@pytest_asyncio.fixture
async def evaluates(make_key: MakeKey) -> dict[str, str]:
    return bearing(await make_key(Scope.EVALUATE))


@pytest.fixture
def evaluate(service: httpx.AsyncClient, evaluates: dict[str, str]) -> Evaluate:
    """Ask the server, and hold what it answers against the document it serves."""

    async def ask(
        unit: str | None = IN_TOUR, *, path: str = ONE, headers: dict[str, str] | None = None, **attributes: Any
    ) -> httpx.Response:
        context = attributes if unit is None else {"targetingKey": unit, **attributes}
        answer = await service.post(path, json={"context": context}, headers={**evaluates, **(headers or {})})
        assert_described(path, answer)
        return answer

    return ask


def assert_described(path: str, answer: httpx.Response) -> None:
    route = ALL if path.startswith(ALL + "?") or path == ALL else ALL + "/{key}"
    described = DOCUMENT["paths"][route]["post"]["responses"][str(answer.status_code)]
    if "content" in described:
        schema = described["content"]["application/json"]["schema"] | {"components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(answer.json())
    else:
        assert answer.content == b""


def told(answer: httpx.Response) -> tuple[str, str, bool]:
    found = answer.json()
    return found["variant"], found["reason"], found["metadata"]["exposes"]


def fault(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


async def exposed(ask: Ask, unit: str, variant: str) -> None:
    row = documents.exposure(unit, variant, datetime.now(UTC).isoformat())
    found = await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": [row]}})
    assert found["exposuresIngest"]["report"]["accepted"] == 1


async def moved(ask: Ask, evaluate: Evaluate, verb: str, started: str, state: str, **more: Any) -> None:
    """Make a move, and wait until the server has heard of it."""
    found = await ask(documents.move(verb), {"input": {"id": started, **more}})
    assert found[f"experiment{verb}"]["userErrors"] == []

    async def is_heard() -> bool:
        return bool((await evaluate()).json()["metadata"]["state"] == state)

    await came(is_heard)


async def test_unit_is_served_the_variant_of_the_published_hash_and_nothing_is_written(
    evaluate: Evaluate, database: Database, started: str
) -> None:
    assert told(await evaluate(IN_TOUR)) == ("tour", "SPLIT", True)
    assert told(await evaluate(IN_CONTROL)) == ("control", "SPLIT", True)
    answer = await evaluate()
    assert answer.json() == {
        "key": "guided-tour",
        "reason": "SPLIT",
        "variant": "tour",
        "value": "tour",
        "metadata": {"exposes": True, "state": "RUNNING"},
    }
    async with database.raw() as connection:
        found = "SELECT count(*) FROM exposures WHERE experiment_id = $1"
        assert await connection.fetchval(found, local_id("Experiment", started)) == 0


async def test_moves_are_heard_at_once_and_units_inside_keep_their_variant(
    evaluate: Evaluate, ask: Ask, started: str
) -> None:
    assert told(await evaluate(NEW)) == told(await evaluate(IN_TOUR))
    await exposed(ask, IN_TOUR, "tour")
    await moved(ask, evaluate, "Pause", started, "PAUSED")
    assert told(await evaluate(IN_TOUR)) == ("tour", "SPLIT", False)
    assert told(await evaluate(NEW)) == ("control", "DEFAULT", False)
    await moved(ask, evaluate, "Resume", started, "RUNNING")
    assert told(await evaluate(NEW)) == ("tour", "SPLIT", True)
    await moved(ask, evaluate, "Stop", started, "STOPPED")
    assert told(await evaluate(IN_TOUR)) == ("tour", "SPLIT", False)
    assert told(await evaluate(NEW)) == ("control", "DEFAULT", False)
    await moved(ask, evaluate, "Decide", started, "DECIDED", choice="SHIP", variant="tour", reason="They like it.")
    assert told(await evaluate(NEW)) == told(await evaluate(None)) == ("tour", "STATIC", False)
    await moved(ask, evaluate, "Archive", started, "ARCHIVED")
    assert told(await evaluate(IN_CONTROL)) == ("tour", "STATIC", False)


async def test_unit_that_is_hidden_is_found_inside_all_the_same(evaluate: Evaluate, ask: Ask, started: str) -> None:
    await ask(documents.WORKSPACE_UPDATE, {"input": {"hashesUnits": True}})
    await exposed(ask, IN_TOUR, "tour")
    await moved(ask, evaluate, "Pause", started, "PAUSED")
    assert told(await evaluate(IN_TOUR)) == ("tour", "SPLIT", False)


async def test_draft_is_disabled_and_leaves_it_to_the_code(evaluate: Evaluate, drafted: str) -> None:
    assert drafted
    assert (await evaluate(None)).json() == {
        "key": "guided-tour",
        "reason": "DISABLED",
        "variant": "control",
        "metadata": {"exposes": False, "state": "DRAFT"},
    }
    assert (await evaluate(path=ALL)).json()["flags"] == []


async def test_experiments_of_a_layer_share_no_unit_through_ramps(evaluate: Evaluate, ask: Ask, drafted: str) -> None:
    assert drafted
    ids = {}
    for key, share in (("one", 0.3), ("other", 0.4)):
        made = documents.experiment(key, layer="checkout", traffic=share)
        found = await ask(documents.EXPERIMENT_REGISTER, {"input": made})
        ids[key] = found["experimentRegister"]["experiment"]["id"]
        await ask(documents.EXPERIMENT_START, {"input": {"id": ids[key], "startedAt": "2026-06-01T00:00:00Z"}})
    units = [f"unit-{number}" for number in range(16)]

    async def inside() -> dict[str, set[str]]:
        answers = await asyncio.gather(*(evaluate(unit, path=ALL) for unit in units))
        return {
            key: {
                unit
                for unit, answer in zip(units, answers, strict=True)
                for flag in answer.json()["flags"]
                if flag["key"] == key and flag["reason"] == "SPLIT"
            }
            for key in ids
        }

    async def version() -> int:
        return int((await evaluate(path=ALL)).json()["metadata"]["version"])

    before, known = await inside(), await version()
    assert before["one"].isdisjoint(before["other"])
    assert all(before.values())
    await ask(documents.move("Ramp"), {"input": {"id": ids["one"], "traffic": 0.6}})

    async def is_heard() -> bool:
        return await version() > known

    await came(is_heard)
    after = await inside()
    assert after["one"] > before["one"]
    assert after["other"] == before["other"]
    assert set(units) == after["one"] | after["other"]


async def test_all_flags_are_known_by_what_they_say(
    evaluate: Evaluate, service: httpx.AsyncClient, started: str, ask: Ask
) -> None:
    first = await evaluate(path=ALL)
    found = first.json()
    assert [flag["variant"] for flag in found["flags"]] == ["tour"]
    again = await evaluate(path=ALL, headers={"if-none-match": f'"x", W/{first.headers["etag"]}'})
    assert (again.status_code, again.headers["etag"]) == (304, first.headers["etag"])
    other = await evaluate(IN_CONTROL, path=ALL, headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200
    nobody = (await evaluate(None, path=ALL)).json()["flags"]
    assert [(flag["key"], flag["errorCode"]) for flag in nobody] == [("guided-tour", "TARGETING_KEY_MISSING")]
    (stream,) = found["eventStreams"]
    async with service.stream("GET", stream["endpoint"]["requestUri"]) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = events.aiter_lines()
        await ask(documents.move("Pause"), {"input": {"id": started}})
        said = [await anext(lines) for _ in range(3)]
    version = found["metadata"]["version"] + 1
    assert said[:2] == [f"id: {version}", "event: message"]
    data = json.loads(said[2].removeprefix("data: "))
    assert (data["type"], data["etag"]) == ("refetchEvaluation", f'"{version}"')
    newer = await evaluate(NEW, path=f"{ALL}?flagConfigEtag=%22{version}%22")
    assert (newer.json()["metadata"]["version"], newer.json()["flags"][0]["reason"]) == (version, "DEFAULT")
    missed = stream["endpoint"]["requestUri"]  # a change between asking and listening is told at once
    async with service.stream("GET", missed) as events:
        assert await anext(events.aiter_lines()) == f"id: {version}"


async def test_stream_is_for_whom_it_was_made_and_ends_with_the_key(
    evaluate: Evaluate,
    service: httpx.AsyncClient,
    database: Database,
    workspace: Workspace,
    evaluates: dict[str, str],
    started: str,
) -> None:
    assert started
    (stream,) = (await evaluate(path=ALL)).json()["eventStreams"]
    where = stream["endpoint"]["requestUri"]
    for wrong in (where.replace("token=", "token=x"), "/ofrep/v1/events", "/ofrep/v1/events?token=a.0.9999999999.b"):
        assert fault(await service.get(wrong)) == (401, "GENERAL")
    public_id = evaluates["authorization"].split("_")[1]
    async with service.stream("GET", where) as events:
        lines = events.aiter_lines()
        async with database.write() as session:
            assert await keys.revoke(session, workspace.id, public_id, datetime.now(UTC))
        assert [line async for line in lines] == []
    assert fault(await service.get(where)) == (401, "GENERAL")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (ALL + "/nothing", {"context": {"targetingKey": "u1"}}, (404, "FLAG_NOT_FOUND")),
        (ALL + "/%00", {"context": {"targetingKey": "u1"}}, (404, "FLAG_NOT_FOUND")),
        (ONE, {}, (400, "TARGETING_KEY_MISSING")),
        (ONE, {"context": {"targetingKey": ""}}, (400, "TARGETING_KEY_MISSING")),
        (ONE, {"context": []}, (400, "INVALID_CONTEXT")),
        (ONE, {"context": None}, (400, "INVALID_CONTEXT")),
        (ONE, {"context": {"targetingKey": 7}}, (400, "INVALID_CONTEXT")),
        (ONE, {"context": {"targetingKey": "a\0b"}}, (400, "INVALID_CONTEXT")),
        (ONE, {"context": {"targetingKey": "a" * 201}}, (400, "INVALID_CONTEXT")),
        (ALL, {"context": {"targetingKey": 7}}, (400, "INVALID_CONTEXT")),
        (ONE, b"", (400, "PARSE_ERROR")),
        (ONE, b"null", (400, "PARSE_ERROR")),
        (ONE, b'"x"', (400, "PARSE_ERROR")),
        (ONE, b"\xff", (400, "PARSE_ERROR")),
        (ONE, b'{"context": {"targetingKey": "\\ud800"}}', (400, "PARSE_ERROR")),
        (ONE, b"[" * 90_000, (400, "PARSE_ERROR")),
        (ONE, b"9" * 5_000, (400, "PARSE_ERROR")),
        (ONE, b'{"context": {"a": "' + b"x" * 100_000 + b'"}}', (413, "GENERAL")),
    ],
)
async def test_request_that_is_wrong_is_told_in_the_words_of_the_protocol(
    service: httpx.AsyncClient, evaluates: dict[str, str], started: str, path: str, body: Any, expected: tuple[int, str]
) -> None:
    assert started
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {**evaluates, "content-type": "application/json"}
    answer = await service.post(path, content=content, headers=headers)
    assert fault(answer) == expected
    assert_described(path, answer)


async def test_key_is_a_bearers_or_a_header_of_its_own_and_evaluates_and_nothing_else(
    service: httpx.AsyncClient, make_key: MakeKey, started: str
) -> None:
    assert started
    body = {"context": {"targetingKey": "u1"}}
    key = await make_key(Scope.EVALUATE)
    assert (await service.post(ONE, json=body, headers={"x-api-key": key})).status_code == 200
    for wrong in ({}, {"x-api-key": "tl_none_none"}, bearing("x")):
        assert fault(await service.post(ONE, json=body, headers=wrong)) == (401, "GENERAL")
    others = bearing(await make_key(*(set(Scope) - {Scope.EVALUATE})))
    assert fault(await service.post(ONE, json=body, headers=others)) == (403, "GENERAL")
    assert fault(await service.post(ONE, content="{}", headers={"x-api-key": key})) == (415, "PARSE_ERROR")
    rows = await service.post("/v1/exposures", json=[], headers=bearing(key))
    query = await service.post(
        "/graphql", json={"query": "{ experiments { edges { node { key } } } }"}, headers=bearing(key)
    )
    assert rows.status_code == 403
    assert query.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_page_of_any_origin_may_ask(service: httpx.AsyncClient, evaluate: Evaluate, started: str) -> None:
    assert started
    asks = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,if-none-match",
    }
    assert (await service.options(ALL, headers=asks)).status_code == 200
    answer = await evaluate(path=ALL, headers={"origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "etag" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers


async def test_workspace_that_asks_too_often_waits_and_addresses_that_guess_do_too(
    database_url: str, make_key: MakeKey, started: str
) -> None:
    assert started
    body = {"context": {"targetingKey": "u1"}}
    few: dict[str, Any] = {"evaluations_at_once": 3, "evaluations_per_second": 0.001, "wrong_keys_at_once": 2}
    async with serving(database_url, **few) as service:
        headers = bearing(await make_key(Scope.EVALUATE))
        answers = [await service.post(ONE, json=body, headers=headers) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert int(answers[3].headers["retry-after"]) > 100
        assert_described(ONE, answers[3])
        guesses = [await service.post(ONE, json=body, headers={"x-api-key": f"tl_{n}_x"}) for n in range(3)]
        assert [answer.status_code for answer in guesses] == [401, 401, 429]


async def test_document_of_the_protocol_is_served(service: httpx.AsyncClient) -> None:
    served = (await service.get("/ofrep/v1/openapi.json")).json()
    assert served == json.loads(json.dumps(DOCUMENT))
    for schema in served["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


# --- OpenFeature's library -------------------------------------------------------------------------------------------


@contextmanager
def library(service: httpx.AsyncClient, key: str) -> Iterator[OpenFeatureClient]:
    """OpenFeature's library with its provider, which is told where to ask and with which key."""
    provider = OFREPProvider(str(service.base_url), headers_factory=lambda: bearing(key))
    openfeature.set_provider(provider)
    yield openfeature.get_client()
    openfeature.clear_hooks()
    openfeature.clear_providers()
    provider.session.close()


def context(unit: str) -> EvaluationContext:
    return EvaluationContext(targeting_key=unit, attributes={"country": "DE"})


async def test_library_of_openfeature_is_served_variants(
    service: httpx.AsyncClient, make_key: MakeKey, started: str
) -> None:
    assert started
    with library(service, await make_key(Scope.EVALUATE)) as client:

        def seen() -> list[tuple[Any, ...]]:
            found = [
                client.get_string_details("guided-tour", "code", context(IN_TOUR)),
                client.get_string_details("guided-tour", "code", context(IN_CONTROL)),
                client.get_string_details("guided-tour", "code"),
                client.get_string_details("nothing", "code", context(IN_TOUR)),
                client.get_boolean_details("guided-tour", False, context(IN_TOUR)),
            ]
            return [(one.value, one.variant, one.reason, one.error_code) for one in found]

        assert await asyncio.to_thread(seen) == [
            ("tour", "tour", "SPLIT", None),
            ("control", "control", "SPLIT", None),
            ("code", None, "ERROR", "TARGETING_KEY_MISSING"),
            ("code", None, "ERROR", "FLAG_NOT_FOUND"),
            (False, None, "ERROR", "TYPE_MISMATCH"),
        ]


@pytest.mark.parametrize(
    ("payload", "resolve", "default"),
    [
        ({"value": True}, "get_boolean_details", False),
        ({"value": "new"}, "get_string_details", "old"),
        ({"value": 12}, "get_integer_details", 3),
        ({"value": 1.0}, "get_float_details", 0.5),
        ({"steps": 3, "title": "Welcome"}, "get_object_details", {}),
    ],
)
async def test_library_of_openfeature_is_served_payloads_of_each_type(
    service: httpx.AsyncClient, make_key: MakeKey, ask: Ask, drafted: str, payload: Any, resolve: str, default: Any
) -> None:
    assert drafted
    variants = [
        {"key": "control", "name": "As before", "isControl": True},
        {"key": "tour", "name": "Tour", "payload": payload},
    ]
    made = await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment("typed", variants=variants)})
    start = {"id": made["experimentRegister"]["experiment"]["id"], "startedAt": "2026-06-01T00:00:00Z"}
    await ask(documents.EXPERIMENT_START, {"input": start})
    with library(service, await make_key(Scope.EVALUATE)) as client:

        def seen() -> dict[str, set[str]]:
            found: dict[str, set[str]] = {}
            for number in range(12):
                one = getattr(client, resolve)("typed", default, context(f"u{number}"))
                assert one.error_code is None, one
                found.setdefault(str(one.variant), set()).add(json.dumps(one.value))
            return found

        expected = payload["value"] if set(payload) == {"value"} else payload
        assert await asyncio.to_thread(seen) == {"control": {json.dumps(default)}, "tour": {json.dumps(expected)}}


class Exposing(Hook):
    """Report an exposure whenever a variant is about to be shown, as docs/flags.md has it."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"})

    def finally_after(self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints) -> None:
        """Tell which unit met which variant, where the experiment takes it in. What fails here changes no answer."""
        if details.flag_metadata.get("exposes"):
            row = {
                "experiment": details.flag_key,
                "unit": hook_context.evaluation_context.targeting_key,
                "variant": details.variant,
                "exposedAt": datetime.now(UTC).isoformat(),
                "attributes": dict(hook_context.evaluation_context.attributes),
            }
            self._client.post("/v1/exposures", json=[row]).raise_for_status()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


async def test_hook_of_the_library_reports_who_met_which_variant(
    service: httpx.AsyncClient, make_key: MakeKey, database: Database, ask: Ask, evaluate: Evaluate, started: str
) -> None:
    hook = Exposing(str(service.base_url), await make_key(Scope.INGEST))
    with library(service, await make_key(Scope.EVALUATE)) as client:
        openfeature.add_hooks([hook])

        def meet(*units: str) -> None:
            for unit in units:
                client.get_string_value("guided-tour", "code", context(unit))

        await asyncio.to_thread(meet, IN_TOUR, IN_CONTROL, IN_TOUR)
        await moved(ask, evaluate, "Pause", started, "PAUSED")
        await asyncio.to_thread(meet, IN_TOUR, NEW)
        hook.close()
    found = "SELECT x.unit, v.key, x.attributes FROM exposures x JOIN variants v ON v.id = x.variant_id"
    async with database.raw() as connection:
        rows = await connection.fetch(
            f"{found} WHERE x.experiment_id = $1 ORDER BY x.unit", local_id("Experiment", started)
        )
    assert [tuple(row) for row in rows] == [
        (IN_TOUR, "tour", {"country": "DE"}),
        (IN_CONTROL, "control", {"country": "DE"}),
    ]
