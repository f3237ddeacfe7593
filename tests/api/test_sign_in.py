"""Signing a browser in and out, and the cookie between."""

from datetime import UTC, datetime

import pytest

from api.auth import keys, sign_ins
from api.auth.cookies import LONGEST, SIGNED_IN, WANTED
from api.auth.keys import Scope
from api.auth.sign_ins import LIFETIME
from api.database import Database
from kpi.tables import Workspace
from tests.api.conftest import SECRET, Client, MakeKey, bearing

OTHER_SECRET = b"another secret of 32 characters."


async def signed_in_at(database: Database, key: str, secret: bytes, now: datetime) -> str:
    """The cookie of a browser that signed in with a key at some time, at a server with some secret."""
    async with database.write() as session:
        caller = await keys.caller(session, key, SECRET, datetime.now(UTC))
        assert caller is not None
        return await sign_ins.with_key(session, caller, secret=secret, now=now)


def changed(cookie: str) -> str:
    """A cookie with its last letter but three another."""
    return f"{cookie[:-3]}{'A' if cookie[-3] != 'A' else 'B'}{cookie[-2:]}"


async def sign_in(client: Client, key: str, **headers: str) -> int:
    """The status of the form's answer; the client keeps the cookie."""
    answer = await client.post("/sign-in", data={"key": key}, headers=headers)
    return answer.status_code


async def is_signed_in(client: Client) -> bool:
    answer = await client.get("/")
    assert answer.status_code in {200, 303}
    assert answer.status_code == 200 or answer.headers["location"] == "/sign-in"
    return answer.status_code == 200


async def test_browser_signs_in_with_a_read_key_and_out_again(client: Client, make_key: MakeKey) -> None:
    assert not await is_signed_in(client)
    answer = await client.post("/sign-in", data={"key": f"  {await make_key(Scope.READ)}\n"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    signed_in, _ = answer.headers.get_list("set-cookie")
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={12 * 3600}"} <= set(signed_in.split("; "))
    assert await is_signed_in(client)
    assert (await client.get("/sign-in")).headers["location"] == "/"
    assert (await client.post("/sign-out")).headers["location"] == "/sign-in"
    assert not await is_signed_in(client)


@pytest.mark.parametrize("page", ["/kpis/nrr?granularity=MONTH&segment=plan%3Dpro", "/reviews", "/settings"])
async def test_who_wanted_a_page_is_shown_it_once_signed_in(client: Client, make_key: MakeKey, page: str) -> None:
    key = await make_key(Scope.READ)
    assert (await client.get(page)).headers["location"] == "/sign-in"
    assert (await client.post("/sign-in", data={"key": "wrong"})).status_code == 403
    assert (await client.post("/sign-in", data={"key": key})).headers["location"] == page
    assert (await client.post("/sign-in", data={"key": key})).headers["location"] == "/"  # wanted once


@pytest.mark.parametrize("elsewhere", ["//evil.test/", "/\\evil.test/", "https://evil.test/", "", "kpis"])
async def test_cookie_that_names_another_site_leads_nowhere(client: Client, make_key: MakeKey, elsewhere: str) -> None:
    headers = {"cookie": f"{WANTED}={elsewhere}"}
    answer = await client.post("/sign-in", data={"key": await make_key(Scope.READ)}, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_address_that_is_too_long_is_not_kept(client: Client) -> None:
    answer = await client.get(f"/alerts?state=open&after={'a' * LONGEST}")
    assert (answer.headers["location"], answer.headers.get("set-cookie")) == ("/sign-in", None)


async def test_cookie_travels_only_over_https_when_the_page_came_that_way(client: Client, make_key: MakeKey) -> None:
    key = await make_key(Scope.READ)
    secure = await client.post("https://truelift.test/sign-in", data={"key": key})
    assert "Secure" in secure.headers["set-cookie"]
    assert key not in secure.headers["set-cookie"]


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.READ])
async def test_key_that_may_not_read_signs_nobody_in(client: Client, make_key: MakeKey, scope: Scope) -> None:
    assert await sign_in(client, await make_key(scope)) == 403
    assert SIGNED_IN not in client.cookies


@pytest.mark.parametrize("body", ["", "key=", "key=nonsense", "key=%00%ff", "other=1", "key=a&key=b"])
async def test_form_without_a_key_signs_nobody_in(client: Client, body: str) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client.post("/sign-in", content=body, headers=form)
    assert answer.status_code == 403
    assert SIGNED_IN not in client.cookies


async def test_form_that_is_broken_is_400(client: Client) -> None:
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert (await client.post("/sign-in", content=b"--y\r\n\r\n", headers=broken)).status_code == 400
    assert (await client.post("/sign-in", files={"key": b"a file"})).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "https://truelift.test"},
        {"origin": "http://truelift.test:8000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://truelift.test", "sec-fetch-site": "cross-site"},
    ],
)
async def test_form_from_another_origin_signs_nobody_in_or_out(
    client: Client, make_key: MakeKey, headers: dict[str, str]
) -> None:
    key = await make_key(Scope.READ)
    assert await sign_in(client, key, **headers) == 403
    assert not await is_signed_in(client)
    assert await sign_in(client, key, origin="http://truelift.test") == 303
    await client.post("/sign-out", headers=headers)
    assert await is_signed_in(client)


async def test_revoking_a_key_signs_its_browsers_out_at_once(
    client: Client, database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    key = await make_key(Scope.READ)
    await sign_in(client, key)
    assert await is_signed_in(client)
    async with database.write() as session:
        await keys.revoke(session, workspace.id, key.split("_")[1], datetime.now(UTC))
    assert not await is_signed_in(client)


@pytest.mark.parametrize(
    "change", ["", "over", "another server's", "one letter changed", "key itself", "half", "nothing"]
)
async def test_browser_with_a_cookie_that_is_none_is_sent_to_sign_in(
    client: Client, database: Database, make_key: MakeKey, change: str
) -> None:
    key = await make_key(Scope.READ)
    public_id, now = key.split("_")[1], datetime.now(UTC)
    cookie = {
        "": "",
        "over": await signed_in_at(database, key, SECRET, now - LIFETIME),
        "another server's": await signed_in_at(database, key, OTHER_SECRET, now),
        "one letter changed": changed(await signed_in_at(database, key, SECRET, now)),
        "key itself": key,
        "half": f"in_{public_id}",
        "nothing": "\x7f",
    }[change]
    client.cookies.set(SIGNED_IN, cookie)
    assert not await is_signed_in(client)


async def test_cookie_opens_the_pages_and_not_the_api(client: Client, make_key: MakeKey) -> None:
    await sign_in(client, await make_key(Scope.READ))
    answer = await client.post("/graphql", json={"query": "{ viewer { workspace } }"})
    assert answer.status_code == 401


async def test_key_in_a_header_opens_the_api_and_not_the_pages(client: Client, make_key: MakeKey) -> None:
    answer = await client.get("/", headers=bearing(await make_key(Scope.READ)))
    assert answer.status_code == 303
