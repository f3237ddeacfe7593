"""Means, ratios, covariates, clusters, quantiles."""

from collections.abc import Callable
from functools import partial

import numpy as np

from stats import baseline, clusters, lift, noninferiority, quantiles
from stats.arrays import numbers
from stats.comoments import CoMoments
from stats.lift import Lifts
from stats.methods import cuped, lin, post_stratification, ratio, ratio_cuped, welch
from stats.results import Comparisons
from tests.agreement import arms
from tests.agreement.checks import Answer, Check

PARTS = ("difference", "standard_error", "statistic", "p_value", "lower", "upper")


def told(found: Comparisons, *parts: str) -> Answer:
    """These parts of a comparison."""
    return {part: getattr(found, part) for part in parts}


def limits(found: Lifts) -> Answer:
    """The lift and its interval."""
    return {"lift": found.lift, "lower": found.lower, "upper": found.upper}


def student(*parts: str, alpha: float = 0.05, null: float = 0.0) -> Answer:
    return told(welch.compare(*arms.moments("value"), alpha=alpha, null=null), *parts)


def against_a_sample() -> Answer:
    """A baseline that is itself a sample is the control of Welch's test."""
    before, value = arms.moments("value")
    found = baseline.compare(
        value.mean,
        value.mean_variance,
        baseline=before.mean,
        baseline_standard_error=before.standard_error,
        alpha=0.1,
        n=value.n,
        baseline_n=before.n,
    )
    return told(found, *PARTS)


def not_worse() -> Answer:
    before, after = arms.moments("value")
    df = welch.satterthwaite(before.mean_variance, before.n - 1, after.mean_variance, after.n - 1)
    compared = welch.compare(before, after, alpha=0.05)
    # R is asked about 1.5 and 4 of the difference: margins of -1.5 and 4 are below zero for us, so shift the arms.
    found = [
        noninferiority.against(moved, margin=1.0, alpha=0.025, sign=sign, df=df)
        for moved, sign in ((_moved(compared, -2.5), 1), (_moved(compared, -3.0), -1))
    ]
    return {
        "statistic": [part.statistic for part in found],
        "p_value": [part.p_value for part in found],
        "worst": [found[0].worst + 2.5, found[1].worst + 3.0],
        "df": [df, df],
    }


def _moved(found: Comparisons, by: float) -> Comparisons:
    parts = {name: getattr(found, name) for name in ("variance", "statistic", "p_value", "lower", "upper")}
    return Comparisons(
        difference=found.difference + by, **parts, level=found.level, reason=found.reason, method=found.method
    )


def slope_for_each() -> Answer:
    pair = arms.comoments("value", "covariate")
    found = lin.compare(*pair, alpha=0.05)
    return {**told(found, "difference", "variance"), "slopes": [lin.theta(arm) for arm in pair]}


def one_slope() -> Answer:
    pair = arms.comoments("value", "covariate")
    return {"difference": cuped.compare(*pair, alpha=0.05).difference, "slope": cuped.theta(*pair)}


def one_slope_of_even_arms() -> Answer:
    control, treatment = (np.column_stack([arm["value"], arm["covariate"]])[:40] for arm in arms.arms())
    pair = [CoMoments.from_values(rows) for rows in (control, treatment)]
    return told(cuped.compare(*pair, alpha=0.05), "difference", "standard_error")


def one_slope_of_matched_arms(*parts: str) -> Answer:
    """Theirs without the degree of freedom that the slope takes: 1 / (n - 2) for our 1 / (n - 3)."""
    pair = arms.comoments("value", "covariate", which="matched")
    found, n = cuped.compare(*pair, alpha=0.05), float(pair[0].n + pair[1].n)
    theirs = found.variance * (n - 3) / (n - 2)
    answer = {
        "theta": cuped.theta(*pair),
        "difference": found.difference,
        "variance": theirs,
        "statistic": found.difference / np.sqrt(theirs),
    }
    return {part: answer[part] for part in parts}


def by_stratum() -> Answer:
    pair = arms.strata()
    found = post_stratification.compare(*pair, alpha=0.05, weights=pair[0].n + pair[1].n)
    return told(found, "difference", "standard_error")


def many_clusters() -> Answer:
    pair = [arm.comoments for arm in arms.clusters()]
    return told(clusters.cr0(*pair, alpha=0.05), "difference", "variance")


def few_clusters() -> Answer:
    control, treatment = arms.clusters()
    found = clusters.cr2(control, treatment, alpha=0.1)
    df = clusters.degrees_of_freedom(control.sizes, treatment.sizes)
    return {**told(found, "difference", "standard_error", "p_value", "lower", "upper"), "df": df}


def of_sums(*parts: str) -> Answer:
    return told(ratio.compare(*arms.comoments("clicks", "views"), alpha=0.05), *parts)


def of_sums_less_before() -> Answer:
    pair = arms.comoments("clicks", "views", "clicks_before", "views_before")
    return told(ratio_cuped.compare(*pair, alpha=0.05), "difference")


def lift_of_means() -> Answer:
    before, after = arms.moments("value")
    return limits(lift.relative(before.mean, before.mean_variance, after.mean, after.mean_variance, alpha=0.05))


def near_zero() -> Answer:
    found = lift.relative([10, 2, 5], [4, 0.5, 2], [11, -1, 0.4], [4, 0.3, 1], alpha=0.05)
    return {"limits": np.column_stack((found.lower, found.upper))}


def far_from_zero() -> Answer:
    found = lift.relative(10, 0.09, 11, 0.04, alpha=0.05)
    return {"limits": [found.lower, found.upper]}


def ranks() -> Answer:
    found = quantiles.ranks([100, 37, 5000, 12], [0.5, 0.9, 0.99, 0.25], alpha=0.05)
    return {"lower": found.lower, "upper": found.upper}


def medians() -> Answer:
    return {"value": [quantiles.Quantiles.from_values(arm["value"], 0.5, alpha=0.05).value for arm in arms.arms()]}


def width_as_error() -> Answer:
    """Theirs is (n - 1) / n of ours."""
    found = quantiles.Quantiles(value=numbers(12.5), lower=numbers(11.0), upper=numbers(14.25), alpha=0.05)
    return {"variance": found.variance * 399 / 400}


def clustered_share() -> Answer:
    return {"variance": quantiles.clustered_share_variance(arms.comoments("clicks", "views")[0])}


def check(source: str, answer: str, ours: Callable[[], Answer], *covers: str) -> Check:
    return Check(source=source, answer=answer, covers=covers, ours=ours)


FOUR = ("difference", "p_value", "lower", "upper")
FIVE = ("difference", "statistic", "p_value", "lower", "upper")
CHECKS = (
    check("R means", "welch", partial(student, *PARTS, alpha=0.1), "methods.welch.compare", "wald.compare"),
    check("R means", "welch", against_a_sample, "baseline.compare"),
    check("R means", "welch_null", partial(student, *PARTS, null=0.75), "methods.welch.compare"),
    check("R means", "non_inferiority", not_worse, "noninferiority.against", "methods.welch.satterthwaite"),
    check("R means", "lin", slope_for_each, "methods.lin.compare", "methods.lin.theta"),
    check("R means", "cuped", one_slope, "methods.cuped.compare", "methods.cuped.theta"),
    check("R means", "cuped_even", one_slope_of_even_arms, "methods.cuped.compare", "methods.cuped.adjusted"),
    check("R means", "post_stratification", by_stratum, "methods.post_stratification.compare"),
    check("R means", "clusters_cr0", many_clusters, "clusters.cr0"),
    check("R means", "clusters_cr2", few_clusters, "clusters.cr2", "clusters.degrees_of_freedom"),
    check("R means", "clusters_cr2_estimatr", few_clusters, "clusters.cr2", "clusters.degrees_of_freedom"),
    check("R means", "ratio", partial(of_sums, "difference", "variance"), "methods.ratio.compare"),
    check("R means", "ratio_cuped", of_sums_less_before, "methods.ratio_cuped.compare", "methods.ratio.linearised"),
    check("R means", "fieller", near_zero, "lift.relative"),
    check("R means", "log_lift", far_from_zero, "lift.relative"),
    check("R means", "ranks", ranks, "quantiles.ranks"),
    check("R means", "quantile", medians, "quantiles.Quantiles.from_values"),
    check("tea-tasting", "welch", partial(student, *FIVE), "methods.welch.compare"),
    check("tea-tasting", "lift", lift_of_means, "lift.relative"),
    check("tea-tasting", "ratio", partial(of_sums, *FIVE), "methods.ratio.compare"),
    check(
        "tea-tasting",
        "ratio_lift",
        lambda: limits(ratio.lift(*arms.comoments("clicks", "views"), alpha=0.05)),
        "methods.ratio.lift",
    ),
    check(
        "tea-tasting", "cuped", partial(one_slope_of_matched_arms, "difference", "statistic"), "methods.cuped.compare"
    ),
    check("gbstats", "welch", partial(student, *FOUR), "methods.welch.compare"),
    check("gbstats", "ratio", partial(of_sums, *FOUR), "methods.ratio.compare"),
    check(
        "gbstats",
        "cuped",
        partial(one_slope_of_matched_arms, "theta", "difference", "variance"),
        "methods.cuped.compare",
    ),
    check("gbstats", "quantile", width_as_error, "quantiles.compare"),
    check("gbstats", "share_variance", clustered_share, "quantiles.clustered_share_variance"),
)
