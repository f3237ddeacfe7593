"""The hash that assigns: as it is published, even, independent, and never another one."""

from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy import stats

from experiments.flags.assignment import PLACES, Draw, chosen, place, places

UNITS = [f"user-{number}" for number in range(20_000)]


@pytest.mark.parametrize(
    ("draw", "name", "unit", "expected"),
    [
        ("traffic", "guided-tour", "u1", 867601),
        ("traffic", "guided-tour", "u2", 31410),
        ("traffic", "guided-tour", "account 7", 721313),
        ("traffic", "guided-tour", "Zoë", 131410),
        ("traffic", "pricing", "u1", 970896),
        ("layer", "pricing", "u1", 711667),
        ("layer", "pricing", "account 7", 808635),
        ("layer", "guided-tour", "Zoë", 77938),
        ("variant", "guided-tour", "u1", 787099),
        ("variant", "guided-tour", "u2", 379042),
        ("variant", "guided-tour", "account 7", 78828),
        ("variant", "guided-tour", "Zoë", 12463),
        ("variant", "pricing", "u1", 740215),
        ("variant", "pricing", "Zoë", 390430),
    ],
)
def test_place_of_a_unit_is_the_published_one(draw: str, name: str, unit: str, expected: int) -> None:
    r"""By coreutils' sha256sum and bc: `printf 'variant\0guided-tour\0u1' | sha256sum`, 16 digits, times a million."""
    assert place(Draw(draw), name, unit) == expected


@pytest.mark.parametrize("draw", list(Draw))
def test_units_fall_evenly(draw: Draw) -> None:
    """Chi-square over 100 parts; the units are fixed, so the p-value is too."""
    found = np.bincount([place(draw, "guided-tour", unit) * 100 // PLACES for unit in UNITS], minlength=100)
    assert stats.chisquare(found).pvalue > 0.01


def test_what_is_drawn_once_says_nothing_of_what_is_drawn_otherwise() -> None:
    """Chi-square of independence in tables of 5 x 5 for 435 pairs of draws: their p-values are even themselves.

    One pair alone has a p-value below 0.01 once in a hundred, whichever hash it is.
    """
    names = [(draw, f"test-{number}") for draw in Draw for number in range(10)]
    drawn = np.array([[place(*name, unit) * 5 // PLACES for unit in UNITS[:5_000]] for name in names])
    found = []
    for one, other in combinations(drawn, 2):
        table = np.zeros((5, 5))
        np.add.at(table, (one, other), 1)
        found.append(stats.chi2_contingency(table).pvalue)
    assert len(found) == 435
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_variants_have_the_shares_of_their_weights() -> None:
    weights = [1.0, 1.0, 2.0, 0.01]
    found = Counter(chosen(place(Draw.VARIANT, "guided-tour", unit), weights) for unit in UNITS)
    expected = np.array(weights) / sum(weights) * len(UNITS)
    assert stats.chisquare([found[number] for number in range(4)], expected).pvalue > 0.01


@pytest.mark.parametrize("weights", [[1.0], [0.1] * 10, [1 / 3, 1 / 3, 1 / 3], [1e-9, 1.0], [5.0, 0.7, 1e6]])
def test_every_place_belongs_to_one_variant_in_the_order_of_the_plan(weights: list[float]) -> None:
    ends = [chosen(at, weights) for at in (0, 1, PLACES // 2, PLACES - 2, PLACES - 1)]
    assert ends == sorted(ends)
    assert ends[-1] == len(weights) - 1
    assert chosen(places(weights[0] / sum(weights)) - 1, weights) == 0 or weights[0] / sum(weights) < 1 / PLACES


def test_share_that_grows_lets_units_in_and_none_out() -> None:
    shares = [0.0, 0.000001, 0.1, 0.5, 0.9999999, 1.0]
    at = {unit: place(Draw.TRAFFIC, "x", unit) for unit in UNITS}
    inside = [{unit for unit in UNITS if at[unit] < places(share)} for share in shares]
    assert all(fewer <= more for fewer, more in pairwise(inside))
    assert (len(inside[0]), len(inside[-1])) == (0, len(UNITS))
    assert abs(len(inside[3]) / len(UNITS) - 0.5) < 0.01
