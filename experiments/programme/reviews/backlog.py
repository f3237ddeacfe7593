"""The backlog of improvements: KPIs with a target, by what closing the gap is worth in revenue. Pure.

What closing a gap is worth is the gap times the weight: how many per cent the KPI has to move from where it is, times
by how many per cent the KPI at the top of the ladder moves with each of them. Where no link of the ladder leads to the
top, the weight is assumed by the part of revenue that the KPI feeds, and says so: it orders a list, it is no forecast.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from experiments.programme.reviews.enums import WeightSource
from experiments.programme.reviews.figures import Figure
from kpi.enums import Driver
from kpi.kinds.shape import Scale
from kpi.ladder import ALPHA, Step
from stats.ladder.carry import Change, carry
from stats.ladder.elasticity import NotIdentified
from stats.ladder.links import Link

DRIVER_WEIGHTS = {
    Driver.RENEWAL: 0.3,
    Driver.EXPANSION: 0.2,
    Driver.PRICE_PRESERVATION: 0.2,
    Driver.CROSS_SELL: 0.1,
    Driver.COST: 0.1,
}
"""Per cent of revenue assumed to move with one per cent of a KPI whose way to the top nobody has measured or assumed.

No source gives these numbers for everybody. They only say that what feeds renewals comes before what feeds cost.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """By how many per cent the top moves with one per cent of a KPI; without a top an assumption by driver."""

    value: float
    lower: float | None
    upper: float | None
    source: WeightSource
    top: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHypothesis:
    """What somebody believes would move the KPI, and nothing has answered yet."""

    key: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A KPI of the backlog. `gap` is how far it has to move, of where it is, and 0 where it is there; None if unknown.

    `worth` is the gap times the weight: the share of revenue; below 0 where the ladder says it would cost some.
    """

    rank: int
    kpi: str
    name: str
    owner: str
    scale: Scale
    start_on: date | None
    value: float | None
    target: float
    due_on: date
    gap: float | None
    is_within_error: bool
    weight: Weight
    worth: float | None
    hypotheses: list[OpenHypothesis]
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The links that are identified, by KPI key, and the KPIs at the top with the sign of their better direction.

    At the top are the KPIs that are a share of revenue that recurs, such as GRR and NRR.
    """

    links: Sequence[Link]
    tops: Mapping[str, int]


def ladder(steps: Iterable[Step], keys: Mapping[int, str], tops: Mapping[str, int]) -> Ladder:
    """The ladder of some steps; `keys` has each KPI's key by its number."""
    links = [
        replace(step.link, leading=keys[step.leading_id], lagging=keys[step.lagging_id])
        for step in steps
        if step.link is not None
    ]
    return Ladder(links=links, tops=tops)


def weight(figure: Figure, on: Ladder) -> Weight:
    """What a KPI is worth at the top that moves most with it; assumed by its driver where none does.

    Above 0 where the top gets better as the KPI does.
    """
    if figure.kpi in on.tops:
        return Weight(value=1.0, lower=1.0, upper=1.0, source=WeightSource.LADDER, top=figure.kpi)
    found = [one for top, sign in sorted(on.tops.items()) if (one := _carried(figure, on, top, sign)) is not None]
    if found:
        return max(found, key=lambda one: abs(one.value))
    value = DRIVER_WEIGHTS[figure.driver]
    return Weight(value=value, lower=None, upper=None, source=WeightSource.ASSUMED_DRIVER, top=None)


def backlog(figures: Iterable[Figure], on: Ladder, hypotheses: Mapping[str, Sequence[OpenHypothesis]]) -> list[Entry]:
    """The KPIs with a target, what is worth most first; those whose gap is unknown come last."""
    entries = [
        entry
        for figure in figures
        if (entry := _entry(figure, weight(figure, on), list(hypotheses.get(figure.kpi, [])))) is not None
    ]
    entries.sort(key=lambda entry: (entry.worth is None, -(entry.worth or 0.0), entry.kpi))
    return [replace(entry, rank=rank) for rank, entry in enumerate(entries, start=1)]


def _carried(figure: Figure, on: Ladder, top: str, sign: int) -> Weight | None:
    """One per cent of a KPI carried up to a top."""
    found = carry([Change.of(figure.kpi, 1.0, 0.0)], on.links, top=top, alpha=ALPHA) if _is_on(figure, on) else None
    if found is None or isinstance(found, NotIdentified):
        return None
    turned = sign * figure.direction.sign
    ends = sorted(end * turned for end in (found.interval.lower, found.interval.upper))
    source = WeightSource.LADDER if found.is_estimated else WeightSource.ASSUMED_LADDER
    return Weight(value=found.effect * turned, lower=ends[0], upper=ends[1], source=source, top=top)


def _is_on(figure: Figure, on: Ladder) -> bool:
    return any(link.leading == figure.kpi for link in on.links)


def _entry(figure: Figure, weight: Weight, hypotheses: list[OpenHypothesis]) -> Entry | None:
    if figure.target is None:
        return None
    gap = _gap(figure)
    return Entry(
        rank=0,
        kpi=figure.kpi,
        name=figure.name,
        owner=figure.owner,
        scale=figure.scale,
        start_on=figure.start_on,
        value=figure.value,
        target=figure.target.value,
        due_on=figure.target.due_on,
        gap=gap,
        is_within_error=figure.target.is_within_error,
        weight=weight,
        worth=None if gap is None else gap * weight.value,
        hypotheses=hypotheses,
        reasons=[_of_gap(figure, gap), _of_weight(figure, weight), _of_hypotheses(hypotheses)],
    )


def _gap(figure: Figure) -> float | None:
    if figure.value is None or figure.target is None:
        return None
    short = (figure.target.value - figure.value) * figure.direction.sign
    if short <= 0:
        return 0.0
    return short / abs(figure.value) if figure.value else None


def _of_gap(figure: Figure, gap: float | None) -> str:
    if figure.value is None:
        return "Its level is not known."
    if gap is None:
        return "Its level is zero, so the gap is no share of it."
    if gap == 0:
        return "Its target is met."
    by_chance = figure.target is not None and figure.target.is_within_error
    is_other = figure.target is not None and figure.target.is_of_other_definition
    said = f"It has to move by {gap:.1%} of where it is to meet its target{WITHIN if by_chance else BEYOND}"
    return said + (OTHER if is_other else "")


WITHIN = ", which the error of its level may explain."
BEYOND = "."
OTHER = " The target was set for another version of its definition."


def _of_weight(figure: Figure, weight: Weight) -> str:
    if weight.top == figure.kpi:
        return "It is at the top of the ladder: a share of revenue itself."
    if weight.top is None:
        return f"Nothing links it to revenue: {weight.value:g}% for each per cent is assumed, by the part it feeds."
    basis = "as data say" if weight.source is WeightSource.LADDER else "as is assumed"
    return f"Each per cent of it is worth {weight.value:.2g}% of “{weight.top}”, {basis}."


def _of_hypotheses(hypotheses: Sequence[OpenHypothesis]) -> str:
    if not hypotheses:
        return "No hypothesis on it is open."
    return f"Open on it: {', '.join(f'“{one.title}”' for one in hypotheses)}."
