"""The KPIs that the sample company registers, in the words of the GraphQL inputs."""

from typing import Any, TypeAlias

Input: TypeAlias = dict[str, Any]
"""A GraphQL input: camelCase keys, enum members as strings."""

TAU_DAYS = 14
ACTIVATION_DAYS = 7
MEAN_DAYS = 14
REVENUE_CAP = 500.0

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
        "definition": {
            "mean": {"event": "purchase", "windowDays": MEAN_DAYS, "of": "VALUE", "cap": REVENUE_CAP},
        },
    },
)
