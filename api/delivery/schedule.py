"""When a delivery is tried again, after the Standard Webhooks guide. Pure."""

from dataclasses import dataclass
from datetime import timedelta

from api.delivery.tables import DeliveryState

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""From a failed attempt to the next; after the last of them there is none."""
MOST_ATTEMPTS = 1 + len(WAITS)
GONE = 410
"""The status by which a receiver says that it wants nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an attempt: the receiver's status and the beginning of what it said, or why there is none."""

    status: int | None = None
    text: str | None = None
    fault: str | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has the notice. A redirect is none: the address is not the one that was registered."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What follows an attempt: the state, how long to wait while it waits, and whether the endpoint is ended."""

    state: DeliveryState
    wait: timedelta | None = None
    ends_endpoint: bool = False


def following(attempt: int, answer: Answer) -> Next:
    """What follows an attempt, the first being 1."""
    if answer.is_taken:
        return Next(state=DeliveryState.DELIVERED)
    if answer.status == GONE:
        return Next(state=DeliveryState.FAILED, ends_endpoint=True)
    if attempt >= MOST_ATTEMPTS:
        return Next(state=DeliveryState.FAILED)
    return Next(state=DeliveryState.WAITING, wait=WAITS[attempt - 1])
