"""What graphql-cop 1.6 (dolevf) looks for in a server, each of its checks by its name.

It is on no package index, so they are asked anew here; where a server could hide behind a missing key, with a key.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from api.auth.cookies import SIGNED_IN as COOKIE
from api.auth.keys import Scope
from api.database import Database
from tests.api.audits.conftest import key_of
from tests.api.conftest import bearing

SCHEMA = "{ __schema { types { name } } }"
CIRCULAR_INTROSPECTION = "{ __schema { types " + "{ fields { type " * 8 + "{ name }" + " } }" * 8 + " } }"
CIRCULAR_FRAGMENT = "{ viewer { ...A } } fragment A on Viewer { workspace ...B } fragment B on Viewer { ...A }"
MUTATION = 'mutation { unitForget(input: {unit: "u1"}) { forgotten { outcomes } userErrors { message } } }'
OVERLOADS = {
    "alias overloading": "{ " + " ".join(f"a{number}: __typename" for number in range(101)) + " }",
    "field duplication": "{ viewer { " + "workspace " * 500 + "} }",
    "directive overloading": "{ __typename " + "@include(if: true) " * 50 + "}",
    "repeated unknown directives": "{ __typename " + "@aa" * 50 + " }",
    "circular introspection": CIRCULAR_INTROSPECTION,
}
SIMPLE_FORMS = ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""]
"""What a page of another site may send without asking first."""
IDE_MARKS = ("graphiql", "playground", "apollo sandbox", "altair")
TRACES = (
    "traceback",
    "stacktrace",
    "tracing",
    "exception",
    "sqlalchemy",
    "asyncpg",
    "strawberry",
    "site-packages",
    ".py",
)


@pytest_asyncio.fixture(scope="module")
async def reader(service: httpx.AsyncClient, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The same server, asked with a key that reads."""
    key = await key_of(database, Scope.READ)
    async with httpx.AsyncClient(base_url=service.base_url, headers=bearing(key)) as client:
        yield client


async def asked(client: httpx.AsyncClient, query: object) -> dict[str, Any]:
    """The answer to a document that is sent as it should be."""
    answer = await client.post("/graphql", json={"query": query})
    found: dict[str, Any] = answer.json()
    return found


def codes(answer: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in answer["errors"]]


async def test_introspection_is_closed_to_strangers_and_to_keys_that_only_read(
    service: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    assert codes(await asked(service, SCHEMA)) == ["UNAUTHENTICATED"]
    assert codes(await asked(reader, SCHEMA)) == ["FORBIDDEN"]
    assert codes(await asked(reader, '{ __type(name: "Kpi") { name } }')) == ["FORBIDDEN"]


@pytest.mark.parametrize("document", ["{ kpiz { totalCount } }", "{ viewer { workspac } }", "{ kpis(frist: 1) { x } }"])
async def test_field_suggestions_are_not_made(reader: httpx.AsyncClient, document: str) -> None:
    answer = await asked(reader, document)
    assert answer["errors"]
    assert "did you mean" not in json.dumps(answer).lower()


@pytest.mark.parametrize("name", OVERLOADS)
async def test_overload_is_refused_without_data(database: Database, service: httpx.AsyncClient, name: str) -> None:
    """Also with a key that may see the schema."""
    key = await key_of(database, *Scope)
    found = await service.post("/graphql", json={"query": OVERLOADS[name]}, headers=bearing(key))
    answer = found.json()
    assert "data" not in answer
    assert codes(answer) == ["LIMIT_EXCEEDED"]


async def test_circular_fragment_is_refused(reader: httpx.AsyncClient) -> None:
    answer = await asked(reader, CIRCULAR_FRAGMENT)
    assert "data" not in answer
    assert "within itself" in answer["errors"][0]["message"]


async def test_batch_of_queries_is_refused(reader: httpx.AsyncClient) -> None:
    answer = await reader.post("/graphql", json=[{"query": "{ __typename }"}] * 10)
    assert (answer.status_code, codes(answer.json())) == (400, ["BAD_REQUEST"])


async def test_mutation_by_get_is_refused(service: httpx.AsyncClient, database: Database) -> None:
    key = await key_of(database, *Scope)
    answer = await service.get("/graphql", params={"query": MUTATION}, headers=bearing(key))
    assert (answer.status_code, codes(answer.json())) == (405, ["METHOD_NOT_ALLOWED"])


async def test_query_by_get_opens_with_a_header_only_so_that_no_other_site_can_send_it(
    service: httpx.AsyncClient, reader: httpx.AsyncClient, database: Database
) -> None:
    """graphql-cop warns of GET as such; a page of another site can add a cookie to it, but no Authorization."""
    params = {"query": "{ __typename }"}
    assert (await reader.get("/graphql", params=params)).json()["data"] == {"__typename": "Query"}
    key = await key_of(database, *Scope)
    for cookie in ({}, {"cookie": f"{COOKIE}={key}"}):
        assert (await service.get("/graphql", params=params, headers=cookie)).status_code == 401
    assert (await service.get("/graphql", params={**params, "key": key, "access_token": key})).status_code == 401


@pytest.mark.parametrize("media", SIMPLE_FORMS)
async def test_post_in_a_form_that_other_sites_may_send_is_refused(reader: httpx.AsyncClient, media: str) -> None:
    for body in (b"query=%7B__typename%7D", b'{"query": "{ __typename }"}'):
        answer = await reader.post("/graphql", content=body, headers={"content-type": media})
        assert (answer.status_code, codes(answer.json())) == (415, ["UNSUPPORTED_MEDIA_TYPE"])


@pytest.mark.parametrize("path", ["/graphiql", "/playground", "/console", "/graphql", "/altair", "/voyager", "/docs"])
async def test_ide_is_not_there(reader: httpx.AsyncClient, path: str) -> None:
    answer = await reader.get(path, headers={"accept": "text/html"})
    assert answer.status_code in {404, 406}
    assert not any(mark in answer.text.lower() for mark in IDE_MARKS)


@pytest.mark.parametrize("document", ["{ __typename }", "qwerty cop { abc }", "{ kpis(first: 101) { totalCount } }"])
async def test_no_answer_traces_or_tells_what_it_runs_on(reader: httpx.AsyncClient, document: str) -> None:
    for extra in ({}, {"extensions": {"tracing": True, "debug": True}}):
        asking = {"x-apollo-tracing": "1", "apollo-query-plan-experimental": "1", "debug": "true"}
        answer = await reader.post("/graphql", json={"query": document, **extra}, headers=asking)
        assert set(answer.json().get("extensions", {})) <= {"cost"}
        assert not any(word in answer.text.lower() for word in TRACES)
        assert "server" not in answer.headers


@pytest.mark.parametrize("query", ["qwerty cop { abc }", "", "{", "\0", "query", "{ viewer }", '"""'])
async def test_error_is_handled(reader: httpx.AsyncClient, query: str) -> None:
    answer = await reader.post("/graphql", json={"query": query})
    assert answer.status_code in {200, 400}
    for error in answer.json()["errors"]:
        assert error["message"]
        assert error.get("extensions", {}).keys() <= {"code"}
