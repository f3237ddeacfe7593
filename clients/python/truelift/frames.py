"""Columns as a frame of whichever library is installed; neither is imported before somebody asks for a frame."""

from collections.abc import Mapping, Sequence
from datetime import date
from importlib.util import find_spec
from typing import Any, Literal

from truelift.errors import NoFrames

Library = Literal["polars", "pandas"]
Type = type[str] | type[float] | type[int] | type[bool] | type[date]
LIBRARIES: tuple[Library, ...] = ("polars", "pandas")


def frame(columns: Mapping[str, tuple[Type, Sequence[Any]]], library: Library | None = None) -> Any:
    """Columns by name, each with the type of its values, as a frame. Raises NoFrames where no library is installed."""
    chosen = library or next((name for name in LIBRARIES if find_spec(name)), None)
    if chosen is None or not find_spec(chosen):
        raise NoFrames(f"Install {chosen or 'polars or pandas'} to get frames.", code="NO_FRAMES")
    return _polars(columns) if chosen == "polars" else _pandas(columns)


def _polars(columns: Mapping[str, tuple[Type, Sequence[Any]]]) -> Any:
    import polars  # noqa: PLC0415 - nobody who wants no frame waits for it

    types = {str: polars.String, float: polars.Float64, int: polars.Int64, bool: polars.Boolean, date: polars.Date}
    series = [polars.Series(name, list(values), dtype=types[of]) for name, (of, values) in columns.items()]
    return polars.DataFrame(series)


def _pandas(columns: Mapping[str, tuple[Type, Sequence[Any]]]) -> Any:
    import pandas  # noqa: PLC0415 - as above

    types = {str: "object", float: "float64", int: "int64", bool: "bool", date: "datetime64[s]"}
    series = {name: pandas.Series(list(values), dtype=types[of]) for name, (of, values) in columns.items()}
    return pandas.DataFrame(series)
