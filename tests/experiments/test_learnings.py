"""What may be said in a learning, and when two people change one at once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api.database import Database
from experiments.life import moves
from experiments.programme import learnings, library
from experiments.programme.learnings import is_link, learning_problems
from experiments.tables import Experiment, Learning
from kpi.actor import Actor
from kpi.tables import Workspace
from tests.experiments.registering import LATER, actor, draft, start

SAID: dict[str, Any] = {"conclusion": "It helps", "learned": None, "tags": ["tour"], "links": []}


def faults(**changes: Any) -> list[tuple[str, ...]]:
    return [problem.path for problem in learning_problems(SAID | changes)]


async def over(database: Database, workspace: Workspace) -> Experiment:
    experiment = await start(database, await draft(database, workspace))
    async with database.write() as session:
        return await moves.stop(session, actor=actor(experiment), experiment_id=experiment.id)


async def record(database: Database, experiment: Experiment, **changes: Any) -> Learning:
    async with database.write() as session:
        return await learnings.record(session, actor=actor(experiment), experiment=experiment.key, **(SAID | changes))


@pytest.mark.parametrize(
    "link",
    ["https://a.b", "https://example.com:8443/x?y=1#z", "https://xn--bcher-kva.example/ü", "https://[2001:db8::1]/"],
)
def test_https_address_is_a_link(link: str) -> None:
    assert is_link(link)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "http://example.com",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://user:secret@example.com",
        "https://example.com:port",
        "https://example.com:99999",
        "https://[::1",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://example.com/\u202e",
        "https://example.com/\0",
        "https://example.com/\ud800",
        " https://example.com",
        "https://example.com/" + "x" * 1_981,
    ],
)
def test_anything_else_is_no_link(link: str) -> None:
    assert not is_link(link)


def test_link_may_have_2000_characters() -> None:
    assert is_link("https://example.com/" + "x" * 1_980)


def test_each_fault_of_a_learning_has_its_path() -> None:
    assert faults() == []
    assert faults(conclusion=" ", learned="x" * 4_001) == [("conclusion",), ("learned",)]
    assert faults(conclusion="nul\0", learned="half \ud800") == [("conclusion",), ("learned",)]
    assert faults(tags=["tour", "Big Tag"], links=["ftp://x"]) == [("tags", "1"), ("links", "0")]
    assert faults(tags=["tour", "tour"]) == [("tags",)]
    assert faults(tags=[f"t{number}" for number in range(10)]) == []
    assert faults(tags=[f"t{number}" for number in range(11)]) == [("tags",)]
    assert faults(links=[f"https://a.b/{number}" for number in range(11)]) == [("links",)]


async def test_learning_sent_twice_at_once_is_recorded_once(database: Database, workspace: Workspace) -> None:
    experiment = await over(database, workspace)
    found = await asyncio.gather(*(record(database, experiment) for _ in range(4)))
    assert len({learning.id for learning in found}) == 1
    other = await record(database, experiment, learned="and more")
    assert other.id != found[0].id


async def test_changes_at_once_each_leave_a_version(database: Database, workspace: Workspace) -> None:
    learning = await record(database, await over(database, workspace))

    async def change(number: int) -> None:
        async with database.write() as session:
            who = Actor(workspace_id=workspace.id, name=f"p{number}", id="p", now=LATER + timedelta(hours=number))
            given = {"conclusion": f"version {number}"}
            await learnings.update(session, actor=who, learning_id=learning.id, given=given)

    await asyncio.gather(*(change(number) for number in range(4)))
    async with database.read() as session:
        versions = (await library.versions_of(session, [learning.id]))[learning.id]
        (now,) = (await library.learnings_by_id(session, workspace.id, [learning.id])).values()
    assert [version.number for version in versions] == [1, 2, 3, 4]
    said = {now.conclusion, *(version.conclusion for version in versions)}
    assert said == {"It helps", *(f"version {number}" for number in range(4))}
    assert versions[0].by == "ada"
    assert {now.updated_by, *(version.by for version in versions[1:])} == {"p0", "p1", "p2", "p3"}
