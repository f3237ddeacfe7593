"""What is sent about accounts: their start, their contracts and renewals, money, health, expansion, advocacy."""

import numpy as np
from numpy.random import Generator

from api.sample.customers.law import HISTORY_DAYS, SEAT_PRICE, TERM_DAYS, TERMS
from api.sample.customers.population import CONTRACT_LEAD, Customers
from api.sample.law import Floats
from api.sample.outcomes import Outcomes, outcomes_of
from api.sample.population import Ints

TASKS, TASK_DAYS = 5, 40.0
TASK_DONE = np.array([0.45, 0.85])
"""Chance that a task of the onboarding plan gets done, by whether the account is activated."""
ADOPTION_DAYS, PQA_DAYS, PQA_SHARE = 50.0, 45.0, 0.6
OPPORTUNITY_DAYS, OPPORTUNITY_SHARE = 50.0, 0.5
WINDOW_DAYS, TALKED_SHARE = 60.0, 0.9
FORECAST_SPREAD, FORESEEN_SHARE = 0.08, 0.4
"""How far forecasts of what is renewed are off, relative; and how many losses are foreseen."""
AT_RISK, SAVED_SHARE = np.array([0.5, 0.04]), 0.85
"""Share of renewals before which an account is marked, by whether it is retained; of those renewed, marked as saved."""
ATTAINED = np.array([0.3, 0.75])
LOST_PITCHES = 0.08
"""Chance in a term of an opportunity to sell more that comes to nothing."""
MONTH = 365 / 12
IN_USE = np.array([0.35, 0.7])
QUIET_USE = 0.1
COST_SHARE, COST_SPREAD = np.array([0.30, 0.18]), 0.5
MOODS = np.array([-0.2, 0.45])
ANSWERED, NOTED = 0.5, 0.3
ADVOCATES = np.array([0.02, 0.25])
"""References, and reviews, an account gives in a year."""


def begin(customers: Customers, first_member: Ints, rng: Generator) -> list[Outcomes]:
    """From the contract to adoption; `first_member` is the unit of who opened each account."""
    account, opened = np.arange(len(customers)), customers.opened
    reached = np.isfinite(customers.first_value)
    valued, by = (opened + customers.first_value)[reached], first_member[reached]
    again = rng.random(len(by)) < 0.75
    active = np.flatnonzero(customers.is_activated)
    activated = (opened + customers.activation)[active]
    pqa = rng.random(len(active)) < PQA_SHARE
    ready, at = active[pqa], activated[pqa] + rng.uniform(1, PQA_DAYS, pqa.sum())
    pitched = rng.random(len(ready)) < OPPORTUNITY_SHARE
    return [
        outcomes_of("account_created", account, opened),
        *_tasks(customers, rng),
        outcomes_of("first_value", by, valued),
        outcomes_of("value_reached", by, valued),
        outcomes_of("value_reached", by[again], valued[again] + rng.lognormal(1.6, 0.8, again.sum())),
        outcomes_of("activated", active, activated),
        outcomes_of("adoption_reached", active, activated + rng.uniform(1, ADOPTION_DAYS, len(active))),
        outcomes_of("pxq_signal", first_member[ready], at - 0.5),
        outcomes_of("pqa_reached", ready, at),
        outcomes_of(
            "opportunity_created", ready[pitched], at[pitched] + rng.uniform(1, OPPORTUNITY_DAYS, pitched.sum())
        ),
        *_outcomes(customers, rng),
    ]


def contract(customers: Customers, rng: Generator) -> list[Outcomes]:
    """Revenue and seats as states, and every renewal: due, forecast, talked over, won or lost."""
    account, term = np.nonzero(np.column_stack([np.ones(len(customers)), customers.mrr[:, :-1]]))
    day, paid = customers.renewals[account, term], customers.mrr[account, term]
    states = [
        outcomes_of("mrr", account, day, paid),
        outcomes_of("seats", account, day, _seats(customers, account, paid)),
    ]
    later = term > 0
    account, day, paid = account[later], day[later], paid[later]
    return [*states, *_renewals(customers, account, day, customers.mrr[account, term[later] - 1], paid, rng)]


def live(customers: Customers, first_member: Ints, rng: Generator) -> list[Outcomes]:
    """What comes every month and every quarter, and now and then."""
    account, day = _months(customers)
    paid, state = customers.mrr_of(account, day), customers.is_retained[account]
    is_quiet = day > (customers.opened + customers.quiet)[account]
    in_use = np.where(is_quiet, QUIET_USE, np.clip(IN_USE[state] + rng.normal(0, 0.1, len(day)), 0, 1))
    noted = rng.random(len(day)) < NOTED
    answered = rng.random(len(day)) < ANSWERED / 3
    mood = np.clip(MOODS[state] + rng.normal(0, 0.4, len(day)), -1, 1)
    return [
        outcomes_of("seats_active", account, day, np.floor(in_use * _seats(customers, account, paid))),
        outcomes_of("revenue_booked", account, day, paid),
        outcomes_of("service_cost", account, day, paid * COST_SHARE[state] * rng.lognormal(0, COST_SPREAD, len(day))),
        outcomes_of("sentiment_noted", account[noted], day[noted] + 3, mood[noted]),
        outcomes_of("survey_answered", first_member[account[answered]], day[answered] + 7, mood[answered]),
        *(_advocacy(event, customers, rng) for event in ("reference_given", "review_published")),
    ]


def _tasks(customers: Customers, rng: Generator) -> list[Outcomes]:
    shape = (len(customers), TASKS)
    account, task = np.repeat(np.arange(shape[0]), TASKS), np.tile(np.arange(1.0, TASKS + 1), shape[0])
    done = rng.random(shape) < TASK_DONE[customers.is_activated][:, None]
    days = customers.opened[:, None] + rng.uniform(1, TASK_DAYS, shape)
    whole = np.flatnonzero(done.all(axis=1))
    is_done = done.ravel()
    return [
        outcomes_of("onboarding_task_assigned", account, customers.opened[account] + 0.01, task),
        outcomes_of("onboarding_task_completed", account[is_done], days.ravel()[is_done], task[is_done]),
        outcomes_of("onboarding_completed", whole, days.max(axis=1)[whole]),
    ]


def _outcomes(customers: Customers, rng: Generator) -> list[Outcomes]:
    account = np.repeat(np.arange(len(customers)), 2)
    number = np.tile([1.0, 2.0], len(customers))
    agreed = customers.opened[account] + rng.uniform(3, 30, len(account))
    met = rng.random(len(account)) < ATTAINED[customers.is_retained[account]]
    return [
        outcomes_of("outcome_agreed", account, agreed, number),
        outcomes_of("outcome_attained", account[met], agreed[met] + rng.uniform(30, 200, met.sum()), number[met]),
    ]


def _renewals(
    customers: Customers, account: Ints, day: Floats, before: Floats, paid: Floats, rng: Generator
) -> list[Outcomes]:
    n, won = len(account), paid > 0
    talked, marked = rng.random(n) < TALKED_SHARE, rng.random(n) < AT_RISK[customers.is_retained[account]]
    saved = marked & won & (rng.random(n) < SAVED_SHARE)
    foreseen = np.where(won, 1 + rng.normal(0, FORECAST_SPREAD, n), rng.random(n) > FORESEEN_SHARE)
    raised = paid > before
    pitched = won & ~raised & (rng.random(n) < LOST_PITCHES)
    more = 12 * (paid - before)
    return [
        outcomes_of("renewal_window_opened", account, day - WINDOW_DAYS),
        outcomes_of("renewal_conversation_held", account[talked], day[talked] - rng.uniform(1, 55, talked.sum())),
        outcomes_of("renewal_due", account, day, 12 * before),
        outcomes_of("renewal_forecast", account, day, 12 * before * foreseen),
        outcomes_of("renewal_won", account[won], day[won], 12 * np.minimum(paid, before)[won]),
        outcomes_of("risk_flagged", account[marked], day[marked] - WINDOW_DAYS),
        outcomes_of("account_saved", account[saved], day[saved] - rng.uniform(1, 50, saved.sum())),
        outcomes_of("expansion_closed", account[raised], day[raised], more[raised]),
        outcomes_of("expansion_won", account[raised], day[raised], more[raised]),
        outcomes_of("expansion_closed", account[pitched], day[pitched], 12 * 0.2 * before[pitched]),
    ]


def _seats(customers: Customers, account: Ints, paid: Floats) -> Floats:
    seats: Floats = np.round(paid / SEAT_PRICE[customers.plan[account]])
    return seats


def _months(customers: Customers) -> tuple[Ints, Floats]:
    """Accounts and the days on which a month of theirs is over, while they are customers."""
    day = customers.opened[:, None] + MONTH * np.arange(1, HISTORY_DAYS // MONTH + 1)
    account, month = np.nonzero(day < np.minimum(customers.churned, HISTORY_DAYS)[:, None])
    return account, day[account, month]


def _advocacy(event: str, customers: Customers, rng: Generator) -> Outcomes:
    rate = ADVOCATES[customers.is_retained] * TERMS * TERM_DAYS / 365
    account = np.repeat(np.arange(len(customers)), rng.poisson(rate))
    day = customers.opened[account] + CONTRACT_LEAD + rng.random(len(account)) * TERMS * TERM_DAYS
    return outcomes_of(event, account, day)
