"""The figures of a programme of experiments, as the API shows them."""

from datetime import UTC, date, datetime, time

import strawberry

from api.database import driver
from api.graphql.context import Info
from api.graphql.nodes import bad_input
from api.graphql.types.interval import Interval
from experiments.programme import library, programme
from experiments.programme.programme import DAY, LONGEST


@strawberry.type(description="How many of how many.")
class Share:
    """How many of how many."""

    count: int = strawberry.field(description="How many.")
    of: int = strawberry.field(description="Of how many.")
    value: float | None = strawberry.field(description="The share; null of none.")
    interval: Interval | None = strawberry.field(
        description="Wilson's 95% interval: the share that running experiments in this way may come to; null of none."
    )


@strawberry.type(description="Figures by month (UTC), as parallel lists. The time's ends cut its first and last month.")
class ProgrammeMonths:
    """Figures by month."""

    begins_on: list[date] = strawberry.field(description="The first day of the month.")
    started: list[int] = strawberry.field(description="The experiments that started.")
    finished: list[int] = strawberry.field(description="The experiments that stopped measuring.")
    decided: list[int] = strawberry.field(description="The experiments of which the first decision was recorded.")
    shipped: list[int] = strawberry.field(description="Those of them whose decision that holds is to ship.")


@strawberry.type(description="Figures of the workspace's experiments over a time. Days are of UTC.")
class Programme:
    """Figures of a programme."""

    from_on: date = strawberry.field(description="The first day.")
    to_on: date = strawberry.field(description="The day it ends before.")
    started: int = strawberry.field(description="The experiments that started.")
    finished: int = strawberry.field(description="The experiments that stopped measuring.")
    decided: int = strawberry.field(description="The experiments of which the first decision was recorded.")
    velocity: float = strawberry.field(description="The experiments started in four weeks, on average.")
    win_rate: Share = strawberry.field(
        description="Of those decided, the ones shipped, by the last decision before the end."
    )
    against_verdict: Share = strawberry.field(description="Of those decided, the ones decided against the verdict.")
    median_days_to_decision: float | None = strawberry.field(
        description="The days from start to first decision that half of those decided took at most; null of none."
    )
    sealed_before_data: Share = strawberry.field(
        description="Of those started, the ones whose plan was sealed before the first data could come."
    )
    exploratory: Share = strawberry.field(
        description="Of those finished, the ones that an amendment made exploratory before the end."
    )
    learned: Share = strawberry.field(description="Of those finished, the ones with a learning, as of now.")
    months: ProgrammeMonths = strawberry.field(description="The figures by month.")


async def figures(info: Info, begin: date | None, end: date | None) -> programme.Programme:
    """The figures of a time: the 52 weeks up to today, if not said. Raises bad input for a time that cannot be."""
    to_on = end or info.context.today + DAY
    from_on = begin or max(date.min + LONGEST, to_on) - 364 * DAY
    if not from_on < to_on <= from_on + min(LONGEST, date.max - from_on):
        raise bad_input(f"A programme's time is 1 to {LONGEST.days:,} days: “to” comes after “from”, and is left out.")
    moments = [datetime.combine(on, time(), UTC) for on in (from_on, to_on)]
    async with info.context.read() as session:
        lives = await library.lives(await driver(session), info.context.caller.workspace_id, moments[0], moments[1])
    return programme.figures(lives, from_on=from_on, to_on=to_on)
