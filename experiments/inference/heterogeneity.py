"""Whether an effect differs between segments: Cochran's Q over the segments of an attribute. Pure.

It informs: a p-value of a single look, corrected by Holm's method over all KPIs, variants and attributes. Segments
without an answer are left out. One effect that stands out among many segments is more often chance than a discovery.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.inference.findings import Finding, number
from experiments.planning.plan import PlannedVariant
from kpi.kinds.shape import Floats
from stats import meta
from stats.multiplicity import holm


@dataclass(frozen=True, slots=True, kw_only=True)
class Heterogeneity:
    """One KPI, variant and attribute: how far the effects of its segments lie apart. None below two segments."""

    kpi: str
    variant: PlannedVariant
    attribute: str
    segments: int
    q: float | None
    i2: float | None
    p_value: float | None
    adjusted_p_value: float | None


def heterogeneity(findings: Sequence[Finding]) -> list[Heterogeneity]:
    """Of findings by segment, in their order of KPIs and variants."""
    groups: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.kpi, finding.variant.key, finding.segment.partition("=")[0]].append(finding)
    if not groups:
        return []
    found = meta.scatter(*_estimates(list(groups.values())))
    return [
        Heterogeneity(
            kpi=kpi,
            variant=members[0].variant,
            attribute=attribute,
            segments=int(k),
            q=number(q),
            i2=number(i2),
            p_value=number(p_value),
            adjusted_p_value=number(adjusted),
        )
        for ((kpi, _, attribute), members), k, q, i2, p_value, adjusted in zip(
            groups.items(), found.k, found.q, found.i2, found.p_value, holm(found.p_value), strict=True
        )
    ]


def _estimates(groups: Sequence[Sequence[Finding]]) -> tuple[Floats, Floats]:
    """Differences and variances (groups, most segments), NaN where there is none."""
    estimates = np.full((len(groups), max(map(len, groups))), np.nan)
    variances = estimates.copy()
    for row, members in enumerate(groups):
        for place, finding in enumerate(members):
            errors = finding.control.standard_error, finding.treatment.standard_error
            if finding.reason is None and finding.difference is not None and None not in errors and any(errors):
                estimates[row, place] = finding.difference
                variances[row, place] = sum(error**2 for error in errors if error is not None)
    return estimates, variances
