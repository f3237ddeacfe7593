"""The notebook of the docs, run cell by cell on a real server."""

import ast
import json
from asyncio import to_thread
from pathlib import Path
from typing import Any

import pytest

from api.database import Database
from api.jobs.refresh import refresh_due
from kpi.history.entry import Entry
from kpi.kinds import Activation
from kpi.tables import Workspace
from tests.api.clients.test_client import ARM, EXPOSURES, OUTCOMES
from tests.kpi.history.rows import derive, kept
from truelift import AsyncTruelift

NOTEBOOK = Path(__file__).parents[3] / "docs" / "examples" / "notebook.ipynb"


def run() -> list[Any]:
    """Run the cells and return what each shows: the value of its last line, if that is an expression."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    return [shown("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]


def shown(source: str, names: dict[str, Any]) -> Any:
    """Run a cell."""
    module = ast.parse(source)
    last = module.body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(module, "cell", "exec"), names)  # noqa: S102 - a notebook is run, that is what it is for
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307 - as above


@pytest.mark.usefixtures("started")
async def test_notebook_shows_the_verdict_and_the_kpi_over_time(
    truelift: AsyncTruelift,
    address: str,
    key: str,
    database: Database,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await truelift.ingest_exposures(EXPOSURES)
    await truelift.ingest_outcomes(OUTCOMES)
    await truelift.ingest_outcomes(row | {"event": "signed_up"} for row in OUTCOMES)
    await refresh_due(database)
    definition = await kept(
        database, workspace, Activation(event="activated", window_days=7), Entry(event="signed_up"), key="over-time"
    )
    await derive(database, definition)
    monkeypatch.setenv("TRUELIFT_URL", address)
    monkeypatch.setenv("TRUELIFT_KEY", key)
    listed, verdict, findings, weeks, _ = await to_thread(run)
    assert listed == [("guided-tour", "RUNNING")]
    assert verdict[2]
    assert findings["difference"].to_list() == pytest.approx([0.2])
    assert (weeks["n"].sum(), weeks["value"].max()) == (ARM, 1)
