"""Inputs sent again under their idempotency key: done once, with one answer; and batches taken whole or not at all."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from api.auth.keys import Caller
from api.database import Database
from api.jobs.retention import drop_old_rows
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

AT = "2026-06-02T08:00:00Z"
NOW = datetime(2026, 6, 20, tzinfo=UTC)
LEARN = """mutation ($input: LearningRecordInput!) { learningRecord(input: $input) {
    learning { id conclusion } userErrors { code path } } }"""
TARGET = """mutation ($input: KpiTargetSetInput!) { kpiTargetSet(input: $input) {
    kpi { id targets { value } } userErrors { code path } } }"""
ENDPOINT = """mutation ($input: EndpointRegisterInput!) { endpointRegister(input: $input) {
    endpoint { id } secret userErrors { code path } } }"""
API_KEY = """mutation ($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) {
    apiKey { id } secret userErrors { code path } } }"""

ROTATE = """mutation ($input: ApiKeyRotateInput!) { apiKeyRotate(input: $input) {
    apiKey { id rotatedAt } secret userErrors { code path } } }"""


async def rows(database: Database, workspace: Workspace, table: str) -> int:
    async with database.raw() as connection:
        count = f"SELECT count(*) FROM {table} WHERE workspace_id = $1"  # noqa: S608 - a table's name, from below
        return int(await connection.fetchval(count, workspace.id))


async def test_registration_sent_again_is_done_once_and_answered_alike(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    given = documents.kpi() | {"idempotencyKey": "a-1"}
    first = await ask(documents.KPI_REGISTER, {"input": given})
    trail = await rows(database, workspace, "audit_entries")
    again = await ask(documents.KPI_REGISTER, {"input": given})
    assert again == first
    assert first["kpiRegister"]["userErrors"] == []
    assert await rows(database, workspace, "kpis") == 1
    assert await rows(database, workspace, "audit_entries") == trail


async def test_same_key_with_another_input_or_another_mutation_is_refused(ask: Ask) -> None:
    given = documents.kpi() | {"idempotencyKey": "a-1"}
    await ask(documents.KPI_REGISTER, {"input": given})
    other = (await ask(documents.KPI_REGISTER, {"input": given | {"key": "other"}}))["kpiRegister"]
    assert [(error["code"], error["path"]) for error in other["userErrors"]] == [
        ("IDEMPOTENCY_MISMATCH", ["idempotencyKey"])
    ]
    sent = documents.outcome("u1", "activated", AT)
    taken = await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": [sent], "idempotencyKey": "a-1"}}, now=NOW)
    assert taken["outcomesIngest"]["userErrors"][0]["code"] == "IDEMPOTENCY_MISMATCH"
    assert taken["outcomesIngest"]["report"] is None


async def test_input_that_was_refused_leaves_its_key_free(ask: Ask) -> None:
    wrong = documents.kpi() | {"idempotencyKey": "a-1", "key": "Not A Key"}
    assert (await ask(documents.KPI_REGISTER, {"input": wrong}))["kpiRegister"]["userErrors"] != []
    right = documents.kpi() | {"idempotencyKey": "a-1"}
    assert (await ask(documents.KPI_REGISTER, {"input": right}))["kpiRegister"]["userErrors"] == []


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_key_of_no_or_too_many_characters_is_refused(ask: Ask, key: str) -> None:
    answered = await ask(documents.KPI_REGISTER, {"input": documents.kpi() | {"idempotencyKey": key}})
    assert answered["kpiRegister"]["userErrors"][0]["path"] == ["idempotencyKey"]


async def test_two_at_the_same_moment_make_one_and_both_are_answered_alike(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    given = documents.hypothesis() | {"idempotencyKey": "h-1"}
    answers = await asyncio.gather(*(ask(documents.HYPOTHESIS_REGISTER, {"input": given}) for _ in range(5)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["hypothesisRegister"]["userErrors"] == []
    assert await rows(database, workspace, "hypotheses") == 1


async def test_target_sent_again_is_set_once(ask: Ask) -> None:
    kpi = (await ask(documents.KPI_REGISTER, {"input": documents.kpi()}))["kpiRegister"]["kpi"]["id"]
    given = {
        "id": kpi,
        "reason": "the plan",
        "value": 0.5,
        "dueOn": "2027-06-01",
        "owner": "o",
        "approver": "a",
        "idempotencyKey": "t-1",
    }
    first = await ask(TARGET, {"input": given}, now=NOW)
    assert await ask(TARGET, {"input": given}, now=NOW) == first
    assert first["kpiTargetSet"]["kpi"]["targets"] == [{"value": 0.5}]


async def test_secret_that_is_shown_once_is_not_in_the_answer_to_what_is_sent_again(ask: Ask) -> None:
    given = {"kind": "WEBHOOK", "address": "https://hooks.example.com/t", "idempotencyKey": "e-1"}
    first = (await ask(ENDPOINT, {"input": given}))["endpointRegister"]
    again = (await ask(ENDPOINT, {"input": given}))["endpointRegister"]
    assert first["secret"].startswith("whsec_")
    assert again == first | {"secret": None}


async def test_key_of_the_api_sent_for_again_is_made_once(
    attempt: Try, database: Database, workspace: Workspace
) -> None:
    given = {"input": {"name": "a key", "scopes": ["read"], "idempotencyKey": "k-1"}}
    first, again = [(await attempt(API_KEY, given))["data"]["apiKeyCreate"] for _ in range(2)]
    assert first["secret"].startswith("tl_")
    assert again == first | {"secret": None}
    assert await rows(database, workspace, "api_keys") == 1


async def test_key_sent_twice_for_a_new_secret_keeps_the_one_it_was_given_first(attempt: Try) -> None:
    made = (await attempt(API_KEY, {"input": {"name": "a key", "scopes": ["read"]}}))["data"]["apiKeyCreate"]["apiKey"]
    given = {"input": {"id": made["id"], "idempotencyKey": "r-1"}}
    first, again = [(await attempt(ROTATE, given))["data"]["apiKeyRotate"] for _ in range(2)]
    assert first["secret"].startswith("tl_")
    assert again == first | {"secret": None}


async def test_batch_sent_again_is_answered_with_its_first_report(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    good, bad = documents.outcome("u1", "activated", AT), documents.outcome("", "activated", AT)
    given = {"outcomes": [good, bad], "idempotencyKey": "b-1"}
    first = await ask(documents.OUTCOMES_INGEST, {"input": given}, now=NOW)
    assert first["outcomesIngest"]["report"]["accepted"] == 1
    assert await ask(documents.OUTCOMES_INGEST, {"input": given}, now=NOW) == first
    assert await rows(database, workspace, "rejections") == 1


async def test_batch_with_a_wrong_row_is_not_taken_at_all_where_that_is_asked_for(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    good, bad = documents.outcome("u1", "activated", AT), documents.outcome("", "activated", AT)
    given: dict[str, Any] = {"outcomes": [good, bad], "errorPolicy": "REJECT_EVERYTHING", "idempotencyKey": "b-2"}
    refused = (await ask(documents.OUTCOMES_INGEST, {"input": given}, now=NOW))["outcomesIngest"]
    assert [error["code"] for error in refused["userErrors"]] == ["NOT_ALL"]
    report = refused["report"]
    assert (report["accepted"], report["duplicates"], report["rejected"]) == (0, 0, 1)
    assert [(row["index"], row["path"]) for row in report["rowErrors"]] == [(1, "unit")]
    assert [await rows(database, workspace, table) for table in ("outcomes", "rejections", "ingests", "replies")] == [
        0
    ] * 4
    mended = given | {"outcomes": [good]}
    assert (await ask(documents.OUTCOMES_INGEST, {"input": mended}, now=NOW))["outcomesIngest"]["userErrors"] == []


async def test_key_of_one_workspace_says_nothing_of_another(attempt: Try, stranger: Caller) -> None:
    given = {"input": documents.kpi() | {"idempotencyKey": "a-1"}}
    ours = await attempt(documents.KPI_REGISTER, given)
    theirs = await attempt(documents.KPI_REGISTER, given, caller=stranger)
    assert theirs["data"]["kpiRegister"]["userErrors"] == []
    assert theirs["data"]["kpiRegister"]["kpi"]["id"] != ours["data"]["kpiRegister"]["kpi"]["id"]


async def test_reply_is_forgotten_after_three_days(ask: Ask, database: Database, workspace: Workspace) -> None:
    given = documents.kpi() | {"idempotencyKey": "a-1"}
    await ask(documents.KPI_REGISTER, {"input": given}, now=NOW)
    await drop_old_rows(database)
    assert await rows(database, workspace, "replies") == 0
