"""The checks that arms are alike: each with what makes it warn, what leaves it silent, and how seldom it errs."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from api.database import Database
from experiments.enums import Role, Slopes
from experiments.inference.balance import IMBALANCE, evidence, imbalance
from experiments.inference.facts import FactName
from experiments.inference.health import ALARM, Check, CheckKind, HealthState
from experiments.planning.draft import CovariateChoice
from experiments.planning.plan import Covariate, Plan
from stats.moments import Moments
from tests.experiments.aggregating import refresh, send
from tests.experiments.planning import CONTROL, IDS, OTHER, TREATMENT, Rows, aggregates, day, plan, planned
from tests.experiments.recomputation import Did, Exposed
from tests.experiments.test_covariates import NOW, SCORE, Trial, started
from tests.experiments.test_warehouse import evaluated

OK, WARNING, _ = HealthState
BY_SCORE = Covariate(attribute="score", pre_exposure_days=None, when_missing=0.0, slopes=Slopes.ONE, correlation=None)
PLAN = plan(planned(covariate=BY_SCORE))


def number(check: Check, name: FactName, about: str) -> float:
    (found,) = [fact.value for fact in check.facts if (fact.name, fact.about) == (name, about)]
    return found


def differences(check: Check) -> list[float]:
    return [fact.value for fact in check.facts if fact.name is FactName.DIFFERENCE]


# --- before exposure, in memory ---------------------------------------------------------------------------------------


def scored(of: Plan, *means: float, n: int = 400, days: int = 3, spread: float = 1.0) -> Rows:
    """Units of each variant whose score has a mean, and a standard deviation, the same on each of some days."""
    rows = Rows(entries=[], moments=[], durations=[])
    for number_ in range(days):
        for variant, mean in zip(of.variants, means, strict=True):
            own = {"variant_id": IDS[variant.key], "entered_on": day(number_), "segment": "", "n": n}
            rows.entries.append(own)
            shape = {"mean": 0.3, "m2": n * 0.21, "mean_x": mean, "m2_x": n * spread**2, "c_xy": 0.0, "missing": 0}
            rows.moments.extend(own | shape | {"definition_id": kpi.definition.id} for kpi in of.kpis)
    return rows


def checked(of: Plan, *means: float, through: int = 9, **more: float) -> Check | None:
    return imbalance(of, aggregates(of, scored(of, *means, **more), day(through)))  # type: ignore[arg-type]


def test_covariate_that_differs_between_arms_warns_with_the_kernel_in_standard_deviations() -> None:
    check = checked(PLAN, 5.0, 5.4)
    assert check is not None
    assert (check.kind, check.state) == (CheckKind.IMBALANCE, WARNING)
    about = "“score” beside “Activation” in Shorter form"
    assert check.sentence == (
        f"Units differed before they were exposed: {about} 5.4, in Control 5. Assignment or logging depends on who they"
        " are."
    )
    # By hand: 1,200 units an arm, of variance 1 about means that are 0.4 apart.
    variance = (2400 * 1.0 + 600 * 0.4**2) / 2399
    z2 = 0.4**2 / (variance * 2 / 1200)
    k = IMBALANCE**2 / (2 / 1200)
    log_e = z2 * k / (2 * (1 + k)) - np.log1p(k) / 2
    assert number(check, FactName.P_VALUE, about) == pytest.approx(np.exp(-log_e))
    assert number(check, FactName.DIFFERENCE, about) == pytest.approx(0.4)


def test_covariate_that_is_alike_in_all_arms_is_fine_and_each_kpi_and_variant_counts_as_a_question() -> None:
    alone = checked(PLAN, 5.0, 5.1)
    assert alone is not None
    assert alone.state is OK
    both = plan(planned(covariate=BY_SCORE), planned("return", role=Role.SECONDARY, covariate=BY_SCORE))
    of = replace(both, variants=[CONTROL, TREATMENT, OTHER])
    check = checked(of, 5.0, 5.1, 5.0)
    assert check is not None
    about = "“score” beside “Activation” in Shorter form"
    found = number(alone, FactName.P_VALUE, about)
    assert number(check, FactName.P_VALUE, check.facts[0].about) == pytest.approx(min(1.0, 4 * found))


def test_arms_that_all_say_one_number_each_differ_though_neither_has_a_spread() -> None:
    check = checked(PLAN, 0.0, 5.0, spread=0.0)
    assert check is not None
    assert check.state is WARNING
    alike = checked(PLAN, 0.1, 0.1, spread=0.0)
    assert alike is None  # nothing varies: nothing can be said


@pytest.mark.parametrize(
    ("n", "days", "through", "is_made"), [(33, 3, 9, False), (34, 3, 9, True), (99, 9, 3, False), (99, 9, 4, True)]
)
def test_imbalance_waits_for_a_hundred_final_units_in_each_arm(n: int, days: int, through: int, is_made: bool) -> None:
    """Of nine entry days of 99 units one is final at the end of the third day, two at that of the fourth."""
    assert (checked(PLAN, 5.0, 9.0, n=n, days=days, through=through) is not None) is is_made


def test_plan_without_a_covariate_has_no_check_of_it() -> None:
    of = plan()
    rows = scored(of, 5.0, 9.0)
    assert imbalance(of, aggregates(of, rows, day(9))) is None


# --- how seldom they err ----------------------------------------------------------------------------------------------

PATHS, LOOKS = 2_000, 20
LIMIT = ALARM + 3 * (ALARM * (1 - ALARM) / PATHS) ** 0.5


@pytest.mark.parametrize("share", [0.5, 0.1], ids=["even", "uneven"])
def test_imbalance_looked_at_every_day_seldom_warns_of_sound_arms_and_finds_a_fault(share: float) -> None:
    """A skewed covariate that is zero for most units, drawn alike in both arms; then one that one arm has more of."""
    draw = np.random.default_rng(7)

    def arm(size: int, more: float = 0.0) -> Moments:
        spent = draw.gamma(0.5, 2.0, (PATHS, LOOKS, size)) * (draw.random((PATHS, LOOKS, size)) < 0.2) + more
        return Moments.from_values(spent).cumulative(axis=1)

    control, treatment, shifted = arm(round(100 * (1 - share))), arm(round(100 * share)), arm(round(100 * share), 0.25)
    alarms = [(evidence(control, other) >= -np.log(ALARM)).any(axis=1).mean() for other in (treatment, shifted)]
    assert alarms[0] <= LIMIT
    assert alarms[1] > 0.5


# --- on rows ----------------------------------------------------------------------------------------------------------


async def check_of(database: Database, trial: Trial, covariate: CovariateChoice, *more: Did) -> Check:
    to = await started(database, covariate)
    await send(database, to, [*trial.rows(), *more])
    await refresh(database, to, NOW)
    (found,) = [
        check for check in (await evaluated(database, to.experiment)).health.checks if check.kind is CheckKind.IMBALANCE
    ]
    return found


async def test_attribute_that_one_arm_has_more_of_warns_and_one_drawn_alike_does_not(database: Database) -> None:
    trial = Trial(300, 300)
    assert (await check_of(database, trial, SCORE)).state is OK
    trial.score[trial.arm == 1] += 1.0
    check = await check_of(database, trial, SCORE)
    assert check.state is WARNING
    known = [np.where(np.isnan(trial.score), 0.5, trial.score)[trial.arm == arm].mean() for arm in (0, 1)]
    assert differences(check) == pytest.approx([known[1] - known[0]] * 2)  # of the amount and of the share


async def test_kpi_that_one_arm_had_more_of_before_exposure_warns(database: Database) -> None:
    trial = Trial(300, 300)
    entered = [row for row in trial.rows() if isinstance(row, Exposed)]
    before = [
        Did(unit=row.unit, event="paid", at=row.at - timedelta(days=2), value=1.0 + place % 3 + row.variant)
        for place, row in enumerate(entered)
    ]
    check = await check_of(database, trial, CovariateChoice(pre_exposure_days=28), *before)
    assert check.state is WARNING
    assert "over 28 days before exposure in Shorter form" in check.sentence
    assert differences(check) == pytest.approx([1.0])  # nobody was active before: of that nothing can be said
