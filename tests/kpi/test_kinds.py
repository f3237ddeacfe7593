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
from kpi.kinds import Activation, Component, Composite, Kind, Mean, Quantile, Ratio, Retention, TimeToValue, Total
from kpi.kinds.mean import Of
from kpi.kinds.retention import Form
from kpi.kinds.shape import LONGEST_CURVE, LONGEST_WINDOW, Cohorts, CurveOf, DayCurve, Scale
from kpi.kinds.terms import Amount, How, Measured, Term
from stats.moments import Moments

few = settings(max_examples=50, deadline=None, database=None, derandomize=True)
ALONE = Term(amount=Amount(event="seats", of=Measured.LEVEL_AT_END))
ONE: list[Kind] = [
    Activation(event="activated", window_days=7),
    Activation(event="activated", window_days=7, has_curve=True),
    Retention(event="visited", day=7),
    Retention(event="visited", day=7, has_curve=True),
    Mean(event="paid", window_days=30),
    Mean(event="visited", window_days=30, of=Of.COUNT, cap=20),
    TimeToValue(event="activated", tau_days=14),
    TimeToValue(event="activated", tau_days=14, loss_event="deleted"),
    TimeToValue(event="activated", tau_days=14, occurrence=2),
    Retention(event="visited", day=7, form=Form.ROLLING, until_day=13),
    Retention(event="visited", day=7, has_curve=True, form=Form.BRACKET, until_day=13),
    Mean(event="paid", window_days=30, less_event="refunded"),
    Mean(event="visited", window_days=30, of=Of.DAYS),
    Total(event="incident", window_days=30, of=Of.COUNT),
    Quantile(event="visited", window_days=30, of=Of.COUNT, quantile=0.9),
]
"""Kinds of one event, which may have another one beside it."""
PARTS = (
    Component(kpi="a", weight=2, kind="mean", version=1, parameters={"event": "paid", "window_days": 30}),
    Component(kpi="b", weight=-1, kind="activation", version=3, parameters={"event": "left", "window_days": 7}),
)
EXAMPLES: list[Kind] = [
    *ONE,
    Ratio(window_days=28, numerator=ALONE, denominator=Term(amount=Amount(event="paid", of=Measured.ANY, last_days=7))),
    Ratio(
        window_days=28,
        numerator=Term(amount=ALONE.amount, how=How.KEPT, other=Amount(event="mrr", of=Measured.LEVEL_AT_START)),
        denominator=ALONE,
    ),
    Composite(components=PARTS),
]
WINDOWS = {
    Activation: "window_days",
    Retention: "day",
    Mean: "window_days",
    Total: "window_days",
    Quantile: "window_days",
    Ratio: "window_days",
    TimeToValue: "tau_days",
}

days = st.integers(1, LONGEST_WINDOW)
names = st.text(min_size=1, max_size=20)
ofs, caps = st.sampled_from(Of), st.none() | st.floats(0.01, 1e9)
amounts = st.builds(Amount, event=names, of=st.sampled_from(Measured), last_days=st.none() | days)
terms = st.builds(Term, amount=amounts, how=st.none() | st.sampled_from(How), other=st.none() | amounts)
drawn = st.one_of(
    st.builds(Activation, event=names, window_days=days, has_curve=st.none() | st.booleans()),
    st.builds(
        Retention,
        event=names,
        day=days,
        has_curve=st.none() | st.booleans(),
        form=st.sampled_from(Form),
        until_day=st.none() | days,
    ),
    st.builds(Mean, event=names, window_days=days, of=ofs, cap=caps, less_event=st.none() | names),
    st.builds(TimeToValue, event=names, tau_days=days, loss_event=st.none() | names, occurrence=st.integers(1, 10)),
    st.builds(Total, event=names, window_days=days, of=ofs, cap=caps),
    st.builds(Quantile, event=names, window_days=days, of=ofs, quantile=st.floats(0.01, 0.99)),
    st.builds(Ratio, window_days=days, numerator=terms, denominator=terms, is_share=st.booleans()),
    st.builds(Composite, components=st.just(PARTS)),
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
    ratio = Ratio(window_days=28, numerator=ALONE, denominator=ALONE)
    alone = {"amount": {"event": "seats", "of": "LEVEL_AT_END"}}
    assert kinds.encode(ratio) == ("ratio", {"window_days": 28, "numerator": alone, "denominator": alone})


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (Activation(event="a", window_days=7), {"event": "a", "window_days": 7}),
        (Retention(event="a", day=7, has_curve=True), {"event": "a", "day": 7, "has_curve": True}),
        (Mean(event="a", window_days=30), {"event": "a", "window_days": 30, "of": "VALUE"}),
        (
            Mean(event="a", window_days=30, of=Of.COUNT, cap=20),
            {"event": "a", "window_days": 30, "of": "COUNT", "cap": 20},
        ),
        (
            TimeToValue(event="a", tau_days=14, loss_event="b"),
            {"event": "a", "tau_days": 14, "loss_event": "b"},
        ),
    ],
)
def test_definition_stored_before_a_parameter_came_is_stored_alike_and_means_the_same(
    kind: Kind, stored: dict[str, object]
) -> None:
    """As the first version of each kind wrote it; sealed plans hold these words."""
    assert kinds.encode(kind)[1] == stored
    assert kinds.decode(kinds.encode(kind)[0], stored) == kind


@pytest.mark.parametrize("kind", EXAMPLES, ids=repr)
def test_problems_of_a_good_kind_are_none(kind: Kind) -> None:
    assert kind.problems() == []
    start, until = kind.window
    assert 0 <= start < until


@pytest.mark.parametrize("kind", ONE, ids=repr)
def test_events_of_a_kind_are_those_it_names(kind: Kind) -> None:
    named = {getattr(kind, name, None) for name in ("event", "loss_event", "less_event")}
    assert set(kind.events) == named - {None}


def test_events_of_a_ratio_and_a_composite_are_those_of_its_parts_each_once() -> None:
    *_, ratio, composite = EXAMPLES
    assert (ratio.events, composite.events, composite.window) == (("seats", "mrr"), ("paid", "left"), (0, 30))


@pytest.mark.parametrize("kind", EXAMPLES[:-1], ids=repr)
@pytest.mark.parametrize("length", [0, -1, LONGEST_WINDOW + 1])
def test_problems_of_a_window_nobody_can_wait_for_name_its_field(kind: Kind, length: int) -> None:
    name = WINDOWS[type(kind)]
    problem, *others = replace(kind, **{name: length}).problems()  # type: ignore[type-var]  # every kind is a dataclass
    assert all(field.endswith(".lastDays") for field, _ in others)  # which no window holds then
    head, *rest = name.split("_")
    assert problem[0] == head + "".join(part.title() for part in rest)
    assert str(length) in problem[1]


@pytest.mark.parametrize("kind", ONE, ids=repr)
@pytest.mark.parametrize("name", ["", "e" * 201, "a\0b", "a\ud800"])
def test_problems_of_a_name_no_event_can_have_name_its_field(kind: Kind, name: str) -> None:
    assert [field for field, _ in replace(kind, event=name).problems()] == ["event"]  # type: ignore[type-var]  # as above


@pytest.mark.parametrize("cap", [0, -1.0, float("nan"), float("inf")])
def test_problems_of_a_cap_that_caps_nothing_name_it(cap: float) -> None:
    assert [field for field, _ in Mean(event="paid", window_days=7, cap=cap).problems()] == ["cap"]


def test_problems_of_a_loss_that_is_the_event_itself_name_it() -> None:
    assert [field for field, _ in TimeToValue(event="a", tau_days=7, loss_event="a").problems()] == ["lossEvent"]


@pytest.mark.parametrize("occurrence", [0, -1, 11])
def test_problems_of_a_time_that_is_not_waited_for_name_it(occurrence: int) -> None:
    kind = TimeToValue(event="a", tau_days=7, occurrence=occurrence)
    assert [field for field, _ in kind.problems()] == ["occurrence"]


@pytest.mark.parametrize("form", [Form.ROLLING, Form.BRACKET])
@pytest.mark.parametrize("until_day", [None, 3, 7, LONGEST_WINDOW + 1])
def test_problems_of_a_retention_without_a_last_day_after_its_first_name_it(form: Form, until_day: int | None) -> None:
    kind = Retention(event="a", day=7, form=form, until_day=until_day)
    assert [field for field, _ in kind.problems()] == ["untilDay"]
    assert Retention(event="a", day=7, form=form, until_day=8).problems() == []


def test_problems_of_a_retention_on_one_day_with_a_last_day_name_it() -> None:
    assert [field for field, _ in Retention(event="a", day=7, until_day=9).problems()] == ["untilDay"]


def test_problems_of_what_is_taken_off_itself_name_it() -> None:
    assert [field for field, _ in Mean(event="a", window_days=7, less_event="a").problems()] == ["lessEvent"]


@pytest.mark.parametrize("quantile", [0.0, 1.0, -0.1, 50.0, float("nan")])
def test_problems_of_a_quantile_that_no_unit_divides_name_it(quantile: float) -> None:
    kind = Quantile(event="a", window_days=7, quantile=quantile)
    assert [field for field, _ in kind.problems()] == ["quantile"]


def test_problems_of_a_ratio_are_told_where_they_are_and_all_at_once() -> None:
    numerator = Term(amount=Amount(event="", of=Measured.LEVEL_AT_END, last_days=7), how=How.KEPT)
    long = Amount(event="a", of=Measured.DAYS, last_days=29)
    ratio = Ratio(window_days=28, numerator=numerator, denominator=Term(amount=long, other=long))
    assert [field for field, _ in ratio.problems()] == [
        "numerator.amount.event",
        "numerator.amount.lastDays",
        "numerator.other",
        "denominator.amount.lastDays",
        "denominator.other.lastDays",
        "denominator.how",
    ]


def test_problems_of_a_composite_are_told_by_the_place_of_the_component() -> None:
    nan = float("nan")
    parts = (
        Component(kpi="a", weight=0, spread=0),
        Component(kpi="b", weight=nan, centre=nan, spread=nan),
        Component(kpi="a", weight=1),
    )
    assert [field for field, _ in Composite(components=parts).problems()] == [
        "components.0.weight",
        "components.0.spread",
        "components.1.weight",
        "components.1.centre",
        "components.1.spread",
        "components.2.kpi",
    ]
    assert [field for field, _ in Composite(components=parts[2:]).problems()] == ["components"]
    assert Composite(components=PARTS * 11).problems()[0][0] == "components"


def test_quantile_is_not_read_without_counts_of_numbers() -> None:
    kind = Quantile(event="a", window_days=7, quantile=0.5)
    assert not kind.adds_up
    with pytest.raises(ValueError, match="no counts of numbers"):
        kind.read(Cohorts(entered=np.zeros((1, 1), dtype=np.int64)), np.zeros((1, 1), dtype=np.int64))


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
    rolling = Retention(event="a", day=7, form=Form.ROLLING, until_day=13, has_curve=True)
    assert rolling.curve == DayCurve(of=CurveOf.REMAINED, days=range(1, 14))
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
        setattr(kind, fields(kind)[0].name, "other")  # type: ignore[arg-type]  # frozen, which is the point
    assert all(field.kw_only for field in fields(kind))  # type: ignore[arg-type]  # as above


def term(of: Measured, event: str = "mrr", how: How | None = None, other: Measured | None = None) -> Term:
    beside = None if other is None else Amount(event="mrr", of=other)
    return Term(amount=Amount(event=event, of=of), how=how, other=beside)


PAID, PAYS = Measured.LEVEL_AT_END, Measured.HAD_AT_START


@pytest.mark.parametrize(
    ("above", "below", "scale"),
    [
        (term(PAID, how=How.SMALLER, other=Measured.LEVEL_AT_START), term(Measured.LEVEL_AT_START), Scale.RATE),
        (term(PAID, how=How.LEFT, other=Measured.LEVEL_AT_START), term(PAYS), Scale.RATE),
        (term(PAID, how=How.LOST, other=Measured.LEVEL_AT_START), term(Measured.LEVEL_AT_START), Scale.RATE),
        (term(Measured.ANY, "seen"), term(PAYS), Scale.RATE),
        (term(Measured.VALUE), term(Measured.VALUE), Scale.RATE),
        (term(Measured.VALUE), term(PAID), Scale.AMOUNT),
        (term(Measured.COUNT, "ticket"), term(PAYS), Scale.AMOUNT),
        (term(Measured.COUNT, "won"), term(Measured.COUNT, "due"), Scale.AMOUNT),
        (term(Measured.COUNT), term(Measured.DISTINCT), Scale.AMOUNT),
    ],
)
def test_ratio_reads_as_a_rate_where_both_sums_count_the_same(above: Term, below: Term, scale: Scale) -> None:
    assert Ratio(window_days=28, numerator=above, denominator=below).scale is scale
    assert Ratio(window_days=28, numerator=above, denominator=below, is_share=True).scale is Scale.RATE


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
