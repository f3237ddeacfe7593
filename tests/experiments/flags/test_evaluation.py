"""What a unit is served, by the state of the experiment and by whether the unit is inside."""

from dataclasses import replace
from typing import Any

import pytest

from experiments.enums import State
from experiments.flags.assignment import PLACES, Draw, place
from experiments.flags.evaluation import UNSAID, Arm, Flag, Flags, Reason
from experiments.flags.layers import Holding
from experiments.planning.targeting import Condition, Operator
from kpi.enums import Unit

ARMS = [Arm(key="control", value="control", weight=1.0), Arm(key="tour", value="tour", weight=1.0)]
FLAG = Flag(id=1, key="guided-tour", state=State.RUNNING, arms=ARMS, control="control", traffic=1.0)
GERMANS = [Condition(attribute="country", operator=Operator.IN, values=["DE"])]
UNITS = [f"u{number}" for number in range(400)]
IN_TOUR, IN_CONTROL = "u1", "u2"
"""Their places among the million are 787,099 and 379,042."""


def served(
    *flags: Flag, unit: str | None = IN_TOUR, inside: dict[int, str] | None = None, **attributes: Any
) -> tuple[str, str, bool]:
    """The variant, the reason and whether it is an exposure, of the first flag; only what is asked for is known."""
    board = Flags(by_key={flag.key: flag for flag in flags}, version=1)
    asked = board.asked([flags[0]], unit, attributes)
    known = {key: variant for key, variant in (inside or {}).items() if key in asked}
    answer = board.answer(flags[0], unit, attributes, known)
    return answer.variant, answer.reason, answer.exposes


@pytest.mark.parametrize(
    ("state", "new", "within"),
    [
        (State.RUNNING, ("tour", "SPLIT", True), ("tour", "SPLIT", True)),
        (State.PAUSED, ("control", "DEFAULT", False), ("tour", "SPLIT", False)),
        (State.FROZEN, ("control", "DEFAULT", False), ("tour", "SPLIT", False)),
        (State.STOPPED, ("control", "DEFAULT", False), ("tour", "SPLIT", False)),
        (State.DRAFT, ("control", "DISABLED", False), ("control", "DISABLED", False)),
        (State.ARCHIVED, ("control", "DISABLED", False), ("control", "DISABLED", False)),
    ],
)
def test_unit_is_served_by_the_state_of_the_experiment(
    state: State, new: tuple[str, str, bool], within: tuple[str, str, bool]
) -> None:
    flag = replace(FLAG, state=state)
    assert served(flag) == new
    assert served(flag, inside={1: "tour"}) == within


@pytest.mark.parametrize("state", [State.DECIDED, State.ARCHIVED])
def test_what_was_shipped_is_served_to_everybody_whom_the_experiment_was_for(state: State) -> None:
    flag = replace(FLAG, state=state, is_decided=True, shipped="tour", traffic=0.01)
    assert served(flag, unit=IN_CONTROL) == served(flag, unit=None) == ("tour", "STATIC", False)
    narrow = replace(flag, targeting=GERMANS)
    assert served(narrow, country="DE") == ("tour", "TARGETING_MATCH", False)
    assert served(narrow, country="FR") == ("control", "DEFAULT", False)


def test_what_was_not_shipped_is_served_to_nobody_and_what_is_not_approved_changes_nothing_yet() -> None:
    decided = replace(FLAG, state=State.DECIDED)
    assert served(replace(decided, is_decided=True), inside={1: "tour"}) == ("control", "DEFAULT", False)
    assert served(decided, inside={1: "tour"}) == ("tour", "SPLIT", False)
    assert served(decided) == ("control", "DEFAULT", False)


def test_unit_that_does_not_fit_enters_not_and_one_inside_stays() -> None:
    flag = replace(FLAG, targeting=GERMANS)
    assert served(flag, country="DE") == ("tour", "SPLIT", True)
    assert served(flag, country="FR") == served(flag) == ("control", "DEFAULT", False)
    assert served(flag, country="FR", inside={1: "tour"}) == ("tour", "SPLIT", True)


def test_meeting_a_variant_is_no_exposure_where_aggregates_are_handed_in() -> None:
    assert served(replace(FLAG, takes_rows=False)) == ("tour", "SPLIT", False)


def test_ramp_moves_no_unit_to_another_variant_and_lets_none_out_that_is_inside() -> None:
    full = {unit: served(FLAG, unit=unit)[0] for unit in UNITS}
    half = replace(FLAG, traffic=0.5)
    found = {unit: served(half, unit=unit) for unit in UNITS}
    entered = {unit for unit, (_, reason, _) in found.items() if reason == Reason.SPLIT}
    assert entered == {unit for unit in UNITS if place(Draw.TRAFFIC, "guided-tour", unit) < PLACES // 2}
    assert all(found[unit][0] == full[unit] for unit in entered)
    out = next(unit for unit in UNITS if unit not in entered and full[unit] == "tour")
    assert served(half, unit=out) == ("control", "DEFAULT", False)
    assert served(half, unit=out, inside={1: "tour"}) == ("tour", "SPLIT", True)


def test_unit_of_a_holdouts_control_enters_nothing_that_names_it() -> None:
    holdout = replace(FLAG, id=2, key="holdout")
    flag = replace(FLAG, holdout="holdout")
    for unit in UNITS:
        is_held = served(holdout, unit=unit)[0] == "control"
        assert served(flag, holdout, unit=unit)[1] == (Reason.DEFAULT if is_held else Reason.SPLIT)
    held = next(unit for unit in UNITS if served(holdout, unit=unit)[0] == "control")
    assert served(flag, holdout, unit=held, inside={1: "tour"})[0] == "tour"
    assert served(flag, holdout, unit=held, inside={2: "tour"})[1] == Reason.SPLIT
    frozen = replace(holdout, state=State.FROZEN)
    assert served(flag, frozen, unit=held)[1] == Reason.SPLIT
    assert served(flag, frozen, unit=held, inside={2: "control"})[1] == Reason.DEFAULT
    assert served(flag, replace(holdout, state=State.STOPPED), unit=held, inside={2: "control"})[1] == Reason.SPLIT


def test_experiments_of_a_layer_share_no_unit_not_even_one_that_is_inside_of_another() -> None:
    space = ("checkout", Unit.USER)
    half, rest = (range(PLACES // 2),), (range(PLACES // 2, PLACES),)
    one = replace(FLAG, holding=Holding(space=space, slots=half, ever=half))
    other = replace(FLAG, id=2, key="pricing", holding=Holding(space=space, slots=rest, ever=rest))
    for unit in UNITS:
        assert {served(one, other, unit=unit)[1], served(other, one, unit=unit)[1]} == {Reason.SPLIT, Reason.DEFAULT}
    before = replace(one, holding=Holding(space=space, slots=half, ever=(range(PLACES),)))
    left = next(unit for unit in UNITS if served(one, unit=unit)[1] == Reason.DEFAULT)
    assert served(other, before, unit=left)[1] == Reason.SPLIT
    assert served(other, before, unit=left, inside={1: "tour"})[1] == Reason.DEFAULT


def test_what_is_known_of_a_unit_is_asked_only_where_the_answer_depends_on_it() -> None:
    board = Flags(by_key={FLAG.key: FLAG}, version=1)
    assert board.asked([FLAG], IN_TOUR, {}) == set()
    assert board.asked([replace(FLAG, state=State.PAUSED)], IN_TOUR, {}) == {1}
    assert board.asked([replace(FLAG, state=State.DECIDED, is_decided=True)], IN_TOUR, {}) == set()
    assert board.asked([replace(FLAG, traffic=0.001)], IN_TOUR, {}) == {1}


def test_split_needs_a_unit() -> None:
    with pytest.raises(LookupError):
        served(FLAG, unit=None)
    assert served(replace(FLAG, state=State.DRAFT), unit=None)[1] == Reason.DISABLED


def test_variant_that_leaves_it_to_the_code_has_no_value() -> None:
    arms = [replace(ARMS[0], value=UNSAID), ARMS[1]]
    board = Flags(by_key={}, version=1)
    assert board.answer(replace(FLAG, arms=arms), IN_CONTROL, {}, {}).value is UNSAID
