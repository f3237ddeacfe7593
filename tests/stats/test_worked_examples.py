"""Every public function of the statistics shows a worked example in its docstring, and every example is run."""

import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re
from pathlib import Path

import pytest

import stats

EXAMPLES = re.findall(
    r"```python\n(.*?)```",
    Path(__file__).parents[2].joinpath("docs/statistics.md").read_text(encoding="utf-8"),
    re.DOTALL,
)
MODULES = sorted(module.name for module in pkgutil.walk_packages(stats.__path__, "stats."))
WITHOUT_EXAMPLES = {
    "stats.calibration": "whole simulations by the thousand: what they print is the table of docs/calibration.md",
    "stats.distributions": "each is one function of scipy under the name this package calls it by",
    "stats.methods.get": "a lookup by name, shown by every method's own example",
    "stats.sequential.recursion": "the steps inside `boundaries` and `crossing_probability`, which show the outcome",
    "stats.wald.compare": "what Welch, baselines and survival times call, and their examples show",
}


def public_functions(module_name: str) -> list[str]:
    """The full names of the functions defined in a module, without those that begin with an underscore."""
    found = inspect.getmembers(importlib.import_module(module_name), inspect.isfunction)
    return [f"{module_name}.{name}" for name, made in found if made.__module__ == module_name and name[0] != "_"]


def excused(name: str) -> bool:
    return any(name == without or name.startswith(f"{without}.") for without in WITHOUT_EXAMPLES)


@pytest.mark.parametrize("module_name", MODULES)
def test_every_worked_example_gives_what_it_says(module_name: str) -> None:
    assert doctest.testmod(importlib.import_module(module_name)).failed == 0


@pytest.mark.parametrize("module_name", MODULES)
def test_every_public_function_has_a_worked_example(module_name: str) -> None:
    module = importlib.import_module(module_name)
    shown = {example.name for example in doctest.DocTestFinder().find(module) if example.examples}
    assert [name for name in public_functions(module_name) if name not in shown and not excused(name)] == []


@pytest.mark.parametrize("without", WITHOUT_EXAMPLES)
def test_an_exception_names_something_that_is_there(without: str) -> None:
    inside = [name for module_name in MODULES for name in public_functions(module_name)]
    assert any(name == without or name.startswith(f"{without}.") for name in inside)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_document_prints_what_it_says(example: str) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(example, {})  # noqa: S102 - of our own document
    assert said.getvalue().splitlines() == re.findall(r"^# (.*)$", example, re.MULTILINE)


def test_the_document_has_an_example_for_either_face() -> None:
    assert [example.partition("\n")[0] for example in EXAMPLES] == [
        "from stats import multiplicity",
        "from stats import single",
    ]
