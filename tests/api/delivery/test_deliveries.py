"""Deliveries from what is told to a real receiver: signed, tried again, never lost, by several workers."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import pytest_asyncio
from standardwebhooks import WebhookVerificationError

from api.auth.tenants import ensure_workspace
from api.database import Database
from api.delivery import queries
from api.delivery.carrying import carry
from api.delivery.outside import Outside
from api.delivery.schedule import MOST_ATTEMPTS, WAITS, Answer, following
from api.jobs.deliveries import KEPT, LEASE, deliver_due, forget_deliveries
from api.jobs.worker import work
from kpi import notices
from kpi.enums import NoticeType
from kpi.tables import Workspace
from tests.api import documents
from tests.api.delivery.conftest import Register, Tell, execute, log, pass_time
from tests.api.delivery.receiving import Receiver, silence, status
from tests.conftest import Ask
from tests.waiting import came

MARGIN = timedelta(seconds=2)
WORKER = """
import asyncio, sys
from api.database import Database
from api.delivery.outside import Outside
from api.jobs.deliveries import deliver_due
outside = Outside(secret=b"what keys are derived under", base_url="b", allowed=frozenset({sys.argv[2]}))
asyncio.run(deliver_due(Database(sys.argv[1]), outside))
"""


class Crash(Exception):
    """Where the process would have ended."""


async def test_notice_reaches_a_webhook_signed_thin_and_with_the_time_it_was_told(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    endpoint = await register()
    await tell(now=datetime(2026, 3, 2, 9, tzinfo=UTC))
    assert await deliver_due(database, outside) == 1
    (request,) = receiver.requests
    assert request.line == "POST /hook?from=truelift HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.verified(endpoint["secret"]) == {
        "type": "kpi.changed",
        "timestamp": "2026-03-02T09:00:00Z",
        "data": {"kpi": "activation", "what": "TARGET", "number": 1},
    }
    (delivery,) = await log(ask)
    assert delivery["state"] == "DELIVERED"
    assert (delivery["attempts"], delivery["status"], delivery["answer"]) == (1, 200, "thanks")
    assert delivery["notice"]["key"] == request.identity
    assert delivery["deliveredAt"] is not None


async def test_signature_of_another_endpoint_or_another_body_is_not_valid(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell
) -> None:
    first, second = await register(), await register(address=f"{receiver.origin}/other")
    await tell()
    await deliver_due(database, outside)
    assert first["secret"] != second["secret"]
    (to_first,) = [request for request in receiver.requests if request.line.startswith("POST /hook")]
    to_first.verified(first["secret"])
    with pytest.raises(WebhookVerificationError):
        to_first.verified(second["secret"])


async def test_notice_goes_to_the_endpoints_of_its_workspace_that_asked_for_its_type(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell
) -> None:
    await register()
    await register(address=f"{receiver.origin}/alerts", types=["ALERT_RAISED", "ALERT_RESOLVED"])
    await register(address=f"{receiver.origin}/changes", types=["KPI_CHANGED"])
    await tell()
    async with database.write() as session:
        other = await ensure_workspace(session, "another", datetime.now(UTC))
        await notices.tell(session, other.id, NoticeType.ALERT_RAISED, {"kpi": "theirs"}, datetime.now(UTC))
    await deliver_due(database, outside)
    assert Counter(request.line.split()[1] for request in receiver.requests) == {
        "/hook?from=truelift": 1,
        "/changes": 1,
    }


async def test_what_is_not_committed_is_not_told(
    database: Database, outside: Outside, receiver: Receiver, register: Register, workspace: Workspace
) -> None:
    await register()
    with suppress(Crash):
        async with database.write() as session:
            await notices.tell(session, workspace.id, NoticeType.ALERT_RAISED, {"kpi": "k"}, datetime.now(UTC))
            raise Crash
    await deliver_due(database, outside)
    assert receiver.requests == []


async def test_failed_attempts_are_made_again_as_the_guide_of_standard_webhooks_says_and_then_end(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    endpoint = await register()
    receiver.replies = [status(500, b"not today")]
    await tell()
    waits = []
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert await deliver_due(database, outside) == 1
        (delivery,) = await log(ask)
        assert (delivery["attempts"], delivery["status"], delivery["answer"]) == (attempt, 500, "not today")
        if delivery["state"] == "WAITING":
            assert await deliver_due(database, outside) == 0  # not before its time
            waits.append(datetime.fromisoformat(delivery["nextAt"]) - datetime.fromisoformat(delivery["attemptedAt"]))
            await pass_time(database, waits[-1])
    assert delivery["state"] == "FAILED"
    guide = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert [wait.total_seconds() for wait in WAITS] == guide
    for planned, waited in zip(guide, waits, strict=True):
        assert planned <= waited.total_seconds() <= planned * 1.2 + MARGIN.total_seconds()
    assert len({request.identity for request in receiver.requests}) == 1
    assert len({request.body for request in receiver.requests}) == 1
    assert all(request.verified(endpoint["secret"]) for request in receiver.requests)
    times = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert all(before <= after for before, after in pairwise(times))


async def test_410_fails_the_delivery_at_once_and_disables_the_endpoint_whose_other_deliveries_wait(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    endpoint = await register()
    receiver.replies = [status(500), status(410), status(200)]
    await tell()
    await deliver_due(database, outside)
    await tell()
    await deliver_due(database, outside)
    await tell()
    await pass_time(database, timedelta(minutes=1))
    assert await deliver_due(database, outside) == 0
    found = (await ask(f"{{ endpoints {{ nodes {{ {documents.ENDPOINT_FIELDS} }} }} }}"))["endpoints"]["nodes"]
    assert [(row["isEnabled"], "410" in row["disabledReason"]) for row in found] == [(False, True)]
    assert Counter(row["state"] for row in await log(ask)) == {"FAILED": 1, "WAITING": 1}
    enable = {"input": {"id": endpoint["id"], "isEnabled": True}}
    assert (await ask(documents.endpoint("Update"), enable))["endpointUpdate"]["endpoint"]["disabledReason"] is None
    assert await deliver_due(database, outside) == 1
    assert Counter(row["state"] for row in await log(ask)) == {"FAILED": 1, "DELIVERED": 1}


async def test_410_of_an_address_that_was_changed_meanwhile_leaves_the_new_one_alone(
    database: Database, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    endpoint = await register()
    receiver.replies = [status(410)]
    await tell()
    async with database.raw() as connection:
        await queries.spread(connection, 10)
    async with database.raw() as connection:
        (parcel,) = await queries.claim(connection, most=1, most_each=1, lease=LEASE)
    moved = {"input": {"id": endpoint["id"], "address": f"{receiver.origin}/moved"}}
    assert (await ask(documents.endpoint("Update"), moved))["endpointUpdate"]["userErrors"] == []
    async with database.raw() as connection:
        await queries.end_endpoint(connection, parcel, "gone")
    found = (await ask("{ endpoints { nodes { isEnabled } } }"))["endpoints"]["nodes"]
    assert found == [{"isEnabled": True}]


async def test_crash_while_deliveries_are_made_leaves_the_notice_pending(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell
) -> None:
    await register()
    await tell()
    with suppress(Crash):
        async with database.raw() as connection:
            assert await queries.spread(connection, 10) == 1
            raise Crash
    assert await deliver_due(database, outside) == 1
    assert len(receiver.requests) == 1


async def test_crash_after_sending_sends_once_more_under_the_same_id_when_the_lease_is_over(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    endpoint = await register()
    await tell()
    async with database.raw() as connection:
        await queries.spread(connection, 10)
    async with database.raw() as connection:
        (parcel,) = await queries.claim(connection, most=1, most_each=1, lease=LEASE)
    assert (await carry(parcel, outside)).is_taken  # and here the worker dies
    assert await deliver_due(database, outside) == 0  # it may still be at it
    await pass_time(database, LEASE)
    assert await deliver_due(database, outside) == 1
    first, second = receiver.requests
    assert (first.identity, first.body) == (second.identity, second.body)
    assert second.verified(endpoint["secret"])
    (delivery,) = await log(ask)
    assert (delivery["state"], delivery["attempts"]) == ("DELIVERED", 2)


async def test_worker_that_is_killed_while_it_waits_for_an_answer_loses_nothing(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell
) -> None:
    await register()
    await tell()
    receiver.replies = [silence(receiver), status(204)]
    url = database.engine.url.render_as_string(hide_password=False)
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, url, receiver.origin)

    async def has_come() -> bool:
        return bool(receiver.requests)

    await came(has_come)
    worker.send_signal(signal.SIGKILL)
    assert await worker.wait() == -signal.SIGKILL
    await pass_time(database, LEASE)
    assert await deliver_due(database, outside) == 1
    first, second = receiver.requests
    assert first.identity == second.identity


async def test_answer_that_comes_after_the_delivery_was_taken_up_anew_changes_nothing(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    await register()
    await tell()
    receiver.replies = [status(200, b"in time")]
    async with database.raw() as connection:
        await queries.spread(connection, 10)
    async with database.raw() as connection:
        (late,) = await queries.claim(connection, most=1, most_each=1, lease=LEASE)
    await pass_time(database, LEASE)
    await deliver_due(database, outside)
    answer = Answer(status=500, text="late")
    async with database.raw() as connection:
        await queries.note(connection, late, answer, following(late.attempt, answer))
    (delivery,) = await log(ask)
    assert (delivery["state"], delivery["answer"]) == ("DELIVERED", "in time")


async def test_several_workers_share_the_work_and_each_notice_is_sent_once(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell
) -> None:
    await register()
    await register(address=f"{receiver.origin}/other")
    await asyncio.gather(*(tell(number=n, kpi="k", what="TARGET") for n in range(30)))
    attempts = await asyncio.gather(*(deliver_due(database, outside) for _ in range(3)))
    attempts.append(await deliver_due(database, outside))
    assert sum(attempts) == 60
    sent = Counter((request.line, request.said["data"]["number"]) for request in receiver.requests)
    assert len(sent) == 60
    assert set(sent.values()) == {1}


async def test_endpoint_with_much_to_get_does_not_hold_up_another(
    database: Database, receiver: Receiver, register: Register, tell: Tell
) -> None:
    busy = await register(types=["KPI_CHANGED"])
    calm = await register(address=f"{receiver.origin}/calm", types=["ALERT_RAISED"])
    await asyncio.gather(*(tell() for _ in range(20)))
    await tell(NoticeType.ALERT_RAISED, kpi="k")
    async with database.raw() as connection:
        await queries.spread(connection, 100)
    async with database.raw() as connection:
        claimed = await queries.claim(connection, most=16, most_each=4, lease=LEASE)
    assert Counter(parcel.address for parcel in claimed) == {busy["address"]: 4, calm["address"]: 1}


async def test_after_a_rotation_both_secrets_verify_for_a_day_and_then_only_the_new_one(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    endpoint = await register()
    rotated = (await ask(documents.endpoint("Rotate"), {"input": {"id": endpoint["id"]}}))["endpointRotate"]
    old, new = endpoint["secret"], rotated["secret"]
    assert old != new
    await tell()
    await deliver_due(database, outside)
    (both,) = receiver.requests
    assert both.verified(old) == both.verified(new)
    await execute(database, "UPDATE endpoints SET rotated_at = rotated_at - interval '24 hours'")
    await tell()
    await deliver_due(database, outside)
    after = receiver.requests[-1]
    assert after.verified(new)
    with pytest.raises(WebhookVerificationError):
        after.verified(old)


async def test_redelivery_sends_what_was_delivered_under_the_same_id(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    await register()
    await tell()
    await deliver_due(database, outside)
    (delivery,) = await log(ask)
    again = await ask(documents.DELIVERY_REDELIVER, {"input": {"id": delivery["id"]}})
    assert again["deliveryRedeliver"]["delivery"]["state"] == "WAITING"
    assert await deliver_due(database, outside) == 1
    first, second = receiver.requests
    assert (first.identity, first.body) == (second.identity, second.body)


async def test_address_that_the_operator_allows_no_more_is_not_called(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    await register()
    await tell()
    strict = Outside(secret=outside.secret, base_url=outside.base_url)
    await deliver_due(database, strict)
    (delivery,) = await log(ask)
    assert (delivery["state"], delivery["fault"]) == ("WAITING", "An address begins with https://.")
    assert receiver.requests == []


async def test_slack_gets_a_message_with_a_link_in_which_nothing_is_markup(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell
) -> None:
    await register(kind="SLACK")
    await tell(NoticeType.EXPERIMENT_DECIDED, experiment="<!channel> & co", choice="ROLL_BACK")
    await deliver_due(database, outside)
    (request,) = receiver.requests
    assert "webhook-signature" not in request.headers
    sentence = "The experiment “&lt;!channel&gt; &amp; co” was decided: roll back."
    assert request.said["text"] == sentence
    (block,) = request.said["blocks"]
    link = "https://truelift.test/experiments/%3C%21channel%3E%20%26%20co"
    assert block["text"] == {"type": "mrkdwn", "text": f"{sentence}\n<{link}|Open in Truelift>"}


async def test_old_notices_go_with_their_deliveries_but_not_while_one_waits(
    database: Database, outside: Outside, receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    await register()
    receiver.replies = [status(200), status(500)]
    long_ago = datetime.now(UTC) - KEPT - timedelta(days=1)
    for now in (long_ago, long_ago, datetime.now(UTC)):
        await tell(now=now)
        await deliver_due(database, outside)
    for _ in range(2):
        await forget_deliveries(database)
    assert [row["state"] for row in await log(ask)] == ["WAITING", "WAITING"]


@pytest_asyncio.fixture
async def working(database: Database, outside: Outside) -> AsyncIterator[None]:
    """A worker that would not look by itself for long."""
    worker = asyncio.create_task(work(database, seconds=300, outside=outside))

    async def listens() -> bool:
        async with database.raw() as connection:
            found = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'truelift worker' AND datname = $1"
            return bool(await connection.fetchval(found, database.engine.url.database))

    await came(listens)
    await asyncio.sleep(0.5)
    yield
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker


@pytest.mark.usefixtures("working")
async def test_worker_is_woken_by_what_is_told_by_a_test_and_by_a_redelivery(
    receiver: Receiver, register: Register, tell: Tell, ask: Ask
) -> None:
    endpoint = await register()

    async def come(n: int) -> None:
        async def has_come() -> bool:
            rows = await log(ask)
            return len(receiver.requests) == n and all(row["state"] == "DELIVERED" for row in rows)

        await came(has_come)

    await tell()
    await come(1)
    tested = (await ask(documents.endpoint("Test"), {"input": {"id": endpoint["id"]}}))["endpointTest"]["delivery"]
    await come(2)
    assert receiver.requests[-1].verified(endpoint["secret"])["type"] == "endpoint.tested"
    await ask(documents.DELIVERY_REDELIVER, {"input": {"id": tested["id"]}})
    await come(3)
    assert receiver.requests[-1].identity == receiver.requests[-2].identity
