"""The logs of the sample company as rows of the public wire form."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import isnan
from typing import Any, TypeAlias

import numpy as np

from api.sample.company import Company
from api.sample.customers.clientele import Clientele
from api.sample.customers.people import ROLES
from api.sample.customers.population import INDUSTRIES, SEGMENTS, SOURCES
from api.sample.exposures import VARIANTS
from api.sample.law import DEVICES, PLANS, REGIONS, Floats
from api.sample.outcomes import EVENTS, Outcomes
from api.sample.population import Ints
from api.sample.runs import RUNS

MILLISECONDS_A_DAY = 86_400_000

Row: TypeAlias = dict[str, Any]


def exposures(company: Company) -> Iterator[Row]:
    """The exposure rows in time order."""
    log, units, attributes = company.exposure_log, _units(company), _attributes(company)
    times = _times(company.began_at, log.day)
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
    return _outcomes(company.outcome_log, _units(company), company.began_at, "sample")


def customer_outcomes(clientele: Clientele) -> Iterator[Row]:
    """The outcome rows of the customers with a contract and of their people, in time order."""
    return _outcomes(clientele.log, _customer_units(clientele), clientele.began_at, "customers")


def memberships(company: Company) -> Iterator[Row]:
    """Who belongs to which account: the users since they signed up, the people of customers since they joined."""
    users = company.users
    accounts = [f"account-{account:04d}" for account in users.account.tolist()]
    yield from _memberships(_units(company)[: len(users)], accounts, _times(company.began_at, users.signed_up))
    yield from customer_memberships(company.clientele)


def customer_memberships(clientele: Clientele) -> Iterator[Row]:
    """Which customer each of its people belongs to, since they joined."""
    members, units = clientele.members, _customer_units(clientele)
    accounts = [units[account] for account in members.account.tolist()]
    return _memberships(units[len(clientele.customers) :], accounts, _times(clientele.began_at, members.joined))


def traits(company: Company) -> Iterator[Row]:
    """What is known of users, of customers and of their people; it has always held."""
    plans = _named(PLANS, company.users.plan)
    yield from _traits(_units(company)[: len(company.users)], plan=plans)
    yield from customer_traits(company.clientele)


def customer_traits(clientele: Clientele) -> Iterator[Row]:
    """Plan, segment, region, industry and source of customers; plan and role of their people."""
    customers, members, units = clientele.customers, clientele.members, _customer_units(clientele)
    plans = _named(PLANS, customers.plan)
    yield from _traits(
        units[: len(customers)],
        plan=plans,
        segment=_named(SEGMENTS, customers.segment),
        region=_named(REGIONS, customers.region),
        industry=_named(INDUSTRIES, customers.industry),
        source=_named(SOURCES, customers.source),
    )
    of_members = [plans[account] for account in members.account.tolist()]
    yield from _traits(units[len(customers) :], plan=of_members, role=_named(ROLES, members.role))


def _traits(units: list[str], **values: list[str]) -> Iterator[Row]:
    for name, column in values.items():
        for unit, value in zip(units, column, strict=True):
            yield {"unit": unit, "name": name, "value": value}


def _named(names: Sequence[str], codes: Ints) -> list[str]:
    return [names[code] for code in codes.tolist()]


def _memberships(names: list[str], accounts: list[str], times: Iterator[datetime]) -> Iterator[Row]:
    for name, account, at in zip(names, accounts, times, strict=True):
        yield {"member": name, "account": account, "sinceAt": at}


def _outcomes(log: Outcomes, units: list[str], began_at: datetime, source: str) -> Iterator[Row]:
    values = [None if isnan(value) else value for value in log.value.tolist()]
    columns = zip(log.event.tolist(), log.unit.tolist(), _times(began_at, log.day), values, strict=True)
    for number, (event, unit, at, value) in enumerate(columns):
        yield {
            "unit": units[unit],
            "event": EVENTS[event],
            "occurredAt": at,
            "value": value,
            "eventId": f"{source}-{number:07d}",
        }


def _units(company: Company) -> list[str]:
    users = [f"user-{number:05d}" for number in range(len(company.users))]
    return users + [f"account-{number:04d}" for number in range(len(company.accounts))]


def _customer_units(clientele: Clientele) -> list[str]:
    accounts = [f"customer-{number:04d}" for number in range(len(clientele.customers))]
    return accounts + [f"member-{number:05d}" for number in range(len(clientele.members))]


def _attributes(company: Company) -> list[dict[str, str | int]]:
    users = company.users
    named = (users.account, users.plan, users.region, users.device, users.visits)
    return [
        {"account": f"account-{account:04d}", "plan": PLANS[plan], "region": REGIONS[region], "device": DEVICES[device]}
        | ({} if isnan(visits) else {"visits_before": int(visits)})
        for account, plan, region, device, visits in zip(*(column.tolist() for column in named), strict=True)
    ]


def _times(began_at: datetime, day: Floats) -> Iterator[datetime]:
    for milliseconds in np.rint(day * MILLISECONDS_A_DAY).astype(np.int64).tolist():
        yield began_at + timedelta(milliseconds=milliseconds)
