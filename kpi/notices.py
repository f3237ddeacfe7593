"""Notices: what Truelift tells the outside, written in the transaction of what they tell. The edge delivers them.

A notice is thin: it says what happened to what, by key, and whoever wants more asks for it. So nothing that only some
may see leaves, and a notice that arrives late is not wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Any
from uuid import uuid4

import msgspec
from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import queries
from kpi.enums import NoticeType
from kpi.tables import Notice

CHANNEL = "truelift_notices"
"""Where the worker hears of a new notice."""
MOST_BYTES = 16_000
"""Of a notice's data as JSON: with its envelope it stays below the 20 kB that receivers of webhooks count on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a type of notice means, and the sentence it is for people; its data have every name of the sentence."""

    meaning: str
    sentence: str

    @property
    def names(self) -> set[str]:
        """The names that the data must have."""
        return {name for _, name, _, _ in Formatter().parse(self.sentence) if name}


TELLINGS: dict[NoticeType, Telling] = {
    NoticeType.ALERT_RAISED: Telling(
        meaning="An alert was raised on a KPI.", sentence="An alert was raised on the KPI “{kpi}”."
    ),
    NoticeType.ALERT_RESOLVED: Telling(
        meaning="An alert on a KPI was resolved.", sentence="An alert on the KPI “{kpi}” was resolved."
    ),
    NoticeType.KPI_CHANGED: Telling(
        meaning="Somebody changed a KPI: its details, definition, baseline, target or alert rules.",
        sentence="The {what} of the KPI “{kpi}” changed.",
    ),
    NoticeType.EXPERIMENT_STARTED: Telling(
        meaning="An experiment was started.", sentence="The experiment “{experiment}” was started."
    ),
    NoticeType.EXPERIMENT_STOPPED: Telling(
        meaning="An experiment was stopped: it measures nothing more.",
        sentence="The experiment “{experiment}” was stopped.",
    ),
    NoticeType.EXPERIMENT_DECIDED: Telling(
        meaning="A person's decision on an experiment was recorded.",
        sentence="The experiment “{experiment}” was decided: {choice}.",
    ),
    NoticeType.LOOK_PUBLISHED: Telling(
        meaning="A planned look at an experiment came due and was published.",
        sentence="The look of {plannedOn} at the experiment “{experiment}” was published. Its verdict: {verdict}.",
    ),
    NoticeType.REVIEW_CLOSED: Telling(meaning="A review was closed.", sentence="The review “{review}” was closed."),
    NoticeType.ENDPOINT_TESTED: Telling(
        meaning="Somebody asked for a test of an endpoint. Sent to that endpoint alone.",
        sentence="This is a test. Notices of Truelift arrive here.",
    ),
}


async def tell(
    session: AsyncSession,
    workspace_id: int,
    type: NoticeType,  # noqa: A002 - the word that receivers know it by
    data: Mapping[str, Any],
    now: datetime,
) -> None:
    """Tell the outside once the caller's transaction is committed, and never if it is not. Safe where nobody listens.

    `data` is plain JSON, its keys in camelCase. Raises ValueError when it lacks what the sentence needs or is not thin.
    """
    await queries.announce(session, made(workspace_id, type, data, now), CHANNEL)


def made(workspace_id: int, type: NoticeType, data: Mapping[str, Any], now: datetime) -> Notice:  # noqa: A002 - as above
    """A notice that is not stored yet. Raises ValueError as above."""
    if missing := sorted(TELLINGS[type].names - data.keys()):
        raise ValueError(f"a notice {type} says {', '.join(missing)}")
    written = msgspec.json.encode(data)
    if len(written) > MOST_BYTES:
        raise ValueError(f"a notice is thin: {len(written)} bytes are more than {MOST_BYTES}")
    plain = msgspec.json.decode(written)
    return Notice(key=uuid4(), workspace_id=workspace_id, type=type, data=plain, is_pending=True, created_at=now)


def sentence(type: NoticeType, data: Mapping[str, Any]) -> str:  # noqa: A002 - as above
    """A notice in one line for people."""
    said = {name: str(data[name]).replace("_", " ").lower() for name in TELLINGS[type].names}
    return " ".join(TELLINGS[type].sentence.format(**said).split())
