"""Which places of a layer each of its experiments has, from what people did in the order they did it. Pure.

Experiments of a layer share no unit: each has places of its own for as long as it measures. Who wants more is given
first what it had before, then what nobody that still measures has ever had, then whatever is free. Who takes less gives
back the last that it got, and it is remembered: units from there may be inside.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from experiments.flags.assignment import PLACES
from kpi.enums import Unit

Space = tuple[str, Unit]
"""A layer and the kind of unit it divides."""
Slots = tuple[range, ...]
ALL: Slots = (range(PLACES),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """How many places of which space an experiment wants from now on; of none, when it measures no more."""

    experiment: int
    space: Space | None
    places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What an experiment has of its space, and what it ever had of it."""

    space: Space | None = None
    slots: Slots = ()
    ever: Slots = ()

    def has(self, place: int) -> bool:
        """Whether a place is its own now."""
        return any(place in slot for slot in self.slots)

    def had(self, place: int) -> bool:
        """Whether a place was its own and is no more."""
        return not self.has(place) and any(place in slot for slot in self.ever)


NOTHING = Holding()


def holdings(claims: Iterable[Claim]) -> dict[int, Holding]:
    """What each experiment has after all claims, in the order they were made."""
    found: dict[int, Holding] = {}
    for claim in claims:
        own = found.get(claim.experiment, NOTHING)
        own = own if own.space == claim.space else Holding(space=claim.space)
        others = [one for key, one in found.items() if key != claim.experiment and one.space == claim.space]
        found[claim.experiment] = _settled(own, claim.places if claim.space else 0, others)
    return found


def _settled(own: Holding, wanted: int, others: Sequence[Holding]) -> Holding:
    slots = tuple(_first(wanted, own.slots))
    taken = [slot for other in others for slot in other.slots]
    known = [slot for other in others for slot in other.ever]
    for welcome, unwelcome in ((own.ever, taken), (ALL, known), (ALL, taken)):
        missing = wanted - sum(map(len, slots))
        slots += tuple(_first(missing, _shared(welcome, _free([*unwelcome, *slots]))))
    return Holding(space=own.space, slots=slots, ever=_together([*own.ever, *slots]))


def _first(wanted: int, slots: Iterable[range]) -> Iterator[range]:
    """The first so many places of some slots."""
    for slot in slots:
        if wanted > 0:
            yield slot[:wanted]
            wanted -= len(slot)


def _shared(some: Iterable[range], others: Iterable[range]) -> Iterator[range]:
    """Where slots meet others."""
    both = [range(max(one.start, other.start), min(one.stop, other.stop)) for other in others for one in some]
    yield from filter(len, both)


def _together(some: Sequence[range]) -> Slots:
    """Slots with each place once."""
    return tuple(_free(list(_free(some))))


def _free(taken: Sequence[range]) -> Iterator[range]:
    """What lies between some slots."""
    end = 0
    for slot in sorted(taken, key=lambda slot: slot.start):
        if slot.start > end:
            yield range(end, slot.start)
        end = max(end, slot.stop)
    if end < PLACES:
        yield range(end, PLACES)
