"""The worked examples in the docstrings of everything sequential, and of what judges many questions at once."""

import doctest
from types import ModuleType

import pytest

from stats import discovery
from stats.sequential import (
    adjusted,
    confidence_sequence,
    e_process,
    group_sequential,
    regression,
    roots,
    safe_logrank,
    staggered,
    stopping,
)

MODULES = (
    adjusted,
    confidence_sequence,
    discovery,
    e_process,
    group_sequential,
    regression,
    roots,
    safe_logrank,
    staggered,
    stopping,
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_worked_examples_are_right(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0
