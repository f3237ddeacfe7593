"""Who acts, for every change that is kept with its who, when and why."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who makes a change, why, and when; `id` is the public id of their key, or `member-12`."""

    workspace_id: int
    name: str
    id: str
    now: datetime
    reason: str | None = None
