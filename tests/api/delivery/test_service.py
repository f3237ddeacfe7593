"""The service as it is run: the address asked for over HTTP, the worker in the same process, the settings' way out."""

from typing import Any

import httpx
from starlette.applications import Starlette

from api.app import build
from api.auth.keys import Scope
from api.database import Database
from api.settings import Settings
from tests.api import documents
from tests.api.conftest import SECRET, Client, MakeKey, bearing
from tests.api.delivery.receiving import Receiver
from tests.waiting import came


def service(database: Database, receiver: Receiver) -> Starlette:
    """The application with its worker, on connections of its own."""
    own = Database(database.engine.url.render_as_string(hide_password=False))
    settings = Settings(allowed_receivers=(receiver.origin,), refresh_seconds=300)
    return build(own, settings=settings, secret=SECRET, with_worker=True)


async def test_endpoint_registered_over_http_gets_a_test_that_its_secret_verifies(
    database: Database, receiver: Receiver, make_key: MakeKey
) -> None:
    app, key = service(database, receiver), await make_key(Scope.ADMIN)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), Client(transport=transport, base_url="http://t") as client:

        async def asked(verb: str, **given: str) -> dict[str, Any]:
            body = {"query": documents.endpoint(verb), "variables": {"input": given}}
            answer = (await client.post("/graphql", json=body, headers=bearing(key))).json()
            assert "errors" not in answer
            found: dict[str, Any] = answer["data"][f"endpoint{verb}"]
            assert found["userErrors"] == []
            return found

        made = await asked("Register", kind="WEBHOOK", address=receiver.origin)
        await asked("Test", id=made["endpoint"]["id"])

        async def has_come() -> bool:
            return bool(receiver.requests)

        await came(has_come)
    (request,) = receiver.requests
    assert request.verified(made["secret"])["type"] == "endpoint.tested"
