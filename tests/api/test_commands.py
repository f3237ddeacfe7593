"""The `truelift` command as a person runs it: the real program, its exit codes and its sentences."""

import asyncio
import csv
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from sysconfig import get_path
from typing import Any, TypeVar

import httpx
import pytest
from typer.testing import CliRunner

from api import sample, schema
from api.auth import keys
from api.auth.tenants import ensure_workspace
from api.commands.main import app
from api.commands.process import console
from api.database import Database
from api.sample.truths import ladder_truths
from tests.api import databases
from tests.api.databases import url_of
from tests.api.embedded.conftest import python_for
from tests.api.embedded.processes import comes, everything
from tests.service.running import free_port

TRUELIFT = Path(sys.executable).parent / "truelift"
ROOT = Path(__file__).parents[2]
SECRET = "a secret of thirty-two characters"  # noqa: S105 - of databases that end with the tests
PATIENCE = 120
"""Seconds after which a command that should have ended is a failure."""
NOBODY = 65534
COMMAND = "from api.commands.main import app; app(prog_name='truelift')"
"""The command for an account that cannot reach this virtual environment."""
COLUMNS = {"unit": "who", "event": "what", "occurred_at": "when", "value": "amount"}
T = TypeVar("T")
Finished = subprocess.CompletedProcess[str]


def surroundings(**given: str) -> dict[str, str]:
    """The environment of a command: ours without its settings, and a wide terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRUELIFT_")}
    kept.pop("DATABASE_URL", None)
    return kept | {"COLUMNS": "200"} | given


def truelift(*words: str | Path, **given: str) -> Finished:
    """Run the command to its end."""
    return subprocess.run(
        [TRUELIFT, *words],
        env=surroundings(**given),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=tempfile.gettempdir(),
    )


def here(*words: str | Path, **given: str) -> Finished:
    """Run the command in this process, to its end: a program takes a second or two to start, and a bug still fails."""
    ours = (name for name in os.environ if name.startswith("TRUELIFT_") or name == "DATABASE_URL")
    narrow, console.width = console.width, 200
    try:
        done = CliRunner().invoke(app, [*map(str, words)], env={**dict.fromkeys(ours), **given}, catch_exceptions=False)
    finally:
        console.width = narrow
    return Finished(words, done.exit_code, done.stdout, done.stderr)


def refusal(finished: Finished) -> str:
    """The sentence of a command that could not go on: exit code 1, nothing on standard output, no traceback."""
    assert finished.returncode == 1, finished.stderr
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    assert finished.stderr.startswith("truelift: ")
    return finished.stderr.removeprefix("truelift: ").strip()


@pytest.fixture
def own(database_url: str) -> str:
    """The address of an empty database."""
    return url_of(database_url, asyncio.run(databases.made(database_url)))


@pytest.fixture
def migrated(database_url: str) -> str:
    """The address of a database at the newest schema."""
    return url_of(database_url, asyncio.run(databases.migrated(database_url)))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the account Postgres runs as can reach."""
    path = Path(tempfile.mkdtemp(prefix="truelift-command-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def port() -> int:
    """A port nobody uses."""
    return free_port()


def on(url: str, step: Callable[[Database], Awaitable[T]]) -> T:
    """Do something on a database."""

    async def run() -> T:
        database = Database(url)
        try:
            return await step(database)
        finally:
            await database.close()

    return asyncio.run(run())


def first(url: str, statement: str) -> Any:
    """The first value that a statement gives."""

    async def fetch(database: Database) -> Any:
        async with database.raw() as connection:
            return await connection.fetchval(statement)

    return on(url, fetch)


@contextmanager
def running(*words: str | Path, **given: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background, in a process group of its own, and leave nothing of it behind."""
    with subprocess.Popen(
        [TRUELIFT, *words],
        env=surroundings(**given),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=tempfile.gettempdir(),
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def says(process: subprocess.Popen[str], word: str) -> str:
    """Wait until a command says something, and return the line."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"it ended with {process.wait()} and never said {word!r}")


def ended(process: subprocess.Popen[str], signal_number: int) -> int:
    """Send a signal as a terminal does, to all of its processes, and wait for its exit code."""
    os.killpg(process.pid, signal_number)
    return process.wait(PATIENCE)


def readiness(port: int) -> tuple[int, dict[str, str]]:
    answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"DATABASE_URL": "mysql://u:hunter2@h/d"}, "DATABASE_URL is wrong: it must begin with postgresql://."),
        ({"TRUELIFT_PORT": "many", "TRUELIFT_SECRET": "hunter2"}, "TRUELIFT_SECRET is wrong: "),
    ],
)
def test_setting_that_cannot_be_used_ends_the_start_with_a_sentence(given: dict[str, str], sentence: str) -> None:
    said = refusal(here("serve", **{"TRUELIFT_SECRET": SECRET} | given))
    assert said.startswith(sentence)
    assert "\n" not in said
    assert "hunter2" not in said


def test_database_that_is_away_ends_the_start_with_a_sentence_that_does_not_show_its_password() -> None:
    given = {"DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/d", "TRUELIFT_SECRET": SECRET}
    said = refusal(truelift("serve", **given))
    assert said.startswith("The database cannot be used: ")
    assert "\n" not in said
    assert "hunter2" not in said


def test_database_without_a_secret_of_ours_ends_the_start_with_a_sentence() -> None:
    said = refusal(here("serve", DATABASE_URL="postgresql://u@127.0.0.1:1/d"))
    assert said.startswith("TRUELIFT_SECRET is missing")


def test_port_that_is_taken_ends_the_start_with_a_sentence(migrated: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        said = refusal(here("serve", "--port", str(port), DATABASE_URL=migrated, TRUELIFT_SECRET=SECRET))
    assert said.startswith(f"Cannot listen on 127.0.0.1:{port}: ")
    assert "--port" in said


@pytest.mark.parametrize("command", ["serve", "work"])
def test_port_of_the_metrics_that_is_taken_ends_the_start_with_a_sentence(migrated: str, command: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        given = {"DATABASE_URL": migrated, "TRUELIFT_SECRET": SECRET, "TRUELIFT_METRICS_PORT": str(port)}
        said = refusal(truelift(command, **given))
    assert said.startswith(f"Cannot listen on 127.0.0.1:{port}: ")
    assert said.endswith("with TRUELIFT_METRICS_PORT.")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_data_folder_without_permission_ends_the_start_with_a_sentence(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o555)
    python = python_for(NOBODY)
    finished = subprocess.run(
        [python, "-c", COMMAND, "key", "list", "--data-dir", closed],
        env=surroundings(PYTHONPATH=f"{ROOT}:{get_path('purelib')}", PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=folder,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
    assert refusal(finished).startswith(f"No permission for {closed}")


def test_database_behind_stops_serve_until_migrate_mends_it(migrated: str, port: int) -> None:
    on(migrated, lambda database: schema.downgrade(database.engine, "-1"))
    given = {"DATABASE_URL": migrated, "TRUELIFT_SECRET": SECRET}
    said = refusal(truelift("serve", "--port", str(port), **given))
    assert f"this version needs {schema.newest()}: run `truelift migrate`." in said
    mended = here("migrate", **given)
    assert (mended.returncode, mended.stderr) == (0, f"The database is at revision {schema.newest()}.\n")
    assert on(migrated, lambda database: schema.current(database.engine)) == schema.newest()


def test_key_is_made_listed_without_its_secret_and_revoked(migrated: str) -> None:
    given = {"DATABASE_URL": migrated, "TRUELIFT_SECRET": SECRET}
    created = truelift("key", "create", "a notebook", "--scope", "read", "--scope", "ingest", **given)
    key = created.stdout.strip()
    public_id, token = key.removeprefix("tl_").split("_", 1)
    assert re.fullmatch(r"tl_[0-9a-f]{16}_[\w-]{43}", key)
    assert created.stderr == ""
    assert _opens(migrated, key)
    listed = here("key", "list", **given)
    assert all(word in listed.stderr for word in (public_id, "a notebook", "read ingest"))
    assert token not in listed.stderr + listed.stdout
    assert here("key", "revoke", public_id, **given).returncode == 0
    assert not _opens(migrated, key)
    assert public_id in refusal(here("key", "revoke", public_id, **given))


def _opens(url: str, key: str) -> bool:
    async def look(database: Database) -> bool:
        async with database.read() as session:
            return await keys.caller(session, key, SECRET.encode(), datetime.now(UTC)) is not None

    return on(url, look)


def test_import_takes_what_is_right_reports_what_is_not_and_counts_nothing_twice(migrated: str, folder: Path) -> None:
    given = {"DATABASE_URL": migrated, "TRUELIFT_SECRET": SECRET}
    file, rejects = folder / "rows.csv", folder / "rejects.csv"
    file.write_text(
        "who,what,when,amount\n"
        "u1,activated,2026-06-02T08:00:00Z,\n"
        ",activated,2026-06-02T08:00:00Z,\n"
        "u2,paid,2026-06-02T08:00:00Z,12.50\n"
        "u3,paid,yesterday,1\n"
        "u4,paid,2026-06-02T08:00:00Z,much\n"
        "u1,activated,2026-06-02T08:00:00Z,\n"
    )
    maps = [f"--map={field}={column}" for field, column in COLUMNS.items()]
    words: list[str | Path] = ["import", "outcomes", file, *maps, "--rejects", rejects]
    once = truelift(*words, **given)
    assert once.returncode == 0, once.stderr
    assert "2 accepted, 1 duplicates, 3 rejected." in once.stderr
    assert str(rejects) in once.stderr
    with rejects.open(newline="") as report:
        assert [row["line"] for row in csv.DictReader(report)] == ["3", "5", "6"]
    again = here(*words, **given)
    assert "0 accepted, 3 duplicates, 3 rejected." in again.stderr
    assert first(migrated, "SELECT count(*) FROM outcomes") == 2
    assert first(migrated, "SELECT sum(value) FROM outcomes") == 12.5


def test_import_of_a_file_that_is_not_there_ends_with_a_sentence_that_names_it(migrated: str, folder: Path) -> None:
    missing = folder / "nothing.csv"
    maps = [f"--map={field}={column}" for field, column in COLUMNS.items()]
    words: list[str | Path] = ["import", "outcomes", missing, *maps, "--rejects", folder / "rejects.csv"]
    found = here(*words, DATABASE_URL=migrated, TRUELIFT_SECRET=SECRET)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == f"truelift: There is no file {missing}."
    assert "Traceback" not in found.stderr


def test_doctor_says_what_is_wrong_and_what_to_do(migrated: str) -> None:
    found = here("doctor", DATABASE_URL=migrated, TRUELIFT_SECRET=SECRET)
    assert found.returncode == 1
    assert "ok    database: Postgres " in found.stderr
    assert "ok    migrations: as it should be" in found.stderr
    assert "wrong worker: No worker is running: start `truelift work`" in found.stderr
    assert "Traceback" not in found.stderr


def test_doctor_of_a_database_that_is_away_says_so_and_ends() -> None:
    found = truelift("doctor", DATABASE_URL="postgresql://u@127.0.0.1:1/d", TRUELIFT_SECRET=SECRET)
    assert found.returncode == 1
    assert "wrong database: The database does not answer." in found.stderr


def test_service_on_its_own_database_is_healthy_and_ctrl_c_leaves_nothing_behind(folder: Path, port: int) -> None:
    data = folder / "data"
    with running("serve", "--port", str(port), "--data-dir", data) as process:
        assert f"http://127.0.0.1:{port}/" in says(process, "Truelift serves on")
        assert comes(lambda: readiness(port)[0] == 200)
        answer = httpx.get(f"http://127.0.0.1:{port}/sign-in")
        assert answer.status_code == 200
        assert "server" not in answer.headers
        examined = truelift("doctor", "--data-dir", data)
        assert (examined.returncode, examined.stderr.count("wrong")) == (0, 0), examined.stderr
        assert (data / "secret").stat().st_mode & 0o777 == 0o600
        assert ended(process, signal.SIGINT) == 0
    assert comes(lambda: everything(data) == [])


def test_worker_beside_a_service_without_one_makes_it_ready_and_both_end_quietly(migrated: str, port: int) -> None:
    given = {"DATABASE_URL": migrated, "TRUELIFT_SECRET": SECRET}
    with running("serve", "--no-worker", "--port", str(port), **given) as service:
        says(service, "Truelift serves on")
        status, checks = readiness(port)
        assert (status, checks["migrations"]) == (503, "ok")
        assert checks["worker"].startswith("No worker is running")
        with running("work", **given) as worker:
            says(worker, "The worker runs.")
            assert comes(lambda: readiness(port)[0] == 200)
            assert ended(worker, signal.SIGTERM) == 0
        assert comes(lambda: readiness(port)[0] == 503)
        assert ended(service, signal.SIGTERM) == 0
        assert service.stderr is not None
        assert service.stderr.read() == ""


def test_raw_bytes_that_are_no_request_do_not_stop_the_service(migrated: str, port: int) -> None:
    given = {"DATABASE_URL": migrated, "TRUELIFT_SECRET": SECRET}
    key = on(migrated, _made)
    with running("serve", "--no-worker", "--port", str(port), **given) as service:
        says(service, "Truelift serves on")
        head = f"POST /graphql HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        for rest, status in (
            (f"Content-Length: {'9' * 5_000}\r\n\r\n", "400"),
            ("Content-Length: -1\r\n\r\n", "400"),
            ("Content-Length: 3000000\r\n\r\n{", "413"),
            ("Transfer-Encoding: chunked\r\n\r\n" + ("10000\r\n" + " " * 65_536 + "\r\n") * 40, "413"),
            ("Content-Length: 4\r\n\r\nnull", "400"),
        ):
            assert _answer(port, head + rest).split()[1] == status, rest[:60]
        assert "200" in _answer(port, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n")
        assert ended(service, signal.SIGINT) == 0


def _answer(port: int, raw: str) -> str:
    """The status line of the answer to raw bytes, of which the server need not read all."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(raw.encode())
        return connection.recv(4_096).decode().partition("\r\n")[0]


async def _made(database: Database) -> str:
    now = datetime.now(UTC)
    async with database.write() as session:
        owner = await ensure_workspace(session, "default", now)
        scopes = list(keys.Scope)
        return await keys.create(
            session, workspace_id=owner.id, name="t", scopes=scopes, secret=SECRET.encode(), now=now
        )


def test_demo_tells_the_true_effects_it_was_drawn_with() -> None:
    told = here("demo", "--truth")
    assert told.returncode == 0
    for truth in sample.simulate(today=date(2026, 11, 22)).truths:  # the same on every day
        assert truth.experiment in told.stderr
        assert f"{truth.difference:+.4f}" in told.stderr
        assert truth.kpi in told.stderr
    for rung in ladder_truths():
        assert rung.kpi in told.stderr
        assert f"{rung.level:.4f}" in told.stderr
        assert f"{rung.elasticity:+.4f}" in told.stderr


def test_demo_on_a_database_of_ones_own_is_refused_with_a_sentence(migrated: str) -> None:
    said = refusal(here("demo", DATABASE_URL=migrated, TRUELIFT_SECRET=SECRET, TRUELIFT_PORT="8999"))
    assert "unset DATABASE_URL" in said
