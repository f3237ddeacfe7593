"""Any process may be killed at any time: what was committed is there, and nothing is left behind or in the way."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from api import embedded
from tests.api.embedded.conftest import Users
from tests.api.embedded.processes import answer, comes, everything, keepers, kill, postmaster

KEPT = "SELECT count(*) FROM kept"


def keep_a_row(socket_dir: str) -> None:
    answer(socket_dir, "CREATE TABLE kept (n int)")
    answer(socket_dir, "INSERT INTO kept VALUES (1)")


def rows(data_dir: Path) -> object:
    with embedded.running(data_dir) as database:
        return answer(str(database.socket_dir), KEPT)


def test_killed_user_takes_the_server_along(made: Path, users: Users) -> None:
    user = users.start(made)
    keep_a_row(user.socket_dir())
    user.kill()
    assert comes(lambda: everything(made) == [])
    assert rows(made) == 1
    assert "was not properly shut down" not in (made / "postgres.log").read_text()


def test_killed_postmaster_comes_back_with_committed_rows(made: Path) -> None:
    with embedded.running(made) as database:
        keep_a_row(str(database.socket_dir))
        killed = postmaster(made)
        kill([killed])
        with embedded.running(made):
            assert comes(lambda: postmaster(made) != killed)
        assert comes(lambda: "ready to accept" in database.log_path.read_text().partition("not properly shut down")[2])
        assert answer(str(database.socket_dir), KEPT) == 1
    assert everything(made) == []


def test_killed_keeper_is_replaced_for_the_user_who_stays(made: Path, caplog: pytest.LogCaptureFixture) -> None:
    with embedded.running(made) as database:
        keep_a_row(str(database.socket_dir))
        killed = keepers(made)
        kill(killed)
        assert comes(lambda: keepers(made) not in (killed, []))
        assert rows(made) == 1
        assert answer(str(database.socket_dir), KEPT) == 1
    assert "has lost its keeper" in caplog.text
    assert everything(made) == []


def test_killed_keeper_and_user_end_the_server_cleanly(made: Path, users: Users) -> None:
    user = users.start(made)
    keep_a_row(user.socket_dir())
    kill([user.pid, *keepers(made)])
    assert rows(made) == 1
    assert "was not properly shut down" not in (made / "postgres.log").read_text()


def test_everything_killed_leaves_a_database_that_starts(made: Path, users: Users) -> None:
    user = users.start(made)
    keep_a_row(user.socket_dir())
    kill(everything(made))
    assert (made / "pgdata/postmaster.pid").exists()
    assert rows(made) == 1


@pytest.mark.parametrize("alive", [True, False])
def test_left_over_pid_of_another_or_an_unburied_process_is_not_taken_for_the_server(
    made: Path, users: Users, alive: bool
) -> None:
    user = users.start(made)
    keep_a_row(user.socket_dir())
    kill(everything(made))
    owner = (made / "pgdata").stat().st_uid
    with subprocess.Popen(["/bin/sleep", "60"], user=owner if os.geteuid() == 0 else None) as stranger:
        if not alive:
            kill([stranger.pid])
        for left_over in (made / "pgdata/postmaster.pid", made / "socket/.s.PGSQL.5432.lock"):
            left_over.write_text("\n".join([str(stranger.pid), *left_over.read_text().split("\n")[1:]]))
        try:
            assert rows(made) == 1
            assert "already exists" not in (made / "postgres.log").read_text()
            assert (stranger.poll() is None) == alive
        finally:
            stranger.kill()


@pytest.mark.parametrize("initdb_lives_on", [True, False])
def test_start_killed_while_it_makes_the_database_leaves_nothing_half(
    place: Path, users: Users, initdb_lives_on: bool
) -> None:
    user = users.start(place)
    assert comes((place / "pgdata.new/global").exists)
    kill([user.pid] if initdb_lives_on else everything(place))
    assert not (place / "pgdata").exists()
    with embedded.running(place) as database:
        assert answer(str(database.socket_dir), "SELECT 1") == 1
    assert not (place / "pgdata.new").exists()


def test_server_that_lost_its_keeper_unnoticed_is_ended_before_the_next(made: Path, users: Users) -> None:
    user = users.start(made)
    keep_a_row(user.socket_dir())
    former = postmaster(made)
    os.kill(former, signal.SIGSTOP)  # so it cannot hear that its keeper dies, as it never would on macOS
    kill([user.pid, *keepers(made)])
    next_user = users.start(made)
    time.sleep(0.3)
    assert postmaster(made) == former
    os.kill(former, signal.SIGCONT)
    assert answer(next_user.socket_dir(), KEPT) == 1
    assert postmaster(made) != former
