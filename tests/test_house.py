"""The rules of the house that a program can hold. Each names its exceptions, so that a new one is a decision."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "experiments", "kpi", "stats", "web", "migrations", "clients/python/truelift")
SOURCES = tuple(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
TESTS = (path for path in sorted((ROOT / "tests").rglob("*.py")) if "node_modules" not in path.parts)
EVERYTHING = (*SOURCES, *TESTS, *sorted((ROOT / "benchmarks").rglob("*.py")))

STATEMENT = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|TRUNCATE|COPY|WITH|SET|SHOW|LOCK)\s"
)
BUILDERS = {"select", "insert", "update", "delete", "text"}
WITH_STATEMENTS = {
    "api/auth/arrivals.py": "what a transaction names before there is a caller",
    "api/auth/keys.py": "keys are looked up before there is a caller to scope a query by",
    "api/auth/shares.py": "budgets that processes share, of whole workspaces",
    "api/auth/members.py": "members, of whom the edge alone knows",
    "api/auth/sign_ins.py": "browsers and links are looked up before there is a caller to scope a query by",
    "api/auth/tenants.py": "the workspace itself",
    "api/commands/doctor.py": "questions to Postgres about itself",
    "api/database.py": "the settings of a transaction",
    "api/delivery/queries.py": "endpoints and deliveries, which are the edge's own",
    "api/doors/health.py": "questions to Postgres about itself",
    "api/embedded/cluster.py": "the database is made before anybody can connect to it",
    "api/graphql/conditions.py": "what the row meets that a row of a list belongs to",
    "api/graphql/moments.py": "which transactions can be seen",
    "api/graphql/nodes.py": "one keyset page of any noun",
    "api/graphql/tags.py": "which transactions can be seen",
    "api/graphql/trusted.py": "documents that are known by their hash, which are the edge's own",
    "api/jobs/spool.py": "jobs and the files they came with, which are the edge's own",
    "api/replies/keeping.py": "what was answered before, which is the edge's own",
    "api/trail/chain.py": "the audit trail, which is the edge's own",
    "api/roles.py": "the roles that requests and duties act as",
    "api/schema.py": "the lock that migrations run under",
    "api/telemetry/state.py": "how much waits, of all workspaces together",
    "experiments/aggregation/aggregates.py": "the three tables that analysis reads",
    "experiments/aggregation/derivation.py": "what fills the three tables",
    "experiments/aggregation/lateness.py": "which days late rows belong to",
    "experiments/aggregation/overlaps.py": "units that experiments share",
    "experiments/aggregation/given.py": "aggregates that were handed in",
    "experiments/aggregation/exports.py": "rows that are read out",
    "experiments/entrants.py": "who entered, and how long that is kept",
    "experiments/queries.py": "experiments and their refreshes",
    "experiments/programme/library.py": "what a programme remembers",
    "experiments/programme/reviews/queries.py": "reviews and what they found is to be done",
    "experiments/programme/search.py": "finding words in hypotheses, experiments and learnings",
    "experiments/life/story.py": "what people did to experiments",
    "kpi/alerts/queries.py": "alert rules, alerts and annotations",
    "kpi/batches.py": "what became of each batch",
    "kpi/history/audit.py": "how rows came in, looked at from outside",
    "kpi/history/derivation.py": "what fills a KPI's sums",
    "kpi/history/pairs.py": "units with two KPIs side by side",
    "kpi/history/preview.py": "how long a preview may take",
    "kpi/history/recurring.py": "what units pay now",
    "kpi/history/refresh.py": "how far a KPI's sums reach",
    "kpi/history/values.py": "a KPI's sums",
    "kpi/queries.py": "what is registered",
    "kpi/risk/check.py": "numbers of an earlier period, and who has left since",
    "kpi/risk/listing.py": "units at risk, and what is known of them",
    "kpi/risk/marking.py": "who carries a mark",
    "kpi/storage.py": "raw rows, and how long they are kept",
}
"""Where statements may stand, beside `kpi/kinds/` (what a kind adds up) and `migrations/`, and why."""

VAGUE = {"utils", "util", "helpers", "helper", "common", "core", "manager", "managers", "misc", "base"}
ERRORS_ELSEWHERE = {
    "api/doors/export.py": {"Refusal", "TooSlow"},  # raised and answered in this file
    "api/doors/bodies.py": {"Unreadable", "CutShort"},  # a body's fault on its way to the answer
    "api/doors/ingest.py": {"NotAll"},  # raised and answered in this file
    "api/doors/limits.py": {"BodyTooLarge", "BodyTooSlow"},  # as above
    "api/settings.py": {"SettingsError"},  # settings are one file, not a package
    "kpi/ingest.py": {"Refused"},  # a row's fault on its way to the report, never past it
}
COMMITS = {"api/database.py", "api/schema.py"}
"""The one door to Postgres; and alembic, whose lock outlives its transactions."""
RESOLVERS = ("api/graphql/types", "api/graphql/query.py", "api/graphql/mutations")


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def texts(module: ast.Module) -> Iterator[str]:
    """Every text in a module that is no docstring and no comment on a constant."""
    prose = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def calls(module: ast.AST) -> Iterator[str]:
    """The name of everything a module, or a part of one, calls: the last part of it."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            function = node.func
            yield function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def holds_statements(path: Path) -> bool:
    module = tree(path)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("sqlalchemy", "sqlmodel"))
        for alias in node.names
    }
    builds = BUILDERS & imported & set(calls(module))
    return bool(builds) or any(STATEMENT.match(text) for text in texts(module))


def test_statements_stand_only_where_they_are_allowed() -> None:
    free = ("kpi/kinds/", "migrations/")
    found = {place(path) for path in SOURCES if holds_statements(path)}
    assert {name for name in found if not name.startswith(free)} == set(WITH_STATEMENTS)


def test_files_are_named_for_what_they_hold() -> None:
    assert len(EVERYTHING) > 150
    assert [place(path) for path in EVERYTHING if path.stem.lower() in VAGUE or path.parent.name in VAGUE] == []


def test_errors_of_a_package_are_in_one_file() -> None:
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        classes = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]
        errors = {node.name for node in classes if {"Exception", "BaseException"} & set(_bases(node))}
        if errors and path.name != "errors.py":
            found[place(path)] = errors
    assert found == ERRORS_ELSEWHERE


def _bases(node: ast.ClassDef) -> Iterator[str]:
    for base in node.bases:
        yield getattr(base, "id", "")


def test_resolvers_handle_no_error() -> None:
    paths = [path for path in SOURCES if place(path).startswith(RESOLVERS)]
    assert len(paths) > 8
    assert [place(path) for path in paths if any(isinstance(node, ast.Try) for node in ast.walk(tree(path)))] == []


def test_one_place_commits() -> None:
    assert {place(path) for path in SOURCES if {"commit", "rollback"} & set(calls(tree(path)))} <= COMMITS


def test_mutations_write_only_where_an_entry_of_the_audit_trail_is_left() -> None:
    """A mutation has `info.context.write(info)` and `.door(info)`, and nothing of the database itself."""
    paths = sorted((ROOT / "api/graphql/mutations").glob("*.py"))
    owners = [node for path in paths for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)]
    assert [ast.unparse(node) for node in owners if node.attr == "database"] == []
    writes = [name for path in paths for name in calls(tree(path)) if name in {"write", "door"}]
    assert len(writes) > 25


def test_nobody_who_reads_waits_for_what_others_read() -> None:
    """Reads of a request take turns (`api.sitting`): a loader waited for in one waits for it, and so does a change."""
    blocks = [
        node
        for path in SOURCES
        if place(path).startswith("api/graphql/")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.AsyncWith) and any("read" in set(calls(item)) for item in node.items)
    ]
    assert len(blocks) > 25
    inside = {node.attr for block in blocks for node in ast.walk(block) if isinstance(node, ast.Attribute)}
    assert {"loaders", "once", "load", "load_many", "write", "door", "trial"} & inside == set()


def test_no_handler_takes_every_error() -> None:
    everything = {"Exception", "BaseException"}
    found = [
        f"{place(path)}:{node.lineno}"
        for path in EVERYTHING
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or everything & {getattr(name, "id", "") for name in ast.walk(node.type)})
    ]
    assert found == []


EXCEPTION = re.compile(r"#\s*(noqa|type:\s*ignore|pragma|nosec)", re.IGNORECASE)
CODES = r"# (noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*|type: ignore\[[\w-]+(, ?[\w-]+)*\])"
REASONED = re.compile(rf"{CODES}( - |  # |  )\w.*")


def test_exceptions_to_the_linters_say_why_on_their_line() -> None:
    for path in EVERYTHING:
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if found := EXCEPTION.search(line):
                assert REASONED.match(line[found.start() :]), f"{place(path)}:{number} gives no reason: {line.strip()}"


def test_rules_that_are_switched_off_say_why_on_their_line() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if re.fullmatch(r'\s+"[A-Z]+\d+",.*', line)]
    assert len(rules) > 10
    assert [line for line in rules if not re.search(r"# \w", line)] == []


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.lock")), ids=lambda path: path.name)
def test_lock_pins_by_hash_and_names_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    pins = re.findall(
        r"^[\w.\[\]-]+==\S+(?: ;[^\\\n]*)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text, re.MULTILINE
    )
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(pins) == len(lines) > 20
    assert "://" not in text
    assert not re.search(r"^\s*(--index|-i |--extra-index|--find-links|-f )", text, re.MULTILINE)


def tracked() -> list[Path]:
    """The files that are kept; those of a checkout without git are all that is not hidden."""
    listed = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in ROOT.rglob("*") if not any(part.startswith((".", "__")) for part in path.parts)]


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    homes = re.compile(rb"(?<![\w.])/(work|home/\w+|Users/\w+)/")
    files = [path for path in tracked() if path.is_file()]
    assert len(files) > 150
    assert [place(path) for path in files if homes.search(path.read_bytes())] == []


def test_questions_read_no_clock_of_their_own() -> None:
    """Whether an answer still stands is told by what it asked the context for: the day, the moment or neither."""
    asked = [path for path in SOURCES if place(path).startswith(("api/graphql/", "experiments/", "kpi/"))]
    found = {
        place(path) for path in asked if {"now", "utcnow", "today", "time", "monotonic"} & set(_clocks(tree(path)))
    }
    assert found == {
        "api/graphql/context.py",  # the one place
        "api/graphql/editions.py",  # events are of the moment
        "api/graphql/moments.py",  # the day that an answer is of
        "api/graphql/sockets.py",  # how fast messages come
        "api/graphql/tags.py",  # the day that an answer is of
        "api/graphql/trusted.py",  # budgets
        "experiments/life/publishing.py",  # a duty
        "kpi/history/refresh.py",  # a duty
    }


def _clocks(module: ast.Module) -> Iterator[str]:
    """What is called of `datetime`, `date` and `time`, and what is imported from the last."""
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in {"datetime", "date", "time"}:
            yield node.attr
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (alias.name for alias in node.names)
