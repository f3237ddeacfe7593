"""KPI baselines, measured on the sign-ups before the first experiment."""

from datetime import date, timedelta

import numpy as np

from api.sample.kpis import KPIS, Input
from api.sample.law import Floats
from api.sample.outcomes import EVENTS, Outcomes
from api.sample.population import Ints, Users
from api.sample.runs import BASELINE_DAYS


def with_baselines(users: Users, log: Outcomes, began_on: date) -> tuple[Input, ...]:
    """The KPI inputs, each with its baseline."""
    return tuple({**kpi, "baseline": _baseline(kpi["definition"], users, log, began_on)} for kpi in KPIS)


def _baseline(definition: Input, users: Users, log: Outcomes, began_on: date) -> Input:
    n = int(np.searchsorted(users.signed_up, BASELINE_DAYS))
    values = _per_user(definition, users.signed_up[:n], log)
    return {
        "value": float(values.mean()),
        "standardError": float(values.std(ddof=1) / np.sqrt(n)),
        "n": n,
        "fromOn": began_on.isoformat(),
        "toOn": (began_on + timedelta(days=BASELINE_DAYS - 1)).isoformat(),
    }


def _per_user(definition: Input, entered: Floats, log: Outcomes) -> Floats:
    """Each user's value, with every window counted from sign-up; all windows have closed."""
    ((kind, terms),) = definition.items()
    rows = (log.event == EVENTS.index(terms["event"])) & (log.unit < len(entered))
    user, value = log.unit[rows], log.value[rows]
    elapsed = log.day[rows] - entered[user]
    if kind == "timeToValue":
        return _days_to_value(user, elapsed, np.full(len(entered), float(terms["tauDays"])))
    first, last = (terms["day"], terms["day"] + 1) if kind == "retention" else (0, terms["windowDays"])
    inside = (elapsed >= first) & (elapsed < last)
    counted = value if terms.get("of") == "VALUE" else np.ones(len(user))
    total: Floats = np.bincount(user[inside], weights=counted[inside], minlength=len(entered)).astype(float)
    cap = terms["cap"] if kind == "mean" else 1.0
    return total if cap is None else np.minimum(total, cap)


def _days_to_value(user: Ints, elapsed: Floats, tau: Floats) -> Floats:
    """Each user's days to the first event, at most tau: fully observed, so their mean is the area under S to tau."""
    days, after = tau.copy(), elapsed >= 0
    np.minimum.at(days, user[after], np.floor(elapsed[after]) + 1)
    return days
