"""Means, ratios and CUPED by tea-tasting, from its aggregates."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tea_tasting  # type: ignore[import-not-found]  # the peer
from tea_tasting.aggr import Aggregates  # type: ignore[import-not-found]  # the peer


def answers(given: Mapping[str, Any]) -> dict[str, Any]:
    """By name. The matched arms have covariates of one mean, which keeps its slope free of the arms' difference."""
    units = [aggregated(arm) for arm in given["units"]]
    matched = [aggregated(arm) for arm in given["matched"]]
    return {
        "welch": told(tea_tasting.Mean("value", use_t=True), units),
        "lift": relative(tea_tasting.Mean("value", use_t=False), units),
        "ratio": told(tea_tasting.RatioOfMeans("clicks", "views", use_t=True), units),
        "ratio_lift": relative(tea_tasting.RatioOfMeans("clicks", "views", use_t=False), units),
        "cuped": told(tea_tasting.Mean("value", "covariate", use_t=False), matched, "statistic"),
    }


def aggregated(arm: Mapping[str, Any]) -> Any:
    """Counts, means, variances and covariances of an arm."""
    names = ("value", "covariate", "clicks", "views")
    rows = np.array([arm[name] for name in names], dtype=float)
    table = np.cov(rows)
    return Aggregates(
        rows.shape[1],
        {name: float(mean) for name, mean in zip(names, rows.mean(axis=1), strict=True)},
        {name: float(table[i, i]) for i, name in enumerate(names)},
        {(one, other): float(table[i, j]) for i, one in enumerate(names) for j, other in enumerate(names) if i < j},
    )


def told(metric: Any, arms: list[Any], *only: str) -> dict[str, float]:
    """Difference, test and interval; or the difference and what is asked for only."""
    found = metric.analyze_aggregates(*arms)
    parts = {
        "difference": found.effect_size,
        "statistic": found.statistic,
        "p_value": found.pvalue,
        "lower": found.effect_size_ci_lower,
        "upper": found.effect_size_ci_upper,
    }
    return {name: float(part) for name, part in parts.items() if not only or name in ("difference", *only)}


def relative(metric: Any, arms: list[Any]) -> dict[str, float]:
    """The relative change and its interval."""
    found = metric.analyze_aggregates(*arms)
    return {
        "lift": float(found.rel_effect_size),
        "lower": float(found.rel_effect_size_ci_lower),
        "upper": float(found.rel_effect_size_ci_upper),
    }
