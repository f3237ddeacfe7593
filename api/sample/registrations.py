"""What the sample company registers before it runs anything: KPIs, hypotheses and experiments, as GraphQL inputs."""

from dataclasses import dataclass

from api.sample.kpis import CUSTOMER_KPIS, HEALTH_KPIS, Input
from api.sample.runs import RUNS, Run

ONBOARDING = "Maya Okafor, Head of Onboarding"
ACTIVATION, ENGAGEMENT = "Jonas Lindqvist, Product Manager Activation", "Priya Raman, Product Manager Engagement"
EDITOR = "Wei Zhang, Engineering Lead Editor"

HYPOTHESES: tuple[Input, ...] = (
    {
        "key": "guided-start-is-faster",
        "title": "A guided start brings new users to their first shared plan sooner",
        "change": "Replace the empty first screen by a four-step guide that ends with sharing a plan.",
        "kpi": "ttfv",
        "direction": "DECREASE",
        "expectedLift": 0.10,
        "rationale": "In 14 of 20 interviews new users did not know that sharing was the next step; "
        "those who were shown it shared on the same day.",
        "owner": ONBOARDING,
    },
    {
        "key": "templates-start-projects",
        "title": "Templates for teams get more projects started",
        "change": "Suggest three project templates that fit the team's line of work, above the empty project form.",
        "kpi": "activation-7d",
        "direction": "INCREASE",
        "expectedLift": 0.12,
        "rationale": "Teams abandon the project form at the structure step four times as often as single users, "
        "and support sends them sample files by hand.",
        "owner": ACTIVATION,
    },
    {
        "key": "digest-brings-users-back",
        "title": "A weekly digest brings new users back",
        "change": "Send every new user a Monday mail with what changed in the plans they can see.",
        "kpi": "retention-d7",
        "direction": "INCREASE",
        "expectedLift": 0.20,
        "rationale": "Users who open our notification mails return more often; "
        "the digest would give everybody such a mail.",
        "owner": ENGAGEMENT,
    },
    {
        "key": "new-editor-is-used-more",
        "title": "The new editor is used more",
        "change": "Open plans in the new editor with inline dates and keyboard moves.",
        "kpi": "sessions-per-user-14d",
        "direction": "INCREASE",
        "expectedLift": 0.10,
        "rationale": "The old editor needs a full reload for each date change, the most frequent complaint in support.",
        "owner": EDITOR,
    },
    {
        "key": "checklist-keeps-momentum",
        "title": "A checklist in the side bar keeps new users going",
        "change": "Keep the open onboarding tasks visible in the side bar, with a nudge on the second day.",
        "kpi": "activation-7d",
        "direction": "INCREASE",
        "expectedLift": 0.09,
        "rationale": "Half of the users who leave the guide early never see the remaining tasks again.",
        "owner": ONBOARDING,
    },
)

EXPERIMENTS: tuple[Input, ...] = (
    {
        "key": "guided-onboarding",
        "name": "Guided onboarding",
        "hypothesis": "guided-start-is-faster",
        "kind": "ONBOARDING_FLOW",
        "owner": ONBOARDING,
        "variants": ("Empty first screen", "Four-step guide"),
        "kpis": (("ttfv", "PRIMARY", None), ("activation-7d", "SECONDARY", None), ("retention-d7", "GUARDRAIL", 0.05)),
        "mde": 0.8,
    },
    {
        "key": "smart-templates",
        "name": "Smart templates",
        "hypothesis": "templates-start-projects",
        "kind": "FEATURE_FLAG",
        "owner": ACTIVATION,
        "variants": ("Empty project form", "Suggested templates"),
        "kpis": (
            ("activation-7d", "PRIMARY", None),
            ("sessions-per-user-14d", "SECONDARY", None),
            ("revenue-per-user-14d", "SECONDARY", None),
            ("ttfv", "GUARDRAIL", 0.6),
        ),
        "mde": 0.05,
        "covariates": {"sessions-per-user-14d": {"attribute": "visits_before", "whenMissing": 4}},
    },
    {
        "key": "weekly-digest",
        "name": "Weekly digest",
        "hypothesis": "digest-brings-users-back",
        "kind": "MESSAGE",
        "owner": ENGAGEMENT,
        "variants": ("No digest", "Monday digest"),
        "kpis": (
            ("retention-d7", "PRIMARY", None),
            ("retention-d14", "SECONDARY", None),
            ("sessions-per-user-14d", "SECONDARY", None),
        ),
        "mde": 0.045,
    },
    {
        "key": "new-editor",
        "name": "New editor",
        "hypothesis": "new-editor-is-used-more",
        "kind": "FEATURE_FLAG",
        "owner": EDITOR,
        "variants": ("Old editor", "New editor"),
        "kpis": (
            ("sessions-per-user-14d", "PRIMARY", None),
            ("activation-7d", "SECONDARY", None),
            ("retention-d7", "GUARDRAIL", 0.03),
        ),
        "mde": 0.4,
        # The lost exposures are all on mobile: the segment shows where the split broke.
        "segments": ("plan", "device"),
    },
    {
        "key": "checklist-nudge",
        "name": "Checklist nudge",
        "hypothesis": "checklist-keeps-momentum",
        "kind": "ONBOARDING_FLOW",
        "owner": ONBOARDING,
        "variants": ("Guide only", "Guide and checklist"),
        "kpis": (
            ("activation-7d", "PRIMARY", None),
            ("retention-d7", "SECONDARY", None),
            ("retention-d14", "SECONDARY", None),
            ("ttfv", "GUARDRAIL", 0.6),
        ),
        "mde": 0.04,
    },
)
"""Each experiment in short; `experiments` gives the full inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrations:
    """GraphQL inputs in the order they must be registered: hypotheses name KPIs, experiments name hypotheses."""

    kpis: tuple[Input, ...]
    hypotheses: tuple[Input, ...]
    experiments: tuple[Input, ...]


def registrations(kpis: tuple[Input, ...]) -> Registrations:
    """All inputs, given the users' KPIs with their baselines."""
    return Registrations(kpis=(*kpis, *CUSTOMER_KPIS, *HEALTH_KPIS), hypotheses=HYPOTHESES, experiments=experiments())


def experiments() -> tuple[Input, ...]:
    """The experiment inputs in the order of `RUNS`."""
    short = {experiment["key"]: experiment for experiment in EXPERIMENTS}
    return tuple(_experiment(short[run.key], run) for run in RUNS)


def _experiment(short: Input, run: Run) -> Input:
    control, treatment = short["variants"]
    return {
        **{field: short[field] for field in ("key", "name", "hypothesis", "kind", "owner")},
        "variants": [
            {"key": "control", "name": control, "weight": 1.0, "isControl": True},
            {"key": "treatment", "name": treatment, "weight": 1.0, "isControl": False},
        ],
        "plan": {
            "kpis": [
                _part(kpi, role, margin, short["mde"], short.get("covariates", {}).get(kpi))
                for kpi, role, margin in short["kpis"]
            ],
            "alpha": 0.05,
            "power": 0.8,
            "policy": "GROUP_SEQUENTIAL",
            "looks": 4,
            "horizonDays": run.horizon_days,
            "segmentAttributes": list(short.get("segments", ("plan",))),
        },
    }


def _part(kpi: str, role: str, margin: float | None, mde: float, covariate: Input | None) -> Input:
    """A KPI's part in a plan: the deciding effect in its own units, a tenth of the baseline for informing ones."""
    effects = {"PRIMARY": {"difference": mde}, "SECONDARY": {"lift": 0.1}}
    return {"kpi": kpi, "role": role, "margin": margin, "mde": effects.get(role), "covariate": covariate}
