"""Curves, medians, restricted means, log-rank tests and Cox's model by lifelines.

Its variance of a restricted mean is that of min(T, tau) and not of the mean: it is not asked for.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]  # the peer's own
from lifelines import CoxPHFitter, KaplanMeierFitter  # type: ignore[import-not-found]  # the peer
from lifelines.statistics import logrank_test  # type: ignore[import-not-found]  # the peer
from lifelines.utils import restricted_mean_survival_time  # type: ignore[import-not-found]  # the peer


def answers(given: Mapping[str, Any]) -> dict[str, Any]:
    """By name."""
    drug, placebo = given["freireich"]
    test = logrank_test(placebo["time"], drug["time"], placebo["status"], drug["status"])
    return {
        "kaplan_meier_drug": curve(drug),
        "kaplan_meier_placebo": curve(placebo),
        "rmst": {"drug": restricted(drug), "placebo": restricted(placebo)},
        "log_rank": {"chi_square": test.test_statistic, "p_value": test.p_value},
        "cox": cox(drug, placebo),
    }


def fitted(arm: Mapping[str, Any]) -> Any:
    """The curve at every day up to the last."""
    days = range(max(arm["time"]) + 1)
    return KaplanMeierFitter().fit(arm["time"], arm["status"], timeline=days)


def curve(arm: Mapping[str, Any]) -> dict[str, Any]:
    """The curve and its limits from the first event to the last day it is above zero; the median."""
    fit = fitted(arm)
    alive = [day for day in range(min(arm["time"]), max(arm["time"]) + 1) if fit.predict(day) > 0]
    limits = fit.confidence_interval_survival_function_.loc[alive]
    return {
        "survival": fit.survival_function_.loc[alive].iloc[:, 0].tolist(),
        "lower": limits.iloc[:, 0].tolist(),
        "upper": limits.iloc[:, 1].tolist(),
        "median": fit.median_survival_time_,
    }


def restricted(arm: Mapping[str, Any]) -> list[float]:
    """The area under the curve up to two days."""
    fit = KaplanMeierFitter().fit(arm["time"], arm["status"])
    return [restricted_mean_survival_time(fit, t=tau) for tau in (12, 20)]


def cox(drug: Mapping[str, Any], placebo: Mapping[str, Any]) -> dict[str, float]:
    """The log hazard ratio of the drug, by Efron's ties."""
    arms = [pd.DataFrame({**arm, "arm": treated}) for arm, treated in ((drug, 1.0), (placebo, 0.0))]
    fit = CoxPHFitter().fit(pd.concat(arms), "time", "status", fit_options={"precision": 1e-12})
    return {"difference": float(fit.params_["arm"]), "standard_error": float(fit.standard_errors_["arm"])}
