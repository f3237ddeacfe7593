"""How what only an admin sees is asked for: the audit trail, endpoints, deliveries, members and keys.

Addresses of endpoints are not among it: anybody may post to one of Slack, so it is never shown whole.
"""

from enum import Enum
from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from sqlmodel import col
from strawberry import enum_value

from api.auth import tables as auth_tables
from api.delivery import tables
from api.graphql.conditions import Column
from api.graphql.filters import (
    ALL_OF,
    ANY_OF,
    Comparator,
    DateTimeComparator,
    ElementComparator,
    IdComparator,
    StringComparator,
    said,
)
from api.graphql.lists import List, order, which
from api.graphql.nodes import local_id, parts
from api.graphql.orders import Order
from api.trail.tables import AuditEntry


def _node(table: Any) -> Any:
    return sa.tuple_(table.node_type, table.node_id)


def _named(identity: str) -> tuple[str, str] | None:
    found = parts(identity)
    return None if found is None else (found[0], str(found[1]))


def _is_revoked(table: Any) -> Any:
    return col(table.revoked_at).is_not(None)


@strawberry.enum(description="What the audit trail is ordered by.")
class AuditEntryOrderField(Enum):
    """What the audit trail is ordered by."""

    NUMBER = enum_value("id", description="By its place in the trail, and so by its time.")


@strawberry.input(description="Which entries are meant: all that is said holds. What is not said may be anything.")
class AuditEntryFilter:
    """Which entries are meant."""

    action: StringComparator | None = said("What was done, such as `kpiUpdate`.")
    actor: StringComparator | None = said("The name of who did it.")
    key: StringComparator | None = said("The public id of the key, or `member-` and a number.")
    node: IdComparator | None = said("What was changed.", by=_node, read=_named)
    request: StringComparator | None = said("The id of the request.", by=Column(name="request_id"))
    done_at: DateTimeComparator | None = said("The time of the change.")
    and_: list["AuditEntryFilter"] | None = said(ALL_OF, name="and")
    or_: list["AuditEntryFilter"] | None = said(ANY_OF, name="or")


AUDIT_ENTRIES = List(table=AuditEntry, default=AuditEntryOrderField.NUMBER)
WhichEntries = Annotated[AuditEntryFilter | None, which("entries")]
OrderOfEntries = Annotated[Order[AuditEntryOrderField] | None, order(AUDIT_ENTRIES.default)]


@strawberry.enum(description="What endpoints are ordered by.")
class EndpointOrderField(Enum):
    """What endpoints are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time it was registered.")
    KIND = enum_value("kind", description="By the way notices reach it.")


@strawberry.input(description="Which endpoints are meant: all that is said holds. What is not said may be anything.")
class EndpointFilter:
    """Which endpoints are meant."""

    id: IdComparator | None = said("The endpoint itself.", read=partial(local_id, "Endpoint"))
    kind: Comparator[tables.EndpointKind] | None = said("The way notices reach it.")
    is_enabled: bool | None = said("Whether notices go there.")
    created_at: DateTimeComparator | None = said("The time it was registered.")
    and_: list["EndpointFilter"] | None = said(ALL_OF, name="and")
    or_: list["EndpointFilter"] | None = said(ANY_OF, name="or")


ENDPOINTS = List(table=tables.Endpoint, default=EndpointOrderField.CREATED_AT)
WhichEndpoints = Annotated[EndpointFilter | None, which("endpoints")]
OrderOfEndpoints = Annotated[Order[EndpointOrderField] | None, order(ENDPOINTS.default)]


@strawberry.enum(description="What deliveries are ordered by.")
class DeliveryOrderField(Enum):
    """What deliveries are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time it was due first.")


@strawberry.input(description="Which deliveries are meant: all that is said holds. What is not said may be anything.")
class DeliveryFilter:
    """Which deliveries are meant."""

    state: Comparator[tables.DeliveryState] | None = said("The state.")
    endpoint: EndpointFilter | None = said("The endpoint.", of=(tables.Endpoint, "endpoint_id"))
    fault: StringComparator | None = said("The reason why the last attempt has no answer.")
    created_at: DateTimeComparator | None = said("The time it was due first.")
    attempted_at: DateTimeComparator | None = said("The time of the last attempt.")
    delivered_at: DateTimeComparator | None = said("The time the receiver took it.")
    and_: list["DeliveryFilter"] | None = said(ALL_OF, name="and")
    or_: list["DeliveryFilter"] | None = said(ANY_OF, name="or")


DELIVERIES = List(table=tables.Delivery, default=DeliveryOrderField.CREATED_AT)
WhichDeliveries = Annotated[DeliveryFilter | None, which("deliveries")]
OrderOfDeliveries = Annotated[Order[DeliveryOrderField] | None, order(DELIVERIES.default)]


@strawberry.enum(description="What members are ordered by.")
class MemberOrderField(Enum):
    """What members are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time they were first invited.")
    NAME = enum_value("name", description="By their name, small letters and capitals alike.")
    EMAIL = enum_value("email", description="By their mailbox.")
    ROLE = enum_value("role", description="By what they may do, from the least to the most.")
    LAST_SEEN_AT = enum_value("last_seen_at", description="By the time they were last seen; who never was comes last.")


@strawberry.input(description="Which members are meant: all that is said holds. What is not said may be anything.")
class MemberFilter:
    """Which members are meant."""

    name: StringComparator | None = said("The name.")
    email: StringComparator | None = said("The mailbox.")
    role: Comparator[auth_tables.Role] | None = said("The role.")
    state: Comparator[auth_tables.MemberState] | None = said("The state.")
    created_at: DateTimeComparator | None = said("The time they were first invited.")
    last_seen_at: DateTimeComparator | None = said("The time they were last seen.")
    and_: list["MemberFilter"] | None = said(ALL_OF, name="and")
    or_: list["MemberFilter"] | None = said(ANY_OF, name="or")


MEMBERS = List(table=auth_tables.Member, default=MemberOrderField.CREATED_AT)
WhichMembers = Annotated[MemberFilter | None, which("members")]
OrderOfMembers = Annotated[Order[MemberOrderField] | None, order(MEMBERS.default)]


@strawberry.enum(description="What keys are ordered by.")
class ApiKeyOrderField(Enum):
    """What keys are ordered by."""

    CREATED_AT = enum_value("created_at", description="By the time it was made.")
    NAME = enum_value("name", description="By its name, small letters and capitals alike.")
    EXPIRES_AT = enum_value("expires_at", description="By the time it ends by itself; those that never do come last.")
    LAST_USED_AT = enum_value("last_used_at", description="By the time it was last used; those never used come last.")


@strawberry.input(description="Which keys are meant: all that is said holds. What is not said may be anything.")
class ApiKeyFilter:
    """Which keys are meant."""

    name: StringComparator | None = said("The name.")
    scopes: ElementComparator | None = said("The scopes that say what it may do.")
    created_by: StringComparator | None = said("The name of who made it.")
    is_revoked: bool | None = said("Whether it was revoked.", by=_is_revoked)
    created_at: DateTimeComparator | None = said("The time it was made.")
    expires_at: DateTimeComparator | None = said("The time it ends by itself.")
    last_used_at: DateTimeComparator | None = said("The time it was last used.")
    and_: list["ApiKeyFilter"] | None = said(ALL_OF, name="and")
    or_: list["ApiKeyFilter"] | None = said(ANY_OF, name="or")


API_KEYS = List(table=auth_tables.ApiKey, default=ApiKeyOrderField.CREATED_AT)
WhichApiKeys = Annotated[ApiKeyFilter | None, which("keys")]
OrderOfApiKeys = Annotated[Order[ApiKeyOrderField] | None, order(API_KEYS.default)]
