"""Some of the bodies and documents at random that `make fuzz` sends by the thousand."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.auth.keys import Scope
from tests.api import fuzz
from tests.api.conftest import Client, MakeKey, bearing

few = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def holder(client: Client, make_key: MakeKey) -> Client:
    """A client with a key that may do everything."""
    client.headers.update(bearing(await make_key(*Scope)))
    return client


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
