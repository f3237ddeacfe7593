"""One comparison in plain numbers (`stats.single`): the same questions to R, asked through the other face."""

from collections.abc import Callable

import numpy as np

from stats import single
from stats.answer import Answer as Single
from stats.lift import Lift
from stats.results import Interval
from tests.agreement import arms
from tests.agreement.checks import Answer, Check
from tests.agreement.inputs import load
from tests.stats.freireich import DRUG_STATUS, DRUG_WEEKS, PLACEBO_STATUS, PLACEBO_WEEKS


def two_means() -> Answer:
    control, treatment = (arm["value"] for arm in arms.arms())
    return _limits(single.mean(control=control, treatment=single.summary(**_summary(treatment)), alpha=0.05))


def against_before() -> Answer:
    """A baseline that is itself a sample is the control of Welch's test."""
    control, treatment = arms.moments("value")
    return _limits(single.against_baseline(treatment, baseline=control, alpha=0.05))


def lift() -> Answer:
    control, treatment = (arm["value"] for arm in arms.arms())
    found = single.mean(control=control, treatment=treatment).lift
    assert isinstance(found, Lift)
    assert isinstance(found.interval, Interval)
    return {"lift": found.lift, "lower": found.interval.lower, "upper": found.interval.upper}


def sums() -> Answer:
    control, treatment = (_rows(arm, "clicks", "views") for arm in arms.arms())
    return _limits(single.ratio(control=control, treatment=treatment))


def less_before() -> Answer:
    control, treatment = (_rows(arm, "value", "covariate")[:40] for arm in arms.arms())
    found = _variance(single.cuped(control=control, treatment=treatment))
    return {"difference": found["difference"], "standard_error": np.sqrt(found["variance"])}


def shares() -> Answer:
    tables = load()["shares"]
    found = [
        single.share(control=tuple(control), treatment=tuple(treatment)).interval
        for control, treatment in zip(tables["control"], tables["treatment"], strict=True)
    ]
    return {"limits": [(one.lower, one.upper) if one else (np.nan, np.nan) for one in found]}


def times() -> Answer:
    drug, placebo = (DRUG_WEEKS, DRUG_STATUS), (PLACEBO_WEEKS, PLACEBO_STATUS)
    return _variance(single.time_to_value(control=placebo, treatment=drug, tau=20))


def _rows(arm: dict[str, list[float]], *names: str) -> np.ndarray:
    return np.column_stack([arm[name] for name in names])


def _limits(found: Single) -> Answer:
    assert found.estimate is not None
    assert found.p_value is not None
    assert found.interval is not None
    return {
        "difference": found.estimate,
        "p_value": found.p_value,
        "lower": found.interval.lower,
        "upper": found.interval.upper,
    }


def _variance(found: Single) -> Answer:
    assert found.estimate is not None
    assert found.information is not None
    return {"difference": found.estimate, "variance": 1 / found.information}


def _summary(values: list[float]) -> dict[str, float]:
    return {"n": len(values), "mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1))}


def check(source: str, answer: str, ours: Callable[[], Answer], *covers: str) -> Check:
    return Check(source=source, answer=answer, covers=covers, ours=ours)


CHECKS = (
    check("gbstats", "welch", two_means, "single.mean", "single.summary"),
    check("gbstats", "welch", against_before, "single.against_baseline"),
    check("gbstats", "ratio", sums, "single.ratio"),
    check("tea-tasting", "lift", lift, "single.mean"),
    check("R means", "cuped_even", less_before, "single.cuped"),
    check("R shares", "newcombe", shares, "single.share"),
    check("R survival", "rmst_difference", times, "single.time_to_value"),
)
