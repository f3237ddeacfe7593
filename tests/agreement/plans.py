"""Sizes of designs, looks as they came, planning by days, evidence on a difference of shares, bins, Holm's bounds."""

from collections.abc import Callable

import numpy as np

from stats import discovery, distributions, multiplicity, winsorisation
from stats.design import duration, events, factors, means, normal, size
from stats.quantiles import Histogram, Quantiles, log_edges, ranks
from stats.sequential import adjusted, e_process, stopping, unplanned, wedge
from stats.sequential import confidence_sequence as kernel
from tests.agreement import arms
from tests.agreement.checks import CLOSED, RECURSION, Answer, Check
from tests.agreement.inputs import load

ALPHA, POWER = 0.05, 0.8
CURVE = [0.92, 0.85, 0.8, 0.74, 0.71, 0.66, 0.61, 0.6, 0.57, 0.55]
NULLS = [-0.2, 0.05, 0.15]


def overrun() -> Answer:
    """The look after the overrun is beyond, the one before it backward: R is asked about the two that are judged."""
    found = unplanned.boundaries([40.0, 38.0, 130.0, 150.0], planned=100.0, alpha=ALPHA)
    return {"bars": found.boundaries[found.judged]}


def underrun() -> Answer:
    return {"bars": unplanned.boundaries([40.0, 80.0], planned=100.0, alpha=ALPHA, ended=True).boundaries}


def repeated_p() -> Answer:
    return {"p": adjusted.repeated_p_values([2.1, 2.3], [0.5, 1.0])}


def uneven_looks() -> Answer:
    design = stopping.two_sided([0.3, 1.0], alpha=ALPHA)
    found = size.of(design, alpha=ALPHA, power=POWER)
    average = size.average(design, [0.0, 1.0, 2.0], alpha=ALPHA, power=POWER)
    assert np.allclose(average[:2], (found.under_null, found.under_planned), rtol=1e-12)
    return {"largest": found.largest, "average": average}


def wedge_of_two() -> Answer:
    found = wedge.two_sided([0.5, 1.0], alpha=ALPHA, beta=1 - POWER)
    return {"outer": found.upper, "inner": found.inner[0], "drift": found.drift_for(POWER)}


def wedge_of_three() -> Answer:
    """Without the inner bars: rpact's rest on its grid (four in a million of the first, which is near zero)."""
    found = wedge.two_sided([0.4, 0.7, 1.0], alpha=ALPHA, beta=1 - POWER)
    return {"outer": found.upper, "drift": found.drift_for(POWER)}


def few_units() -> Answer:
    one_sided = means.units(2.0, 3.0, alpha=0.025, power=0.9, sides=1)
    return {
        "units": [means.units(2.0, 1.0, alpha=ALPHA, power=POWER), one_sided],
        "power": means.power(2.0, 1.0, n=12, alpha=ALPHA),
        "mde": means.mde(2.0, n=12, alpha=ALPHA, power=POWER),
    }


def smallest_difference() -> Answer:
    return {"mde": normal.mde(4.0, 6.0, n=150, alpha=ALPHA, power=POWER, ratio=1.5)}


def smallest_ratio() -> Answer:
    return {"mde": [events.mde(90, alpha=ALPHA, power=POWER, ratio=2.0, sign=sign) for sign in (1, -1)]}


def events_by_day() -> Answer:
    common = {"hazard_ratio": 0.7, "ratio": 2.0}
    return {
        "expected": events.expected(CURVE, [30, 10, 0, 25], hazard_ratio=[1.0, 0.7]),
        "share": events.share(CURVE, accrual=6, follow_up=3, hazard_ratio=0.7),
        "units": events.units(65, CURVE, accrual=6, follow_up=3, **common),
        "days": [
            events.days(wanted, CURVE, per_day=12, accrual=accrual, **common)
            for wanted, accrual in ((10, None), (20, 4), (1000, None))
        ],
    }


def by_day() -> Answer:
    return {
        "days": duration.days([7682, 501], per_day=[1000, 100], window=[7, 1]),
        "from_arrivals": duration.days_from_arrivals(210, [100, 50, 50, 0, 80], window=2),
        "final": duration.final_units([14, 3], per_day=1000, window=7),
        "weeks": duration.whole_weeks([1, 15]),
    }


def factors_on_n() -> Answer:
    control, _ = arms.arms()
    sizes = np.array([12, 30, 18, 7, 25])
    (clicks, both), (_, views) = np.cov(control["clicks"], control["views"])
    past = Quantiles(value=np.array(12.5), lower=np.array(11.0), upper=np.array(14.25), alpha=ALPHA)
    return {
        "cuped": factors.cuped(np.corrcoef(control["value"], control["covariate"])[0, 1]),
        "cluster": factors.cluster(sizes.mean(), 0.05, variation=sizes.std() / sizes.mean()),
        "ratio": factors.ratio_variance(
            np.mean(control["clicks"]),
            np.mean(control["views"]),
            numerator_variance=clicks,
            denominator_variance=views,
            covariance=both,
        ),
        "quantile": factors.quantile_variance(past, n=400),
    }


def difference_of_shares() -> Answer:
    return {"log_e": e_process.difference(*_daily(), null=NULLS)}


def difference_interval() -> Answer:
    lower, upper = e_process.difference_interval(*_daily(), alpha=ALPHA, step=0.05)
    return {"lower": lower, "upper": upper}


def _daily() -> tuple[np.ndarray, ...]:
    days = load()["daily_shares"]
    return *np.transpose(days["control"]), *np.transpose(days["treatment"])


def distributions_of_scipy() -> Answer:
    of = distributions
    logarithm = of.log_normal_cdf(-40)
    return {
        "normal": [*of.normal_cdf([-9, 0.3]), logarithm, *of.normal_quantile([1e-12, 0.7])],
        "t": [
            *of.t_cdf([2.5, 7], [-3, 40]),
            *of.t_quantile([3.3, 60], [0.001, 0.9]),
            of.noncentral_t_cdf(11, 2.5, 1.7),
        ],
        "chi_square": of.chi_square_tail([1, 7], [0.4, 90]),
        "gamma": of.log_gamma([0.2, 50]),
        "beta": of.log_beta(0.18, 400),
        "binomial": of.binomial_quantile([0.025, 0.9], [30, 2000], [0.5, 0.003]),
        "bar": of.critical_z(0.05),
    }


def moments() -> Answer:
    one, both = arms.moments("value")[0], arms.comoments("value", "covariate")[0]
    return {"mean": one.mean, "m2": one.m2, "means": both.means, "products": both.products}


def running() -> Answer:
    """The kernel tuned to the last look, and the smallest p-value so far."""
    variance = np.array([0.5, 0.2, 0.1, 0.06, 0.05])
    tau2 = kernel.mixture_variance(0.05, ALPHA)
    log_e = kernel.log_e_value([0.9, -0.8, 1.2, 0.4, 0.7], variance, tau2=tau2)
    return {"log_e": log_e, "p": kernel.running_p_value(log_e)}


def histogram() -> Answer:
    edges = log_edges(5.0, 25.0, bins=40)
    found = Histogram.from_values(arms.arms()[0]["value"], edges)
    low, high = found.bin_of(ranks(found.n, 0.5, alpha=ALPHA).middle)
    assert found.error(0.5) == (high - low) / 2
    return {"counts": found.counts, "edges": edges, "low": low, "high": high}


def cap() -> Answer:
    found = winsorisation.choose([10, 0, 500, 20, 35], [60, 900, 5, 30, 5], share=0.985)
    assert isinstance(found, winsorisation.Cap)
    return {"value": found.value}


def bounds() -> Answer:
    effects = load()["effects"]
    return {
        "some": multiplicity.holm_lower_bounds(effects["difference"], effects["variance"], alpha=ALPHA),
        "all": multiplicity.holm_lower_bounds([3, 2.5, 2.2], np.ones(3), alpha=ALPHA),
    }


def evidence_found() -> Answer:
    return {"found": discovery.found(load()["log_e"], alpha=0.2)}


def check(answer: str, ours: Callable[[], Answer], *covers: str, tolerance: float = CLOSED) -> Check:
    return Check(source="R plans", answer=answer, covers=covers, ours=ours, tolerance=tolerance)


def of(module: str, *names: str) -> tuple[str, ...]:
    """Functions of one module."""
    return tuple(f"{module}.{name}" for name in names)


CHECKS = (
    check("overrun", overrun, "sequential.unplanned.boundaries"),
    check("underrun", underrun, "sequential.unplanned.boundaries"),
    check("repeated_p", repeated_p, "sequential.adjusted.repeated_p_values"),
    check("size", uneven_looks, *of("design.size", "of", "average")),
    check("wedge_of_two", wedge_of_two, "sequential.wedge.two_sided"),
    check("wedge", wedge_of_three, "sequential.wedge.two_sided", tolerance=RECURSION),
    check("few_units", few_units, *of("design.means", "units", "power", "mde")),
    check("normal_mde", smallest_difference, "design.normal.mde"),
    check("events_mde", smallest_ratio, "design.events.mde"),
    check("events_by_day", events_by_day, *of("design.events", "expected", "share", "units", "days")),
    check("duration", by_day, *of("design.duration", "days", "days_from_arrivals", "final_units", "whole_weeks")),
    check(
        "factors",
        factors_on_n,
        *of("design.factors", "cuped", "cluster", "ratio_variance", "quantile_variance"),
    ),
    check("difference_of_shares", difference_of_shares, "sequential.e_process.difference"),
    check("difference_interval", difference_interval, "sequential.e_process.difference_interval"),
    check(
        "distributions",
        distributions_of_scipy,
        *of(
            "distributions",
            *(f"{name}_cdf" for name in ("normal", "log_normal", "t", "noncentral_t")),
            *("normal_quantile", "t_quantile", "binomial_quantile"),
            *("chi_square_tail", "log_gamma", "log_beta", "critical_z"),
        ),
    ),
    check("moments", moments, "moments.Moments.from_values", "comoments.CoMoments.from_values"),
    check("running", running, *of("sequential.confidence_sequence", "mixture_variance", "running_p_value")),
    check("histogram", histogram, "quantiles.Histogram.from_values", "quantiles.log_edges"),
    check("cap", cap, "winsorisation.choose"),
    check("holm_bounds", bounds, "multiplicity.holm_lower_bounds"),
    check("e_found", evidence_found, "discovery.found"),
)
