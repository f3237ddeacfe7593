"""The worked examples in the docstrings of the methods run and print what they say."""

import doctest
from types import ModuleType

import pytest

from stats import clusters, comoments, quantiles, winsorisation
from stats.methods import (
    agresti_caffo,
    cuped,
    fisher,
    lin,
    miettinen_nurminen,
    post_stratification,
    ratio,
    ratio_cuped,
    successes,
)

MODULES = [
    agresti_caffo,
    clusters,
    comoments,
    cuped,
    fisher,
    lin,
    miettinen_nurminen,
    post_stratification,
    quantiles,
    ratio,
    ratio_cuped,
    successes,
    winsorisation,
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_in_docstrings_print_what_they_say(module: ModuleType) -> None:
    ran = doctest.testmod(module)
    assert ran.attempted > 0
    assert ran.failed == 0
