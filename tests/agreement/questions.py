"""Several experiments on one question, and several questions to one experiment."""

from collections.abc import Callable
from functools import partial

import numpy as np

from stats import discovery, meta, multiplicity, shrinkage
from stats.results import Comparisons
from tests.agreement.checks import CLOSED, RECURSION, Answer, Check
from tests.agreement.inputs import load


def pooled(which: int) -> Answer:
    given = load()["experiments"][which]
    found = meta.pool(given["estimate"], given["variance"], alpha=0.05)
    assert np.isclose(shrinkage.empirical_prior(given["estimate"], given["variance"]).mean, found.random.difference)
    return {
        **_told("common", found.common),
        **_told("random", found.random),
        "q": found.q,
        "q_p_value": found.q_p_value,
        "i2": found.i2,
        "tau2": found.tau2,
        "tau2_dersimonian_laird": found.tau2_dersimonian_laird,
        "prediction": [found.prediction_lower, found.prediction_upper],
    }


def _told(name: str, found: Comparisons) -> Answer:
    return {
        name: found.difference,
        f"{name}_error": found.standard_error,
        f"{name}_p": found.p_value,
        f"{name}_limits": [found.lower, found.upper],
    }


def adjusted(method: Callable[..., np.ndarray], given: str) -> Answer:
    return {"adjusted": method(load()[given])}


def all_at_once() -> Answer:
    k = len(load()["p_values"])
    lower, upper = multiplicity.bonferroni_limits(np.zeros(k), np.ones(k), alpha=0.05)
    assert np.array_equal(-lower, upper)
    return {"half_width": upper[0]}


def together() -> Answer:
    log_e = load()["log_e"]
    return {"product": discovery.product(log_e), "average": discovery.average(log_e)}


def check(source: str, answer: str, ours: Callable[[], Answer], *covers: str, tolerance: float = CLOSED) -> Check:
    return Check(source=source, answer=answer, covers=covers, ours=ours, tolerance=tolerance)


POOL = ("meta.pool", "meta.dersimonian_laird", "meta.restricted_likelihood", "shrinkage.empirical_prior")
ADJUSTED = {
    "holm": multiplicity.holm,
    "hochberg": multiplicity.hochberg,
    "BH": multiplicity.benjamini_hochberg,
    "BY": multiplicity.benjamini_yekutieli,
}
CHECKS = (
    *(check("R meta", f"pool_{i + 1}", partial(pooled, i), *POOL, tolerance=RECURSION) for i in range(3)),
    *(
        check("R meta", name, partial(adjusted, method, "p_values"), f"multiplicity.{method.__name__}")
        for name, method in ADJUSTED.items()
    ),
    check("R meta", "e_bh", partial(adjusted, discovery.adjusted, "log_e"), "discovery.adjusted"),
    check("R meta", "together", together, "discovery.product", "discovery.average"),
    check("R meta", "bonferroni", all_at_once, "multiplicity.bonferroni_limits"),
)
