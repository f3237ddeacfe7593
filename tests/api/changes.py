"""What changes in the public schema from one release to the next, and whether what breaks is announced with a date.

A release is a tag `v<version>` that HEAD comes from. What breaks somebody's documents stands in CHANGELOG.md, above the
heading of the last release, as “Breaking, 2026-12-01: `Kpi.name`, `Query.kpis(tier:)`”, as often as needed.
`python -m tests.api.changes` (`make schema`) writes docs/schema-changes.md.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from graphql import BreakingChange, DangerousChange, GraphQLSchema, build_schema, specified_scalar_types
from graphql.utilities import SafeChangeType, SchemaChange, find_schema_changes

ROOT = Path(__file__).parents[2]
SDL = "api/graphql/schema.graphql"
PAGE = ROOT / "docs" / "schema-changes.md"
COORDINATE = re.compile(r"@?\w+(?:\.\w+)?(?:\(\w+:\))?")
ANNOUNCED = re.compile(r"Breaking, (\d{4}-\d{2}-\d{2}): ((?:`[^`]+`(?:, )?)+)")
RELEASED = re.compile(r"^## \d\S* - \d{4}-\d{2}-\d{2}$", re.MULTILINE)
WORDS_ONLY = SafeChangeType.DESCRIPTION_CHANGED
NOW = "now"
INTRODUCTION = """# Changes of the schema

Written by `make schema` from the schemas of the releases: what breaks a document or a program that worked, with the
day that was announced for it; what may surprise one, such as a new value of an enum; and what was added. How the schema
is kept from breaking by accident: [audits](audits.md).
"""


class Level(StrEnum):
    """What a change does to those who use the schema as it was."""

    BREAKING = "Breaking"
    DANGEROUS = "Dangerous"
    SAFE = "Added or eased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: where in the schema, what it does, in a sentence."""

    path: str
    level: Level
    sentence: str


def changes(old: GraphQLSchema, new: GraphQLSchema) -> list[Change]:
    """Every change but of descriptions, and of the language's own scalars: nobody asks for one by itself."""
    names = old.type_map.keys() | new.type_map.keys()
    told = [change for change in find_schema_changes(old, new) if change.type is not WORDS_ONLY]
    found = [Change(path=_path(one, names), level=_level(one), sentence=one.description) for one in told]
    return [change for change in found if change.path not in specified_scalar_types]


def _path(change: SchemaChange, names: Iterable[str]) -> str:
    """The place that the sentence of a change names first."""
    known = set(names)
    places: list[str] = COORDINATE.findall(change.description)
    return next(place for place in places if place.startswith("@") or re.split(r"[.(]", place)[0] in known)


def _level(change: SchemaChange) -> Level:
    if isinstance(change, BreakingChange):
        return Level.BREAKING
    return Level.DANGEROUS if isinstance(change, DangerousChange) else Level.SAFE


def announced(changelog: str, release: str) -> dict[str, date]:
    """What is said to break since a release, and when. Raises ValueError for a day that is none."""
    recent = re.split(rf"^## {re.escape(release.removeprefix('v'))}\b", changelog, maxsplit=1, flags=re.MULTILINE)[0]
    return {
        path: date.fromisoformat(day)
        for day, paths in ANNOUNCED.findall(recent)
        for path in re.findall(r"`([^`]+)`", paths)
    }


def has_release(changelog: str) -> bool:
    """Whether any version of the changelog has a day."""
    return RELEASED.search(changelog) is not None


def releases(repository: Path) -> list[str]:
    """The tags of the releases, oldest first; none where there is no git, or a clone without tags."""
    return _git(repository, "tag", "--list", "v*", "--merged", "HEAD", "--sort=version:refname").split()


def schema_of(repository: Path, release: str) -> GraphQLSchema:
    """The schema as it was released, or as it is now."""
    is_now = release == NOW
    return build_schema(
        (repository / SDL).read_text("utf-8") if is_now else _git(repository, "show", f"{release}:{SDL}")
    )


def unannounced(repository: Path) -> list[Change]:
    """What breaks since the last release without being announced; nothing before the first."""
    found = releases(repository)
    if not found:
        return []
    said = announced((repository / "CHANGELOG.md").read_text("utf-8"), found[-1])
    since = changes(schema_of(repository, found[-1]), schema_of(repository, NOW))
    return [change for change in since if change.level is Level.BREAKING and change.path not in said]


def _git(repository: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    said = subprocess.run([git, "-C", repository, *arguments], capture_output=True, encoding="utf-8", check=False)
    return said.stdout


def page(repository: Path) -> str:
    """The page, newest changes first."""
    found = releases(repository)
    changelog = (repository / "CHANGELOG.md").read_text("utf-8")
    if not found:
        return f"{INTRODUCTION}\nNothing has been released yet, so nothing has changed since.\n"
    parts = [
        "\n".join(_part(f"{new} since {old}" if new != NOW else f"Since {old}", _between(repository, old, new), said))
        for old, new in pairwise([*found, NOW])
        for said in [announced(changelog, old)]
    ]
    return "\n\n".join([INTRODUCTION.rstrip(), *reversed(parts)]) + "\n"


def _between(repository: Path, old: str, new: str) -> list[Change]:
    return changes(schema_of(repository, old), schema_of(repository, new))


def _part(title: str, found: list[Change], said: Mapping[str, date]) -> Iterator[str]:
    yield f"## {title}"
    if not found:
        yield "\nNothing."
    for level in Level:
        of_level = [change for change in found if change.level is level]
        if of_level:
            yield f"\n{level}:\n"
        for change in of_level:
            day = said.get(change.path) if level is Level.BREAKING else None
            yield f"- {f'{day}: ' if day else ''}{change.sentence}"


if __name__ == "__main__":
    PAGE.write_text(page(ROOT), encoding="utf-8")
