"""What is estimated of a drawn company, by the code that the service runs: levels, elasticities, effects carried up.

The levels of a KPI come from its sums, elasticities from cohorts of the history, and an experiment's effect goes up
these links to the revenue at the top. An interval is None where the data do not identify an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from api.sample.customers import Customers, draw
from api.sample.customers.law import (
    ACTIVATION_DAYS,
    HISTORY_DAYS,
    QUIET_FROM,
    QUIET_UNTIL,
    TERM_DAYS,
    TTFV_DAYS,
    YEAR,
)
from api.sample.customers.leaving import left_since
from api.sample.customers.summaries import WINDOWS, Measured, by_cohort, comoments, durations, entrants, kept
from api.sample.law import REGION_SHARES, Effect
from kpi.history.sums import Sums
from kpi.kinds import Activation, Kind, Ratio, Retention, TimeToValue
from kpi.kinds.retention import Form
from kpi.kinds.terms import Amount, How, Term
from kpi.kinds.terms import Measured as Of
from stats.comoments import CoMoments
from stats.discrimination import discrimination
from stats.ladder import impact
from stats.ladder.carry import Change, carry
from stats.ladder.cohorts import Cohorts, from_cohorts
from stats.ladder.elasticity import Elasticity, NotIdentified
from stats.ladder.links import Link
from stats.methods import ratio
from stats.moments import Moments
from stats.results import Interval

ALPHA = 0.05
SPEED = Effect(first_value_speed=0.5)
"""What the experiment does: first value comes sooner, and nothing else is touched."""
COHORT_DAYS = TERM_DAYS
"""A cohort is who entered in a quarter and a region: months hold a dozen accounts, too few for a logarithm."""
BEGAN = date(2024, 1, 1)
PAID = Amount(event="mrr", of=Of.LEVEL_AT_START)


def _revenue(how: How) -> Ratio:
    paid = Term(amount=Amount(event="mrr", of=Of.LEVEL_AT_END), how=how, other=PAID)
    return Ratio(window_days=YEAR, numerator=paid, denominator=Term(amount=PAID))


KINDS: dict[str, Kind] = {
    "ttfv": TimeToValue(event="first_value", tau_days=TTFV_DAYS),
    "activation": Activation(event="activated", window_days=ACTIVATION_DAYS),
    "retention": Retention(event="session_started", day=QUIET_FROM, form=Form.BRACKET, until_day=QUIET_UNTIL - 1),
    "grr": _revenue(How.SMALLER),
    "nrr": _revenue(How.KEPT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A history without any experiment, and the two arms of one that has as many accounts again in each."""

    history: Customers
    control: Customers
    treated: Customers

    @classmethod
    def drawn(cls, accounts: int, generator: np.random.Generator) -> "Company":
        """So many accounts in each."""
        history, control = draw(accounts, generator), draw(accounts, generator)
        return cls(history=history, control=control, treated=draw(accounts, generator, SPEED))


def level(rung: str, company: Company) -> Interval | None:
    """A rung of all accounts that entered; of the days to first value also of those on their way."""
    if rung == "ttfv":
        return _interval(_days(company.history))
    return _interval(_sums(rung, entrants(company.history, rung)))


def kept_lately(rung: str, company: Company) -> Interval | None:
    """What was kept over the last year of all customers."""
    return _interval(_sums(rung, kept(company.history, rung, HISTORY_DAYS), is_periodic=True))


def told(company: Company) -> Interval | None:
    """How well it is told who leaves within 90 days by who is retained: no score of theirs tells it better."""
    then, left = left_since(company.history)
    alone = 1.0 - company.history.is_retained
    return discrimination(alone[left], alone[then & ~left], alpha=ALPHA).interval


def _interval(sums: Sums) -> Interval | None:
    found = sums.level()
    if found.lower is None or found.upper is None:
        return None
    return Interval(lower=found.lower, upper=found.upper, level=1 - ALPHA)


def _days(customers: Customers) -> Sums:
    found = durations(customers)
    return Sums(
        kind=KINDS["ttfv"],
        through=BEGAN + timedelta(days=HISTORY_DAYS),
        days=tuple(BEGAN + timedelta(days=day) for day in range(HISTORY_DAYS)),
        entered=found.entered,
        events=found.events,
        losses=np.zeros_like(found.events),
    )


def _sums(rung: str, measured: Measured, *, is_periodic: bool = False) -> Sums:
    found = by_cohort(measured)
    pairs = CoMoments.of_pair(
        n=found.n,
        first_mean=found.mean,
        second_mean=found.mean_x,
        first_m2=found.m2,
        second_m2=found.m2_x,
        c=found.c_xy,
    )
    return Sums(
        kind=KINDS[rung],
        through=BEGAN + timedelta(days=HISTORY_DAYS),
        days=tuple(BEGAN + timedelta(days=int(day)) for day in found.cohort),
        entered=found.n,
        moments=Moments(n=found.n.astype(np.float64), mean=found.mean, m2=found.m2),
        pairs=pairs if isinstance(KINDS[rung], Ratio) else None,
        is_periodic=is_periodic,
    )


def _elasticity(leading: str, lagging: str, customers: Customers) -> Elasticity | NotIdentified:
    """From quarters of a region in which both rungs are final, the first ones of the history."""
    first, second = (entrants(customers, rung) for rung in (leading, lagging))
    of_both = first.cohort < until(leading, lagging)
    cell = (first.cohort // COHORT_DAYS).astype(np.int64) * len(REGION_SHARES) + customers.region
    columns = np.column_stack([first.y, first.x, second.y, second.x])
    cohorts = Cohorts.of_sums(comoments(columns[of_both], cell[of_both]))
    return from_cohorts(cohorts, alpha=ALPHA).elasticity


def slope(leading: str, lagging: str, company: Company) -> Interval | None:
    """The elasticity of the lagging rung to the leading one, from the history."""
    found = _elasticity(leading, lagging, company.history)
    return None if isinstance(found, NotIdentified) else found.interval


def until(*named: str) -> int:
    """The day of the history up to which whole quarters of entrants are final on all these rungs."""
    return int((HISTORY_DAYS - max(WINDOWS[rung] for rung in named)) // COHORT_DAYS * COHORT_DAYS)


def _links(path: Sequence[str], customers: Customers) -> list[Link] | None:
    """A link for each step of the path; None where one of them is not identified."""
    found = [(pair, _elasticity(*pair, customers)) for pair in pairwise(path)]
    known = [
        Link(leading=leading, lagging=lagging, elasticity=one)
        for (leading, lagging), one in found
        if isinstance(one, Elasticity)
    ]
    return known if len(known) == len(found) else None


def _measured(rung: str, customers: Customers) -> Moments:
    """A rung of an arm as a mean, with the spread of its straight line."""
    found = entrants(customers, rung)
    return ratio.as_mean(CoMoments.from_values(np.column_stack([found.y, found.x])[found.is_final]))


def _change(company: Company) -> Change:
    """What the experiment did to the days to first value, on the log scale."""
    before, after = (_measured("ttfv", arm) for arm in (company.control, company.treated))
    variance = sum(float(arm.mean_variance / arm.mean**2) for arm in (before, after))
    return Change.of("ttfv", float(np.log(after.mean / before.mean)), variance**0.5)


def carried(path: Sequence[str], company: Company) -> Interval | None:
    """The lift of the revenue at the top that follows from the experiment's faster start."""
    links = _links(path, company.history)
    found = None if links is None else carry([_change(company)], links, top="nrr", alpha=ALPHA)
    return None if found is None or isinstance(found, NotIdentified) else found.lift_interval


def worth(path: Sequence[str], company: Company) -> Interval | None:
    """Revenue a year later for 100 that enters, were everybody treated, beside what it would be."""
    links, before = _links(path, company.history), _measured("nrr", company.history)
    if links is None:
        return None
    found = impact.worth(
        [impact.Shipped(change=_change(company))],
        links,
        top="nrr",
        level=float(before.mean),
        level_error=float(before.standard_error),
        units=100,
        alpha=ALPHA,
    )
    return None if isinstance(found, NotIdentified) else found.interval
