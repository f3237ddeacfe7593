"""Experiments of a layer share no place, whatever is ramped, ended and begun in it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.flags.assignment import PLACES, places
from experiments.flags.layers import Claim, Holding, Space, holdings
from kpi.enums import Unit

SPACE: Space = ("checkout", Unit.USER)
OTHER: Space = ("checkout", Unit.ACCOUNT)


def claims(*said: tuple[int, float]) -> list[Claim]:
    """Who wants which share from now on; nothing at all with a share of 0."""
    return [
        Claim(experiment=experiment, space=SPACE if share else None, places=places(share)) for experiment, share in said
    ]


def size(holding: Holding) -> int:
    return sum(map(len, holding.slots))


def overlap(one: Holding, other: Holding) -> int:
    return sum(len(range(max(a.start, b.start), min(a.stop, b.stop))) for a in one.slots for b in other.slots)


WANTED = st.lists(st.tuples(st.integers(1, 4), st.sampled_from([0.0, 0.1, 0.25, 0.5, 1 / 3, 1.0])), max_size=12)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(WANTED)
def test_nobody_shares_a_place_and_everybody_has_what_there_is(wanted: list[tuple[int, float]]) -> None:
    before: dict[int, Holding] = {}
    for number in range(1, len(wanted) + 1):
        found = holdings(claims(*wanted[:number]))
        experiment, share = wanted[number - 1]
        rest = PLACES - sum(size(one) for key, one in found.items() if key != experiment)
        assert size(found[experiment]) == min(places(share), rest)
        assert len({place for slot in found[experiment].slots for place in slot[::1_000]}) == sum(
            len(slot[::1_000]) for slot in found[experiment].slots
        )
        assert all(overlap(found[a], found[b]) == 0 for a in found for b in found if a < b)
        assert {key: one for key, one in found.items() if key != experiment} == {
            key: one for key, one in before.items() if key != experiment
        }
        before = found


def test_share_that_grows_keeps_its_places_and_one_that_shrinks_gives_back_the_last() -> None:
    small, large = holdings(claims((1, 0.2)))[1], holdings(claims((1, 0.2), (2, 0.3), (1, 0.5)))[1]
    assert small.slots == (range(200_000),)
    assert large.slots == (range(200_000), range(500_000, 800_000))
    less = holdings(claims((1, 0.2), (2, 0.3), (1, 0.5), (1, 0.3)))[1]
    assert less.slots == (range(200_000), range(500_000, 600_000))
    assert (less.had(700_000), less.had(550_000), less.had(900_000)) == (True, False, False)


def test_places_that_were_given_back_go_to_others_last_and_come_back_first() -> None:
    begun = [(1, 0.6), (1, 0.2), (2, 0.4), (3, 0.1)]
    found = holdings(claims(*begun))
    assert found[2].slots == (range(600_000, PLACES),)
    assert found[3].slots == (range(200_000, 300_000),)
    again = holdings(claims(*begun, (1, 0.5)))[1]
    assert again.slots == (range(200_000), range(300_000, 600_000))


def test_experiment_that_ends_frees_its_places_and_is_forgotten() -> None:
    found = holdings(claims((1, 1.0), (2, 0.5), (1, 0.0), (2, 0.5)))
    assert found[2].slots == (range(500_000),)
    assert (found[1].slots, found[1].ever) == ((), ())


def test_layer_divides_each_kind_of_unit_by_itself() -> None:
    found = holdings([*claims((1, 1.0)), Claim(experiment=2, space=OTHER, places=PLACES)])
    assert size(found[2]) == PLACES


def test_experiment_that_changes_its_layer_begins_anew_there() -> None:
    moved = Claim(experiment=1, space=("search", Unit.USER), places=places(0.5))
    found = holdings([*claims((1, 0.5)), moved, *claims((2, 1.0))])
    assert (size(found[1]), size(found[2])) == (500_000, PLACES)
