"""A covariate from rows to findings, against statsmodels' regressions of the same rows; and what looks cost then."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import sqrt
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats as scipy_stats

from api.database import Database
from experiments.enums import Policy, Role, Slopes
from experiments.inference.adjustment import AdjustedSample
from experiments.inference.analysis import Results
from experiments.inference.findings import Finding
from experiments.planning.draft import CovariateChoice, KpiChoice
from kpi.kinds import Activation, Mean
from kpi.kinds.moments import MomentSample
from kpi.tables import Workspace
from stats.comoments import CoMoments
from stats.methods import cuped, lin, welch
from stats.sequential import confidence_sequence, group_sequential
from tests.experiments.aggregating import START, Running, refresh, send
from tests.experiments.recomputation import DAY, Did, Exposed
from tests.experiments.registering import CONTROL, TREATMENT, draft, plan_choice, start
from tests.experiments.test_warehouse import evaluated
from tests.kpi.registering import register_kpi

NOW = START + 12 * DAY
SCORE = CovariateChoice(attribute="score", when_missing=0.5)
Array = np.ndarray[Any, np.dtype[np.float64]]


class Trial:
    """Units of two variants with a score before exposure, some without one, and an amount that leans on it."""

    def __init__(self, n: int, m: int, *, known: float = 0.8, slope: float = 2.0) -> None:
        draw = np.random.default_rng(n)
        self.arm = np.repeat([0, 1], [n, m])
        self.score = np.where(draw.random(n + m) < known, np.round(draw.gamma(2.0, 1.0, n + m), 3), np.nan)
        self.x = np.where(np.isnan(self.score), 0.5, self.score)
        noise = draw.normal(0, 0.7, n + m)
        self.y = np.round(4 + self.arm * (0.3 + 0.2 * self.x) + slope * self.x + noise, 3)
        self.active = draw.random(n + m) < 1 / (1 + np.exp(1.0 - self.x))

    def rows(self) -> list[Exposed | Did]:
        """Entries over three days, and what each unit does a day later."""
        rows: list[Exposed | Did] = []
        for place, arm in enumerate(self.arm):
            unit, at = f"u{place}", START + (place % 3) * DAY + timedelta(minutes=place)
            score = None if np.isnan(self.score[place]) else float(self.score[place])
            rows.append(Exposed(unit=unit, variant=int(arm), at=at, plan=None, score=score))
            rows.append(Did(unit=unit, event="paid", at=at + DAY, value=float(self.y[place])))
            if self.active[place]:
                rows.append(Did(unit=unit, event="activated", at=at + DAY, value=None))
        return rows


async def started(database: Database, covariate: CovariateChoice | None, weight: float = 1.0) -> Running:
    """An experiment on an amount and a share, both with the covariate, read once."""
    async with database.write() as session:
        place = Workspace(key=f"covariates-{datetime.now(UTC).timestamp()}", name="covariates", created_at=START)
        session.add(place)
        await session.flush()
        await register_kpi(session, place, key="paid", definition=Mean(event="paid", window_days=3), baseline=None)
        share = Activation(event="activated", window_days=3)
        await register_kpi(session, place, key="active", definition=share, baseline=None)
    kpis = [
        KpiChoice(kpi="paid", role=Role.PRIMARY, mde_difference=0.2, covariate=covariate),
        KpiChoice(kpi="active", role=Role.SECONDARY, mde_difference=0.1, covariate=covariate),
    ]
    made = await draft(
        database,
        place,
        variants=[CONTROL, replace(TREATMENT, weight=weight)],
        plan=plan_choice(kpis=kpis, policy=Policy.FIXED, horizon_days=12),
    )
    return Running(experiment=await start(database, made, now=START), workspace=place)


async def found(database: Database, trial: Trial, covariate: CovariateChoice | None, weight: float = 1.0) -> Results:
    to = await started(database, covariate, weight)
    await send(database, to, trial.rows())
    await refresh(database, to, NOW)
    return await evaluated(database, to.experiment)


def regression(trial: Trial, y: Array, *, product: bool, covariance: str) -> Any:
    """Statsmodels' regression of the rows on arm and covariate about its mean, and on their product."""
    x, arm = trial.x - trial.x.mean(), trial.arm.astype(float)
    columns = np.column_stack([np.ones_like(x), arm, x, arm * x][: 4 if product else 3])
    return sm.OLS(y, columns).fit(cov_type=covariance)


def variance_of_two_lines(trial: Trial, y: Array) -> float:
    """Of the difference of statsmodels' lines of both arms at the mean covariate, which is a sample's."""
    x, n = trial.x - trial.x.mean(), trial.x.size
    arms = [trial.arm == arm for arm in (0, 1)]
    before, after = (sm.OLS(y[arm], sm.add_constant(x[arm])).fit() for arm in arms)
    steeper = after.params[1] - before.params[1]
    return float(before.bse[0] ** 2 + after.bse[0] ** 2 + steeper**2 * x.var(ddof=1) / n)


def standard_error(finding: Finding) -> float:
    """Of the difference that the finding's own test is about."""
    assert finding.fixed is not None
    assert finding.difference is not None
    return finding.difference / finding.fixed.statistic


async def test_finding_of_an_even_split_is_the_analysis_of_covariance_of_its_rows(database: Database) -> None:
    trial = Trial(240, 240)
    paid, active = (await found(database, trial, SCORE)).evaluation.findings
    for finding, y in ((paid, trial.y), (active, trial.active.astype(float))):
        theirs = regression(trial, y, product=False, covariance="nonrobust")
        assert finding.adjustment is not None
        slopes = [finding.adjustment.control_slope, finding.adjustment.treatment_slope]
        assert slopes == pytest.approx([theirs.params[2]] * 2, rel=1e-9)
        assert finding.difference == pytest.approx(theirs.params[1], rel=1e-9)
        # In arms of one size the two residual variances average to the regression's one.
        assert standard_error(finding) == pytest.approx(theirs.bse[1], rel=1e-9)
        assert finding.lift == pytest.approx(theirs.params[1] / theirs.params[0], rel=1e-9)


async def test_finding_of_an_uneven_split_is_lins_regression_of_its_rows(database: Database) -> None:
    trial = Trial(480, 120)
    paid, active = (await found(database, trial, SCORE, weight=0.25)).evaluation.findings
    # HC2 weighs each row by its leverage, and takes the covariate's mean for fixed: apart by terms of 1 / n.
    robust = regression(trial, trial.y, product=True, covariance="HC2").bse[1]
    assert standard_error(paid) == pytest.approx(robust, rel=0.03)
    for finding, y in ((paid, trial.y), (active, trial.active.astype(float))):
        theirs = regression(trial, y, product=True, covariance="HC2")
        assert finding.adjustment is not None
        assert finding.adjustment.control_slope == pytest.approx(theirs.params[2], rel=1e-9)
        assert finding.adjustment.treatment_slope == pytest.approx(theirs.params[2] + theirs.params[3], rel=1e-9)
        assert finding.difference == pytest.approx(theirs.params[1], rel=1e-9)
        assert standard_error(finding) ** 2 == pytest.approx(variance_of_two_lines(trial, y), rel=1e-9)
        assert finding.lift == pytest.approx(theirs.params[1] / theirs.params[0], rel=1e-9)


async def test_finding_tells_what_it_would_say_without_the_covariate(database: Database) -> None:
    trial = Trial(200, 210)
    (adjusted, *_), (plain, *_) = [
        (await found(database, trial, covariate)).evaluation.findings for covariate in (SCORE, None)
    ]
    told = adjusted.adjustment
    assert told is not None
    assert plain.adjustment is None
    theirs = scipy_stats.ttest_ind(trial.y[trial.arm == 1], trial.y[trial.arm == 0], equal_var=False)
    assert told.fixed is not None
    assert (told.fixed.statistic, told.fixed.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (told.difference, told.fixed) == (plain.difference, plain.fixed)
    assert told.difference / theirs.statistic == pytest.approx(told.standard_error)
    assert told.missing == np.isnan(trial.score).mean()
    assert told.variance_reduction == pytest.approx(1 - (standard_error(adjusted) / standard_error(plain)) ** 2)
    assert told.variance_reduction is not None
    assert told.variance_reduction > 0.7
    assert (adjusted.control, adjusted.treatment) == (plain.control, plain.treatment)  # as measured
    assert adjusted.baseline == plain.baseline


async def test_finding_adjusted_for_the_kpi_before_exposure_is_the_regression_on_it(database: Database) -> None:
    trial = Trial(150, 150, known=1.0)
    entered = [row for row in trial.rows() if isinstance(row, Exposed)]
    for place in range(0, 300, 7):
        trial.x[place] = 0.0  # nothing within four weeks before: that is a value, and not a missing one
    before: list[Exposed | Did] = [
        Did(unit=row.unit, event="paid", at=row.at - 28 * DAY, value=float(x))
        for row, x in zip(entered, trial.x, strict=True)
        if x
    ]
    long_ago = [Did(unit=row.unit, event="paid", at=row.at - 29 * DAY, value=100.0) for row in entered[::3]]
    to = await started(database, CovariateChoice(pre_exposure_days=28))
    await send(database, to, [*trial.rows(), *before, *long_ago])
    await refresh(database, to, NOW)
    paid, active = (await evaluated(database, to.experiment)).evaluation.findings
    theirs = regression(trial, trial.y, product=False, covariance="nonrobust")
    assert paid.adjustment is not None
    assert (paid.difference, paid.adjustment.control_slope) == pytest.approx((theirs.params[1], theirs.params[2]))
    assert standard_error(paid) == pytest.approx(theirs.bse[1], rel=1e-9)
    assert (paid.adjustment.missing, paid.adjustment.covariate.pre_exposure_days) == (0, 28)
    assert active.adjustment is not None
    assert active.adjustment.control_slope == 0  # nobody was active before


@pytest.mark.parametrize("weight", [1.0, 0.5])
@pytest.mark.parametrize("known", [0.0, 1.0], ids=["of-nobody", "the-same-of-all"])
async def test_covariate_that_explains_nothing_leaves_welchs_test(
    database: Database, weight: float, known: float
) -> None:
    trial = Trial(90, 60, known=known)
    trial.score[:] = 0.1 if known else np.nan  # a tenth adds up to sums that are off by their rounding
    (adjusted, *_), (plain, *_) = [
        (await found(database, trial, covariate, weight)).evaluation.findings for covariate in (SCORE, None)
    ]
    assert adjusted.adjustment is not None
    assert adjusted.adjustment.missing == 1 - known
    assert (adjusted.adjustment.control_slope, adjusted.adjustment.treatment_slope) == (0, 0)
    assert adjusted.difference == pytest.approx(plain.difference, rel=1e-9)
    slope_taken = 0.01 if weight < 1 else 1e-9  # a slope each takes a degree of freedom, whether it explains or not
    assert standard_error(adjusted) == pytest.approx(standard_error(plain), rel=slope_taken)


# --- looking again and again -----------------------------------------------------------------------------------------

PATHS, LOOKS, DAILY = 2_000, 10, 40
LIMIT = 0.05 + 3 * sqrt(0.05 * 0.95 / PATHS)


def paths(seed: int, share: float, effect: float = 0.0) -> tuple[CoMoments, CoMoments]:
    """Every look of many experiments: a skewed covariate, a spread that grows with it, and slopes by chance anew."""
    draw = np.random.default_rng(seed)
    arms = []
    for size, change in ((round(DAILY * (1 - share)), 0.0), (round(DAILY * share), effect)):
        x = draw.gamma(1.0, 1.0, (PATHS, LOOKS, size))
        y = x + change + draw.normal(0, 1, x.shape) * np.sqrt(0.3 + 0.3 * x)
        arms.append(CoMoments.from_values(np.stack((y, x), axis=-1)).cumulative(axis=1))
    return arms[0], arms[1]


@pytest.mark.parametrize(("method", "share"), [(cuped, 0.5), (lin, 0.25)], ids=["one-slope", "a-slope-each"])
def test_adjusted_estimate_of_many_looks_keeps_alpha_and_finds_more(method: Any, share: float) -> None:
    """The slope is estimated anew at each look; the increments must still be as good as independent."""
    fractions = np.arange(1, LOOKS + 1) / LOOKS
    bars = group_sequential.boundaries(fractions, alpha=0.05)
    null = method.compare(*paths(1, share), alpha=0.05)
    z = null.difference / np.sqrt(null.variance)
    assert (np.abs(z) >= bars).any(axis=1).mean() <= LIMIT
    tau2 = confidence_sequence.mixture_variance(np.median(null.variance[:, -1]), 0.05)
    evidence = confidence_sequence.log_e_value(null.difference, null.variance, tau2=tau2)
    assert (evidence >= -np.log(0.05)).any(axis=1).mean() <= LIMIT
    # Cov(early, last) = Var(last): what the kernel and the boundaries rest on.
    last = null.difference[:, -1]
    error = 3 * sqrt(2 / PATHS) * null.difference.std(axis=0) / last.std()
    shared = np.array([np.cov(early, last)[0, 1] for early in null.difference.T]) / last.var(ddof=1)
    assert (np.abs(shared - 1) <= error).all()
    control, treatment = paths(2, share, effect=0.25)
    found_by = [
        (np.abs(seen.difference / np.sqrt(seen.variance)) >= bars).any(axis=1).mean()
        for seen in (
            method.compare(control, treatment, alpha=0.05),
            welch.compare(control.moments(0), treatment.moments(0), alpha=0.05),
        )
    ]
    assert found_by[0] > max(0.5, found_by[1] + 0.2)


def test_looks_on_adjusted_shares_keep_alpha_where_an_arm_is_very_small() -> None:
    """Forty units of one arm a look and four of the other: the residual variance of four crosses too often alone."""
    draw = np.random.default_rng(3)
    looks, runs = 14, 2_000
    bars = group_sequential.boundaries(np.arange(1, looks + 1) / looks, alpha=0.05)
    x = [draw.normal(0, 1, (runs, looks, size)) for size in (40, 4)]
    y = [0.6 * one + draw.normal(0, 0.8, one.shape) < -1.28 for one in x]  # one in ten
    days = [CoMoments.from_values(np.stack(both, axis=-1)).cumulative(axis=1) for both in zip(y, x, strict=True)]
    # Every run is a question: (runs, variants, looks).
    pairs = CoMoments(
        **{name: np.stack([getattr(day, name) for day in days], axis=1) for name in ("n", "means", "products")}
    )
    plain = MomentSample(moments=pairs.moments(0), method="proportions")
    sample = AdjustedSample(plain=plain, pairs=pairs, missing=pairs.n * 0, slopes=Slopes.EACH)
    seen = sample.compare(alpha=0.05)
    alone, larger = (
        (np.where(seen.reason == 0, np.abs(seen.difference), 0) / np.sqrt(np.fmax(variance, 1e-9)) >= bars).any(axis=-1)
        for variance in (seen.variance, np.fmax(seen.variance, sample.null_variance))
    )
    assert larger.mean() <= 0.05 + 3 * sqrt(0.05 * 0.95 / runs)
    assert alone.mean() > 0.1  # else this proves nothing


def test_null_variance_without_anything_explained_is_the_pooled_variance_of_two_shares() -> None:
    draw = np.random.default_rng(4)
    arms = [draw.random(size) < 0.1 for size in (400, 40)]
    pairs = [CoMoments.from_values(np.stack((arm, np.zeros(arm.size)), axis=-1)[None]) for arm in arms]
    both = CoMoments(
        **{name: np.stack([getattr(one, name) for one in pairs])[np.newaxis] for name in ("n", "means", "products")}
    )
    plain = MomentSample(moments=both.moments(0), method="proportions")
    sample = AdjustedSample(plain=plain, pairs=both, missing=both.n * 0, slopes=Slopes.EACH)
    share = np.concatenate(arms).mean()
    assert sample.null_variance == pytest.approx(share * (1 - share) * (1 / 400 + 1 / 40))
