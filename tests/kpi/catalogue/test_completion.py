"""What somebody says of a KPI, and what the catalogue says of the rest."""

from typing import Any

from kpi.catalogue.completion import Choice, completed
from kpi.enums import Direction, Driver, Granularity, Unit
from kpi.errors import Code, Problem
from kpi.history.entry import Entry
from kpi.kinds import Ratio, TimeToValue
from kpi.kinds.terms import Amount, How, Measured, Term

OWNED = {"owner": "Ada"}


def faults(given: dict[str, Any], choice: Choice) -> list[tuple[tuple[str, ...], str]]:
    _, problems = completed(given, choice, ("kpis", "0"))
    return [(problem.path, problem.message) for problem in problems]


def test_a_kpi_of_the_catalogue_takes_from_it_what_is_not_given() -> None:
    fields, problems = completed(OWNED, Choice(template="nrr"))
    assert problems == []
    assert (fields["key"], fields["name"], fields["owner"]) == ("nrr", "Net revenue retention", "Ada")
    assert (fields["unit"], fields["direction"], fields["driver"]) == (Unit.ACCOUNT, Direction.HIGHER, Driver.EXPANSION)
    assert fields["entry"] == Entry(every=Granularity.MONTH)
    assert fields["data_source"] == "Events: mrr"
    assert fields["segments"] == ("plan", "segment", "region")


def test_what_is_given_wins_over_the_catalogue() -> None:
    mine = TimeToValue(event="paid", tau_days=10)
    given = {**OWNED, "key": "ttfv-paid", "segments": (), "action": "", "definition": mine}
    fields, problems = completed(given, Choice(template="ttfv"))
    assert problems == []
    assert {name: fields[name] for name in given} == given
    assert fields["name"] == "Time to first value"


def test_events_of_the_catalogue_are_renamed_wherever_a_kpi_reads_them() -> None:
    fields, problems = completed(OWNED, Choice(template="logo-churn", events=(("mrr", "arr"),)))
    assert problems == []
    end, start = (Amount(event="arr", of=of) for of in (Measured.LEVEL_AT_END, Measured.LEVEL_AT_START))
    had = Amount(event="arr", of=Measured.HAD_AT_START)
    left = Term(amount=end, how=How.LEFT, other=start)
    assert fields["definition"] == Ratio(window_days=365, numerator=left, denominator=Term(amount=had))
    assert fields["data_source"] == "Events: arr"


def test_the_event_by_which_units_enter_and_that_of_a_loss_are_renamed_too() -> None:
    renames = (("signed_up", "joined"), ("user_deleted", "gone"))
    fields, _ = completed(OWNED, Choice(template="ttfv", events=renames))
    assert fields["entry"] == Entry(event="joined")
    assert fields["definition"] == TimeToValue(event="first_value", tau_days=28, loss_event="gone")


def test_an_unknown_key_of_the_catalogue_is_answered_with_those_that_are_near() -> None:
    _, problems = completed({}, Choice(template="retention-d8"))
    message = "The catalogue has no KPI “retention-d8”. Did you mean “retention-d7” or “retention-d30”?"
    assert problems[0].message.startswith(message[:-1])
    assert problems == [Problem(code=Code.NOT_FOUND, message=problems[0].message, path=("fromCatalogue",))]


def test_a_rename_of_an_event_that_the_kpi_does_not_read_is_refused_with_those_it_does() -> None:
    choice = Choice(template="ttfv", events=(("first_valu", "x"), ("signed_up", "a"), ("signed_up", "b")))
    assert faults(OWNED, choice) == [
        (
            ("kpis", "0", "events", "0", "from"),
            "“ttfv” reads no event “first_valu”. Did you mean “first_value”?"
            " It reads signed_up, first_value, user_deleted.",
        ),
        (("kpis", "0", "events", "2", "from"), "The event “signed_up” is renamed twice."),
    ]


def test_a_rename_in_a_composite_is_refused_since_its_components_read_the_events() -> None:
    found = faults(OWNED, Choice(template="happiness", events=(("survey_answered", "nps"),)))
    assert [path for path, _ in found] == [("kpis", "0", "events")]


def test_a_kpi_that_is_not_from_the_catalogue_must_say_what_nobody_else_does() -> None:
    found = faults({"key": "mine"}, Choice(events=(("a", "b"),)))
    missing = ["name", "direction", "owner", "definition", "events"]
    assert [path for path, _ in found] == [("kpis", "0", field) for field in missing]
