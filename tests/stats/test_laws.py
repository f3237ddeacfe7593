"""Laws that hold whatever the data: of every comparison of two arms, and of everything that adds up.

Each comparison is asked about the same drawn rows, so that a new method is one line in `METHODS`. Laws of a single
module (its kernel, its running p-value, its merge of days) are in that module's tests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stats import clusters, discovery, lift, meta, methods, multiplicity, quantiles, srm
from stats.arrays import Array
from stats.clusters import Clusters
from stats.comoments import CoMoments
from stats.methods import cuped, lin, post_stratification, ratio, ratio_cuped
from stats.moments import Moments
from stats.quantiles import Quantiles
from stats.results import Comparisons
from stats.sequential import confidence_sequence, e_process, group_sequential, safe_logrank, staggered
from stats.survival import cox, logrank, rmst
from stats.survival import quantiles as by_day
from stats.survival.counts import LifeTable, life_table
from tests.stats.drawing import few
from tests.stats.expansion import draw_cohorts
from tests.stats.staggering import EVEN, cohorts_of, two_arms

UNITS = 60
TAU = 6
lawful = settings(few, max_examples=10)
seeds = st.integers(0, 10_000)
alphas = st.sampled_from([0.01, 0.05, 0.2])
PARTS = ("difference", "variance", "statistic", "p_value", "lower", "upper")


def draw_rows(seed: int, effect: float = 0.2, *, shape: tuple[int, ...] = ()) -> tuple[Array, Array]:
    """Control and treatment: units by (value, denominator, value before, denominator before), all above zero."""
    draw = np.random.default_rng(seed)
    before = draw.lognormal(0.0, 0.5, (2, *shape, UNITS, 2))
    now = before * draw.lognormal(0.3, 0.4, before.shape)
    now[1, ..., 0] *= 1 + effect
    rows = np.concatenate((now, before), axis=-1)
    return rows[0], rows[1]


def values(rows: Array) -> Moments:
    return Moments.from_values(rows[..., 0])


def successes(rows: Array) -> Moments:
    return Moments.of_proportion((rows[..., 0] > 1.2).sum(axis=-1), UNITS)


def columns(*which: int) -> Callable[[Array], CoMoments]:
    return lambda rows: CoMoments.from_values(rows[..., which])


def strata(rows: Array) -> Moments:
    return Moments.from_values(rows[..., 0].reshape(*rows.shape[:-2], 3, UNITS // 3))


def teams(rows: Array) -> Clusters:
    starts = np.array([0, 2, 5, 9, 14, 20, 30, 45])
    sums = np.add.reduceat(rows[..., 0], starts, axis=-1)
    return Clusters(sums=sums, sizes=np.diff(starts, append=UNITS).astype(np.float64))


def medians(rows: Array) -> Quantiles:
    return Quantiles.from_values(rows[..., 0], 0.5, alpha=0.05)


def times(rows: Array) -> LifeTable:
    """The value as days to the event, and the denominator as those to the end of watching."""
    days, ends = np.ceil(4 * rows[..., 0]), np.ceil(9 * rows[..., 1])
    cells = np.arange(1.0, 61)
    happened, lost = (
        ((np.minimum(days, ends)[..., np.newaxis] == cells) & which[..., np.newaxis]).sum(axis=-2)
        for which in (days <= ends, days > ends)
    )
    return life_table(
        np.full((*rows.shape[:-2], 1), UNITS), happened[..., np.newaxis, :], lost[..., np.newaxis, :], [60]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way to compare two arms made of rows, and which laws it promises beside those that all keep."""

    arm: Callable[[Array], Any]
    compare: Callable[..., Comparisons]
    has_null: bool = True
    agrees: bool = True  # the interval holds just the nulls that the test keeps
    scales: bool = True  # another unit of the value scales the difference

    def of(self, control: Array, treatment: Array, *, alpha: float = 0.05, **more: float) -> Comparisons:
        return self.compare(self.arm(control), self.arm(treatment), alpha=alpha, **more)


METHODS = {
    "welch": Method(arm=values, compare=methods.get("welch")),
    "cuped": Method(arm=columns(0, 2), compare=cuped.compare),
    "lin": Method(arm=columns(0, 2), compare=lin.compare),
    "ratio": Method(arm=columns(0, 1), compare=ratio.compare),
    "ratio with covariate": Method(arm=columns(0, 1, 2, 3), compare=ratio_cuped.compare),
    "strata": Method(arm=strata, compare=post_stratification.compare),
    "cr0": Method(arm=lambda rows: teams(rows).comoments, compare=clusters.cr0),
    "cr2": Method(arm=teams, compare=clusters.cr2),
    "quantiles": Method(arm=medians, compare=quantiles.compare),
    "agresti_caffo": Method(arm=successes, compare=methods.get("agresti_caffo"), scales=False),
    "miettinen_nurminen": Method(arm=successes, compare=methods.get("miettinen_nurminen"), scales=False),
    "proportions": Method(
        arm=successes, compare=methods.get("proportions"), scales=False, has_null=False, agrees=False
    ),
    "fisher": Method(arm=successes, compare=methods.get("fisher"), scales=False, has_null=False, agrees=False),
    "restricted mean": Method(
        arm=times, compare=lambda *arms, alpha: rmst.compare(*arms, tau=TAU, alpha=alpha), scales=False, has_null=False
    ),
    "log hazard ratio": Method(
        arm=times,
        compare=lambda *arms, alpha: logrank.compare(*arms).log_hazard_ratio(alpha=alpha),
        scales=False,
        has_null=False,
    ),
    "share by a day": Method(
        arm=times,
        compare=lambda *arms, alpha: by_day.compare(*arms, day=TAU, alpha=alpha),
        scales=False,
        has_null=False,
        agrees=False,
    ),
}
every = pytest.mark.parametrize("name", METHODS)


def those(promise: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [name for name, method in METHODS.items() if getattr(method, promise)])


# --- of every comparison --------------------------------------------------------------------------------------------


@every
@lawful
@given(seeds)
def test_swapping_the_arms_flips_signs_and_limits(name: str, seed: int) -> None:
    control, treatment = draw_rows(seed)
    there, back = METHODS[name].of(control, treatment), METHODS[name].of(treatment, control)
    assert there.reason == back.reason == 0
    mirrored = (-back.difference, back.variance, -back.statistic, back.p_value, -back.upper, -back.lower)
    assert_allclose([getattr(there, part) for part in PARTS], mirrored, rtol=1e-7, atol=1e-9)


@those("scales")
@lawful
@given(seeds, st.floats(0.001, 1000))
def test_another_unit_of_the_value_changes_no_p_value(name: str, seed: int, k: float) -> None:
    control, treatment = draw_rows(seed)
    unit = np.array([k, 1.0, 1.0, 1.0])
    one, scaled = METHODS[name].of(control, treatment), METHODS[name].of(unit * control, unit * treatment)
    assert_allclose((scaled.p_value, scaled.statistic), (one.p_value, one.statistic), rtol=1e-6, atol=1e-12)
    for part in ("difference", "lower", "upper"):
        assert_allclose(getattr(scaled, part), k * getattr(one, part), rtol=1e-6, atol=k * 1e-12)


@every
@lawful
@given(seeds, st.floats(-0.5, 1.0), alphas)
def test_the_difference_lies_between_its_limits(name: str, seed: int, effect: float, alpha: float) -> None:
    found = METHODS[name].of(*draw_rows(seed, effect), alpha=alpha)
    assert found.lower < found.difference < found.upper
    assert found.statistic * found.difference >= 0
    assert 0 < found.p_value <= 1


@every
@lawful
@given(seeds, st.floats(0.001, 0.5), st.floats(1.05, 1.9))
def test_more_certainty_needs_a_wider_interval_and_changes_no_p_value(
    name: str, seed: int, alpha: float, more: float
) -> None:
    arms = draw_rows(seed)
    sure, surer = METHODS[name].of(*arms, alpha=alpha * more), METHODS[name].of(*arms, alpha=alpha)
    assert surer.lower < sure.lower < sure.upper < surer.upper
    assert_allclose(sure.p_value, surer.p_value)


@those("has_null")
@lawful
@given(seeds, st.floats(-4, 4), alphas)
def test_the_interval_holds_the_nulls_that_the_test_keeps(name: str, seed: int, away: float, alpha: float) -> None:
    arms = draw_rows(seed)
    found = METHODS[name].of(*arms, alpha=alpha)
    null = float(np.clip(found.difference + away * found.standard_error, -0.99, 0.99))
    p_value = METHODS[name].of(*arms, alpha=alpha, null=null).p_value
    assume(abs(p_value - alpha) > 1e-7)
    assert (found.lower < null < found.upper) == (p_value > alpha)


@those("has_null")
@lawful
@given(seeds, alphas)
def test_at_the_limits_the_test_is_just_at_alpha(name: str, seed: int, alpha: float) -> None:
    arms = draw_rows(seed)
    found = METHODS[name].of(*arms, alpha=alpha)
    for limit in (float(found.lower), float(found.upper)):
        assume(METHODS[name].scales or abs(limit) < 0.99)  # no share differs by more than 1
        assert METHODS[name].of(*arms, alpha=alpha, null=limit).p_value == pytest.approx(alpha, rel=1e-6)


@those("agrees")
@lawful
@given(seeds, st.floats(-0.5, 1.0), alphas)
def test_zero_is_outside_the_interval_just_where_the_test_rejects_it(
    name: str, seed: int, effect: float, alpha: float
) -> None:
    found = METHODS[name].of(*draw_rows(seed, effect), alpha=alpha)
    assert (found.lower < 0 < found.upper) == (found.p_value > alpha)


COUNTS = [Moments.of_proportion(np.arange(16)[:, np.newaxis], 15), Moments.of_proportion(np.arange(61), 60)]
DISAGREEING = {
    "proportions": lambda: methods.get("proportions")(*COUNTS, alpha=0.05),
    "fisher": lambda: methods.get("fisher")(*COUNTS, alpha=0.05),
    "share by a day": lambda: METHODS["share by a day"].of(*draw_rows(7, 0.25, shape=(4000,))),
}


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.agrees])
def test_where_interval_and_test_rest_on_different_variances_they_do_disagree(name: str) -> None:
    found = DISAGREEING[name]()
    disagree = ((found.lower < 0) & (found.upper > 0)) != (found.p_value > 0.05)
    assert 0 < disagree[found.reason == 0].mean() < 0.1


@every
@settings(few, max_examples=3)
@given(seeds)
def test_many_cells_at_once_equal_one_at_a_time(name: str, seed: int) -> None:
    control, treatment = draw_rows(seed, shape=(2, 3))
    control[1, 2] = control[1, 2, 0]  # one cell on the edge
    many = METHODS[name].of(control, treatment)
    for cell in np.ndindex(2, 3):
        one = METHODS[name].of(control[cell], treatment[cell])
        assert many.reason[cell] == one.reason
        for part in PARTS:
            assert_allclose(getattr(many, part)[cell], getattr(one, part), rtol=1e-9, atol=1e-12)


# --- of lifts -------------------------------------------------------------------------------------------------------


@lawful
@given(st.floats(0.5, 20), st.floats(0.5, 20), st.floats(1e-4, 0.06), st.floats(1e-4, 0.06))
def test_swapping_the_arms_inverts_the_lift(a: float, b: float, va: float, vb: float) -> None:
    there, back = lift.relative(a, va, b, vb, alpha=0.05), lift.relative(b, vb, a, va, alpha=0.05)
    assume(there.reason == back.reason == 0)
    ratios = 1 + np.stack((there.lift, there.lower, there.upper))
    assert_allclose(ratios, 1 / (1 + np.stack((back.lift, back.upper, back.lower))), rtol=1e-9)


# --- of what adds up ------------------------------------------------------------------------------------------------


@lawful
@given(seeds, st.integers(1, 14))
def test_life_tables_of_some_cohorts_and_of_the_others_add_to_that_of_all(seed: int, cut: int) -> None:
    drawn = draw_cohorts(seed)
    first, rest = (
        life_table(drawn.entered[part], drawn.events[part], drawn.losses[part], drawn.observed[part])
        for part in (slice(cut), slice(cut, None))
    )
    for name in ("at_risk", "events", "losses"):
        assert_allclose(getattr(first, name) + getattr(rest, name), getattr(drawn.table, name))


@lawful
@given(seeds)
def test_scores_of_strata_add_to_the_score_within_strata_and_by_calendar_day(seed: int) -> None:
    drawn = [draw_cohorts(seed), draw_cohorts(seed + 1, hazard=0.2)]
    tables = [
        life_table(
            arm.entered[:, np.newaxis],
            arm.events[:, np.newaxis],
            arm.losses[:, np.newaxis],
            arm.observed[:, np.newaxis],
        )
        for arm in drawn
    ]
    each, together = logrank.compare(*tables), cox.stratified(*tables)
    assert_allclose((together.score, together.variance), (each.score.sum(), each.variance.sum()))
    last = staggered.log_rank_by_day(*map(cohorts_of, drawn), days=15, strata=range(15))
    assert_allclose((last.score[-1], last.variance[-1]), (together.score, together.variance), atol=1e-9)


@lawful
@given(seeds, st.integers(1, 27))
def test_exact_evidence_on_hazards_is_the_product_over_cohorts(seed: int, cut: int) -> None:
    arms = two_arms(seed, 1, 6, EVEN, ratio=1.5)
    whole = safe_logrank.one_sided_log_e_value(*arms, hazard_ratio=1.5, days=28)
    parts = []
    for kept in (np.arange(28) < cut, np.arange(28) >= cut):
        some = [
            staggered.Cohorts(entered=arm.entered * kept, events=arm.events * kept[:, np.newaxis], losses=arm.losses)
            for arm in arms
        ]
        parts.append(safe_logrank.one_sided_log_e_value(*some, hazard_ratio=1.5, days=28))
    assert_allclose(discovery.product(np.stack(parts), axis=0), whole, atol=1e-9)


@lawful
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=8), st.data())
def test_evidence_on_totals_does_not_depend_on_how_units_fall_into_days(
    days: list[tuple[int, int]], data: st.DataObject
) -> None:
    counts = np.asarray(days, dtype=float)
    cut = data.draw(st.integers(1, len(days) - 1))
    merged = np.stack((counts[:cut].sum(axis=0), counts[cut:].sum(axis=0)))
    ends = [srm.sequential(each, [1, 2])[0][-1] for each in (counts, merged)]
    assert_allclose(ends[0], ends[1], atol=1e-9)
    shares = [e_process.share(each[:, 0], each.sum(axis=1), null=0.3)[-1] for each in (counts, merged)]
    assert_allclose(shares[0], shares[1], atol=1e-9)


# --- of many questions and many looks -------------------------------------------------------------------------------

ADJUSTMENTS = [multiplicity.holm, multiplicity.hochberg, multiplicity.benjamini_hochberg]


@pytest.mark.parametrize("adjust", [*ADJUSTMENTS, multiplicity.benjamini_yekutieli])
@lawful
@given(st.permutations([0.001, 0.01, 0.02, 0.04, 0.3, np.nan]))
def test_the_order_of_questions_does_not_matter(adjust: Callable[[list[float]], Array], p_values: list[float]) -> None:
    in_order = np.argsort(p_values)
    assert_allclose(adjust(p_values)[in_order], adjust(sorted(p_values, key=lambda p: (np.isnan(p), p))))
    log_e = -np.log(p_values)
    assert_allclose(discovery.adjusted(log_e)[in_order], discovery.adjusted(log_e[in_order]))


@lawful
@given(st.permutations([(0.2, 0.01), (0.5, 0.02), (0.1, 0.01), (0.6, 0.04), (np.nan, np.nan)]))
def test_the_order_of_experiments_does_not_matter(experiments: list[tuple[float, float]]) -> None:
    shuffled, in_order = (
        meta.pool(*zip(*pairs, strict=True), alpha=0.05) for pairs in (experiments, sorted(experiments))
    )
    for part in PARTS:
        assert_allclose(getattr(shuffled.answer, part), getattr(in_order.answer, part), rtol=1e-8)


@lawful
@given(st.floats(0.002, 0.4), st.floats(1.05, 2.0), st.floats(0.001, 10), st.floats(0.001, 10))
def test_a_stricter_alpha_raises_every_bar_and_widens_every_always_valid_interval(
    alpha: float, more: float, variance: float, tau2: float
) -> None:
    looks = [0.3, 0.6, 1.0]
    strict, mild = (group_sequential.boundaries(looks, alpha=each) for each in (alpha, alpha * more))
    assert (strict > mild).all()
    for width in (confidence_sequence.half_width, confidence_sequence.one_sided_width):
        assert width(variance, tau2=tau2, alpha=alpha) > width(variance, tau2=tau2, alpha=alpha * more)
