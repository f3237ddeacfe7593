"""Outcomes in the binary form of Postgres' COPY: the fixed part of each row, made in whole columns, and then its unit.

Each row is the number of its fields, and each field its length in bytes, -1 for none, and these bytes; numbers begin
with their highest byte (https://www.postgresql.org/docs/current/sql-copy.html, “Binary Format”).
"""

import numpy as np
from numpy.typing import NDArray

from kpi.outcomes import Outcomes

COLUMNS = ("id", "event_id", "occurred_at", "value", "unit")
"""In the order they are packed: what varies in length stands last."""
HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"
NONE = b"\xff\xff\xff\xff"
POSTGRES_EPOCH = 946_684_800_000_000
"""Microseconds from 1970 to 2000, from where Postgres counts."""
FORMS = dict(zip(COLUMNS, ("V16", ">i4", ">i8", ">f8"), strict=False))
"""Of the columns whose length is fixed."""
START = np.dtype(
    [
        ("columns", ">i2"),
        *((name, [("length", ">i4"), ("is", form)]) for name, form in FORMS.items()),
        ("unit length", ">i4"),
    ]
)
"""A row as far as the bytes of its unit."""
VALUE = slice(START.itemsize - 16, START.itemsize - 4)
"""Where its value stands, with its length."""


def packed(outcomes: Outcomes, ids: NDArray[np.void], numbers: NDArray[np.int64]) -> bytes:
    """Outcomes with their ids and the numbers of their events, for COPY into COLUMNS."""
    units = [unit.encode() for unit in outcomes.units]
    starts = np.zeros(len(units), START)
    starts["columns"] = len(COLUMNS)
    told = (ids, numbers, outcomes.times - POSTGRES_EPOCH, outcomes.values)
    for (name, form), values in zip(FORMS.items(), told, strict=True):
        starts[name]["length"], starts[name]["is"] = np.dtype(form).itemsize, values
    starts["unit length"] = [len(unit) for unit in units]
    parts = [b""] * (2 * len(units))
    parts[0::2], parts[1::2] = _cut(starts, np.isnan(outcomes.values)), units
    return b"".join((HEAD, *parts, TAIL))


def _cut(starts: NDArray[np.void], lacks_value: NDArray[np.bool_]) -> list[bytes]:
    """The starts as bytes; where there is no value, it says so."""
    whole: list[bytes] = starts.view(f"V{START.itemsize}").tolist()
    for index in np.flatnonzero(lacks_value).tolist():
        start = whole[index]
        whole[index] = start[: VALUE.start] + NONE + start[VALUE.stop :]
    return whole
