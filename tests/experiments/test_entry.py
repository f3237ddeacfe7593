"""Folding exposures into one entry, against the definition read off all of them at once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.exposures import Entry

START = datetime(2026, 3, 2, tzinfo=UTC)
exposures = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 3)), min_size=1, max_size=7
)  # hour and variant; equal hours are common
Exposures = list[tuple[int, int]]


def entry(hour: int, variant: int) -> Entry:
    return Entry(
        experiment_id=1,
        unit="u1",
        variant_id=variant,
        exposed_at=START + timedelta(hours=hour),
        crossed_at=None,
        attributes={"hour": hour, "variant": variant},
    )


def defined(all_of_them: Exposures) -> Entry:
    """First by time, then by variant; crossed at the first exposure to any other variant."""
    hour, variant = min(all_of_them)
    others = [START + timedelta(hours=at) for at, other in all_of_them if other != variant]
    first = entry(hour, variant)
    return Entry(
        experiment_id=1,
        unit="u1",
        variant_id=variant,
        exposed_at=first.exposed_at,
        crossed_at=min(others, default=None),
        attributes=first.attributes,
    )


def folded(entries: Iterable[Entry]) -> Entry:
    return reduce(Entry.fold, entries)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(exposures, st.data())
def test_fold_any_order_and_any_batching_equals_the_definition(drawn: Exposures, data: st.DataObject) -> None:
    order = data.draw(st.permutations(drawn))
    cut = data.draw(st.integers(1, len(order)))
    batches = [folded(entry(*one) for one in batch) for batch in (order[:cut], order[cut:]) if batch]
    assert folded(batches) == defined(drawn)
    assert folded(reversed(batches)) == defined(drawn)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(exposures)
def test_fold_of_what_is_known_already_changes_nothing(drawn: Exposures) -> None:
    known = folded(entry(*one) for one in drawn)
    for one in drawn:
        assert known.fold(entry(*one)) == known
