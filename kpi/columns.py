"""Wire rows by column, as tables bring them: no object is made for a row unless somebody asks for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """A moment in whole microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


FIRST, LAST = micros(datetime(1, 1, 1, tzinfo=UTC)), micros(datetime(9999, 12, 31, tzinfo=UTC))
"""What Python can hold, in microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments(Sequence[datetime]):
    """Aware moments in UTC as whole microseconds since 1970."""

    micros: NDArray[np.int64]

    @classmethod
    def of(cls, micros: NDArray[np.int64]) -> "Moments | None":
        """Moments, if Python can hold them all: it cannot before the year 1 and after 9999."""
        is_held = micros.min(initial=0) >= FIRST and micros.max(initial=0) <= LAST
        return cls(micros=micros) if is_held else None

    def __len__(self) -> int:
        return len(self.micros)

    def __getitem__(self, place: Any) -> Any:
        """A moment; of a slice, such moments again."""
        if isinstance(place, slice):
            return Moments(micros=self.micros[place])
        return EPOCH + int(self.micros[place]) * MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns(Sequence[Any]):
    """Wire rows, each a mapping: by field, its values, which are equally many."""

    fields: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    def __getitem__(self, place: Any) -> Any:
        """A row; of a slice, such columns again."""
        cut = {name: values[place] for name, values in self.fields.items()}
        return Columns(fields=cut) if isinstance(place, slice) else cut

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in zip(*self.fields.values(), strict=True):
            yield dict(zip(self.fields, row, strict=True))

    def at(self, places: Sequence[int]) -> "Columns":
        """Some of the rows, in this order."""
        return Columns(fields={name: _chosen(values, places) for name, values in self.fields.items()})


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of one after the other; they have the same fields."""
    if len(parts) == 1:
        return parts[0]
    return Columns(fields={name: _joined([part.fields[name] for part in parts]) for name in parts[0].fields})


def _chosen(values: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    if isinstance(values, Moments):
        return Moments(micros=values.micros[places])
    return [values[place] for place in places]


def _joined(parts: Sequence[Sequence[Any]]) -> Sequence[Any]:
    if all(isinstance(part, Moments) for part in parts):
        return Moments(micros=np.concatenate([part.micros for part in parts]))  # type: ignore[attr-defined]  # they are
    return list(chain.from_iterable(parts))
