"""Inviting members, changing what they may do, and removing them."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from api.auth import membership, sign_ins
from api.auth.permissions import MayAdmin
from api.auth.tables import Role
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.nodes import row_of
from api.graphql.replies import Repeatable
from api.graphql.types.member import Member

ROLE = "The role. Nobody gives one that may do what they may not."
LINK = (
    "A link that signs them in once, within 15 minutes; shown this once. Null where people sign in at an identity"
    " provider: there is nothing to send them but the address of the pages."
)


@strawberry.input(description="A person to invite; who was invited or removed before may be invited anew.")
class MemberInviteInput(Repeatable):
    """A person to invite."""

    email: str = strawberry.field(description="The mailbox they will be known by.")
    name: str = strawberry.field(description="The name of the person.")
    role: Role = strawberry.field(description=ROLE)


@strawberry.input(description="What changes of a member; what is absent stays as it is.")
class MemberUpdateInput:
    """What changes of a member."""

    id: strawberry.ID = strawberry.field(description="The global id of the member.")
    role: Role | None = strawberry.field(description=ROLE, default=None)
    name: str | None = strawberry.field(description="The name of the person.", default=None)


@strawberry.input(description="A member to remove.")
class MemberRemoveInput:
    """A member to remove."""

    id: strawberry.ID = strawberry.field(description="The global id of the member.")


@strawberry.type(description="The answer to memberInvite.")
class MemberInvitePayload:
    """The answer to memberInvite."""

    member: Member | None = strawberry.field(description="The member; null when there are errors.", default=None)
    link: str | None = strawberry.field(description=LINK, default=None)
    link_ends_at: datetime | None = strawberry.field(
        description="The time until which the link works; null where there is none.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to memberUpdate.")
class MemberUpdatePayload:
    """The answer to memberUpdate."""

    member: Member | None = strawberry.field(description="The member; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to memberRemove.")
class MemberRemovePayload:
    """The answer to memberRemove."""

    member: Member | None = strawberry.field(description="The member; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


Invited = Annotated[MemberInviteInput, strawberry.argument(description="The person.")]
Updated = Annotated[MemberUpdateInput, strawberry.argument(description="What changes.")]
Removed = Annotated[MemberRemoveInput, strawberry.argument(description="The member.")]


@strawberry.type
class MemberMutation:
    """Seeing to the members of the workspace."""

    @strawberry.mutation(
        description="Invite a person. They are a member once they have signed in.", permission_classes=[MayAdmin]
    )
    async def member_invite(self, info: Info, input: Invited) -> MemberInvitePayload | None:  # noqa: A002 - the API's word
        """Invite a person."""

        async def action() -> dict[str, Any]:
            who, outside = info.context.actor(), info.context.outside
            async with info.context.write(info) as session:
                scopes = info.context.caller.scopes
                member = await membership.invite(session, actor=who, scopes=scopes, **input.said())
                if outside.has_provider:
                    return {"member": member}
                token = await sign_ins.link(session, member, secret=outside.secret, now=who.now)
            address = sign_ins.address(outside.base_url, token)
            return {"member": member, "link": address, "link_ends_at": who.now + sign_ins.LINK_LIFETIME}

        return await answer(MemberInvitePayload, action)

    @strawberry.mutation(
        description="Change a member's role or name. It holds within seconds; the last admin stays one.",
        permission_classes=[MayAdmin],
    )
    async def member_update(self, info: Info, input: Updated) -> MemberUpdatePayload | None:  # noqa: A002 - the API's word
        """Change a member's role or name."""

        async def action() -> dict[str, Any]:
            number, scopes = row_of("Member", input.id), info.context.caller.scopes
            async with info.context.write(info) as session:
                changed = await membership.update(
                    session, actor=info.context.actor(), scopes=scopes, which=number, role=input.role, name=input.name
                )
            return {"member": changed}

        return await answer(MemberUpdatePayload, action)

    @strawberry.mutation(
        description="Remove a member: they are signed out everywhere within seconds. The last admin stays.",
        permission_classes=[MayAdmin],
    )
    async def member_remove(self, info: Info, input: Removed) -> MemberRemovePayload | None:  # noqa: A002 - the API's word
        """Remove a member."""

        async def action() -> dict[str, Any]:
            number = row_of("Member", input.id)
            async with info.context.write(info) as session:
                return {"member": await membership.remove(session, actor=info.context.actor(), which=number)}

        return await answer(MemberRemovePayload, action)
