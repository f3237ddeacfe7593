"""A programme's figures through GraphQL, of experiments that were really started, stopped and decided."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.auth.keys import Caller
from api.database import Database
from kpi.tables import Workspace
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask

FIGURES = """
query Figures($from: Date, $to: Date) { programme(from: $from, to: $to) {
  fromOn toOn started finished decided velocity medianDaysToDecision
  winRate { ...S } againstVerdict { ...S } sealedBeforeData { ...S } exploratory { ...S } learned { ...S }
  months { beginsOn started finished decided shipped }
} }
fragment S on Share { count of value interval { lower upper level } }
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def registered(ask: Ask, key: str) -> str:
    payload = (await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment(key)}))["experimentRegister"]
    return str(payload["experiment"]["id"])


async def run(ask: Ask, identity: str, started: str, stopped: str, **given: str) -> None:
    """Start an experiment when it is said, and stop it when it is said; start it late if `sealed` is said."""
    sealed = given.get("sealed", started)
    start = {"id": identity, "startedAt": f"{started}T00:00:00Z"}
    steps = [
        (documents.EXPERIMENT_START, start, sealed),
        (documents.EXPERIMENT_STOP, {"id": identity}, stopped),
    ]
    for document, variables, moment in steps:
        (payload,) = (await ask(document, {"input": variables}, now=at(moment))).values()
        assert payload["userErrors"] == []


async def decide(ask: Ask, identity: str, moment: str, choice: str, **given: Any) -> None:
    variables = {"id": identity, "choice": choice, "reason": "it is right"} | given
    (payload,) = (await ask(documents.move("Decide"), {"input": variables}, now=at(moment))).values()
    assert payload["userErrors"] == []


async def figures(ask: Ask, begin: str, end: str) -> dict[str, Any]:
    found = dict((await ask(FIGURES, {"from": begin, "to": end}))["programme"])
    return found | {name: (value["count"], value["of"]) for name, value in found.items() if _is_share(value)}


def _is_share(value: Any) -> bool:
    return isinstance(value, dict) and "of" in value


async def test_figures_follow_what_was_done(ask: Ask, database: Database, workspace: Workspace, drafted: str) -> None:
    other, third = await registered(ask, "other"), await registered(ask, "third")
    await registered(ask, "draft")
    await run(ask, drafted, "2026-03-02", "2026-04-02")
    await run(ask, other, "2026-03-10", "2026-04-20", sealed="2026-03-11")
    await run(ask, third, "2026-02-01", "2026-03-15")
    await ask(documents.LEARNING_RECORD, {"input": documents.learning("other")})
    await decide(ask, drafted, "2026-04-03", "SHIP", variant="tour")
    await decide(ask, other, "2026-04-21", "ABANDON")
    await decide(ask, other, "2026-06-01", "SHIP", variant="tour")
    async with database.raw() as connection:
        await connection.execute(
            "INSERT INTO amendments (workspace_id, experiment_id, number, by, reason, changes, breaks_error_control,"
            " replaced_json, replaced_hash, created_at)"
            " SELECT workspace_id, id, 1, 'b', 'r', '[]', true, plan_json, plan_hash, '2026-04-25' FROM experiments"
            " WHERE key = 'other' AND workspace_id = $1",
            workspace.id,
        )
    found = await figures(ask, "2026-03-01", "2026-05-01")
    assert (found["started"], found["finished"], found["decided"]) == (2, 3, 2)
    assert found["velocity"] == 2 * 28 / 61
    # From 2 March to 3 April are 32 days, from 10 March to 21 April 42.
    assert found["medianDaysToDecision"] == 37
    # The second decision on "other" comes after the end. Without data, only shipping departs from the verdict.
    assert (found["winRate"], found["againstVerdict"]) == ((1, 2), (1, 2))
    assert (found["sealedBeforeData"], found["exploratory"], found["learned"]) == ((1, 2), (1, 3), (1, 3))
    assert found["months"] == {
        "beginsOn": ["2026-03-01", "2026-04-01"],
        "started": [2, 0],
        "finished": [1, 2],
        "decided": [0, 2],
        "shipped": [0, 1],
    }
    later = await figures(ask, "2026-03-01", "2026-07-01")
    assert (later["winRate"], later["decided"]) == ((2, 2), 2)
    assert (await figures(ask, "2026-05-01", "2026-07-01"))["decided"] == 0
    # A stop may be set back in time, so that an amendment comes after it: it does not reach into a time that was over.
    assert (await figures(ask, "2026-03-01", "2026-04-25"))["exploratory"] == (0, 3)


async def test_share_has_its_value_and_interval_and_none_of_none(ask: Ask, started: str) -> None:
    await ask(documents.EXPERIMENT_STOP, {"input": {"id": started}})
    found = (await ask(FIGURES, {}))["programme"]
    share = found["learned"]
    assert (share["count"], share["of"], share["value"], share["interval"]["level"]) == (0, 1, 0.0, 0.95)
    assert found["winRate"] == {"count": 0, "of": 0, "value": None, "interval": None}


async def test_time_is_the_last_52_weeks_with_today_if_not_said(ask: Ask) -> None:
    found = (await ask(FIGURES, {}, now=at("2026-07-01")))["programme"]
    assert (found["fromOn"], found["toOn"], found["started"]) == ("2025-07-03", "2026-07-02", 0)
    until = (await ask(FIGURES, {"to": "2026-01-01"}))["programme"]
    assert (until["fromOn"], until["toOn"]) == ("2025-01-02", "2026-01-01")


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("2026-01-01", "2026-01-01"),
        ("2026-01-02", "2026-01-01"),
        ("2016-01-01", "2026-01-09"),
        (None, "0001-01-01"),
        ("9999-12-31", None),
        ("0001-01-01", "9999-12-31"),
    ],
)
async def test_time_that_cannot_be_is_bad_input(attempt: Try, begin: str | None, end: str | None) -> None:
    answer = await attempt(FIGURES, {"from": begin, "to": end})
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(("begin", "end"), [("0001-01-01", "0002-01-01"), ("9990-01-01", "9999-12-31")])
async def test_ends_of_the_calendar_have_figures(ask: Ask, begin: str, end: str) -> None:
    assert (await figures(ask, begin, end))["started"] == 0


async def test_stranger_sees_figures_of_their_own_only(attempt: Try, stranger: Caller, started: str) -> None:
    assert started
    mine, theirs = await attempt(FIGURES), await attempt(FIGURES, caller=stranger)
    assert (mine["data"]["programme"]["started"], theirs["data"]["programme"]["started"]) == (1, 0)
