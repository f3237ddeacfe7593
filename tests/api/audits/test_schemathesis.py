"""What schemathesis makes of a description of the API, sent to a real server: right and wrong, of a fixed seed.

It reads the description at an address and asks there; what else is to be audited is another line of TARGETS.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio

from api.auth.keys import Scope
from api.database import Database
from tests.api.audits.test_cop import TRACES
from tests.api.conftest import MakeKey
from tests.api.servers import serving

SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
SEED = "2026"
PLENTY = 1e9
GENEROUS: dict[str, Any] = {
    "cost_at_once": PLENTY,
    "cost_per_second": PLENTY,
    "evaluations_at_once": PLENTY,
    "evaluations_per_second": PLENTY,
    "wrong_keys_at_once": 1_000_000,
}
"""A budget that is never spent: what is audited is what each request does, not how many there may be."""
RULED_BY_SENTENCES = "positive_data_acceptance"
"""The only check that is left out: a schema cannot say that a range ends after it begins, which is then told."""
CODES = {"BAD_REQUEST", "BAD_USER_INPUT", "LIMIT_EXCEEDED"}
"""What may be wrong with a request that a tool makes up."""

pytestmark = pytest.mark.audit


class Target(NamedTuple):
    """Where a description is read and asked, how many examples of each operation, and how many that makes at least."""

    path: str
    examples: int
    fewest: int


TARGETS = {"graphql": Target("/graphql", 4, 300), "ofrep": Target("/ofrep/v1/openapi.json", 60, 100)}


@pytest_asyncio.fixture
async def patient(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A server that lets one workspace ask for as much as it likes."""
    assert database  # at the newest schema
    async with serving(database_url, **GENEROUS) as client:
        yield client


async def asked(address: str, target: Target, key: str, report: Path) -> None:
    """Run schemathesis, which fails where it finds a failure; in the report are all requests and answers."""
    command = [SCHEMATHESIS, "run", address, "--header", f"Authorization: Bearer {key}", "--no-color", "--seed", SEED]
    command += ["--max-examples", str(target.examples), "--phases", "fuzzing", "--mode", "all"]
    command += ["--exclude-checks", RULED_BY_SENTENCES, "--generation-database", "none", "--continue-on-failure"]
    command += ["--report", "har", "--report-har-path", str(report)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=report.parent)
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


def answers(report: Path) -> list[dict[str, Any]]:
    return [entry["response"] for entry in json.loads(report.read_text(encoding="utf-8"))["log"]["entries"]]


@pytest.mark.parametrize("name", TARGETS)
async def test_schemathesis_finds_no_failure_and_no_answer_leaks(
    patient: httpx.AsyncClient, make_key: MakeKey, started: str, tmp_path: Path, name: str
) -> None:
    assert started  # so that there is something to be found
    target, report, key = TARGETS[name], tmp_path / "report.har", await make_key(*Scope)
    await asked(str(patient.base_url.join(target.path)), target, key, report)
    found = answers(report)
    assert len(found) >= target.fewest
    assert {answer["status"] for answer in found if answer["status"] >= 500} == set()
    texts = [answer["content"].get("text", "") for answer in found]
    assert [text for text in texts if key in text or any(word in text.lower() for word in TRACES)] == []
    errors = [error for text in texts if text.startswith("{") for error in json.loads(text).get("errors", [])]
    assert {error["extensions"]["code"] for error in errors} <= CODES
