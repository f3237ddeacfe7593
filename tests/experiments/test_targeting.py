"""Targeting: what conditions mean, their one form under the seal, and what is refused. Pure."""

import json
from dataclasses import replace
from fractions import Fraction
from math import inf, isfinite, nan
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from experiments.planning import plan as plans
from experiments.planning import targeting
from experiments.planning.targeting import COMPARISONS, Condition, Operator, canonical, evaluate, faults, unmet
from tests.experiments.planning import plan

many = settings(max_examples=150, deadline=None, database=None, derandomize=True)
NAMES = ["plan", "seats", "trial"]
texts = st.sampled_from(["", "5", "5.0", "true", "pro", "free", "-2", "1e3", "inf", "nan", "٣", " 5"]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4
)
numbers = st.sampled_from([5, 5.0, -2, 0.5, 1000, -0.0, 2**53 - 1]) | st.floats(-1e9, 1e9) | st.integers(-9, 9)
values = texts | numbers | st.booleans()
many_values = st.lists(values, min_size=1, max_size=4)
conditions = st.one_of(
    st.builds(
        Condition,
        attribute=st.sampled_from(NAMES),
        operator=st.sampled_from([Operator.IN, Operator.NOT_IN]),
        values=many_values,
    ),
    st.builds(
        Condition,
        attribute=st.sampled_from(NAMES),
        operator=st.sampled_from(list(COMPARISONS)),
        values=st.tuples(numbers | st.sampled_from(["5", "-2.5", "1e3"])).map(list),
    ),
    st.builds(
        Condition,
        attribute=st.sampled_from(NAMES),
        operator=st.just(Operator.CONTAINS),
        values=st.tuples(texts.filter(bool)).map(list),
    ),
    st.builds(
        Condition,
        attribute=st.sampled_from(NAMES),
        operator=st.sampled_from([Operator.EXISTS, Operator.NOT_EXISTS]),
    ),
)
attributes = st.dictionaries(st.sampled_from(NAMES), values | st.none())


# --- what they mean, said once more in other words --------------------------------------------------------------------


def text(value: Any) -> str:
    """As JSON writes it, a whole number without its point."""
    if isinstance(value, str):
        return value
    return json.dumps(int(value) if isinstance(value, float) and value == int(value) else value)


def exact(value: Any) -> Fraction | None:
    """The number that a value is, without rounding beyond that of a float."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if isinstance(value, str):
        is_plain = value.isascii() and value == value.strip() and "_" not in value and value.lstrip("+-")[0].isdigit()
        return Fraction(found) if is_plain and isfinite(found) else None
    return Fraction(found)


def holds(one: Condition, value: Any) -> bool:
    wanted = [text(item) for item in one.values]
    if one.operator is Operator.NOT_EXISTS or value is None:
        return one.operator is Operator.NOT_EXISTS and value is None
    if one.operator in COMPARISONS:
        number, limit = exact(value), exact(one.values[0])
        assert limit is not None
        sign = None if number is None else (number > limit) - (number < limit)
        return sign in {"LT": (-1,), "LTE": (-1, 0), "GT": (1,), "GTE": (1, 0)}[one.operator]
    return {
        Operator.EXISTS: True,
        Operator.IN: text(value) in wanted,
        Operator.NOT_IN: text(value) not in wanted,
        Operator.CONTAINS: all(item in text(value) for item in wanted),
    }[one.operator]


@many
@given(st.lists(conditions, max_size=4), attributes)
@example([Condition(attribute="plan", operator=Operator.NOT_IN, values=["pro"])], {})
@example([Condition(attribute="seats", operator=Operator.IN, values=[1])], {"seats": True})
@example([Condition(attribute="seats", operator=Operator.GTE, values=[0])], {"seats": False})
@example([Condition(attribute="seats", operator=Operator.GT, values=[0.5])], {"seats": 10**400})
def test_conditions_hold_when_each_of_them_does(stated: list[Condition], known: dict[str, Any]) -> None:
    expected = all(holds(one, known.get(one.attribute)) for one in stated)
    assert evaluate(canonical(stated), known) == expected
    broken = unmet(canonical(stated), known)
    assert (broken is None) == expected
    assert broken is None or not holds(broken, known.get(broken.attribute))


@many
@given(st.lists(conditions, max_size=4), attributes, attributes)
def test_attributes_that_no_condition_names_change_nothing(
    stated: list[Condition], known: dict[str, Any], others: dict[str, Any]
) -> None:
    more = known | {f"other-{name}": value for name, value in others.items()}
    assert evaluate(canonical(stated), more) == evaluate(canonical(stated), known)


# --- their one form ---------------------------------------------------------------------------------------------------


@many
@given(st.lists(conditions, max_size=4), st.randoms(use_true_random=False))
def test_canonical_form_is_one_whatever_order_and_however_often(stated: list[Condition], draw: Any) -> None:
    one = canonical(stated)
    assert canonical(one) == one
    again = [replace(each, values=draw.sample(each.values, len(each.values))) for each in stated]
    draw.shuffle(again)
    assert canonical([*again, *stated]) == one


@many
@given(st.lists(conditions, max_size=4))
def test_seal_of_conditions_survives_the_document_and_is_that_of_their_one_form(stated: list[Condition]) -> None:
    sealed = replace(plan(), targeting=canonical(stated))
    stored = plans.from_document(json.loads(plans.canonical(sealed)))
    assert stored == sealed
    assert plans.seal(stored) == plans.seal(replace(plan(), targeting=canonical(stated[::-1])))


def test_canonical_form_of_an_example() -> None:
    stated = [
        Condition(attribute="seats", operator=Operator.GTE, values=["5"]),
        Condition(attribute="plan", operator=Operator.IN, values=["pro", True, 5.0, "5"]),
        Condition(attribute="plan", operator=Operator.IN, values=[5, "true", "pro"]),
    ]
    assert canonical(stated) == [
        Condition(attribute="plan", operator=Operator.IN, values=["5", "pro", "true"]),
        Condition(attribute="seats", operator=Operator.GTE, values=[5.0]),
    ]


# --- what is refused --------------------------------------------------------------------------------------------------


@many
@given(st.lists(conditions, max_size=4))
def test_sensible_conditions_have_no_faults(stated: list[Condition]) -> None:
    assert list(faults(stated)) == []


@pytest.mark.parametrize(
    ("operator", "given_values", "path"),
    [
        (Operator.IN, [], ("values",)),
        (Operator.NOT_IN, [], ("values",)),
        (Operator.IN, ["pro", None], ("values", "1")),
        (Operator.IN, [{"a": 1}], ("values", "0")),
        (Operator.IN, [["pro"]], ("values", "0")),
        (Operator.IN, ["x" * 501], ("values", "0")),
        (Operator.IN, ["\ud800"], ("values", "0")),
        (Operator.IN, ["\0"], ("values", "0")),
        (Operator.IN, [2**53], ("values", "0")),
        (Operator.IN, [10**400], ("values", "0")),
        (Operator.IN, [inf], ("values", "0")),
        (Operator.IN, [nan], ("values", "0")),
        (Operator.GTE, [], ("values",)),
        (Operator.GTE, [1, 2], ("values",)),
        (Operator.GTE, ["many"], ("values",)),
        (Operator.LT, [True], ("values",)),
        (Operator.CONTAINS, [""], ("values",)),
        (Operator.CONTAINS, [5], ("values",)),
        (Operator.CONTAINS, ["a", "b"], ("values",)),
        (Operator.EXISTS, [True], ("values",)),
        (Operator.NOT_EXISTS, ["x"], ("values",)),
    ],
    ids=lambda value: str(value)[:20],
)
def test_condition_that_makes_no_sense_is_told_at_its_place(
    operator: Operator, given_values: list[Any], path: tuple[str, ...]
) -> None:
    one = Condition(attribute="plan", operator=operator, values=given_values)
    assert [place for place, _ in faults([one])] == [("0", *path)]


def test_all_faults_are_told_at_once() -> None:
    nameless = Condition(attribute="", operator=Operator.GT, values=[None])
    long = [Condition(attribute="a", operator=Operator.IN, values=list(range(50)))] * 10
    assert [path for path, _ in faults([*long, nameless])] == [
        (),
        (),
        ("10", "attribute"),
        ("10", "values", "0"),
        ("10", "values"),
    ]
    assert [path for path, _ in faults([replace(nameless, attribute="a" * 101, values=[1])])] == [("0", "attribute")]


def test_sentences_say_the_condition_and_name_few_of_many_values() -> None:
    many_countries = Condition(attribute="country", operator=Operator.IN, values=[f"c{n}" for n in range(8)])
    assert many_countries.sentence == "“country” is one of “c0”, “c1”, “c2”, “c3”, “c4” and 3 more"
    assert Condition(attribute="seats", operator=Operator.LTE, values=[5.0]).sentence == "“seats” is at most 5"
    assert Condition(attribute="plan", operator=Operator.NOT_EXISTS).sentence == "“plan” is not known"
    assert set(targeting.WORDS) == set(Operator)
