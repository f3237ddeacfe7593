"""The tracking API of Segment: what a message becomes, what is told of it, and that a retry never counts twice."""

import asyncio
import gzip
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
import pytest
import pytest_asyncio

from api.auth.keys import Scope
from api.database import Database
from api.doors import segment
from api.doors.bodies import CHUNK_ROWS
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Client, MakeKey, bearing
from tests.conftest import Ask

AT = "2026-06-02T08:00:00+00:00"
OUTCOMES = """
SELECT o.unit, e.name AS event, o.value, o.occurred_at FROM outcomes o JOIN events e ON e.id = o.event_id
WHERE o.workspace_id = $1 ORDER BY o.unit, o.occurred_at, e.name
"""
EXPOSURES = """
SELECT x.unit, v.key AS variant, x.exposed_at, x.attributes FROM exposures x JOIN variants v ON v.id = x.variant_id
JOIN experiments e ON e.id = x.experiment_id WHERE e.workspace_id = $1 ORDER BY x.unit
"""
TRAITS = "SELECT unit, name, value FROM traits WHERE workspace_id = $1 ORDER BY unit, name"
MEMBERSHIPS = "SELECT member, account, since_at FROM memberships WHERE workspace_id = $1 ORDER BY member"


class Send(Protocol):
    """Send messages."""

    async def __call__(self, *messages: Any, path: str = segment.BATCH, **more: Any) -> httpx.Response:
        """The answer."""


class Stored(Protocol):
    """Ask the database."""

    async def __call__(self, query: str) -> list[tuple[Any, ...]]:
        """The rows."""


def basic(key: str) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(f'{key}:'.encode()).decode()}"}


@pytest_asyncio.fixture
async def write_key(make_key: MakeKey) -> dict[str, str]:
    return basic(await make_key(Scope.INGEST))


@pytest.fixture
def send(client: Client, write_key: dict[str, str]) -> Send:
    """Send messages, as a batch or alone."""

    async def send(*messages: Any, path: str = segment.BATCH, **more: Any) -> httpx.Response:
        body = {"batch": list(messages), **more} if path == segment.BATCH else messages[0]
        return await client.post(path, json=body, headers=write_key)

    return send


@pytest.fixture
def stored(database: Database, workspace: Workspace) -> Stored:
    """What the test's workspace holds."""

    async def stored(query: str) -> list[tuple[Any, ...]]:
        async with database.raw() as connection:
            return [tuple(row) for row in await connection.fetch(query, workspace.id)]

    return stored


def track(event: str | None = "activated", **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "u1", "messageId": "m1", "timestamp": AT} | more


def viewed(event: str = "Experiment Viewed", *, properties: Any, **more: Any) -> dict[str, Any]:
    return track(event, properties=properties, **more)


def counts(answer: httpx.Response) -> tuple[int, int, int]:
    told = answer.json()
    assert (answer.status_code, told["success"]) == (200, True)
    return told["accepted"], told["duplicates"], told["rejected"]


def reasons(answer: httpx.Response) -> list[tuple[int, str, str]]:
    return [(row["line"], row["code"], row["path"]) for row in answer.json()["rejections"]]


def code(answer: httpx.Response) -> tuple[int, str]:
    told = answer.json()
    assert told["success"] is False
    assert told["message"] == told["errors"][0]["message"]
    return answer.status_code, told["code"]


async def test_messages_of_a_batch_become_rows_of_each_noun(send: Send, stored: Stored, started: str) -> None:
    assert started
    answer = await send(
        track("paid", properties={"value": "9.5", "revenue": 3}),
        track("refunded", userId=None, anonymousId="a1", messageId="m2", properties={"revenue": 4}),
        viewed(
            properties={"experiment_id": "guided-tour", "variation_id": "tour", "plan": "free", "seen": ["x"]},
            userId="u2",
        ),
        {"type": "page", "name": "Prices", "userId": "u3", "timestamp": AT},
        {
            "type": "identify",
            "userId": "u3",
            "traits": {"plan": "pro", "seats": 12, "email": "a@b.example", "company": {"name": "Acme", "size": 9}},
            "timestamp": AT,
        },
        {"type": "group", "userId": "u3", "groupId": "acme", "traits": {"industry": "steel"}, "timestamp": AT},
        {"type": "identify", "userId": 4, "context": {"traits": {"plan": "", "trial": True}}, "timestamp": AT},
    )
    at = datetime.fromisoformat(AT)
    assert counts(answer) == (12, 0, 0)
    assert await stored(OUTCOMES) == [("a1", "refunded", 4.0, at), ("u1", "paid", 9.5, at), ("u3", "page", None, at)]
    assert await stored(EXPOSURES) == [("u2", "tour", at, {"plan": "free"})]
    assert await stored(MEMBERSHIPS) == [("u3", "acme", at)]
    assert await stored(TRAITS) == [
        ("4", "plan", None),
        ("4", "trial", "true"),
        ("acme", "industry", "steel"),
        ("u3", "company.name", "Acme"),
        ("u3", "company.size", "9"),
        ("u3", "plan", "pro"),
        ("u3", "seats", "12"),
    ]


@pytest.mark.parametrize(
    ("path", "message", "query"),
    [
        ("/v1/track", {"event": "paid"}, OUTCOMES),
        ("/v1/page", {"name": "Prices"}, OUTCOMES),
        ("/v1/screen", {"name": "Prices"}, OUTCOMES),
        ("/v1/identify", {"traits": {"plan": "pro"}}, TRAITS),
        ("/v1/group", {"groupId": "acme"}, MEMBERSHIPS),
    ],
)
async def test_message_alone_is_taken_by_the_path_of_its_type(
    send: Send, stored: Stored, path: str, message: dict[str, Any], query: str
) -> None:
    answer = await send(message | {"userId": "u1", "messageId": "m1", "timestamp": AT}, path=path)
    assert counts(answer) == (1, 0, 0)
    assert len(await stored(query)) == 1


@pytest.mark.parametrize(
    ("event", "properties"),
    [
        ("Experiment Viewed", {"experiment_id": "guided-tour", "variation_id": "tour"}),
        ("Experiment Viewed", {"experimentId": "guided-tour", "variationId": "tour"}),
        ("experiment_viewed", {"experiment_id": "guided-tour", "variant_id": "tour"}),
        ("$feature_flag_called", {"$feature_flag": "guided-tour", "$feature_flag_response": "tour"}),
    ],
)
async def test_exposure_in_the_words_of_each_neighbour_is_taken(
    send: Send, stored: Stored, started: str, event: str, properties: dict[str, Any]
) -> None:
    assert started
    assert counts(await send(viewed(event, properties=properties))) == (1, 0, 0)
    assert [row[:2] for row in await stored(EXPOSURES)] == [("u1", "tour")]
    assert await stored(OUTCOMES) == []


async def test_exposure_to_what_is_no_experiment_is_rejected_and_a_flag_that_is_none_is_an_outcome(
    send: Send, stored: Stored, ask: Ask, started: str
) -> None:
    assert started
    answer = await send(
        viewed(properties={"experiment_id": "other", "variation_id": "tour"}),
        viewed("$feature_flag_called", properties={"$feature_flag": "dark-mode", "$feature_flag_response": True}),
        viewed("$feature_flag_called", properties={"$feature_flag": "a\0b"}, messageId="m2"),
        viewed("$feature_flag_called", properties={"$feature_flag": "guided-tour", "$feature_flag_response": True}),
        viewed(properties={}),
    )
    assert counts(answer) == (2, 0, 3)
    assert reasons(answer) == [
        (1, "UNKNOWN_EXPERIMENT", "experiment"),
        (4, "UNKNOWN_VARIANT", "variant"),
        (5, "MALFORMED", "experiment"),
    ]
    assert [row[1] for row in await stored(OUTCOMES)] == ["$feature_flag_called"] * 2
    kept = (await ask("{ rejections { edges { node { noun code } } } }"))["rejections"]["edges"]
    assert sorted(edge["node"]["code"] for edge in kept) == ["MALFORMED", "UNKNOWN_EXPERIMENT", "UNKNOWN_VARIANT"]


async def test_rejected_exposure_counts_once_its_experiment_is_there(
    send: Send, stored: Stored, ask: Ask, drafted: str
) -> None:
    message = viewed(properties={"experimentId": "guided-tour", "variationId": "tour", "plan": "free"})
    assert reasons(await send(message)) == [(1, "NOT_STARTED", "experiment")]
    await ask(documents.EXPERIMENT_START, {"input": {"id": drafted, "startedAt": "2026-06-01T00:00:00Z"}})
    replayed = await ask(documents.REJECTIONS_REPLAY, {"input": {"filter": {"noun": "EXPOSURES"}}})
    assert [row["outcome"] for row in replayed["rejectionsReplay"]["results"]] == ["ACCEPTED"]
    assert [row[:2] for row in await stored(EXPOSURES)] == [("u1", "tour")]


async def test_messages_that_are_wrong_are_told_and_their_neighbours_count(
    client: Client, write_key: dict[str, str]
) -> None:
    messages = [
        json.dumps(message)
        for message in (
            "text",
            track(type="payment"),
            track(),
            track(event=None),
            track(userId=None),
            track(timestamp="yesterday"),
            track(timestamp="2026-06-02T08:00:00"),
            {"type": "alias", "previousId": "a1", "userId": "u1"},
            {"type": "group", "userId": "u1"},
            {"type": "identify", "userId": "u1", "traits": {f"t{n}": n for n in range(101)}},
            track(userId="u\0"),
            track(messageId="m2", properties=["value"]),
        )
    ]
    half = '{"type": "track", "event": "\\ud800"}'
    body = '{"batch": [' + ", ".join([*messages, half]) + "]}"
    answer = await client.post(
        segment.BATCH, content=body, headers={**write_key, "content-type": "application/json; charset=utf-8"}
    )
    assert counts(answer) == (2, 0, 11)
    assert reasons(answer) == [
        (1, "MALFORMED", "row"),
        (2, "UNSUPPORTED", "row"),
        (4, "MALFORMED", "event"),
        (5, "MALFORMED", "unit"),
        (6, "MALFORMED", "occurredAt"),
        (7, "MALFORMED", "occurredAt"),
        (8, "UNSUPPORTED", "row"),
        (9, "MALFORMED", "row"),
        (10, "TOO_MANY_TRAITS", "row"),
        (11, "BAD_TEXT", "unit"),
        (13, "MALFORMED", "row"),
    ]


def sent(seconds_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()


@pytest.mark.parametrize("seconds", [0.0, 29.0, 31.0, 3_570.0, 3_599.0, -86_390.0])
async def test_batch_that_is_sent_again_counts_once_whatever_the_clock_of_the_sender(
    send: Send, stored: Stored, started: str, seconds: float
) -> None:
    """Clocks that are wrong by about half a minute are where the first and the second sending round differently."""
    assert started
    batch = [
        track(f"e{n}", userId=f"u{n}", messageId=f"m{n}", properties={"value": n}, timestamp=AT) for n in range(3)
    ] + [viewed(properties={"experiment_id": "guided-tour", "variation_id": "tour"}, timestamp=AT)]
    assert counts(await send(*batch, sentAt=sent(seconds))) == (4, 0, 0)
    first = await stored(OUTCOMES)
    for way in (2.0, -2.0, 10.0):
        assert (await send(*batch, sentAt=sent(seconds + way))).json()["accepted"] in {0, 1}  # an earlier exposure
        assert await stored(OUTCOMES) == first
    assert len(await stored(EXPOSURES)) == 1


async def test_time_of_a_sender_whose_clock_is_wrong_is_set_right(send: Send, stored: Stored) -> None:
    hour_behind = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    await send(track("slow", timestamp=AT), sentAt=hour_behind)
    await send(track("right", messageId="m2", timestamp=AT), sentAt=sent(1))
    await send(
        track("passed on", messageId="m3", originalTimestamp="2020-01-01T00:00:00Z", receivedAt=AT), sentAt=hour_behind
    )
    at = datetime.fromisoformat(AT)
    assert [(row[1], row[3]) for row in await stored(OUTCOMES)] == [
        ("passed on", at),
        ("right", at),
        ("slow", at + timedelta(hours=1)),
    ]


async def test_message_without_a_time_happened_when_it_came(send: Send, stored: Stored) -> None:
    before = datetime.now(UTC)
    assert counts(await send({"type": "track", "event": "paid", "userId": "u1"})) == (1, 0, 0)
    assert before <= (await stored(OUTCOMES))[0][3] <= datetime.now(UTC)


async def test_batch_that_is_packed_is_taken(client: Client, write_key: dict[str, str]) -> None:
    packed = gzip.compress(json.dumps({"batch": [track()]}).encode())
    headers = {**write_key, "content-type": "application/json", "content-encoding": "gzip"}
    assert counts(await client.post(segment.BATCH, content=packed, headers=headers)) == (1, 0, 0)
    assert code(await client.post(segment.BATCH, content=packed[:-9], headers=headers)) == (400, "BAD_REQUEST")
    bomb = gzip.compress(bytes(50_000_000))
    assert code(await client.post(segment.BATCH, content=bomb, headers=headers)) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        (segment.BATCH, b"null", (400, "BAD_REQUEST")),
        (segment.BATCH, b'"text"', (400, "BAD_REQUEST")),
        (segment.BATCH, b"{}", (400, "BAD_REQUEST")),
        (segment.BATCH, b'{"batch": {}}', (400, "BAD_REQUEST")),
        (segment.BATCH, b'{"batch": [{]}', (400, "BAD_REQUEST")),
        (segment.BATCH, b'{"batch": [' + b"[" * 100_000, (400, "BAD_REQUEST")),
        (segment.BATCH, b'{"batch": [], "sentAt": ' + b"9" * 5_000 + b"}", (400, "BAD_REQUEST")),
        (segment.BATCH, b'{"batch": [1' + b",1" * CHUNK_ROWS + b"]}", (413, "PAYLOAD_TOO_LARGE")),
        ("/v1/track", b"[]", (400, "BAD_REQUEST")),
        ("/v1/track", b'{"event": "\\ud800"}', (400, "BAD_REQUEST")),
        ("/v1/track", b'{"event": "\xff"}', (400, "BAD_REQUEST")),
    ],
)
async def test_body_that_is_no_message_is_refused_as_a_whole(
    client: Client, write_key: dict[str, str], path: str, body: bytes, fault: tuple[int, str]
) -> None:
    answer = await client.post(path, content=body, headers={**write_key, "content-type": "application/json"})
    assert code(answer) == fault


async def test_body_of_another_media_type_is_refused(client: Client, write_key: dict[str, str]) -> None:
    answer = await client.post(segment.BATCH, content=b"batch=1", headers={**write_key, "content-type": "text/plain"})
    assert code(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_key_is_a_bearers_too_and_must_be_one_that_ingests(client: Client, make_key: MakeKey) -> None:
    body = {"batch": [track()]}
    ingests, reads = await make_key(Scope.INGEST), await make_key(Scope.READ)
    assert counts(await client.post(segment.BATCH, json=body, headers=bearing(ingests))) == (1, 0, 0)
    assert code(await client.post(segment.BATCH, json=body, headers=basic(reads))) == (403, "FORBIDDEN")
    for headers in ({}, basic("tl_none_none"), {"authorization": "Basic ***"}, {"authorization": "Basic /w=="}):
        answer = await client.post(segment.BATCH, json=body, headers=headers)
        assert code(answer) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == 'Basic realm="truelift"'


async def test_batch_leaves_an_entry_in_the_audit_trail(send: Send, stored: Stored) -> None:
    await send(track(), {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}, "timestamp": AT})
    entries = await stored("SELECT action, details::text FROM audit_entries WHERE workspace_id = $1")
    assert [action for action, _ in entries] == [segment.BATCH]
    assert [batch["noun"] for batch in json.loads(entries[0][1])["ledger"]] == ["outcomes", "traits"]


async def test_batches_that_come_at_once_and_share_messages_are_all_taken_and_count_once(
    client: Client, write_key: dict[str, str], stored: Stored, started: str
) -> None:
    assert started
    viewed_tour = {"experiment_id": "guided-tour", "variation_id": "tour"}
    messages = [
        message
        for n in range(20)
        for message in (
            track("paid", userId=f"u{n}", messageId=f"m{n}"),
            viewed(properties=viewed_tour, userId=f"u{n}", messageId=f"v{n}"),
            {"type": "identify", "userId": f"u{n}", "traits": {"plan": "pro"}, "timestamp": AT},
            {"type": "group", "userId": f"u{n}", "groupId": "acme", "timestamp": AT},
        )
    ]
    orders = [(messages[n * 10 :] + messages[: n * 10])[:: 1 if n % 2 else -1] for n in range(8)]
    answers = await asyncio.gather(
        *(client.post(segment.BATCH, json={"batch": order}, headers=write_key) for order in orders)
    )
    assert sum(counts(answer)[0] for answer in answers) == 80
    assert sum(counts(answer)[1] for answer in answers) == 80 * 7
    assert [len(await stored(query)) for query in (OUTCOMES, EXPOSURES, TRAITS, MEMBERSHIPS)] == [20] * 4
