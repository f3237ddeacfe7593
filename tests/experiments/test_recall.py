"""What is found again is what would be worked out now, whatever it is that has changed."""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from api.database import Database
from experiments.inference import recall
from experiments.inference.analysis import Results
from experiments.inference.cohorts import Rows, Table
from experiments.inference.interaction import Interaction
from experiments.inference.looks import Span
from experiments.inference.monitoring import Circumstances, Leaks, inspect
from experiments.inference.reading import Calendar
from experiments.planning.plan import Plan
from kpi import kinds
from kpi.shelf import Shelf
from kpi.tables import Workspace
from tests.experiments.planning import IDS, Law, day, known, plan, planned, simulated, stored
from tests.experiments.registering import draft, start
from tests.experiments.test_analysis import DAY, MIDNIGHT, refresh, results, send

PLAN = plan(planned(), planned("spend", kinds.Mean(event="paid", window_days=3)))
LAWS = (Law(daily=20, rate=0.3), Law(daily=20, rate=0.5))
CALENDAR = Calendar(span=Span(started_on=day(0)), through=day(12))
PLACES = [
    (name, key, column)
    for name, keys, columns in (
        ("entries", [("",), ("plan=pro",)], ("n", "variant_id", "entered_on")),
        ("moments", [(planned().definition.id, "")], ("n", "mean", "m2", "variant_id", "entered_on")),
        ("tallies", [(planned().definition.id,)], ("n", "tally")),
    )
    for key in keys
    for column in columns
]
QUIET = Circumstances(crossovers={"control": 0, "treatment": 0}, open_since=day(0))
OTHER = Interaction(
    other_id=7,
    other="another",
    units=900,
    split_p_value=1e-9,
    is_split_broken=True,
    contrasts=(),
    computed_at=datetime(2026, 3, 14, tzinfo=UTC),
    data_through=datetime(2026, 3, 14, tzinfo=UTC),
)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Begins with nothing that is known; called, goes on so."""

    def forget() -> None:
        monkeypatch.setattr(recall, "WORKED", Shelf(recall.MOST))
        monkeypatch.setattr(recall, "CHECKED", Shelf(recall.MOST_CHECKS))

    forget()
    return forget


def rows() -> Rows:
    """Made anew each time, and the same each time."""
    made = simulated(PLAN, LAWS, days=12, seed=1)
    cell = {"definition_id": planned().definition.id, "entered_on": day(1), "n": 9, "tally": 2}
    tallies = [cell | {"variant_id": IDS[variant.key]} for variant in PLAN.variants]
    return stored(replace(known(made, PLAN, day(12)), tallies=tallies))


def with_another(of: Rows, name: str, key: tuple[Any, ...], column: str) -> Rows:
    """The same rows but for one number in one column."""
    table: Table = getattr(of, name)
    numbers = table.groups[key][column].copy()
    numbers[-1] += np.timedelta64(1, "D") if column == "entered_on" else 1
    groups = {**table.groups, key: {**table.groups[key], column: numbers}}
    return replace(of, **{name: replace(table, groups=groups)})


def evaluated(of: Rows | None = None, **changes: Any) -> recall.Worked:
    asked: dict[str, Any] = {"plan": PLAN, "variant_ids": IDS, "rows": of or rows(), "calendar": CALENDAR} | changes
    return recall.evaluated(**asked)


def mark(of: Rows, by: Plan = PLAN) -> bytes:
    return recall._mark(by, IDS, of, CALENDAR)[0]


def test_an_evaluation_of_the_same_is_found() -> None:
    assert evaluated() is evaluated()


@pytest.mark.parametrize(("name", "key", "column"), PLACES)
def test_another_number_is_another_mark(name: str, key: tuple[Any, ...], column: str) -> None:
    assert mark(with_another(rows(), name, key, column)) != mark(rows())


def test_a_row_less_is_another_mark() -> None:
    made = rows()
    fewer = {key: {name: column[1:] for name, column in own.items()} for key, own in made.moments.groups.items()}
    assert mark(replace(made, moments=replace(made.moments, groups=fewer))) != mark(made)


def test_numbers_in_each_others_place_are_another_mark() -> None:
    made = rows()
    swapped = {key: {**own, "mean": own["m2"], "m2": own["mean"]} for key, own in made.moments.groups.items()}
    assert mark(replace(made, moments=replace(made.moments, groups=swapped))) != mark(made)


def test_groups_in_each_others_place_are_another_mark() -> None:
    made = rows()
    groups = made.entries.groups
    swapped = {**groups, ("plan=pro",): groups[("plan=free",)], ("plan=free",): groups[("plan=pro",)]}
    assert mark(replace(made, entries=replace(made.entries, groups=swapped))) != mark(made)


@pytest.mark.parametrize("name", [field.name for field in fields(Plan)])
def test_another_plan_is_another_mark(name: str) -> None:
    other: dict[str, Any] = {name: "something else"}
    assert mark(rows(), replace(PLAN, **other)) != mark(rows())


def other_calendars() -> Iterator[Calendar]:
    yield replace(CALENDAR, through=day(11))
    for field in fields(Span):
        yield replace(CALENDAR, span=replace(CALENDAR.span, **{field.name: day(3)}))


@pytest.mark.parametrize("calendar", list(other_calendars()))
def test_an_evaluation_on_other_days_is_not_found(calendar: Calendar) -> None:
    assert evaluated(calendar=calendar) is not evaluated()


def test_an_evaluation_with_other_variants_is_not_found() -> None:
    swapped = {**IDS, "control": IDS["treatment"], "treatment": IDS["control"]}
    assert evaluated(variant_ids=swapped).evaluation != evaluated().evaluation


@pytest.mark.parametrize(
    "changes",
    [
        {"crossovers": {"control": 90, "treatment": 0}},
        {"open_since": None},
        {"interactions": (OTHER,)},
        {"leaks": Leaks(units=100, leaked=50)},
        {"arrived": [(900, 800)] * 7},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_checks_in_other_circumstances_are_made(changes: dict[str, Any]) -> None:
    worked, other = evaluated(calendar=replace(CALENDAR, through=day(20))), replace(QUIET, **changes)
    quiet = recall.inspected(PLAN, worked, QUIET)
    found = recall.inspected(PLAN, worked, other)
    assert found != quiet
    assert found == inspect(PLAN, worked.aggregates, worked.evaluation.findings, worked.evaluation.sample_ratio, other)
    assert recall.inspected(PLAN, worked, QUIET) is quiet


def test_the_circumstances_that_are_tried_are_all_there_are() -> None:
    assert {field.name for field in fields(Circumstances)} == {
        "crossovers",
        "open_since",
        "interactions",
        "leaks",
        "arrived",
    }


def test_what_is_kept_is_counted_for_no_less_than_it_weighs() -> None:
    weight = len(pickle.dumps(evaluated()))
    assert weight <= recall.WORKED.full <= 20 * weight


CELLS = {
    "entry_counts": "UPDATE entry_counts SET n = n + 3 WHERE experiment_id = $1",
    "crossovers": "UPDATE entry_counts SET crossovers = 50 WHERE experiment_id = $1",
    "moments": "UPDATE moments SET mean = mean / 2 WHERE experiment_id = $1",
    "refreshes": "UPDATE refreshes SET data_through = data_through - interval '5 days' WHERE experiment_id = $1",
    "experiments": "UPDATE experiments SET started_at = started_at - interval '3 days' WHERE id = $1",
    "plan": "UPDATE experiments SET plan = jsonb_set(plan, '{alpha}', '0.01') WHERE id = $1",
    "pauses": "INSERT INTO pauses (experiment_id, from_at) SELECT id, started_at FROM experiments WHERE id = $1",
}


async def test_results_are_of_what_is_stored_whoever_changed_it(
    database: Database, workspace: Workspace, forgotten: Callable[[], None]
) -> None:
    experiment = await start(database, await draft(database, workspace))
    await send(database, workspace, 400, [number for number in range(400) if number % 4 in (0, 1, 3)])
    await refresh(database, experiment, MIDNIGHT + 9 * DAY)
    before = await results(database, experiment)
    for place, statement in CELLS.items():
        async with database.acting(None).raw() as connection:
            await connection.execute(statement, experiment.id)
        found = await results(database, experiment)
        forgotten()
        anew = await results(database, experiment)
        assert _said(found) == _said(anew), place
        assert _said(found) != _said(before), place
        before = anew


def _said(of: Results) -> list[Any]:
    return [of.evaluation, of.health, of.verdict, of.span, of.plan]
