"""What is kept because it will be wanted again: values by their key, and no more of them than fit."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Shelf(Generic[K, V]):
    """Values that have a size, those that were wanted last; what is forgotten is found again, only more slowly."""

    def __init__(self, most: int) -> None:
        self._most, self.full = most, 0
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """A value; None for what is not kept."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value, and forget those that were not wanted for the longest time until it fits."""
        self.full += size - self._kept.pop(key, (None, 0))[1]
        self._kept[key] = value, size
        while self.full > self._most:
            self.full -= self._kept.popitem(last=False)[1][1]
