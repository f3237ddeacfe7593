"""The example page in TypeScript: its types are the schema's, and it draws what the server says. Asks npm."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from api.auth.keys import Scope
from api.database import Database
from api.jobs.refresh import refresh_due
from tests.api.clients.test_client import EXPOSURES, OUTCOMES
from tests.api.clients.test_schema import ROOT
from tests.api.conftest import MakeKey
from tests.service.conftest import FLAGS
from tests.service.running import free_port
from truelift import AsyncTruelift

pytestmark = pytest.mark.node
EXAMPLE, SCHEMA = Path("docs/examples/results"), Path("api/graphql/schema.graphql")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example and the schema, in their places below a folder of their own, with its packages installed."""
    if shutil.which("npm") is None:
        pytest.skip("NOT TESTED: there is no node on this machine")
    place = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / EXAMPLE, place / EXAMPLE, ignore=shutil.ignore_patterns("node_modules", "dist"))
    place.joinpath(SCHEMA).parent.mkdir(parents=True)
    shutil.copy(ROOT / SCHEMA, place / SCHEMA)
    assert npm(place, "ci", "--no-audit", "--no-fund")[0] == 0
    return place


def npm(checkout: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        ["/usr/bin/env", "npm", *arguments], cwd=checkout / EXAMPLE, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_page_has_the_types_of_the_schema(checkout: Path) -> None:
    code, said = npm(checkout, "run", "check")
    assert code == 0, said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  wouldChange: String!", "  wouldHelp: String!"),
        ("type Sample {", "type Sample {\n  more: Int!\n}\ntype Other {"),
    ],
    ids=["a field is renamed", "fields are taken away"],
)
def test_page_does_not_pass_when_the_schema_changes_under_it(checkout: Path, before: str, after: str) -> None:
    schema = checkout / SCHEMA
    text = schema.read_text(encoding="utf-8")
    assert text.count(before) == 1
    try:
        schema.write_text(text.replace(before, after), encoding="utf-8")
        code, said = npm(checkout, "run", "check")
    finally:
        schema.write_text(text, encoding="utf-8")
    assert code != 0
    assert "error TS" in said


@asynccontextmanager
async def served(checkout: Path, address: str, key: str) -> AsyncIterator[str]:
    """The page's own small server."""
    port = str(free_port())
    node = await asyncio.create_subprocess_exec(
        "node",
        "server.js",
        cwd=checkout / EXAMPLE,
        env=os.environ | {"TRUELIFT_URL": address, "TRUELIFT_KEY": key, "PORT": port},
        stdout=subprocess.PIPE,
    )
    assert node.stdout is not None
    try:
        assert await node.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        node.terminate()
        await node.wait()


@pytest.mark.usefixtures("started")
async def test_page_draws_the_verdict_and_the_findings(
    checkout: Path, truelift: AsyncTruelift, address: str, make_key: MakeKey, database: Database
) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("NOT TESTED IN A BROWSER: there is no Chromium on this machine")
    await truelift.ingest_exposures(EXPOSURES)
    await truelift.ingest_outcomes(OUTCOMES)
    await refresh_due(database)
    verdict = (await truelift.experiment("guided-tour").results()).verdict
    code, said = npm(checkout, "run", "build")
    assert code == 0, said
    async with served(checkout, address, await make_key(Scope.READ)) as place, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        tab = await browser.new_page()
        faults: list[str] = []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        await tab.goto(f"{place}/?experiment=guided-tour")
        await tab.wait_for_selector("h1")
        text = await tab.inner_text("main")
        label = await tab.get_attribute("tbody svg", "aria-label")
        await tab.goto(f"{place}/?experiment=nonsense")
        await tab.wait_for_selector("text=There is no experiment “nonsense”.")
        await browser.close()
    assert verdict.sentence in text
    assert "40% of 600" in text
    assert "60% of 600" in text
    assert "+20 points" in text
    assert label is not None
    assert label.startswith("Difference +20 points, 95% interval")
    assert faults == []
