"""The inputs as our library takes them."""

from typing import Any

import numpy as np

from stats.arrays import Array, numbers
from stats.clusters import Clusters
from stats.comoments import CoMoments
from stats.moments import Moments
from stats.sequential.staggered import Cohorts
from tests.agreement.inputs import DAYS, load


def arms(which: str = "units") -> tuple[dict[str, Any], dict[str, Any]]:
    """Control and treatment."""
    control, treatment = load()[which]
    return control, treatment


def moments(name: str, which: str = "units") -> tuple[Moments, Moments]:
    """Of one variable."""
    control, treatment = (Moments.from_values(arm[name]) for arm in arms(which))
    return control, treatment


def comoments(*names: str, which: str = "units") -> tuple[CoMoments, CoMoments]:
    """Of several variables."""
    control, treatment = (CoMoments.from_values(np.column_stack([arm[name] for name in names])) for arm in arms(which))
    return control, treatment


def strata() -> tuple[Moments, Moments]:
    """Of the value, by stratum."""
    control, treatment = (_by_group(np.array(arm["value"]), np.array(arm["stratum"])) for arm in arms())
    return control, treatment


def clusters() -> tuple[Clusters, Clusters]:
    """Sums of the value and numbers of units, by cluster."""
    parts = [_by_group(np.array(arm["value"]), np.array(arm["cluster"])) for arm in arms()]
    control, treatment = (Clusters(sums=part.n * part.mean, sizes=part.n) for part in parts)
    return control, treatment


def shares() -> tuple[Moments, Moments]:
    """Of successes, by table."""
    tables = load()["shares"]
    control, treatment = (Moments.of_proportion(*np.transpose(tables[arm])) for arm in ("control", "treatment"))
    return control, treatment


def cohorts() -> tuple[Cohorts, Cohorts]:
    """Units that enter day by day."""
    control, treatment = (_cohorts(arm) for arm in load()["staggered"])
    return control, treatment


def _by_group(values: Array, groups: Array) -> Moments:
    each = [Moments.from_values(values[groups == group]) for group in np.unique(groups)]
    n, mean, m2 = (np.stack([getattr(part, name) for part in each]) for name in ("n", "mean", "m2"))
    return Moments(n=n, mean=mean, m2=m2)


def _cohorts(arm: dict[str, Any]) -> Cohorts:
    entry, age, happened = (np.array(arm[name]) for name in ("entry", "time", "status"))
    events, losses = np.zeros((2, DAYS, DAYS))
    np.add.at(events, (entry[happened == 1], age[happened == 1] - 1), 1)
    np.add.at(losses, (entry[happened == 0], age[happened == 0] - 1), 1)
    return Cohorts(entered=numbers(np.bincount(entry, minlength=DAYS)), events=events, losses=losses)
