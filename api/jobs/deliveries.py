"""Delivering notices: from what was told to each endpoint that asked for it, and from there until it is taken.

Each step is a transaction of its own. A notice stays pending until its deliveries are made; a delivery is taken for a
while, sent, and noted. So a crash between any two steps means that a notice goes out once more, under the same id,
and never that it does not. Several workers share the work.
"""

import asyncio
import logging
from datetime import timedelta

from api.database import Database
from api.delivery import queries
from api.delivery.carrying import carry
from api.delivery.outside import Outside
from api.delivery.parcels import Parcel
from api.delivery.schedule import Answer, following

log = logging.getLogger("truelift.deliveries")
NOTICES = 500
"""Notices that are spread in one transaction."""
AT_ONCE = 16
MOST_EACH = 4
"""Deliveries on their way at once, and those of one endpoint: one that is slow holds up few others."""
LEASE = timedelta(seconds=60)
"""How long a delivery is one worker's: longer than any attempt takes."""
KEPT = timedelta(days=90)
GONE = "The receiver answered 410: it wants nothing more."


async def deliver_due(database: Database, outside: Outside) -> int:
    """Deliver what is due; returns how many attempts were made. Safe to run twice, and beside another worker."""
    await _spread(database)
    attempts = 0
    while parcels := await _claim(database):
        await asyncio.gather(*(_deliver(database, outside, parcel) for parcel in parcels))
        attempts += len(parcels)
    return attempts


async def forget_deliveries(database: Database) -> None:
    """Drop notices, and what became of them, that were kept long enough."""
    async with database.raw() as connection:
        await queries.drop_old(connection, KEPT)


async def _spread(database: Database) -> None:
    found = NOTICES
    while found == NOTICES:
        async with database.raw() as connection:
            found = await queries.spread(connection, NOTICES)


async def _claim(database: Database) -> list[Parcel]:
    async with database.raw() as connection:
        return await queries.claim(connection, most=AT_ONCE, most_each=MOST_EACH, lease=LEASE)


async def _deliver(database: Database, outside: Outside, parcel: Parcel) -> None:
    answer = await _answer(parcel, outside)
    after = following(parcel.attempt, answer)
    async with database.raw() as connection:
        await queries.note(connection, parcel, answer, after)
        if after.ends_endpoint:
            await queries.end_endpoint(connection, parcel, GONE)


async def _answer(parcel: Parcel, outside: Outside) -> Answer:
    """What came of sending. A bug that one parcel meets is that parcel's: it is logged, and holds up no other."""
    (found,) = await asyncio.gather(carry(parcel, outside), return_exceptions=True)
    if isinstance(found, Answer):
        return found
    if not isinstance(found, Exception):
        raise found
    log.error("Delivery %d could not be sent.", parcel.delivery_id, exc_info=found)
    return Answer(fault=f"It could not be sent ({type(found).__name__}).")
