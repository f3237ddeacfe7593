"""What a check says of the data, and all of them together: a state, a sentence, and the numbers behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from experiments.inference.facts import Fact, FactName
from kpi.kinds.shape import Floats
from stats.multiplicity import holm

ALARM = 0.01
"""Always-valid p-value below which a family of tests warns: in at most one sound experiment of a hundred."""
EXPECTED = 7.0
"""How many must be expected before none is strange: none of seven has a chance of exp(-7), below one in a thousand."""


class HealthState(StrEnum):
    """What a check says, and the worst of them: nothing, look there, or nothing can be believed."""

    OK = "OK"
    WARNING = "WARNING"
    INVALID = "INVALID"


class CheckKind(StrEnum):
    """What is checked."""

    SPLIT = "SPLIT"
    SEGMENT_SPLIT = "SEGMENT_SPLIT"
    CROSSOVERS = "CROSSOVERS"
    HOLDOUT = "HOLDOUT"
    STALLED = "STALLED"
    NO_OUTCOMES = "NO_OUTCOMES"
    DRIFT = "DRIFT"
    TREND = "TREND"
    IMBALANCE = "IMBALANCE"
    CAPPED = "CAPPED"
    INTERACTION = "INTERACTION"
    SHARED_SPLIT = "SHARED_SPLIT"
    EARLY_OUTCOMES = "EARLY_OUTCOMES"
    LATE_OUTCOMES = "LATE_OUTCOMES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: what it says, in words, and the numbers behind it."""

    kind: CheckKind
    state: HealthState
    sentence: str
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All checks that could be made."""

    checks: tuple[Check, ...]

    @property
    def state(self) -> HealthState:
        """The worst state of all."""
        return max((check.state for check in self.checks), key=list(HealthState).index, default=HealthState.OK)

    def in_state(self, state: HealthState) -> list[Check]:
        """The checks that say this."""
        return [check for check in self.checks if check.state is state]


def of_family(
    kind: CheckKind,
    names: Sequence[str],
    p_values: Floats,
    *,
    alarm: float,
    fine: str,
    warning: Callable[[str], str],
    name: FactName = FactName.P_VALUE,
    values: Floats | None = None,
    told: Sequence[str] | None = None,
) -> Check | None:
    """A family of tests as one check: what of it stands out after Holm's correction. None while none has an answer.

    The warning is of what is `told` of each test, its name if nothing is.
    """
    adjusted = holm(p_values)
    if not np.isfinite(adjusted).any():
        return None
    loud = [place for place in np.argsort(adjusted) if adjusted[place] < alarm]
    shown = loud or [np.argsort(adjusted)[0]]
    facts = [Fact(name=FactName.P_VALUE, value=float(adjusted[place]), about=names[place]) for place in shown]
    if values is not None:
        facts += [Fact(name=name, value=float(values[place]), about=names[place]) for place in shown]
    return Check(
        kind=kind,
        state=HealthState.WARNING if loud else HealthState.OK,
        sentence=warning(", ".join((told or names)[place] for place in loud)) if loud else fine,
        facts=tuple(facts),
    )
