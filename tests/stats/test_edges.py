"""Where there is no answer: every method says why, warns of nothing, and invents no number.

A comparison says it by a reason. Bare arrays and misuse are in `test_silence.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import pytest

from stats import (
    baseline,
    bayes,
    clusters,
    lift,
    meta,
    methods,
    noninferiority,
    quantiles,
)
from stats.arrays import Codes, Numbers, numbers
from stats.clusters import Clusters
from stats.comoments import CoMoments
from stats.lift import Lift
from stats.methods import cuped, lin, post_stratification, ratio, ratio_cuped, welch
from stats.moments import Moments
from stats.quantiles import Quantiles
from stats.results import Reason, Undefined, reason_of
from stats.sequential import (
    safe_logrank,
    staggered,
)
from stats.sequential.staggered import Cohorts
from stats.survival import cox, kaplan_meier, logrank, rmst
from stats.survival import quantiles as by_day
from stats.survival.counts import LifeTable, life_table

FEW, FLAT, EVENTS = Reason.INSUFFICIENT_DATA, Reason.ZERO_VARIANCE, Reason.TOO_FEW_EVENTS
ALPHA = 0.05


class Reasoned(Protocol):
    """Any result whose cells may have a reason."""

    @property
    def reason(self) -> Codes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question on the edge; with a reason, it has no answer."""

    name: str
    ask: Callable[[], Reasoned]
    reason: Reason | None


def case(name: str, ask: Callable[[], Reasoned], reason: Reason | None) -> object:
    return pytest.param(Case(name=name, ask=ask, reason=reason), id=name)


def said(found: Reasoned) -> list[float]:
    """Everything that a reason takes away; differences, variances and shares may be known without an answer."""
    names = ("statistic", "p_value", "lower", "upper", "worst", "value", "day", "loss_if_shipped")
    return [float(getattr(found, name)) for name in names if hasattr(found, name)]


# --- two arms -------------------------------------------------------------------------------------------------------

ARMS = {
    "an empty control": (Moments.of_proportion(0, 0), Moments.of_proportion(3, 9)),
    "an empty treatment": (Moments.of_proportion(3, 9), Moments.of_proportion(0, 0)),
    "two empty arms": (Moments.of_proportion(0, 0), Moments.of_proportion(0, 0)),
    "zero counts": (Moments.of_proportion(0, 50), Moments.of_proportion(0, 60)),
    "nothing but successes": (Moments.of_proportion(50, 50), Moments.of_proportion(60, 60)),
    "none against all": (Moments.of_proportion(0, 5), Moments.of_proportion(5, 5)),
    "one unit each": (Moments.of_proportion(0, 1), Moments.of_proportion(1, 1)),
    "one unit against many": (Moments.of_proportion(1, 1), Moments.of_proportion(3, 9)),
}
EMPTY = dict.fromkeys(("an empty control", "an empty treatment", "two empty arms"), FEW)
AGREEING = dict.fromkeys(("zero counts", "nothing but successes"), FLAT)
WITHOUT_ANSWER = {  # by registered method; it answers in every other case
    "agresti_caffo": EMPTY,
    "fisher": EMPTY,
    "miettinen_nurminen": EMPTY | AGREEING,
    "proportions": EMPTY | AGREEING,
    "welch": EMPTY | AGREEING | {"none against all": FLAT, "one unit each": FEW, "one unit against many": FEW},
}
REGISTERED = [
    case(f"{name}, {edge}", partial(methods.get(name), *arms, alpha=ALPHA), without.get(edge))
    for name, without in WITHOUT_ANSWER.items()
    for edge, arms in ARMS.items()
]


def rows(*values: tuple[float, ...], variables: int = 2) -> CoMoments:
    return CoMoments.from_values(np.asarray(values, dtype=float).reshape(-1, variables))


SOME = rows((3, 2), (5, 5), (8, 7), (2, 1))
NOBODY, ONE, SAME = rows(), rows((1, 2)), rows(*[(2, 2)] * 4)
ON_A_LINE = rows((1, 1), (2, 2), (3, 3)), rows((2, 1), (3, 2), (4, 3))
NO_CLICKS = rows((0, 1), (0, 2))
WITHOUT_VIEWS = rows((1, 0), (2, 0), (0, 0))
FOUR = rows((1, 9, 2, 8), (4, 20, 3, 18), (0, 5, 1, 7), (3, 14, 2, 12), variables=4)
NEW_UNITS = rows((1, 9, 0, 0), (4, 20, 0, 0), (0, 5, 0, 0), variables=4)
NO_FOUR, SAME_FOUR = rows(variables=4), rows(*[(2, 4, 2, 4)] * 3, variables=4)

COVARIATES = [
    case("cuped, an empty arm", lambda: cuped.compare(NOBODY, SOME, alpha=ALPHA), FEW),
    case("cuped, two empty arms", lambda: cuped.compare(NOBODY, NOBODY, alpha=ALPHA), FEW),
    case("cuped, one unit", lambda: cuped.compare(ONE, SOME, alpha=ALPHA), FEW),
    case("cuped, values all the same", lambda: cuped.compare(SAME, SAME, alpha=ALPHA), FLAT),
    case("cuped, all explained", lambda: cuped.compare(*ON_A_LINE, alpha=ALPHA), FLAT),
    case("cuped, a covariate that does not vary", lambda: cuped.compare(rows((1, 2), (3, 2)), SOME, alpha=ALPHA), None),
    case("cuped lift, an empty arm", lambda: cuped.lift(NOBODY, SOME, alpha=ALPHA), FEW),
    case("cuped lift, two empty arms", lambda: cuped.lift(NOBODY, NOBODY, alpha=ALPHA), FEW),
    case("cuped lift, values all the same", lambda: cuped.lift(SAME, SAME, alpha=ALPHA), FLAT),
    case("lin, an empty arm", lambda: lin.compare(SOME, NOBODY, alpha=ALPHA), FEW),
    case("lin, two units", lambda: lin.compare(SOME, rows((1, 2), (3, 5)), alpha=ALPHA), FEW),
    case("lin, all explained", lambda: lin.compare(*ON_A_LINE, alpha=ALPHA), FLAT),
    case("ratio, an empty arm", lambda: ratio.compare(NOBODY, SOME, alpha=ALPHA), FEW),
    case("ratio, one unit", lambda: ratio.compare(SOME, ONE, alpha=ALPHA), FEW),
    case(
        "ratio, denominators all zero",
        lambda: ratio.compare(WITHOUT_VIEWS, SOME, alpha=ALPHA),
        Reason.ZERO_DENOMINATOR,
    ),
    case("ratio, units all the same", lambda: ratio.compare(SAME, SAME, alpha=ALPHA), FLAT),
    case("ratio lift, denominators all zero", lambda: ratio.lift(SOME, WITHOUT_VIEWS, alpha=ALPHA), FEW),
    case(
        "ratio lift, numerators all zero",
        lambda: ratio.lift(rows((0, 1), (0, 2)), SOME, alpha=ALPHA),
        Reason.ZERO_BASELINE,
    ),
    case("ratio with covariate, an empty arm", lambda: ratio_cuped.compare(NO_FOUR, FOUR, alpha=ALPHA), FEW),
    case("ratio with covariate, nothing before", lambda: ratio_cuped.compare(NEW_UNITS, FOUR, alpha=ALPHA), FEW),
    case("ratio with covariate, all the same", lambda: ratio_cuped.compare(SAME_FOUR, SAME_FOUR, alpha=ALPHA), FLAT),
    case("ratio with covariate lift, empty arms", lambda: ratio_cuped.lift(NO_FOUR, NO_FOUR, alpha=ALPHA), FEW),
]


def stratified(
    control_n: Numbers, treatment_n: Numbers, *, m2: float = 30.0, weights: Numbers | None = None
) -> Reasoned:
    control, treatment = (
        Moments(n=numbers(n), mean=numbers([1.0, 5.0]), m2=np.where(numbers(n) > 1, m2, 0.0))
        for n in (control_n, treatment_n)
    )
    return post_stratification.compare(control, treatment, alpha=ALPHA, weights=weights)


STRATA = [
    case("strata, an empty arm", lambda: stratified([0, 0], [40, 60]), FEW),
    case("strata, two empty arms", lambda: stratified([0, 0], [0, 0]), FEW),
    case("strata, one arm empty in a stratum", lambda: stratified([40, 60], [0, 60]), FEW),
    case("strata, one unit in a stratum", lambda: stratified([1, 60], [40, 60]), FEW),
    case("strata, values all the same", lambda: stratified([40, 60], [40, 60], m2=0.0), FLAT),
    case("strata, an empty one of weight zero", lambda: stratified([40, 60], [0, 60], weights=[0, 1]), None),
    case("strata, an empty one of some weight", lambda: stratified([40, 60], [0, 60], weights=[1, 9]), FEW),
]

TEAMS = Clusters(sums=numbers([4.0, 9.0, 2.0, 6.0]), sizes=numbers([2, 3, 1, 4]))
NO_TEAM = Clusters(sums=numbers([]), sizes=numbers([]))
EMPTY_TEAMS = Clusters(sums=numbers([0.0, 0.0]), sizes=numbers([0, 0]))
ONE_TEAM = Clusters(sums=numbers([4.0, 0.0]), sizes=numbers([2, 0]))
FLAT_TEAMS = Clusters(sums=numbers([2.0, 4.0]), sizes=numbers([1, 2]))


def from_sums(control: Clusters, treatment: Clusters) -> Reasoned:
    return clusters.cr0(control.comoments, treatment.comoments, alpha=ALPHA)


def from_clusters(control: Clusters, treatment: Clusters) -> Reasoned:
    return clusters.cr2(control, treatment, alpha=ALPHA)


CLUSTERS = [
    case(f"{method.__name__}, {edge}", partial(method, arm, other), reason)
    for method in (from_sums, from_clusters)
    for edge, arm, other, reason in (
        ("no cluster", NO_TEAM, TEAMS, FEW),
        ("clusters without units", EMPTY_TEAMS, TEAMS, FEW),
        ("one cluster", ONE_TEAM, TEAMS, FEW),
        ("clusters all alike", FLAT_TEAMS, FLAT_TEAMS, FLAT),
    )
]


def medians(control: Numbers, treatment: Numbers) -> Reasoned:
    arms = (Quantiles.from_values(values, 0.5, alpha=ALPHA) for values in (control, treatment))
    return quantiles.compare(*arms, alpha=ALPHA)


QUANTILES = [
    case("quantiles, an empty arm", lambda: medians([], range(100)), FEW),
    case("quantiles, one unit", lambda: medians([1.0], range(100)), FEW),
    case("quantiles, values all the same", lambda: medians([1.0] * 50, [2.0] * 50), FLAT),
    case("quantiles, one arm of the same values", lambda: medians([1.0] * 50, range(100)), None),
]

# --- lifts and baselines --------------------------------------------------------------------------------------------


def lifted(a: float, va: float, b: float, vb: float) -> Reasoned:
    return lift.relative(a, va, b, vb, alpha=ALPHA)


LIFTS = [
    case("lift, a control of zero", lambda: lifted(0.0, 0.1, 1.0, 0.1), Reason.ZERO_BASELINE),
    case("lift, a control next to zero", lambda: lifted(1e-320, 0.1, 1.0, 0.1), Reason.ZERO_BASELINE),
    case("lift, unknown control", lambda: lifted(np.nan, 0.1, 1.0, 0.1), FEW),
    case("lift, unknown variance", lambda: lifted(1.0, 0.1, 1.0, np.nan), FEW),
    case("lift, infinite variance", lambda: lifted(1.0, 0.1, 1.0, np.inf), FEW),
    case("lift, infinite control", lambda: lifted(np.inf, 0.1, 1.0, 0.1), FEW),
    case("lift, no spread", lambda: lifted(1.0, 0.0, 2.0, 0.0), FLAT),
    case("lift, g above 1", lambda: lifted(1.0, 0.3, 1.3, 0.1), Reason.UNBOUNDED),
    case("lift, g beyond every float", lambda: lifted(1e-300, 1.0, 1.0, 1.0), Reason.UNBOUNDED),
    case("lift, a negative control that may be zero", lambda: lifted(-1.0, 0.3, 1.3, 0.1), Reason.UNBOUNDED),
    case("lift, a negative control", lambda: lifted(-2.0, 0.01, -1.5, 0.01), None),
    case("lift, a treatment of zero", lambda: lifted(1.0, 0.01, 0.0, 0.01), None),
]


def observed(variance: float, error: float, n: int | None = None, before: int | None = None) -> Reasoned:
    return baseline.compare(
        1.0, variance, baseline=0.5, baseline_standard_error=error, alpha=ALPHA, n=n, baseline_n=before
    )


BASELINES = [
    case("baseline, no variance at all", lambda: observed(0.0, 0.0), FLAT),
    case("baseline, unknown variance", lambda: observed(np.nan, 0.1), FEW),
    case("baseline, unknown error", lambda: observed(0.1, np.nan), FEW),
    case("baseline, infinite variance", lambda: observed(np.inf, 0.1), FEW),
    case("baseline, no unit", lambda: observed(0.1, 0.1, 0, 50), FEW),
    case("baseline, one unit", lambda: observed(0.1, 0.1, 1, 50), FEW),
    case("baseline, one unit before", lambda: observed(0.1, 0.1, 50, 1), FEW),
    case("baseline, values all the same", lambda: observed(0.0, 0.1, 50, 50), None),
]

# --- times ----------------------------------------------------------------------------------------------------------


def table(n: int, events: Sequence[int], losses: Sequence[int] = (0, 0, 0), *, watched: int = 3) -> LifeTable:
    return life_table([n], [events], [losses], [watched])


GOOD = table(10, [2, 3, 1])
EMPTY_TABLE = table(0, [0, 0, 0])
NOT_WATCHED = table(10, [2, 3, 1], watched=0)
A_DAY = table(10, [2, 3, 1], watched=1)
ALL_CENSORED = table(10, [0, 0, 0])
LOST_AT_ONCE = table(10, [0, 0, 0], [10, 0, 0])
ALL_AT_ONCE = table(10, [10, 0, 0])
ONE_UNIT = table(1, [1, 0, 0])


def restricted(control: LifeTable, treatment: LifeTable) -> Reasoned:
    return rmst.compare(control, treatment, tau=3, alpha=ALPHA)


def ranked(control: LifeTable, treatment: LifeTable) -> Reasoned:
    return logrank.compare(control, treatment)


def hazards(control: LifeTable, treatment: LifeTable) -> Reasoned:
    return logrank.compare(control, treatment).log_hazard_ratio(alpha=ALPHA)


def within_strata(control: LifeTable, treatment: LifeTable) -> Reasoned:
    one, other = (
        LifeTable(at_risk=t.at_risk[np.newaxis], events=t.events[np.newaxis], losses=t.losses[np.newaxis])
        for t in (control, treatment)
    )
    return cox.stratified(one, other)


def shares(control: LifeTable, treatment: LifeTable) -> Reasoned:
    return by_day.compare(control, treatment, day=3, alpha=ALPHA)


TIMES = [
    case(f"{test.__name__}, {edge}", partial(test, *arms), reason)
    for edge, arms, reasons in (
        ("an empty arm", (EMPTY_TABLE, GOOD), (FEW, FEW, FEW)),
        ("nobody watched yet", (GOOD, NOT_WATCHED), (FEW, FEW, FEW)),
        ("all censored in both arms", (ALL_CENSORED, ALL_CENSORED), (FLAT, EVENTS, FLAT)),
        ("all censored in one arm", (ALL_CENSORED, GOOD), (None, None, FLAT)),
        ("all lost on the first day", (LOST_AT_ONCE, LOST_AT_ONCE), (FEW, EVENTS, FEW)),
        ("nobody at risk later", (A_DAY, GOOD), (FEW, None, FEW)),
        ("everybody at once in both arms", (ALL_AT_ONCE, ALL_AT_ONCE), (FLAT, EVENTS, FLAT)),
        ("everybody at once in one arm", (ALL_AT_ONCE, GOOD), (None, None, FLAT)),
        ("one unit", (ONE_UNIT, GOOD), (FEW, None, FLAT)),
    )
    for test, reason in (
        (restricted, reasons[0]),
        (ranked, reasons[1]),
        (hazards, reasons[1]),
        (within_strata, reasons[1]),
        (shares, reasons[2]),
    )
]
CURVES = [
    case(f"{name}, {edge}", partial(read, arm), reason)
    for name, read, expected in (
        ("median", lambda arm: kaplan_meier.median(kaplan_meier.estimate(arm, level=0.95)), (FEW, Reason.NOT_REACHED)),
        ("day", lambda arm: by_day.quantile(kaplan_meier.estimate(arm, level=0.95), 0.25), (FEW, Reason.NOT_REACHED)),
        ("share", lambda arm: by_day.share_by(kaplan_meier.estimate(arm, level=0.95), 3), (FEW, FLAT)),
    )
    for edge, arm, reason in (
        ("nobody", EMPTY_TABLE, expected[0]),
        ("nobody watched yet", NOT_WATCHED, expected[0]),
        ("all censored", ALL_CENSORED, expected[1]),
    )
]
FITS = [
    case("cox, nobody", lambda: cox.fit([], [], [], alpha=ALPHA), FEW),
    case("cox, one arm", lambda: cox.fit([1, 2], [1, 1], [1, 1], alpha=ALPHA), FEW),
    case("cox, all censored", lambda: cox.fit([1, 2, 3], [0, 0, 0], [1, 0, 1], alpha=ALPHA), EVENTS),
    case("cox, one arm censored", lambda: cox.fit([1, 2, 3], [1, 0, 1], [1, 0, 1], alpha=ALPHA), EVENTS),
]

# --- from other results ---------------------------------------------------------------------------------------------

STEADY = Moments(n=numbers(50), mean=numbers(1.0), m2=numbers(20.0))
SINGLE = Moments(n=numbers(1), mean=numbers(1.0), m2=numbers(0.0))
RIGID = Moments(n=numbers(50), mean=numbers(1.0), m2=numbers(0.0))


def not_worse(arm: Moments, df: float = np.inf) -> Reasoned:
    return noninferiority.against(welch.compare(arm, arm, alpha=ALPHA), margin=0.1, alpha=0.025, df=df)


def believed(difference: float, variance: float, doubt: float = 0.1) -> Reasoned:
    return bayes.read_out(difference, variance, prior=bayes.Prior(mean=0.0, variance=doubt), alpha=ALPHA)


DERIVED = [
    case("non-inferiority, one unit", lambda: not_worse(SINGLE), FEW),
    case("non-inferiority, values all the same", lambda: not_worse(RIGID), FLAT),
    case("non-inferiority, no degrees of freedom", lambda: not_worse(STEADY, df=0.0), FEW),
    case(
        "non-inferiority, a score test without a variance",
        lambda: noninferiority.against(
            methods.get("proportions")(*ARMS["none against all"], alpha=ALPHA), margin=0.1, alpha=0.025
        ),
        FLAT,
    ),
    case("posterior, no variance", lambda: believed(0.1, 0.0), FLAT),
    case("posterior, unknown variance", lambda: believed(0.1, np.nan), FEW),
    case("posterior, infinite variance", lambda: believed(0.1, np.inf), FEW),
    case("posterior, unknown prior", lambda: believed(0.1, 0.1, doubt=np.nan), FEW),
    case("posterior, no opinion before", lambda: believed(0.1, 0.1, doubt=np.inf), None),
    case("pooled, no experiment", lambda: meta.pool([], [], alpha=ALPHA).answer, FEW),
    case("pooled, none with an answer", lambda: meta.pool([np.nan], [np.nan], alpha=ALPHA).answer, FEW),
    case("pooled, two are too few for a spread", lambda: meta.pool([0.1, 0.2], [0.1, 0.1], alpha=ALPHA).random, FEW),
    case("pooled, one is its own answer", lambda: meta.pool([0.1], [0.1], alpha=ALPHA).answer, None),
]


@pytest.mark.parametrize(
    "edge",
    [*REGISTERED, *COVARIATES, *STRATA, *CLUSTERS, *QUANTILES, *LIFTS, *BASELINES, *TIMES, *CURVES, *FITS, *DERIVED],
)
def test_an_edge_has_an_answer_or_the_reason_for_none(edge: Case) -> None:
    found = edge.ask()
    reason = reason_of(int(found.reason))
    assert reason is edge.reason
    assert np.isnan(said(found)).all() if reason else not np.isnan(said(found)).any()


def test_every_registered_method_is_on_the_edge() -> None:
    assert set(WITHOUT_ANSWER) == set(methods.METHODS)


def test_a_lift_may_be_known_without_its_limits() -> None:
    unbounded, unknown = (lift.relative(a, 0.3, 1.5, 0.1, alpha=ALPHA).at() for a in (1.0, 0.0))
    assert unbounded == Lift(lift=0.5, interval=Undefined(reason=Reason.UNBOUNDED))
    assert unknown == Undefined(reason=Reason.ZERO_BASELINE)


def test_an_edge_leaves_the_cells_beside_it_alone() -> None:
    arms = [Moments(n=numbers(n), mean=numbers(mean), m2=numbers(10.0)) for n, mean in (([0, 9, 9], 1.0), (9, 2.0))]
    found = welch.compare(*arms, alpha=ALPHA)
    assert found.at(0) == Undefined(reason=FEW)
    assert found.at(1) == found.at(2)


# --- staggered entry ------------------------------------------------------------------------------------------------

DAYS = 3
NO_ENTRY = Cohorts(entered=numbers([0, 0]), events=np.zeros((2, 3)), losses=numbers(0))
NO_EVENT = Cohorts(entered=numbers([9, 9]), events=np.zeros((2, 3)), losses=numbers(0))
ALL_LOST = Cohorts(entered=numbers([9, 9]), events=np.zeros((2, 3)), losses=numbers([[9, 0, 0], [9, 0, 0]]))
SOME_ENTRY = Cohorts(entered=numbers([9, 9]), events=numbers([[1, 1, 0], [2, 0, 0]]), losses=numbers(0))


@pytest.mark.parametrize("strata", [None, range(2)])
@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (NO_ENTRY, SOME_ENTRY, FEW),
        (NO_ENTRY, NO_ENTRY, FEW),
        (NO_EVENT, NO_EVENT, EVENTS),
        (ALL_LOST, ALL_LOST, EVENTS),
    ],
)
def test_days_of_staggered_entry_without_an_answer_say_why(
    control: Cohorts, treatment: Cohorts, reason: Reason, strata: range | None
) -> None:
    found = staggered.log_rank_by_day(control, treatment, days=DAYS, strata=strata)
    assert [found.reason_at(day) for day in range(DAYS)] == [reason] * DAYS
    assert np.isnan([found.statistic, found.p_value]).all()
    assert np.isnan(staggered.log_rank_evidence(found, tau2=0.25)).all()
    assert (safe_logrank.log_e_value(control, treatment, hazard_ratio=2.0, days=DAYS) == 0).all()
    means = staggered.restricted_mean_by_day(control, treatment, tau=2, alpha=ALPHA, days=DAYS, fewest=1)
    assert (means.reason != 0).all()
    assert np.isnan([means.p_value, means.lower, means.upper]).all()
