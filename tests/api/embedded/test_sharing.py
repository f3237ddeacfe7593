"""One server for all processes that need it, from the first that comes to the last that goes."""

import subprocess
import time
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from api import embedded
from tests.api.embedded.conftest import Users
from tests.api.embedded.processes import answer, comes, everything, keepers

BORN = "SELECT pg_postmaster_start_time()"


async def test_database_started_cold_answers_at_its_url(place: Path) -> None:
    with embedded.running(place / "data") as database:
        engine = create_async_engine(database.url)
        async with engine.connect() as connection:
            found = await connection.execute(text("SELECT current_user, current_database(), current_setting('port')"))
            assert tuple(found.one()) == ("truelift", "truelift", "5432")
        await engine.dispose()
    assert everything(place) == []


def test_second_process_shares_the_server_and_outlives_the_first(made: Path, users: Users) -> None:
    first, second = users.start(made), users.start(made)
    born = answer(first.socket_dir(), BORN)
    assert answer(second.socket_dir(), BORN) == born
    first.leave()
    assert answer(second.socket_dir(), BORN) == born
    second.leave()
    assert everything(made) == []


def test_interrupted_user_leaves_no_process_behind(made: Path, users: Users) -> None:
    user = users.start(made)
    user.socket_dir()
    user.interrupt()
    assert everything(made) == []


def test_interrupted_user_leaves_the_server_to_another(made: Path, users: Users) -> None:
    first, second = users.start(made), users.start(made)
    first.socket_dir()
    first.interrupt()
    assert answer(second.socket_dir(), "SELECT 1") == 1


def test_leaving_where_another_stays_leaves_it_its_server(made: Path, users: Users) -> None:
    staying = users.start(made)
    born = answer(staying.socket_dir(), BORN)
    with embedded.running(made) as outer, embedded.running(made):
        assert str(outer.socket_dir) == staying.socket_dir()
    assert answer(staying.socket_dir(), BORN) == born


def test_processes_started_together_get_one_keeper(made: Path, users: Users) -> None:
    together = [users.start(made) for _ in range(4)]
    assert len({answer(user.socket_dir(), BORN) for user in together}) == 1
    assert comes(lambda: len(keepers(made)) == 1)  # who was one before may still be ending


def test_user_arriving_at_any_moment_of_the_shutdown_has_a_server(made: Path, users: Users) -> None:
    former = users.start(made)
    for delay in (0.0, 0.03, 0.06, 0.09, 0.12):
        former.socket_dir()
        former.kill()  # it does not wait for the keeper, so the next user meets it
        time.sleep(delay)
        former = users.start(made)
        assert answer(former.socket_dir(), "SELECT 1") == 1
        assert comes(lambda: len(keepers(made)) == 1)  # who was one before may still be ending


def test_user_leaves_while_another_arrives_and_the_other_has_a_server(made: Path, users: Users) -> None:
    for _ in range(3):
        leaving = users.start(made)
        leaving.socket_dir()
        arriving = users.start(made)
        leaving.leave()
        assert answer(arriving.socket_dir(), "SELECT 1") == 1
        arriving.leave()
    assert everything(made) == []


def test_child_of_a_user_does_not_keep_the_server_alive(made: Path) -> None:
    with embedded.running(made):
        child = subprocess.Popen(["/bin/sleep", "60"], close_fds=False)
    try:
        assert comes(lambda: everything(made) == [])
    finally:
        child.kill()
        child.wait()
