"""Some of what `make fuzz` sends at random by the thousand: bodies, documents, parameters and websockets."""

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.auth.keys import Scope
from api.database import Database
from tests.api import frames, fuzz
from tests.api.conftest import Client, MakeKey, bearing
from tests.api.servers import serving

few = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
async def holder(client: Client, make_key: MakeKey) -> Client:
    """A client with a key that may do everything."""
    client.headers.update(bearing(await make_key(*Scope)))
    return client


@pytest.fixture
async def listening(database_url: str, database: Database, make_key: MakeKey) -> AsyncIterator[tuple[str, str]]:
    """Where a server is, and a key that may do everything."""
    assert database  # at the newest schema
    key = await make_key(*Scope)
    async with serving(database_url) as service:
        yield str(service.base_url), key


@few
@given(body=fuzz.bodies, media=st.sampled_from(fuzz.MEDIA), accept=st.sampled_from(fuzz.ACCEPTS))
async def test_body_at_random_is_answered_or_refused_properly(
    holder: Client, body: bytes, media: str, accept: str
) -> None:
    fuzz.hold(await fuzz.send_body(holder, body, media, accept))


@few
@given(text=fuzz.documents)
async def test_document_at_random_is_answered_or_refused_properly(holder: Client, text: str) -> None:
    fuzz.hold(await fuzz.send_document(holder, text))


@settings(few, max_examples=80)
@given(text=fuzz.parameters(), accept=st.sampled_from(fuzz.ACCEPTS))
async def test_parameters_at_random_are_answered_or_refused_properly(holder: Client, text: str, accept: str) -> None:
    fuzz.hold(await fuzz.send_parameters(holder, text, accept))


@settings(few, max_examples=40)
@given(said=frames.conversations)
async def test_websocket_at_random_is_answered_or_closed_properly(
    listening: tuple[str, str], said: list[frames.Frame]
) -> None:
    frames.hold(await frames.send(*listening, said))


async def test_websocket_of_the_protocol_is_answered(listening: tuple[str, str]) -> None:
    asked = {"id": "1", "type": "subscribe", "payload": {"query": "{ viewer { workspace } }"}}
    code, heard = await frames.send(*listening, [json.dumps(asked)])
    assert code is None
    assert json.loads(heard[0]) == {"type": "connection_ack"}
    assert (await frames.send(*listening, ["{"]))[0] == 4400


@pytest.mark.parametrize(
    "answered", [(1011, []), (None, ['{"type": "data"}']), (None, ['{"type": "error", "payload": ["INTERNAL"]}'])]
)
def test_websocket_that_fails_is_found(answered: tuple[int | None, list[frames.Frame]]) -> None:
    with pytest.raises(AssertionError):
        frames.hold(answered)
