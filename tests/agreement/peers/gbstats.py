"""GrowthBook's sequential and fixed tests, CUPED, and quantiles by gbstats."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gbstats.frequentist.tests import (  # type: ignore[import-not-found]  # the peer
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import (  # type: ignore[import-not-found]  # the peer
    QuantileClusteredStatistic,
    QuantileStatistic,
    RatioStatistic,
    RegressionAdjustedStatistic,
    SampleMeanStatistic,
    compute_theta,
)


def answers(given: Mapping[str, Any]) -> dict[str, Any]:
    """By name. The matched arms have covariates of one mean, which keeps its slope free of the arms' difference."""
    means = [mean(arm["value"]) for arm in given["units"]]
    ratios = [ratio(arm) for arm in given["units"]]
    return {
        "welch": fixed(means),
        "ratio": fixed(ratios),
        "sequential": sequential(means, planned=5000.0),
        "sequential_tuned": sequential(means, planned=200.0),
        "sequential_ratio": sequential(ratios, planned=500.0),
        "cuped": adjusted(given["matched"]),
        "quantile": {"variance": QuantileStatistic(**QUANTILE).variance_init / 400},
        "share_variance": {"variance": float(clustered(given["units"][0]).get_cluster_variance)},
    }


QUANTILE = {"n": 400, "n_star": 400, "nu": 0.9, "quantile_hat": 12.5, "quantile_lower": 11.0, "quantile_upper": 14.25}


def mean(values: list[float]) -> Any:
    """Sums of an arm."""
    rows = np.array(values)
    return SampleMeanStatistic(n=rows.size, sum=float(rows.sum()), sum_squares=float((rows**2).sum()))


def ratio(arm: Mapping[str, Any]) -> Any:
    """Sums of clicks and views."""
    products = float(np.dot(arm["clicks"], arm["views"]))
    parts = mean(arm["clicks"]), mean(arm["views"])
    return RatioStatistic(n=len(arm["views"]), m_statistic=parts[0], d_statistic=parts[1], m_d_sum_of_products=products)


def fixed(arms: list[Any]) -> dict[str, float]:
    """Welch's test."""
    found = TwoSidedTTest(*arms, FrequentistConfig(difference_type="absolute")).compute_result()
    return {"difference": found.expected, "p_value": found.p_value, "lower": found.ci[0], "upper": found.ci[1]}


def sequential(arms: list[Any], planned: float) -> dict[str, float]:
    """The always-valid test, tuned at a number of units."""
    config = SequentialConfig(difference_type="absolute", sequential_tuning_parameter=planned)
    found = SequentialTwoSidedTTest(*arms, config).compute_result()
    return {"p_value": found.p_value, "lower": found.ci[0], "upper": found.ci[1]}


def adjusted(units: list[Mapping[str, Any]]) -> dict[str, float]:
    """CUPED's difference and its variance."""
    arms = [
        RegressionAdjustedStatistic(
            n=len(arm["value"]),
            post_statistic=mean(arm["value"]),
            pre_statistic=mean(arm["covariate"]),
            post_pre_sum_of_products=float(np.dot(arm["value"], arm["covariate"])),
            theta=0.0,
        )
        for arm in units
    ]
    theta = compute_theta(*arms)
    for arm in arms:
        arm.theta = theta
    test = TwoSidedTTest(*arms, FrequentistConfig(difference_type="absolute"))
    return {"theta": theta, "difference": float(test.point_estimate), "variance": float(test.variance)}


def clustered(arm: Mapping[str, Any]) -> Any:
    """Clusters of units of which some lie below a quantile: here the clicks among the views."""
    below, units = np.array(arm["clicks"], dtype=float), np.array(arm["views"], dtype=float)
    return QuantileClusteredStatistic(
        **QUANTILE,
        main_sum=below.sum(),
        main_sum_squares=(below**2).sum(),
        denominator_sum=units.sum(),
        denominator_sum_squares=(units**2).sum(),
        main_denominator_sum_product=below @ units,
        n_clusters=below.size,
    )
