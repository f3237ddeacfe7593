"""What holds at the moment of asking: how much waits, for how long, and what is taken."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.pool import QueuePool

from api.database import CLIENT_FAULTS, Database

PATIENCE = 5.0
"""Seconds to wait for the database before saying that it does not answer."""
WAITING = """
SELECT (SELECT count(*) FROM ingests WHERE is_pending) AS pending,
    (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)
        FROM ingests WHERE is_pending) AS oldest,
    (SELECT count(*) FROM notices WHERE is_pending) AS notices,
    (SELECT count(*) FROM deliveries WHERE state = 'WAITING') AS deliveries,
    (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = $1) AS workers
"""
JOBS = "SELECT state, count(*) AS open FROM jobs WHERE ended_at IS NULL GROUP BY state"
OPEN = ("RECEIVING", "WAITING", "RUNNING")
QUEUES = {
    "pending": ("truelift_pending_ingests", "Batches that are not refreshed yet."),
    "oldest": ("truelift_oldest_pending_seconds", "Since the oldest of them came in; 0 where none waits."),
    "notices": ("truelift_pending_notices", "Notices whose deliveries are not made yet."),
    "deliveries": ("truelift_waiting_deliveries", "Deliveries that are to be tried, or tried again."),
    "workers": ("truelift_workers_connected", "Workers of any process that listen to the database."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What can be looked at: the database, and what this process counts by itself, by the name of its metric."""

    database: Database
    worker_name: str
    open: Mapping[str, tuple[str, Callable[[], int]]] = field(default_factory=dict)

    async def look(self) -> list[GaugeMetricFamily]:
        """All of it, as it is now. A database that does not answer is told, and the rest all the same."""
        waiting = await self._waiting()
        up = GaugeMetricFamily("truelift_database_up", "Whether the database answers.", float(bool(waiting)))
        own = (GaugeMetricFamily(name, text, count()) for name, (text, count) in self.open.items())
        return [up, *waiting, *own, *self._pool()]

    async def _waiting(self) -> list[GaugeMetricFamily]:
        try:
            async with asyncio.timeout(PATIENCE), self.database.raw() as connection:
                row = await connection.fetchrow(WAITING, self.worker_name)
                jobs = {row["state"]: row["open"] for row in await connection.fetch(JOBS)}
        except (*CLIENT_FAULTS, asyncpg.PostgresError):
            return []
        return list(_queues(row, jobs))

    def _pool(self) -> list[GaugeMetricFamily]:
        pool = self.database.engine.pool
        if not isinstance(pool, QueuePool):
            raise TypeError("a pool without places cannot be measured")
        return [
            GaugeMetricFamily("truelift_pool_size", "Connections that may be open at once.", pool.size()),
            GaugeMetricFamily("truelift_pool_in_use", "Connections that are in use.", pool.checkedout()),
        ]


def _queues(row: Mapping[str, Any], jobs: Mapping[str, int]) -> Iterator[GaugeMetricFamily]:
    for column, (name, text) in QUEUES.items():
        yield GaugeMetricFamily(name, text, float(row[column]))
    family = GaugeMetricFamily("truelift_open_jobs", "Jobs that have not ended.", labels=["state"])
    for state in OPEN:
        family.add_metric([state], jobs.get(state, 0))
    yield family
