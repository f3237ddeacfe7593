"""The caller, as the API shows it."""

from datetime import datetime, timedelta

import strawberry
from strawberry import Parent

from api.auth import tables
from api.auth.keys import Caller, Scope
from api.graphql.context import Context, Info
from api.graphql.types.member import Member


@strawberry.type(description="The key a request came with.")
class ViewerKey:
    """The key a request came with."""

    name: str = strawberry.field(description="The name of the key.")
    scopes: list[str] = strawberry.field(description="The scopes of the key.")


@strawberry.type(description="What the caller may do, so that nobody need guess: each stands for a scope.")
class ViewerPermissions:
    """What the caller may do."""

    can_read: bool = strawberry.field(description="Whether they may read: `read`.")
    can_edit: bool = strawberry.field(description="Whether they may register, change and run: `edit`.")
    can_decide: bool = strawberry.field(description="Whether they may decide and set targets: `decide`.")
    can_ingest: bool = strawberry.field(description="Whether they may send rows: `ingest`.")
    can_administer: bool = strawberry.field(description="Whether they may see to members, keys, endpoints: `admin`.")
    can_read_schema: bool = strawberry.field(description="Whether they may ask for the schema: `schema:read`.")


@strawberry.type(description="Who is asking: a key, or a member who is signed in.")
class Viewer:
    """Who is asking."""

    workspace: str = strawberry.field(description="The key of the workspace the caller sees.")
    role: tables.Role | None = strawberry.field(description="The role of the member; null for a key.")

    @strawberry.field(description="The name of the key or of the member, as the audit trail has it.")
    def name(parent: Parent[Caller]) -> str:
        """The caller's name."""
        return parent.key_name

    @strawberry.field(description="The key the request came with; null for a member.")
    def api_key(parent: Parent[Caller]) -> ViewerKey | None:
        """The key the request came with."""
        if parent.member_id is not None:
            return None
        return ViewerKey(name=parent.key_name, scopes=sorted(str(scope) for scope in parent.scopes))

    @strawberry.field(description="The member who is signed in; null for a key.", graphql_type=Member | None)
    async def member(parent: Parent[Caller], info: Info) -> tables.Member | None:
        """The member who is signed in."""
        return None if parent.member_id is None else await info.context.loaders.members.load(parent.member_id)

    @strawberry.field(description="What the caller may do.")
    def permissions(parent: Parent[Caller]) -> ViewerPermissions:
        """What the caller may do."""
        return ViewerPermissions(
            can_read=parent.may(Scope.READ),
            can_edit=parent.may(Scope.EDIT),
            can_decide=parent.may(Scope.DECIDE),
            can_ingest=parent.may(Scope.INGEST),
            can_administer=parent.may(Scope.ADMIN),
            can_read_schema=parent.may(Scope.SCHEMA),
        )


@strawberry.type(description="What the caller may still ask for.")
class RateLimit:
    """What the caller may still ask for."""

    cost: float = strawberry.field(description="The cost of this request.")
    remaining: float = strawberry.field(description="The cost that is left to ask for now, this request paid.")
    reset_at: datetime = strawberry.field(description="The time all of the budget will be there, if nothing is asked.")

    @classmethod
    def of(cls, context: Context) -> "RateLimit | None":
        """What the caller of a request may still ask for; None where nothing is counted."""
        allowance, caller = context.allowance, context.caller
        if allowance is None:
            return None
        whole = context.now + timedelta(seconds=allowance.seconds(caller))
        return cls(cost=round(context.cost, 1), remaining=round(allowance.left(caller), 1), reset_at=whole)
