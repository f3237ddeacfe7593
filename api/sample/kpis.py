"""The KPIs that the sample company registers, in the words of the GraphQL inputs."""

from typing import Any, TypeAlias

from api.sample.customers.law import ACTIVATION_DAYS as CUSTOMER_ACTIVATION_DAYS
from api.sample.customers.law import QUIET_FROM, QUIET_UNTIL, TTFV_DAYS, YEAR

Input: TypeAlias = dict[str, Any]
"""A GraphQL input: camelCase keys, enum members as strings."""

TAU_DAYS = 14
ACTIVATION_DAYS = 7
MEAN_DAYS = 14
REVENUE_CAP = 500.0

NEW_USERS: Input = {"entry": {"event": "signed_up"}, "segments": ["plan"]}
"""Outside experiments a KPI of users counts who signed up, from then on."""
NEW_CUSTOMERS: Input = {"entry": {"event": "account_created"}, "segments": ["region", "plan"]}
OLD_CUSTOMERS: Input = {"entry": {"every": "MONTH"}, "segments": ["region", "plan"]}
SUCCESS, REVENUE = "Ines Duarte, Head of Customer Success", "Oskar Brandt, Head of Revenue"
PAID_BEFORE: Input = {"amount": {"event": "mrr", "of": "LEVEL_AT_START"}}
PAID_AFTER: Input = {"event": "mrr", "of": "LEVEL_AT_END"}

KPIS: tuple[Input, ...] = (
    {
        "key": "ttfv",
        "name": "Time to first value",
        "description": "Days from sign-up to the first plan shared with a teammate, up to 14 days.",
        "unit": "USER",
        "direction": "LOWER",
        "tier": "EARLY",
        "isLeading": True,
        "driver": "RENEWAL",
        "owner": "Maya Okafor, Head of Onboarding",
        "dataSource": "Planner event stream, first_value",
        "frequency": "WEEKLY",
        "action": "Watch ten recordings of new users who are stuck, then call the three largest stuck accounts.",
        **NEW_USERS,
        "definition": {"timeToValue": {"event": "first_value", "tauDays": TAU_DAYS}},
    },
    {
        "key": "activation-7d",
        "name": "Activation within 7 days",
        "description": "Share of new users who create a project within 7 days of sign-up.",
        "unit": "USER",
        "direction": "HIGHER",
        "tier": "EARLY",
        "isLeading": True,
        "driver": "RENEWAL",
        "owner": "Jonas Lindqvist, Product Manager Activation",
        "dataSource": "Planner event stream, project_created",
        "frequency": "WEEKLY",
        "action": "Compare the sign-up funnel by device and plan; roll back the last change to the first-run screen.",
        **NEW_USERS,
        "definition": {"activation": {"event": "project_created", "windowDays": ACTIVATION_DAYS}},
    },
    {
        "key": "retention-d7",
        "name": "Day-7 retention",
        "description": "Share of new users with a session on the seventh day after sign-up.",
        "unit": "USER",
        "direction": "HIGHER",
        "tier": "GROWTH",
        "isLeading": True,
        "driver": "RENEWAL",
        "owner": "Priya Raman, Product Manager Engagement",
        "dataSource": "Planner event stream, session_started",
        "frequency": "WEEKLY",
        "action": "Check mail and notification delivery first, then interview five users who did not come back.",
        **NEW_USERS,
        "definition": {"retention": {"event": "session_started", "day": 7}},
    },
    {
        "key": "retention-d14",
        "name": "Day-14 retention",
        "description": "Share of new users with a session on the fourteenth day after sign-up.",
        "unit": "USER",
        "direction": "HIGHER",
        "tier": "GROWTH",
        "isLeading": False,
        "driver": "RENEWAL",
        "owner": "Priya Raman, Product Manager Engagement",
        "dataSource": "Planner event stream, session_started",
        "frequency": "MONTHLY",
        "action": "Hand customer success the accounts that lost more than half of their new users.",
        **NEW_USERS,
        "definition": {"retention": {"event": "session_started", "day": 14, "hasCurve": True}},
    },
    {
        "key": "sessions-per-user-14d",
        "name": "Sessions per new user, 14 days",
        "description": "Mean number of sessions of a new user in the first 14 days.",
        "unit": "USER",
        "direction": "HIGHER",
        "tier": "GROWTH",
        "isLeading": True,
        "driver": "EXPANSION",
        "owner": "Priya Raman, Product Manager Engagement",
        "dataSource": "Planner event stream, session_started",
        "frequency": "WEEKLY",
        "action": "Look for a slow or broken entry page by device before asking for new features.",
        **NEW_USERS,
        "definition": {
            "mean": {"event": "session_started", "windowDays": MEAN_DAYS, "of": "COUNT", "cap": None},
        },
    },
    {
        "key": "revenue-per-user-14d",
        "name": "Self-serve revenue per new user, 14 days",
        "description": "Mean dollars of add-ons a new user buys in the first 14 days, capped at 500 for each user.",
        "unit": "USER",
        "direction": "HIGHER",
        "tier": "LATE",
        "isLeading": False,
        "driver": "EXPANSION",
        "owner": "Tomas Ferreira, Head of Growth",
        "dataSource": "Billing export, purchase",
        "frequency": "MONTHLY",
        "action": "Compare prices and checkout errors with last month, and pause discounts until the cause is known.",
        **NEW_USERS,
        "definition": {
            "mean": {"event": "purchase", "windowDays": MEAN_DAYS, "of": "VALUE", "cap": REVENUE_CAP},
        },
    },
)


def _kept(how: str) -> Input:
    """What is kept of revenue over a year, by GraphQL input."""
    above = {"amount": PAID_AFTER, "how": how, "other": PAID_BEFORE["amount"]}
    return {"ratio": {"windowDays": YEAR, "numerator": above, "denominator": PAID_BEFORE}}


CUSTOMER_KPIS: tuple[Input, ...] = (
    {
        "key": "account-ttfv",
        "name": "Time to first value of accounts",
        "description": "Days from the opening of an account to the first plan that somebody of it shares, up to 60.",
        "unit": "ACCOUNT",
        "direction": "LOWER",
        "tier": "EARLY",
        "isLeading": True,
        "driver": "RENEWAL",
        "owner": SUCCESS,
        "dataSource": "Planner event stream, first_value",
        "frequency": "WEEKLY",
        "action": "Give every account past day 20 a date with the onboarding desk this week.",
        **NEW_CUSTOMERS,
        "definition": {"timeToValue": {"event": "first_value", "tauDays": TTFV_DAYS}},
    },
    {
        "key": "account-activation-90d",
        "name": "Activation of accounts within 90 days",
        "description": "Share of new accounts that plan with at least two teams within 90 days.",
        "unit": "ACCOUNT",
        "direction": "HIGHER",
        "tier": "EARLY",
        "isLeading": True,
        "driver": "RENEWAL",
        "owner": SUCCESS,
        "dataSource": "Customer success platform, activated",
        "frequency": "MONTHLY",
        "action": "Bring the second team's lead into the next call of every account past day 45.",
        **NEW_CUSTOMERS,
        "definition": {"activation": {"event": "activated", "windowDays": CUSTOMER_ACTIVATION_DAYS}},
    },
    {
        "key": "account-retention-d60",
        "name": "Accounts still there in the third month",
        "description": "Share of new accounts of which somebody comes between day 60 and day 89.",
        "unit": "ACCOUNT",
        "direction": "HIGHER",
        "tier": "GROWTH",
        "isLeading": True,
        "driver": "RENEWAL",
        "owner": SUCCESS,
        "dataSource": "Planner event stream, session_started",
        "frequency": "MONTHLY",
        "action": "Call every account that fell silent, and ask which job went back to spreadsheets.",
        **NEW_CUSTOMERS,
        "definition": {
            "retention": {
                "event": "session_started",
                "day": QUIET_FROM,
                "form": "BRACKET",
                "untilDay": QUIET_UNTIL - 1,
            }
        },
    },
    {
        "key": "grr-first-year",
        "name": "Gross revenue retention of the first year",
        "description": "Recurring revenue of new accounts a year later, of what they paid first; expansion left out.",
        "unit": "ACCOUNT",
        "direction": "HIGHER",
        "tier": "LATE",
        "isLeading": False,
        "driver": "RENEWAL",
        "owner": REVENUE,
        "dataSource": "Billing export, mrr",
        "frequency": "QUARTERLY",
        "action": "List the ten largest losses with what was known 90 days before.",
        **NEW_CUSTOMERS,
        "definition": _kept("SMALLER"),
    },
    {
        "key": "nrr-first-year",
        "name": "Net revenue retention of the first year",
        "description": "Recurring revenue of new accounts a year later, of what they paid at first.",
        "unit": "ACCOUNT",
        "direction": "HIGHER",
        "tier": "LATE",
        "isLeading": False,
        "driver": "EXPANSION",
        "owner": REVENUE,
        "dataSource": "Billing export, mrr",
        "frequency": "QUARTERLY",
        "action": "Take it apart into expansion, contraction and churn, and work on the part that moved.",
        **NEW_CUSTOMERS,
        "definition": _kept("KEPT"),
    },
    {
        "key": "grr",
        "name": "Gross revenue retention",
        "description": "Recurring revenue of a year ago that is there at the end of the month; expansion left out.",
        "unit": "ACCOUNT",
        "direction": "HIGHER",
        "tier": "LATE",
        "isLeading": False,
        "driver": "RENEWAL",
        "owner": REVENUE,
        "dataSource": "Billing export, mrr",
        "frequency": "MONTHLY",
        "action": "Put the sign that was missed in the largest loss of the month on watch.",
        **OLD_CUSTOMERS,
        "definition": _kept("SMALLER"),
    },
    {
        "key": "nrr",
        "name": "Net revenue retention",
        "description": "What last year's customers pay at the end of each month, of what they paid a year before.",
        "unit": "ACCOUNT",
        "direction": "HIGHER",
        "tier": "LATE",
        "isLeading": False,
        "driver": "EXPANSION",
        "owner": REVENUE,
        "dataSource": "Billing export, mrr",
        "frequency": "MONTHLY",
        "action": "Take it apart into expansion, contraction and churn, and work on the part that moved.",
        **OLD_CUSTOMERS,
        "definition": _kept("KEPT"),
    },
)
"""KPIs of the customers with a contract; the rungs of their ladder are the first five (api/sample/customers/rungs.py).

They have no experiments here, and no baseline is stated: theirs is measured from history.
"""


def _part_of_health(key: str, owner: str = SUCCESS) -> Input:
    """A part of the health score, from the catalogue, by the month."""
    return {"fromCatalogue": key, "key": key, "owner": owner, "frequency": "MONTHLY", **OLD_CUSTOMERS}


HEALTH_KPIS: tuple[Input, ...] = (
    _part_of_health("account-usage-days"),
    _part_of_health("feature-breadth"),
    _part_of_health("support-incidents"),
    {
        **_part_of_health("health-score"),
        "entry": {"every": "MONTH", "among": "mrr"},
        "definition": {
            "composite": {
                "components": [
                    {"kpi": "account-usage-days", "weight": 0.4, "centre": 8.0, "spread": 5.0},
                    {"kpi": "feature-breadth", "weight": 0.4, "centre": 2.5, "spread": 2.0},
                    {"kpi": "support-incidents", "weight": -0.2, "centre": 0.5, "spread": 1.0},
                ]
            }
        },
    },
)
"""How the accounts are, by what they do: the score that says whom to call, and its parts."""
