"""How much somebody may ask for in a while: so much at once, and then as fast as it is given back.

The generic cell rate algorithm (ITU-T I.371): one moment for each caller says all, the one at which all that was taken
would have been given back. Kept by a process for itself, in bounded memory; several processes give as many budgets.
"""

from collections import OrderedDict

MOST = 10_000
"""Callers that are remembered: those that asked last. Who is forgotten has the whole budget again."""


class Budgets:
    """Budgets of one size, one for each caller."""

    def __init__(self, *, per_second: float, at_once: float, most: int = MOST) -> None:
        self.per_second, self.at_once = per_second, at_once
        self._most = most
        self._full_at: OrderedDict[object, float] = OrderedDict()

    def take(self, who: object, amount: float, now: float) -> float:
        """Take so much; returns 0, or the seconds until there will be enough, and then nothing is taken.

        What is more than the whole budget is there once it is full.
        """
        full_at = max(self._full_at.get(who, now), now)
        wait = self._wait(full_at, amount, now)
        if wait > 0:
            return wait
        self._full_at[who] = full_at + amount / self.per_second
        self._full_at.move_to_end(who)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return 0.0

    def wait(self, who: object, amount: float, now: float) -> float:
        """The seconds until there will be so much; 0 where there is."""
        return self._wait(max(self._full_at.get(who, now), now), amount, now)

    def left(self, who: object, now: float) -> float:
        """How much is there to take."""
        return max(0.0, self.at_once - (max(self._full_at.get(who, now), now) - now) * self.per_second)

    def _wait(self, full_at: float, amount: float, now: float) -> float:
        missing = (full_at - now) * self.per_second + min(amount, self.at_once) - self.at_once
        return max(0.0, missing / self.per_second)
