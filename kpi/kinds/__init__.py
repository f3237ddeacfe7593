"""The kinds of KPI, one file each: parameters, per-unit SQL, aggregates and decoder side by side.

A kind is a frozen dataclass of its parameters. What it offers is `kpi.kinds.shape.Kind`.
"""

from typing import Any

import msgspec

from kpi.kinds.activation import Activation
from kpi.kinds.mean import Mean
from kpi.kinds.retention import Retention
from kpi.kinds.shape import Aggregate, Kind
from kpi.kinds.time_to_value import TimeToValue

REGISTRY: dict[str, type[Kind]] = {
    "activation": Activation,
    "retention": Retention,
    "time_to_value": TimeToValue,
    "mean": Mean,
}


def decode(kind: str, parameters: dict[str, Any]) -> Kind:
    """A stored definition as the kind it is of."""
    return REGISTRY[kind](**parameters)


def encode(kind: Kind) -> tuple[str, dict[str, Any]]:
    """A kind as it is stored: its name, and the parameters that are set."""
    name = next(name for name, cls in REGISTRY.items() if type(kind) is cls)
    return name, {field: value for field, value in msgspec.to_builtins(kind).items() if value is not None}


__all__ = ["REGISTRY", "Activation", "Aggregate", "Kind", "Mean", "Retention", "TimeToValue", "decode", "encode"]
