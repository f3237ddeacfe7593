"""The sample company as a whole: its plans, its logs, and the truth about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from api.sample.arr import movements
from api.sample.baselines import with_baselines
from api.sample.customers.clientele import Clientele, clientele
from api.sample.exposures import Exposures, expose
from api.sample.law import NO_EFFECT, Levels, levels, stack
from api.sample.outcomes import Outcomes, act, in_time_order
from api.sample.population import Accounts, Ints, Users, open_accounts, sign_up
from api.sample.registrations import Registrations, registrations
from api.sample.runs import DAYS, RUNS
from api.sample.truths import Truth, truths

SEED = 80
"""A company in which each experiment lands near its expected strength: no lucky winner, no unlucky loser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """When an experiment was started and when its enrolment ended; None while it runs."""

    started_at: datetime
    frozen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Northwind Planner, a planning tool that teams subscribe to."""

    began_at: datetime
    """Midnight, UTC, of the first day of the history."""
    accounts: Accounts
    users: Users
    exposure_log: Exposures
    outcome_log: Outcomes
    registrations: Registrations
    periods: Mapping[str, Period]
    truths: tuple[Truth, ...]
    clientele: Clientele
    """The customers with a contract, over two years."""

    @property
    def today(self) -> date:
        """The day after the last of the history."""
        return self.began_at.date() + timedelta(days=DAYS)

    @property
    def exposure_count(self) -> int:
        """Rows of the exposure log."""
        return len(self.exposure_log)

    @property
    def outcome_count(self) -> int:
        """Rows of the outcome log."""
        return len(self.outcome_log)


def simulate(*, today: date, seed: int = SEED) -> Company:
    """Draw the company whose 120 days of history end yesterday; a later `today` only shifts it."""
    rng = np.random.default_rng(seed)
    began_at = datetime.combine(today - timedelta(days=DAYS), time(), UTC)
    accounts = open_accounts(rng)
    users = sign_up(accounts, rng)
    exposure_log, treatment = expose(users, rng)
    deeds = act(users, _levels_of(users, treatment), rng)
    outcome_log = in_time_order([*deeds, *movements(accounts, len(users), rng)])
    return Company(
        began_at=began_at,
        accounts=accounts,
        users=users,
        exposure_log=exposure_log,
        outcome_log=outcome_log,
        registrations=registrations(with_baselines(users, outcome_log, began_at.date())),
        periods=_periods(began_at),
        truths=truths(),
        clientele=clientele(seed=seed, today=today),
    )


def _levels_of(users: Users, treatment: Ints) -> Levels:
    """Each user's levels: those of the treatment at work, plan and device."""
    by_treatment = [levels(effect) for effect in (NO_EFFECT, *(run.effect for run in RUNS))]
    return stack(by_treatment).of((treatment, users.plan, users.device))


def _periods(began_at: datetime) -> dict[str, Period]:
    def midnight(day: int) -> datetime:
        return began_at + timedelta(days=day)

    return {
        run.key: Period(
            started_at=midnight(run.start_day), frozen_at=None if run.freeze_day is None else midnight(run.freeze_day)
        )
        for run in RUNS
    }
