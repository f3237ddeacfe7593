"""`truelift mcp` in a process of its own, asked over stdio by the protocol's own client, on a real server."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from graphql import OperationDefinitionNode, OperationType, parse, validate
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import TextContent

from api.auth.keys import Scope
from api.database import Database
from api.jobs.refresh import refresh_due
from api.mcp.documents import document
from kpi.history.entry import Entry
from kpi.kinds import Activation
from kpi.tables import Workspace
from tests.api import documents
from tests.api.clients.test_client import ARM, EXPOSURES, OUTCOMES
from tests.api.clients.test_schema import ROOT
from tests.api.conftest import MakeKey
from tests.api.public import PUBLIC
from tests.conftest import Ask
from tests.kpi.history.rows import derive, kept
from truelift import AsyncTruelift

DOCUMENTS = sorted(path.stem for path in (ROOT / "api" / "mcp" / "documents").glob("*.graphql"))
READING = {
    "list_experiments",
    "experiment_diagnostics",
    "experiment_results",
    "design",
    "kpi",
    "kpi_values",
    "search",
}
WRITING = {"register_hypothesis", "register_experiment_draft"}


def arguments(address: str, *options: str) -> list[str]:
    """The command, of this checkout."""
    return ["-c", "from api.commands.main import app; app()", "mcp", "--url", address, *options]


def surroundings(key: str) -> dict[str, str]:
    """Its environment."""
    return {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")]), "TRUELIFT_KEY": key}


@asynccontextmanager
async def talking(address: str, key: str, *options: str, log: Path) -> AsyncIterator[Client]:
    """The command, and a client that talks to it."""
    server = StdioServerParameters(command=sys.executable, args=arguments(address, *options), env=surroundings(key))
    with log.open("w") as errors:
        async with Client(stdio_client(server, errlog=errors)) as client:
            yield client


async def told(client: Client, tool: str, **arguments: Any) -> Any:
    """What a tool answers, which is compact JSON."""
    text = await said(client, tool, is_error=False, **arguments)
    value = msgspec.json.decode(text)
    assert text == msgspec.json.encode(value).decode()
    return value


async def said(client: Client, tool: str, *, is_error: bool, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    (content,) = answer.content
    assert isinstance(content, TextContent)
    assert bool(answer.is_error) is is_error, content.text
    return content.text


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_is_valid_against_the_schema(name: str) -> None:
    assert validate(PUBLIC, parse(document(name))) == []


def test_documents_that_change_something_are_only_those_of_the_tools_that_write() -> None:
    operations = {name: parse(document(name)).definitions[0] for name in DOCUMENTS}
    changing = {
        name
        for name, found in operations.items()
        if isinstance(found, OperationDefinitionNode) and found.operation is not OperationType.QUERY
    }
    assert changing == {"hypothesis_register", "experiment_register"}


async def test_tools_answer_with_the_words_of_the_server(
    truelift: AsyncTruelift,
    address: str,
    make_key: MakeKey,
    ask: Ask,
    database: Database,
    workspace: Workspace,
    started: str,
    tmp_path: Path,
) -> None:
    assert started
    await truelift.ingest_exposures(EXPOSURES)
    await truelift.ingest_outcomes(OUTCOMES)
    await truelift.ingest_outcomes(row | {"event": "signed_up"} for row in OUTCOMES)
    await refresh_due(database)
    definition = await kept(
        database, workspace, Activation(event="activated", window_days=7), Entry(event="signed_up"), key="over-time"
    )
    await derive(database, definition)
    log = tmp_path / "log"
    async with talking(address, await make_key(Scope.READ), log=log) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == READING
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
        assert "do not recalculate" in str(tools["experiment_results"].description)
        assert "before experiment_results" in str(tools["experiment_diagnostics"].description)

        listed = await told(client, "list_experiments")
        assert [(one["key"], one["state"]) for one in listed["nodes"]] == [("guided-tour", "RUNNING")]
        diagnostics = await told(client, "experiment_diagnostics", key="guided-tour")
        assert diagnostics["results"]["diagnostics"]["exposed"] == 2 * ARM
        results = await told(client, "experiment_results", key="guided-tour")
        text = '{ experiment(key: "guided-tour") { results { verdict { state sentence } } } }'
        verdict = (await ask(text))["experiment"]["results"]["verdict"]
        assert {name: results["results"]["verdict"][name] for name in verdict} == verdict
        (finding,) = results["results"]["findings"]
        assert finding["estimate"]["difference"] == pytest.approx(0.2)
        assert (await told(client, "kpi", key="activation"))["baseline"]["value"] == 0.4
        values = await told(client, "kpi_values", key="over-time", granularity="MONTH", from_on="2026-06-01")
        assert values["values"]["n"][0] == ARM
        assert [one["node"]["key"] for one in (await told(client, "search", query="guided"))["nodes"]] != []
        size = await told(client, "design", kpi="activation", lift=0.1, units_per_day=100, policy="FIXED")
        planned = await ask(
            """{ experimentDesign(input: {kpis: [{kpi: "activation", role: PRIMARY, mde: {lift: 0.1}}], policy: FIXED,
              looks: 1, unitsPerDay: 100}) { units days } }"""
        )
        assert {"units": size["units"], "days": size["days"]} == planned["experimentDesign"]

        assert "There is no “nonsense”" in await said(client, "experiment_results", is_error=True, key="nonsense")
        assert "nonsense" in await said(client, "design", is_error=True, kpi="nonsense", lift=0.1)
    assert "Traceback" not in log.read_text()


async def test_tools_that_register_are_there_when_asked_for_and_make_drafts(
    address: str, make_key: MakeKey, ask: Ask, tmp_path: Path
) -> None:
    await ask(documents.KPI_REGISTER, {"input": documents.kpi()})
    key = await make_key(Scope.READ, Scope.EDIT)
    async with talking(address, key, "--write", log=tmp_path / "log") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == READING | WRITING
        assert {name for name, tool in tools.items() if not tool.annotations.read_only_hint} == WRITING  # type: ignore[union-attr]  # all have them, as above
        given = documents.hypothesis()
        given["expected_lift"] = given.pop("expectedLift")
        assert (await told(client, "register_hypothesis", **given))["hypothesis"]["key"] == "guidance-activates"
        taken = await said(client, "register_hypothesis", is_error=True, **given)
        assert "KEY_TAKEN" in taken
        draft = await told(client, "register_experiment_draft", **documents.experiment())
        assert draft["experiment"]["state"] == "DRAFT"


@pytest.mark.parametrize(
    ("scopes", "options", "sentence"),
    [((Scope.READ,), ("--write",), "--write needs a key with the scope “edit”"), ((), (), "Set TRUELIFT_KEY")],
)
async def test_command_says_what_its_key_lacks(
    address: str, make_key: MakeKey, scopes: tuple[Scope, ...], options: tuple[str, ...], sentence: str
) -> None:
    key = await make_key(*scopes) if scopes else ""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments(address, *options),
        env=surroundings(key),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    answer, errors = await process.communicate()
    assert (process.returncode, answer) == (1, b"")
    assert sentence in errors.decode()
