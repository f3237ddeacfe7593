"""What the forms of pages ask, as addresses say it: variables of their documents, and faults in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from starlette.datastructures import QueryParams

from kpi.enums import AlertState
from kpi.ingest import is_text

OPEN = "open"
"""The alerts that a page shows where nobody says which."""
STATES: Mapping[str, dict[str, Any]] = {
    OPEN: {"isOpen": True},
    **{state.lower(): {"state": {"eq": state}} for state in AlertState},
    "all": {},
}
"""Alerts by the word for them in an address."""
PAID = ("12", "4", "1")
"""How often a year revenue is paid."""
LIFTS, SHARES = (-95.0, 1_000.0), (0.0, 100.0)
"""Per cents that may be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The variables of a page's document, and what the page shows again of what was asked, with its faults."""

    variables: dict[str, Any]
    chosen: dict[str, Any]


def supposition(said: QueryParams) -> Asked:
    """A KPI that changes by so many per cent, for so many per cent of the units."""
    texts = {"lift": said.get("lift", ""), "coverage": said.get("coverage", "100")}
    faults: dict[str, str] = {}
    lift, coverage = _per_cent(texts, "lift", LIFTS, faults), _per_cent(texts, "coverage", SHARES, faults)
    kpi, paid = said.get("kpi", ""), said.get("paid", PAID[0])
    is_asked = bool(kpi) and is_text(kpi) and paid in PAID
    faults = faults if is_asked else {}
    variables = {"isAsked": is_asked and not faults, "kpi": kpi if is_asked else "", "lift": lift, "coverage": coverage}
    chosen = {"kpi": kpi, "paid": paid, "faults": faults, "change": lift, "part": coverage, **texts}
    return Asked(variables=variables | {"periods": float(paid) if is_asked else 12.0}, chosen=chosen)


def worst(said: QueryParams) -> Asked:
    """The worst so many per cent of the units, of a segment."""
    texts = {"worst": said.get("worst", "10")}
    faults: dict[str, str] = {}
    share = _per_cent(texts, "worst", SHARES, faults)
    if not faults and not share:
        faults["worst"] = "The worst 0% of the units are nobody."
    segment = said.get("segment", "")
    segment = segment if is_text(segment) else ""
    variables = {"worst": share, "segment": segment, "after": said.get("after")}
    return Asked(variables=variables, chosen={"segment": segment, "share": share, "faults": faults, **texts})


def _per_cent(texts: Mapping[str, str], name: str, bounds: tuple[float, float], faults: dict[str, str]) -> float:
    """A field's per cents as a share; 0 with a fault where it is no number, or not within its bounds."""
    lower, upper = bounds
    text = texts[name].strip().replace("\N{MINUS SIGN}", "-").removesuffix("%").strip()
    try:
        number = float(text)
    except ValueError:
        faults[name] = f"“{texts[name]}” is no number of per cent."
        return 0.0
    if not (isfinite(number) and lower <= number <= upper):
        faults[name] = f"“{texts[name]}” is not between {lower:g} and {upper:g} per cent."
        return 0.0
    return number / 100
