"""The winner's curse: how large shipped effects looked, how large they were, and what corrections make of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.year.cases import ALPHA
from benchmarks.year.conclusions import Conclusion
from kpi.kinds.shape import Floats
from stats import bayes, shrinkage

FEWEST = 2
"""Experiments without which there is nothing to learn of how effects lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Winners:
    """Means over what was shipped, in units of each plan's smallest effect worth having; None where there is nothing.

    `raw` as read, `unbiased` the group-sequential answer for having stopped early (of `unbiased_of` experiments, whose
    truth is `unbiased_true`), `selected` given that the bar was cleared, `shrunk` by how this year's effects lie.
    """

    of: int
    true: float
    raw: float
    selected: float
    shrunk: float
    unbiased_of: int
    unbiased_raw: float | None
    unbiased_true: float | None
    unbiased: float | None


def winners(conclusions: Sequence[Conclusion]) -> Winners | None:
    """What was shipped of sound splits; None where nothing was."""
    sound = [one for one in conclusions if not one.case.is_broken and all(seen.limits for seen in one.evidence)]
    shipped = [one for one in sound if one.shipped is not None]
    if not shipped or len(sound) < FEWEST:
        return None
    differences, variances, _ = _scaled([(one, place) for one in sound for place in range(len(one.evidence))])
    own = [(one, one.shipped or 0) for one in shipped]
    raw, spread, half = _scaled(own)
    true = np.array([one.case.gains[place] for one, place in own])
    z = np.abs(raw) / np.sqrt(spread)
    selected = shrinkage.given_significance(raw, spread, bar=np.minimum(half / np.sqrt(spread), z), alpha=ALPHA)
    prior = shrinkage.empirical_prior(differences, variances)
    unbiased = np.array([_unbiased(one, place) for one, place in own])
    known = np.isfinite(unbiased)
    return Winners(
        of=len(own),
        true=float(true.mean()),
        raw=float(raw.mean()),
        selected=float(selected.estimate.mean()),
        shrunk=float(bayes.read_out(raw, spread, prior=prior, alpha=ALPHA).mean.mean()),
        unbiased_of=int(known.sum()),
        unbiased_raw=_mean(raw[known]),
        unbiased_true=_mean(true[known]),
        unbiased=_mean(unbiased[known]),
    )


def _scaled(places: Sequence[tuple[Conclusion, int]]) -> tuple[Floats, Floats, Floats]:
    """Differences for the better, their variances and the half widths of their intervals, in units of the mde."""
    rows = []
    for one, place in places:
        seen, mde = one.evidence[place], one.case.mde
        lower, upper = seen.limits or (np.nan, np.nan)
        rows.append((seen.difference * one.case.measure.sign / mde, seen.variance / mde**2, (upper - lower) / 2 / mde))
    differences, variances, halves = np.array(rows).T
    return differences, variances, halves


def _unbiased(one: Conclusion, place: int) -> float:
    adjusted = one.evidence[place].adjusted
    return np.nan if adjusted is None else adjusted[0] * one.case.measure.sign / one.case.mde


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None
