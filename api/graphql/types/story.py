"""What people did to an experiment - steps, amendments, decisions - as the API shows it."""

from datetime import date, datetime

import strawberry
from strawberry import Parent
from strawberry.scalars import JSON

from experiments import enums, tables
from experiments.inference.treatments import Rule, VerdictState
from experiments.life import lifecycle


@strawberry.type(description="A move that somebody made in the life of an experiment.")
class ExperimentStep:
    """A step."""

    action: lifecycle.Action = strawberry.field(description="The move.")
    state: enums.State = strawberry.field(description="The state it led to.")
    by: str = strawberry.field(description="The name of the key that made it.")
    reason: str | None = strawberry.field(description="The reason, if one was given.")
    effective_at: datetime = strawberry.field(description="The time from which it holds.")
    made_at: datetime = strawberry.field(description="The time it was made.")
    traffic: float | None = strawberry.field(description="The share of units that enter from then on; of a ramp.")


@strawberry.type(description="One value that was changed.")
class ValueChange:
    """One value that was changed."""

    path: str = strawberry.field(description="The path to the value.")
    before: JSON | None = strawberry.field(description="The value before; null where there was none.")
    after: JSON | None = strawberry.field(description="The value after; null where there is none.")


@strawberry.type(description="A change of a sealed plan.")
class Amendment:
    """An amendment."""

    number: int = strawberry.field(description="Its number, from 1.")
    by: str = strawberry.field(description="The name of the key that made it.")
    reason: str = strawberry.field(description="The reason.")
    created_at: datetime = strawberry.field(description="The time it was made.")
    breaks_error_control: bool = strawberry.field(
        description="Whether it changed what the deciding tests rest on after units had come in."
    )
    changes_estimand: bool = strawberry.field(
        description="Whether it changed who enters, or what they are shown, after units had come in: the effect is an "
        "average over those of before and after."
    )
    replaced_hash: str = strawberry.field(description="The SHA-256 of the plan as it was until then, in hex.")
    replaced_json: str = strawberry.field(description="That plan in canonical JSON (RFC 8785).")

    @strawberry.field(description="The values that changed.")
    def changes(parent: Parent[tables.Amendment]) -> list[ValueChange]:
        """The values that changed."""
        return [ValueChange(**change) for change in parent.changes]


@strawberry.type(description="A planned look as it was published, word for word.")
class PublishedLook:
    """A published look."""

    planned_on: date = strawberry.field(description="The day of the look.")
    published_at: datetime = strawberry.field(description="The time it was published.")
    plan_hash: str = strawberry.field(description="The SHA-256 of the plan in force then, in hex.")
    data_through: datetime = strawberry.field(description="The time through which data were counted.")
    software_version: str = strawberry.field(description="The version of the software that made the aggregates.")
    document: str = strawberry.field(description="All that was said, as JSON: verdict, findings, sample ratio.")
    document_hash: str = strawberry.field(description="The SHA-256 of the document, in hex.")

    @strawberry.field(description="The verdict then.")
    def verdict(parent: Parent[tables.PublishedLook]) -> VerdictState:
        """The verdict then."""
        return VerdictState(parent.verdict)

    @strawberry.field(description="The rule that gave the verdict.")
    def rule(parent: Parent[tables.PublishedLook]) -> Rule:
        """The rule that gave the verdict."""
        return Rule(parent.rule)


@strawberry.type(description="What a person decided, beside what was recommended.")
class Decision:
    """A decision."""

    number: int = strawberry.field(description="Its number, from 1; the last one holds.")
    choice: enums.Choice = strawberry.field(description="The decision.")
    variant: str | None = strawberry.field(description="The key of the variant that is shipped.")
    differs: bool = strawberry.field(description="Whether it goes against the verdict.")
    reason: str | None = strawberry.field(description="The reason.")
    by: str = strawberry.field(description="The name of the key that decided.")
    created_at: datetime = strawberry.field(description="The time of the decision.")
    needs_approval: bool = strawberry.field(description="Whether a second person has to approve it.")
    approved_by: str | None = strawberry.field(description="The name of the key that approved it.")
    approved_at: datetime | None = strawberry.field(description="The time of the approval.")
    plan_hash: str = strawberry.field(description="The SHA-256 of the plan in force then, in hex.")
    data_through: datetime | None = strawberry.field(description="The time through which data were counted then.")

    @strawberry.field(description="The verdict at that moment; null where there were no data.")
    def verdict(parent: Parent[tables.Decision]) -> VerdictState | None:
        """The verdict at that moment."""
        return None if parent.verdict is None else VerdictState(parent.verdict)

    @strawberry.field(description="The rule that gave the verdict.")
    def rule(parent: Parent[tables.Decision]) -> Rule | None:
        """The rule that gave the verdict."""
        return None if parent.rule is None else Rule(parent.rule)
