"""What public tools for schemas say of ours, and of every document that is written for it.

They need Node and what `make audit` installs from the lock file of `tests/audits`.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from graphql import print_schema

from tests.api.changes import NOW, ROOT, SDL, Level, changes, releases, schema_of
from tests.api.test_changes import DONE, ITEMS

PACKAGES = ROOT / "tests" / "audits"
NODE = shutil.which("node")
DOCUMENTS = (
    "web/pages/*.graphql",
    "web/actions/*.graphql",
    "api/mcp/documents/*.graphql",
    "clients/python/truelift/operations/*.graphql",
    "docs/examples/results/src/*.ts",
    "docs/*.md",
)
"""Where documents are: of the pages, of the clients, of examples and guides."""
FEWEST_DOCUMENTS = 25

pytestmark = [
    pytest.mark.audit,
    pytest.mark.skipif(NODE is None, reason="NOT AUDITED: Node is absent"),
    pytest.mark.skipif(not (PACKAGES / "node_modules").is_dir(), reason="NOT AUDITED: run `make audit`"),
]


def ran(script: str, *arguments: str | Path) -> str:
    """What a script of Node prints."""
    command = [str(NODE), PACKAGES / script, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False).stdout


def inspected(*arguments: str | Path) -> list[Any]:
    """What graphql-inspector says, a value a line."""
    return [json.loads(line) for line in ran("inspect.mjs", *arguments).splitlines()]


def broken(old: Path, new: Path) -> set[str]:
    """What breaks from one schema to the next, as graphql-inspector names it."""
    return {change["path"] for change in inspected("changes", old, new) if change["level"] == "BREAKING"}


def inspectors(path: str) -> str:
    """A place in a schema as graphql-inspector names it."""
    return path.replace("(", ".").removesuffix(":)")


def lint(schema: Path) -> list[tuple[str, str]]:
    """The findings of graphql-eslint: the rule and what it says."""
    eslint = "node_modules/eslint/bin/eslint.js"
    (file,) = json.loads(ran(eslint, "--config", PACKAGES / "eslint.config.js", "--format", "json", schema))
    return [(message["ruleId"], message["message"]) for message in file["messages"]]


def test_schema_has_no_finding_of_graphql_eslint() -> None:
    assert lint(ROOT / SDL) == []


def test_every_document_fits_the_schema_for_graphql_inspector_and_uses_nothing_deprecated() -> None:
    files = [path for pattern in DOCUMENTS for path in sorted(ROOT.glob(pattern))]
    *told, (count, _) = inspected("documents", SDL, *files)
    assert told == []
    assert count >= FEWEST_DOCUMENTS


def test_document_that_the_schema_does_not_fit_is_found(tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text("```graphql\n{ viewer { workspace } }\n{ viewer { nothing } }\n```\n")
    fault = {"file": str(guide), "told": ['Cannot query field "nothing" on type "Viewer".']}
    assert inspected("documents", SDL, guide) == [fault, [2, 1]]


@pytest.mark.parametrize(("before", "after", "path", "level"), DONE)
def test_graphql_inspector_finds_a_change_to_break_where_our_gate_does(
    tmp_path: Path, before: str, after: str, path: str, level: Level
) -> None:
    old, new = tmp_path / "old.graphql", tmp_path / "new.graphql"
    old.write_text(ITEMS)
    new.write_text(ITEMS.replace(before, after, 1))
    assert broken(old, new) == ({inspectors(path)} if level is Level.BREAKING else set())


def test_graphql_inspector_finds_what_our_gate_finds_to_break_since_the_last_release(tmp_path: Path) -> None:
    if not releases(ROOT):
        pytest.skip("NOT COMPARED WITH THE LAST RELEASE: there is none, or this clone has no tags")
    last = releases(ROOT)[-1]
    old = tmp_path / "old.graphql"
    old.write_text(print_schema(schema_of(ROOT, last)))
    ours = [change for change in changes(schema_of(ROOT, last), schema_of(ROOT, NOW)) if change.level is Level.BREAKING]
    assert broken(old, ROOT / SDL) == {inspectors(change.path) for change in ours}
