"""Truelift from Python: results with their verdict, KPIs over time as frames, and rows on their way in.

`Truelift` is for notebooks and scripts, `AsyncTruelift` the same for programs on an event loop. What they return are
frozen dataclasses of `truelift.answers`; what they raise is drawn in `truelift.errors`.
"""

from truelift.answers import (
    ExperimentSummary,
    Finding,
    KpiSeries,
    KpiSummary,
    Results,
    Verdict,
)
from truelift.asynchronous import AsyncExperiment, AsyncKpi, AsyncTruelift
from truelift.client import Experiment, Kpi, Truelift
from truelift.errors import (
    BadInput,
    Forbidden,
    NoFrames,
    NoResults,
    NotFound,
    ServerFault,
    TrueliftError,
    Unauthenticated,
    Unavailable,
)
from truelift.rows import Rejection, Report

__all__ = [
    "AsyncExperiment",
    "AsyncKpi",
    "AsyncTruelift",
    "BadInput",
    "Experiment",
    "ExperimentSummary",
    "Finding",
    "Forbidden",
    "Kpi",
    "KpiSeries",
    "KpiSummary",
    "NoFrames",
    "NoResults",
    "NotFound",
    "Rejection",
    "Report",
    "Results",
    "ServerFault",
    "Truelift",
    "TrueliftError",
    "Unauthenticated",
    "Unavailable",
    "Verdict",
]
