"""Alerts and the rules that raise them, in words. No number is computed here."""

from collections.abc import Callable

from web.quantities import Json, chance, decimal, percent, rate, size, value, words

KINDS = {
    "THRESHOLD": "Limit",
    "TREND": "Out of line",
    "TARGET_AT_RISK": "Target at risk",
    "BASELINE_DRIFT": "Drift from the baseline",
    "DATA_STOPPED": "Data stopped",
}
"""What a rule is called."""
CHOICES = {"open": "Open", "raised": "Raised", "acknowledged": "Acknowledged", "resolved": "Resolved", "all": "All"}
"""Which alerts a page may show, by the word in its address."""


def watched(rule: Json, on: str) -> str:
    """What a rule watches for, in a sentence, on the scale of its KPI."""
    return CONDITIONS[rule["condition"]["__typename"]](rule["condition"], on)


def seen(alert: Json) -> str:
    """The number that was beyond its limit, with the limit; a chance where that is what is judged."""
    if alert["kind"] == "DATA_STOPPED":
        return f"a silence of chance {_tiny(alert['value'])}"
    if alert["kind"] == "TARGET_AT_RISK":
        return f"{chance(alert['value'])}, limit {percent(alert['limit'])}"
    on = alert["kpi"]["scale"] or "AMOUNT"
    return f"{value(alert['value'], on)}, limit {value(alert['limit'], on)}"


def ended(alert: Json) -> str:
    """Who or what resolved an alert."""
    by = alert["resolvedBy"]
    return "by itself, as the value is back" if by == "rule" else f"by {by}"


def _threshold(of: Json, on: str) -> str:
    clear = "" if of["clear"] is None else f"; cleared at {value(of['clear'], on)}"
    sure = "" if of["runLength"] is None else f", beyond chance{_once(of['runLength'], 'periods')}"
    return f"{words(of['side'])} {value(of['limit'], on)}{sure}{clear}"


def _trend(of: Json, _on: str) -> str:
    side = f"{words(of['side'])} the" if of["side"] else "Outside the"
    return f"{side} control limits of the periods before{_once(of['runLength'], 'periods')}"


def _target(of: Json, _on: str) -> str:
    clear = "" if of["clear"] is None else f"; cleared from {percent(of['clear'])} on"
    return f"The chance to meet the target is below {percent(of['chance'])}{clear}"


def _drift(of: Json, on: str) -> str:
    shift, alpha = size(of["shift"], on), rate(of["alpha"])
    return f"No longer at the baseline, tuned to a drift of {shift}; a false alarm ever with a chance of {alpha}"


def _silence(of: Json, _on: str) -> str:
    return f"No rows for longer than is usual{_once(of['runLength'], 'days')}"


def _once(run: float | None, of: str) -> str:
    return "" if run is None else f", a false alarm in {decimal(run, 0)} {of}"


def _tiny(number: float) -> str:
    return f"{number:.1g}" if number < 0.001 else decimal(number, 3)


CONDITIONS: dict[str, Callable[[Json, str], str]] = {
    "ThresholdCondition": _threshold,
    "TrendCondition": _trend,
    "TargetAtRiskCondition": _target,
    "BaselineDriftCondition": _drift,
    "DataStoppedCondition": _silence,
}
