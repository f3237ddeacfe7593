"""Forgetting a unit."""

from dataclasses import asdict
from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayAdmin
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.jobs import service
from kpi.errors import Code, Invalid, Problem
from kpi.ingest import is_text


@strawberry.input(description="A unit to forget.")
class UnitForgetInput:
    """A unit to forget."""

    unit: str = strawberry.field(description="The id of the unit, as its senders write it, also where ids are hashed.")


@strawberry.type(description="The answer to unitForget. Nothing left to remove is no error.")
class UnitForgetPayload:
    """The answer to unitForget."""

    outcomes: int | None = strawberry.field(description="The outcomes that were removed.", default=None)
    exposures: int | None = strawberry.field(description="The exposures that were removed.", default=None)
    memberships: int | None = strawberry.field(
        description="The memberships that were removed: of the unit, and in it.", default=None
    )
    traits: int | None = strawberry.field(description="The traits that were removed.", default=None)
    rejections: int | None = strawberry.field(
        description="The kept rejected rows that named it and were removed.", default=None
    )
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


ForgetInput = Annotated[UnitForgetInput, strawberry.argument(description="The unit to forget.")]


@strawberry.type
class UnitMutation:
    """Forgetting a unit."""

    @strawberry.mutation(
        description="Remove all rows of a unit; results are derived anew without it, but for days that are frozen.",
        permission_classes=[MayAdmin],
    )
    async def unit_forget(
        self,
        info: Info,
        input: ForgetInput,  # noqa: A002 - the API's word
    ) -> UnitForgetPayload | None:
        """Forget a unit."""
        return await answer(UnitForgetPayload, lambda: _forget(info, input.unit))


async def _forget(info: Info, unit: str) -> dict[str, Any]:
    if not (1 <= len(unit) <= 200 and is_text(unit)):
        sentence = "A unit's id has 1 to 200 characters, all of them text."
        raise Invalid([Problem(code=Code.BAD_USER_INPUT, message=sentence, path=("unit",))])
    async with info.context.door(info) as connection:
        found = await service.forget(
            connection, workspace_id=info.context.caller.workspace_id, unit=unit, now=info.context.now
        )
    return asdict(found)
