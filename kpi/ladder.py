"""The links of the ladder: how lagging KPIs move with leading ones, with where that is known from.

Nothing that was is lost: each source of a link has its versions, and the newest holds. What a person assumes is kept as
what it is, and what data say is estimated anew every week. Each function is one action in the caller's transaction,
with the workspace's ladder locked, so that two links made at once cannot close a circle. A change that changes nothing
leaves no trace, so a retry is safe. An input with faults raises `Invalid` with all of them. What links amount to is in
`stats.ladder`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from math import inf, isfinite
from typing import TypeAlias

from sqlmodel.ext.asyncio.session import AsyncSession

from kpi import queries
from kpi.actor import Actor
from kpi.enums import LinkSource
from kpi.errors import Invalid, Problem, bad, refuse
from kpi.service import absent, text_problems
from kpi.tables import Kpi, KpiLink, KpiPair
from stats.ladder.elasticity import (
    Combined,
    Elasticity,
    NotIdentified,
    Obstacle,
    Source,
    assumed,
    combined,
)
from stats.ladder.links import Link

LARGEST_ELASTICITY = 100.0
"""One per cent of the leading KPI moves no lagging one by more than this many."""
ALPHA = 0.05
Estimate: TypeAlias = Elasticity | NotIdentified
"""What one source says of a link."""
_NAMES = {Source.EXPERIMENTS: "experiments", Source.COHORTS: "cohorts of the past", Source.ASSUMPTION: "an assumption"}


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


async def estimated(
    session: AsyncSession, *, actor: Actor, leading: Kpi, lagging: Kpi, found: Iterable[tuple[LinkSource, Estimate]]
) -> None:
    """Keep what data say of two KPIs, as the next version of each source that says something else than before.

    The ladder is locked. Raises `Invalid` where that would close a circle.
    """
    await queries.lock_ladder(session, actor.workspace_id)
    links = await queries.newest_links(session, actor.workspace_id)
    said = list(found)
    if leads(links, lagging.id, leading.id) and any(isinstance(one, Elasticity) for _, one in said):
        raise Invalid([bad(f"“{lagging.key}” already leads to “{leading.key}”: a ladder has no circle.", "lagging")])
    for source, one in said:
        before = newest(links, leading.id, lagging.id, source)
        after = _next(actor, leading, lagging, before, source)
        if isinstance(one, Elasticity):
            after.elasticity, after.standard_error = one.estimate, one.standard_error
            after.df = one.df if isfinite(one.df) else None
        else:
            after.undefined = one.obstacle.value
        if before is None or _said(before) != _said(after):
            session.add(after)
    await session.flush()


async def note_estimated(session: AsyncSession, *, leading: Kpi, lagging: Kpi, at: datetime | None) -> None:
    """Remember when data were last asked of two KPIs; None to have them asked again at once."""
    pair = await session.get(KpiPair, (leading.id, lagging.id))
    if pair is None:
        pair = KpiPair(leading_id=leading.id, lagging_id=lagging.id, workspace_id=leading.workspace_id)
        session.add(pair)
    pair.estimated_at = at
    await session.flush()


async def pair_to_estimate(session: AsyncSession, *, actor: Actor, leading: str, lagging: str) -> tuple[Kpi, Kpi]:
    """Two KPIs by key of which data shall be asked. Raises `Invalid`, also where the link would close a circle."""
    below, above, links = await _pair(session, actor, leading, lagging, _reason_problems(actor))
    if leads(links, above.id, below.id):
        raise Invalid([bad(f"“{lagging}” already leads to “{leading}”: a ladder has no circle.", "lagging")])
    return below, above


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """All that is known of how one KPI moves with another: each source, and all of them together."""

    leading_id: int
    lagging_id: int
    links: tuple[KpiLink, ...]
    found: Combined | NotIdentified

    @property
    def sentence(self) -> str:
        """What is known, in words."""
        if isinstance(self.found, NotIdentified):
            return self.found.obstacle.sentence
        names = [_NAMES[source] for source in self.found.used]
        aside = [_NAMES[source] for source in self.found.set_aside]
        said = f"By {' and '.join(names)}."
        return said + (f" Set aside, as it says something else: {' and '.join(aside)}." if aside else "")

    @property
    def link(self) -> Link | None:
        """The step as effects are carried over it; None where it is not identified. KPIs are named by their ids."""
        if isinstance(self.found, NotIdentified):
            return None
        return Link(leading=str(self.leading_id), lagging=str(self.lagging_id), elasticity=self.found.elasticity)


def steps(links: Iterable[KpiLink]) -> list[Step]:
    """The steps of the ladder out of the newest versions of its links; what was withdrawn is no step."""
    by_pair: dict[tuple[int, int], list[KpiLink]] = {}
    for link in links:
        if link.elasticity is not None or link.undefined is not None:
            by_pair.setdefault((link.leading_id, link.lagging_id), []).append(link)
    return [
        Step(
            leading_id=leading,
            lagging_id=lagging,
            links=tuple(some),
            found=combined([elasticity_of(link) for link in some], alpha=ALPHA),
        )
        for (leading, lagging), some in by_pair.items()
    ]


def elasticity_of(link: KpiLink) -> Estimate:
    """What a stored link says."""
    if link.elasticity is None or link.standard_error is None:
        return NotIdentified(obstacle=Obstacle(link.undefined or Obstacle.NO_SOURCE))
    if link.low is not None and link.likely is not None and link.high is not None:
        return assumed(link.low, link.likely, link.high, alpha=ALPHA)
    df = inf if link.df is None else link.df
    source = Source(link.source.lower())
    return Elasticity.of(link.elasticity, link.standard_error, df=df, source=source, alpha=ALPHA)


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


def newest(links: Iterable[KpiLink], leading_id: int, lagging_id: int, source: LinkSource) -> KpiLink | None:
    """What a source says of two KPIs, out of the newest versions."""
    wanted = (leading_id, lagging_id, source)
    return next((link for link in links if (link.leading_id, link.lagging_id, link.source) == wanted), None)


def _assumption(links: Iterable[KpiLink], leading: Kpi, lagging: Kpi) -> KpiLink | None:
    return newest(links, leading.id, lagging.id, LinkSource.ASSUMPTION)


def _said(link: KpiLink) -> tuple[object, ...]:
    return link.elasticity, link.standard_error, link.df, link.undefined


def _range_of(link: KpiLink) -> Range | None:
    if link.low is None or link.likely is None or link.high is None:
        return None
    return Range(low=link.low, likely=link.likely, high=link.high)


def _next(
    actor: Actor, leading: Kpi, lagging: Kpi, before: KpiLink | None, source: LinkSource = LinkSource.ASSUMPTION
) -> KpiLink:
    """The next version of what a source says, in which it says nothing yet."""
    return KpiLink(
        leading_id=leading.id,
        lagging_id=lagging.id,
        source=source,
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
