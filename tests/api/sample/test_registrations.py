"""Inputs refer to each other, speak the schema's words, and plan a horizon that holds."""

from api.sample import Company
from api.sample.kpis import Input
from api.sample.runs import RUNS
from kpi.enums import Change, Direction, Driver, Frequency, Tier, Unit
from tests.api.sample.wire import window_days


def keys(inputs: tuple[Input, ...]) -> set[str]:
    return {each["key"] for each in inputs}


def test_references_resolve(company: Company) -> None:
    registered = company.registrations
    assert {each["kpi"] for each in registered.hypotheses} <= keys(registered.kpis)
    assert {each["hypothesis"] for each in registered.experiments} == keys(registered.hypotheses)
    assert {row["kpi"] for each in registered.experiments for row in each["plan"]["kpis"]} <= keys(registered.kpis)
    assert keys(registered.experiments) == set(company.periods) == {run.key for run in RUNS}


def test_kpis_speak_the_schemas_words(company: Company) -> None:
    words = {"unit": Unit, "direction": Direction, "tier": Tier, "driver": Driver, "frequency": Frequency}
    for kpi in company.registrations.kpis:
        said = {field: enum for field, enum in words.items() if field in kpi or "fromCatalogue" not in kpi}
        for field, enum in said.items():
            assert kpi[field] in list(enum)
    assert all(each["direction"] in list(Change) for each in company.registrations.hypotheses)


def test_primary_kpi_is_the_one_of_the_hypothesis(company: Company) -> None:
    aims = {each["key"]: each["kpi"] for each in company.registrations.hypotheses}
    for experiment in company.registrations.experiments:
        primaries = [row["kpi"] for row in experiment["plan"]["kpis"] if row["role"] == "PRIMARY"]
        assert primaries == [aims[experiment["hypothesis"]]]


def test_guardrails_and_only_they_have_a_margin(company: Company) -> None:
    rows = [row for experiment in company.registrations.experiments for row in experiment["plan"]["kpis"]]
    assert all((row["role"] == "GUARDRAIL") == (row["margin"] is not None) for row in rows)
    assert {row["role"] for row in rows} == {"PRIMARY", "SECONDARY", "GUARDRAIL"}


def test_horizon_covers_enrolment_and_the_longest_window(company: Company) -> None:
    definitions = {kpi["key"]: kpi["definition"] for kpi in company.registrations.kpis if "definition" in kpi}
    for run, experiment in zip(RUNS, company.registrations.experiments, strict=True):
        longest = max(window_days(definitions[row["kpi"]]) for row in experiment["plan"]["kpis"])
        assert experiment["plan"]["horizonDays"] >= max(28, run.enrol_days + longest)


def test_every_planned_kpi_has_a_truth(company: Company) -> None:
    known = {(truth.experiment, truth.kpi) for truth in company.truths if truth.plan is None}
    for experiment in company.registrations.experiments:
        assert {(experiment["key"], row["kpi"]) for row in experiment["plan"]["kpis"]} <= known
