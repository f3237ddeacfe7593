"""The links of the ladder: which KPI moves which, by how much, and what of it runs through others.

With the elasticities that act directly in a matrix B (lagging by leading), the total effects are (I - B)^-1 (Bollen
1987, Sociological Methodology 17), so that a KPI in the middle of two paths counts once. An elasticity estimated for a
pair holds whatever runs between the two, so it is a total: where other links join the same two KPIs, the direct part is
what the total leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from stats.ladder.elasticity import Elasticity

Values: TypeAlias = npt.NDArray[Any]
"""Real, or complex on the way to a gradient."""
Pairs: TypeAlias = Mapping[tuple[str, str], Values]
"""By lagging and leading KPI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One step of the ladder: how the lagging KPI moves with the leading one.

    `is_total`: the elasticity holds all that runs between the two, as an estimate for the pair does; False: only what
    does not run through other KPIs of the ladder. They differ only where other links join the two. Raises ValueError
    for a KPI linked to itself.
    """

    leading: str
    lagging: str
    elasticity: Elasticity
    is_total: bool = True

    def __post_init__(self) -> None:
        if self.leading == self.lagging:
            raise ValueError(f"{self.leading} cannot be linked to itself")


def ordered(links: Sequence[Link]) -> tuple[str, ...]:
    """The KPIs of the links, each after all that lead to it.

    Raises ValueError for links that form a cycle (`graphlib.CycleError`) or join the same KPIs twice.

    >>> from stats.ladder.elasticity import assumed
    >>> step = assumed(0.5, 0.5, 0.5, alpha=0.05)
    >>> ordered([Link(leading="b", lagging="c", elasticity=step), Link(leading="a", lagging="b", elasticity=step)])
    ('a', 'b', 'c')
    """
    pairs = [(link.leading, link.lagging) for link in links]
    if len(set(pairs)) < len(pairs):
        raise ValueError("two KPIs are joined by one link")
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for leading, lagging in pairs:
        sorter.add(lagging, leading)
    return tuple(sorter.static_order())


def direct(links: Sequence[Link], slopes: Values | None = None) -> dict[tuple[str, str], Values]:
    """The elasticity that acts directly, by (lagging, leading): the entries of B.

    A total less what runs through other links is direct; what is direct stays. `slopes` (..., links) takes the place of
    the estimates. Raises ValueError as `ordered`.

    >>> from stats.ladder.elasticity import assumed
    >>> def step(leading, lagging, value):
    ...     return Link(leading=leading, lagging=lagging, elasticity=assumed(value, value, value, alpha=0.05))
    >>> found = direct([step("a", "b", 0.5), step("b", "c", 0.4), step("a", "c", 0.3)])
    >>> round(float(found["c", "a"]), 3)
    0.1
    """
    values = np.array([link.elasticity.estimate for link in links]) if slopes is None else np.asarray(slopes)
    return _acting(tuple(links), ordered(links), values)


def _acting(links: tuple[Link, ...], order: tuple[str, ...], slopes: Values) -> dict[tuple[str, str], Values]:
    """As `direct`, of links put in order: whatever lies between two KPIs is known before the two are."""
    given = {(link.lagging, link.leading): (link.is_total, slopes[..., i]) for i, link in enumerate(links)}
    acting: dict[tuple[str, str], Values] = {}
    total: dict[tuple[str, str], Values] = {}
    for at, lagging in enumerate(order):
        for before in range(at - 1, -1, -1):
            pair = (lagging, order[before])
            through = _through(acting, total, pair, order[before + 1 : at])
            is_total, value = given.get(pair, (False, None))
            if value is not None:
                acting[pair] = value - through if is_total else value
                total[pair] = value if is_total else value + through
            else:
                total[pair] = through
    return acting


def _through(acting: Pairs, total: Pairs, pair: tuple[str, str], between: tuple[str, ...]) -> Values:
    """What runs from the leading KPI of the pair to the lagging one by way of others."""
    lagging, leading = pair
    return sum(
        (
            acting[lagging, by] * total[by, leading]
            for by in between
            if (lagging, by) in acting and (by, leading) in total
        ),
        start=np.zeros(()),
    )
