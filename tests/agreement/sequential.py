"""Planned looks, and evidence that may be looked at on any day."""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.optimize import brentq

from stats.design import policy
from stats.methods import ratio, welch
from stats.results import Comparisons
from stats.sequential import (
    adjusted,
    confidence_sequence,
    e_process,
    group_sequential,
    regression,
    safe_logrank,
    stopping,
)
from stats.sequential.group_sequential import Spending
from tests.agreement import arms
from tests.agreement.checks import CLOSED, RECURSION, Answer, Check
from tests.agreement.inputs import DAYS, load

QUARTERS = np.array([0.25, 0.5, 0.75, 1.0])
SPENDINGS = {
    "obrien_fleming": group_sequential.obrien_fleming,
    "pocock": group_sequential.pocock,
    "hwang_shih_decani": group_sequential.hwang_shih_decani(-3),
}


def bars(spending: Spending, *, one_sided: bool) -> Answer:
    """Of all the clocks, one after the other."""
    each = (
        group_sequential.upper_boundaries(clock, alpha=0.025, spending=spending)
        if one_sided
        else group_sequential.boundaries(clock, alpha=0.05, spending=spending)
        for clock in load()["fractions"]
    )
    return {"bars": np.concatenate(list(each))}


def classical() -> Answer:
    """The bar of each look that leaves alpha in all: of one height, or falling with the root of the look."""
    fifths = np.arange(1, 6) / 5
    shapes = {"pocock": np.ones(5), "obrien_fleming": 1 / np.sqrt(fifths)}
    return {name: shape * _height(shape, fifths) for name, shape in shapes.items()}


def _height(shape: np.ndarray, information: np.ndarray) -> float:
    def excess(height: float) -> float:
        return float(group_sequential.crossing_probability(height * shape, information, 0.0).sum()) - 0.05

    return float(brentq(excess, 1.5, 3.0, xtol=1e-13))


def cost() -> Answer:
    found = [policy.group_sequential(looks, alpha=0.05, power=0.8) for looks in (2, 3, 5)]
    return {"horizon": [one.horizon for one in found], "mean": [one.mean for one in found]}


def power() -> Answer:
    plan = stopping.one_sided(QUARTERS, alpha=0.025)
    stopped = plan.crossing(2.5)[0]
    return {"stopping": stopped[:3], "power": plan.power(2.5), "expected": plan.expected_information(2.5)}


def two_sided_power() -> Answer:
    plan = stopping.two_sided(QUARTERS, alpha=0.05)
    return {"power": plan.crossing(2.0).sum(), "expected": plan.expected_information(2.0)}


def mixture_horizon() -> Answer:
    return {"horizon": policy.always_valid(20, alpha=0.05, power=0.8).horizon}


def futility(which: int) -> Answer:
    plan = stopping.with_futility(load()["fractions"][which], alpha=0.025, beta=0.2)
    return {"upper": plan.upper, "lower": plan.lower[:-1], "drift": plan.drift_for(0.8)}


def ended() -> Answer:
    """Log-rank: the log hazard ratio has an information of a quarter of the events."""
    upper = group_sequential.upper_boundaries(QUARTERS, alpha=0.025)[:3]
    information = np.array([25.0, 50.0, 75.0]) / 4
    found = adjusted.after(upper, information, 2.6, alpha=0.05, lower=np.full(3, -np.inf))
    return {
        "p_value_above": found.p_value_above,
        "estimate": found.estimate,
        "limits": [found.interval.lower, found.interval.upper],
    }


def repeated() -> Answer:
    upper = group_sequential.upper_boundaries(QUARTERS, alpha=0.025)[:3]
    variance = 4 / np.array([25.0, 50.0, 75.0])
    lower, high = adjusted.repeated_interval(np.array([1.1, 1.9, 2.6]) * np.sqrt(variance), variance, upper)
    return {"lower": lower, "upper": high}


def always_valid(compared: Callable[[], Comparisons], planned_n: int) -> Answer:
    found, n = compared(), sum(len(arm["value"]) for arm in arms.arms())
    tau2 = confidence_sequence.asymptotic(found.variance, n, planned_n=planned_n, alpha=0.05)
    log_e = confidence_sequence.log_e_value(found.difference, found.variance, tau2=tau2)
    width = confidence_sequence.half_width(found.variance, tau2=tau2, alpha=0.05)
    p_value = confidence_sequence.p_value(log_e)
    return {"p_value": p_value, "lower": found.difference - width, "upper": found.difference + width}


def of_means() -> Comparisons:
    return welch.compare(*arms.moments("value"), alpha=0.05)


def of_ratios() -> Comparisons:
    return ratio.compare(*arms.comoments("clicks", "views"), alpha=0.05)


def alike() -> Answer:
    """The kernel with a spread of true effects, as the mixture sequential probability ratio test."""
    effects = load()["effects"]
    tau2 = confidence_sequence.mixture_sprt(0.2)
    return {"log_e": confidence_sequence.log_e_value(effects["difference"], effects["variance"], tau2=tau2, null=0.05)}


def below() -> Answer:
    """Where the evidence upwards reaches 20."""
    return {"width": confidence_sequence.one_sided_width(load()["effects"]["variance"], tau2=0.02, alpha=0.05)}


def regressed() -> Answer:
    effects = load()["effects"]
    difference, variance = effects["difference"], effects["variance"]
    return {
        "log_e": regression.log_e_value(difference, variance, df=198, n=200, g=25),
        "half_width": regression.half_width(variance, df=198, n=200, g=25, alpha=0.05),
    }


def upwards() -> Answer:
    effects = load()["effects"]
    found = confidence_sequence.one_sided_log_e_value(effects["difference"], effects["variance"], tau2=0.02)
    return {"log_e": found}


def one_share() -> Answer:
    won, n = np.transpose(load()["daily_shares"]["treatment"])
    return {"log_e": e_process.share(won, n, null=0.2)}


def one_share_interval() -> Answer:
    won, n = np.transpose(load()["daily_shares"]["treatment"])
    lower, upper = e_process.share_interval(won, n, alpha=0.05)
    return {"lower": lower, "upper": upper}


def two_shares() -> Answer:
    days = load()["daily_shares"]
    return {"log_e": e_process.two_shares(*np.transpose(days["control"]), *np.transpose(days["treatment"]))}


def events_by_day() -> Answer:
    return {
        "one_sided": safe_logrank.one_sided_log_e_value(*arms.cohorts(), hazard_ratio=1.5, days=DAYS),
        "two_sided_e": np.exp(safe_logrank.log_e_value(*arms.cohorts(), hazard_ratio=1.5, days=DAYS)),
    }


def check(source: str, answer: str, ours: Callable[[], Answer], *covers: str, tolerance: float = CLOSED) -> Check:
    return Check(source=source, answer=answer, covers=covers, ours=ours, tolerance=tolerance)


BARS = "sequential.group_sequential"
KERNEL = tuple(
    f"sequential.confidence_sequence.{name}"
    for name in ("asymptotic", "log_e_value", "half_width", "p_value", "tuning")
)
CHECKS = (
    *(
        check(
            "R sequential",
            f"boundaries_{name}",
            partial(bars, spending, one_sided=False),
            f"{BARS}.boundaries",
            f"{BARS}.{name}",
            tolerance=RECURSION,
        )
        for name, spending in SPENDINGS.items()
    ),
    *(
        check(
            "R sequential",
            f"upper_boundaries_{name}",
            partial(bars, spending, one_sided=True),
            f"{BARS}.upper_boundaries",
            tolerance=RECURSION,
        )
        for name, spending in SPENDINGS.items()
    ),
    check("R sequential", "classical", classical, f"{BARS}.crossing_probability", tolerance=RECURSION),
    check(
        "R sequential", "inflation", cost, f"{BARS}.inflation", "design.policy.group_sequential", tolerance=RECURSION
    ),
    check("R sequential", "power_one_sided", power, "sequential.stopping.one_sided", tolerance=RECURSION),
    check("R sequential", "power_two_sided", two_sided_power, "sequential.stopping.two_sided", tolerance=RECURSION),
    check("R sequential", "always_valid", mixture_horizon, "design.policy.always_valid", tolerance=RECURSION),
    check(
        "R sequential",
        "futility_1",
        partial(futility, 0),
        "sequential.stopping.with_futility",
        "sequential.stopping.futility_boundaries",
        tolerance=RECURSION,
    ),
    check(
        "R sequential",
        "futility_4",
        partial(futility, 3),
        "sequential.stopping.with_futility",
        "sequential.stopping.futility_boundaries",
        tolerance=RECURSION,
    ),
    check("R sequential", "adjusted", ended, "sequential.adjusted.after", tolerance=RECURSION),
    check("R sequential", "repeated_interval", repeated, "sequential.adjusted.repeated_interval", tolerance=RECURSION),
    check("gbstats", "sequential", partial(always_valid, of_means, 5000), *KERNEL),
    check("gbstats", "sequential_tuned", partial(always_valid, of_means, 200), *KERNEL),
    check("gbstats", "sequential_ratio", partial(always_valid, of_ratios, 500), *KERNEL),
    check("savvi", "regression", regressed, "sequential.regression.log_e_value", "sequential.regression.half_width"),
    check("R beliefs", "mixture_evidence", alike, KERNEL[1], "sequential.confidence_sequence.mixture_sprt"),
    check("R beliefs", "one_sided_evidence", upwards, "sequential.confidence_sequence.one_sided_log_e_value"),
    check("R beliefs", "one_sided_width", below, "sequential.confidence_sequence.one_sided_width"),
    check("R beliefs", "one_share", one_share, "sequential.e_process.share"),
    check("R beliefs", "one_share_interval", one_share_interval, "sequential.e_process.share_interval"),
    check("R beliefs", "two_shares", two_shares, "sequential.e_process.two_shares"),
    check(
        "R beliefs",
        "safe_log_rank",
        events_by_day,
        "sequential.safe_logrank.log_e_value",
        "sequential.safe_logrank.one_sided_log_e_value",
    ),
)
