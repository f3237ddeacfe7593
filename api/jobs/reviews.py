"""Opening the reviews of periods that ended, where a workspace wants that."""

from datetime import datetime

from api.database import Database, driver
from api.trail import chain
from api.trail.entry import BY_WORKER, Deed
from experiments import queries
from experiments.programme.reviews import service
from experiments.programme.reviews.queries import open_review
from experiments.programme.reviews.tables import Review


async def open_reviews(database: Database) -> list[int]:
    """Open what is due, a transaction each; returns the new reviews. Safe to run twice, also at once.

    What a review says is worked out when somebody reads it, so that opening takes no time.
    """
    async with database.read() as session:
        now = await queries.clock(await driver(session))
        due = await service.due(session, now)
    return [identity for review in due if (identity := await _open(database, review, now)) is not None]


async def _open(database: Database, review: Review, now: datetime) -> int | None:
    """Open one, and tell the audit trail; None where somebody else did meanwhile."""
    async with database.write() as session:
        connection = await driver(session)
        since = await chain.mark(connection)
        kept = await open_review(session, review)
        return kept.id if await chain.record(connection, since, _deed(kept, now)) else None


def _deed(review: Review, now: datetime) -> Deed:
    return Deed(
        workspace_id=review.workspace_id,
        done_at=now,
        actor=BY_WORKER,
        key=BY_WORKER,
        action="openReviews",
        node_type="Review",
        node_id=str(review.id),
    )
