"""The logs of the sample company as rows of the public wire form."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import isnan
from typing import Any, TypeAlias

import numpy as np

from api.sample.company import Company
from api.sample.exposures import VARIANTS
from api.sample.law import DEVICES, PLANS, REGIONS, Floats
from api.sample.outcomes import EVENTS
from api.sample.runs import RUNS

MILLISECONDS_A_DAY = 86_400_000

Row: TypeAlias = dict[str, Any]


def exposures(company: Company) -> Iterator[Row]:
    """The exposure rows in time order."""
    log, units, attributes = company.exposure_log, _units(company), _attributes(company)
    times = _times(company, log.day)
    for run, user, variant, at in zip(log.run.tolist(), log.user.tolist(), log.variant.tolist(), times, strict=True):
        yield {
            "experiment": RUNS[run].key,
            "unit": units[user],
            "variant": VARIANTS[variant],
            "exposedAt": at,
            "attributes": attributes[user],
        }


def outcomes(company: Company) -> Iterator[Row]:
    """The outcome rows in time order; an `eventId` belongs to the seed, so a second import adds nothing."""
    log, units = company.outcome_log, _units(company)
    values = [None if isnan(value) else value for value in log.value.tolist()]
    columns = zip(log.event.tolist(), log.unit.tolist(), _times(company, log.day), values, strict=True)
    for number, (event, unit, at, value) in enumerate(columns):
        yield {
            "unit": units[unit],
            "event": EVENTS[event],
            "occurredAt": at,
            "value": value,
            "eventId": f"sample-{number:07d}",
        }


def _units(company: Company) -> list[str]:
    users = [f"user-{number:05d}" for number in range(len(company.users))]
    return users + [f"account-{number:04d}" for number in range(len(company.accounts))]


def _attributes(company: Company) -> list[dict[str, str | int]]:
    users = company.users
    named = (users.account, users.plan, users.region, users.device, users.visits)
    return [
        {"account": f"account-{account:04d}", "plan": PLANS[plan], "region": REGIONS[region], "device": DEVICES[device]}
        | ({} if isnan(visits) else {"visits_before": int(visits)})
        for account, plan, region, device, visits in zip(*(column.tolist() for column in named), strict=True)
    ]


def _times(company: Company, day: Floats) -> Iterator[datetime]:
    for milliseconds in np.rint(day * MILLISECONDS_A_DAY).astype(np.int64).tolist():
        yield company.began_at + timedelta(milliseconds=milliseconds)
