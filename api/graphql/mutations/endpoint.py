"""Saying where notices go, and having them delivered again."""

from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayAdmin
from api.delivery import service
from api.delivery.tables import EndpointKind
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.inputs import said
from api.graphql.nodes import row_of
from api.graphql.replies import Repeatable
from api.graphql.types.endpoint import Delivery, Endpoint
from kpi.enums import NoticeType

ADDRESS = "The address: https on port 443 or 8443 for a webhook or Slack, a mailbox for e-mail."
SHOWN_ONCE = "The secret that a webhook is signed with, `whsec_…`; null for others. It is shown this once."


@strawberry.input(description="An endpoint to register.")
class EndpointRegisterInput(Repeatable):
    """An endpoint to register."""

    kind: EndpointKind = strawberry.field(description="The way notices reach it.")
    address: str = strawberry.field(description=ADDRESS)
    types: list[NoticeType] | None = strawberry.field(
        description="The types of notices that go there; all of them, also those to come, if not said.", default=None
    )


@strawberry.input(description="What changes of an endpoint; what is absent stays as it is.")
class EndpointUpdateInput:
    """What changes of an endpoint."""

    id: strawberry.ID = strawberry.field(description="The global id of the endpoint.")
    address: str | None = strawberry.field(description=ADDRESS, default=strawberry.UNSET)
    types: list[NoticeType] | None = strawberry.field(
        description="The types of notices that go there; null for all of them.", default=strawberry.UNSET
    )
    is_enabled: bool | None = strawberry.field(
        description="Whether notices go there. What waits while it is disabled goes out when it is enabled again.",
        default=strawberry.UNSET,
    )


@strawberry.input(description="An endpoint whose secret is to be rotated.")
class EndpointRotateInput(Repeatable):
    """An endpoint whose secret is to be rotated."""

    id: strawberry.ID = strawberry.field(description="The global id of the endpoint.")


@strawberry.input(description="An endpoint to remove.")
class EndpointRemoveInput:
    """An endpoint to remove."""

    id: strawberry.ID = strawberry.field(description="The global id of the endpoint.")


@strawberry.input(description="An endpoint to test.")
class EndpointTestInput:
    """An endpoint to test."""

    id: strawberry.ID = strawberry.field(description="The global id of the endpoint.")


@strawberry.input(description="A delivery to make again.")
class DeliveryRedeliverInput:
    """A delivery to make again."""

    id: strawberry.ID = strawberry.field(description="The global id of the delivery.")


@strawberry.type(description="The answer to endpointRegister.")
class EndpointRegisterPayload:
    """The answer to endpointRegister."""

    endpoint: Endpoint | None = strawberry.field(description="The endpoint; null when there are errors.", default=None)
    secret: str | None = strawberry.field(description=SHOWN_ONCE, default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to endpointUpdate.")
class EndpointUpdatePayload:
    """The answer to endpointUpdate."""

    endpoint: Endpoint | None = strawberry.field(description="The endpoint; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to endpointRotate.")
class EndpointRotatePayload:
    """The answer to endpointRotate."""

    endpoint: Endpoint | None = strawberry.field(description="The endpoint; null when there are errors.", default=None)
    secret: str | None = strawberry.field(description=SHOWN_ONCE, default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to endpointRemove.")
class EndpointRemovePayload:
    """The answer to endpointRemove."""

    endpoint: Endpoint | None = strawberry.field(
        description="The endpoint as it was; null when there are errors.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to endpointTest.")
class EndpointTestPayload:
    """The answer to endpointTest."""

    delivery: Delivery | None = strawberry.field(
        description="The delivery of the test; ask for it again to see what came of it.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to deliveryRedeliver.")
class DeliveryRedeliverPayload:
    """The answer to deliveryRedeliver."""

    delivery: Delivery | None = strawberry.field(description="The delivery; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


Registered = Annotated[EndpointRegisterInput, strawberry.argument(description="The endpoint.")]
Updated = Annotated[EndpointUpdateInput, strawberry.argument(description="What changes.")]
Rotated = Annotated[EndpointRotateInput, strawberry.argument(description="The endpoint.")]
Removed = Annotated[EndpointRemoveInput, strawberry.argument(description="The endpoint.")]
Tested = Annotated[EndpointTestInput, strawberry.argument(description="The endpoint.")]
Redelivered = Annotated[DeliveryRedeliverInput, strawberry.argument(description="The delivery.")]


@strawberry.type
class EndpointMutation:
    """Saying where notices go."""

    @strawberry.mutation(
        description="Register where notices go. The secret of a webhook is shown this once.",
        permission_classes=[MayAdmin],
    )
    async def endpoint_register(self, info: Info, input: Registered) -> EndpointRegisterPayload | None:  # noqa: A002 - the API's word
        """Register where notices go."""

        async def action() -> dict[str, Any]:
            who, outside = info.context.actor(), info.context.outside
            async with info.context.write(info) as session:
                endpoint, secret = await service.register(session, actor=who, outside=outside, **input.said())
            return {"endpoint": endpoint, "secret": secret}

        return await answer(EndpointRegisterPayload, action)

    @strawberry.mutation(description="Change where notices go, or which.", permission_classes=[MayAdmin])
    async def endpoint_update(self, info: Info, input: Updated) -> EndpointUpdatePayload | None:  # noqa: A002 - the API's word
        """Change where notices go, or which."""
        given = said(input)

        async def action() -> dict[str, Any]:
            number = row_of("Endpoint", given.pop("id"))
            who, outside = info.context.actor(), info.context.outside
            async with info.context.write(info) as session:
                changed = await service.update(session, actor=who, outside=outside, endpoint_id=number, given=given)
            return {"endpoint": changed}

        return await answer(EndpointUpdatePayload, action)

    @strawberry.mutation(
        description="Give a webhook a new secret. For 24 hours the one before signs as well: two signatures.",
        permission_classes=[MayAdmin],
    )
    async def endpoint_rotate(self, info: Info, input: Rotated) -> EndpointRotatePayload | None:  # noqa: A002 - the API's word
        """Give a webhook a new secret."""

        async def action() -> dict[str, Any]:
            number, outside = row_of("Endpoint", input.id), info.context.outside
            async with info.context.write(info) as session:
                endpoint, secret = await service.rotate(
                    session, actor=info.context.actor(), outside=outside, endpoint_id=number
                )
            return {"endpoint": endpoint, "secret": secret}

        return await answer(EndpointRotatePayload, action)

    @strawberry.mutation(
        description="Remove an endpoint with its deliveries, those that wait too.", permission_classes=[MayAdmin]
    )
    async def endpoint_remove(self, info: Info, input: Removed) -> EndpointRemovePayload | None:  # noqa: A002 - the API's word
        """Remove an endpoint."""

        async def action() -> dict[str, Any]:
            number = row_of("Endpoint", input.id)
            async with info.context.write(info) as session:
                return {"endpoint": await service.remove(session, actor=info.context.actor(), endpoint_id=number)}

        return await answer(EndpointRemovePayload, action)

    @strawberry.mutation(
        description="Send an endpoint a notice of type ENDPOINT_TESTED, delivered as every other is.",
        permission_classes=[MayAdmin],
    )
    async def endpoint_test(self, info: Info, input: Tested) -> EndpointTestPayload | None:  # noqa: A002 - the API's word
        """Send an endpoint a test."""

        async def action() -> dict[str, Any]:
            number = row_of("Endpoint", input.id)
            async with info.context.write(info) as session:
                return {"delivery": await service.test(session, actor=info.context.actor(), endpoint_id=number)}

        return await answer(EndpointTestPayload, action)

    @strawberry.mutation(
        description="Deliver a notice again, at once, under the id it had; its attempts are counted anew.",
        permission_classes=[MayAdmin],
    )
    async def delivery_redeliver(self, info: Info, input: Redelivered) -> DeliveryRedeliverPayload | None:  # noqa: A002 - the API's word
        """Deliver a notice again."""

        async def action() -> dict[str, Any]:
            number = row_of("Delivery", input.id)
            async with info.context.write(info) as session:
                return {"delivery": await service.redeliver(session, actor=info.context.actor(), delivery_id=number)}

        return await answer(DeliveryRedeliverPayload, action)
