"""The kinds of KPI, one file each: parameters, per-unit SQL, aggregates and decoder side by side.

A kind is a frozen dataclass of its parameters. What it offers is `kpi.kinds.shape.Kind`.
"""

from dataclasses import fields
from typing import Any

import msgspec

from kpi.kinds.shape import Aggregate, Kind  # isort: skip - composites are made of kinds
from kpi.kinds.activation import Activation
from kpi.kinds.composite import Component, Composite
from kpi.kinds.mean import Mean
from kpi.kinds.quantile import Quantile
from kpi.kinds.ratio import Ratio
from kpi.kinds.retention import Retention
from kpi.kinds.time_to_value import TimeToValue
from kpi.kinds.total import Total

REGISTRY: dict[str, type[Kind]] = {
    "activation": Activation,
    "retention": Retention,
    "time_to_value": TimeToValue,
    "mean": Mean,
    "total": Total,
    "ratio": Ratio,
    "quantile": Quantile,
    "composite": Composite,
}
STATED = {"of"}
"""Parameters that are stored even where they say what goes without saying: they always were."""


def decode(kind: str, parameters: dict[str, Any]) -> Kind:
    """A stored definition as the kind it is of."""
    return msgspec.convert(parameters, REGISTRY[kind])


def encode(kind: Kind) -> tuple[str, dict[str, Any]]:
    """A kind as it is stored: its name, and the parameters that say something.

    A parameter that came later is absent where it says what went without saying before, so that a definition that was
    stored then is still the same.
    """
    name = next(name for name, cls in REGISTRY.items() if type(kind) is cls)
    usual = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]  # every kind is a dataclass
    stored = without_nothing(msgspec.to_builtins(kind))
    return name, {field: value for field, value in stored.items() if field in STATED or value != usual[field]}


def without_nothing(value: Any) -> Any:
    """A JSON value without the fields that are null, however deep."""
    if isinstance(value, dict):
        return {name: without_nothing(part) for name, part in value.items() if part is not None}
    return [without_nothing(part) for part in value] if isinstance(value, list | tuple) else value


__all__ = [
    "REGISTRY",
    "Activation",
    "Aggregate",
    "Component",
    "Composite",
    "Kind",
    "Mean",
    "Quantile",
    "Ratio",
    "Retention",
    "TimeToValue",
    "Total",
    "decode",
    "encode",
]
