"""How lists of KPIs and hypotheses are asked for."""

from enum import Enum
from typing import Annotated

import strawberry
from strawberry import enum_value

from api.graphql.filters import ALL_OF, ANY_OF, Comparator, DateTimeComparator, StringComparator, said
from api.graphql.lists import List, order, which
from api.graphql.orders import Order
from kpi import enums, tables


@strawberry.enum(description="What KPIs are ordered by.")
class KpiOrderField(Enum):
    """What KPIs are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time it was registered.")
    KEY = enum_value("key", description="By its key, small letters and capitals alike.")
    NAME = enum_value("name", description="By its name, small letters and capitals alike.")
    OWNER = enum_value("owner", description="By the person who owns it, small letters and capitals alike.")
    TIER = enum_value("tier", description="By its tier, from early to late.")


@strawberry.input(description="Which KPIs are meant: all that is said holds. What is not said may be anything.")
class KpiFilter:
    """Which KPIs are meant."""

    key: StringComparator | None = said("The key.")
    name: StringComparator | None = said("The name.")
    owner: StringComparator | None = said("The person who owns it.")
    unit: Comparator[enums.Unit] | None = said("The unit it counts.")
    direction: Comparator[enums.Direction] | None = said("The direction that is better.")
    tier: Comparator[enums.Tier] | None = said("The tier.")
    driver: Comparator[enums.Driver] | None = said("The part of revenue it feeds.")
    is_leading: bool | None = said("Whether it moves before revenue does.")
    created_at: DateTimeComparator | None = said("The time it was registered.")
    and_: list["KpiFilter"] | None = said(ALL_OF, name="and")
    or_: list["KpiFilter"] | None = said(ANY_OF, name="or")


KPIS = List(table=tables.Kpi, default=KpiOrderField.CREATED_AT)
WhichKpis = Annotated[KpiFilter | None, which("KPIs")]
OrderOfKpis = Annotated[Order[KpiOrderField] | None, order(KPIS.default)]


@strawberry.enum(description="What hypotheses are ordered by.")
class HypothesisOrderField(Enum):
    """What hypotheses are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time it was registered.")
    KEY = enum_value("key", description="By its key, small letters and capitals alike.")
    TITLE = enum_value("title", description="By its title, small letters and capitals alike.")
    OWNER = enum_value("owner", description="By the person who owns it, small letters and capitals alike.")
    EXPECTED_LIFT = enum_value("expected_lift", description="By the effect expected; those without come last.")


@strawberry.input(description="Which hypotheses are meant: all that is said holds. What is not said may be anything.")
class HypothesisFilter:
    """Which hypotheses are meant."""

    key: StringComparator | None = said("The key.")
    title: StringComparator | None = said("The hypothesis in one line.")
    owner: StringComparator | None = said("The person who owns it.")
    direction: Comparator[enums.Change] | None = said("The direction the KPI is expected to move.")
    segment: StringComparator | None = said("The segment it is believed of; everybody's has none.")
    kpi: KpiFilter | None = said("The KPI that is expected to move.", of=(tables.Kpi, "kpi_id"))
    created_at: DateTimeComparator | None = said("The time it was registered.")
    and_: list["HypothesisFilter"] | None = said(ALL_OF, name="and")
    or_: list["HypothesisFilter"] | None = said(ANY_OF, name="or")


HYPOTHESES = List(table=tables.Hypothesis, default=HypothesisOrderField.CREATED_AT)
WhichHypotheses = Annotated[HypothesisFilter | None, which("hypotheses")]
OrderOfHypotheses = Annotated[Order[HypothesisOrderField] | None, order(HYPOTHESES.default)]
