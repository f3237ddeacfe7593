"""What a unit is served of an experiment: what it is assigned, while units are taken in, or what it has met. Pure.

| the experiment | a unit inside | a unit that enters | any other unit |
|---|---|---|---|
| runs | its variant | its variant, by the hash | control |
| is paused, frozen or stopped | its variant | - | control |
| is decided: shipped | the shipped variant, if its attributes fit | the same | control |
| is decided otherwise | control | control | control |
| is a draft, or one put away | nothing | nothing | nothing |
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from experiments.enums import State
from experiments.flags import assignment
from experiments.flags.assignment import Draw
from experiments.flags.layers import NOTHING, Holding
from experiments.life.lifecycle import MEASURING
from experiments.planning import targeting
from experiments.planning.targeting import Condition, Value

SPLIT = MEASURING | {State.STOPPED, State.DECIDED}
"""States in which units inside keep their variant; of the last, while a decision still waits for its approval."""
UNSAID: Any = object()
"""The value of a variant that leaves it to the code what to do."""
Attributes = Mapping[str, Value | None]


class Reason(StrEnum):
    """Why a unit is served what it is, in the words of OpenFeature."""

    SPLIT = "SPLIT"
    TARGETING_MATCH = "TARGETING_MATCH"
    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A variant, what is served of it, and its weight."""

    key: str
    value: Any
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """An experiment as far as it is served; `arms` in the order of the plan.

    `shipped` is the variant that was decided on, `is_decided` also where none was. `holdout` is the key of the
    experiment whose control is kept out of this one. It `takes_rows` unless somebody hands in its aggregates.
    """

    id: int
    key: str
    state: State
    arms: Sequence[Arm]
    control: str
    traffic: float
    targeting: Sequence[Condition] = ()
    holding: Holding = NOTHING
    holdout: str | None = None
    takes_rows: bool = True
    is_decided: bool = False
    shipped: str | None = None

    @property
    def is_split(self) -> bool:
        """Whether what is served depends on the unit."""
        return not self.is_decided and self.state in SPLIT

    @property
    def is_listed(self) -> bool:
        """Whether those who ask for all flags are told of it: not of drafts, nor of what was put away unshipped."""
        return self.is_split or self.shipped is not None or self.state is State.DECIDED

    def draws(self, unit: str, attributes: Attributes) -> bool:
        """Whether a unit enters by its attributes and by the hash, if nothing keeps it out."""
        return targeting.evaluate(self.targeting, attributes) and self._has(unit)

    def drawn(self, unit: str) -> str:
        """The variant of a unit by the hash."""
        at = assignment.place(Draw.VARIANT, self.key, unit)
        return self.arms[assignment.chosen(at, [arm.weight for arm in self.arms])].key

    def _has(self, unit: str) -> bool:
        space = self.holding.space
        if space is not None:
            return self.holding.has(assignment.place(Draw.LAYER, space[0], unit))
        return assignment.place(Draw.TRAFFIC, self.key, unit) < assignment.places(self.traffic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a unit is served. `exposes` where meeting it is an exposure that the experiment takes in."""

    key: str
    variant: str
    value: Any
    reason: Reason
    exposes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """All experiments of a workspace by key, and the number of the last move that is in them."""

    by_key: Mapping[str, Flag]
    version: int
    secret: bytes | None = None

    def asked(self, some: Collection[Flag], unit: str | None, attributes: Attributes) -> set[int]:
        """The experiments of which has to be known whether the unit is inside, to answer for some flags."""
        if unit is None:
            return set()
        found: set[int] = set()
        for flag in some:
            if flag.is_split:
                keepers = {one.id for one in self._keepers(flag, unit)}
                is_plain = flag.state is State.RUNNING and not keepers and flag.draws(unit, attributes)
                found |= set() if is_plain else {flag.id, *keepers}
        return found

    def answer(self, flag: Flag, unit: str | None, attributes: Attributes, inside: Mapping[int, str]) -> Answer:
        """What a unit is served, of which is known which experiments it is inside of, and in which variant.

        Raises LookupError where there has to be a unit.
        """
        if not flag.is_split:
            return _settled(flag, attributes)
        if unit is None:
            raise LookupError(flag.key)
        is_running = flag.state is State.RUNNING
        variant = inside.get(flag.id)
        if variant is None and is_running and flag.draws(unit, attributes):
            variant = None if self._is_kept_out(flag, unit, attributes, inside) else flag.drawn(unit)
        if variant is None:
            return _served(flag, flag.control, Reason.DEFAULT)
        return _served(flag, variant, Reason.SPLIT, exposes=is_running and flag.takes_rows)

    def _keepers(self, flag: Flag, unit: str) -> list[Flag]:
        """The experiments that may keep a unit out of one: its holdout, and those that had the unit's place before."""
        holdout = self.by_key.get(flag.holdout or "")
        space = flag.holding.space
        at = assignment.place(Draw.LAYER, space[0], unit) if space else 0
        beside = [one for one in self.by_key.values() if space and one.holding.space == space and one.id != flag.id]
        had = [one for one in beside if one.holding.had(at)]
        return had if holdout is None or holdout.state not in MEASURING else [holdout, *had]

    def _is_kept_out(self, flag: Flag, unit: str, attributes: Attributes, inside: Mapping[int, str]) -> bool:
        for keeper in self._keepers(flag, unit):
            variant = inside.get(keeper.id)
            if keeper.key != flag.holdout:
                if variant is not None:
                    return True
                continue
            if variant is None and keeper.state is State.RUNNING and keeper.draws(unit, attributes):
                variant = keeper.drawn(unit)
            if variant == keeper.control:
                return True
        return False


def _settled(flag: Flag, attributes: Attributes) -> Answer:
    """What everybody is served, once an experiment is decided, or as long as it is nothing yet."""
    if not flag.is_listed:
        return Answer(key=flag.key, variant=flag.control, value=UNSAID, reason=Reason.DISABLED, exposes=False)
    if flag.shipped is None or not targeting.evaluate(flag.targeting, attributes):
        return _served(flag, flag.control, Reason.DEFAULT)
    return _served(flag, flag.shipped, Reason.TARGETING_MATCH if flag.targeting else Reason.STATIC)


def _served(flag: Flag, variant: str, reason: Reason, *, exposes: bool = False) -> Answer:
    value = next(arm.value for arm in flag.arms if arm.key == variant)
    return Answer(key=flag.key, variant=variant, value=value, reason=reason, exposes=exposes)
