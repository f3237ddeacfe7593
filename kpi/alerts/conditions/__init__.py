"""The conditions of alerts, one file each: parameters, promise and judgement side by side. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from kpi.alerts.conditions.baseline_drift import BaselineDrift
from kpi.alerts.conditions.data_stopped import DataStopped
from kpi.alerts.conditions.shape import Condition
from kpi.alerts.conditions.target_at_risk import TargetAtRisk
from kpi.alerts.conditions.threshold import Threshold
from kpi.alerts.conditions.trend import Trend
from kpi.enums import AlertKind

REGISTRY: dict[AlertKind, type[Condition]] = {
    condition.kind: condition for condition in (Threshold, Trend, TargetAtRisk, BaselineDrift, DataStopped)
}


def encode(condition: Condition) -> dict[str, Any]:
    """A condition's parameters as they are stored: those that are set."""
    return {name: value for name, value in msgspec.to_builtins(condition).items() if value is not None}


def decode(kind: AlertKind, parameters: Mapping[str, Any]) -> Condition:
    """A stored condition."""
    return msgspec.convert(parameters, REGISTRY[kind])


__all__ = [
    "REGISTRY",
    "BaselineDrift",
    "Condition",
    "DataStopped",
    "TargetAtRisk",
    "Threshold",
    "Trend",
    "decode",
    "encode",
]
