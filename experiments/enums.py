"""The closed vocabularies of an experiment."""

from enum import StrEnum


class Kind(StrEnum):
    """What is being changed."""

    ONBOARDING_FLOW = "ONBOARDING_FLOW"
    FEATURE_FLAG = "FEATURE_FLAG"
    MESSAGE = "MESSAGE"
    OTHER = "OTHER"


class State(StrEnum):
    """Where an experiment is in its life."""

    DRAFT = "DRAFT"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FROZEN = "FROZEN"
    STOPPED = "STOPPED"
    DECIDED = "DECIDED"
    ARCHIVED = "ARCHIVED"


class Duty(StrEnum):
    """What the worker does for an experiment when its data change: adds up, publishes looks, weighs the evidence."""

    REFRESH = "REFRESH"
    LOOKS = "LOOKS"
    EVIDENCE = "EVIDENCE"


class Role(StrEnum):
    """What a KPI is for in a plan: it decides, it informs, or it must not be harmed."""

    PRIMARY = "PRIMARY"
    SECONDARY = "SECONDARY"
    GUARDRAIL = "GUARDRAIL"


class Choice(StrEnum):
    """What a person decides on an experiment that is over."""

    SHIP = "SHIP"
    ROLL_BACK = "ROLL_BACK"
    ITERATE = "ITERATE"
    ABANDON = "ABANDON"


class Status(StrEnum):
    """What the experiments on a hypothesis say of it together."""

    OPEN = "OPEN"
    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"


class Cause(StrEnum):
    """What made somebody look at the evidence on a hypothesis again."""

    REFRESH = "REFRESH"
    DECISION = "DECISION"


class Policy(StrEnum):
    """When the test may decide."""

    GROUP_SEQUENTIAL = "GROUP_SEQUENTIAL"
    ALWAYS_VALID = "ALWAYS_VALID"
    FIXED = "FIXED"


class Correction(StrEnum):
    """How the p-values of several questions are corrected for there being several."""

    HOLM = "HOLM"
    BENJAMINI_HOCHBERG = "BENJAMINI_HOCHBERG"
    BENJAMINI_YEKUTIELI = "BENJAMINI_YEKUTIELI"
    E_BENJAMINI_HOCHBERG = "E_BENJAMINI_HOCHBERG"


class Slopes(StrEnum):
    """How many slopes an adjustment for a covariate has: one for both arms, or one for each."""

    ONE = "ONE"
    EACH = "EACH"
