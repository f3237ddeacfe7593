"""Who leaves, by the law, against a large draw of customers and scipy's count of pairs in order."""

import numpy as np
import pytest
from scipy import stats

from api.sample.customers import draw
from api.sample.customers.law import HISTORY_DAYS
from api.sample.customers.leaving import CHECKED, ceiling, left_since


@pytest.mark.parametrize(("day", "until"), [(CHECKED, HISTORY_DAYS), (200, 300)])
def test_ceiling_is_the_share_of_pairs_that_knowing_who_is_retained_puts_in_order(day: int, until: int) -> None:
    customers = draw(200_000, np.random.default_rng(4))
    then, left = left_since(customers, day, until)
    knows = 1.0 - customers.is_retained
    pairs = stats.mannwhitneyu(knows[left], knows[then & ~left]).statistic
    # The standard error of so many is 0.002 at most; scipy counts ties half as well.
    assert pairs / (left.sum() * (then & ~left).sum()) == pytest.approx(ceiling(day, until), abs=0.007)


@pytest.mark.parametrize(("day", "until"), [(0, 90), (300, 300), (700, 731)])
def test_ceiling_of_days_that_are_not_in_the_history_is_refused(day: int, until: int) -> None:
    with pytest.raises(ValueError, match="follow each other"):
        ceiling(day, until)
