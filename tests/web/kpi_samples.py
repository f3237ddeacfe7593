"""Made answers of the KPI pages: numbers chosen so that a reader can check them by hand."""

from datetime import date, timedelta
from typing import Any

from tests.web.samples import VIEWER, Json
from web.quantities import SPACE

WEEKS = [(date(2026, 8, 31) + timedelta(weeks=place)).isoformat() for place in range(10)]
AHEAD = [(date(2026, 11, 9) + timedelta(weeks=place)).isoformat() for place in range(4)]
OBSERVED = "Nobody was assigned by chance: whatever else differs may be the reason."


def interval(lower: float, upper: float) -> Json:
    return {"lower": lower, "upper": upper}


def against(value: float | None, difference: float, reach: float, **changes: Any) -> Json:
    """A level held against a value, with an interval of so much on both sides."""
    found = {
        "against": value,
        "difference": difference,
        "interval": interval(difference - reach, difference + reach),
        "pValue": 0.021,
        "chance": None,
        "reason": None,
        "cautionSentences": [OBSERVED],
    }
    return found | changes


def nothing(reason: str) -> Json:
    return against(None, 0.0, 0.0) | {"difference": None, "interval": None, "pValue": None, "reason": reason}


def values(levels: list[float | None], final: int, granularity: str = "WEEK", segment: str = "") -> Json:
    """A series with limits of two hundredths on both sides, of which so many periods are final."""
    return {
        "segment": segment,
        "granularity": granularity,
        "starts": WEEKS[: len(levels)],
        "n": [100 * place + 200 for place in range(len(levels))],
        "value": levels,
        "lower": [None if level is None else level - 0.02 for level in levels],
        "upper": [None if level is None else level + 0.02 for level in levels],
        "isFinal": [place < final for place in range(len(levels))],
    }


def baseline(version: int, **changes: Any) -> Json:
    found = {
        "version": version,
        "value": 0.39,
        "interval": interval(0.375, 0.405),
        "n": 4321,
        "fromOn": "2026-03-01",
        "toOn": "2026-05-31",
        "segment": "",
        "isMeasured": True,
        "createdAt": "2026-06-15T09:00:00+00:00",
        "audit": [{"event": "project_created", "isSound": True, "sentence": "There are rows wherever some are usual."}],
    }
    return found | changes


def link(leading: tuple[str, str], lagging: tuple[str, str], **changes: Any) -> Json:
    found = {
        "source": "ASSUMPTION",
        "elasticity": 0.6,
        "standardError": 0.19,
        "isEstimated": False,
        "obstacle": None,
        "reason": "Two years of cohorts, read by eye",
        "leading": dict(zip(("key", "name"), leading, strict=True)),
        "lagging": dict(zip(("key", "name"), lagging, strict=True)),
    }
    return found | changes


def alert(**changes: Any) -> Json:
    found = {
        "kind": "THRESHOLD",
        "state": "RAISED",
        "severity": "CRITICAL",
        "segment": "plan=pro",
        "value": 0.31,
        "limit": 0.35,
        "sentence": "In the week from 2026-10-26 on it was 31.0%, below the limit of 35.0%.",
        "raisedAt": "2026-11-03T06:00:00+00:00",
        "acknowledgedAt": None,
        "acknowledgedBy": None,
        "note": None,
        "resolvedAt": None,
        "resolvedBy": None,
        "resolution": None,
        "action": "Call the three largest accounts",
        "owner": "Ada",
        "kpi": {"key": "activation-7d", "name": "Activation within a week", "scale": "FRACTION"},
    }
    return found | changes


def rule(kind: str, condition: str, **limits: Any) -> Json:
    return {
        "kind": kind,
        "segment": "",
        "granularity": "WEEK",
        "severity": "WARNING",
        "isEnabled": True,
        "cooldownDays": 7,
        "lastJudgedOn": "2026-10-26",
        "silence": None,
        "condition": {"__typename": condition, **limits},
    }


RULES: dict[str, Json] = {
    "Below 35.0%, beyond chance, a false alarm in 100 periods; cleared at 38.0%": rule(
        "THRESHOLD", "ThresholdCondition", side="BELOW", limit=0.35, clear=0.38, runLength=100
    ),
    "Above 1.0%": rule("THRESHOLD", "ThresholdCondition", side="ABOVE", limit=0.01, clear=None, runLength=None),
    "Below the control limits of the periods before, a false alarm in 100 periods": rule(
        "TREND", "TrendCondition", side="BELOW", runLength=100
    ),
    "Outside the control limits of the periods before": rule("TREND", "TrendCondition", side=None, runLength=None),
    "The chance to meet the target is below 20%; cleared from 40% on": rule(
        "TARGET_AT_RISK", "TargetAtRiskCondition", chance=0.2, clear=0.4
    ),
    f"No longer at the baseline, tuned to a drift of 2.00{SPACE}pp; a false alarm ever with a chance of 5%": rule(
        "BASELINE_DRIFT", "BaselineDriftCondition", shift=0.02, alpha=0.05
    ),
    "No rows for longer than is usual, a false alarm in 365 days": rule(
        "DATA_STOPPED", "DataStoppedCondition", runLength=365
    )
    | {"silence": "No row has come in yet.", "isEnabled": False, "lastJudgedOn": None, "cooldownDays": 1},
}
"""What a rule is said to watch, and the rule."""


def note(on: str, text: str, **changes: Any) -> Json:
    return {"notedOn": on, "text": text, "by": "ops", "alert": None} | changes


def trial(key: str, **changes: Any) -> Json:
    """An experiment that measures the KPI, with a finding on it and one on another KPI."""
    own = {
        "kpi": {"key": "activation-7d"},
        "variant": {"name": "Guide"},
        "scale": "FRACTION",
        "margin": None,
        "breachesMargin": False,
        "keepsMargin": False,
        "isBetter": True,
        "isWorse": False,
        "isOver": True,
        "reason": None,
        "estimate": {"difference": 0.0342, "lift": 0.0877},
        "interval": interval(0.01, 0.0584),
        "liftInterval": interval(0.025, 0.1505),
    }
    other = own | {"kpi": {"key": "other"}, "estimate": {"difference": 0.77, "lift": 0.66}}
    guarded = own | {"margin": 0.02, "isBetter": False, "keepsMargin": True, "variant": {"name": "Tour"}}
    found = {
        "key": key,
        "name": f"Trial {key}",
        "state": "DECIDED",
        "startedAt": "2026-08-01T00:00:00+00:00",
        "createdAt": "2026-07-20T00:00:00+00:00",
        "hypothesis": {"title": "A guide helps"},
        "plan": {
            "kpis": [{"role": "PRIMARY", "kpi": {"key": "activation-7d"}}, {"role": "GUARDRAIL", "kpi": None}],
        },
        "results": {
            "diagnostics": {"health": "OK"},
            "verdict": {"state": "SHIP"},
            "findings": [own, other, guarded],
        },
    }
    return found | changes


def unclear() -> Json:
    """Results that may not be trusted, with an amount, and a finding without an answer."""
    found = trial("b")["results"]
    own = found["findings"][0] | {"isBetter": False, "scale": "AMOUNT"}
    none = {"estimate": {"difference": None, "lift": None}, "interval": None, "liftInterval": None}
    return {
        "diagnostics": {"health": "WARN"},
        "verdict": {"state": "KEEP_RUNNING"},
        "findings": [own, own | none | {"reason": "INSUFFICIENT_DATA"}],
    }


def trials(*some: Json, after: str | None = None) -> Json:
    info = {"hasNextPage": after is not None, "hasPreviousPage": after is not None, "endCursor": after}
    return {"totalCount": len(some), "pageInfo": info, "nodes": list(some)}


def belief(**changes: Any) -> Json:
    found = {
        "title": "A guide brings users to their first project",
        "direction": "INCREASE",
        "expectedLift": 0.05,
        "segment": None,
        "owner": "Ada",
        "createdAt": "2026-07-01T08:00:00+00:00",
    }
    return found | changes


def activation(**changes: Any) -> Json:
    """A share by week with all there can be: baseline, target, outlook, segments, a curve, links and a history."""
    levels = [None, 0.37, 0.38, 0.4, 0.39, 0.41, 0.4, 0.39, 0.412, 0.5]
    standing = {
        "startOn": WEEKS[8],
        "level": {"n": 1000, "value": 0.412, "lower": 0.392, "upper": 0.432},
        "change": against(0.39, 0.022, 0.03),
        "againstBaseline": against(0.39, 0.022, 0.015),
        "againstTarget": against(0.45, -0.038, 0.02, chance=0.0004),
    }
    found = {
        "key": "activation-7d",
        "name": "Activation within a week",
        "description": "Share of new users who create a project within 7 days.",
        "owner": "Ada",
        "unit": "USER",
        "direction": "HIGHER",
        "tier": "EARLY",
        "isLeading": True,
        "driver": "EXPANSION",
        "frequency": "WEEKLY",
        "dataSource": "Event stream",
        "action": "Call the three largest accounts",
        "createdAt": "2026-05-01T08:00:00+00:00",
        "scale": "FRACTION",
        "definitionVersion": 2,
        "definition": {"__typename": "ActivationDefinition", "event": "project_created", "windowDays": 7},
        "entry": {"event": "signed_up", "every": None, "isClustered": False, "among": None},
        "events": ["project_created", "signed_up"],
        "unseenEvents": [],
        "segmentNames": ["", "plan=free", "plan=pro"],
        "freshness": {
            "lastOn": "2026-11-14",
            "computedAt": "2026-11-15T06:00:00+00:00",
            "isStale": False,
            "failure": None,
        },
        "values": values(levels, 9),
        "standing": standing,
        "outlook": {
            "granularity": "WEEK",
            "starts": AHEAD,
            "value": [0.41, 0.415, 0.42, 0.425],
            "lower": [0.38, 0.37, 0.36, 0.35],
            "upper": [0.44, 0.46, 0.48, 0.5],
            "chance": 0.17,
            "reason": None,
        },
        "bySegment": [
            {
                "segment": "plan=free",
                "values": {"value": [0.3, 0.31, 0.33], "isFinal": [True, True, False]},
                "standing": {
                    "startOn": WEEKS[8],
                    "level": {"n": 400, "value": 0.31, "lower": 0.27, "upper": 0.36},
                    "change": {"difference": 0.01, "interval": interval(-0.05, 0.07)},
                },
            },
            {"segment": "plan=pro", "values": {"value": [None], "isFinal": [False]}, "standing": None},
        ],
        "adoption": {
            "of": "REACHED",
            "days": [1, 2, 3],
            "n": [3000, 2700, 2400],
            "value": [0.1, 0.2, 0.412],
            "lower": [0.09, 0.18, 0.39],
            "upper": [0.11, 0.22, 0.43],
            "median": None,
        },
        "triangle": {
            "starts": [WEEKS[0], WEEKS[0], WEEKS[0], WEEKS[1], WEEKS[1]],
            "ages": [1, 2, 3, 1, 2],
            "n": [900, 900, 900, 1100, 1100],
            "value": [0.1, 0.2, 0.4, 0.12, 0.28],
        },
        "target": {"value": 0.45, "dueOn": "2026-12-31"},
        "baselines": [
            baseline(2),
            baseline(1, isMeasured=False, audit=None, fromOn=None, toOn=None, n=None),
        ],
        "targets": [
            {
                "version": 1,
                "value": 0.45,
                "dueOn": "2026-12-31",
                "owner": "Grace",
                "by": "planning",
                "reason": "Agreed in the spring review",
                "createdAt": "2026-06-20T09:00:00+00:00",
            }
        ],
        "links": [
            link(("activation-7d", "Activation within a week"), ("grr", "Gross revenue retention")),
            link(
                ("ttfv", "Time to first value"),
                ("activation-7d", "Activation within a week"),
                source="COHORTS",
                elasticity=None,
                standardError=None,
                isEstimated=True,
                obstacle="TOO_FEW_COHORTS",
                reason="",
            ),
        ],
        "alertRules": list(RULES.values()),
        "annotations": [
            note("2026-10-12", "The form was down", alert={"sentence": "It fell."}),
            note("2026-10-05", "A new price list"),
            note("2026-09-14", "Back from the summer"),
            note("2025-01-06", "The first customer"),
        ],
        "hypotheses": {"totalCount": 12, "nodes": [belief(), belief(expectedLift=None, segment="plan=pro")]},
        "experiments": trials(
            trial("c"),
            trial("b", results=unclear()),
            trial("a", state="DRAFT", startedAt=None, results=None, hypothesis=None),
            after="b/c=",
        ),
        "history": [
            {
                "what": "TARGET",
                "by": "planning",
                "reason": "Agreed in the spring review",
                "createdAt": "2026-06-20T09:00:00+00:00",
                "changes": [{"path": "value", "before": None, "after": 0.45}],
            }
        ],
    }
    return found | changes


def silent(**changes: Any) -> Json:
    """A KPI that is registered and has no data yet."""
    none: Json = {
        "standing": None,
        "outlook": None,
        "bySegment": [],
        "adoption": None,
        "triangle": None,
        "target": None,
    }
    untouched = {"alertRules": [], "annotations": [], "hypotheses": trials(), "experiments": trials()}
    none |= untouched
    empty: Json = {"values": None, "freshness": None, "baselines": [], "targets": [], "links": [], "history": []}
    return activation(**(none | empty | {"segmentNames": []} | changes))


def young() -> Json:
    """Values of which none is final: no standing, no outlook, no curve."""
    outlook = activation()["outlook"] | {"starts": [], "value": [], "lower": [], "upper": [], "chance": None}
    return silent(
        values=values([0.2, 0.3], 0),
        segmentNames=[""],
        target={"value": 0.45, "dueOn": "2026-12-31"},
        outlook=outlook | {"reason": "TOO_FEW_PERIODS"},
        freshness={"lastOn": "2026-09-12", "computedAt": None, "isStale": True, "failure": "The disk is full."},
    )


def monthly() -> Json:
    """A ratio of accounts that is measured every month, in a segment, with what cannot be answered."""
    term = {"amount": {"event": "mrr", "of": "LEVEL_AT_START", "lastDays": None}, "how": None, "other": None}
    kept = {"how": "SMALLER", "other": {"event": "mrr", "of": "LEVEL_AT_END", "lastDays": 7}}
    standing = {
        "startOn": "2026-10-01",
        "level": {"n": 60, "value": 0.9, "lower": None, "upper": None},
        "change": nothing("INSUFFICIENT_DATA"),
        "againstBaseline": nothing("INSUFFICIENT_DATA"),
        "againstTarget": nothing("INSUFFICIENT_DATA"),
    }
    return activation(
        unit="ACCOUNT",
        isLeading=False,
        tier="LATE",
        scale="RATE",
        definition={
            "__typename": "RatioDefinition",
            "windowDays": 365,
            "numerator": term | kept,
            "denominator": term | kept,
        },
        entry={"event": None, "every": "MONTH", "isClustered": True, "among": "mrr"},
        values=values([0.88, 0.9], 2, "MONTH", "plan=odd & new") | {"starts": ["2026-09-01", "2026-10-01"]},
        standing=standing,
        baselines=[
            baseline(1, audit=[{"event": "mrr", "isSound": False, "sentence": "No rows where some are usual."}])
        ],
        target=None,
        outlook=young()["outlook"],
        adoption=None,
        triangle=None,
    )


DEFINITIONS: dict[str, Json] = {
    "The share with “seen” on day 7.": {
        "__typename": "RetentionDefinition", "event": "seen", "day": 7, "form": "DAY", "untilDay": None,
    },
    "The share with “seen” on any of the days 7 to 13.": {
        "__typename": "RetentionDefinition", "event": "seen", "day": 7, "form": "BRACKET", "untilDay": 13,
    },
    "The share with “seen” on day 7 or later, up to day 30.": {
        "__typename": "RetentionDefinition", "event": "seen", "day": 7, "form": "ROLLING", "untilDay": 30,
    },
    "The mean days until the second “value”, counted up to day 30: who has not got there yet counts as still waiting, "
    "and is not left out. Who does “gone” is watched until then.": {
        "__typename": "TimeToValueDefinition", "event": "value", "tauDays": 30, "lossEvent": "gone", "occurrence": 2,
    },
    "The mean per unit of the values of “paid”, less those of “cost” within 28 days, 500 at most for each.": {
        "__typename": "MeanDefinition", "event": "paid", "windowDays": 28, "of": "VALUE", "cap": 500.0,
        "lessEvent": "cost",
    },
    "The sum over all units of how often “paid” happened within a day.": {
        "__typename": "TotalDefinition", "event": "paid", "windowDays": 1, "of": "COUNT", "cap": None,
    },
    "The median over units of the days with “seen” within 14 days.": {
        "__typename": "QuantileDefinition", "event": "seen", "windowDays": 14, "of": "DAYS", "quantile": 0.5,
    },
    "The mean per unit of a weighted sum: “usage” (version 3) less 10.00, over 2.00, times −0.50.": {
        "__typename": "CompositeDefinition",
        "components": [{"kpi": "usage", "version": 3, "weight": -0.5, "centre": 10.0, "spread": 2.0}],
    },
}  # fmt: skip
"""What a definition is said to be, and the definition."""

CATALOGUE: list[Json] = [
    {"key": "ttfv", "area": "onboarding", "name": "Time to first value", "description": "Days until value.",
     "events": [{"name": "signed_up"}, {"name": "first_value"}]},
    {"key": "activation-7d", "area": "onboarding", "name": "Activation", "description": "Share.", "events": []},
    {"key": "grr", "area": "retention", "name": "Gross revenue retention", "description": "What stays.",
     "events": [{"name": "mrr"}]},
]  # fmt: skip

LISTED = (
    "key", "name", "owner", "direction", "tier", "isLeading", "scale", "freshness", "values", "standing",
    "target", "outlook",
)  # fmt: skip


def row(kpi: Json) -> Json:
    """A KPI as the overview asks for it."""
    found = {name: kpi[name] for name in LISTED}
    base = next(iter(kpi["baselines"]), None)
    found["baseline"] = base and {name: base[name] for name in ("value", "interval")}
    return found


def overview(*kpis: Json, after: str | None = None, registered: tuple[str, ...] | None = None) -> Json:
    """The overview of some KPIs; with `after` there are pages on both sides."""
    keys = tuple(kpi["key"] for kpi in kpis) if registered is None else registered
    info = {"hasNextPage": after is not None, "hasPreviousPage": after is not None, "endCursor": after}
    return {
        "viewer": VIEWER,
        "kpis": {"totalCount": len(kpis), "pageInfo": info, "nodes": [row(kpi) for kpi in kpis]},
        "registered": {"nodes": [{"key": key} for key in keys]},
        "kpiCatalogue": CATALOGUE,
    }


def one(kpi: Json, *alerts: Json) -> Json:
    """The answer of a KPI's page, with the alerts that are open on it."""
    return {"viewer": VIEWER, "alerts": {"nodes": list(alerts)}, "kpi": kpi}


def defined(definition: Json) -> Json:
    return activation(definition=definition)


KPIS = {
    "a KPI": activation,
    "a KPI without data": silent,
    "a KPI for experiments only": lambda: silent(entry=None, events=["project_created"]),
    "a young KPI": young,
    "a KPI of months": monthly,
}
