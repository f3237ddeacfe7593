"""Reading KPIs from a file: what it says, and all that is wrong with it at once."""

from datetime import date
from typing import Any

from kpi.enums import Direction, Granularity, Tier, Unit
from kpi.governance import Aim
from kpi.history.entry import Entry
from kpi.kinds import Activation, Component, Composite
from kpi.sheets.reading import read

WHOLE: dict[str, Any] = {
    "key": "activation",
    "name": "Activation",
    "direction": "HIGHER",
    "owner": "Ada",
    "definition": {"activation": {"event": "activated", "windowDays": 7, "hasCurve": False}},
}


def faults(*kpis: Any) -> list[tuple[str, str]]:
    _, problems = read({"kpis": list(kpis)})
    assert problems
    return [(".".join(problem.path), problem.message) for problem in problems]


def paths(*kpis: Any) -> list[str]:
    return [path for path, _ in faults(*kpis)]


def test_a_kpi_of_a_file_says_all_that_registering_takes() -> None:
    given = WHOLE | {
        "unit": "ACCOUNT", "tier": "LATE", "isLeading": False, "segments": ["plan"], "dataSource": "warehouse",
        "entry": {"every": "MONTH"}, "target": {"value": 0.5, "dueOn": date(2027, 1, 1), "owner": "Ada"},
    }  # fmt: skip
    (sheet,), problems = read({"kpis": [given]})
    assert problems == []
    assert sheet.fields["definition"] == Activation(event="activated", window_days=7)
    assert sheet.fields["entry"] == Entry(every=Granularity.MONTH)
    assert (sheet.fields["unit"], sheet.fields["tier"]) == (Unit.ACCOUNT, Tier.LATE)
    assert (sheet.fields["is_leading"], sheet.fields["segments"]) == (False, ("plan",))
    assert sheet.aim == Aim(value=0.5, due_on=date(2027, 1, 1), owner="Ada", approver="")


def test_a_kpi_of_the_catalogue_needs_an_owner_alone() -> None:
    renames = [{"from": "signed_up", "to": "joined"}]
    (sheet,), problems = read({"kpis": [{"fromCatalogue": "ttfv", "owner": "Ada", "events": renames}]})
    assert problems == []
    assert (sheet.key, sheet.fields["direction"]) == ("ttfv", Direction.LOWER)
    assert sheet.fields["entry"] == Entry(event="joined")
    assert paths({"fromCatalogue": "ttfv"}) == ["kpis.0.owner"]


def test_the_components_of_a_composite_are_named_by_their_keys() -> None:
    parts = [{"kpi": "a", "weight": 0.5}, {"kpi": "b", "weight": -0.5, "spread": 2}]
    (sheet,), problems = read({"kpis": [WHOLE | {"definition": {"composite": {"components": parts}}}]})
    assert problems == []
    made = (Component(kpi="a", weight=0.5), Component(kpi="b", weight=-0.5, spread=2))
    assert sheet.fields["definition"] == Composite(components=made)


def test_every_fault_of_a_file_is_told_at_once_with_its_path() -> None:
    bad: dict[str, Any] = {
        "key": "No Key",
        "nam": "Activation",
        "direction": "UP",
        "owner": 7,
        "isLeading": "yes",
        "segments": "plan",
        "entry": {"every": "MONTH", "evry": 1},
        "definition": {"ratio": {"windowDays": 7, "numerator": {"amount": {"event": "a", "of": "ALL"}}}},
        "target": {"value": 1, "due": "2027-01-01"},
    }
    assert set(paths(bad, WHOLE, WHOLE, "x")) == {
        "kpis.0.nam",
        "kpis.0.name",
        "kpis.0.direction",
        "kpis.0.owner",
        "kpis.0.isLeading",
        "kpis.0.segments",
        "kpis.0.entry.evry",
        "kpis.0.definition.ratio.numerator.amount.of",
        "kpis.0.target",
        "kpis.2.key",
        "kpis.3",
    }


def test_the_rules_of_registering_are_held_while_reading() -> None:
    definition = {"activation": {"event": "", "windowDays": 0, "within": 3}}
    assert paths(WHOLE | {"key": "No Key", "name": " ", "owner": ""}) == ["kpis.0.key", "kpis.0.name", "kpis.0.owner"]
    assert paths(WHOLE | {"definition": definition}) == [
        f"kpis.0.definition.activation.{field}" for field in ("within", "event", "windowDays")
    ]


def test_a_misspelt_field_is_answered_with_the_near_one() -> None:
    assert faults(WHOLE | {"ownr": "Ada"}) == [("kpis.0.ownr", "There is no field “ownr”. Did you mean “owner”?")]


def test_which_version_of_a_component_counts_is_not_for_a_file_to_say() -> None:
    parts = [{"kpi": "a", "weight": 1, "version": 3}, {"kpi": "b", "weight": 1}]
    at = "kpis.0.definition.composite.components.0.version"
    assert paths(WHOLE | {"definition": {"composite": {"components": parts}}}) == [at]


def test_a_file_without_a_list_of_kpis_is_refused() -> None:
    nothing: tuple[Any, ...] = (None, [], {"kpi": []}, {"kpis": {}}, "kpis")
    assert all(read(value)[1] for value in nothing)
    assert [problem.path for problem in read({"kpis": [], "version": 1})[1]] == [("version",)]
