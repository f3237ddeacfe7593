"""What breaks the documents of others is announced with a date before it can be merged."""

import shutil
import subprocess
from pathlib import Path

import pytest
from graphql import build_schema

from tests.api.changes import (
    PAGE,
    ROOT,
    SDL,
    Change,
    Level,
    announced,
    changes,
    has_release,
    page,
    releases,
    unannounced,
)

FIELD = "  verify: Int\n"
ITEMS = """
interface Node { id: ID! }
enum Day {
  ON_TIME
  LATE
}
type Item implements Node {
  id: ID!
  name: String!
  on: Day
}
input ItemInput {
  at: String
}
type Query { find(first: Int, where: ItemInput): Item all: [Day!] }
"""
DONE = [
    ("  on: Day\n", "", "Item.on", Level.BREAKING),
    ("  name: String!", "  name: String", "Item.name", Level.BREAKING),
    ("  at: String", "  at: String!", "ItemInput.at", Level.BREAKING),
    ("  LATE\n", "  LATE\n  EARLY\n", "Day.EARLY", Level.DANGEROUS),
    ("  LATE\n", "", "Day.LATE", Level.BREAKING),
    (" implements Node", "", "Item", Level.BREAKING),
    ("  at: String\n", "  at: String\n  of: Int\n", "ItemInput.of", Level.DANGEROUS),
    ("  at: String\n", "  at: String\n  of: Int!\n", "ItemInput.of", Level.BREAKING),
    ("find(first: Int, ", "find(", "Query.find(first:)", Level.BREAKING),
    ("  on: Day\n", "  on: Day\n  of: Int\n", "Item.of", Level.SAFE),
    ("  name: String!", '  """The name."""\n  name: String!', "", Level.SAFE),
]
"""What is done to it, where, and what that does to others."""
OLD = f"type Query {{\n  chain: String\n{FIELD}}}\n"
LOG = "# Changelog\n\n## 0.2.0 - unreleased\n{said}\n## 0.1.0 - 2026-11-30\n- Breaking, 2026-01-01: `Query.chain`\n"
BROKEN = [Change(path="Query.verify", level=Level.BREAKING, sentence="Field Query.verify was removed.")]

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="NOT COMPARED: git is absent")


def git(repository: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run([str(shutil.which("git")), "-C", repository, *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one release, whose schema has two fields."""
    (tmp_path / SDL).parent.mkdir(parents=True)
    (tmp_path / SDL).write_text(OLD)
    (tmp_path / "CHANGELOG.md").write_text(LOG.format(said=""))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "feat: a beginning")
    git(tmp_path, "tag", "v0.1.0")
    return tmp_path


def test_what_breaks_since_the_last_release_is_announced() -> None:
    if not releases(ROOT) and has_release((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        pytest.skip("NOT COMPARED WITH THE LAST RELEASE: this clone has no tags")
    assert [f"{change.path}: {change.sentence}" for change in unannounced(ROOT)] == []


def test_page_of_changes_is_what_the_releases_say() -> None:
    if not releases(ROOT) and has_release((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        pytest.skip("NOT COMPARED WITH THE LAST RELEASE: this clone has no tags")
    assert PAGE.read_text(encoding="utf-8") == page(ROOT), "write it anew with `make schema`"


@needs_git
def test_removed_field_is_refused_until_the_changelog_dates_it(repository: Path) -> None:
    assert unannounced(repository) == []
    (repository / SDL).write_text(OLD.replace(FIELD, ""))
    assert unannounced(repository) == BROKEN
    (repository / "CHANGELOG.md").write_text(LOG.format(said="- Breaking, soon: `Query.verify`\n"))
    assert unannounced(repository) == BROKEN
    (repository / "CHANGELOG.md").write_text(LOG.format(said="- Breaking, 2026-12-01: `Query.x`, `Query.verify`.\n"))
    assert unannounced(repository) == []
    assert page(repository).endswith("## Since v0.1.0\n\nBreaking:\n\n- 2026-12-01: Field Query.verify was removed.\n")


@needs_git
def test_what_an_earlier_release_announced_does_not_count_again(repository: Path) -> None:
    (repository / SDL).write_text(OLD.replace("  chain: String\n", ""))
    assert [change.path for change in unannounced(repository)] == ["Query.chain"]


@needs_git
def test_page_has_a_part_for_each_release_newest_first(repository: Path) -> None:
    (repository / SDL).write_text(OLD.replace(FIELD, f"{FIELD}  found: Int\n"))
    git(repository, "commit", "--quiet", "--all", "--message", "feat: more")
    git(repository, "tag", "v0.10.0")
    git(repository, "tag", "w9")
    told = page(repository)
    assert told.endswith(
        "## Since v0.10.0\n\nNothing.\n\n## v0.10.0 since v0.1.0\n\nAdded or eased:\n\n- Field Query.found was added.\n"
    )


def test_folder_without_a_release_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    assert releases(tmp_path) == []
    assert unannounced(tmp_path) == []


@pytest.mark.parametrize(("before", "after", "path", "level"), DONE)
def test_change_of_the_schema_has_its_place_and_weight(before: str, after: str, path: str, level: Level) -> None:
    assert before in ITEMS
    found = changes(build_schema(ITEMS), build_schema(ITEMS.replace(before, after, 1)))
    assert [(change.path, change.level) for change in found] == ([(path, level)] if path else [])


def test_day_that_is_none_is_no_announcement() -> None:
    with pytest.raises(ValueError, match="month must be in"):
        announced("Breaking, 2026-13-01: `Kpi.name`", "v0.1.0")
