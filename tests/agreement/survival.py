"""Times to an event, on Freireich's children and on units that enter day by day."""

from collections.abc import Callable
from itertools import groupby

import numpy as np

from stats.sequential import staggered
from stats.survival import cox, kaplan_meier, logrank, quantiles, rmst
from stats.survival.counts import LifeTable, life_table
from stats.survival.logrank import LogRank
from tests.agreement import arms
from tests.agreement.checks import CLOSED, RECURSION, Answer, Check
from tests.agreement.inputs import DAYS, load
from tests.stats.freireich import DRUG, DRUG_STATUS, DRUG_WEEKS, PLACEBO, PLACEBO_STATUS, PLACEBO_WEEKS

SEEN = np.array([4, 9, 14, 20]) - 1  # the calendar days that R is asked about


def curve(table: LifeTable, first: int, last: int) -> Answer:
    """From the first to the last day of the arm."""
    found = kaplan_meier.estimate(table, level=0.95)
    below = quantiles.at_risk(table, range(first, last + 1))
    days = slice(first - 1, last)
    return {
        **{part: getattr(found, part)[days] for part in ("survival", "variance", "lower", "upper")},
        "at_risk": below.at_risk,
        "events": below.events,
    }


def plain_curve(table: LifeTable, first: int, last: int) -> Answer:
    """As lifelines tells it; its median is the first day of a half."""
    found = kaplan_meier.estimate(table, level=0.95)
    days = slice(first - 1, last)
    answer = {part: getattr(found, part)[days] for part in ("survival", "lower", "upper")}
    return answer | {"median": kaplan_meier.median(found).day}


def days_of(table: LifeTable) -> Answer:
    found = [quantiles.quantile(kaplan_meier.estimate(table, level=0.95), share) for share in (0.25, 0.5, 0.6)]
    parts = {"quantile": "day", "lower": "lower", "upper": "upper"}
    return {theirs: [getattr(one, ours) for one in found] for theirs, ours in parts.items()}


def restricted(*, variance: bool) -> Answer:
    answer: dict[str, list[float]] = {}
    for name, table in (("drug", DRUG), ("placebo", PLACEBO)):
        found = [rmst.estimate(table, tau) for tau in (12, 20)]
        answer[name] = [float(one.value) for one in found]
        if variance:
            answer[f"{name}_variance"] = [float(one.variance) for one in found]
    return answer


def rank(*parts: str) -> Answer:
    answer = told(logrank.compare(PLACEBO, DRUG))
    return {part: answer[part] for part in parts}


def told(test: LogRank) -> dict[str, np.ndarray]:
    return {"score": test.score, "variance": test.variance, "chi_square": test.statistic**2, "p_value": test.p_value}


def full_model() -> Answer:
    times, events = DRUG_WEEKS + PLACEBO_WEEKS, DRUG_STATUS + PLACEBO_STATUS
    found = cox.fit(times, events, [1] * len(DRUG_WEEKS) + [0] * len(PLACEBO_WEEKS), alpha=0.05)
    return {"difference": found.difference, "standard_error": found.standard_error}


def full_model_within_strata() -> Answer:
    rows = [
        (time, status, treated, entry // 5)
        for treated, arm in enumerate(load()["staggered"])
        for time, status, entry in zip(arm["time"], arm["status"], arm["entry"], strict=True)
    ]
    times, events, treated, strata = np.transpose(rows)
    found = cox.fit(times, events, treated, alpha=0.05, strata=strata)
    return {"difference": found.difference, "standard_error": found.standard_error}


def shares() -> Answer:
    found = [quantiles.share_by(kaplan_meier.estimate(table, level=0.95), 10) for table in (DRUG, PLACEBO)]
    return {part: [getattr(one, part) for one in found] for part in ("share", "variance", "lower", "upper")}


def share_test() -> Answer:
    found = quantiles.compare(PLACEBO, DRUG, day=10, alpha=0.05)
    return {"statistic": found.statistic, "p_value": found.p_value}


def by_day(strata: range | None) -> Answer:
    answer = told(staggered.log_rank_by_day(*arms.cohorts(), days=DAYS, strata=strata))
    return {part: answer[part][SEEN] for part in ("score", "variance", "chi_square")}


def within_strata() -> Answer:
    """The last day's strata of five entry days, as tables of their own."""
    tables = [_tables(arm) for arm in arms.cohorts()]
    found = cox.stratified(*tables)
    known = by_day(range(0, DAYS, 5))
    last = {"score": found.score, "variance": found.variance, "chi_square": found.statistic**2}
    return {part: [*np.asarray(known[part])[:-1], last[part]] for part in last}


def _tables(arm: staggered.Cohorts) -> LifeTable:
    parts = []
    for _, days in groupby(range(DAYS), lambda entry: entry // 5):
        own = list(days)
        parts.append(life_table(arm.entered[own], arm.events[own], arm.losses[own], DAYS - np.array(own)))
    return LifeTable(
        **{name: np.stack([getattr(part, name) for part in parts]) for name in ("at_risk", "events", "losses")}
    )


def means_by_day() -> Answer:
    found = staggered.restricted_mean_by_day(*arms.cohorts(), tau=5, alpha=0.05, days=DAYS)
    return {"difference": found.difference[SEEN[1:]], "variance": found.variance[SEEN[1:]]}


def check(source: str, answer: str, ours: Callable[[], Answer], *covers: str, tolerance: float = CLOSED) -> Check:
    return Check(source=source, answer=answer, covers=covers, ours=ours, tolerance=tolerance)


CURVE = ("survival.kaplan_meier.estimate", "survival.kaplan_meier.curve")
CHECKS = (
    check("R survival", "kaplan_meier_drug", lambda: curve(DRUG, 6, 35), *CURVE, "survival.quantiles.at_risk"),
    check("R survival", "kaplan_meier_placebo", lambda: curve(PLACEBO, 1, 23), *CURVE, "survival.quantiles.at_risk"),
    check("R survival", "quantiles_drug", lambda: days_of(DRUG), "survival.quantiles.quantile"),
    check("R survival", "quantiles_placebo", lambda: days_of(PLACEBO), "survival.quantiles.quantile"),
    check("R survival", "rmst", lambda: restricted(variance=True), "survival.rmst.estimate", "survival.rmst.compare"),
    check(
        "R survival", "log_rank", lambda: rank("score", "variance", "chi_square", "p_value"), "survival.logrank.compare"
    ),
    check("R survival", "cox", full_model, "survival.cox.fit"),
    check("R survival", "cox_strata", full_model_within_strata, "survival.cox.fit"),
    check("R survival", "share_by", shares, "survival.quantiles.share_by"),
    check("R survival", "share_test", share_test, "survival.quantiles.compare"),
    check(
        "R survival",
        "staggered_pooled",
        lambda: by_day(None),
        "sequential.staggered.log_rank_by_day",
        "sequential.staggered.tables_by_day",
    ),
    check(
        "R survival",
        "staggered_by_entry",
        lambda: by_day(range(DAYS)),
        "sequential.staggered.log_rank_by_day",
        "sequential.staggered.along_calendar",
    ),
    check("R survival", "staggered_by_five", lambda: by_day(range(0, DAYS, 5)), "sequential.staggered.log_rank_by_day"),
    check("R survival", "staggered_by_five", within_strata, "survival.cox.stratified", "survival.counts.life_table"),
    check("R survival", "staggered_rmst", means_by_day, "sequential.staggered.restricted_mean_by_day"),
    check("lifelines", "kaplan_meier_drug", lambda: plain_curve(DRUG, 6, 35), *CURVE, "survival.kaplan_meier.median"),
    check(
        "lifelines", "kaplan_meier_placebo", lambda: plain_curve(PLACEBO, 1, 22), *CURVE, "survival.kaplan_meier.median"
    ),
    check("lifelines", "rmst", lambda: restricted(variance=False), "survival.rmst.estimate"),
    check("lifelines", "log_rank", lambda: rank("chi_square", "p_value"), "survival.logrank.compare"),
    check("lifelines", "cox", full_model, "survival.cox.fit", tolerance=RECURSION),
)
