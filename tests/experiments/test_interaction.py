"""What is concluded of units that two experiments share: contrasts, splits, and how seldom they warn for nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import log, log1p, sqrt
from typing import Any

import numpy as np
import pytest
from scipy.special import gammaln
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

from experiments.inference.facts import FactName
from experiments.inference.health import Check, CheckKind, HealthState
from experiments.inference.interaction import (
    INTERACTION_ALARM,
    Interaction,
    Shared,
    checks,
    compared,
    interactions,
    laid_out,
    read,
)
from experiments.planning.plan import Plan
from kpi import kinds
from kpi.kinds.shape import Scale
from stats.moments import Moments
from stats.multiplicity import holm
from stats.results import Reason
from tests.experiments.planning import CONTROL, OTHER, TREATMENT, plan, planned

NOW = datetime(2026, 4, 1, tzinfo=UTC)
KPI = planned(mde=0.1)
PLAN = plan(KPI)
EVEN = [[500, 500], [500, 500]]


def beside(
    cells: Moments | dict[int, Moments], units: Sequence[Sequence[int]] = EVEN, key: str = "pricing", of: Plan = PLAN
) -> Shared:
    by_definition = cells if isinstance(cells, dict) else {KPI.definition.id: cells}
    return Shared(other_id=7, other=replace(of, experiment=key), units=np.array(units), cells=by_definition)


def shares(*successes: Sequence[int], n: int = 500) -> Moments:
    return Moments.of_proportion(successes, n)


def amounts(n: int, mean: Any, m2: float) -> Moments:
    return Moments(n=np.full(mean.shape, float(n)), mean=mean, m2=np.full(mean.shape, m2))


def found(*shared: Shared, of: Plan = PLAN) -> tuple[Interaction, ...]:
    return interactions(of, shared, computed_at=NOW, data_through=NOW)


def check(seen: Sequence[Interaction], kind: CheckKind) -> Check:
    (one,) = [made for made in checks(seen) if made is not None and made.kind is kind]
    return one


def test_contrast_is_the_interaction_of_a_regression_read_by_the_always_valid_kernel() -> None:
    random = np.random.default_rng(5)
    own, other = random.integers(0, 2, 2_000), random.integers(0, 2, 2_000)
    did = (random.random(2_000) < 0.3 + 0.05 * own + 0.2 * own * other).astype(float)
    fitted = OLS(did, np.column_stack([np.ones(2_000), own, other, own * other])).fit(cov_type="HC2")
    cells = [[did[(own == row) & (other == column)] for column in (0, 1)] for row in (0, 1)]
    n, won = ([[f(cell) for cell in row] for row in cells] for f in (len, sum))
    (one,) = found(beside(Moments.of_proportion(won, n)))
    (contrast,) = one.contrasts
    variance, k = fitted.bse[3] ** 2, 0.1**2 / fitted.bse[3] ** 2
    half = sqrt(variance * (1 + k) / k * (log1p(k) - 2 * log(INTERACTION_ALARM)))
    e = (fitted.params[3] ** 2 / variance) * k / (2 * (1 + k)) - log1p(k) / 2
    assert contrast.difference == pytest.approx(fitted.params[3])
    assert contrast.interval is not None
    assert (contrast.interval.lower, contrast.interval.upper) == pytest.approx(
        (fitted.params[3] - half, fitted.params[3] + half)
    )
    assert contrast.interval.level == 0.95
    assert contrast.p_value == pytest.approx(min(1.0, np.exp(-e)))
    assert (contrast.with_control, contrast.with_variant) == pytest.approx(
        (fitted.params[1], fitted.params[1] + fitted.params[3])
    )
    assert (contrast.units, contrast.is_suspect, contrast.reason, contrast.scale) == (2_000, True, None, Scale.FRACTION)


def test_p_values_are_adjusted_by_holm_over_all_kpis_variants_and_experiments() -> None:
    second = planned("depth", kinds.Mean(event="opened", window_days=3), mde=0.5)
    of = plan(KPI, second, variants=[CONTROL, TREATMENT, OTHER])
    random = np.random.default_rng(2)
    cells = [
        {
            KPI.definition.id: Moments.of_proportion(random.integers(100, 200, (3, 3)), 500),
            second.definition.id: amounts(500, random.normal(3, 0.1, (3, 3)), 400),
        }
        for _ in range(2)
    ]
    seen = found(*(beside(one, [[300] * 3] * 3, of=of) for one in cells), of=of)
    contrasts = [contrast for one in seen for contrast in one.contrasts]
    assert len(contrasts) == 2 * 2 * 4
    raw = [contrast.p_value for contrast in contrasts]
    assert [contrast.adjusted_p_value for contrast in contrasts] == pytest.approx(
        multipletests(raw, method="holm")[1].tolist()
    )
    names = [(one.kpi, one.variant.key, one.other_variant.key) for one in seen[0].contrasts]
    arms = [(own, other) for own in ("treatment", "other") for other in ("treatment", "other")]
    assert names == [(kpi, *arm) for kpi in ("activation", "depth") for arm in arms]


@pytest.mark.parametrize(
    ("kpi", "cells", "reason"),
    [
        (KPI, shares([50, 50], [50, 50], n=99), Reason.INSUFFICIENT_DATA),
        (KPI, shares([19, 50], [50, 50]), Reason.INSUFFICIENT_DATA),
        (KPI, amounts(0, np.zeros((2, 2)), 0), Reason.INSUFFICIENT_DATA),
        (KPI, shares([500, 500], [500, 500]), Reason.ZERO_VARIANCE),
        (KPI, amounts(500, np.array([[0.1, 0.1], [0.1, 0.2]]), 1e-28), Reason.ZERO_VARIANCE),
        (planned(mde=None), shares([50, 50], [50, 50]), Reason.UNPLANNED),
    ],
)
def test_contrast_without_an_answer_says_why(kpi: Any, cells: Moments, reason: Reason) -> None:
    (one,) = found(beside(cells), of=plan(kpi))
    (contrast,) = one.contrasts
    assert (contrast.reason, contrast.p_value, contrast.interval, contrast.is_suspect) == (reason, None, None, False)
    assert CheckKind.INTERACTION not in {made.kind for made in checks([one]) if made is not None}


def test_time_to_value_is_judged_once_twenty_of_each_cell_must_have_got_there() -> None:
    kpi = planned("ttv", kinds.TimeToValue(event="activated", tau_days=5), mde=0.4)
    answers = []
    for saved in (19.9, 20.0):
        mean = 5 - saved * 4 / 400  # saved / 400 of the units came on the first day, and all others not at all
        cells = amounts(400, np.full((2, 2), mean), 300)
        (one,) = found(beside({kpi.definition.id: cells}), of=plan(kpi))
        answers.append(one.contrasts[0].reason)
    assert answers == [Reason.INSUFFICIENT_DATA, None]


def test_kpi_that_a_loss_may_end_is_not_compared() -> None:
    lost = planned("ttv", kinds.TimeToValue(event="activated", tau_days=5, loss_event="deleted"), mde=0.4)
    assert [kpi.kpi for kpi in compared(plan(lost, KPI))] == [KPI.kpi]
    (one,) = found(beside({}), of=plan(lost))
    assert one.contrasts == ()
    assert [made.kind for made in checks([one]) if made is not None] == [CheckKind.SHARED_SPLIT]


def test_stored_cells_are_laid_out_in_the_order_of_both_plans() -> None:
    places = [[(12, 31), (12, 30)], [(11, 31), (11, 30)]]
    number = KPI.definition.id
    counts = {(7, 12, 30): 4, (7, 11, 31): 5, (8, 11, 30): 99}
    moments = {(7, number, 12, 30): (4.0, 0.5, 1.0), (8, number, 12, 31): (9.0, 9.0, 9.0)}
    shared = laid_out(PLAN, 7, PLAN, places, counts, moments)
    assert shared.units.tolist() == [[0, 4], [5, 0]]
    assert shared.cells[number].n.tolist() == [[0, 4], [0, 0]]
    assert shared.cells[number].mean[0, 1] == 0.5


# --- the split -------------------------------------------------------------------------------------------------------


def test_split_of_shared_units_is_held_against_the_product_of_both_weights() -> None:
    uneven = plan(KPI, variants=[CONTROL, replace(TREATMENT, weight=3.0)])
    units = np.array([[130, 390], [120, 360]])
    (one,) = found(beside(shares([9, 9], [9, 9]), units.tolist(), of=uneven))
    theta, n, total = np.outer([0.5, 0.5], [0.25, 0.75]), units.sum(), 100.0
    log_e = (
        gammaln(total)
        - gammaln(total + n)
        + (gammaln(total * theta + units) - gammaln(total * theta)).sum()
        - (units * np.log(theta)).sum()
    )
    assert one.split_p_value == pytest.approx(min(1.0, np.exp(-log_e)))
    assert (one.units, one.is_split_broken) == (1_000, False)


@pytest.mark.parametrize(
    "units",
    [[[700, 500], [500, 700]], [[500, 500], [650, 650]], [[500, 650], [500, 650]]],
    ids=["one assignment follows the other", "A brings more into B", "B brings more into A"],
)
def test_units_not_split_as_promised_warn_and_are_named(units: Any) -> None:
    seen = found(beside(shares([150, 150], [150, 150]), units), beside(shares([150, 150], [150, 150]), key="digest"))
    assert [one.is_split_broken for one in seen] == [True, False]
    warned = check(seen, CheckKind.SHARED_SPLIT)
    assert warned.state is HealthState.WARNING
    assert "“pricing” are not split" in warned.sentence
    assert "digest" not in warned.sentence
    assert check(found(beside(shares([150, 150], [150, 150]))), CheckKind.SHARED_SPLIT).state is HealthState.OK


# --- the check -------------------------------------------------------------------------------------------------------


def test_check_names_what_depends_on_what_with_the_difference() -> None:
    seen = found(beside(shares([150, 150], [150, 320])), beside(shares([150, 150], [150, 160]), key="digest"))
    warned = check(seen, CheckKind.INTERACTION)
    assert warned.state is HealthState.WARNING
    assert "“Activation” of Shorter form beside Shorter form in “pricing”" in warned.sentence
    assert "digest" not in warned.sentence
    assert [fact.value for fact in warned.facts if fact.name is FactName.DIFFERENCE] == pytest.approx([0.34])
    fine = check(found(beside(shares([150, 150], [150, 160]))), CheckKind.INTERACTION)
    assert (fine.state, len(fine.facts)) == (HealthState.OK, 2)


def test_nothing_shared_is_nothing_to_check() -> None:
    assert found() == ()
    assert list(checks(())) == []


def test_experiments_without_an_interaction_are_suspected_in_at_most_one_of_twenty_and_a_planted_one_is_found() -> None:
    """800 experiments, each beside three others, with a main effect of both and 28 daily looks."""
    random = np.random.default_rng(2026)
    chances = np.array([[0.3, 0.34], [0.36, 0.40]])
    rates = [suspected(random, chances + planted) for planted in (0.0, np.array([[0.0, 0.0], [0.0, 0.1]]))]
    allowed = INTERACTION_ALARM + 3 * sqrt(INTERACTION_ALARM * (1 - INTERACTION_ALARM) / 800)
    assert rates[0] <= allowed
    assert rates[1] >= 0.9


def suspected(random: np.random.Generator, chances: Any) -> float:
    size = (800, 28, 3, 2, 2)
    new = random.multinomial(240, [0.25] * 4, size=size[:3]).reshape(size)
    n, won = (np.cumsum(part, axis=1) for part in (new, random.binomial(new, chances)))
    p_values = read(KPI, Moments.of_proportion(won, n)).p_value[..., 0, 0]
    return float((holm(p_values) < INTERACTION_ALARM).any(axis=(1, 2)).mean())
