"""The checks of the data: each with what makes it warn, what leaves it silent, and how seldom it errs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from scipy.special import gammaln
from statsmodels.regression.linear_model import WLS

from experiments.enums import Role
from experiments.inference.behaviour import TREND_ALARM, drift, no_outcomes, trend
from experiments.inference.cohorts import Aggregates
from experiments.inference.facts import Fact, FactName
from experiments.inference.findings import Arm, BaselineTest, Curve, Curves, Finding
from experiments.inference.health import ALARM, Check, CheckKind, Health, HealthState
from experiments.inference.monitoring import Circumstances, Leaks, inspect
from experiments.planning.plan import Plan
from kpi import kinds
from kpi.kinds.shape import CurveOf, Scale
from tests.experiments.planning import CONTROL, IDS, OTHER, TREATMENT, Rows, aggregates, day, evaluated, plan, planned
from tests.experiments.test_verdict import KEPT, finding

OK, WARNING, INVALID = HealthState
PLAN = plan()
Counts = Sequence[tuple[int, ...]]


def rows(of: Plan, *by_day: tuple[int, ...], segment: str = "") -> Rows:
    """Units of each variant, day by day."""
    entries = [
        {"variant_id": IDS[variant.key], "entered_on": day(number), "segment": segment, "n": n}
        for number, counts in enumerate(by_day)
        for variant, n in zip(of.variants, counts, strict=True)
        if n
    ]
    return Rows(entries=entries, moments=[], durations=[])


def checked(
    *by_day: tuple[int, ...],
    of: Plan = PLAN,
    segments: Mapping[str, Counts] | None = None,
    crossovers: dict[str, int] | None = None,
    open_since: date | None = None,
    leaks: Leaks | None = None,
    through: int | None = None,
) -> Health:
    """The checks on units that came day by day and did nothing yet."""
    made = rows(of, *by_day)
    for segment, counts in (segments or {}).items():
        made.entries.extend(rows(of, *counts, segment=segment).entries)
    seen = aggregates(of, made, day(len(by_day) if through is None else through))
    circumstances = Circumstances(crossovers=crossovers or {}, open_since=open_since, leaks=leaks)
    return inspect(of, seen, [], KEPT, circumstances)


def one(health: Health, kind: CheckKind) -> Check:
    (found,) = [check for check in health.checks if check.kind is kind]
    return found


def number(check: Check, name: FactName, about: str = "") -> float:
    (found,) = [fact.value for fact in check.facts if (fact.name, fact.about) == (name, about)]
    return found


# --- all of them -----------------------------------------------------------------------------------------------------


def test_health_is_its_worst_check() -> None:
    made = [Check(kind=CheckKind.SPLIT, state=state, sentence=state.value) for state in (WARNING, INVALID, OK)]
    assert [Health(checks=tuple(made[:place])).state for place in range(4)] == [OK, WARNING, INVALID, INVALID]
    assert Health(checks=tuple(made)).in_state(WARNING) == made[:1]


def test_health_before_any_unit_has_nothing_to_warn_of() -> None:
    health = checked(open_since=day(0), through=0)
    assert (health.state, {check.kind for check in health.checks}) == (
        OK,
        {CheckKind.SPLIT, CheckKind.STALLED, CheckKind.NO_OUTCOMES},
    )


def evidence(counts: Sequence[int], k: float) -> float:
    """Against an even split, by Lindon & Malek's Dirichlet mixture of strength k."""
    n = sum(counts)
    mixture = sum(gammaln(k / 2 + count) - gammaln(k / 2) for count in counts)
    return float(np.exp(gammaln(k) - gammaln(k + n) + mixture + n * np.log(2)))


# --- the split within segments ---------------------------------------------------------------------------------------


def test_segment_that_loses_units_of_one_variant_warns_by_name_with_its_sequential_p_value_corrected() -> None:
    by_segment = {"plan=free": [(500, 500), (500, 500)], "plan=team": [(150, 250), (160, 240)]}
    check = one(checked((650, 750), (660, 740), segments=by_segment), CheckKind.SEGMENT_SPLIT)
    assert check.state is WARNING
    assert "where plan=team" in check.sentence
    assert "free" not in check.sentence
    # The evidence after the second day, for two segments.
    k = max(100.0, (PLAN.planned_units or 0) / 10)
    log_e = (
        gammaln(k) - gammaln(k + 800) + sum(gammaln(k / 2 + n) - gammaln(k / 2) for n in (310, 490)) + 800 * np.log(2)
    )
    assert number(check, FactName.P_VALUE, "plan=team") == pytest.approx(2 * np.exp(-log_e))


def test_segments_split_by_chance_are_fine() -> None:
    by_segment = {"plan=free": [(500, 520), (510, 500)], "plan=team": [(190, 210), (205, 195)]}
    assert one(checked((690, 730), (715, 695), segments=by_segment), CheckKind.SEGMENT_SPLIT).state is OK


def test_experiment_without_segments_has_no_check_of_them() -> None:
    assert CheckKind.SEGMENT_SPLIT not in {check.kind for check in checked((5, 5)).checks}


# --- holdout ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leaked", "state"), [(0, OK), (5, OK), (6, WARNING), (400, WARNING)])
def test_leaks_of_more_than_one_unit_in_a_hundred_held_out_warn(leaked: int, state: HealthState) -> None:
    check = one(checked((500, 490), leaks=Leaks(units=500, leaked=leaked)), CheckKind.HOLDOUT)
    assert (check.state, number(check, FactName.SHARE)) == (state, leaked / 500)


@pytest.mark.parametrize("leaks", [None, Leaks(units=0, leaked=0)])
def test_experiment_that_holds_nobody_out_has_no_check_of_it(leaks: Leaks | None) -> None:
    assert CheckKind.HOLDOUT not in {check.kind for check in checked((500, 490), leaks=leaks).checks}


# --- crossovers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crossed", "state"),
    [((5, 5), OK), ((6, 5), WARNING), ((50, 60), WARNING), ((60, 52), INVALID)],
)
def test_crossovers_warn_from_one_in_a_hundred_on_and_above_one_in_ten_nothing_holds(
    crossed: tuple[int, int], state: HealthState
) -> None:
    check = one(checked((500, 490), crossovers={"control": crossed[0], "treatment": crossed[1]}), CheckKind.CROSSOVERS)
    assert check.state is state
    assert number(check, FactName.SHARE) == sum(crossed) / (990 + sum(crossed))


@pytest.mark.parametrize(("crossed", "state"), [((35, 65), OK), ((15, 85), WARNING)])
def test_few_crossovers_that_come_from_one_variant_warn(crossed: tuple[int, int], state: HealthState) -> None:
    check = one(
        checked((8000, 8000), crossovers={"control": crossed[0], "treatment": crossed[1]}), CheckKind.CROSSOVERS
    )
    assert check.state is state
    assert number(check, FactName.P_VALUE) == pytest.approx(min(1.0, 1 / evidence(crossed, 100.0)))


def test_crossovers_of_units_drawn_twice_come_from_a_rare_variant_as_often_as_from_the_usual_one() -> None:
    """P(first control, then treatment) is P(first treatment, then control), whatever the weights."""
    of = plan(variants=[replace(CONTROL, weight=9.0), TREATMENT])
    assert (
        one(checked((9000, 1000), of=of, crossovers={"control": 45, "treatment": 45}), CheckKind.CROSSOVERS).state is OK
    )


# --- stalled enrolment -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("came", "idle", "state"),
    [
        ([(10, 10)] * 4, 2, OK),  # a weekend
        ([(10, 10)] * 4, 3, WARNING),
        ([(1, 0), (0, 1)], 6, OK),  # one a day: six days without one may happen
        ([(1, 0), (0, 1)], 7, WARNING),
    ],
)
def test_running_experiment_that_nobody_enters_warns_when_seven_units_are_missed(
    came: Counts, idle: int, state: HealthState
) -> None:
    check = one(checked(*came, open_since=day(0), through=len(came) + idle), CheckKind.STALLED)
    assert (check.state, number(check, FactName.DAYS)) == (state, idle)


def test_enrolment_that_was_just_resumed_or_is_closed_is_not_stalled() -> None:
    came = [(10, 10)] * 4
    assert one(checked(*came, open_since=day(8), through=10), CheckKind.STALLED).state is OK
    assert CheckKind.STALLED not in {check.kind for check in checked(*came, open_since=None, through=10).checks}


def test_started_experiment_that_nobody_ever_entered_warns_after_three_days() -> None:
    for days, state in ((2, OK), (3, WARNING)):
        seen = replace(aggregates(PLAN, rows(PLAN), day(days)))
        health = inspect(PLAN, seen, [], KEPT, Circumstances(crossovers={}, open_since=day(0)))
        assert one(health, CheckKind.STALLED).state is state


# --- outcomes that are missing ---------------------------------------------------------------------------------------


def arm(n: int, value: float | None, error: float | None = None) -> Arm:
    return Arm(n=n, open=0, censored=0, value=value, standard_error=error)


def curves(control: float, treatment: float) -> Curves:
    def arm_of(share: float) -> Curve:
        return Curve(share=[0.0, share, None], lower=[], upper=[], at_risk=[], median=None)

    return Curves(
        of=CurveOf.REACHED,
        days=[],
        control=arm_of(control),
        treatment=arm_of(treatment),
        log_rank=None,
        hazard_ratio=None,
    )


USUAL = BaselineTest(
    value=0.3,
    standard_error=0.01,
    n=2000,
    version=1,
    difference=None,
    interval=None,
    p_value=None,
    control_difference=None,
    control_interval=None,
    control_p_value=None,
)


AMOUNTS = {"treatment": arm(100, 0.0, 0.0), "scale": Scale.AMOUNT}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"control": arm(70, 0.1), "treatment": arm(70, 0.0)}, {"Shorter form": 7.0}),
        ({"control": arm(69, 0.1), "treatment": arm(69, 0.0)}, {}),
        ({"control": arm(70, 0.0), "treatment": arm(70, 0.1)}, {"Control": 7.0}),
        ({"control": arm(70, 0.1), "treatment": arm(70, 0.1)}, {}),
        ({"control": arm(700, 0.0), "treatment": arm(600, 0.0)}, {"Control": 7.0}),  # nobody: one in a hundred
        ({"control": arm(30, 0.0), "treatment": arm(20, 0.0), "baseline": USUAL}, {"Control": 9.0}),
        ({"control": arm(70, None), "treatment": arm(70, None)}, {}),
        # Amounts: a mean four standard errors from zero comes from sixteen units at least.
        (
            {"control": arm(100, 2.0, 0.5), "treatment": arm(100, 0.0, 0.0), "scale": Scale.AMOUNT},
            {"Shorter form": 16.0},
        ),
        ({"control": arm(100, 2.0, 1.0), "treatment": arm(100, 0.0, 0.0), "scale": Scale.AMOUNT}, {}),
        (
            {"control": arm(40, 3.0), "treatment": arm(40, 4.0), "scale": Scale.DAYS, "curves": curves(0.25, 0.0)},
            {"Shorter form": 10.0},
        ),
        # A share with a curve: the share itself says whether anybody did it.
        ({"control": arm(70, 0.1), "treatment": arm(70, 0.0), "curves": curves(0.4, 0.2)}, {"Shorter form": 7.0}),
    ],
)
def test_variant_without_any_outcome_warns_where_seven_were_to_be_expected(
    changes: dict[str, Any], expected: dict[str, float]
) -> None:
    check = no_outcomes("Control", [finding(**changes)])
    assert check.state is (WARNING if expected else OK)
    assert {fact.about: fact.value for fact in check.facts} == pytest.approx(
        {f"“Activation” in {name}": units for name, units in expected.items()}
    )


# --- control against its baseline ------------------------------------------------------------------------------------


def drifted(value: float, n: int = 4000) -> Finding:
    return finding(control=arm(n, value, 0.007), treatment=arm(n, value, 0.007), baseline=USUAL)


def test_control_that_left_its_baseline_warns_with_both_errors_counted() -> None:
    check = drift(PLAN, [drifted(0.36)])
    assert check is not None
    assert check.state is WARNING
    # The normal mixture by hand: tau is the mde of 0.05, the variance that of control and that of the baseline.
    variance = 0.007**2 + 0.01**2
    k = 0.05**2 / variance
    log_e = 0.06**2 / variance * k / (2 * (1 + k)) - np.log1p(k) / 2
    about = "“Activation”"
    assert number(check, FactName.P_VALUE, about) == pytest.approx(np.exp(-log_e))
    assert number(check, FactName.DIFFERENCE, about) == pytest.approx(0.06)


def test_control_that_may_be_where_it_was_is_fine_and_a_small_one_is_not_asked() -> None:
    check = drift(PLAN, [drifted(0.32)])
    assert check is not None
    assert check.state is OK
    assert drift(PLAN, [drifted(0.6, n=99)]) is None


def test_drift_is_asked_once_a_kpi_and_not_without_a_baseline_or_a_planned_size() -> None:
    both = [drifted(0.36), replace(drifted(0.36), variant=OTHER)]
    assert drift(PLAN, both) == drift(PLAN, both[:1])
    assert drift(PLAN, [replace(drifted(0.36), baseline=None)]) is None
    informing = plan(planned(), planned("return", role=Role.SECONDARY, mde=None))
    assert drift(informing, [replace(drifted(0.36), kpi="return")]) is None


# --- an effect that changes with the day of entry --------------------------------------------------------------------


def moments_of(of: Plan, means: Sequence[tuple[float, float]], n: int = 400) -> Rows:
    made = rows(of, *[(n, n)] * len(means))
    for number_, pair in enumerate(means):
        for variant, mean in zip(of.variants, pair, strict=True):
            own = {"variant_id": IDS[variant.key], "entered_on": day(number_), "segment": "", "n": n}
            shape = {"definition_id": of.kpis[0].definition.id, "mean": mean, "m2": n * mean * (1 - mean)}
            made.moments.append(own | shape)
    return made


def seen(means: Sequence[tuple[float, float]], n: int = 400) -> Aggregates:
    return aggregates(PLAN, moments_of(PLAN, means, n), day(len(means) + 2))


def test_effect_that_fades_warns_with_the_slope_of_weighted_least_squares() -> None:
    means = [(0.3 + 0.01 * (number % 2), 0.5 - 0.009 * number) for number in range(20)]
    check = trend(PLAN, seen(means))
    assert check is not None
    assert check.state is WARNING
    about = "“Activation” in Shorter form"
    differences = [b - a for a, b in means]
    weeks = np.column_stack((np.ones(20), np.arange(20) / 7))
    variances = [_unit_variance([pair[place] for pair in means]) / 400 for place in (0, 1)]
    theirs = WLS(differences, weeks, weights=np.full(20, 1 / sum(variances))).fit(cov_type="fixed scale")
    assert number(check, FactName.SLOPE, about) == pytest.approx(theirs.params[1])
    variance, tau2 = theirs.bse[1] ** 2, (0.05 / (16 / 7)) ** 2
    log_e = theirs.params[1] ** 2 / variance * tau2 / (2 * (tau2 + variance)) - np.log1p(tau2 / variance) / 2
    assert number(check, FactName.P_VALUE, about) == pytest.approx(np.exp(-log_e))


def _unit_variance(shares: Sequence[float]) -> float:
    """Of 400 units a day: all of them together are shares of a whole."""
    share, n = float(np.mean(shares)), 400 * len(shares)
    return n * share * (1 - share) / (n - 1)


def test_trend_waits_for_two_weeks_of_final_entry_days() -> None:
    means = [(0.3, 0.6 - 0.02 * number) for number in range(14)]
    found = [trend(PLAN, aggregates(PLAN, moments_of(PLAN, means), day(days))) for days in (15, 16)]
    assert [check and check.state for check in found] == [None, WARNING]


def test_trend_of_time_to_value_is_that_of_the_mean_days_up_to_tau() -> None:
    """Nobody is lost, so each day's restricted mean is the plain mean of the days, at most tau of them."""
    of, n, tau = plan(planned("speed", kinds.TimeToValue(event="activated", tau_days=3), mde=0.3)), 300, 3
    got_there = [((90, 60), (90 + 7 * number, 60)) for number in range(20)]  # on the first and on the second day
    made = rows(of, *[(n, n)] * 20)
    for number_, pair in enumerate(got_there):
        for variant, events in zip(of.variants, pair, strict=True):
            own = {"variant_id": IDS[variant.key], "entered_on": day(number_), "segment": ""}
            cell = own | {"definition_id": of.kpis[0].definition.id, "losses": 0}
            made.durations.extend(cell | {"day": place, "events": count} for place, count in enumerate(events))
    check = trend(of, aggregates(of, made, day(20 + tau)))
    assert check is not None
    assert check.state is WARNING
    times = [[_times(pair[place], n, tau) for pair in got_there] for place in (0, 1)]
    differences = [b.mean() - a.mean() for a, b in zip(*times, strict=True)]
    variance = sum(np.concatenate(arm).var() for arm in times) / n
    weeks = np.column_stack((np.ones(20), np.arange(20) / 7))
    theirs = WLS(differences, weeks, weights=np.full(20, 1 / variance)).fit(cov_type="fixed scale")
    assert number(check, FactName.SLOPE, "“Speed” in Shorter form") == pytest.approx(theirs.params[1])
    ratio = (0.3 / (16 / 7)) ** 2 / theirs.bse[1] ** 2
    log_e = (theirs.params[1] / theirs.bse[1]) ** 2 * ratio / (2 * (1 + ratio)) - np.log1p(ratio) / 2
    assert number(check, FactName.P_VALUE, "“Speed” in Shorter form") == pytest.approx(np.exp(-log_e))


def _times(events: tuple[int, int], n: int, tau: int) -> np.ndarray[Any, Any]:
    return np.repeat([1.0, 2.0, float(tau)], [*events, n - sum(events)])


def test_trend_is_asked_of_deciding_kpis_only() -> None:
    of = plan(
        planned(role=Role.SECONDARY), planned("speed", kinds.TimeToValue(event="activated", tau_days=4), mde=None)
    )
    assert trend(of, aggregates(of, rows(of, (5, 5)), day(20))) is None


def test_trend_of_a_lasting_effect_looked_at_every_day_is_seldom_seen() -> None:
    draw, alarms, experiments = np.random.default_rng(41), 0, 100
    for _ in range(experiments):
        means = list(zip(*(draw.binomial(200, share, 28) / 200 for share in (0.3, 0.36)), strict=True))
        made = moments_of(PLAN, means, 200)
        looked = (trend(PLAN, aggregates(PLAN, made, day(days))) for days in range(16, 31, 2))
        alarms += any(check is not None and check.state is WARNING for check in looked)
    assert alarms / experiments <= TREND_ALARM + 3 * (TREND_ALARM * (1 - TREND_ALARM) / experiments) ** 0.5


# --- in an evaluation ------------------------------------------------------------------------------------------------


def test_health_of_a_sound_experiment_is_ok_and_every_number_is_one() -> None:
    draw = np.random.default_rng(3)
    means = list(zip(*(draw.binomial(400, share, 20) / 400 for share in (0.3, 0.33)), strict=True))
    made = moments_of(PLAN, means)
    findings = evaluated(PLAN, made, day(22)).findings
    found = inspect(
        PLAN,
        aggregates(PLAN, made, day(22)),
        findings,
        KEPT,
        Circumstances(crossovers={"control": 3, "treatment": 4}, open_since=day(0)),
    )
    assert found.state is OK
    assert len(found.checks) == 6
    assert all(isinstance(fact, Fact) and np.isfinite(fact.value) for check in found.checks for fact in check.facts)
    assert number(one(found, CheckKind.DRIFT), FactName.P_VALUE, "“Activation”") > ALARM
