"""Each kind's per-unit SQL on a real Postgres, against a plain Python reading of the same rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import fsum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.database import Database
from kpi import kinds
from kpi.kinds import Activation, Component, Composite, Kind, Mean, Quantile, Ratio, Retention, TimeToValue, Total
from kpi.kinds.mean import Of
from kpi.kinds.retention import Form
from kpi.kinds.terms import Amount, How, Measured, Term

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
ENTERED = datetime(2026, 3, 2, 13, tzinfo=UTC)
NUMBERS = {"a": 1, "b": 2, "c": 3}
READ = """
SELECT {numbers}
FROM unnest($1::text[], $2::timestamptz[]) AS e (unit, exposed_at)
    LEFT JOIN unnest($3::text[], $4::int[], $5::timestamptz[], $6::float8[]) AS o (unit, event_id, occurred_at, value)
        ON o.unit = e.unit
GROUP BY e.unit, e.exposed_at
"""


@dataclass(frozen=True, kw_only=True)
class Did:
    """An outcome of the unit, so long after its exposure."""

    event: str
    after: timedelta
    value: float | None


Rows = Sequence[Did]
Reading = Callable[[Rows], float | None]


def within(rows: Rows, event: str, start: int, until: int) -> list[Did]:
    return [did for did in rows if did.event == event and start * DAY <= did.after < until * DAY]


def mean_of(values: Iterable[float]) -> float:
    known = list(values)
    return fsum(known) / len(known) if known else 0.0


def amount(rows: Rows, event: str, of: str, start: int, until: int) -> float:
    """What the events of these days come to, as the kinds' parameters are written down."""
    found = within(rows, event, start, until)
    return {
        "VALUE": fsum(did.value or 0.0 for did in found),
        "AVERAGE": mean_of(did.value for did in found if did.value is not None),
        "COUNT": float(len(found)),
        "DAYS": float(len({did.after // DAY for did in found})),
        "DISTINCT": float(len({did.value for did in found if did.value is not None})),
        "ANY": float(bool(found)),
    }[of]


def level(rows: Rows, event: str, at: int) -> float:
    """The last value of the ten years before a day; of one moment the greatest."""
    known = [(did.after, did.value) for did in within(rows, event, at - 3650, at) if did.value is not None]
    return max(known)[1] if known else 0.0


def nth_day(rows: Rows, event: str, until: int, n: int = 1) -> int | None:
    days = sorted(did.after // DAY for did in within(rows, event, 0, until))
    return days[n - 1] if len(days) >= n else None


def ended(event: int | None, loss: int | None) -> float | None:
    """As a duration is stored: twice the day of the event, or twice that of a loss before it, plus one."""
    ends = [2 * day + is_loss for day, is_loss in ((event, 0), (loss, 1)) if day is not None]
    return min(ends, default=None)


def part(event: str, of: Measured, last_days: int | None = None) -> Amount:
    return Amount(event=event, of=of, last_days=last_days)


def together(how: How, a: float, b: float) -> float:
    """As the design states each way of putting two amounts together."""
    return {
        How.DIFFERENCE: a - b,
        How.KEPT: a if b > 0 else 0,
        How.SMALLER: min(a, b),
        How.GAIN: max(a - b, 0) if b > 0 else 0,
        How.LOSS: max(b - a, 0) if a > 0 else 0,
        How.LOST: b if a == 0 else 0,
        How.LEFT: 1 if a == 0 and b > 0 else 0,
        How.DISTANCE: abs(a - b),
        How.MATCHED: max(b - abs(a - b), 0),
    }[how]


def component(kpi: str, kind: Kind, weight: float, centre: float, spread: float) -> Component:
    name, parameters = kinds.encode(kind)
    return Component(kpi=kpi, weight=weight, centre=centre, spread=spread, version=1, kind=name, parameters=parameters)


def divided(numerator: Term) -> Ratio:
    return Ratio(window_days=3, numerator=numerator, denominator=Term(amount=part("c", Measured.ANY)))


def mixed() -> Composite:
    inner = Composite(
        components=(
            component("x", Activation(event="a", window_days=1), 1.0, 0.0, 1.0),
            component("y", Retention(event="b", day=2), 0.5, 0.25, 2.0),
        )
    )
    return Composite(
        components=(
            component("z", Mean(event="a", window_days=3, of=Of.DAYS), -2.0, 1.0, 0.5),
            component("w", inner, 3.0, 0.0, 1.0),
        )
    )


def mix(rows: Rows) -> float:
    inner = amount(rows, "a", "ANY", 0, 1) + 0.5 * (amount(rows, "b", "ANY", 2, 3) - 0.25) / 2
    return -2 * (amount(rows, "a", "DAYS", 0, 3) - 1) / 0.5 + 3 * inner


WHOLE = (Measured.VALUE, Measured.COUNT, Measured.DAYS, Measured.DISTINCT, Measured.ANY)
EXPECTED: list[tuple[Kind, Reading]] = [
    (Activation(event="a", window_days=2), lambda rows: amount(rows, "a", "ANY", 0, 2)),
    (Retention(event="a", day=1), lambda rows: amount(rows, "a", "ANY", 1, 2)),
    (Retention(event="a", day=1, form=Form.BRACKET, until_day=2), lambda rows: amount(rows, "a", "ANY", 1, 3)),
    (Retention(event="a", day=1, form=Form.ROLLING, until_day=3), lambda rows: amount(rows, "a", "ANY", 1, 4)),
    *((Mean(event="a", window_days=3, of=of), lambda rows, of=of: amount(rows, "a", of, 0, 3)) for of in Of),
    *(
        (
            Mean(event="a", window_days=3, of=of, less_event="b", cap=1.5),
            lambda rows, of=of: min(amount(rows, "a", of, 0, 3) - amount(rows, "b", of, 0, 3), 1.5),
        )
        for of in Of
    ),
    (Total(event="a", window_days=2, cap=2), lambda rows: min(amount(rows, "a", "VALUE", 0, 2), 2)),
    (Quantile(event="a", window_days=2, quantile=0.9), lambda rows: amount(rows, "a", "VALUE", 0, 2)),
    (TimeToValue(event="a", tau_days=3), lambda rows: ended(nth_day(rows, "a", 3), None)),
    *(
        (
            TimeToValue(event="a", tau_days=3, loss_event="b", occurrence=n),
            lambda rows, n=n: ended(nth_day(rows, "a", 3, n), nth_day(rows, "b", 3)),
        )
        for n in (1, 2, 3)
    ),
    *((divided(Term(amount=part("a", of))), lambda rows, of=of: amount(rows, "a", of, 0, 3)) for of in WHOLE),
    *((divided(Term(amount=part("a", of, 1))), lambda rows, of=of: amount(rows, "a", of, 2, 3)) for of in WHOLE),
    (divided(Term(amount=part("a", Measured.LEVEL_AT_START))), lambda rows: level(rows, "a", 0)),
    (divided(Term(amount=part("a", Measured.LEVEL_AT_END))), lambda rows: level(rows, "a", 3)),
    (divided(Term(amount=part("a", Measured.HAD_AT_START))), lambda rows: float(level(rows, "a", 0) > 0)),
    (divided(Term(amount=part("a", Measured.HAD_AT_END))), lambda rows: float(level(rows, "a", 3) > 0)),
    *(
        (
            divided(Term(amount=part("a", Measured.LEVEL_AT_END), how=how, other=part("b", Measured.LEVEL_AT_START))),
            lambda rows, how=how: together(how, level(rows, "a", 3), level(rows, "b", 0)),
        )
        for how in How
    ),
    (mixed(), mix),
]

edges = st.builds(
    lambda day, beside: day * DAY + beside,
    st.sampled_from([-3651, -3650, -3648, -3647, -2, -1, 0, 0, 1, 1, 2, 2, 3, 4]),
    st.sampled_from([-MOMENT, timedelta(0), MOMENT, timedelta(hours=7)]),
)
rows_of_a_unit = st.lists(
    st.builds(
        Did,
        event=st.sampled_from(["a", "a", "b", "c"]),
        after=edges,
        value=st.sampled_from([None, 0.0, 0.5, 1.0, 2.5, -3.0]),
    ),
    max_size=14,
)


async def numbers(database: Database, sql: Sequence[str], rows: Rows) -> list[Any]:
    """What a unit with these rows has of each, and whoever is beside it does not matter."""
    outcomes = [("u", NUMBERS[did.event], ENTERED + did.after, did.value) for did in rows]
    outcomes += [("other", 1, ENTERED + DAY, 7.0)]
    columns = [list(column) for column in zip(*outcomes, strict=True)]
    async with database.raw() as connection:
        return list(await connection.fetchrow(READ.format(numbers=", ".join(sql)), ["u"], [ENTERED], *columns))


@settings(max_examples=70, deadline=None, database=None, derandomize=True)
@given(rows_of_a_unit)
async def test_number_of_a_unit_of_every_kind_is_what_its_parameters_say(database: Database, rows: list[Did]) -> None:
    found = await numbers(database, [kind.per_unit(NUMBERS) for kind, _ in EXPECTED], rows)
    for (kind, expected), number in zip(EXPECTED, found, strict=True):
        wanted = expected(rows)
        assert number == (wanted if wanted is None else pytest.approx(wanted, rel=1e-12, abs=1e-12)), kind


@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@given(rows_of_a_unit)
async def test_denominator_of_a_unit_is_that_of_the_ratio_and_other_kinds_have_none(
    database: Database, rows: list[Did]
) -> None:
    (ratio, _), *_ = (one for one in EXPECTED if isinstance(one[0], Ratio))
    assert await numbers(database, [ratio.divided_by(NUMBERS) or ""], rows) == [amount(rows, "c", "ANY", 0, 3)]
    others = [kind for kind, _ in EXPECTED if not isinstance(kind, Ratio)]
    assert [kind.divided_by(NUMBERS) for kind in others] == [None] * len(others)


@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@given(rows_of_a_unit)
async def test_number_before_exposure_is_of_the_days_up_to_it(database: Database, rows: list[Did]) -> None:
    asked = [Mean(event="a", window_days=9, of=of, less_event="b") for of in Of]
    found = await numbers(database, [kind.before(NUMBERS, 2) for kind in asked], rows)
    for kind, number in zip(asked, found, strict=True):
        assert number == amount(rows, "a", kind.of, -2, 0) - amount(rows, "b", kind.of, -2, 0), kind.of


@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@given(rows_of_a_unit)
async def test_days_of_a_curve_are_those_of_return_and_of_a_rolling_one_all_up_to_the_last(
    database: Database, rows: list[Did]
) -> None:
    bracket, rolling = (
        Retention(event="a", day=2, form=form, until_day=3, has_curve=True) for form in (Form.BRACKET, Form.ROLLING)
    )
    found = await numbers(database, [bracket.by_day(NUMBERS), rolling.by_day(NUMBERS)], rows)
    returned = {did.after // DAY for did in within(rows, "a", 1, 4)}
    last = max(returned, default=0)
    assert [set() if bits is None else ones(bits.as_string()) for bits in found] == [returned, set(range(1, last + 1))]


def ones(bits: str) -> set[int]:
    return {day for day, bit in enumerate(bits.replace(" ", "")) if bit == "1"}


def test_lookback_is_as_far_as_a_level_may_lie_back() -> None:
    def back(of: Measured, window_days: int) -> int:
        term = Term(amount=part("a", of))
        return Ratio(window_days=window_days, numerator=term, denominator=term).lookback_days

    assert [back(of, 365) for of in (Measured.LEVEL_AT_START, Measured.HAD_AT_END, Measured.VALUE)] == [3650, 3285, 0]
    assert {kind.lookback_days for kind, _ in EXPECTED if not isinstance(kind, Ratio)} == {0}
