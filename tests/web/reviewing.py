"""A made review, shaped as its document asks; the figures are plain."""

from typing import Any

from tests.web.samples import HASH, VIEWER, Json

EVIL = "=<script>alert(1)</script> | [x](https://example.org) *b*"
"""What somebody might write that a page, Markdown or a spreadsheet could take for more than text."""


def held(difference: float | None, half: float, *, is_worse: bool = False, is_better: bool = False) -> Json:
    bounds = (None, None) if difference is None else (difference - half, difference + half)
    return {
        "against": 0.412,
        "difference": difference,
        "lower": bounds[0],
        "upper": bounds[1],
        "isBetter": is_better,
        "isWorse": is_worse,
    }


def figure(key: str = "activation", **changes: Any) -> Json:
    """A share with everything it can have."""
    return {
        "kpi": key,
        "name": "Activation in 7 days",
        "owner": "Ada",
        "direction": "HIGHER",
        "isLeading": True,
        "scale": "FRACTION",
        "startOn": "2026-06-15",
        "isOfPeriod": False,
        "n": 1_200,
        "value": 0.382,
        "lower": 0.354,
        "upper": 0.41,
        "lastOn": "2026-06-30",
        "isStale": False,
        "reason": None,
        "course": {
            "starts": ["2026-06-01", "2026-06-08", "2026-06-15"],
            "values": [0.41, 0.405, 0.382],
            "lower": [0.38, 0.377, 0.354],
            "upper": [0.44, 0.433, 0.41],
        },
        "baseline": held(-0.03, 0.02, is_worse=True),
        "change": held(-0.023, 0.04),
        "target": {"value": 0.45, "dueOn": "2026-12-31", "isMet": False, "isOfOtherDefinition": False, "chance": 0.12},
    } | changes


def nothing(key: str = "nrr", **changes: Any) -> Json:
    """A KPI without a value."""
    none: Json = {"starts": [], "values": [], "lower": [], "upper": []}
    empty = dict.fromkeys(("startOn", "value", "lower", "upper", "baseline", "change", "target", "lastOn"))
    return figure(
        key, name="NRR", **empty, n=0, isStale=True, course=none, reason="No period of it is final yet.", **changes
    )


def review(**changes: Any) -> Json:
    """A closed review with everything in it."""
    return {
        "id": "UmV2aWV3OjE",
        "kind": "WEEKLY",
        "fromOn": "2026-06-22",
        "toOn": "2026-06-28",
        "state": "CLOSED",
        "notes": "A quiet week.\nNobody was ill.",
        "agenda": "Pricing",
        "decisions": "Ship the tour",
        "createdBy": "schedule",
        "closedBy": "mara",
        "closedAt": "2026-07-01T09:00:00+00:00",
        "snapshotHash": HASH,
        "snapshot": {
            "workspace": "Northwind",
            "readAt": "2026-07-01T09:00:00+00:00",
            "points": [{"topic": "TARGET_AT_RISK", "sentence": "Activation is 38.2%.", "owner": "Ada"}],
            "figures": [figure(), nothing()],
            "experiments": [decided()],
            "alerts": [alert()],
            "impact": [worth(), worth(name="GRR", lift=None, reason="No link leads there.")],
            "items": [item(), item(kpi=None, experiment=None, note=None, isEarlier=False, isOverdue=False, dueOn=None)],
            "backlog": [
                {
                    "rank": 1,
                    "name": "Activation in 7 days",
                    "owner": "Ada",
                    "scale": "FRACTION",
                    "value": 0.382,
                    "target": 0.45,
                    "gap": 0.178,
                    "worth": 0.0356,
                    "reasons": ["It has to move by 17.8%.", "Each per cent of it is worth 0.2% of “nrr”."],
                }
            ],
        },
    } | changes


def decided(**changes: Any) -> Json:
    """An experiment that was shipped against its verdict."""
    effect = {"name": "Activation", "variant": "Tour", "lift": 0.051, "liftLower": 0.01, "liftUpper": 0.092}
    return {
        "experiment": "guided-tour",
        "name": "Guided tour",
        "owner": "Ada",
        "hypothesis": "A guide makes more users activate",
        "choice": "SHIP",
        "variant": "tour",
        "verdict": "KEEP_RUNNING",
        "differs": True,
        "reason": "the season ends",
        "by": "mara",
        "decidedAt": "2026-06-24T10:00:00+00:00",
        "impact": [worth(), worth(name="GRR", lift=None, reason="No link leads there.")],
        "effects": [effect, effect | {"lift": None, "liftLower": None, "liftUpper": None}],
    } | changes


def worth(**changes: Any) -> Json:
    """What a change comes to at the top."""
    return {
        "name": "NRR",
        "lift": 0.012,
        "lower": 0.004,
        "upper": 0.02,
        "net": 34_000.0,
        "netLower": 11_000.0,
        "netUpper": 57_000.0,
        "isEstimated": False,
        "reason": None,
    } | changes


def alert(**changes: Any) -> Json:
    """An alert that somebody looked after."""
    return {
        "name": "Activation in 7 days",
        "owner": "Ada",
        "severity": "CRITICAL",
        "state": "RESOLVED",
        "sentence": "On 24 Jun it was 20.0%, below the limit of 30.0%.",
        "action": "Call new sign-ups",
        "note": "the form was broken",
        "raisedAt": "2026-06-25T06:00:00+00:00",
    } | changes


def item(**changes: Any) -> Json:
    """Something that an earlier review left open."""
    return {
        "text": "Call the ten",
        "owner": "Ada",
        "dueOn": "2026-06-20",
        "kpi": "activation",
        "experiment": None,
        "state": "OPEN",
        "note": "three called",
        "fromOn": "2026-06-15",
        "isEarlier": True,
        "isOverdue": True,
    } | changes


def draft() -> Json:
    """A review with nothing in it."""
    snapshot = review()["snapshot"] | {
        name: [] for name in ("points", "figures", "alerts", "experiments", "impact", "items", "backlog")
    }
    none = {"notes": "", "agenda": "", "decisions": "", "closedBy": None, "closedAt": None, "snapshotHash": None}
    return review(state="DRAFT", snapshot=snapshot, **none)


def wicked() -> Json:
    """A review in which everything that people write is markup."""
    of = review(notes=EVIL, agenda=EVIL, decisions=EVIL, createdBy=EVIL, closedBy=EVIL)
    of["snapshot"] |= {
        "workspace": EVIL,
        "points": [{"topic": "DRIFT", "sentence": EVIL, "owner": EVIL}],
        "figures": [figure(name=EVIL, owner=EVIL), figure("b", name=EVIL)],
        "experiments": [decided(name=EVIL, hypothesis=EVIL, variant=EVIL, reason=EVIL, by=EVIL, owner=EVIL)],
        "alerts": [alert(name=EVIL, owner=EVIL, sentence=EVIL, action=EVIL, note=EVIL)],
        "impact": [worth(name=EVIL)],
        "items": [item(text=EVIL, owner=EVIL, note=EVIL)],
        "backlog": [of["snapshot"]["backlog"][0] | {"name": EVIL, "owner": EVIL, "reasons": [EVIL]}],
    }
    return of


def told(of: Json) -> Json:
    """The answer to the document of a review."""
    return {"viewer": VIEWER, "review": of}


def listed(*of: Json, after: str | None = None) -> Json:
    """The answer to the document of the list."""
    page_info = {"hasNextPage": after is not None, "endCursor": after}
    return {"viewer": VIEWER, "reviews": {"totalCount": len(of), "pageInfo": page_info, "nodes": list(of)}}
