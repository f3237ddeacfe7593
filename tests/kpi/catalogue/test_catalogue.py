"""The catalogue's data: every KPI of it is one that could be registered as it stands, and every event is told."""

from datetime import UTC, datetime

import pytest

from kpi.catalogue import AREAS, Template, signals, templates
from kpi.catalogue.completion import Choice, completed
from kpi.catalogue.page import PAGE, page
from kpi.kinds import Composite, written
from kpi.kinds.composite import is_component
from kpi.outcomes import read
from kpi.service import definition_problems, entry_problems, key_problems, segment_problems, text_problems

PROMISED = {
    "onboarding": (
        "ttfv time-to-second-value activation-rate onboarding-tasks onboarding-completion early-usage-depth"
        " early-usage-days early-usage-median"
    ),
    "adoption": (
        "stickiness seat-utilisation feature-breadth feature-depth account-usage-days adoption-velocity pxq-signals"
        " pqa-rate pqa-to-opportunity"
    ),
    "retention": (
        "retention-d7 retention-d30 rolling-retention bracket-retention return-cadence logo-churn grr nrr"
        " revenue-contraction revenue-churn"
    ),
    "renewal": (
        "renewal-rate renewal-rate-arr renewal-forecast-accuracy renewal-forecast-error renewal-conversation-speed"
    ),
    "health": (
        "outcome-attainment support-incidents incidents-per-customer survey-happiness sentiment service-quality"
        " happiness health-score save-rate time-to-save"
    ),
    "expansion": (
        "expansion-rate expansion-win-rate cross-department-adoption cost-to-serve margin-per-customer margin-rate"
    ),
    "advocacy": "reference-count review-velocity",
}
EVERY = pytest.mark.parametrize("template", templates().values(), ids=lambda template: template.key)
LATER = datetime(2027, 12, 31, tzinfo=UTC)


def test_the_catalogue_has_every_kpi_that_is_promised() -> None:
    assert tuple(PROMISED) == AREAS
    found = {area: [one.key for one in templates().values() if one.area == area] for area in AREAS}
    assert found == {area: keys.split() for area, keys in PROMISED.items()}


@EVERY
def test_a_kpi_of_the_catalogue_breaks_no_rule_of_registering(template: Template) -> None:
    fields, problems = completed({"owner": "Ada"}, Choice(template=template.key))
    texts = {name: fields[name] for name in ("name", "description", "action", "data_source", "owner")}
    problems += key_problems(template.key) + text_problems(texts, required=set(texts))
    problems += definition_problems(template.kind) + segment_problems(template.segments)
    assert problems + entry_problems(template.enters, template.shown, template.unit) == []


@EVERY
def test_a_kpi_of_the_catalogue_says_what_it_needs(template: Template) -> None:
    names = [signal.name for signal in template.events]
    assert set(template.shown.events) <= set(names)
    assert len(set(names)) == len(names) > 0
    assert all(f"`{name}`" in template.formula for name in template.shown.events) or _is_told_otherwise(template)


def _is_told_otherwise(template: Template) -> bool:
    """A composite tells its parts in words; who is lost is told as waiting no longer."""
    return isinstance(template.kind, Composite) or "censored" in template.formula


@EVERY
def test_a_kpi_of_the_catalogue_that_is_a_share_reads_in_per_cent_and_no_other(template: Template) -> None:
    assert template.shown.scale.is_percentage == template.measured_in.startswith("share")


@EVERY
def test_a_kpi_of_the_catalogue_reads_back_as_it_is_written(template: Template) -> None:
    assert written.read(written.write(template.kind), ()) == (template.kind, [])


def test_a_composite_of_the_catalogue_is_made_of_kpis_of_the_catalogue_that_stand_before_it() -> None:
    order = list(templates())
    composites = [one for one in templates().values() if isinstance(one.kind, Composite)]
    assert len(composites) == 2
    for composite in composites:
        assert isinstance(composite.kind, Composite)
        for component in composite.kind.components:
            part = templates()[component.kpi]
            assert is_component(part.kind)
            assert part.unit is composite.unit
            assert order.index(component.kpi) < order.index(composite.key)


def test_every_event_of_the_catalogue_is_read_by_a_kpi() -> None:
    assert {signal.name for template in templates().values() for signal in template.events} == set(signals())


def test_the_row_that_shows_an_event_is_one_that_is_accepted() -> None:
    rows = [signal.example for signal in signals().values()]
    outcomes, refusals = read(rows, LATER, lax=False)
    assert refusals == []
    assert list(outcomes.events) == [row["event"] for row in rows] == list(signals())
    assert [("value" in row) for row in rows] == [signal.value is not None for signal in signals().values()]


def test_the_page_of_the_catalogue_is_what_its_data_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make catalogue`"
