"""Endpoints through the API: registered, changed, rotated, removed and tested, with all that is wrong told."""

import base64
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.auth.keys import Caller, Scope
from api.database import Database
from api.delivery.outside import Outside
from api.delivery.service import MOST_ENDPOINTS
from api.graphql.context import Context
from api.graphql.schema import schema
from api.jobs.deliveries import deliver_due
from tests.api import documents
from tests.api.conftest import Try
from tests.api.delivery.conftest import Register, Tell, execute, log
from tests.api.delivery.receiving import Receiver
from tests.conftest import Ask

HOOK = {"kind": "WEBHOOK", "address": "https://example.org/hook"}
ENDPOINTS = f"{{ endpoints {{ nodes {{ {documents.ENDPOINT_FIELDS} }} totalCount }} }}"


async def faults(ask: Ask, verb: str, given: dict[str, Any]) -> list[tuple[str, str]]:
    """Code and path of each fault."""
    (answer,) = (await ask(documents.endpoint(verb), {"input": given})).values()
    return [(fault["code"], ".".join(fault["path"])) for fault in answer["userErrors"]]


async def test_registered_endpoint_is_listed_without_its_secret(register: Register, ask: Ask) -> None:
    made = await register(**HOOK, types=["KPI_CHANGED", "LOOK_PUBLISHED", "KPI_CHANGED"])
    assert made["secret"].startswith("whsec_")
    assert made["types"] == ["KPI_CHANGED", "LOOK_PUBLISHED"]
    assert (made["createdBy"], made["isEnabled"], made["disabledReason"]) == ("test", True, None)
    found = (await ask(ENDPOINTS))["endpoints"]
    assert found == {"nodes": [{name: value for name, value in made.items() if name != "secret"}], "totalCount": 1}


async def test_no_secret_is_stored_and_no_two_endpoints_share_one(database: Database, register: Register) -> None:
    first, second = await register(**HOOK), await register(kind="WEBHOOK", address="https://example.org/other")
    assert first["secret"] != second["secret"]
    async with database.raw() as connection:
        rows = await connection.fetch("SELECT * FROM endpoints")
    keys = [base64.b64decode(made["secret"].removeprefix("whsec_")) for made in (first, second)]
    assert [len(key) for key in keys] == [32, 32]
    assert not [row for row in rows for value in row.values() if value in keys]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"address": "http://example.org/"}, [("BAD_USER_INPUT", "address")]),
        ({"address": "https://10.0.0.1/"}, [("BAD_USER_INPUT", "address")]),
        ({"kind": "SLACK", "address": "slack"}, [("BAD_USER_INPUT", "address")]),
        ({"kind": "EMAIL", "address": "a@b.example\nBcc: c@d.example"}, [("BAD_USER_INPUT", "address")]),
        ({"types": []}, [("BAD_USER_INPUT", "types")]),
        ({"types": ["ENDPOINT_TESTED"]}, [("BAD_USER_INPUT", "types")]),
        ({"address": "x\0", "types": []}, [("BAD_USER_INPUT", "address"), ("BAD_USER_INPUT", "types")]),
    ],
)
async def test_what_is_wrong_is_told_at_once_and_nothing_is_stored(
    ask: Ask, given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert await faults(ask, "Register", HOOK | given) == expected
    assert (await ask(ENDPOINTS))["endpoints"]["totalCount"] == 0


async def test_email_is_refused_where_no_mail_server_is_set(
    database: Database, caller: Caller, unmailed: Outside
) -> None:
    context = Context(database=database, caller=caller, outside=unmailed)
    given = {"input": {"kind": "EMAIL", "address": "team@example.org"}}
    result = await schema.execute(documents.endpoint("Register"), given, context)
    assert result.data is not None
    (fault,) = result.data["endpointRegister"]["userErrors"]
    assert (fault["code"], fault["path"]) == ("WRONG_STATE", ["kind"])
    assert "TRUELIFT_SMTP_HOST" in fault["message"]


async def test_address_is_taken_once_in_a_workspace(
    register: Register, ask: Ask, attempt: Try, stranger: Caller
) -> None:
    await register(**HOOK)
    other = await register(kind="WEBHOOK", address="https://example.org/other")
    assert await faults(ask, "Register", HOOK) == [("KEY_TAKEN", "address")]
    taken = {"id": other["id"], "address": HOOK["address"]}
    assert await faults(ask, "Update", taken) == [("KEY_TAKEN", "address")]
    assert await faults(ask, "Update", {"id": other["id"], "address": other["address"]}) == []
    theirs = await attempt(documents.endpoint("Register"), {"input": HOOK}, caller=stranger)
    assert theirs["data"]["endpointRegister"]["userErrors"] == []


async def test_workspace_has_so_many_endpoints_and_no_more(ask: Ask, register: Register) -> None:
    for number in range(MOST_ENDPOINTS):
        await register(kind="WEBHOOK", address=f"https://example.org/{number}")
    assert await faults(ask, "Register", HOOK) == [("WRONG_STATE", "address")]


async def test_update_changes_what_is_given_and_null_means_all_types(ask: Ask, register: Register) -> None:
    made = await register(**HOOK, types=["KPI_CHANGED"])

    async def updated(**given: Any) -> dict[str, Any]:
        answer = (await ask(documents.endpoint("Update"), {"input": {"id": made["id"], **given}}))["endpointUpdate"]
        assert answer["userErrors"] == []
        found: dict[str, Any] = answer["endpoint"]
        return found

    assert (await updated(isEnabled=False))["types"] == ["KPI_CHANGED"]
    disabled = await updated(types=None)
    assert (disabled["types"], disabled["isEnabled"], disabled["disabledReason"]) == (None, False, "Disabled by hand.")
    assert (await updated(address="https://example.org/new", isEnabled=True))["address"] == "https://example.org/new"
    for field in ("address", "isEnabled"):
        code = [("BAD_USER_INPUT", field)]
        assert await faults(ask, "Update", {"id": made["id"], field: None}) == code


async def test_slack_address_is_shown_by_its_ends_alone(register: Register) -> None:
    made = await register(kind="SLACK", address="https://hooks.slack.example/services/T0/B0/keepthisquiet")
    assert made["address"] == "https://hooks.slack.example/…uiet"
    assert made["secret"] is None


async def test_only_webhooks_rotate(ask: Ask, register: Register) -> None:
    made = await register(kind="EMAIL", address="team@example.org")
    assert await faults(ask, "Rotate", {"id": made["id"]}) == [("WRONG_STATE", "id")]


async def test_rotation_says_until_when_the_old_secret_signs(ask: Ask, register: Register) -> None:
    made = await register(**HOOK)
    rotated = (await ask(documents.endpoint("Rotate"), {"input": {"id": made["id"]}}))["endpointRotate"]["endpoint"]
    begun, ends = (datetime.fromisoformat(rotated[name]) for name in ("rotatedAt", "oldSecretEndsAt"))
    assert ends - begun == timedelta(hours=24)


async def test_removed_endpoint_is_gone_with_what_waited(
    database: Database, outside: Outside, receiver: Receiver, ask: Ask, register: Register, tell: Tell
) -> None:
    made = await register()
    tested = (await ask(documents.endpoint("Test"), {"input": {"id": made["id"]}}))["endpointTest"]["delivery"]
    await tell()
    removed = (await ask(documents.endpoint("Remove"), {"input": {"id": made["id"]}}))["endpointRemove"]
    assert removed["endpoint"]["id"] == made["id"]
    assert await deliver_due(database, outside) == 0
    assert receiver.requests == []
    nodes = await ask("query N($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [made["id"], tested["id"]]})
    assert nodes == {"nodes": [None, None]}
    for verb in ("Update", "Rotate", "Remove", "Test"):
        assert await faults(ask, verb, {"id": made["id"]}) == [("NOT_FOUND", "id")]
    again = await ask(documents.DELIVERY_REDELIVER, {"input": {"id": tested["id"]}})
    assert [fault["code"] for fault in again["deliveryRedeliver"]["userErrors"]] == ["NOT_FOUND"]


async def test_disabled_endpoint_is_neither_tested_nor_sent_to_again(ask: Ask, register: Register) -> None:
    made = await register()
    tested = (await ask(documents.endpoint("Test"), {"input": {"id": made["id"]}}))["endpointTest"]["delivery"]
    await ask(documents.endpoint("Update"), {"input": {"id": made["id"], "isEnabled": False}})
    assert await faults(ask, "Test", {"id": made["id"]}) == [("WRONG_STATE", "id")]
    again = await ask(documents.DELIVERY_REDELIVER, {"input": {"id": tested["id"]}})
    assert [fault["code"] for fault in again["deliveryRedeliver"]["userErrors"]] == ["WRONG_STATE"]


async def test_delivery_log_is_filtered_and_paged_newest_first(
    database: Database, outside: Outside, receiver: Receiver, ask: Ask, register: Register, tell: Tell
) -> None:
    first, second = await register(), await register(address=f"{receiver.origin}/other", types=["ALERT_RAISED"])
    for number in range(3):
        await tell(kpi="k", what="TARGET", number=number)
        await deliver_due(database, outside)
    await ask(documents.endpoint("Test"), {"input": {"id": second["id"]}})
    page = f'(first: 2, filter: {{endpoint: {{id: {{eq: "{first["id"]}"}}}}, state: {{eq: DELIVERED}}}})'
    assert [row["notice"]["data"]["number"] for row in await log(ask, page)] == [2, 1]
    document = "{ deliveries(first: 2) { pageInfo { endCursor hasNextPage } totalCount } }"
    found = (await ask(document))["deliveries"]
    assert (found["totalCount"], found["pageInfo"]["hasNextPage"]) == (4, True)
    rest = await log(ask, f'(first: 9, after: "{found["pageInfo"]["endCursor"]}")')
    assert [row["notice"]["data"]["number"] for row in rest] == [1, 0]
    assert [row["state"] for row in await log(ask, "(filter: {state: {eq: WAITING}})")] == ["WAITING"]
    assert await log(ask, '(filter: {endpoint: {id: {eq: "nonsense"}}})') == []


async def test_stranger_and_reader_see_no_endpoint_and_no_delivery(
    ask: Ask, attempt: Try, register: Register, caller: Caller, stranger: Caller
) -> None:
    made = await register()
    tested = (await ask(documents.endpoint("Test"), {"input": {"id": made["id"]}}))["endpointTest"]["delivery"]
    ids = {"ids": [made["id"], tested["id"]]}
    document = "query N($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert (await ask(document, ids))["nodes"] == [{"id": made["id"]}, {"id": tested["id"]}]
    reader = replace(caller, scopes=frozenset(Scope) - {Scope.ADMIN})
    for somebody in (stranger, reader):
        assert (await attempt(document, ids, caller=somebody))["data"] == {"nodes": [None, None]}
    everything = "{ endpoints { totalCount } deliveries { totalCount } }"
    theirs = await attempt(everything, caller=stranger)
    assert theirs["data"] == {"endpoints": {"totalCount": 0}, "deliveries": {"totalCount": 0}}
    for verb in ("Rotate", "Remove", "Test"):
        answer = await attempt(documents.endpoint(verb), {"input": {"id": made["id"]}}, caller=stranger)
        assert answer["data"][f"endpoint{verb}"]["userErrors"][0]["code"] == "NOT_FOUND"


async def test_receiver_that_was_lost_in_the_database_is_no_bug_of_others(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    await register()
    await register(address=f"{receiver.origin}/other")
    await execute(database, "UPDATE endpoints SET address = 'nonsense' WHERE address LIKE '%/other'")
    await tell()
    await deliver_due(database, outside)
    assert sorted(row["state"] for row in await log(ask)) == ["DELIVERED", "WAITING"]
