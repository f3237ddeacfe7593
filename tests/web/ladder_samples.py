"""Made answers of the pages of the ladder, of alerts and of units at risk."""

from typing import Any

from tests.web.kpi_samples import alert, interval
from tests.web.samples import VIEWER, Json


def rung(key: str, name: str, height: int, **changes: Any) -> Json:
    kpi = {
        "key": key,
        "name": name,
        "owner": "Ada",
        "unit": "ACCOUNT",
        "direction": "HIGHER",
        "isLeading": height < 2,
        "scale": "FRACTION",
    }
    found = {
        "height": height,
        "level": {"n": 1200, "value": 0.4, "lower": 0.38, "upper": 0.42},
        "target": 0.45,
        "openAlerts": 0,
        "isShareOfRevenue": False,
        "state": "OFF_TARGET",
        "kpi": kpi | changes.pop("kpi", {}),
    }
    return found | changes


def said(source: str, **changes: Any) -> Json:
    """What a source says of a link."""
    found = {
        "source": source,
        "elasticity": 0.6,
        "standardError": 0.19,
        "low": None,
        "likely": None,
        "high": None,
        "sentence": None,
        "by": "planning",
        "reason": "Two years of cohorts, read by eye",
        "createdAt": "2026-06-20T09:00:00+00:00",
    }
    return found | changes


def step(leading: Json, lagging: Json, *links: Json, **changes: Any) -> Json:
    found = {
        "leading": {name: leading["kpi"][name] for name in ("key", "name")},
        "lagging": {name: lagging["kpi"][name] for name in ("key", "name")},
        "elasticity": 0.5,
        "interval": interval(0.31, 0.69),
        "isEstimated": True,
        "used": ["EXPERIMENTS"],
        "sentence": "By experiments.",
        "links": list(links),
    }
    return found | changes


TTFV = rung(
    "ttfv", "Time to first value", 0, state="OFF_TARGET", target=14.0, openAlerts=2,
    level={"n": 34, "value": 29.117, "lower": None, "upper": None}, kpi={"scale": "DAYS", "direction": "LOWER"},
)  # fmt: skip
ACTIVATION = rung("activation", "Activation of accounts within ninety days of their start", 1, state="ON_TARGET")
RETENTION = rung("retention", "Retention", 2, state="UNKNOWN", level=None)
NRR = rung(
    "nrr", "Net revenue retention", 3, state="NO_TARGET", target=None, isShareOfRevenue=True,
    level={"n": 60, "value": 1.04, "lower": 0.98, "upper": 1.1}, kpi={"scale": "RATE"},
)  # fmt: skip
ASSUMED = said("ASSUMPTION", low=0.2, likely=0.5, high=1.1)
MISSING = said("EXPERIMENTS", elasticity=None, standardError=None, sentence="Fewer than three experiments.", reason="")
STEPS = [
    step(TTFV, ACTIVATION, said("EXPERIMENTS", elasticity=-0.39), elasticity=-0.39, interval=interval(-0.57, -0.21)),
    step(
        ACTIVATION, RETENTION, said("COHORTS"), ASSUMED, isEstimated=False, used=["COHORTS", "ASSUMPTION"],
        sentence="By cohorts of the past and an assumption.",
    ),
    step(RETENTION, NRR, MISSING, ASSUMED, isEstimated=False, used=["ASSUMPTION"], sentence="By an assumption."),
    step(
        TTFV, NRR, MISSING, elasticity=None, interval=None, isEstimated=False, used=[],
        sentence="Fewer than three past experiments have measured both KPIs.",
    ),
]  # fmt: skip
LADDER = {"rungs": [TTFV, ACTIVATION, RETENTION, NRR], "steps": STEPS}
REVENUE = {"yearly": 240_000.0, "net": 3_600.0, "interval": interval(1_200.0, 6_000.0)}
TOP = {
    "kpi": {"key": "nrr", "name": "Net revenue retention"},
    "lift": 0.015,
    "interval": interval(0.005, 0.025),
    "isEstimated": False,
    "sentence": None,
    "revenue": REVENUE,
}
UNREACHED = TOP | {
    "kpi": {"key": "grr", "name": "Gross revenue retention"},
    "lift": None,
    "interval": None,
    "sentence": "No link leads from a KPI that was changed to the KPI at the top.",
    "revenue": {"yearly": None, "net": None, "interval": None},
}
POOR = TOP | {"isEstimated": True, "revenue": UNREACHED["revenue"]}
CHOSEN: Json = {
    "kpi": "activation", "lift": "5", "coverage": "60", "paid": "12", "faults": {}, "change": 0.05, "part": 0.6,
}  # fmt: skip
UNASKED = CHOSEN | {"kpi": "", "lift": "", "change": 0.0}
FAULTY = CHOSEN | {"faults": {"lift": "“five” is no number of per cent.", "coverage": "Not between 0 and 100."}}


def ladder(*tops: Json, is_asked: bool = True, **changes: Any) -> Json:
    found = {"viewer": VIEWER, "kpiLadder": LADDER | changes}
    return found | ({"impactIf": list(tops)} if is_asked else {})


TAKEN = alert(
    state="ACKNOWLEDGED", severity="WARNING", kind="TARGET_AT_RISK", value=0.12, limit=0.2, segment="",
    acknowledgedAt="2026-11-04T08:00:00+00:00", acknowledgedBy="cs-lead", note="Calling the new accounts", action="",
)  # fmt: skip
OVER = alert(
    state="RESOLVED", severity="INFO", kind="DATA_STOPPED", value=0.00004, limit=0.001,
    resolvedAt="2026-11-05T08:00:00+00:00", resolvedBy="rule",
)  # fmt: skip
CLOSED = OVER | {"resolvedBy": "cs-lead", "resolution": "The form was down", "kind": "TREND", "value": 0.31}


def alerts(*some: Json, after: str | None = None, may_edit: bool = True) -> Json:
    info = {"hasNextPage": after is not None, "hasPreviousPage": after is not None, "endCursor": after}
    viewer, nodes = (
        VIEWER | {"permissions": {"canEdit": may_edit}},
        [one | {"id": f"alert {n}"} for n, one in enumerate(some)],
    )
    return {"viewer": viewer, "alerts": {"totalCount": len(some), "pageInfo": info, "nodes": nodes}}


CHECK = {
    "endedOn": "2026-07-31",
    "untilOn": "2026-10-29",
    "n": 611,
    "left": 62,
    "isHindsight": True,
    "sentence": "It is better than chance.",
    "told": {"kpi": None, "auc": 0.76, "lower": 0.7, "upper": 0.82},
    "components": [{"kpi": "sessions", "auc": 0.78, "lower": 0.71, "upper": 0.83}],
    "fifths": [
        {"fifth": place, "n": 120, "left": 30 - 6 * place, "share": 0.25 - 0.05 * place, "lower": 0.0, "upper": 0.3}
        for place in range(1, 6)
    ],
}
UNIT = {
    "unit": "a-17",
    "score": -5.0,
    "rank": 1,
    "percentile": 0.0,
    "change": -6.0,
    "level": 100.0,
    "segments": ["plan=pro"],
    "reasons": ["Sessions: 1, centre 4, costs 3"],
}
NEWCOMER = UNIT | {"unit": "a-18", "change": None, "level": None, "segments": [], "reasons": [], "rank": 2}
MAY: Json = {"segment": "", "share": 0.1, "worst": "10", "faults": {}, "may_list": True}
MAY_NOT = MAY | {"may_list": False}
WRONG = MAY | {"worst": "x", "share": 0.0, "faults": {"worst": "“x” is no number of per cent."}}


def at_risk(*units: Json, after: str | None = None, is_listed: bool = True, **changes: Any) -> Json:
    found: Json = {
        "key": "health",
        "name": "Account health",
        "unit": "ACCOUNT",
        "scale": "AMOUNT",
        "segmentNames": ["", "plan=pro"],
        "entry": {"every": "MONTH", "among": "mrr"},
        "freshness": {"lastOn": "2026-11-21"},
        "riskCheck": CHECK,
    }
    info = {"hasNextPage": after is not None, "hasPreviousPage": after is not None, "endCursor": after}
    listed = {"totalCount": len(units), "pageInfo": info, "nodes": list(units)}
    return {"viewer": VIEWER, "kpi": found | ({"unitsAtRisk": listed} if is_listed else {}) | changes}
