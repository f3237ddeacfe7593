"""What a finding says in one word and one colour. The decision itself was made by the plan's policy, not here."""

from dataclasses import dataclass

from web.quantities import Json, sentence

REASONS = {
    "INSUFFICIENT_DATA": "too few units so far",
    "ZERO_VARIANCE": "every unit has the same value so far",
    "ZERO_BASELINE": "the control's level is zero",
    "UNBOUNDED": "the control's level may be zero",
    "NOT_REACHED": "not reached by half of the units yet",
    "TOO_FEW_EVENTS": "too few events so far",
    "UNPLANNED": "no effect was planned to tune it to",
    "ZERO_DENOMINATOR": "nothing to divide by yet",
    "TOO_FEW_PERIODS": "too few periods so far",
    "NEAR_LOWEST": "too near the lowest value of all",
    "BEFORE_END": "read once, at the planned end",
}
"""The reasons a question has no answer; one unknown here is shown by its own name in words."""

ARROWS = {1: "▲", -1: "▼", 0: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A finding in a word, the arrow of its estimate, and the tone that picks shape and colour."""

    word: str
    arrow: str
    tone: str
    """better, worse, unclear or missing."""


def reading(finding: Json, *, is_trusted: bool) -> Reading:
    """The word for a finding; without trust (failed diagnostics) no finding is good or bad news."""
    change = finding["estimate"]["difference"]
    if change is None:
        return Reading(word=sentence(reason(finding)), arrow="", tone="missing")
    arrow = ARROWS[(change > 0) - (change < 0)]
    if not is_trusted:
        return Reading(word="Unreliable", arrow=arrow, tone="unclear")
    if finding["reason"] == "BEFORE_END":
        return Reading(word=sentence(reason(finding)), arrow=arrow, tone="unclear")
    word, tone = _guarded(finding) or _decided(finding)
    return Reading(word=word, arrow=arrow, tone=tone)


def dependence(contrast: Json) -> Reading:
    """Whether an effect depends on another experiment, in a word."""
    if contrast["pValue"] is None:
        return Reading(word=sentence(reason(contrast)), arrow="", tone="missing")
    arrow = ARROWS[(contrast["difference"] > 0) - (contrast["difference"] < 0)]
    if contrast["isSuspect"]:
        return Reading(word="Depends on it", arrow=arrow, tone="worse")
    return Reading(word="No sign of it", arrow="", tone="unclear")


def split(interaction: Json) -> Reading:
    """Whether the units in both experiments are split as promised, in a word."""
    if interaction["isSplitBroken"]:
        return Reading(word="Not as promised: one changes who is in the other", arrow="", tone="worse")
    return Reading(word="As both plans promise", arrow="", tone="unclear")


def reason(finding: Json) -> str:
    """Why there is no answer, in words."""
    code = finding["reason"]
    return REASONS.get(code, code.replace("_", " ").lower()) if code else "no answer was given"


def sign(kpi: Json) -> int:
    """+1 when more is better, else -1."""
    return -1 if kpi["direction"] == "LOWER" else 1


def _decided(finding: Json) -> tuple[str, str]:
    if finding["isBetter"]:
        return "Better", "better"
    if finding["isWorse"]:
        return "Worse", "worse"
    return ("No clear difference" if finding["isOver"] else "Not decided yet"), "unclear"


def _guarded(finding: Json) -> tuple[str, str] | None:
    """A guardrail that is not better is read against its margin: how much harm is still to be reckoned with."""
    if finding["margin"] is None or finding["interval"] is None or finding["isBetter"]:
        return None
    if finding["breachesMargin"]:
        return "Harmed beyond its margin", "worse"
    if finding["keepsMargin"]:
        return "Within margin", "unclear"
    return ("Worse, margin not excluded", "worse") if finding["isWorse"] else ("Margin not excluded", "unclear")
