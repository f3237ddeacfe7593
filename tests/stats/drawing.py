"""What the property tests draw from: few examples, always the same ones, so that a run is quick and repeatable."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from stats.moments import Moments

few = settings(max_examples=60, deadline=None, database=None, derandomize=True)
fewer = settings(few, max_examples=25)
"""For what takes a root or an integral for each example."""

values = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: round(x, 3))
samples = st.lists(values, min_size=2, max_size=30)
days = st.lists(st.lists(values, max_size=8), min_size=1, max_size=8)
counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def by_day(drawn: list[list[float]]) -> Moments:
    """One entry a day; a day may be empty."""
    parts = [Moments.from_values(day) for day in drawn]
    return Moments(
        n=np.stack([part.n for part in parts]),
        mean=np.stack([part.mean for part in parts]),
        m2=np.stack([part.m2 for part in parts]),
    )
