"""Aggregates as arrays: every row in its cell, and the days that are looked at."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from experiments.enums import Slopes
from experiments.inference.cohorts import EVERYBODY, Aggregates, assemble
from experiments.planning.plan import Covariate
from kpi import kinds
from tests.experiments.planning import CONTROL, OTHER, TREATMENT, Rows, day, plan, planned, stored

SPEED = planned("speed", kinds.TimeToValue(event="activated", tau_days=3))
PLAN = plan(planned(), SPEED, variants=[CONTROL, TREATMENT, OTHER])
THROUGH = datetime(2026, 3, 12, 7, 30, tzinfo=UTC)


def cell(variant: int, number: int, segment: str = EVERYBODY, **more: Any) -> dict[str, Any]:
    return {"variant_id": variant, "entered_on": day(number), "segment": segment} | more


def assembled(*, entries: Any = (), moments: Any = (), durations: Any = ()) -> Aggregates:
    rows = Rows(entries=list(entries), moments=list(moments), durations=list(durations))
    return assemble(PLAN, {"treatment": 1, "control": 3, "other": 2}, stored(rows), THROUGH.date())


def test_assemble_puts_every_row_into_its_variant_and_day() -> None:
    made = assembled(
        entries=[cell(3, 4, n=40), cell(1, 6, n=60), cell(2, 4, n=7), cell(1, 4, "plan=pro", n=2)],
        moments=[cell(1, 6, definition_id=PLAN.kpis[0].definition.id, n=60, mean=0.5, m2=15.0)],
        durations=[cell(2, 4, definition_id=SPEED.definition.id, day=2, events=3, losses=1)],
    )
    assert (made.first, list(made.entered)) == (day(4), [EVERYBODY, "plan=pro"])
    assert_array_equal(made.entered[EVERYBODY], [[40, 0, 0], [0, 0, 60], [7, 0, 0]])  # control, treatment, other
    assert_array_equal(made.entered["plan=pro"], [[0, 0, 0], [2, 0, 0], [0, 0, 0]])
    shares = made.cohorts(PLAN.kpis[0].definition.id, EVERYBODY).moments
    assert shares is not None
    assert (shares.n[1, 2], shares.mean[1, 2], shares.m2[1, 2]) == (60, 0.5, 15.0)
    assert shares.n.sum() == 60
    speed = made.cohorts(SPEED.definition.id, EVERYBODY)
    assert speed.events is not None
    assert speed.losses is not None
    assert speed.events.shape == (3, 3, 3)
    assert (int(speed.events[2, 0, 2]), int(speed.losses[2, 0, 2])) == (3, 1)
    assert (int(speed.events.sum()), int(speed.losses.sum())) == (3, 1)


def test_assemble_cell_without_a_covariate_has_the_number_that_stands_for_it_and_all_units_missing() -> None:
    score = Covariate(attribute="score", pre_exposure_days=None, when_missing=2.5, slopes=Slopes.ONE, correlation=None)
    kpi = planned(covariate=score)
    known: dict[str, Any] = {"definition_id": kpi.definition.id, "n": 60, "mean": 0.5, "m2": 15.0}
    rows = [
        cell(1, 4, **known),
        cell(1, 6, **known, mean_x=7.0, m2_x=40.0, c_xy=-3.0, missing=9),
    ]
    given = stored(Rows(entries=[cell(1, 4, n=60), cell(1, 6, n=60)], moments=rows, durations=[]))
    made = assemble(plan(kpi), {"treatment": 1, "control": 3}, given, THROUGH.date())
    found = made.cohorts(kpi.definition.id, EVERYBODY)
    assert found.pairs is not None
    assert found.missing is not None
    assert_array_equal(found.missing, [[0, 0, 0], [60, 0, 9]])
    assert_array_equal(found.pairs.means[1, [0, 2]], [[0.5, 2.5], [0.5, 7.0]])
    assert_array_equal(found.pairs.products[1, [0, 2]], [[[15, 0], [0, 0]], [[15, -3], [-3, 40]]])


def test_assemble_without_rows_is_everybody_with_nobody_in_it() -> None:
    made = assembled()
    assert (made.first, made.snapshots(30)) == (THROUGH.date(), [])
    assert made.entered[EVERYBODY].sum() == 0
    assert [(question.planned, question.segment) for block in made.blocks for question in block.questions] == [
        (kpi, EVERYBODY) for kpi in PLAN.kpis
    ]


def test_assemble_row_of_a_variant_that_is_not_in_the_plan_is_a_bug_that_shows() -> None:
    with pytest.raises(KeyError):
        assembled(entries=[cell(4, 0, n=1)])


def test_snapshots_are_the_midnights_after_the_first_entry_until_the_data_end() -> None:
    made = assembled(entries=[cell(3, 4, n=1), cell(1, 6, n=1)])
    assert made.snapshots(30) == [day(5), day(6), day(7), day(8), day(9), day(10)]


def test_snapshots_end_when_the_last_window_has_closed() -> None:
    made = assembled(entries=[cell(3, 4, n=1), cell(1, 6, n=1)])
    # The cohort of day 6 is whole from midnight of day 7 on, and its window of two days closes at that of day 9.
    assert made.snapshots(2)[-1] == day(9)
    assert made.ages(made.snapshots(2))[-1, -1] == 2


def test_ages_are_whole_days_that_every_unit_of_a_cohort_has_been_watched() -> None:
    made = assembled(entries=[cell(3, 4, n=1), cell(1, 6, n=1)])
    assert_array_equal(
        made.ages(made.snapshots(30)),
        [[0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 3, 2], [5, 4, 3]],
    )
    assert made.ages([]).shape == (0, 3)
    assert made.ages([]).dtype == np.int64
