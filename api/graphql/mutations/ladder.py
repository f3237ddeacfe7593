"""Assuming how a lagging KPI moves with a leading one, and taking it back, with a reason that stays."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

import strawberry

from api.auth.permissions import MayEdit
from api.graphql.context import Info
from api.graphql.errors import UserError, answer
from api.graphql.mutations.lifecycle import actor
from api.graphql.types.ladder import KpiLink
from kpi import ladder


@strawberry.input(description="What is assumed of two KPIs. It is never shown as estimated.")
class KpiLinkAssumeInput:
    """What is assumed of two KPIs."""

    leading: str = strawberry.field(description="The key of the KPI that moves first.")
    lagging: str = strawberry.field(description="The key of the KPI that moves with it.")
    low: float = strawberry.field(
        description="The least per cent the lagging KPI moves with one per cent of the leading one."
    )
    likely: float = strawberry.field(description="The likeliest.")
    high: float = strawberry.field(description="The most.")
    reason: str = strawberry.field(description="The reason, kept with the assumption.")


@strawberry.input(description="Two KPIs of which nothing is to be assumed any more.")
class KpiLinkWithdrawInput:
    """Two KPIs of which nothing is to be assumed any more."""

    leading: str = strawberry.field(description="The key of the KPI that moves first.")
    lagging: str = strawberry.field(description="The key of the KPI that moves with it.")
    reason: str = strawberry.field(description="The reason, kept with the link.")


@strawberry.type
class Linked:
    """What every change of a link answers."""

    link: KpiLink | None = strawberry.field(description="The link; null when there are errors.", default=None)
    user_errors: list[UserError] = strawberry.field(description="The faults in the input.")


@strawberry.type(description="The answer to kpiLinkAssume.")
class KpiLinkAssumePayload(Linked):
    """The answer to kpiLinkAssume."""


@strawberry.type(description="The answer to kpiLinkWithdraw.")
class KpiLinkWithdrawPayload(Linked):
    """The answer to kpiLinkWithdraw."""


AssumeInput = Annotated[KpiLinkAssumeInput, strawberry.argument(description="What is assumed.")]
WithdrawInput = Annotated[KpiLinkWithdrawInput, strawberry.argument(description="The two KPIs.")]


@strawberry.type
class LadderMutation:
    """Assuming links of the ladder, and taking them back."""

    @strawberry.mutation(
        description="Assume how a lagging KPI moves with a leading one, on the record.", permission_classes=[MayEdit]
    )
    async def kpi_link_assume(
        self,
        info: Info,
        input: AssumeInput,  # noqa: A002 - the API's word
    ) -> KpiLinkAssumePayload | None:
        """Assume how a lagging KPI moves with a leading one."""
        range_ = ladder.Range(low=input.low, likely=input.likely, high=input.high)
        step = partial(ladder.assume, range_=range_)
        return await answer(KpiLinkAssumePayload, lambda: _change(info, input, step))

    @strawberry.mutation(
        description="Take back what was assumed of two KPIs; what data say stays.", permission_classes=[MayEdit]
    )
    async def kpi_link_withdraw(
        self,
        info: Info,
        input: WithdrawInput,  # noqa: A002 - the API's word
    ) -> KpiLinkWithdrawPayload | None:
        """Take back what was assumed of two KPIs."""
        return await answer(KpiLinkWithdrawPayload, lambda: _change(info, input, ladder.withdraw))


async def _change(
    info: Info, given: KpiLinkAssumeInput | KpiLinkWithdrawInput, step: Callable[..., Awaitable[Any]]
) -> dict[str, Any]:
    who = actor(info, given.reason)
    async with info.context.write(info) as session:
        return {"link": await step(session, actor=who, leading=given.leading, lagging=given.lagging)}
