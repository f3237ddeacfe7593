"""Whether a KPI's numbers told who would leave: the score at the end of an earlier period against who has left since.

Each unit is in it once, by one period, so that units are independent; what the score was made of is from before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date

import asyncpg
import numpy as np

from kpi.history.units import LATER_DAYS
from kpi.risk.ranking import Ranking
from kpi.tables import Definition
from stats.arrays import Array, Mask
from stats.discrimination import FEWEST, Discrimination, discrimination
from stats.methods.proportions import wilson

ALPHA = 0.05
FIFTHS = 5
CHECKED = """
SELECT score, parts, has_left FROM unit_scores
WHERE definition_id = $1 AND ended_on = $2 AND has_left IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fifth:
    """A fifth of the units, by their score then, the worst first: how many of them left, with the share's interval.

    Units with the same score are in the same fifth, so fifths may differ in size, and be missing.
    """

    fifth: int
    n: int
    left: int
    share: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How well one number told who would leave: a composite's (kpi None), or that of one of its components."""

    kpi: str | None
    auc: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCheck:
    """What the numbers at the end of `ended_on` told of who has `left`, by the end of `until_on`, of `n` units.

    `is_hindsight` where the definition was written after that period: whoever wrote it may have known who left.
    """

    ended_on: date
    until_on: date
    n: int
    left: int
    told: Told
    components: list[Told]
    fifths: list[Fifth]
    is_hindsight: bool
    sentence: str


async def check(connection: asyncpg.Connection, of: Ranking, definition: Definition) -> RiskCheck:
    """Hold the scores of the newest period that is `LATER_DAYS` ago against who has left since."""
    rows = await connection.fetch(CHECKED, of.definition_id, of.ends.checked)
    has_left = np.array([row["has_left"] for row in rows], np.bool_)
    risk = -of.sign * np.array([row["score"] for row in rows], np.float64)
    parts = np.array([row["parts"] for row in rows], np.float64).reshape(len(rows), len(of.components))
    told = _of(risk, has_left)
    return RiskCheck(
        ended_on=of.ends.checked,
        until_on=of.ends.until,
        n=len(rows),
        left=int(has_left.sum()),
        told=_told(None, told),
        components=[
            _told(one.kpi, _of(-of.sign * np.sign(one.weight) * values, has_left))
            for one, values in zip(of.components, parts.T, strict=True)
        ],
        fifths=[] if told.auc is None else list(_fifths(risk, has_left)),
        is_hindsight=definition.created_at.astimezone(UTC).date() > of.ends.checked,
        sentence=_sentence(of, len(rows), int(has_left.sum()), told),
    )


def _of(risk: Array, has_left: Mask) -> Discrimination:
    return discrimination(risk[has_left], risk[~has_left], alpha=ALPHA)


def _told(kpi: str | None, found: Discrimination) -> Told:
    ends = found.interval
    if ends is None:
        return Told(kpi=kpi, auc=found.auc, lower=None, upper=None)
    return Told(kpi=kpi, auc=found.auc, lower=ends.lower, upper=ends.upper)


def _fifths(risk: Array, has_left: Mask) -> Iterator[Fifth]:
    """By the share of units that stand worse, so that those with the same score stay together."""
    worse = len(risk) - np.searchsorted(np.sort(risk), risk, "right")
    fifth = FIFTHS * worse // len(risk)
    for place in np.unique(fifth):
        within = has_left[fifth == place]
        lower, upper = wilson(np.array(within.mean()), np.array(float(within.size)), ALPHA)
        yield Fifth(
            fifth=int(place) + 1,
            n=within.size,
            left=int(within.sum()),
            share=float(within.mean()),
            lower=float(lower),
            upper=float(upper),
        )


def _sentence(of: Ranking, n: int, left: int, told: Discrimination) -> str:
    if of.level is None:
        return "Not known: the KPI does not say by which level a unit is a customer, so nobody is known to have left."
    if told.auc is None:
        return (
            f"Not known: {left} of {n} units left within {LATER_DAYS} days; {FEWEST} who left and as many who stayed "
            "are the least to judge by."
        )
    pairs = f"Of 100 pairs of one who left and one who stayed, the score puts {100 * told.auc:.0f} in the right order"
    if told.interval is None:
        return f"{pairs}; how sure that is cannot be said of scores that are all alike."
    lower, upper = 100 * told.interval.lower, 100 * told.interval.upper
    return (
        f"{pairs} (95%: {lower:.0f} to {upper:.0f}; 50 is chance). {_advice(told.interval.lower, told.interval.upper)}"
    )


def _advice(lower: float, upper: float) -> str:
    if upper < 0.5:
        return "It points the wrong way: do not act on it."
    if lower <= 0.5:
        return "It is not shown to be better than chance: do not act on it yet."
    return "It is better than chance."
