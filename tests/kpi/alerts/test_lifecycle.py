"""How alerts come and go, over any readings at any times."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kpi.alerts.conditions.shape import Reading
from kpi.alerts.lifecycle import MOST_BEHIND, Move, due, is_quiet, move

START = datetime(2026, 1, 1, tzinfo=UTC)


def reading(value: float, limit: float = 10, clear: float = 8) -> Reading:
    """A value that is too high beyond the limit, and fine up to what clears it."""
    return Reading(
        value=value, limit=limit, is_beyond=value > limit, is_within=value <= clear, sentence="", evidence={}
    )


@given(
    values=st.lists(st.tuples(st.floats(0, 20), st.integers(0, 3)), max_size=60),
    cooldown=st.integers(0, 10),
)
def test_rule_has_one_open_alert_at_most_with_hysteresis_and_rest(
    values: list[tuple[float, int]], cooldown: int
) -> None:
    now, raised, resolved = START, list[datetime](), list[datetime]()
    for value, days in values:
        now += timedelta(days=days)
        is_open = len(raised) > len(resolved)
        rests = is_quiet(resolved[-1] if resolved else None, cooldown, now)
        match move(reading(value), is_open=is_open, is_quiet=rests):
            case Move.RAISE:
                assert value > 10
                assert not resolved or now - resolved[-1] >= timedelta(days=cooldown)
                raised.append(now)
            case Move.RESOLVE:
                assert value <= 8
                resolved.append(now)
            case None:
                # Nothing is left undone: what is beyond is open or rests, what is within is not open.
                assert value <= 10 or is_open or rests
                assert value > 8 or not is_open
        assert 0 <= len(raised) - len(resolved) <= 1


def test_value_between_what_clears_and_the_limit_changes_nothing() -> None:
    assert move(reading(9), is_open=True, is_quiet=False) is None
    assert move(reading(9), is_open=False, is_quiet=False) is None


def test_alert_is_raised_again_once_the_rule_has_rested() -> None:
    assert is_quiet(START, 7, START + timedelta(days=6, hours=23))
    assert not is_quiet(START, 7, START + timedelta(days=7))
    assert not is_quiet(None, 7, START)
    assert not is_quiet(START, 0, START)


@given(judged=st.lists(st.integers(1, 100), max_size=6))
def test_each_period_is_judged_once_however_often_somebody_looks(judged: list[int]) -> None:
    days = [date(2026, 1, 1) + timedelta(days=place) for place in range(100)]
    seen: list[date] = []
    for known in sorted(judged):
        seen += [days[place] for place in due(days[:known], seen[-1] if seen else None)]
    assert len(set(seen)) == len(seen)
    assert seen == sorted(seen)
    if judged:
        assert seen[-1] == days[max(judged) - 1]
        assert seen[0] >= days[min(judged) - 1]  # a new rule begins with the newest period


def test_periods_long_past_are_no_news() -> None:
    days = [date(2026, 1, 1) + timedelta(days=place) for place in range(100)]
    assert due(days, days[10]) == range(100 - MOST_BEHIND, 100)
    assert due([], None) == range(0)
