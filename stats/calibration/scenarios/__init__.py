"""The experiments that are drawn: one file a world, and here the worlds in which promises are held, and their limits.

Small and large, rare, uneven, with long tails, slow and fast, with covariates, ratios, strata, clusters and baselines.
"""

from stats.calibration.scenarios.amounts import Amounts
from stats.calibration.scenarios.clustered import Clustered
from stats.calibration.scenarios.covariates import Covariates
from stats.calibration.scenarios.levels import Levels
from stats.calibration.scenarios.ordered import Ordered
from stats.calibration.scenarios.ratios import Ratios
from stats.calibration.scenarios.reading import (
    AGRESTI_CAFFO,
    LOG_RANK,
    MEAN,
    MIETTINEN_NURMINEN,
    RESTRICTED_MEAN,
    SHARE,
    Reading,
    Scenario,
    Start,
)
from stats.calibration.scenarios.shares import Shares
from stats.calibration.scenarios.strata import Strata
from stats.calibration.scenarios.times import TIME_LOOKS, Times

__all__ = [
    "LIMITS",
    "LOG_RANK",
    "MEAN",
    "RESTRICTED_MEAN",
    "SCENARIOS",
    "SHARE",
    "TIME_LOOKS",
    "VARIED",
    "Amounts",
    "Clustered",
    "Covariates",
    "Levels",
    "Ordered",
    "Ratios",
    "Reading",
    "Scenario",
    "Shares",
    "Start",
    "Strata",
    "Times",
]

SCENARIOS: tuple[Scenario, ...] = (
    Shares(
        name="Very few units",
        share=0.3,
        effect=0.33,
        n=(7, 7),
        looks=5,
        measures=(MIETTINEN_NURMINEN, AGRESTI_CAFFO),
    ),
    Shares(name="Few units", share=0.3, effect=0.13, n=(10, 10), looks=20),
    Shares(name="Many units", share=0.3, effect=0.013, n=(200, 200), looks=100),
    Shares(name="Rare", share=0.02, effect=0.006, n=(100, 100), looks=100),
    Shares(name="Uneven split", share=0.2, effect=0.038, n=(180, 20), looks=50),
    Amounts(name="Long tail", payers=0.3, spread=1.2, lift=0.22, n=(50, 50), looks=100),
    Amounts(name="Long tail, few units", payers=0.5, spread=1.0, lift=0.5, n=(20, 20), looks=20),
    Amounts(name="Long tail, uneven split, capped", payers=0.3, spread=1.2, lift=0.28, n=(80, 20), looks=100, cap=6.0),
    Covariates(name="Few units with a covariate", slopes=(1.0, 1.0), effect=0.28, n=(10, 10), looks=20),
    Covariates(name="Uneven split, uneven slopes", slopes=(0.5, 1.5), effect=0.21, n=(40, 10), looks=25),
    Ratios(name="Clicks per view", lift=0.14, n=(40, 40), looks=20),
    Strata(name="Four strata", shares=(0.4, 0.3, 0.2, 0.1), levels=(0.0, 1.0, 2.0, 6.0), effect=0.4, n=(100, 100)),
    Clustered(name="Fifteen clusters an arm", units=12.0, shape=8.0, between=0.5, effect=0.65, n=(15, 15)),
    Ordered(name="90th percentile", share=0.9, spread=0.8, lift=0.34, n=(400, 400)),
    Levels(name="Baseline of few units", share=0.3, effect=0.035, before=5_000, n=(120, 40), looks=50),
    Times(name="Slow, most never", share=0.4, half_life=7.0, hazard_ratio=1.22, daily=(40, 40), tau=14),
    Times(name="Fast", share=0.8, half_life=1.5, hazard_ratio=1.16, daily=(40, 40), tau=7),
    Times(name="Few units a day, uneven split", share=0.6, half_life=4.0, hazard_ratio=1.45, daily=(12, 6), tau=10),
)
"""Here every promise must hold."""

LIMITS: tuple[Scenario, ...] = (
    Shares(name="Very few units", share=0.3, effect=0.33, n=(7, 7), looks=5),
    Amounts(
        name="Long tail, uneven split",
        payers=0.3,
        spread=1.2,
        lift=0.3,
        n=(80, 20),
        looks=100,
        is_taken_as_normal=True,
    ),
    Clustered(name="Clusters of very uneven size", units=12.0, shape=2.0, between=0.5, effect=0.7, n=(15, 15)),
    Shares(name="Rising level", share=0.2, effect=0.019, n=(200, 200), looks=50, drift=0.2),
    Levels(name="Drifted baseline", share=0.3, effect=0.035, before=5_000, n=(120, 40), looks=50, drift=0.03),
    Levels(
        name="Baseline taken as exact",
        share=0.3,
        effect=0.035,
        before=1_000,
        n=(40, 40),
        looks=50,
        is_taken_as_exact=True,
    ),
)
"""Where methods are known to reach their limits; shown so that nobody has to find out."""

VARIED = frozenset({"Few units", "Many units", "Long tail, few units"})
"""The scenarios in which the variants of the families are judged as well."""
