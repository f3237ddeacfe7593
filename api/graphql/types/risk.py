"""Who of a KPI's units is at risk and why, and whether its numbers told who would leave, as the API shows it."""

from dataclasses import replace
from datetime import date
from typing import Annotated

import msgspec
import strawberry
from strawberry import Parent

from api.auth.permissions import MayAdmin
from api.database import driver
from api.graphql.context import Info
from api.graphql.nodes import (
    After,
    Before,
    First,
    Last,
    PageInfo,
    bad_input,
    connection,
)
from api.graphql.risk import cursor, paged, sliced
from api.graphql.types.history import Segment
from kpi import tables
from kpi.ingest import is_text
from kpi.risk import check, listing
from kpi.risk.listing import AtRisk
from kpi.risk.ranking import Part, Ranking, Rule, ranking

MOST_TRAITS = 10
"""Traits that are shown with each unit."""

Below = Annotated[
    float | None,
    strawberry.argument(description="All units whose number is worse than this: below it, where higher is better."),
]
Worst = Annotated[
    float | None,
    strawberry.argument(
        description="Instead: this share of all units, the worst, rounded up; with those level with the last of them."
    ),
]
Traits = Annotated[
    list[str] | None,
    strawberry.argument(description=f"Traits to show of each unit as they are known now, {MOST_TRAITS} at most."),
]


@strawberry.type(name="RiskPart", description="What a component of a composite is to a unit's number.")
class RiskPart:
    """What a component is to a unit's number."""

    kpi: str = strawberry.field(description="The key of the component's KPI.")
    name: str = strawberry.field(description="The name of the component's KPI.")
    value: float = strawberry.field(description="The unit's number of it.")
    centre: float = strawberry.field(description="The number that counts for nothing.")
    contribution: float = strawberry.field(description="The weight times (value - centre) / spread.")


@strawberry.type(description="What is known of a unit.")
class UnitTrait:
    """What is known of a unit."""

    name: str = strawberry.field(description="The name of the trait.")
    value: str | None = strawberry.field(description="The value now; null where it is not known.")


@strawberry.type(description="A unit at risk.")
class UnitAtRisk:
    """A unit at risk."""

    unit: str = strawberry.field(description="The id of the unit, as it is stored: a hash where units are hidden.")
    score: float = strawberry.field(description="The unit's number of the KPI at the end of the period.")
    rank: int = strawberry.field(description="The place among all units, 1 for the worst; who is level shares one.")
    percentile: float = strawberry.field(description="The per cent of all units that stand worse.")
    change: float | None = strawberry.field(
        description="The number less that of the period before; null for a unit that was not there then."
    )
    level: float | None = strawberry.field(
        description="The level of the event by which units are counted, such as recurring revenue; null without one."
    )
    segments: list[str] = strawberry.field(description="The segments of the unit, such as `plan=pro`.")
    reasons: list[str] = strawberry.field(
        description="The components that pull it down most, in words, the worst first; of a composite."
    )
    parts: list[RiskPart] = strawberry.field(description="All components of a composite, in the definition's order.")
    traits: list[UnitTrait] = strawberry.field(description="The traits that were asked for.")


@strawberry.type(description="A unit at risk in a list.")
class UnitAtRiskEdge:
    """A unit at risk in a list."""

    cursor: str = strawberry.field(description="The cursor of the unit.")
    node: UnitAtRisk = strawberry.field(description="The unit.")


@strawberry.type(description="A page of units at risk, the worst first.")
class UnitAtRiskConnection:
    """A page of units at risk."""

    edges: list[UnitAtRiskEdge] = strawberry.field(description="The units of the page with their cursors.")
    nodes: list[UnitAtRisk] = strawberry.field(description="The units of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of units at risk.")


@strawberry.type(description="How well a number told who would leave.")
class RiskTold:
    """How well a number told who would leave."""

    kpi: str | None = strawberry.field(description="The key of the component that it is of; null for the KPI itself.")
    auc: float | None = strawberry.field(
        description="The chance that of one who left and one who stayed the one who left had the worse number; 0.5 is "
        "chance. Null where too few left or stayed."
    )
    lower: float | None = strawberry.field(description="The lower limit of its 95% interval.")
    upper: float | None = strawberry.field(description="The upper limit of its 95% interval.")


@strawberry.type(description="A fifth of the units, by their number then: how many of them left.")
class RiskFifth:
    """A fifth of the units."""

    fifth: int = strawberry.field(description="1 for the worst, 5 for the best.")
    n: int = strawberry.field(description="The units of the fifth; who is level stands in the same one.")
    left: int = strawberry.field(description="Those of them that left.")
    share: float = strawberry.field(description="Their share.")
    lower: float = strawberry.field(description="The lower limit of its 95% interval.")
    upper: float = strawberry.field(description="The upper limit of its 95% interval.")


@strawberry.type(name="RiskCheck", description="Whether a KPI's numbers told who would leave within 90 days.")
class RiskCheckType:
    """Whether a KPI's numbers told who would leave."""

    ended_on: date = strawberry.field(description="The end of the period whose numbers are held against what came.")
    until_on: date = strawberry.field(description="The day at whose end it was looked who has left: has no level.")
    n: int = strawberry.field(description="The units that had a level at the end of the period.")
    left: int = strawberry.field(description="Those of them that have left.")
    told: RiskTold = strawberry.field(description="What the KPI's own numbers told.")
    components: list[RiskTold] = strawberry.field(
        description="What each component alone told; a composite that tells no more than its best one needs no weights."
    )
    fifths: list[RiskFifth] = strawberry.field(description="Who left, by fifths of the number; empty where not known.")
    is_hindsight: bool = strawberry.field(
        description="Whether the definition was written after that period, maybe knowing who left: this flatters it."
    )
    sentence: str = strawberry.field(description="What was found, in words.")


@strawberry.type
class RiskFields:
    """Who of a KPI's units is at risk."""

    @strawberry.field(
        description=(
            "The units at risk at the end of the newest period that is over, the worst first: by a number (below) or a "
            "share (worst). Null where the KPI is not measured every period, has no number a unit, or none so far. "
            "Needs the scope `admin`, as rows of single units do."
        ),
        permission_classes=[MayAdmin],
    )
    async def units_at_risk(
        parent: Parent[tables.Kpi],
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        below: Below = None,
        worst: Worst = None,
        segment: Segment = "",
        traits: Traits = None,
    ) -> UnitAtRiskConnection | None:
        """The units at risk."""
        rule, part, names = (
            Rule(below=below, worst=worst, segment=segment),
            sliced(first, after, last, before),
            _names(traits),
        )
        for problem in rule.problems():
            raise bad_input(problem.message)
        definition = await info.context.loaders.definitions.load(parent.id)
        async with info.context.read() as session:
            of = None if definition is None else await ranking(session, parent, definition)
            if of is None:
                return None
            rows = await driver(session)
            found = await listing.page(rows, of, rule, replace(part, size=part.size + 1))
            total = await listing.count(rows, of, rule)
            units = [one.unit for one in found]
            known = await listing.known(rows, of.workspace_id, units, names, info.context.now)
        nodes = [_node(of, one, {name: known.get((one.unit, name)) for name in names}) for one in found]
        shown: UnitAtRiskConnection = connection(
            UnitAtRiskConnection, UnitAtRiskEdge, paged(nodes, part, total), cursor
        )
        return shown

    @strawberry.field(
        description=(
            "Whether the KPI's numbers of an earlier period told who would leave within 90 days; null where there is "
            "no list of units at risk."
        ),
        graphql_type=RiskCheckType | None,
    )
    async def risk_check(parent: Parent[tables.Kpi], info: Info) -> check.RiskCheck | None:
        """Whether its numbers told who would leave."""
        definition = await info.context.loaders.definitions.load(parent.id)
        async with info.context.read() as session:
            of = None if definition is None else await ranking(session, parent, definition)
            if of is None or definition is None:
                return None
            return await check.check(await driver(session), of, definition)


def _node(of: Ranking, one: AtRisk, traits: dict[str, str | None]) -> UnitAtRisk:
    return UnitAtRisk(
        unit=one.unit,
        score=one.score,
        rank=one.rank,
        percentile=one.percentile,
        change=one.change,
        level=one.level,
        segments=list(one.segments),
        reasons=of.reasons(one.values),
        parts=[_part(part) for part in of.parts(one.values)],
        traits=[UnitTrait(name=name, value=value) for name, value in traits.items()],
    )


def _part(part: Part) -> RiskPart:
    return RiskPart(**msgspec.to_builtins(part))


def _names(traits: list[str] | None) -> list[str]:
    names = list(dict.fromkeys(traits or []))
    if len(names) > MOST_TRAITS or not all(map(is_text, names)):
        raise bad_input(f"{MOST_TRAITS} traits at most are shown with each unit, by names that are text.")
    return names
