"""What each sample experiment really does to each KPI, and what is true of the customers: by the laws, not the rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log, log1p
from types import MappingProxyType

from api.sample.customers import rungs
from api.sample.customers.leaving import ceiling
from api.sample.kpis import ACTIVATION_DAYS, MEAN_DAYS, REVENUE_CAP, TAU_DAYS
from api.sample.law import (
    NO_EFFECT,
    PLANS,
    Floats,
    Levels,
    activation,
    levels,
    over_cells,
    restricted_mean,
    retention,
    revenue,
    sessions,
)
from api.sample.runs import RUNS, Run

LEVEL_OF: Mapping[str, Callable[[Levels], Floats]] = MappingProxyType(
    {
        "ttfv": lambda level: restricted_mean(level, TAU_DAYS),
        "activation-7d": lambda level: activation(level, ACTIVATION_DAYS),
        "retention-d7": lambda level: retention(level, 7),
        "retention-d14": lambda level: retention(level, 14),
        "sessions-per-user-14d": lambda level: sessions(level, MEAN_DAYS),
        "revenue-per-user-14d": lambda level: revenue(level, MEAN_DAYS, REVENUE_CAP),
    }
)
"""The expected level (plan, device) of each KPI."""
SIZE = MappingProxyType(
    {
        "ttfv": (1, "{:+.2f} days"),
        "activation-7d": (100, "{:+.1f} percentage points"),
        "retention-d7": (100, "{:+.1f} percentage points"),
        "retention-d14": (100, "{:+.1f} percentage points"),
        "sessions-per-user-14d": (1, "{:+.2f} sessions per user"),
        "revenue-per-user-14d": (1, "{:+.2f} dollars per user"),
    }
)
"""How a difference of each KPI is written: its scale and its unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The true difference (treatment minus control, KPI units) of one experiment on one KPI."""

    experiment: str
    kpi: str
    plan: str | None
    """The segment the truth is about; None is everybody."""
    difference: float
    sentence: str


def truths() -> tuple[Truth, ...]:
    """Every experiment on every KPI for everybody, and by plan where the effect is not for all plans alike."""
    return tuple(
        _truth(run, kpi, plan)
        for run in RUNS
        for kpi in LEVEL_OF
        for plan in (None, *(PLANS if set(run.effect.plans) != set(PLANS) else ()))
    )


def _truth(run: Run, kpi: str, plan: str | None) -> Truth:
    level_of = LEVEL_OF[kpi]
    change = level_of(levels(run.effect)) - level_of(levels(NO_EFFECT))
    difference = over_cells(change, plan)
    return Truth(
        experiment=run.key, kpi=kpi, plan=plan, difference=difference, sentence=_sentence(run, kpi, plan, difference)
    )


def _sentence(run: Run, kpi: str, plan: str | None, difference: float) -> str:
    scale, written = SIZE[kpi]
    whom = f" on the {plan} plan" if plan else ""
    does = f"changes {kpi} by {written.format(scale * difference)}" if difference else f"does nothing to {kpi}"
    because = ", but its split is broken, so no difference of it can be trusted" if run.mobile_loss else ""
    return f"{run.key} {does}{whom}{because}."


LADDER: Mapping[str, str] = MappingProxyType(
    {
        "account-ttfv": "ttfv",
        "account-activation-90d": "activation",
        "account-retention-d60": "retention",
        "grr-first-year": "grr",
        "nrr-first-year": "nrr",
    }
)
"""KPIs of customers by key, from leading to lagging, and the rung of the law that each measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RungTruth:
    """What is true of a KPI of the customers, whenever they entered."""

    kpi: str
    level: float
    """The KPI of the population of entrants: a restricted mean of days, or a share."""
    elasticity: float
    """Percent by which it changes where the time to first value is one percent longer, for no other reason."""
    lifts: Mapping[str, float]
    """By experiment the relative change, were its treatment given to every customer it is meant for."""


def ladder_truths() -> tuple[RungTruth, ...]:
    """Every rung, from leading to lagging."""
    return tuple(
        RungTruth(
            kpi=kpi,
            level=rungs.level(rung),
            elasticity=elasticity("account-ttfv", kpi),
            lifts=MappingProxyType({run.key: rungs.lift(rung, run.effect) for run in RUNS}),
        )
        for kpi, rung in LADDER.items()
    )


def told_at_most() -> float:
    """Of 1 who leaves within 90 days and 1 who stays, the chance that the best of all scores parts them rightly."""
    return ceiling()


def elasticity(leading: str, lagging: str) -> float:
    """The true elasticity of a customers' KPI to another one, by their keys."""
    return rungs.elasticity(LADDER[leading], LADDER[lagging])


def carried_over(run: Run, leading: str, lagging: str) -> float:
    """The percent by which a KPI of customers moves for one of a KPI of users, as the treatment of a run moves both."""
    of_users = over_cells(LEVEL_OF[leading](levels(run.effect)), None) / over_cells(
        LEVEL_OF[leading](levels(NO_EFFECT)), None
    )
    return float(log1p(rungs.lift(LADDER[lagging], run.effect)) / log(of_users))


def kept_on(day: int) -> Mapping[str, float]:
    """The expected `grr` and `nrr` of the 365 days up to midnight of a day of the customers' history."""
    grr, nrr = rungs.kept_on(day)
    return MappingProxyType({"grr": grr, "nrr": nrr})
