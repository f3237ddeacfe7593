"""What the API shows: one file a noun, an allow-list of fields. Enums that several nouns share are named here."""

import strawberry

from api.auth.tables import MemberState
from api.auth.tables import Role as MemberRole
from api.delivery.tables import DeliveryState, EndpointKind
from api.jobs.tables import JobState, Noun
from experiments import enums
from experiments.inference import facts, health, monitoring, treatments
from experiments.life import launch, lifecycle
from experiments.programme.reviews import enums as reviews
from kpi.enums import (
    AlertKind,
    AlertState,
    Change,
    Direction,
    Driver,
    Granularity,
    NoticeType,
    Severity,
    Tier,
    Unit,
)
from kpi.ingest import Fault
from kpi.kinds.shape import Scale

strawberry.enum(Noun, name="RowNoun", description="What the rows of a batch or a file are.")
strawberry.enum(enums.Kind, name="ExperimentKind", description="What an experiment changes.")
strawberry.enum(enums.State, name="ExperimentState", description="Where an experiment is in its life.")
strawberry.enum(enums.Policy, name="Policy", description="When the test may decide.")
strawberry.enum(
    enums.Slopes, name="Slopes", description="The slopes of an adjustment: one for both arms, or one for each (Lin)."
)
strawberry.enum(
    enums.Correction, name="Correction", description="How several p-values are corrected for there being several."
)
strawberry.enum(enums.Choice, name="DecisionChoice", description="What a person decides.")
strawberry.enum(launch.Check, name="LaunchCheckKind", description="What is checked before a launch.")
strawberry.enum(launch.CheckState, name="LaunchCheckState", description="What a check before a launch says.")
strawberry.enum(lifecycle.Action, name="ExperimentAction", description="What somebody does to an experiment.")
strawberry.enum(treatments.VerdictState, name="VerdictState", description="What is recommended.")
strawberry.enum(treatments.Rule, name="VerdictRule", description="The rule that gave a verdict.")
strawberry.enum(monitoring.SrmState, name="SrmState", description="What the sample ratio check says.")
strawberry.enum(health.HealthState, name="HealthState", description="What a check of the data says.")
strawberry.enum(health.CheckKind, name="CheckKind", description="What a check of the data is about.")
strawberry.enum(facts.FactName, name="FactName", description="What a number behind a check or a verdict is.")
strawberry.enum(EndpointKind, name="EndpointKind", description="How notices reach an endpoint.")
strawberry.enum(DeliveryState, name="DeliveryState", description="What became of a delivery.")
strawberry.enum(AlertState, name="AlertState", description="How far an alert has come; not resolved, it is open.")
strawberry.enum(Severity, name="AlertSeverity", description="How much an alert matters, as its rule says.")
strawberry.enum(
    Scale,
    name="ValueScale",
    description="How a value reads: a share of units, days, an amount, or as a RATE one amount of another in per cent, "
    "such as revenue of revenue, which may be above 100 %.",
)
strawberry.enum(Granularity, name="Granularity", description="The periods that values over time are given by.")
strawberry.enum(Direction, name="KpiDirection", description="Which way is better.")
strawberry.enum(Tier, name="KpiTier", description="When in a customer's life the KPI speaks.")
strawberry.enum(Driver, name="RevenueDriver", description="The part of revenue a KPI feeds.")
strawberry.enum(NoticeType, name="NoticeType", description="What a notice tells.")
strawberry.enum(Unit, name="UnitType", description="Whom a KPI counts.")
strawberry.enum(Change, name="ExpectedChange", description="What a hypothesis expects of its KPI.")
strawberry.enum(AlertKind, name="AlertKind", description="What an alert rule watches for.")
strawberry.enum(reviews.ReviewKind, name="ReviewKind", description="How much time a review is of.")
strawberry.enum(
    reviews.ReviewState, name="ReviewState", description="Where a review is in its life; closed is for good."
)
strawberry.enum(reviews.ItemState, name="ActionItemState", description="What became of something to do.")
strawberry.enum(
    JobState,
    description="Where a job is in its life: its file comes in, it waits, it runs; then it has ended for good.",
)
strawberry.enum(Fault, name="RowErrorCode", description="Why a row was rejected.")
strawberry.enum(MemberRole, name="MemberRole", description="What a member may do, from the least to the most.")
strawberry.enum(MemberState, description="Where a member stands.")
