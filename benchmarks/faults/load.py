"""What is sent meanwhile."""

import asyncio
import random
import time
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from benchmarks.faults.service import Service, require, until
from tests.api import documents
from tests.experiments.aggregating import START, exposure_row, outcome_row
from tests.experiments.recomputation import Did, Exposed

UNITS = 300
Row = Exposed | Did


class Load:
    """Senders that retry every batch until it is acknowledged, and remember what was."""

    def __init__(self, service: Service, key: str, seed: int) -> None:
        self.service, self.headers = service, {"authorization": f"Bearer {key}"}
        self.draw = random.Random(seed)  # noqa: S311 - rows, not secrets
        self.rows: list[Row] = []
        self.resent = 0
        self.going = asyncio.Event()
        self.acknowledged_at = 0.0
        """When the last acknowledged batch had been sent."""
        self._busy = 0

    async def send(self) -> None:
        """Send until cancelled, while going."""
        async with httpx.AsyncClient(base_url=self.service.address, timeout=5, headers=self.headers) as client:
            while True:
                await self.going.wait()
                self._busy += 1
                rows = [self._row() for _ in range(self.draw.randint(1, 30))]
                for noun in (Exposed, Did):
                    await self._until_acknowledged(client, [row for row in rows if isinstance(row, noun)])
                self._busy -= 1

    async def rest(self) -> None:
        """Have every batch that was begun acknowledged, and send no more."""
        self.going.clear()
        await until(lambda: self._busy == 0)

    async def _until_acknowledged(self, client: httpx.AsyncClient, rows: list[Any]) -> None:
        while rows:
            sent_at = time.monotonic()
            if await self._is_taken(client, rows):
                self.rows += rows
                self.acknowledged_at = max(self.acknowledged_at, sent_at)
                return
            self.resent += 1
            await asyncio.sleep(0.05)

    async def _is_taken(self, client: httpx.AsyncClient, rows: list[Row]) -> bool:
        noun = "exposures" if isinstance(rows[0], Exposed) else "outcomes"
        wire = [exposure_row(row) if isinstance(row, Exposed) else outcome_row(row) for row in rows]
        document = documents.EXPOSURES_INGEST if noun == "exposures" else documents.OUTCOMES_INGEST
        body = {"query": document, "variables": {"input": {noun: msgspec.to_builtins(wire)}}}
        try:
            answer = await client.post("/graphql", json=body)
        except httpx.HTTPError:
            return False
        found = answer.json().get("data") if answer.is_success else None
        report = found and found[f"{noun}Ingest"] and found[f"{noun}Ingest"]["report"]
        require(not report or report["rejected"] == 0, f"good rows were rejected: {report}")
        return bool(report)

    def _row(self) -> Row:
        unit, draw = f"u{self.draw.randrange(UNITS)}", self.draw
        at = START + timedelta(hours=draw.randrange(24 * 9), seconds=draw.randrange(3600))
        if draw.random() < 0.3:
            return Exposed(unit=unit, variant=int(draw.random() < 0.03), at=at, plan=None)
        return Did(unit=unit, event=draw.choice(["did", "did", "deleted", "other"]), at=at, value=draw.random())
