"""How the sample company steers: what it names is registered, and what it assumes holds the truth."""

from datetime import date

import pytest

from api.sample.kpis import CUSTOMER_KPIS, HEALTH_KPIS, KPIS
from api.sample.runs import RUNS
from api.sample.steering import ASSUMED, CARRIED, Step, mark, steps
from api.sample.truths import carried_over, elasticity

TODAY = date(2026, 11, 22)


def kpis_of(step: Step) -> set[str]:
    """The keys of KPIs that a step names."""
    return {key for key in (step.kpi, step.given.get("leading"), step.given.get("lagging")) if key}


def test_steps_name_kpis_that_are_registered() -> None:
    registered = {given["key"] for given in (*KPIS, *CUSTOMER_KPIS, *HEALTH_KPIS)}
    assert set().union(*(kpis_of(step) for step in (*steps(TODAY), mark()))) <= registered


def test_steps_are_the_same_for_the_same_day_and_targets_lie_ahead() -> None:
    assert list(steps(TODAY)) == list(steps(TODAY))
    assert {step.given["dueOn"] for step in steps(TODAY) if "dueOn" in step.given} == {"2027-03-22"}


def test_what_is_assumed_of_the_ladder_holds_its_truth() -> None:
    for leading, lagging, (low, likely, high) in ASSUMED:
        assert low < likely < high
        assert low < elasticity(leading, lagging) < high


@pytest.mark.parametrize(
    ("experiment", "leading"),
    [("guided-onboarding", "ttfv"), ("smart-templates", "activation-7d"), ("checklist-nudge", "activation-7d")],
)
def test_what_is_assumed_to_carry_over_to_customers_holds_what_each_treatment_does(
    experiment: str, leading: str
) -> None:
    run = next(run for run in RUNS if run.key == experiment)
    ((lagging, (low, likely, high)),) = [link[1:] for link in CARRIED if link[0] == leading]
    assert low < likely < high
    assert low < carried_over(run, leading, lagging) < high
