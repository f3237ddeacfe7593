"""How often what is estimated of a drawn company holds what is true of it: levels, elasticities, effects carried up.

Companies are drawn by the law, estimated by the code that the service runs (`estimates`), and held against what the law
says (`customers.rungs`). The estimators know nothing of the law.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from api.sample.customers import rungs
from api.sample.customers.law import HISTORY_DAYS
from api.sample.customers.leaving import ceiling
from api.sample.customers.summaries import WINDOWS
from api.sample.estimates import (
    ALPHA,
    COHORT_DAYS,
    SPEED,
    Company,
    carried,
    kept_lately,
    level,
    slope,
    told,
    until,
    worth,
)
from stats.calibration.rates import Rate, short_of
from stats.results import Interval

PART = 50
"""Of so many replicates one company is drawn."""
SIZES = SMALL, LARGE = 900, 9_000
"""Accounts of the company as it is loaded, and of one that has ten times as many."""
SHIFT = 0.1
"""The useful interval of a level excludes one that is off by so much of it."""
LEAST_POWER = 0.5
LADDER = ("ttfv", "activation", "retention", "nrr")
TOO_SMALL = (("activation", "retention"), ("retention", "nrr"), ("retention", "grr"), ("ttfv", "nrr"))
"""What 900 accounts do not tell: most companies get no answer, or one that may be zero."""
LEAVING = "who leaves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a company, what is true, and another value that a useful interval excludes.

    `ask` gives no interval where the data do not identify an answer. Without `least_power` a row is shown, and neither
    its power nor its coverage decides anything.
    """

    name: str
    accounts: int
    truth: Callable[[], float]
    other: Callable[[float], float]
    ask: Callable[[Company], Interval | None]
    least_power: float | None = LEAST_POWER


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyRow:
    """One question, counted: how often it was answered, and how often the answer held the truth and excluded the other.

    Coverage is of the answers; power is of all companies, so that no answer and an endless interval count as none.
    """

    question: str
    accounts: int
    truth: float
    answered: Rate
    coverage: Rate | None
    least_coverage: float
    power: Rate
    least_power: float | None

    @property
    def failures(self) -> tuple[str, ...]:
        """The promises that were broken."""
        if self.least_power is None:
            return ()
        covers = self.coverage is not None and self.coverage.value >= self.least_coverage
        broken = {"coverage": not covers, "power": self.power.value < self.least_power}
        return tuple(promise for promise, is_broken in broken.items() if is_broken)


def companies(replicates: int) -> int:
    """How many companies are drawn of each size, where methods are judged by so many replicates."""
    return max(replicates // PART, 1)


def rows(
    accounts: int, generator: np.random.Generator, *, replicates: int, questions: Sequence["Question"] | None = None
) -> tuple[CompanyRow, ...]:
    """All questions to companies of one size."""
    asked = [one for one in (QUESTIONS if questions is None else questions) if one.accounts == accounts]
    some = companies(replicates)
    answers = [[one.ask(company) for one in asked] for company in _drawn(accounts, generator, some)]
    return tuple(_row(one, [row[place] for row in answers]) for place, one in enumerate(asked))


def _drawn(accounts: int, generator: np.random.Generator, some: int) -> list[Company]:
    return [Company.drawn(accounts, child) for child in generator.spawn(some)]


def _row(question: Question, answers: Sequence[Interval | None]) -> CompanyRow:
    truth = question.truth()
    other, known = question.other(truth), [answer for answer in answers if answer is not None]
    least = question.least_power
    return CompanyRow(
        question=question.name,
        accounts=question.accounts,
        truth=truth,
        answered=Rate.of(len(known), len(answers)),
        coverage=Rate.of(sum(_holds(answer, truth) for answer in known), len(known)) if known else None,
        least_coverage=short_of(1 - ALPHA, max(len(known), 1)),
        power=Rate.of(sum(not _holds(answer, other) for answer in known), len(answers)),
        least_power=None if least is None else short_of(least, len(answers)),
    )


def _holds(interval: Interval, value: float) -> bool:
    return interval.lower <= value <= interval.upper


def _level_truth(rung: str) -> float:
    """Of who entered so early that the rung is final; of the days to first value of everybody."""
    return rungs.level(rung, until=HISTORY_DAYS if rung == "ttfv" else HISTORY_DAYS - WINDOWS[rung])


def _kept_truth(rung: str) -> float:
    return rungs.kept_on(HISTORY_DAYS)[("grr", "nrr").index(rung)]


def _slope_truth(leading: str, lagging: str) -> float:
    """Over the very cohorts that are compared: the law is not exactly log-linear."""
    return rungs.slope(leading, lagging, cohort_days=COHORT_DAYS, until=until(leading, lagging))


def _gain_truth() -> float:
    return 100 * _level_truth("nrr") * rungs.lift("nrr", SPEED)


def _levels(accounts: int) -> tuple[Question, ...]:
    off, named = (lambda truth: truth * (1 - SHIFT)), partial(Question, accounts=accounts)
    return (
        *(
            named(name=f"level of {rung}", truth=partial(_level_truth, rung), other=off, ask=partial(level, rung))
            for rung in rungs.RUNGS
        ),
        *(
            named(
                name=f"{rung}, last year of all",
                truth=partial(_kept_truth, rung),
                other=off,
                ask=partial(kept_lately, rung),
            )
            for rung in ("grr", "nrr")
        ),
    )


def _links(accounts: int, unidentified: Sequence[tuple[str, str]] = ()) -> tuple[Question, ...]:
    pairs = (*pairwise(LADDER), ("retention", "grr"), ("ttfv", "retention"), ("ttfv", "nrr"))
    return tuple(
        Question(
            name=f"{leading} to {lagging}",
            accounts=accounts,
            truth=partial(_slope_truth, leading, lagging),
            other=_nothing,
            ask=partial(slope, leading, lagging),
            least_power=None if (leading, lagging) in unidentified else LEAST_POWER,
        )
        for leading, lagging in pairs
    )


def _effects(accounts: int) -> tuple[Question, ...]:
    by = {"by three links": LADDER, "by one link": (LADDER[0], LADDER[-1])}
    lift, ask = partial(rungs.lift, "nrr", SPEED), {name: partial(carried, path) for name, path in by.items()}
    value = {name: partial(worth, path) for name, path in by.items()}
    named = partial(Question, accounts=accounts, other=_nothing)
    return (
        *(named(name=f"lift of nrr {name}", truth=lift, ask=ask[name]) for name in by),
        *(named(name=f"gain of 100 {name}", truth=_gain_truth, ask=value[name]) for name in by),
    )


def _leaving(accounts: int) -> Question:
    return Question(name=LEAVING, accounts=accounts, truth=ceiling, other=_chance, ask=told)


def _nothing(_: float) -> float:
    return 0.0


def _chance(_: float) -> float:
    """What a score that tells nothing comes to."""
    return 0.5


QUESTIONS: tuple[Question, ...] = (
    *_levels(SMALL),
    *_links(SMALL, unidentified=TOO_SMALL),
    _leaving(SMALL),
    *_levels(LARGE),
    *_links(LARGE),
    *_effects(LARGE),
    _leaving(LARGE),
)
