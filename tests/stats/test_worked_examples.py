"""The worked examples in the docstrings, run as they stand."""

import doctest
import importlib

import pytest

MODULES = [
    "stats.bayes",
    "stats.design.normal",
    "stats.design.proportions",
    "stats.design.factors",
    "stats.design.events",
    "stats.design.rmst",
    "stats.design.policy",
    "stats.design.duration",
    "stats.meta",
    "stats.multiplicity",
    "stats.noninferiority",
    "stats.shrinkage",
    "stats.survival.cox",
    "stats.survival.quantiles",
]


@pytest.mark.parametrize("name", MODULES)
def test_every_worked_example_gives_what_it_says(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0
