"""Checks that the arms are alike where randomising makes them so: in what units were before they were exposed. Pure."""

import numpy as np

from experiments.inference.cohorts import EVERYBODY, Aggregates, decode
from experiments.inference.facts import FactName
from experiments.inference.health import ALARM, Check, CheckKind, of_family
from experiments.planning.plan import Covariate, Plan, PlannedKpi
from kpi.kinds.shape import Floats
from stats.arrays import divide
from stats.moments import Moments
from stats.sequential import confidence_sequence
from stats.sequential.confidence_sequence import FEWEST

IMBALANCE = 0.1
"""Standard deviations of a covariate: the difference between arms that its test is tuned to. Less is what studies
without a draw call balanced (Austin 2009, Statistics in Medicine 28); in these units it is fixed before the data."""


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
