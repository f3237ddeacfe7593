"""Opening the reviews of periods that ended, where a workspace wants that."""

from api.database import Database, driver
from experiments import queries
from experiments.programme.reviews import service


async def open_reviews(database: Database) -> list[int]:
    """Open what is due; returns the new reviews. Safe to run twice, also at once."""
    async with database.write() as session:
        now = await queries.clock(await driver(session))
        return [review.id for review in await service.open_due(session, now)]
