"""The links that cohorts of the sample company's customers give, against the elasticities that are true by its law."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from api.sample.customers import Customers, draw
from api.sample.customers.rungs import elasticity
from api.sample.customers.summaries import entrants
from kpi.history import pairs
from kpi.history.pairs import COLUMNS, FEWEST, PLACES
from kpi.ladder import Estimate
from stats.ladder.cohorts import from_cohorts
from stats.ladder.elasticity import Elasticity, NotIdentified

COMPANY = 900
"""Accounts of the sample company."""
MANY = 15_000
LADDER = [*pairwise(("ttfv", "activation", "retention", "nrr")), ("retention", "grr"), ("ttfv", "nrr")]


def moments(customers: Customers, leading: str, lagging: str) -> Iterator[dict[str, Any]]:
    """The sums over accounts that the product's SQL gives, by 30 days of entry and region."""
    below, above = (entrants(customers, rung) for rung in (leading, lagging))
    numbers = np.stack([below.y, below.x, above.y, above.x])
    is_final = below.is_final & above.is_final
    regions = np.unique(customers.region).size if len(customers) > COMPANY else 1
    cell = (customers.opened // 30).astype(int) * regions + customers.region % regions
    for which in np.unique(cell[is_final]):
        some = numbers[:, is_final & (cell == which)]
        if some.shape[1] >= FEWEST:
            spread = np.cov(some, ddof=0)
            yield (
                {
                    "month": date.fromordinal(700_000 + 30 * int(which // regions)),
                    "segment": f"region={which % regions}",
                }
                | {"n": some.shape[1]}
                | {f"mean_{name}": mean for name, mean in zip(COLUMNS, some.mean(axis=1), strict=True)}
                | {f"c_{COLUMNS[i]}{COLUMNS[j]}": spread[i, j] for i, j in PLACES}
            )


def estimate(customers: Customers, leading: str, lagging: str, **replaced: Any) -> Estimate:
    cohorts = pairs.cells(list(moments(customers, leading, lagging))).cohorts()
    return from_cohorts(replace(cohorts, **replaced), alpha=0.05).elasticity


@pytest.fixture(scope="module")
def companies() -> list[Customers]:
    """Companies with many customers, by the law of the sample company."""
    return [draw(MANY, np.random.default_rng(seed)) for seed in range(12)]


def test_intervals_hold_the_true_elasticities(companies: list[Customers]) -> None:
    """Of 72 intervals at 95 % it would take bad luck of one in a thousand for ten to miss."""
    missed = 0
    for leading, lagging in LADDER:
        truth, estimates = elasticity(leading, lagging), []
        for company in companies:
            found = estimate(company, leading, lagging)
            assert isinstance(found, Elasticity)
            missed += not found.interval.lower <= truth <= found.interval.upper
            estimates.append(found.estimate)
        # The law is a power only about (its local slope differs by up to a fifth), and cells of 30 lean a little.
        assert np.mean(estimates) == pytest.approx(truth, rel=0.1), (leading, lagging)
    assert missed < 10


def test_errors_of_the_same_accounts_taken_for_independent_would_overstate_a_link(companies: list[Customers]) -> None:
    """Accounts that are activated would stay anyway: what is true between them leaks in, which its covariance stops."""
    truth = elasticity("activation", "retention")
    slopes = [
        (estimate(company, "activation", "retention"), estimate(company, "activation", "retention", covariance=0.0))
        for company in companies
    ]
    right, wrong = np.array([[one.estimate for one in pair if isinstance(one, Elasticity)] for pair in slopes]).T
    assert (wrong > right).all()
    assert np.median(wrong) > 1.1 * truth


def test_few_customers_identify_few_links_and_those_hold_the_truth() -> None:
    """Months of a company of 900 accounts have some forty: enough for the first link only, and not always."""
    companies = [draw(COMPANY, np.random.default_rng(seed)) for seed in range(40)]
    first = [estimate(company, "ttfv", "activation") for company in companies]
    known = [one for one in first if isinstance(one, Elasticity)]
    truth = elasticity("ttfv", "activation")
    held = sum(one.interval.lower <= truth <= one.interval.upper for one in known)
    assert 10 < len(known) < len(companies)
    assert held >= 0.9 * len(known)
    last = [estimate(company, "retention", "grr") for company in companies]
    assert all(isinstance(one, NotIdentified) for one in last)
