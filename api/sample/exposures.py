"""Who saw which variant of which experiment, faults of real logs included: crossovers and lost exposures."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from api.sample.law import DEVICES, NO_EFFECT, Floats
from api.sample.population import Ints, Users
from api.sample.runs import DAYS, RUNS, Run

VARIANTS = ("control", "treatment")
TREATMENT = 1
CROSSOVER_SHARE = 0.003
"""Users who meet the other variant too, up to three days later (a second device, a cleared cookie)."""
CROSSOVER_DAYS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposures:
    """Columns of the exposure log: codes into `RUNS`, the users and `VARIANTS`; days since the history began."""

    run: Ints
    user: Ints
    variant: Ints
    day: Floats

    def __len__(self) -> int:
        return len(self.run)


def expose(users: Users, rng: Generator) -> tuple[Exposures, Ints]:
    """The exposure log in time order, and for each user the treatment at work: 0 is none, i + 1 that of `RUNS[i]`."""
    treatment = np.zeros(len(users), dtype=np.int64)
    logs = []
    for code, run in enumerate(RUNS):
        user, variant = _split(users, run, rng)
        if run.effect != NO_EFFECT:
            treatment[user[variant == TREATMENT]] = code + 1
        logs.append(_log(users, code, user, variant, rng))
    return _in_time_order(logs), treatment


def _split(users: Users, run: Run, rng: Generator) -> tuple[Ints, Ints]:
    """The users whose exposure is logged, and their variant by a fair coin."""
    entered = (users.signed_up >= run.start_day) & (users.signed_up < run.start_day + run.enrol_days)
    user = np.flatnonzero(entered)
    variant = rng.integers(0, len(VARIANTS), len(user))
    breakable = (variant == TREATMENT) & (users.device[user] == DEVICES.index("mobile"))
    kept = ~(breakable & (rng.random(len(user)) < run.mobile_loss))
    return user[kept], variant[kept]


def _log(users: Users, code: int, user: Ints, variant: Ints, rng: Generator) -> Exposures:
    crossed = np.flatnonzero(rng.random(len(user)) < CROSSOVER_SHARE)
    later = users.signed_up[user[crossed]] + rng.uniform(0.05, CROSSOVER_DAYS, len(crossed))
    still_on = later < min(RUNS[code].freeze_day or DAYS, DAYS)
    crossed, later = crossed[still_on], later[still_on]
    return Exposures(
        run=np.full(len(user) + len(crossed), code),
        user=np.concatenate([user, user[crossed]]),
        variant=np.concatenate([variant, 1 - variant[crossed]]),
        day=np.concatenate([users.signed_up[user], later]),
    )


def _in_time_order(logs: list[Exposures]) -> Exposures:
    order = np.argsort(np.concatenate([log.day for log in logs]), kind="stable")
    return Exposures(
        run=np.concatenate([log.run for log in logs])[order],
        user=np.concatenate([log.user for log in logs])[order],
        variant=np.concatenate([log.variant for log in logs])[order],
        day=np.concatenate([log.day for log in logs])[order],
    )
