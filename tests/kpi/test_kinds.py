"""The registry of kinds, their parameters, and how they are stored. Their SQL is held by the aggregates' tests."""

import json
from dataclasses import fields, replace
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpi import kinds
from kpi.kinds import Activation, Kind, Mean, Retention, TimeToValue
from kpi.kinds.mean import Of
from kpi.kinds.shape import LONGEST_CURVE, LONGEST_WINDOW, Cohorts, CurveOf, DayCurve
from stats.moments import Moments

few = settings(max_examples=50, deadline=None, database=None, derandomize=True)
EXAMPLES: list[Kind] = [
    Activation(event="activated", window_days=7),
    Activation(event="activated", window_days=7, has_curve=True),
    Retention(event="visited", day=7),
    Retention(event="visited", day=7, has_curve=True),
    Mean(event="paid", window_days=30),
    Mean(event="visited", window_days=30, of=Of.COUNT, cap=20),
    TimeToValue(event="activated", tau_days=14),
    TimeToValue(event="activated", tau_days=14, loss_event="deleted"),
]
WINDOWS = {Activation: "window_days", Retention: "day", Mean: "window_days", TimeToValue: "tau_days"}

days = st.integers(1, LONGEST_WINDOW)
names = st.text(min_size=1, max_size=20)
drawn = st.one_of(
    st.builds(Activation, event=names, window_days=days, has_curve=st.none() | st.booleans()),
    st.builds(Retention, event=names, day=days, has_curve=st.none() | st.booleans()),
    st.builds(Mean, event=names, window_days=days, of=st.sampled_from(Of), cap=st.none() | st.floats(0.01, 1e9)),
    st.builds(TimeToValue, event=names, tau_days=days, loss_event=st.none() | names),
)


def test_registry_holds_the_kind_of_every_file() -> None:
    modules = [import_module(f"kpi.kinds.{module.name}") for module in iter_modules(kinds.__path__)]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    assert set(kinds.REGISTRY.values()) == {kind for kind in found if issubclass(kind, Kind) and not isabstract(kind)}
    assert {type(kind) for kind in EXAMPLES} == set(kinds.REGISTRY.values())


@few
@given(drawn)
def test_decode_of_what_was_encoded_and_stored_as_json_is_the_same_kind(kind: Kind) -> None:
    name, parameters = kinds.encode(kind)
    again = kinds.decode(name, json.loads(json.dumps(parameters)))
    assert (type(again), again) == (type(kind), kind)
    assert again.per_unit({"x": 1}) == kind.per_unit({"x": 1})


def test_encode_leaves_out_what_is_not_set() -> None:
    assert kinds.encode(TimeToValue(event="activated", tau_days=14)) == (
        "time_to_value",
        {"event": "activated", "tau_days": 14},
    )


@pytest.mark.parametrize("kind", EXAMPLES, ids=repr)
def test_problems_of_a_good_kind_are_none(kind: Kind) -> None:
    assert kind.problems() == []
    assert set(kind.events) == {value for name in ("event", "loss_event") if (value := getattr(kind, name, None))}
    start, until = kind.window
    assert 0 <= start < until


@pytest.mark.parametrize("kind", EXAMPLES, ids=repr)
@pytest.mark.parametrize("length", [0, -1, LONGEST_WINDOW + 1])
def test_problems_of_a_window_nobody_can_wait_for_name_its_field(kind: Kind, length: int) -> None:
    name = WINDOWS[type(kind)]
    (problem,) = replace(kind, **{name: length}).problems()  # type: ignore[type-var]  # every kind is a dataclass
    head, *rest = name.split("_")
    assert problem[0] == head + "".join(part.title() for part in rest)
    assert str(length) in problem[1]


@pytest.mark.parametrize("kind", EXAMPLES, ids=repr)
@pytest.mark.parametrize("name", ["", "e" * 201, "a\0b", "a\ud800"])
def test_problems_of_a_name_no_event_can_have_name_its_field(kind: Kind, name: str) -> None:
    assert [field for field, _ in replace(kind, event=name).problems()] == ["event"]  # type: ignore[type-var]  # as above


@pytest.mark.parametrize("cap", [0, -1.0, float("nan"), float("inf")])
def test_problems_of_a_cap_that_caps_nothing_name_it(cap: float) -> None:
    assert [field for field, _ in Mean(event="paid", window_days=7, cap=cap).problems()] == ["cap"]


def test_problems_of_a_loss_that_is_the_event_itself_name_it() -> None:
    assert [field for field, _ in TimeToValue(event="a", tau_days=7, loss_event="a").problems()] == ["lossEvent"]


def test_problems_of_a_tau_of_one_day_are_told_because_every_variant_takes_a_day() -> None:
    assert [field for field, _ in TimeToValue(event="a", tau_days=1).problems()] == ["tauDays"]
    assert TimeToValue(event="a", tau_days=2).problems() == []


@pytest.mark.parametrize("days", [1, LONGEST_CURVE + 1])
def test_problems_of_a_curve_of_one_day_or_too_many_name_it(days: int) -> None:
    shares: list[Activation | Retention] = [Activation(event="a", window_days=days), Retention(event="a", day=days)]
    assert [kind.problems() for kind in shares] == [[], []]
    assert [[field for field, _ in replace(kind, has_curve=True).problems()] for kind in shares] == [["hasCurve"]] * 2


def test_curve_of_a_kind_is_the_days_it_shows() -> None:
    activation, retention = (
        Activation(event="a", window_days=7, has_curve=True),
        Retention(event="a", day=7, has_curve=True),
    )
    assert activation.curve == DayCurve(of=CurveOf.REACHED, days=range(7))
    assert retention.curve == DayCurve(of=CurveOf.RETURNED, days=range(1, 8))
    others = (Activation(event="a", window_days=7), Retention(event="a", day=7, has_curve=False))
    assert [kind.curve for kind in (*others, Mean(event="a", window_days=7))] == [None, None, None]
    with pytest.raises(ValueError, match="share"):
        Mean(event="a", window_days=7).by_day({})


def test_problems_are_all_told_at_once() -> None:
    kind = Mean(event="", window_days=0, cap=-1)
    assert [field for field, _ in kind.problems()] == ["event", "windowDays", "cap"]


@pytest.mark.parametrize("kind", EXAMPLES, ids=repr)
def test_kinds_are_values(kind: Kind) -> None:
    assert kind == replace(kind)  # type: ignore[type-var]  # as above
    assert hash(kind) == hash(replace(kind))  # type: ignore[type-var]  # as above
    with pytest.raises(AttributeError):
        kind.event = "other"  # type: ignore[attr-defined]  # frozen, which is the point
    assert all(field.kw_only for field in fields(kind))  # type: ignore[arg-type]  # as above


def test_sample_of_times_tells_who_is_censored_and_one_of_numbers_has_nobody() -> None:
    """Ten units a day on three days; seen at the third midnight, when the first day's are through both days of tau."""
    events, losses = np.zeros((1, 3, 2), dtype=np.int64), np.zeros((1, 3, 2), dtype=np.int64)
    events[0, :, 0], events[0, 0, 1], losses[0, 0, 0] = (2, 3, 1), 1, 3
    cohorts = Cohorts(entered=np.full((1, 3), 10), events=events, losses=losses)
    sample = TimeToValue(event="activated", tau_days=2).read(cohorts, np.array([[2, 1, 0]]))
    # Of 20 observed: the first day's 3 that were lost, and the second day's 7 that had a day left. 4 went through.
    assert (sample.n.item(), sample.successes.item(), sample.censored.item()) == (20, 6, 10)
    moments = Moments.of_proportion([[3, 4, 5]], [[10, 10, 10]])
    shares = Activation(event="activated", window_days=1).read(
        Cohorts(entered=np.full((1, 3), 10), moments=moments), np.array([[2, 1, 0]])
    )
    assert (shares.n.item(), shares.censored.item()) == (20, 0)
