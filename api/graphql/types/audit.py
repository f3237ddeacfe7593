"""The audit trail, as the API shows it."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent
from strawberry.scalars import JSON

from api.graphql.nodes import PageInfo, global_id
from api.trail import tables


@strawberry.type(description="One entry of the audit trail: who changed what. Entries are added, never changed.")
class AuditEntry:
    """One entry of the audit trail."""

    number: int = strawberry.field(description="The place in the workspace's trail, from 1, without gaps.")
    done_at: datetime = strawberry.field(description="The time of the change.")
    actor: str = strawberry.field(
        description="The name of the key or the member, the account at a command line, or `worker`."
    )
    key: str = strawberry.field(
        description="The public id of the key, or `member-` and a number; else `command` or `worker`."
    )
    action: str = strawberry.field(description="What was done: the mutation's field, or the door, command or duty.")
    input_hash: str | None = strawberry.field(
        description="The SHA-256 of the mutation's input as canonical JSON; null where an input names units."
    )
    before_hash: str | None = strawberry.field(description="The SHA-256 of what the row said before, where known.")
    after_hash: str | None = strawberry.field(description="The SHA-256 of what the row said after, where known.")
    details: JSON = strawberry.field(description="Counts and numbers: `ledger` are the batches of rows it brought.")
    request_id: str | None = strawberry.field(name="request", description="The id of the request.")
    previous_hash: str = strawberry.field(description="The hash of the entry before; 64 zeros before the first.")
    hash: str = strawberry.field(description="The SHA-256 of the entry as canonical JSON, `previousHash` included.")

    @strawberry.field(description="The global id of what was changed, where known. It may be gone by now.")
    def node(parent: Parent[tables.AuditEntry]) -> strawberry.ID | None:
        """The global id of what was changed."""
        if parent.node_type is None or parent.node_id is None:
            return None
        return global_id(parent.node_type, int(parent.node_id))

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.AuditEntry)


@strawberry.type(description="An entry in a list.")
class AuditEntryEdge:
    """An entry in a list."""

    cursor: str = strawberry.field(description="The cursor of the entry.")
    node: AuditEntry = strawberry.field(description="The entry.")


@strawberry.type(description="A page of the audit trail.")
class AuditEntryConnection:
    """A page of the audit trail."""

    edges: list[AuditEntryEdge] = strawberry.field(description="The entries of the page with their cursors.")
    nodes: list[AuditEntry] = strawberry.field(description="The entries of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of entries in the list.")


@strawberry.type(description="What walking the chain of the audit trail found.")
class AuditVerification:
    """What walking the chain found."""

    entries: int = strawberry.field(description="The entries that were looked at.")
    number: int = strawberry.field(description="The number of the last entry; 0 without any.")
    hash: str = strawberry.field(description="Its hash. Kept elsewhere, it shows later that nothing was taken away.")
    first_broken: int | None = strawberry.field(description="The first entry that does not hold; null when all do.")
    reason: str | None = strawberry.field(description="The reason why it does not.")
