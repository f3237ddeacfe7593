"""The list of commands: each is there when it is called, and costs nobody anything before."""

import subprocess
import sys

import pytest

from api.commands.main import COMMANDS, app, called

HEAVY = {"alembic", "asyncpg", "numpy", "pyarrow", "rich", "scipy", "sqlalchemy", "starlette", "strawberry", "uvicorn"}
LOADED = "import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"


def loaded(module: str) -> set[str]:
    """The packages in a new process that has imported a module."""
    words = [sys.executable, "-c", LOADED.format(module=module)]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def test_list_of_commands_loads_what_no_command_needs_yet_and_so_answers_at_once() -> None:
    """Together these take two seconds to load, which scripts that make a hundred keys would wait for every time."""
    assert loaded("api.commands.main") & HEAVY == set()


def test_commands_that_serve_nothing_and_judge_nothing_load_neither_server_nor_optimiser() -> None:
    modules = ("key", "migrate", "forgetting", "importing", "export", "doctor")
    found = loaded(", ".join(f"api.commands.{module}" for module in modules))
    assert {"alembic", "sqlalchemy"} <= found
    assert found & {"scipy", "strawberry", "uvicorn"} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_command_of_the_list_is_there_when_it_is_called(name: str) -> None:
    found = called(name)
    assert found.params or found.commands
    assert all(command.help for command in getattr(found, "commands", {name: found}).values())


def test_list_of_commands_is_what_help_shows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out.split()
    assert set(COMMANDS) <= set(shown)
