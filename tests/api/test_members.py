"""Members: inviting, changing and removing them, and what the trail says of it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api.auth.keys import Caller, Scope
from api.auth.tables import Member, MemberState, Role
from api.database import Database
from api.graphql.nodes import global_id
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Client, MakeKey, Try, bearing
from tests.api.people import as_member, faults, invited, present
from tests.conftest import Ask

LISTED = "{ members { totalCount nodes { id email name role state invitedBy lastSeenAt } } }"
WAITING = "SELECT count(*) FROM pg_locks, pg_sleep(0.01) WHERE NOT granted"
ACTIONS = "{ auditLog { nodes { actor key action node inputHash } } }"


async def change(attempt: Try, verb: str, given: dict[str, Any], caller: Caller | None = None) -> Any:
    answer = await attempt(documents.MEMBER % {"verb": verb}, {"input": given}, caller=caller)
    assert answer["errors"] == []
    return answer["data"][f"member{verb}"]


async def test_invited_person_is_a_member_by_their_mailbox_in_lower_case(ask: Ask, attempt: Try) -> None:
    given = {"email": " Ada@Example.org ", "name": " Ada Lovelace ", "role": "EDITOR"}
    payload = await change(attempt, "Invite", given)
    assert payload["userErrors"] == []
    (member,) = (await ask(LISTED))["members"]["nodes"]
    assert member == {
        "id": payload["member"]["id"],
        "email": "ada@example.org",
        "name": "Ada Lovelace",
        "role": "EDITOR",
        "state": "INVITED",
        "invitedBy": "test",
        "lastSeenAt": None,
    }


async def test_faults_of_an_invitation_are_told_all_at_once(ask: Ask, attempt: Try, caller: Caller) -> None:
    weak = replace(caller, scopes=frozenset({Scope.ADMIN, Scope.READ}))
    given = {"email": "nobody", "name": "  ", "role": "REVIEWER"}
    payload = await change(attempt, "Invite", given, weak)
    assert faults(payload) == [
        ("BAD_USER_INPUT", ["email"]),
        ("BAD_USER_INPUT", ["name"]),
        ("BAD_USER_INPUT", ["role"]),
    ]
    assert "decide, edit" in payload["userErrors"][2]["message"]
    assert (await ask(LISTED))["members"]["totalCount"] == 0


async def test_member_who_is_there_is_not_invited_and_one_who_is_gone_comes_back_as_somebody_new(
    database: Database, workspace: Workspace, attempt: Try
) -> None:
    member = await present(database, workspace, Role.VIEWER)
    again = {"email": "ADA@example.org", "name": "Ada", "role": "EDITOR"}
    assert faults(await change(attempt, "Invite", again)) == [("KEY_TAKEN", ["email"])]
    identity = global_id("Member", member.id)
    assert (await change(attempt, "Remove", {"id": identity}))["member"]["state"] == "REMOVED"
    assert faults(await change(attempt, "Remove", {"id": identity})) == [("WRONG_STATE", ["id"])]
    back = (await change(attempt, "Invite", again))["member"]
    assert (back["id"], back["state"], back["role"]) == (identity, "INVITED", "EDITOR")


async def test_workspace_keeps_its_last_admin_who_has_signed_in(
    database: Database, workspace: Workspace, attempt: Try
) -> None:
    only = global_id("Member", (await present(database, workspace, Role.ADMIN)).id)
    other = await invited(database, workspace, Role.ADMIN, "bob@example.org")
    assert faults(await change(attempt, "Update", {"id": only, "role": "EDITOR"})) == [("WRONG_STATE", ["role"])]
    assert faults(await change(attempt, "Remove", {"id": only})) == [("WRONG_STATE", ["id"])]
    assert faults(await change(attempt, "Update", {"id": only, "name": "Ada L."})) == []
    assert faults(await change(attempt, "Remove", {"id": global_id("Member", other.id)})) == []
    await present(database, workspace, Role.ADMIN, "eve@example.org")
    assert faults(await change(attempt, "Update", {"id": only, "role": "EDITOR"})) == []


async def test_of_two_admins_who_demote_each_other_at_once_one_stays(
    database: Database, workspace: Workspace, attempt: Try
) -> None:
    admins = [await present(database, workspace, Role.ADMIN, f"{name}@example.org") for name in ("ada", "bob")]
    payloads = await asyncio.gather(
        *(change(attempt, "Update", {"id": global_id("Member", one.id), "role": "VIEWER"}) for one in admins)
    )
    assert sorted(len(payload["userErrors"]) for payload in payloads) == [0, 1]


async def test_of_two_who_invite_one_mailbox_at_once_one_is_told_that_it_is_taken(
    database: Database, workspace: Workspace, attempt: Try
) -> None:
    given = {"email": "ada@example.org", "name": "Ada", "role": "VIEWER"}
    async with database.write() as session:
        session.add(row_of(workspace, given["email"]))
        await session.flush()
        late = asyncio.create_task(change(attempt, "Invite", given))
        async with database.raw() as connection:
            while not await connection.fetchval(WAITING):
                pass
    assert faults(await late) == [("KEY_TAKEN", ["email"])]


def row_of(workspace: Workspace, email: str) -> Member:
    return Member(
        workspace_id=workspace.id,
        email=email,
        name="Ada",
        role=Role.VIEWER,
        state=MemberState.INVITED,
        invited_by="setup",
        created_at=datetime.now(UTC),
    )


async def test_nobody_gives_a_role_that_may_do_what_they_may_not(
    database: Database, workspace: Workspace, attempt: Try, caller: Caller
) -> None:
    weak = replace(caller, scopes=frozenset({Scope.ADMIN, Scope.READ, Scope.EDIT}))
    member = global_id("Member", (await present(database, workspace, Role.VIEWER)).id)
    for role, path in (("EDITOR", []), ("REVIEWER", [("BAD_USER_INPUT", ["role"])]), ("VIEWER", [])):
        assert faults(await change(attempt, "Update", {"id": member, "role": role}, weak)) == path


async def test_stranger_finds_no_member_and_changes_none(
    database: Database, workspace: Workspace, attempt: Try, stranger: Caller
) -> None:
    member = global_id("Member", (await present(database, workspace, Role.VIEWER)).id)
    answer = await attempt(
        "query Q($id: ID!) { node(id: $id) { id } members { totalCount } }", {"id": member}, caller=stranger
    )
    assert answer["data"] == {"node": None, "members": {"totalCount": 0}}
    for verb in ("Update", "Remove"):
        assert faults(await change(attempt, verb, {"id": member}, stranger)) == [("NOT_FOUND", ["id"])]


async def test_members_are_nodes_for_admins_only(
    database: Database, workspace: Workspace, attempt: Try, caller: Caller
) -> None:
    member = await present(database, workspace, Role.ADMIN)
    document = "query Q($id: ID!) { node(id: $id) { id ... on Member { email } } }"
    variables = {"id": global_id("Member", member.id)}
    found = await attempt(document, variables, caller=as_member(caller, member))
    assert found["data"]["node"]["email"] == "ada@example.org"
    reader = replace(caller, scopes=frozenset({Scope.READ}))
    assert (await attempt(document, variables, caller=reader))["data"] == {"node": None}


async def test_trail_names_the_member_who_changed_something_and_whom(
    database: Database, workspace: Workspace, ask: Ask, attempt: Try, caller: Caller
) -> None:
    admin = await present(database, workspace, Role.ADMIN)
    me = as_member(caller, admin)
    bob = (await change(attempt, "Invite", {"email": "bob@example.org", "name": "Bob", "role": "VIEWER"}, me))["member"]
    await change(attempt, "Update", {"id": bob["id"], "role": "EDITOR"}, me)
    await change(attempt, "Remove", {"id": bob["id"]}, me)
    entries = (await ask(ACTIONS))["auditLog"]["nodes"]
    assert [entry.pop("inputHash") is None for entry in entries] == [False, False, True]  # it names a mailbox
    assert entries == [
        {"actor": "Ada", "key": f"member-{admin.id}", "action": action, "node": bob["id"]}
        for action in ("memberRemove", "memberUpdate", "memberInvite")
    ]


async def test_viewer_who_is_a_member_is_told_their_role_and_no_key(
    database: Database, workspace: Workspace, attempt: Try, caller: Caller
) -> None:
    member = await present(database, workspace, Role.REVIEWER)
    document = "{ viewer { name role apiKey { name } member { email state } } }"
    assert (await attempt(document, caller=as_member(caller, member)))["data"]["viewer"] == {
        "name": "Ada",
        "role": "REVIEWER",
        "apiKey": None,
        "member": {"email": "ada@example.org", "state": "ACTIVE"},
    }


@pytest.mark.parametrize("has_provider", [False, True])
async def test_invitation_returns_a_link_that_works_where_there_is_no_provider(
    client: Client,
    make_key: MakeKey,
    app: Any,
    has_provider: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graphql = next(route.endpoint for route in app.routes if route.path == "/graphql")
    monkeypatch.setattr(graphql, "outside", replace(graphql.outside, has_provider=has_provider))
    document = "mutation M($input: MemberInviteInput!) { memberInvite(input: $input) { link linkEndsAt } }"
    given = {"email": "ada@example.org", "name": "Ada", "role": "VIEWER"}
    answer = await client.post(
        "/graphql", json={"query": document, "variables": {"input": given}}, headers=bearing(await make_key(*Scope))
    )
    payload = answer.json()["data"]["memberInvite"]
    if has_provider:
        assert payload == {"link": None, "linkEndsAt": None}
        return
    page = await client.get(payload["link"].partition(graphql.outside.base_url)[2])
    assert "ada@example.org" in page.text
