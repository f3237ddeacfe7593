"""How the sample company steers by its KPIs: targets, what is watched, and what is believed to lead to what."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from api.sample.kpis import Input

CHIEF = "Astrid Holm, Chief Executive"
PLANNED = "The plan for the next half-year."
AHEAD = timedelta(days=120)
"""From today until targets are due."""
TARGETS = (
    ("ttfv", 7.5, "Maya Okafor, Head of Onboarding"),
    ("activation-7d", 0.52, "Jonas Lindqvist, Product Manager Activation"),
    ("account-ttfv", 14.0, "Ines Duarte, Head of Customer Success"),
    ("grr", 0.80, "Oskar Brandt, Head of Revenue"),
    ("nrr", 1.02, "Oskar Brandt, Head of Revenue"),
)
"""KPI, value and who answers for it."""
WATCHED: tuple[tuple[str, Input], ...] = (
    ("ttfv", {"dataStopped": {}}),
    ("ttfv", {"trend": {"side": "ABOVE", "runLength": 100}}),
    ("activation-7d", {"trend": {"side": "BELOW", "runLength": 100}}),
    ("grr", {"targetAtRisk": {"chance": 0.2, "clear": 0.4}}),
)
ASSUMED = (
    ("account-ttfv", "account-activation-90d", (-0.8, -0.5, -0.2)),
    ("account-activation-90d", "account-retention-d60", (0.4, 0.8, 1.2)),
    ("account-retention-d60", "nrr-first-year", (0.2, 0.5, 0.9)),
    ("account-retention-d60", "grr-first-year", (0.2, 0.5, 0.9)),
)
"""Leading KPI, lagging KPI, and the elasticity: low, likely and high. The law behind the company lies within each."""
CARRIED = (
    ("ttfv", "account-ttfv", (0.8, 1.5, 2.4)),
    ("activation-7d", "account-activation-90d", (0.5, 1.0, 1.6)),
)
"""The same of what experiments move first: KPIs of users, and those of customers that they carry over to."""
AT_RISK = 0.1
"""The share of accounts, those with the worst health, that is marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A mutation by its name, its input, and the key of the KPI whose id goes into it, where it needs one."""

    verb: str
    given: Input
    kpi: str | None = None


def steps(today: date) -> Iterator[Step]:
    """What to do, in order; done again, it changes nothing."""
    due = (today + AHEAD).isoformat()
    for kpi, value, owner in TARGETS:
        given = {"value": value, "dueOn": due, "owner": owner, "approver": CHIEF, "reason": PLANNED}
        yield Step(verb="kpiTargetSet", kpi=kpi, given=given)
    for kpi, condition in WATCHED:
        yield Step(verb="alertRuleSet", kpi=kpi, given={"rules": [{"condition": condition}], "reason": PLANNED})
    for leading, lagging, (low, likely, high) in (*CARRIED, *ASSUMED):
        belief = {"leading": leading, "lagging": lagging, "low": low, "likely": likely, "high": high}
        yield Step(verb="kpiLinkAssume", given={**belief, "reason": "Two years of customers, read by eye."})


def mark() -> Step:
    """Whom to call first, once the numbers of single accounts are there."""
    given = {"worst": AT_RISK, "reason": "Whom we call first this month."}
    return Step(verb="kpiAtRiskMark", kpi="health-score", given=given)
