"""A period out of line with those before it, by limits that know that neighbouring periods resemble each other."""

from dataclasses import dataclass

from kpi.alerts.conditions.shape import (
    Condition,
    Facts,
    Past,
    Reading,
    Silence,
    columns,
    measured,
    run_length_problems,
    told,
    when,
)
from kpi.enums import AlertKind, Side
from kpi.kinds.shape import Scale
from stats.results import Reason
from stats.series import control

LEARNT_FROM = 120
"""Periods, the latest ones, that limits are made of: what is older says little and costs much."""
SILENT = {
    Reason.TOO_FEW_PERIODS: f"There are fewer than {control.FEWEST} final periods before it to learn limits from.",
    Reason.ZERO_VARIANCE: "All periods have one value and no error, so there is no chance to judge by.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend(Condition):
    """Raised by a period outside control limits of level 1 - 1 / run_length, on one side or on any; cleared inside.

    Each period is held against what the periods before it lead one to expect, so the chances of false alarms are
    alike and independent, whatever the autocorrelation: one in `run_length` periods on average, looked at every period
    (Alwan & Roberts 1988, see `stats.series.control`).
    """

    kind = AlertKind.TREND
    run_length: float = 370.0
    side: Side | None = None

    def problems(self, scale: Scale) -> list[tuple[str, str]]:
        """The run is one that can be kept."""
        return run_length_problems(self.run_length)

    def judge(self, past: Past, facts: Facts) -> Reading | Silence:
        """Hold the last period against the limits that those before it give."""
        if (silence := measured(past, facts.scale)) is not None:
            return silence
        past = past.between(-LEARNT_FROM, None)
        chart = control.chart(past.number, past.value, past.standard_error, alpha=1 / self.run_length)
        if (reason := chart.reason_at(-1)) is not None:
            return Silence(because=SILENT.get(reason, "The value has no error to judge by."))
        value, expected = float(past.value[-1]), float(chart.expected[-1])
        side = Side.ABOVE if value > expected else Side.BELOW
        limit = float((chart.upper if side is Side.ABOVE else chart.lower)[-1])
        is_out = bool(chart.is_out[-1]) and self.side in {None, side}
        return Reading(
            value=value,
            limit=limit,
            is_beyond=is_out,
            is_within=not is_out,
            sentence=f"{when(past)} it was {told(value, facts.scale)}, {side.lower()} the control limit of"
            f" {told(limit, facts.scale)}; {told(expected, facts.scale)} was to be expected.",
            evidence={
                "expected": expected,
                "pValue": float(chart.p_value[-1]),
                "periods": columns(past, lower=chart.lower.tolist(), upper=chart.upper.tolist()),
            },
        )
