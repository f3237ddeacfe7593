"""What importing the statistics costs, and how methods are found."""

import subprocess
import sys

import pytest

from stats import methods
from stats.methods import proportions, welch
from stats.results import Reason

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys, stats
for module in pkgutil.walk_packages(stats.__path__, "stats."):
    importlib.import_module(module.name)
slow = {"scipy.special", "scipy.stats", "scipy.optimize", "statsmodels", "pandas"}
print(*sorted(slow & set(sys.modules)))
"""


def test_importing_all_statistics_leaves_the_slow_libraries_alone() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_methods_are_found_by_name() -> None:
    assert methods.get("welch") is welch.compare
    assert methods.get("proportions") is proportions.compare


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="welch"):
        methods.get("mann-whitney")


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_one_sentence(reason: Reason) -> None:
    assert reason.sentence.endswith(".")
    assert reason.sentence.count(".") == 1
