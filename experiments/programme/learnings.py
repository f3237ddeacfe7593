"""Recording what was learned from an experiment that is over, and changing it later without losing what it said.

Each function is one action in the caller's transaction. An input with faults raises `Invalid` with all of them, and
stores nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlmodel.ext.asyncio.session import AsyncSession

from experiments.enums import State
from experiments.life.moves import locked
from experiments.programme import library
from experiments.queries import experiment_by_key
from experiments.tables import Experiment, Learning, LearningVersion
from kpi.actor import Actor
from kpi.errors import Code, Invalid, NotFound, Problem, bad, refuse
from kpi.ingest import is_text
from kpi.service import KEY, absent, text_problems

OVER = frozenset({State.STOPPED, State.DECIDED, State.ARCHIVED})
"""When there is something to learn from. An archived draft too: why it never ran is worth knowing."""
SAID = ("conclusion", "learned", "tags", "links")
"""What a person says in a learning."""
MOST_TAGS = 10
MOST_LINKS = 10
LONGEST_LINK = 2_000
"""Characters."""


async def record(
    session: AsyncSession,
    *,
    actor: Actor,
    experiment: str,
    conclusion: str,
    learned: str | None = None,
    tags: Sequence[str] = (),
    links: Sequence[str] = (),
) -> Learning:
    """Record a learning of an experiment that is over. The same once more changes nothing, so a retry is safe."""
    said: dict[str, Any] = {"conclusion": conclusion, "learned": learned, "tags": list(tags), "links": list(links)}
    problems = learning_problems(said)
    found = await experiment_by_key(session, actor.workspace_id, experiment)
    if found is None:
        raise Invalid([*problems, absent("experiment", experiment, "experiment")])
    of = await locked(session, actor, found.id)
    refuse(problems + _state_problems(of))
    known = await library.same_learning(session, actor.workspace_id, of.id, said)
    if known is not None:
        return known
    learning = Learning(
        workspace_id=actor.workspace_id, experiment_id=of.id, by=actor.name, recorded_at=actor.now, **said
    )
    session.add(learning)
    await session.flush()
    return learning


async def update(session: AsyncSession, *, actor: Actor, learning_id: int, given: Mapping[str, Any]) -> Learning:
    """Change what is given of a learning - None clears it - and keep what it said. Raises Invalid, NotFound."""
    learning = await library.lock_learning(session, actor.workspace_id, learning_id)
    if learning is None:
        raise NotFound
    before = {name: getattr(learning, name) for name in SAID}
    after = before | cleared(given)
    refuse(learning_problems(after))
    if after == before:
        return learning
    session.add(
        LearningVersion(
            learning_id=learning.id,
            number=await library.count_versions(session, learning.id) + 1,
            by=learning.updated_by or learning.by,
            written_at=learning.updated_at or learning.recorded_at,
            **before,
        )
    )
    for name, value in after.items():
        setattr(learning, name, value)
    learning.updated_by, learning.updated_at = actor.name, actor.now
    return learning


def cleared(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, with what null makes of each field: an empty list, no text, or a conclusion that is missing."""
    empty: dict[str, Any] = {"conclusion": "", "learned": None, "tags": [], "links": []}
    return {name: empty[name] if given[name] is None else given[name] for name in SAID if name in given}


def learning_problems(said: Mapping[str, Any]) -> list[Problem]:
    """A conclusion that is there, texts that are text, tags like keys, links that lead to https."""
    texts = {"conclusion": said["conclusion"], "learned": said["learned"] or ""}
    problems = text_problems(texts, required={"conclusion"})
    problems += _many_problems("tags", said["tags"], MOST_TAGS) + _many_problems("links", said["links"], MOST_LINKS)
    for place, tag in enumerate(said["tags"]):
        if not KEY.fullmatch(tag):
            sentence = "A tag is written like a key: small letters, digits and hyphens, 63 at most."
            problems.append(bad(sentence, "tags", str(place)))
    for place, link in enumerate(said["links"]):
        if not is_link(link):
            sentence = f"A link is an https address of at most {LONGEST_LINK:,} characters, without a password."
            problems.append(bad(sentence, "links", str(place)))
    return problems


def is_link(link: str) -> bool:
    """Whether it is an https address that may be shown as a link: a host, no credentials, nothing invisible."""
    if len(link) > LONGEST_LINK or not is_text(link) or not link.isprintable() or " " in link:
        return False
    try:
        parts = urlsplit(link)
        _port = parts.port  # raises for what is no port
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc


def _many_problems(field: str, given: Sequence[str], most: int) -> list[Problem]:
    problems: list[Problem] = []
    if len(given) > most:
        problems.append(bad(f"A learning has at most {most} {field}.", field))
    if len(set(given)) != len(given):
        problems.append(bad(f"One of the {field} is there twice.", field))
    return problems


def _state_problems(experiment: Experiment) -> list[Problem]:
    if experiment.state in OVER:
        return []
    sentence = f"“{experiment.key}” is {experiment.state.lower()}. What was learned is recorded once it is over."
    return [Problem(code=Code.WRONG_STATE, message=sentence, path=("experiment",))]
