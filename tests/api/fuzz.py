"""Bodies, documents and parameters at random: whatever a stranger with a key sends, the answer is a proper one.

`python -m tests.api.fuzz 20000` (`make fuzz`) sends so many of each to the application, and a tenth as many websockets
with frames at random (`frames.py`) to a server, and says what it used of memory.
"""

import asyncio
import json
import random
import resource
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote, quote_from_bytes

import httpx
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_composite_type,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

import web
from api import embedded, schema
from api.app import build
from api.auth import keys
from api.auth.keys import Scope
from api.auth.tenants import ensure_workspace
from api.database import Database
from api.settings import Settings
from tests.api import frames
from tests.api.conftest import SECRET, bearing
from tests.api.public import PUBLIC
from tests.api.servers import serving

ROUND = 1_000
REFUSALS = {400, 405, 406, 413, 415}
TEXTS = ["", "a", "activation", "\0", "é", "🏃", "' OR 1=1 --", "%", "\\", "RXhwZXJpbWVudDox", "x" * 300, "2026-06-01"]
NUMBERS = [0, 1, -1, 100, 2**31 - 1, 2**31, -(2**31), 2**63, 10**30, 0.5, 1e308, 1e400]
MEDIA = ["application/json"] * 6 + ["application/json; charset=utf-16", "text/plain", "", "application/json;;=", "\xff"]
ACCEPTS = ["", "*/*", "application/json", "application/graphql-response+json", "text/event-stream", ";q=,", "text/html"]
TOKENS = [
    *'{}()[]:!$@"',
    "...",
    "on",
    "query",
    "mutation",
    "fragment",
    "a",
    "viewer",
    "workspace",
    "1",
    "null",
    '"""',
    "#",
]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(TEXTS)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
requests = st.fixed_dictionaries(
    {},
    optional={
        "query": st.sampled_from(["{ viewer { workspace } }", "query Q($a: Int) { kpis(first: $a) { totalCount } }"])
        | values,
        "variables": values | st.dictionaries(st.just("a"), values),
        "operationName": values,
        "extensions": values,
    },
)
written = (requests | values).map(json.dumps).map(str.encode)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A request that was cut, doubled or overwritten on its way."""
    body = draw(written)
    place, rest = draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))
    return body[:place] + draw(st.binary(max_size=8)) + body[rest:]


bodies = st.binary(max_size=200) | written | damaged()


@st.composite
def parameters(draw: st.DrawFn) -> str:
    """What follows the question mark of a GET: a request as it should be, twice, cut, or of bytes that are no text."""
    names = st.sampled_from(["query", "query", "variables", "operationName", "extensions", "\0", "é", ""])
    plain = st.sampled_from([b"{ viewer { workspace } }", b"mutation { a }", b"{}", b"[]", b"null", b'{"a": 1}', b""])
    pairs = draw(st.lists(st.tuples(names, plain | written | st.binary(max_size=60)), max_size=5))
    text = "&".join(f"{quote(name)}={quote_from_bytes(value)}" for name, value in pairs)
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 3)) == 0 else text


def document(found: random.Random) -> str:
    """A document: of the schema, of a page but damaged, or of tokens."""
    kind = found.random()
    if kind < 0.2:
        return " ".join(found.choices(TOKENS, k=found.randrange(40)))
    if kind < 0.35:
        text, place = found.choice([*web.documents.values()]), found.randrange(400)
        return text[:place] + "".join(found.choices(TOKENS, k=3)) + text[place + found.randrange(30) :]
    root = found.choice([PUBLIC.query_type, PUBLIC.query_type, PUBLIC.mutation_type, PUBLIC.subscription_type])
    assert root is not None
    name = {PUBLIC.mutation_type: "mutation", PUBLIC.subscription_type: "subscription"}.get(root, "query")
    return f"{name} {_selections(found, root, 4)}"


def _selections(found: random.Random, parent: Any, depth: int) -> str:
    if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return "{ __typename }"
    fields = parent.fields.items()
    names = [name for name, field in fields if depth or not is_composite_type(get_named_type(field.type))]
    chosen = found.sample(names, min(len(names), found.randrange(1, 4))) or ["__typename"]
    return "{ " + " ".join(_field(found, parent.fields.get(name), name, depth) for name in chosen) + " }"


def _field(found: random.Random, field: GraphQLField | None, name: str, depth: int) -> str:
    if field is None:
        return name
    given_args = [
        f"{key}: {_literal(found, stated.type, 4)}"
        for key, stated in field.args.items()
        if isinstance(stated.type, GraphQLNonNull) or found.random() < 0.5
    ]
    below = get_named_type(field.type)
    return (
        name
        + (f"({' '.join(given_args)})" if given_args else "")
        + (f" {_selections(found, below, max(depth - 1, 0))}" if is_composite_type(below) else "")
    )


def _literal(found: random.Random, kind: GraphQLInputType, depth: int) -> str:
    """A value of a type; one in ten is of another, or null."""
    if found.random() < 0.1:
        return found.choice(["null", "{}", "[]", "A", json.dumps(found.choice(TEXTS)), str(found.choice(NUMBERS[:9]))])
    if isinstance(kind, GraphQLNonNull):
        return _literal(found, kind.of_type, depth)
    if isinstance(kind, GraphQLList):
        return f"[{' '.join(_literal(found, kind.of_type, depth - 1) for _ in range(found.randrange(3)))}]"
    return _object(found, kind, depth) if isinstance(kind, GraphQLInputObjectType) else _leaf(found, kind)


def _leaf(found: random.Random, kind: GraphQLInputType) -> str:
    if isinstance(kind, GraphQLEnumType):
        return str(found.choice([*kind.values]))
    plain = {
        "Int": str(found.choice(NUMBERS[:9])),
        "Float": f"{found.choice(NUMBERS[:11]):g}",
        "Boolean": found.choice(["true", "false"]),
    }
    return plain.get(str(kind)) or json.dumps(_text(found, str(kind)))


def _text(found: random.Random, kind: str) -> str:
    if kind == "DateTime" and found.random() < 0.7:
        return found.choice(["2026-06-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    if kind == "Date" and found.random() < 0.7:
        return found.choice(["2026-06-01", "0001-01-01", "9999-12-31"])
    return found.choice(TEXTS)


def _object(found: random.Random, kind: GraphQLInputObjectType, depth: int) -> str:
    members = [
        name
        for name, field in kind.fields.items()
        if isinstance(field.type, GraphQLNonNull) or (depth > 0 and found.random() < 0.5)
    ]
    chosen = [found.choice([*kind.fields])] if kind.is_one_of else members
    return "{" + " ".join(f"{name}: {_literal(found, kind.fields[name].type, depth - 1)}" for name in chosen) + "}"


documents = st.randoms(use_true_random=False).map(document)


async def send_body(client: httpx.AsyncClient, body: bytes, media: str, accept: str) -> httpx.Response:
    """Send a body as it is."""
    headers = [(b"content-type", media.encode("latin-1")), (b"accept", accept.encode())]
    return await client.post("/graphql", content=body, headers=headers)


async def send_document(client: httpx.AsyncClient, text: str) -> httpx.Response:
    """Send a document in a body that is right."""
    return await client.post("/graphql", json={"query": text}, headers={"accept": "application/json"})


async def send_parameters(client: httpx.AsyncClient, text: str, accept: str) -> httpx.Response:
    """Ask by GET."""
    return await client.get(f"/graphql?{text}", headers={"accept": accept})


def hold(answer: httpx.Response) -> str:
    """Check that an answer is a proper one; its status, and whether it was run."""
    assert answer.status_code in {200, *REFUSALS}, (answer.status_code, answer.text)
    if answer.headers["content-type"].startswith("text/event-stream"):
        assert "INTERNAL" not in answer.text, answer.text
        return "200 as a stream"
    body = answer.json()
    assert "data" in body or body["errors"]
    codes = {(error.get("extensions") or {}).get("code") for error in body.get("errors", [])}
    assert not codes & {"INTERNAL", "UNAVAILABLE"}, answer.text
    return f"{answer.status_code}{' and run' if 'data' in body else ''}"


def _rounds(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient, rounds: int, *, address: str, key: str) -> None:
    seen: Counter[str] = Counter()

    @given(body=bodies, media=st.sampled_from(MEDIA), accept=st.sampled_from(ACCEPTS))
    def with_body(body: bytes, media: str, accept: str) -> None:
        seen[hold(loop.run_until_complete(send_body(client, body, media, accept)))] += 1

    @given(text=documents)
    def with_document(text: str) -> None:
        seen[hold(loop.run_until_complete(send_document(client, text)))] += 1

    @given(text=parameters(), accept=st.sampled_from(ACCEPTS))
    def with_parameters(text: str, accept: str) -> None:
        seen[hold(loop.run_until_complete(send_parameters(client, text, accept)))] += 1

    @given(said=frames.conversations)
    def with_frames(said: list[frames.Frame]) -> None:
        seen[frames.hold(loop.run_until_complete(frames.send(address, key, said)))] += 1

    tests = {"bodies": with_body, "documents": with_document, "parameters": with_parameters, "websockets": with_frames}
    for name, test in tests.items():
        seen.clear()
        ruled = settings(
            max_examples=ROUND // 10 if name == "websockets" else ROUND,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )(test)
        began, before = monotonic(), _megabytes()
        for _ in range(rounds):
            ruled()
        counts = ", ".join(f"{status}: {count:,}" for status, count in sorted(seen.items()))
        Console().print(
            f"{seen.total():,} {name} in {monotonic() - began:.0f} s ({counts}); memory {before} to {_megabytes()} MB"
        )


def _megabytes() -> int:
    """What the process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1_000_000


async def _prepared(url: str) -> tuple[Database, httpx.AsyncClient, str]:
    database = Database(url)
    await schema.upgrade(database.engine)
    async with database.write() as session:
        workspace = await ensure_workspace(session, "fuzz", datetime.now(UTC))
        key = await keys.create(
            session,
            workspace_id=workspace.id,
            name="fuzz",
            scopes=[*Scope],
            secret=SECRET,
            now=datetime.now(UTC),
        )
    app = build(database, settings=Settings(), secret=SECRET, with_worker=False)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return database, httpx.AsyncClient(transport=transport, base_url="http://truelift.test", headers=bearing(key)), key


def main() -> None:
    """Send them all, and say what came of it."""
    folder = Path(tempfile.mkdtemp(prefix="truelift-fuzz-"))
    folder.chmod(0o755)
    loop = asyncio.new_event_loop()
    try:
        with embedded.running(folder / "database") as postgres:
            database, client, key = loop.run_until_complete(_prepared(postgres.url))
            opened = AsyncExitStack()
            service = loop.run_until_complete(opened.enter_async_context(serving(postgres.url)))
            _rounds(loop, client, int(sys.argv[1]) // ROUND, address=str(service.base_url), key=key)
            loop.run_until_complete(opened.aclose())
            loop.run_until_complete(client.aclose())
            loop.run_until_complete(database.close())
    finally:
        loop.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
