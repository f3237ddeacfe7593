"""Notices: each type means something, says it in a sentence, and stays thin."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.database import Database
from kpi import notices
from kpi.enums import NoticeType
from kpi.notices import TELLINGS, made, sentence, tell
from kpi.tables import Workspace

NOW = datetime(2026, 3, 2, tzinfo=UTC)
STORED = "SELECT type, data, is_pending, created_at FROM notices WHERE workspace_id = $1"


def test_every_type_has_a_meaning_and_a_sentence_and_a_name_of_noun_and_verb() -> None:
    assert set(TELLINGS) == set(NoticeType)
    for told in NoticeType:
        assert TELLINGS[told].meaning.endswith(".")
        assert TELLINGS[told].sentence.endswith(".")
        assert told.value == told.name.lower().replace("_", ".")


@pytest.mark.parametrize(
    ("told", "data", "expected"),
    [
        (NoticeType.KPI_CHANGED, {"kpi": "arr", "what": "TARGET"}, "The target of the KPI “arr” changed."),
        (
            NoticeType.EXPERIMENT_DECIDED,
            {"experiment": "tour", "choice": "ROLL_BACK", "variant": None},
            "The experiment “tour” was decided: roll back.",
        ),
        (NoticeType.REVIEW_CLOSED, {"review": "a\r\n{b}"}, "The review “a {b}” was closed."),
        (NoticeType.ENDPOINT_TESTED, {}, "This is a test. Notices of Truelift arrive here."),
    ],
)
def test_sentence_is_one_line_with_the_data_in_it(told: NoticeType, data: dict[str, Any], expected: str) -> None:
    assert sentence(told, data) == expected


def test_notice_without_what_its_sentence_says_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="kpi"):
        made(1, NoticeType.ALERT_RAISED, {"alert": 1}, NOW)


def test_notice_that_is_not_thin_is_a_mistake_of_the_caller() -> None:
    made(1, NoticeType.ALERT_RAISED, {"kpi": "k" * 15_000}, NOW)
    with pytest.raises(ValueError, match="thin"):
        made(1, NoticeType.ALERT_RAISED, {"kpi": "k" * 16_000}, NOW)


async def test_told_notice_is_stored_as_plain_json_and_wakes_who_listens(
    database: Database, workspace: Workspace
) -> None:
    async with database.listening(notices.CHANNEL, "test of notices") as news:
        async with database.write() as session:
            await tell(session, workspace.id, NoticeType.ALERT_RAISED, {"kpi": "arr", "since": NOW}, NOW)
            async with database.raw() as connection:
                assert await connection.fetch(STORED, workspace.id) == []
        payloads = news.payloads()
        assert "" in await anext(payloads)
        await payloads.aclose()  # type: ignore[attr-defined]  # it is a generator
    async with database.raw() as connection:
        (row,) = await connection.fetch(STORED, workspace.id)
    assert tuple(row) == ("ALERT_RAISED", {"kpi": "arr", "since": "2026-03-02T00:00:00Z"}, True, NOW)
