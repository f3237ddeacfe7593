"""Making API keys, giving them new secrets, and ending them."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import strawberry

from api.auth import issuing
from api.auth.permissions import MayAdmin
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.inputs import aware
from api.graphql.nodes import row_of
from api.graphql.replies import Repeatable
from api.graphql.types.api_key import ApiKey

SECRET = "The whole key, `tl_…`, to be sent as `Authorization: Bearer`. It is shown this once."  # noqa: S105 - a sentence


@strawberry.input(description="A key to make.")
class ApiKeyCreateInput(Repeatable):
    """A key to make."""

    name: str = strawberry.field(description="What the key is for.")
    scopes: list[str] = strawberry.field(
        description="What it may do: read, edit, decide, ingest, admin, schema:read, evaluate. Nobody grants what they "
        "lack."
    )
    expires_at: datetime | None = strawberry.field(
        description="The time it ends by itself; never, if not said.", default=None
    )


@strawberry.input(description="A key to give a new secret.")
class ApiKeyRotateInput(Repeatable):
    """A key to give a new secret."""

    id: strawberry.ID = strawberry.field(description="The global id of the key.")
    grace_hours: int = strawberry.field(
        description="For how many hours the old secret works too, 0 to 168; 24 if not said.", default=24
    )


@strawberry.input(description="A key to end.")
class ApiKeyRevokeInput:
    """A key to end."""

    id: strawberry.ID = strawberry.field(description="The global id of the key.")


@strawberry.type(description="The answer to apiKeyCreate.")
class ApiKeyCreatePayload:
    """The answer to apiKeyCreate."""

    api_key: ApiKey | None = strawberry.field(description="The key; null when there are errors.", default=None)
    secret: str | None = strawberry.field(description=SECRET, default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to apiKeyRotate.")
class ApiKeyRotatePayload:
    """The answer to apiKeyRotate."""

    api_key: ApiKey | None = strawberry.field(description="The key; null when there are errors.", default=None)
    secret: str | None = strawberry.field(description=SECRET, default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to apiKeyRevoke.")
class ApiKeyRevokePayload:
    """The answer to apiKeyRevoke."""

    api_key: ApiKey | None = strawberry.field(description="The key; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


Created = Annotated[ApiKeyCreateInput, strawberry.argument(description="The key.")]
Rotated = Annotated[ApiKeyRotateInput, strawberry.argument(description="The key.")]
Revoked = Annotated[ApiKeyRevokeInput, strawberry.argument(description="The key.")]


@strawberry.type
class ApiKeyMutation:
    """Seeing to the keys of the workspace."""

    @strawberry.mutation(description="Make a key. The key itself is shown this once.", permission_classes=[MayAdmin])
    async def api_key_create(self, info: Info, input: Created) -> ApiKeyCreatePayload | None:  # noqa: A002 - the API's word
        """Make a key."""

        async def action() -> dict[str, Any]:
            ends, who = aware("expiresAt", input.expires_at), info.context.actor()
            async with info.context.write(info) as session:
                row, secret = await issuing.create(
                    session,
                    actor=who,
                    scopes=info.context.caller.scopes,
                    secret=info.context.outside.secret,
                    name=input.name,
                    wanted=input.scopes,
                    expires_at=ends,
                )
            return {"api_key": row, "secret": secret}

        return await answer(ApiKeyCreatePayload, action)

    @strawberry.mutation(
        description="Give a key a new secret, which works at once; the old one works for a while too.",
        permission_classes=[MayAdmin],
    )
    async def api_key_rotate(self, info: Info, input: Rotated) -> ApiKeyRotatePayload | None:  # noqa: A002 - the API's word
        """Give a key a new secret."""

        async def action() -> dict[str, Any]:
            number, who = row_of("ApiKey", input.id), info.context.actor()
            async with info.context.write(info) as session:
                row, secret = await issuing.rotate(
                    session,
                    actor=who,
                    scopes=info.context.caller.scopes,
                    secret=info.context.outside.secret,
                    which=number,
                    grace=timedelta(hours=input.grace_hours),
                )
            return {"api_key": row, "secret": secret}

        return await answer(ApiKeyRotatePayload, action)

    @strawberry.mutation(
        description="End a key within seconds: its browsers are signed out, its websockets closed.",
        permission_classes=[MayAdmin],
    )
    async def api_key_revoke(self, info: Info, input: Revoked) -> ApiKeyRevokePayload | None:  # noqa: A002 - the API's word
        """End a key."""

        async def action() -> dict[str, Any]:
            number = row_of("ApiKey", input.id)
            async with info.context.write(info) as session:
                return {"api_key": await issuing.revoke(session, actor=info.context.actor(), which=number)}

        return await answer(ApiKeyRevokePayload, action)
