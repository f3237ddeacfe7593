"""A file sent to a real server, whose worker is killed in the middle: the next one goes on, and counts are right."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.running import PATIENCE, TRUELIFT, Service, clean, free_port, wait_until_ready

ROWS = 100_000
JOB = "query J($id: ID!) { job(id: $id) { state message progress { bytesRead accepted duplicates rejected } } }"


def table() -> bytes:
    lines = ["unit,event,occurred_at,value,event_id"]
    lines += [f"u{n % 997},played,2026-02-{1 + n % 28:02d}T10:00:00Z,{n % 13},e{n}" for n in range(ROWS)]
    return "\n".join(lines).encode()


def start(data_dir: Path, *words: str) -> subprocess.Popen[bytes]:
    with (data_dir.parent / f"{data_dir.name}.log").open("ab") as log:
        command = [str(TRUELIFT), *words, "--data-dir", str(data_dir)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean())


@pytest.fixture
def service(data_dir: Path) -> Iterator[Service]:
    """A server without a worker; its embedded Postgres outlives every worker that is killed."""
    place, port = data_dir / "uploads", free_port()
    process = start(place, "serve", "--no-worker", "--port", str(port))
    service = Service(process=process, address=f"http://127.0.0.1:{port}", data_dir=place)
    wait_until_alive(service)  # it migrates the database, which the worker must not do at the same time
    yield service
    process.send_signal(signal.SIGINT)
    process.wait(timeout=PATIENCE)


def wait_until_alive(service: Service) -> None:
    """Return when the server answers."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        assert service.process.poll() is None
        try:
            if httpx.get(f"{service.address}/healthz", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server did not answer")


def make_key(data_dir: Path) -> str:
    words = ["key", "create", "test", "--scope", "ingest", "--scope", "read", "--data-dir", str(data_dir)]
    found = subprocess.run(
        [TRUELIFT, *words], env=clean(), capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return found.stdout.strip()


def job(service: Service, key: str, identity: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {key}"}
    body = {"query": JOB, "variables": {"id": identity}}
    answer = httpx.post(f"{service.address}/graphql", json=body, headers=headers, timeout=PATIENCE)
    return dict(answer.raise_for_status().json()["data"]["job"])


def wait_for(service: Service, key: str, identity: str, *, accepted: int) -> dict[str, Any]:
    """The job once it has taken in so many rows, or has ended."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        found = job(service, key, identity)
        if found["progress"]["accepted"] >= accepted or found["state"] not in {"WAITING", "RUNNING"}:
            return found
        time.sleep(0.05)
    raise AssertionError("the job did not come that far")


def test_upload_whose_worker_is_killed_in_the_middle_is_finished_by_the_next_and_counts_nothing_twice(
    service: Service,
) -> None:
    first = start(service.data_dir, "work")
    try:
        wait_until_ready(service)
        key = make_key(service.data_dir)
        query = {"noun": "outcomes", "format": "csv"}
        headers = {"authorization": f"Bearer {key}"}
        answer = httpx.post(
            f"{service.address}/v1/uploads", params=query, content=table(), headers=headers, timeout=PATIENCE
        )
        assert answer.status_code == 202
        identity = answer.json()["job"]["id"]
        between = wait_for(service, key, identity, accepted=1)
    finally:
        first.kill()
        first.wait(timeout=PATIENCE)
    assert between["state"] == "RUNNING"
    stopped = job(service, key, identity)
    assert (stopped["state"], 0 < stopped["progress"]["accepted"] < ROWS) == ("RUNNING", True)
    second = start(service.data_dir, "work")
    try:
        done = wait_for(service, key, identity, accepted=ROWS)
        while done["state"] == "RUNNING":
            done = job(service, key, identity)
    finally:
        second.send_signal(signal.SIGINT)
        second.wait(timeout=PATIENCE)
    counts = [done["progress"][name] for name in ("accepted", "duplicates", "rejected")]
    assert (done["state"], counts) == ("SUCCEEDED", [ROWS, 0, 0])
