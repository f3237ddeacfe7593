"""Checks that the arms are alike where they should be: before exposure, and in how many units a cap cuts. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.inference.cohorts import EVERYBODY, Aggregates, decode
from experiments.inference.facts import Fact, FactName
from experiments.inference.health import ALARM, Check, CheckKind, HealthState, of_family
from experiments.planning.plan import Covariate, Plan, PlannedKpi
from kpi.kinds.shape import Floats, Ints
from stats.arrays import Mask, divide
from stats.moments import Moments
from stats.multiplicity import holm
from stats.sequential import confidence_sequence
from stats.sequential.confidence_sequence import FEWEST, FEWEST_SUCCESSES

IMBALANCE = 0.1
"""Standard deviations of a covariate: the difference between arms that its test is tuned to. Less is what studies
without a draw call balanced (Austin 2009, Statistics in Medicine 28); in these units it is fixed before the data."""
MOST_CAPPED = 0.05
"""Of a variant's units: a cap is meant for the few that would hide all others, one in a hundred where it is chosen by
`stats.winsorisation`; where it holds back more, the mean says little of what units do."""
MOST_EARLY = 0.05
"""Of a variant's units that had done what a KPI waits for in the day before exposure. A few come back for the second
time; more are no chance: who sees a change acts on it within minutes, so an exposure that is logged late shows here."""
SPREAD = 0.05
"""The difference between two shares of units that their test is tuned to, fixed before the data: as large as a share
that warns by itself, so that a fault shows soon. Small differences among many units need hardly more evidence."""


def imbalance(plan: Plan, aggregates: Aggregates) -> Check | None:
    """Whether units of two variants differed before they were exposed, by each covariate that the plan names.

    Of the units that count for the KPI so far. The always-valid kernel on the difference in standard deviations of both
    arms together, for without a fault they are one population: arms that say nothing but a number each differ, too.
    """
    asked = [(planned, planned.covariate) for planned in plan.kpis if planned.covariate is not None]
    if not asked:
        return None
    names, told, differences, log_e = [], [], [], []
    for planned, covariate in asked:
        arms = _before(aggregates, planned)
        control, others = arms[:1], arms[1:]
        differences.append(others.mean - control.mean)
        log_e.append(evidence(control, others))
        for variant, mean in zip(plan.variants[1:], others.mean, strict=True):
            names.append(f"{_named(planned, covariate)} in {variant.name}")
            told.append(f"{names[-1]} {mean:.4g}, in {plan.variants[0].name} {control.mean[0]:.4g}")
    return of_family(
        CheckKind.IMBALANCE,
        names,
        confidence_sequence.p_value(np.concatenate(log_e)),
        alarm=ALARM,
        fine="Units of all variants were alike before they were exposed, as far as can be seen.",
        warning=lambda those: (
            f"Units differed before they were exposed: {those}. Assignment or logging depends on who they are."
        ),
        name=FactName.DIFFERENCE,
        values=np.concatenate(differences),
        told=told,
    )


def _before(aggregates: Aggregates, planned: PlannedKpi) -> Moments:
    """The covariate in each variant (V), over the entry days that are final for the KPI."""
    days = max(0, (aggregates.through - aggregates.first).days - decode(planned).window[1])
    pairs = aggregates.cohorts(planned.definition.id, EVERYBODY).pairs
    if pairs is None:
        raise ValueError("these cohorts hold no covariate")
    return pairs.moments(1)[..., :days].total()


def evidence(control: Moments, others: Moments) -> Floats:
    """The log e-values against one mean of both arms (..., the arms' shapes broadcast); NaN while an arm is small."""
    both = control + others
    is_known = (control.n >= FEWEST) & (others.n >= FEWEST) & ~both.constant
    spread = np.where(is_known, np.sqrt(both.variance), np.nan)
    return confidence_sequence.log_e_value(
        divide(others.mean - control.mean, spread),
        divide(1.0, control.n) + divide(1.0, others.n),
        tau2=confidence_sequence.mixture_sprt(IMBALANCE),
    )


def _named(planned: PlannedKpi, covariate: Covariate) -> str:
    if covariate.attribute is None:
        return f"“{planned.name}” over {covariate.pre_exposure_days} days before exposure"
    return f"“{covariate.attribute}” beside “{planned.name}”"


def capped(plan: Plan, aggregates: Aggregates) -> Check | None:
    """Whether many units are at the cap of a KPI, or more in one variant than in another."""
    kpis = [planned for planned in plan.kpis if decode(planned).cap is not None]
    return _of_shares(CheckKind.CAPPED, _seen(plan, aggregates, kpis), MOST_CAPPED, AT_CAP)


def early(plan: Plan, aggregates: Aggregates) -> Check | None:
    """Whether units did what a KPI waits for before they were exposed, or more did in one variant than in another."""
    kpis = [planned for planned in plan.kpis if decode(planned).first_event is not None]
    return _of_shares(CheckKind.EARLY_OUTCOMES, _seen(plan, aggregates, kpis), MOST_EARLY, BEFORE_EXPOSURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """That all is fine, that a share is high, that arms differ; which ones stands in the braces."""

    fine: str
    many: str
    unlike: str


AT_CAP = Words(
    fine="Few units are at a cap, and as many in each variant, as far as can be seen.",
    many="Many units are at the cap: {}. What they do beyond it does not count, so the mean says little of them.",
    unlike="More units of one variant than of another are at the cap: {}. It hides a part of the difference.",
)


BEFORE_EXPOSURE = Words(
    fine="Few units did what a KPI waits for in the 24 hours before their exposure, and as many in each variant, as far"
    " as can be seen.",
    many="Many units did what a KPI waits for in the 24 hours before their exposure: {}. Exposures are logged after the"
    " change was seen, or it is nothing new to these units.",
    unlike="More units of one variant than of another did what a KPI waits for in the 24 hours before their exposure:"
    " {}. Exposures of the variants are logged at different moments, or of different units.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    """Shares of tallied units (K, V), and the p-values against control's, corrected; NaN where there are few units."""

    names: list[list[str]]
    control: str
    share: Floats
    p_value: Floats

    def high(self, most: float) -> list[str]:
        """Those above a share, in words."""
        return [f"{self.name(at)} {self.share[at]:.1%}" for at in _places(self.share > most)]

    def unlike(self) -> list[str]:
        """Those that are not control's, in words."""
        return [
            f"{self.name(at)} {self.share[at]:.1%}, in {self.control} {self.share[at[0], 0]:.1%}"
            for at in _places(self.p_value < ALARM)
        ]

    def facts(self, rows: Mask) -> Iterator[Fact]:
        """What is known of some of the KPIs."""
        for at in _places(np.isfinite(self.share) & rows[:, np.newaxis]):
            for name, values in ((FactName.SHARE, self.share), (FactName.P_VALUE, self.p_value)):
                if np.isfinite(values[at]):
                    yield Fact(name=name, value=float(values[at]), about=self.name(at))

    def name(self, at: tuple[int, ...]) -> str:
        """The KPI and the variant at a place."""
        return self.names[at[0]][at[1]]


def _seen(plan: Plan, aggregates: Aggregates, kpis: Sequence[PlannedKpi]) -> _Shares | None:
    """The shares of those KPIs that are tallied, from 100 units of a variant on; None where there are none."""
    asked = [planned for planned in kpis if planned.definition.id in aggregates.tallies]
    if not asked:
        return None
    tally, n = np.stack([aggregates.tallies[planned.definition.id] for planned in asked], axis=1)
    share = np.where(n >= FEWEST, divide(tally, n), np.nan)
    p_value = np.full(share.shape, np.nan)
    p_value[:, 1:] = holm(confidence_sequence.p_value(apart(tally, n)).ravel()).reshape(len(asked), -1)
    names = [[f"“{planned.name}” in {variant.name}" for variant in plan.variants] for planned in asked]
    return _Shares(names=names, control=plan.variants[0].name, share=share, p_value=p_value)


def _of_shares(kind: CheckKind, seen: _Shares | None, most: float, words: Words) -> Check | None:
    """What shares say: whether one is above `most`, and whether one is not control's; else the highest of them."""
    if seen is None or np.isnan(seen.share).all():
        return None
    told = ((words.many, seen.high(most)), (words.unlike, seen.unlike()))
    warnings = [sentence.format("; ".join(those)) for sentence, those in told if those]
    loud = (seen.share > most) | (seen.p_value < ALARM) if warnings else seen.share == np.nanmax(seen.share)
    return Check(
        kind=kind,
        state=HealthState.WARNING if warnings else HealthState.OK,
        sentence=" ".join(warnings) or words.fine,
        facts=tuple(seen.facts(np.asarray(loud.any(axis=1)))),
    )


def apart(tally: Ints, n: Ints) -> Floats:
    """The log e-values against one share of control and each other variant, (..., V) to (..., V - 1).

    With the variance that both have if they have one share. NaN while an arm or what tells them apart is small.
    """
    count, of = tally[..., :1] + tally[..., 1:], n[..., :1] + n[..., 1:]
    share, units = divide(count, of), divide(1.0, n[..., :1]) + divide(1.0, n[..., 1:])
    is_known = (np.minimum(n[..., :1], n[..., 1:]) >= FEWEST) & (np.minimum(count, of - count) >= FEWEST_SUCCESSES)
    return confidence_sequence.log_e_value(
        divide(tally[..., 1:], n[..., 1:]) - divide(tally[..., :1], n[..., :1]),
        np.where(is_known, share * (1 - share) * units, np.nan),
        tau2=confidence_sequence.mixture_sprt(SPREAD),
    )


def _places(mask: Mask) -> list[tuple[int, ...]]:
    return [tuple(place) for place in np.argwhere(mask).tolist()]
