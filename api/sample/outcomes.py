"""What the units of the sample company did: draws from the law, as columns."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from api.sample.law import SPREAD, VALUE_SPREAD, Floats, Levels, Milestone, fading, rates
from api.sample.population import Ints, Users
from api.sample.runs import DAYS

EVENTS = (
    "signed_up",
    "first_value",
    "project_created",
    "session_started",
    "task_completed",
    "seat_invited",
    "purchase",
    "arr_new",
    "arr_expansion",
    "arr_contraction",
    "arr_churn",
    # Of accounts with a contract and their people (api/sample/customers): the names that the KPI catalogue reads.
    "account_created",
    "onboarding_task_assigned",
    "onboarding_task_completed",
    "onboarding_completed",
    "value_reached",
    "activated",
    "adoption_reached",
    "feature_used",
    "department_active",
    "seats",
    "seats_active",
    "pxq_signal",
    "pqa_reached",
    "opportunity_created",
    "mrr",
    "revenue_booked",
    "service_cost",
    "renewal_window_opened",
    "renewal_conversation_held",
    "renewal_due",
    "renewal_won",
    "renewal_forecast",
    "outcome_agreed",
    "outcome_attained",
    "survey_answered",
    "sentiment_noted",
    "service_rated",
    "ticket_opened",
    "risk_flagged",
    "account_saved",
    "expansion_closed",
    "expansion_won",
    "reference_given",
    "review_published",
)
MORE_PROJECTS, PROJECT_GAP_DAYS = 0.8, 12.0
TASKS_PER_SESSION, SESSION_DAYS = 0.6, 40 / (24 * 60)
SEATS_PER_USER = 0.25
RENEWAL_DAYS, RENEWAL_SHARE = 30, 0.85
GUEST_SHARE, GUEST_ROWS, GUEST_DAYS = 0.015, 2, 5.0
"""A few users worked in somebody's workspace as guests shortly before they signed up: rows before the exposure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Columns of the outcome log: codes into `EVENTS` and the units, days since the history began, NaN for no value."""

    event: Ints
    unit: Ints
    day: Floats
    value: Floats

    def __len__(self) -> int:
        return len(self.event)


def outcomes_of(event: str, unit: Ints, day: Floats, value: Floats | None = None) -> Outcomes:
    """Columns of one event."""
    return Outcomes(
        event=np.full(len(unit), EVENTS.index(event)),
        unit=unit,
        day=day,
        value=np.full(len(unit), np.nan) if value is None else np.round(value, 2),
    )


def in_time_order(logs: list[Outcomes], days: int = DAYS) -> Outcomes:
    """All logs as one, cut at the end of a history of so many days."""
    day = np.concatenate([log.day for log in logs])
    order = np.argsort(day, kind="stable")
    order = order[: np.searchsorted(day[order], days)]
    return Outcomes(
        event=np.concatenate([log.event for log in logs])[order],
        unit=np.concatenate([log.unit for log in logs])[order],
        day=day[order],
        value=np.concatenate([log.value for log in logs])[order],
    )


def act(users: Users, level: Levels, rng: Generator) -> list[Outcomes]:
    """All that users do, given the level of each: arrays (user,)."""
    everybody = np.arange(len(users))
    sessions = _sessions(users, level, rng)
    return [
        outcomes_of("signed_up", everybody, users.signed_up),
        outcomes_of("first_value", *_first(users, level.first_value, rng)),
        *_projects(users, level, rng),
        sessions,
        _tasks(sessions, rng),
        _seats(users, rng),
        *_purchases(users, level, rng),
        *_guests(users, rng),
    ]


def _first(users: Users, milestone: Milestone, rng: Generator) -> tuple[Ints, Floats]:
    """The users who reach a milestone, and when."""
    reached = rng.random(len(users)) < milestone.share(users.engagement)
    log_days = milestone.location(users.engagement) + SPREAD * rng.standard_normal(len(users))
    return np.flatnonzero(reached), (users.signed_up + np.exp(log_days))[reached]


def _projects(users: Users, level: Levels, rng: Generator) -> list[Outcomes]:
    user, first = _first(users, level.project, rng)
    more = np.repeat(np.arange(len(user)), rng.poisson(MORE_PROJECTS, len(user)))
    later = first[more] + rng.exponential(PROJECT_GAP_DAYS, len(more))
    return [outcomes_of("project_created", user, first), outcomes_of("project_created", user[more], later)]


def _sessions(users: Users, level: Levels, rng: Generator) -> Outcomes:
    """A Poisson process whose rate fades by the day: its total first, then the moments within."""
    days, passed = np.arange(DAYS + 1), np.concatenate([[0.0], np.cumsum(fading(DAYS))])
    reach = np.interp(DAYS - users.signed_up, days, passed)
    user = np.repeat(np.arange(len(users)), rng.poisson(rates(level, users.engagement) * reach))
    tenure = np.interp(rng.random(len(user)) * reach[user], passed, days)
    return outcomes_of("session_started", user, users.signed_up[user] + tenure)


def _tasks(sessions: Outcomes, rng: Generator) -> Outcomes:
    session = np.repeat(np.arange(len(sessions)), rng.poisson(TASKS_PER_SESSION, len(sessions)))
    return outcomes_of(
        "task_completed",
        sessions.unit[session],
        sessions.day[session] + rng.uniform(0, SESSION_DAYS, len(session)),
    )


def _seats(users: Users, rng: Generator) -> Outcomes:
    user = np.repeat(np.arange(len(users)), rng.poisson(SEATS_PER_USER * np.exp(0.5 * users.engagement)))
    return outcomes_of("seat_invited", user, users.signed_up[user] + rng.lognormal(1.5, 1.2, len(user)))


def _purchases(users: Users, level: Levels, rng: Generator) -> list[Outcomes]:
    """A monthly add-on: bought once, renewed by most; the same amount each time."""
    user, day = _first(users, level.purchase, rng)
    value = rng.lognormal(level.log_value[user], VALUE_SPREAD)
    bills = []
    while len(user):
        bills.append(outcomes_of("purchase", user, day, value))
        renewed = (rng.random(len(user)) < RENEWAL_SHARE) & (day + RENEWAL_DAYS < DAYS)
        user, day, value = user[renewed], day[renewed] + RENEWAL_DAYS, value[renewed]
    return bills


def _guests(users: Users, rng: Generator) -> list[Outcomes]:
    guest = np.flatnonzero((rng.random(len(users)) < GUEST_SHARE) & (users.signed_up > GUEST_DAYS))
    guest = np.repeat(guest, GUEST_ROWS)
    before = users.signed_up[guest] - rng.uniform(0.01, GUEST_DAYS, len(guest))
    return [outcomes_of("session_started", guest, before), outcomes_of("project_created", guest, before + 0.005)]
