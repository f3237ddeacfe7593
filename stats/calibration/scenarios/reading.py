"""What a world gives to be judged, and what every world can do.

A scenario can be drawn any number of times at once, with its effect or without, and it can be expected: the very same
numbers without chance, which give the plan its information and the effect its true size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stats import wald
from stats.arrays import Array, Mask, numbers
from stats.results import Comparisons

SHARE = "Share of units"
MIETTINEN_NURMINEN = "Share of units, Miettinen-Nurminen"
AGRESTI_CAFFO = "Share of units, Agresti-Caffo"
MATURED_SHARE = "Retention or activation by a day, counted when final"
SHARE_BY_DAY = "Activation by a day, unfinished units included"
MEAN = "Mean per unit"
CAPPED_MEAN = "Mean per unit, capped"
CUPED = "Mean less a covariate (CUPED)"
LIN = "Mean less a covariate (a slope for each arm)"
RATIO = "Ratio of sums"
RATIO_CUPED = "Ratio of sums less a covariate"
POST_STRATIFIED = "Mean, post-stratified"
CLUSTERED = "Mean, clusters assigned (CR2)"
QUANTILE = "Quantile"
RESTRICTED_MEAN = "Restricted mean time"
LOG_RANK = "Log-rank"
STRATIFIED_LOG_RANK = "Log-rank within entry days"
LEVEL = "Level against its baseline"
EXACT_BASELINE = "Level against a baseline taken as exact"

WITHOUT_INTERVAL = frozenset({LOG_RANK, STRATIFIED_LOG_RANK})
"""Measures that give no interval of a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What each arm must have before always-valid inference begins."""

    units: int
    successes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Treatment against control at every look (..., L), and where always-valid inference has begun.

    What is optional decides which further families judge it. `is_monitored` is False where looks do not bring
    independent increments: then there is one judgement, at the horizon.
    """

    found: Comparisons
    has_begun: Mask
    units: Array | None = None  # of both arms at each look (L,): for rules that count units
    log_e: Array | None = None  # exact anytime-valid evidence against no difference
    half_width: Array | None = None  # of the exact anytime-valid interval, if there is one
    is_monitored: bool = True


class Scenario(Protocol):
    """A world that experiments are drawn from. Generators are the caller's."""

    @property
    def name(self) -> str:
        """What is special about it."""

    @property
    def about(self) -> str:
        """The world in numbers."""

    @property
    def progress(self) -> Array:
        """How far the experiment is at each look (L,), in `unit`."""

    @property
    def unit(self) -> str:
        """What progress is counted in."""

    def drawn(
        self, draw: np.random.Generator, replicates: int, *, has_effect: bool, start: Start, alpha: float
    ) -> Mapping[str, Reading]:
        """So many experiments (replicates, L), by measure."""

    def expected(self, *, has_effect: bool, start: Start, alpha: float) -> Mapping[str, Reading]:
        """The experiment without chance (L,), by measure."""


def at_horizon(found: Comparisons) -> Reading:
    """One comparison an experiment (...), as a reading with one look."""
    fields = ("difference", "variance", "statistic", "p_value", "lower", "upper", "reason")
    one_look = {field: getattr(found, field)[..., np.newaxis] for field in fields}
    single = Comparisons(level=found.level, method=found.method, **one_look)
    return Reading(found=single, has_begun=np.asarray(True), is_monitored=False)


def known(difference: float, alpha: float) -> Reading:
    """The expected reading of a measure with one look, of which the truth alone is needed."""
    truth = wald.compare(
        numbers(difference), numbers(1.0), reason=np.asarray(0, dtype=np.int8), alpha=alpha, method="truth"
    )
    return at_horizon(truth)


def sizes(n: tuple[int, int]) -> str:
    """Control and treatment in words."""
    return f"{n[0]:,} + {n[1]:,}"
