"""The links of the ladder: how lagging KPIs move with leading ones, with where that is known from.

Nothing that was is lost: each source of a link has its versions, and the newest holds. What a person assumes is kept as
what it is. Each function is one action in the caller's transaction, with the workspace's ladder locked, so that two
links made at once cannot close a circle. A change that changes nothing leaves no trace, so a retry is safe. An input
with faults raises `Invalid` with all of them. What links amount to is in `stats.ladder`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import queries
from kpi.actor import Actor
from kpi.enums import LinkSource
from kpi.errors import Invalid, Problem, bad, refuse
from kpi.service import absent, text_problems
from kpi.tables import Kpi, KpiLink
from stats.ladder.elasticity import assumed

LARGEST_ELASTICITY = 100.0
"""One per cent of the leading KPI moves no lagging one by more than this many."""
ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What an owner assumes: by how many per cent the lagging KPI moves with one per cent of the leading one.

    It will not go below low nor above high, and is most likely at likely.
    """

    low: float
    likely: float
    high: float


async def assume(session: AsyncSession, *, actor: Actor, leading: str, lagging: str, range_: Range) -> KpiLink:
    """Assume how the lagging KPI (by key) moves with the leading one; the newest assumption of the pair holds."""
    problems = _reason_problems(actor) + _range_problems(range_)
    below, above, links = await _pair(session, actor, leading, lagging, problems)
    if leads(links, above.id, below.id):
        raise Invalid([bad(f"“{lagging}” already leads to “{leading}”: a ladder has no circle.", "lagging")])
    before = _assumption(links, below, above)
    if before is not None and before.elasticity is not None and _range_of(before) == range_:
        return before
    found = assumed(range_.low, range_.likely, range_.high, alpha=ALPHA)
    after = _next(actor, below, above, before)
    after.low, after.likely, after.high = range_.low, range_.likely, range_.high
    after.elasticity, after.standard_error = found.estimate, found.standard_error
    session.add(after)
    await session.flush()
    return after


async def withdraw(session: AsyncSession, *, actor: Actor, leading: str, lagging: str) -> KpiLink:
    """Take back what was assumed of two KPIs; what data say of them stays."""
    below, above, links = await _pair(session, actor, leading, lagging, _reason_problems(actor))
    before = _assumption(links, below, above)
    if before is None:
        raise Invalid([bad(f"Nothing was assumed of how “{lagging}” moves with “{leading}”.", "lagging")])
    if before.elasticity is None:
        return before
    after = _next(actor, below, above, before)
    session.add(after)
    await session.flush()
    return after


def leads(links: Iterable[KpiLink], from_id: int, to_id: int) -> bool:
    """Whether links that hold lead from one KPI to another, over others or not."""
    steps = [(link.leading_id, link.lagging_id) for link in links if link.elasticity is not None]
    reached, size = {from_id}, 0
    while len(reached) > size:
        size = len(reached)
        reached |= {lagging for leading, lagging in steps if leading in reached}
    return to_id in reached


async def _pair(
    session: AsyncSession, actor: Actor, leading: str, lagging: str, problems: list[Problem]
) -> tuple[Kpi, Kpi, list[KpiLink]]:
    """Both KPIs and the links there are, the ladder locked. Raises `Invalid` with the problems so far and its own."""
    await queries.lock_ladder(session, actor.workspace_id)
    kpis = await queries.kpis_by_key(session, actor.workspace_id, [leading, lagging])
    named = {"leading": leading, "lagging": lagging}
    problems = problems + [absent("KPI", key, place) for place, key in named.items() if key not in kpis]
    if leading == lagging:
        problems.append(bad("A KPI cannot be linked to itself.", "lagging"))
    refuse(problems)
    return kpis[leading], kpis[lagging], await queries.newest_links(session, actor.workspace_id)


def _assumption(links: Iterable[KpiLink], leading: Kpi, lagging: Kpi) -> KpiLink | None:
    wanted = (leading.id, lagging.id, LinkSource.ASSUMPTION)
    return next((link for link in links if (link.leading_id, link.lagging_id, link.source) == wanted), None)


def _range_of(link: KpiLink) -> Range | None:
    if link.low is None or link.likely is None or link.high is None:
        return None
    return Range(low=link.low, likely=link.likely, high=link.high)


def _next(actor: Actor, leading: Kpi, lagging: Kpi, before: KpiLink | None) -> KpiLink:
    """The next version of an assumption, in which nothing is assumed yet."""
    return KpiLink(
        leading_id=leading.id,
        lagging_id=lagging.id,
        source=LinkSource.ASSUMPTION,
        version=1 + (before.version if before else 0),
        workspace_id=actor.workspace_id,
        by=actor.name,
        reason=actor.reason or "",
        created_at=actor.now,
    )


def _range_problems(range_: Range) -> list[Problem]:
    given = {"low": range_.low, "likely": range_.likely, "high": range_.high}
    problems = [
        bad(f"An elasticity lies within {LARGEST_ELASTICITY:g} of zero.", name)
        for name, value in given.items()
        if not abs(value) <= LARGEST_ELASTICITY
    ]
    if range_.low > range_.likely:
        problems.append(bad("What is likely is not below low.", "likely"))
    if range_.likely > range_.high:
        problems.append(bad("High is not below what is likely.", "high"))
    return problems


def _reason_problems(actor: Actor) -> list[Problem]:
    return text_problems({"reason": (actor.reason or "").strip()}, required={"reason"})
