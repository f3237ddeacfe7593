"""The sources asked again: deselected by default, `make agreement` runs it."""

from typing import Any

import pytest

from tests.agreement.checks import Check, distance
from tests.agreement.sources import SOURCES, Absent
from tests.agreement.table import CHECKS

pytestmark = pytest.mark.agreement


def asked(source: str) -> dict[str, Any]:
    """What the source answers now, or a test that says why nobody answers."""
    try:
        return SOURCES[source].asked()
    except Absent as absent:
        pytest.skip(str(absent))


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_the_source_asked_now_gives_our_answer_and_the_one_kept(check: Check) -> None:
    now = asked(check.source)["answers"][check.answer]
    kept = SOURCES[check.source].kept()["answers"][check.answer]
    for answer in (check.ours(), kept):
        assert max(distance(answer, now).values()) <= check.tolerance


@pytest.mark.parametrize("source", [name for name, source in SOURCES.items() if source.peer])
def test_the_peer_asked_now_has_the_versions_of_the_answers_kept(source: str) -> None:
    assert asked(source)["versions"] == SOURCES[source].kept()["versions"]
