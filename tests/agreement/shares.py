"""Shares of units, and the sample ratio."""

from collections.abc import Callable

import numpy as np

from stats import srm
from stats.methods import agresti_caffo, fisher, miettinen_nurminen, proportions
from stats.results import Comparisons
from tests.agreement import arms
from tests.agreement.checks import Answer, Check
from tests.agreement.inputs import load


def limits(found: Comparisons) -> Answer:
    """Both limits of each table."""
    return {"limits": np.column_stack((found.lower, found.upper))}


def pooled() -> Answer:
    found = proportions.compare(*arms.shares(), alpha=0.05)
    return {"chi_square": found.statistic**2, "p_value": found.p_value}


def likely() -> Answer:
    control, treatment = arms.shares()
    lower, upper = miettinen_nurminen.limits(control, treatment, alpha=0.05)
    return {
        "statistic": miettinen_nurminen.score(control, treatment, null=load()["shares"]["nulls"]),
        "non_inferiority": miettinen_nurminen.non_inferiority(control, treatment, margin=0.1),
        "limits": np.column_stack((lower, upper)),
    }


def exact(*, mid_p: bool) -> Answer:
    return {"p_value": fisher.compare(*arms.shares(), alpha=0.05, mid_p=mid_p).p_value}


def split() -> Answer:
    counts = load()["counts"]
    statistic, p_value = srm.chi_square(counts["observed"], counts["weights"])
    return {"statistic": statistic, "p_value": p_value}


def split_by_day(concentration: float) -> Answer:
    return {"log_e": srm.sequential(load()["daily_counts"], [1, 1], concentration=concentration)[0]}


def uneven_split_by_day() -> Answer:
    """Without the first day: there their odds, which are no logarithms, are beyond every float."""
    counts = load()["counts"]
    return {"log_e": srm.sequential(counts["observed"][1:], counts["weights"])[0]}


def check(source: str, answer: str, ours: Callable[[], Answer], *covers: str) -> Check:
    return Check(source=source, answer=answer, covers=covers, ours=ours)


CHECKS = (
    check("R shares", "proportions", pooled, "methods.proportions.compare"),
    check(
        "R shares",
        "newcombe",
        lambda: limits(proportions.compare(*arms.shares(), alpha=0.05)),
        "methods.proportions.compare",
    ),
    check(
        "R shares",
        "agresti_caffo",
        lambda: limits(agresti_caffo.compare(*arms.shares(), alpha=0.05)),
        "methods.agresti_caffo.compare",
    ),
    check(
        "R shares",
        "miettinen_nurminen",
        likely,
        *(
            f"methods.miettinen_nurminen.{name}"
            for name in ("score", "limits", "non_inferiority", "restricted", "compare")
        ),
    ),
    check("R shares", "fisher", lambda: exact(mid_p=False), "methods.fisher.compare"),
    check("R shares", "mid_p", lambda: exact(mid_p=True), "methods.fisher.compare"),
    check("R shares", "srm", split, "srm.chi_square"),
    check("savvi", "srm", lambda: split_by_day(100.0), "srm.sequential"),
    check("savvi", "srm_concentrated", lambda: split_by_day(2000.0), "srm.sequential"),
    check("savvi", "srm_uneven", uneven_split_by_day, "srm.sequential"),
)
