"""One-time links, and what a browser that is signed in as a member may do until it is signed out."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from api.auth import keys, membership
from api.auth.keys import Caller
from api.auth.sign_ins import LIFETIME, LINK_LIFETIME
from api.auth.tables import Role
from api.auth.tenants import ensure_workspace
from api.database import Database
from kpi.actor import Actor
from kpi.tables import Workspace
from tests.api.conftest import SECRET, Client, MakeKey
from tests.api.people import OWN, invited, linked, present, signed_in

COOKIE = "truelift_session"
VIEWER = '{"query": "{ viewer { name workspace role } }"}'
REMOVE = "mutation M($input: MemberRemoveInput!) { memberRemove(input: $input) { userErrors { code } } }"


async def is_signed_in(client: Client) -> bool:
    return (await client.get("/")).status_code == 200


async def test_link_signs_its_member_in_once_after_they_confirm_it(
    client: Client, database: Database, workspace: Workspace
) -> None:
    token = await linked(database, await invited(database, workspace, Role.VIEWER))
    for _ in range(3):  # mail scanners and previews fetch what they find
        page = await client.get(f"/sign-in/link?token={token}")
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert "ada@example.org" in page.text
    assert not await is_signed_in(client)
    answer = await client.post("/sign-in/link", data={"token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={12 * 3600}"} <= set(
        answer.headers["set-cookie"].split("; ")
    )
    assert await is_signed_in(client)
    client.cookies.clear()
    assert (await client.post("/sign-in/link", data={"token": token})).status_code == 403
    assert (await client.get(f"/sign-in/link?token={token}")).status_code == 403
    assert not await is_signed_in(client)


async def test_sign_in_by_link_is_in_the_trail_with_the_member_as_actor(
    client: Client, database: Database, workspace: Workspace
) -> None:
    member = await invited(database, workspace, Role.VIEWER)
    await client.post("/sign-in/link", data={"token": await linked(database, member)})
    async with database.raw() as connection:
        (entry,) = await connection.fetch("SELECT * FROM audit_entries WHERE workspace_id = $1", workspace.id)
        state = await connection.fetchval("SELECT state FROM members WHERE id = $1", member.id)
    found = (entry["actor"], entry["key"], entry["action"], entry["node_type"], entry["node_id"])
    assert found == ("Ada", f"member-{member.id}", "/sign-in", "Member", str(member.id))
    assert state == "ACTIVE"


async def test_link_works_for_fifteen_minutes_and_no_longer(
    client: Client, database: Database, workspace: Workspace
) -> None:
    member, now = await invited(database, workspace, Role.VIEWER), datetime.now(UTC)
    assert timedelta(minutes=15) == LINK_LIFETIME
    old = await linked(database, member, now - LINK_LIFETIME)
    assert (await client.post("/sign-in/link", data={"token": old})).status_code == 403
    young = await linked(database, member, now - LINK_LIFETIME + timedelta(seconds=30))
    assert (await client.post("/sign-in/link", data={"token": young})).status_code == 303


@pytest.mark.parametrize("place", [0, 5, 10, 30, -3])
async def test_link_that_was_tampered_with_signs_nobody_in_and_uses_nothing_up(
    client: Client, database: Database, workspace: Workspace, place: int
) -> None:
    token = await linked(database, await invited(database, workspace, Role.VIEWER))
    letters = list(token)
    letters[place] = "0" if letters[place] != "0" else "1"
    answer = await client.post("/sign-in/link", data={"token": "".join(letters)})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert "ada@example.org" not in answer.text
    assert (await client.post("/sign-in/link", data={"token": token})).status_code == 303


@pytest.mark.parametrize("token", ["", "link__", "link_0_0", "\x00", "in_0_0", "²", "x" * 5_000])
async def test_text_that_is_no_link_signs_nobody_in(client: Client, token: str) -> None:
    assert (await client.post("/sign-in/link", data={"token": token})).status_code == 403
    assert (await client.get("/sign-in/link", params={"token": token})).status_code == 403


async def test_link_of_a_member_who_is_removed_or_got_another_signs_nobody_in(
    client: Client, database: Database, workspace: Workspace
) -> None:
    member = await invited(database, workspace, Role.VIEWER)
    first = await linked(database, member)
    second = await linked(database, member)
    assert (await client.post("/sign-in/link", data={"token": first})).status_code == 403
    await removed(database, member.workspace_id, member.id)
    assert (await client.post("/sign-in/link", data={"token": second})).status_code == 403


async def test_link_of_another_origins_form_signs_nobody_in(
    client: Client, database: Database, workspace: Workspace
) -> None:
    token = await linked(database, await invited(database, workspace, Role.VIEWER))
    for headers in ({"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}):
        assert (await client.post("/sign-in/link", data={"token": token}, headers=headers)).status_code == 403
    assert not await is_signed_in(client)


async def test_member_sees_their_own_workspace_whatever_others_their_mailbox_is_in(
    client: Client, database: Database, workspace: Workspace
) -> None:
    async with database.write() as session:
        other = await ensure_workspace(session, f"{workspace.key}-other", datetime.now(UTC))
    await present(database, other, Role.ADMIN)
    token = await linked(database, await invited(database, workspace, Role.VIEWER))
    await client.post("/sign-in/link", data={"token": token})
    answer = await client.post("/graphql", content=VIEWER, headers=OWN)
    assert answer.json()["data"]["viewer"] == {"name": "Ada", "workspace": workspace.key, "role": "VIEWER"}


async def test_secret_of_a_link_and_of_a_cookie_is_nowhere_in_the_database(
    database: Database, workspace: Workspace
) -> None:
    member = await invited(database, workspace, Role.VIEWER)
    cookie, token = await signed_in(database, member), await linked(database, member)
    async with database.raw() as connection:
        rows = await connection.fetch(
            "SELECT l::text AS shown, token_hash FROM sign_in_links l WHERE member_id = $1"
            " UNION ALL SELECT s::text, token_hash FROM sign_ins s WHERE member_id = $1",
            member.id,
        )
    assert len(rows) == 2
    for secret in (text.split("_", 2)[2] for text in (cookie, token)):
        assert not any(secret in row["shown"] or secret.encode() in row["token_hash"] for row in rows)


async def test_cookie_over_https_belongs_to_this_host_alone(
    client: Client, database: Database, workspace: Workspace
) -> None:
    token = await linked(database, await invited(database, workspace, Role.VIEWER))
    answer = await client.post("https://truelift.test/sign-in/link", data={"token": token})
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-truelift_session=in_")
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)
    client.cookies.clear()
    plain = {"cookie": f"{COOKIE}={name.partition('=')[2]}"}
    assert (await client.get("https://truelift.test/", headers=plain)).status_code == 303  # set by who knows whom


async def test_browser_is_signed_in_for_twelve_hours_or_until_it_signs_out(
    client: Client, database: Database, workspace: Workspace
) -> None:
    member, now = await invited(database, workspace, Role.VIEWER), datetime.now(UTC)
    client.cookies.set(COOKIE, await signed_in(database, member, now - LIFETIME))
    assert not await is_signed_in(client)
    client.cookies.set(COOKIE, young := await signed_in(database, member, now - LIFETIME + timedelta(minutes=1)))
    assert await is_signed_in(client)
    await client.post("/sign-out", headers={"origin": "https://evil.test"})
    assert await is_signed_in(client)
    await client.post("/sign-out")
    client.cookies.set(COOKIE, young)  # whoever kept it has nothing
    assert not await is_signed_in(client)


async def test_sign_ins_that_are_long_over_are_forgotten(database: Database, workspace: Workspace) -> None:
    member, now = await invited(database, workspace, Role.VIEWER), datetime.now(UTC)
    for hours in (25, 13, 0):
        await signed_in(database, member, now - timedelta(hours=hours))
    async with database.raw() as connection:
        times = await connection.fetch("SELECT created_at FROM sign_ins WHERE member_id = $1 ORDER BY 1", member.id)
    assert [now - row["created_at"] for row in times] == [timedelta(hours=13), timedelta(0)]


async def removed(database: Database, workspace_id: int, member_id: int) -> None:
    actor = Actor(workspace_id=workspace_id, name="setup", id="setup", now=datetime.now(UTC))
    async with database.write() as session:
        await membership.remove(session, actor=actor, which=member_id)


async def test_member_who_is_removed_is_signed_out_at_once(
    client: Client, database: Database, workspace: Workspace
) -> None:
    member = await present(database, workspace, Role.VIEWER)
    client.cookies.set(COOKIE, await signed_in(database, member))
    assert await is_signed_in(client)
    await removed(database, workspace.id, member.id)
    assert not await is_signed_in(client)
    assert (await client.post("/graphql", content=VIEWER, headers=OWN)).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"x-truelift-page": None},
        {"origin": None},
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://truelift.test:81"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": None, "sec-fetch-site": "none"},
    ],
)
async def test_cookie_opens_graphql_to_a_script_of_our_own_page_alone(
    client: Client, database: Database, workspace: Workspace, change: dict[str, str | None]
) -> None:
    client.cookies.set(COOKIE, await signed_in(database, await invited(database, workspace, Role.ADMIN)))
    assert (await client.post("/graphql", content=VIEWER, headers=OWN)).status_code == 200
    headers = {name: value for name, value in (OWN | change).items() if value is not None}
    answer = await client.post("/graphql", content=VIEWER, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_cookie_opens_graphql_to_json_alone(
    client: Client, database: Database, workspace: Workspace, media: str
) -> None:
    client.cookies.set(COOKIE, await signed_in(database, await invited(database, workspace, Role.ADMIN)))
    assert (await client.post("/graphql", content=VIEWER, headers=OWN | {"content-type": media})).status_code == 415
    asked = await client.get("/graphql", params={"query": "{ viewer { name } }"}, headers=OWN)
    assert asked.status_code == 401


async def test_page_that_names_its_origin_by_the_browsers_own_header_alone_is_ours(
    client: Client, database: Database, workspace: Workspace
) -> None:
    client.cookies.set(COOKIE, await signed_in(database, await invited(database, workspace, Role.ADMIN)))
    headers = {name: value for name, value in OWN.items() if name != "origin"} | {"sec-fetch-site": "same-origin"}
    assert (await client.post("/graphql", content=VIEWER, headers=headers)).status_code == 200


async def test_key_that_is_rotated_signs_its_browsers_out_when_the_grace_is_over(
    client: Client, database: Database, make_key: MakeKey, caller: Caller
) -> None:
    key = await make_key(*keys.Scope)
    await client.post("/sign-in", data={"key": key})
    for grace, stays in ((timedelta(hours=1), True), (timedelta(0), False)):
        async with database.write() as session:
            row = await keys.lock(session, caller.workspace_id, key.split("_")[1])
            assert row is not None
            await keys.rotate(session, row, secret=SECRET, now=datetime.now(UTC), grace=grace)
        assert await is_signed_in(client) is stays


async def test_settings_show_an_admin_members_and_keys_and_others_only_themselves(
    client: Client, database: Database, workspace: Workspace, make_key: MakeKey
) -> None:
    key = await make_key(keys.Scope.READ)
    admin = await present(database, workspace, Role.ADMIN)
    viewer = await present(database, workspace, Role.VIEWER, "bob@example.org")
    client.cookies.set(COOKIE, await signed_in(database, admin))
    page = (await client.get("/settings")).text
    assert "bob@example.org" in page
    assert f"tl_{key.split('_')[1]}_…" in page
    assert key not in page
    client.cookies.set(COOKIE, await signed_in(database, viewer))
    page = (await client.get("/settings")).text
    assert "bob@example.org" in page
    assert not re.search("ada@example.org|tl_[0-9a-f]{16}_", page)
    client.cookies.clear()
    assert (await client.get("/settings")).headers["location"] == "/sign-in"
