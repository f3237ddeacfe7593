"""Made answers, shaped as the documents ask: plausible numbers from textbook normal formulas, not results of ours."""

import math
from datetime import date, timedelta
from typing import Any

from scipy.special import ndtr

Json = dict[str, Any]
Z95 = 1.959964
Z_ALWAYS = 3.035
HASH = "9f2c1a7be0d4463b8f5e21c09d77a6b4e3f18c52d0b96a417ce85f3320ab91d6"
START = date(2026, 10, 19)

VIEWER = {"workspace": "Northwind", "name": "growth-read"}


def kpi(key: str, name: str, scale: str, direction: str = "HIGHER") -> Json:
    return {"key": key, "name": name, "direction": direction, "scale": scale}


TTFV = kpi("ttfv", "Time to first value", "DAYS", "LOWER")
ACTIVATION = kpi("activation-7d", "Activation in 7 days", "FRACTION")
DAY_30 = kpi("retention-30", "Day-30 retention", "FRACTION")
TICKETS = kpi("tickets", "Support tickets per user", "AMOUNT", "LOWER")
PROJECTS = kpi("projects", "Projects per user in 14 days", "AMOUNT")
REVENUE = kpi("revenue", "Revenue per user", "AMOUNT")

WORTH: Json = {
    "kpi": {"key": "nrr", "name": "Net revenue retention"},
    "lift": 0.021,
    "interval": {"lower": 0.004, "upper": 0.048},
    "isEstimated": False,
    "sentence": None,
    "revenue": {"yearly": 240_000.0, "net": 5_040.0, "interval": {"lower": 960.0, "upper": 11_520.0}},
}
UNREACHED = WORTH | {
    "kpi": {"key": "grr", "name": "Gross revenue retention"},
    "lift": None,
    "interval": None,
    "sentence": "No link leads from a KPI that was changed to the KPI at the top.",
    "revenue": {"yearly": None, "net": None, "interval": None},
}
IMPACT: Json = {
    "effect": {"kpi": {"name": "Time to first value"}, "seen": -0.106, "lift": -0.101},
    "tops": [UNREACHED, WORTH],
}


def bounds(middle: float, half: float) -> Json:
    return {"lower": middle - half, "upper": middle + half}


def sample(n: int, value: float | None, error: float | None, still_open: int = 0) -> Json:
    return {"n": n, "open": still_open, "censored": 0, "value": value, "standardError": error}


def blank(of: Json, role: str, variant: Json, control: Json, treatment: Json, margin: float | None) -> Json:
    """A finding without an answer: every number of it is null, and so is each day of its series."""
    days = [(START + timedelta(days=at)).isoformat() for at in range(5)]
    empty: list[float | None] = [None] * len(days)
    columns = ("difference", "lower", "upper", "alwaysValidLower", "alwaysValidUpper")
    nothing = ("readOn", "pValue", "adjustedPValue", "segment", "interval", "liftInterval", "fixed", "alwaysValid")
    return {
        **dict.fromkeys((*nothing, "groupSequential", "baseline", "curves", "reason", "adjustment")),
        "role": role,
        "scale": of["scale"],
        "method": "score test with Newcombe interval",
        "isBetter": False,
        "isWorse": False,
        "isOver": False,
        "margin": margin,
        "breachesMargin": False,
        "keepsMargin": False,
        "repeated": None,
        "kpi": of,
        "variant": {"name": variant["name"]},
        "control": control,
        "treatment": treatment,
        "estimate": {"difference": None, "lift": None},
        "series": {"on": days, "n": [0] * len(days)} | dict.fromkeys(columns, empty),
    }


def undefined(of: Json, role: str, variant: Json, reason: str, margin: float | None = None) -> Json:
    empty = sample(0, None, None, 291)
    return blank(of, role, variant, empty, empty, margin) | {"reason": reason}


def finding(
    of: Json,
    role: str,
    variant: Json,
    *,
    control: Json,
    treatment: Json,
    days: int = 28,
    margin: float | None = None,
    segment: Json | None = None,
    method: str = "Welch test",
) -> Json:
    change = treatment["value"] - control["value"]
    error = math.hypot(control["standardError"], treatment["standardError"])
    z, way = change / error, -1 if of["direction"] == "LOWER" else 1
    p = float(2 * ndtr(-abs(z)))
    lift, lift_error = change / control["value"], error / control["value"]
    log_e = min(600.0, 0.5 * z * z - 2.0)
    return blank(of, role, variant, control, treatment, margin) | {
        "method": method,
        "readOn": (START + timedelta(days=days - 1)).isoformat(),
        "isBetter": way * z > 2.04,
        "isWorse": way * z < -2.04,
        "isOver": days == 28,
        "breachesMargin": margin is not None and way * change + 2.04 * error < -margin,
        "keepsMargin": margin is not None and way * change - 2.04 * error > -margin,
        "pValue": p,
        "adjustedPValue": min(1.0, 2 * p),
        "segment": segment,
        "estimate": {"difference": change, "lift": lift},
        "interval": bounds(change, 2.04 * error) | {"level": 0.95},
        "liftInterval": bounds(lift, 2.04 * lift_error),
        "repeated": None if margin is None or segment is not None else bounds(change, 2.04 * error),
        "fixed": {"pValue": p, "interval": bounds(change, Z95 * error)},
        "alwaysValid": {
            "pValue": min(1.0, math.exp(-log_e)),
            "eValue": math.exp(log_e),
            "interval": bounds(change, Z_ALWAYS * error),
        },
        "series": series(change, error, days),
    }


def course(rows: list[Json], middle: float, error: float) -> Json:
    """The group-sequential test of a finding, from the looks of the page."""
    last = max((row for row in rows if row["isTaken"]), key=lambda row: row["number"], default=None)
    shown = [
        {name: row[name] for name in ("number", "plannedOn", "isTaken")}
        | {
            "lower": middle - row["boundary"] * error if row["isTaken"] else None,
            "upper": middle + row["boundary"] * error if row["isTaken"] else None,
        }
        for row in rows
    ]
    keys = ("informationFraction", "statistic", "boundary")
    told = {name: last[name] for name in keys} if last else dict.fromkeys(keys)
    over = last is not None and last["hasCrossed"]
    unbiased = {
        "estimate": middle * 0.98 if over else None,
        "interval": {"lower": middle - 2.1 * error, "upper": middle + 2.0 * error} if over else None,
    }
    return {"look": last and last["number"], "looks": shown} | told | unbiased


def series(change: float, error: float, days: int) -> Json:
    """Days that settle on the last estimate; the first three have no answer yet."""
    columns: Json = {
        name: [] for name in ("on", "n", "difference", "lower", "upper", "alwaysValidLower", "alwaysValidUpper")
    }
    for at in range(days):
        share = (at + 1) / days
        wide = error / math.sqrt(share)
        now = change + 0.7 * wide * math.sin(at * 1.7) * (1 - share)
        half, always = 2.04 / math.sqrt(share) * wide, wide * math.sqrt((1 + share * 7.9) / (share * 7.9) * 8.2)
        numbers = [now, now - half, now + half, now - always, now + always] if at > 2 else [None] * 5
        columns["on"].append((START + timedelta(days=at)).isoformat())
        columns["n"].append(round(9999 * share))
        for name, number in zip(list(columns)[2:], numbers, strict=True):
            columns[name].append(number)
    return columns


def curve(n: int, rate: float, ceiling: float, days: int = 14) -> Json:
    reached = [ceiling * (1 - math.exp(-rate * day)) for day in range(1, days + 1)]
    median = next((day for day, share in enumerate(reached, start=1) if share >= 0.5), None)
    at_risk = [round(n * (1 - share)) for share in [0.0, *reached[:-1]]]
    return limited(n, reached) | {"atRisk": at_risk, "median": median}


def limited(n: int, shares: list[float]) -> Json:
    half = [Z95 * math.sqrt(share * (1 - share) / n) for share in shares]
    return {
        "share": shares,
        "lower": [share - part for share, part in zip(shares, half, strict=True)],
        "upper": [share + part for share, part in zip(shares, half, strict=True)],
    }


def returns(n: int, first: float, days: int = 30) -> Json:
    """Fewer come back on each day, and fewer were watched that long."""
    shares = [first / math.sqrt(day) for day in range(1, days + 1)]
    return limited(n, shares) | {"atRisk": [n - 12 * day for day in range(1, days + 1)], "median": None}


def returned(n: int, control: float, treatment: float) -> Json:
    return {
        "of": "RETURNED",
        "days": list(range(1, 31)),
        "hazardRatio": None,
        "logRank": None,
        "control": returns(n, control),
        "treatment": returns(n, treatment),
    }


def survival(n: int, control: tuple[float, float], treatment: tuple[float, float]) -> Json:
    return {
        "of": "REACHED",
        "days": list(range(1, 15)),
        "hazardRatio": 1.24,
        "logRank": {"pValue": 2.1e-8},
        "control": curve(n, *control),
        "treatment": curve(n, *treatment),
    }


def variants(*names: str) -> list[Json]:
    return [{"key": name.lower(), "name": name, "weight": 1.0, "isControl": at == 0} for at, name in enumerate(names)]


def srm(arms: list[Json], observed: list[int], state: str = "OK", p: float = 0.64, sequential: float = 1.0) -> Json:
    expected = [sum(observed) / len(arms) for _ in arms]
    counts = zip(arms, observed, expected, strict=True)
    return {
        "state": state,
        "statistic": sum((seen - due) ** 2 / due for seen, due in zip(observed, expected, strict=True)),
        "pValue": p,
        "sequentialPValue": sequential,
        "arms": [{"variant": {"name": arm["name"]}, "observed": seen, "expected": due} for arm, seen, due in counts],
    }


def looks(taken: list[float], crossed_at: int | None = None, too_early: int = 0) -> list[Json]:
    boundaries = [4.05, 2.86, 2.34, 2.04]
    return [
        {
            "number": at + 1,
            "plannedOn": (START + timedelta(days=7 * at + 6)).isoformat(),
            "isTaken": at < len(taken),
            "isEarly": at < too_early,
            "informationFraction": 0.25 * (at + 1) if at < len(taken) else None,
            "boundary": boundary if at < len(taken) else None,
            "statistic": taken[at] if at < len(taken) else None,
            "hasCrossed": crossed_at is not None and at + 1 >= crossed_at and at < len(taken),
        }
        for at, boundary in enumerate(boundaries)
    ]


ADJUSTED = {"attribute": "sessions_before", "preExposureDays": None}


def adjustment(found: Json, reduction: float | None, **changes: Any) -> Json:
    """What a covariate did to a finding whose difference without it was a little larger."""
    wider = 1 / math.sqrt(1 - (reduction or 0))
    plain = found["estimate"]["difference"] * 1.1
    half = (found["fixed"]["interval"]["upper"] - found["fixed"]["interval"]["lower"]) / 2 * wider
    return {
        "attribute": "sessions_before",
        "preExposureDays": None,
        "varianceReduction": reduction,
        "missing": 0.024,
        "controlSlope": 0.52,
        "treatmentSlope": 0.52,
        "difference": plain,
        "fixed": {"pValue": float(2 * ndtr(-abs(plain / half * Z95))), "interval": bounds(plain, half)},
    } | changes


def plan(planned: list[tuple[Json, str, float | None]], **changes: Any) -> Json:
    return {
        "alpha": 0.05,
        "power": 0.8,
        "looks": 4,
        "primaryUnits": 9812.4,
        "policy": "GROUP_SEQUENTIAL",
        "horizonDays": 28,
        "minimumDays": None,
        "audience": None,
        "exclusions": None,
        "targeting": [],
        "correction": "E_BENJAMINI_HOCHBERG",
        "segmentAttributes": ["plan", "country"],
        "hash": HASH,
        "sealedAt": "2026-10-18T15:20:11Z",
        "canonicalJson": '{"alpha":0.05,"horizonDays":28,"kpis":[{"key":"ttfv","role":"PRIMARY"}],"looks":4,'
        '"policy":"GROUP_SEQUENTIAL","power":0.8,"segmentAttributes":["plan","country"]}',
        "kpis": [
            {
                "kpi": of,
                "role": role,
                "mde": 0.5 if of is TTFV else None,
                "margin": margin,
                "covariate": ADJUSTED if of is PROJECTS else None,
            }
            for of, role, margin in planned
        ],
    } | changes


def verdict_of(
    state: str, rule: str, sentence: str, would_change: str, *facts: Json, outlook: Json | None = None
) -> Json:
    told = {"sentence": sentence, "wouldChange": would_change, "facts": list(facts), "outlook": outlook}
    return {"state": state, "rule": rule, "variant": None, "standings": []} | told


def standing(variant: Json, state: str, sentence: str) -> Json:
    return {"variant": {"name": variant["name"]}, "state": state, "sentence": sentence}


def results(verdict: Json, checks: Json, findings: list[Json], **changes: Any) -> Json:
    exposed = sum(arm["observed"] for arm in checks["arms"])
    health = "INVALID" if checks["state"] == "ALARM" else str(checks["state"])
    return {
        "computedAt": "2026-11-16T06:04:31Z",
        "dataThrough": "2026-11-16T05:58:02Z",
        "planHash": HASH,
        "softwareVersion": "0.1.0",
        "isPlanSealedBeforeData": True,
        "isExploratory": False,
        "verdict": verdict,
        "diagnostics": {
            "exposed": exposed,
            "crossovers": 12,
            "srm": checks,
            "health": health,
            "checks": [check("SPLIT", health, "The units are split.")],
        },
        "looks": looks([1.1, 2.2, 3.3, 4.6], crossed_at=3),
        "findings": findings,
        "segmentFindings": [],
        "heterogeneity": [],
        "interactions": [],
    } | changes


def interaction(name: str, units: int, *contrasts: Json, p: float = 0.62, **changes: Any) -> Json:
    return {
        "units": units,
        "splitPValue": p,
        "isSplitBroken": False,
        "computedAt": "2026-11-16T06:04:31Z",
        "dataThrough": "2026-11-16T00:00:00Z",
        "experiment": {"key": name.lower().replace(" ", "-"), "name": name},
        "contrasts": list(contrasts),
    } | changes


def contrast(control: float, variant: float | None, error: float | None, p: float | None = None) -> Json:
    apart = None if variant is None else variant - control
    bounds = None if apart is None or error is None else {"lower": apart - 3 * error, "upper": apart + 3 * error}
    return {
        "scale": "DAYS",
        "units": 5980,
        "withControl": control,
        "withVariant": variant,
        "difference": apart,
        "interval": bounds,
        "pValue": p,
        "adjustedPValue": p,
        "isSuspect": p is not None and p < 0.05,
        "reason": "INSUFFICIENT_DATA" if p is None else None,
        "kpi": {"name": TTFV["name"]},
        "variant": {"name": "Checklist"},
        "otherVariant": {"name": "Annual first"},
    }


def check(kind: str, state: str, sentence: str, *facts: Json) -> Json:
    return {"kind": kind, "state": state, "sentence": sentence, "facts": list(facts)}


def fact(name: str, value: float, about: str = "") -> Json:
    return {"name": name, "value": value, "about": about}


def experiment(name: str, arms: list[Json], sealed: Json, outcome: Json | None, **changes: Any) -> Json:
    return {
        "key": name.lower().replace(" ", "-"),
        "name": name,
        "state": "RUNNING",
        "unit": "USER",
        "owner": "Mara Lindqvist",
        "createdAt": "2026-10-12T09:00:00Z",
        "startedAt": "2026-10-19T00:00:00Z",
        "frozenAt": None,
        "history": [],
        "amendments": [],
        "decisions": [],
        "impact": None,
        "holdout": None,
        "launchChecks": [],
        "hypothesis": {
            "title": "A checklist on the first screen brings new users to first value sooner",
            "change": "Replace the empty dashboard with a four-step checklist.",
            "direction": "DECREASE",
            "expectedLift": -0.08,
            "rationale": "Users who finish set-up on day one activate three times as often.",
            "kpi": {"name": "Time to first value"},
        },
        "variants": arms,
        "plan": sealed,
        "results": outcome,
    } | changes


def answer(of: Json) -> Json:
    return {"viewer": VIEWER | {"permissions": {"canDecide": True}}, "experiment": {"id": "experiment 1"} | of}


def baseline(control: Json, treatment: Json, before: float, error: float) -> Json:
    wide = [math.hypot(error, arm["standardError"]) for arm in (control, treatment)]
    drift, change = control["value"] - before, treatment["value"] - before
    return {
        "value": before,
        "standardError": error,
        "n": 18204,
        "version": 3,
        "difference": change,
        "interval": bounds(change, Z95 * wide[1]),
        "pValue": float(2 * ndtr(-abs(change / wide[1]))),
        "controlDifference": drift,
        "controlInterval": bounds(drift, Z95 * wide[0]),
    }


HISTORY = [
    {"action": "START", "by": "mara", "reason": None, "madeAt": "2026-10-19T00:00:00Z", "traffic": None},
    {"action": "RAMP", "by": "mara", "reason": "no faults", "madeAt": "2026-10-21T08:00:00Z", "traffic": 0.5},
    {"action": "DECIDE", "by": "mara", "reason": None, "madeAt": "2026-11-17T08:00:00Z", "traffic": None},
]
AMENDMENTS = [
    {
        "by": "mara",
        "reason": "the campaign was put off",
        "createdAt": "2026-11-01T09:30:00Z",
        "breaksErrorControl": True,
        "changesEstimand": False,
        "changes": [
            {"path": "horizon_days", "before": 21, "after": 28},
            {"path": "kpis.tickets.role", "before": None, "after": "GUARDRAIL"},
        ],
    }
]
DECISIONS = [
    {
        "choice": "ITERATE",
        "variant": None,
        "verdict": "SHIP",
        "differs": True,
        "reason": "the legal review is not done",
        "by": "mara",
        "createdAt": "2026-11-17T08:00:00Z",
        "needsApproval": True,
        "approvedBy": None,
    }
]


def finished() -> Json:
    """A stopped experiment on TTFV that should ship: every block of the page has something to show."""
    arms = variants("Control", "Checklist")
    slow, fast = sample(4988, 6.42, 0.095, 31), sample(5011, 5.74, 0.094, 27)
    primary = finding(TTFV, "PRIMARY", arms[1], control=slow, treatment=fast, method="RMST difference to day 14")
    primary |= {
        "curves": survival(4988, (0.16, 0.71), (0.21, 0.74)),
        "baseline": baseline(slow, fast, 6.38, 0.05),
        "groupSequential": course(looks([1.1, 2.2, 3.3, 4.6], crossed_at=3), -0.68, 0.134),
    }
    rate = "score test with Newcombe interval"
    active, kept = (
        (sample(4988, 0.412, 0.00697), sample(5011, 0.4462, 0.00702)),
        (
            sample(4402, 0.2871, 0.00682, 586),
            sample(4431, 0.2935, 0.00684, 580),
        ),
    )
    work, tickets = (
        (sample(4988, 3.41, 0.052), sample(5011, 3.48, 0.053)),
        (
            sample(4988, 0.231, 0.0081),
            sample(5011, 0.2384, 0.0083),
        ),
    )
    second = finding(ACTIVATION, "SECONDARY", arms[1], control=active[0], treatment=active[1], method=rate)
    second |= {"baseline": baseline(*active, 0.409, 0.0036)}
    found = [
        finding(TICKETS, "GUARDRAIL", arms[1], control=tickets[0], treatment=tickets[1], margin=0.04),
        primary,
        second,
        finding(DAY_30, "GUARDRAIL", arms[1], control=kept[0], treatment=kept[1], method=rate, margin=0.015),
        finding(PROJECTS, "SECONDARY", arms[1], control=work[0], treatment=work[1]),
    ]
    found[-1]["adjustment"] = adjustment(found[-1], 0.372)
    found[3]["curves"] = returned(4402, 0.61, 0.63)
    split = [
        ("plan", "Free", 3100, -0.74, 0.16),
        ("plan", "Team", 1911, -0.55, 0.21),
        ("country", "DE", 803, 0.12, 0.33),
    ]
    segments = [
        finding(
            TTFV,
            "PRIMARY",
            arms[1],
            segment={"attribute": attribute, "value": value, "standardError": error},
            control=sample(n, 6.4, error * 0.7),
            treatment=sample(n + 12, 6.4 + change, error * 0.7),
        )
        for attribute, value, n, change, error in split
    ]
    guarded = sample(2400, 0.29, 0.0093), sample(2390, 0.301, 0.0094)
    free = {"attribute": "plan", "value": "Free"}
    segments += [
        finding(DAY_30, "GUARDRAIL", arms[1], segment=free, control=guarded[0], treatment=guarded[1], margin=0.015)
    ]
    planned = [(TTFV, "PRIMARY", None), (ACTIVATION, "SECONDARY", None), (PROJECTS, "SECONDARY", None)]
    guards = [(DAY_30, "GUARDRAIL", 0.015), (TICKETS, "GUARDRAIL", 0.04)]
    verdict = verdict_of(
        "SHIP",
        "PRIMARY_BETTER",
        "Checklist brings users to first value 0.68 days sooner, and no guardrail was harmed.",
        "An interval of the difference that reaches zero, or a guardrail beyond its margin.",
    )
    apart = [
        {"attribute": "plan", "segments": 2, "q": 0.52, "i2": 0.0, "pValue": 0.47, "adjustedPValue": 0.94},
        {"attribute": "country", "segments": 1, "q": None, "i2": None, "pValue": None, "adjustedPValue": None},
    ]
    named = [row | {"kpi": {"name": TTFV["name"]}, "variant": {"name": "Checklist"}} for row in apart]
    outcome = results(verdict, srm(arms, [4988, 5011]), found, segmentFindings=segments, heterogeneity=named)
    outcome["interactions"] = [
        interaction("Pricing page", 6204, contrast(-0.61, -0.02, 0.21, p=0.031), contrast(-0.61, None, None)),
        interaction("Weekly digest", 310, p=0.004, isSplitBroken=True),
    ]
    sealed = plan([*planned, *guards])
    return experiment(
        "Onboarding checklist",
        arms,
        sealed,
        outcome | {"isExploratory": True},
        state="DECIDED",
        frozenAt="2026-11-16T00:00:00Z",
        history=HISTORY,
        amendments=AMENDMENTS,
        decisions=DECISIONS,
        impact=IMPACT,
    )


def broken() -> Json:
    """Bing's published imbalance (821,588 against 815,482): the arms are not the planned size."""
    arms = variants("Control", "Short form")
    rates = sample(821588, 0.3021, 0.000507), sample(815482, 0.3064, 0.00051)
    found = [finding(ACTIVATION, "PRIMARY", arms[1], control=rates[0], treatment=rates[1], days=20)]
    verdict = verdict_of(
        "INVALID",
        "BROKEN_SPLIT",
        "The arms differ in size by more than chance allows, so no difference can be trusted.",
        "A restart after the cause of the imbalance is mended.",
    )
    checks = srm(arms, [821588, 815482], "ALARM", p=1.8e-6, sequential=9e-5)
    outcome = results(verdict, checks, found, looks=looks([1.4, 2.1]), isPlanSealedBeforeData=False)
    return experiment("Short sign-up form", arms, plan([(ACTIVATION, "PRIMARY", None)]), outcome)


def early() -> Json:
    """Five days in: one KPI has numbers, the others cannot say anything yet."""
    arms = variants("Control", "Guided tour")
    few = finding(
        TTFV, "PRIMARY", arms[1], control=sample(140, 7.1, 0.62, 96), treatment=sample(151, 6.6, 0.6, 101), days=5
    )
    few["liftInterval"], few["interval"] = None, {"lower": None, "upper": 0.9, "level": 0.95}
    few["estimate"]["lift"], few["groupSequential"] = None, course(looks([]), 0.0, 1.0)
    few["curves"] = survival(140, (0.1, 0.5), (0.11, 0.5)) | {"hazardRatio": None, "logRank": None}
    late = few["curves"]["treatment"]
    late["share"][-1], late["lower"][-1], late["upper"][-1], late["lower"][0] = None, None, None, None
    found = [
        few,
        undefined(DAY_30, "SECONDARY", arms[1], "ZERO_VARIANCE"),
        undefined(REVENUE, "GUARDRAIL", arms[1], "INSUFFICIENT_DATA", margin=0.5),
    ]
    verdict = verdict_of(
        "KEEP_RUNNING",
        "UNDECIDED",
        "It is too early to say: the first look is planned for 25 Oct 2026.",
        "The next planned look is on 2026-10-25.",
        fact("DIFFERENCE", -0.5, "“Time to first value” in Guided tour"),
        fact("CONDITIONAL_POWER", 0.612, "“Time to first value” in Guided tour"),
        outlook={"nextLookOn": "2026-10-25", "endsOn": "2026-11-16", "unitsNeeded": 8930, "daysNeeded": 22.4},
    )
    planned = [(TTFV, "PRIMARY", None), (DAY_30, "SECONDARY", None), (REVENUE, "GUARDRAIL", 0.5)]
    outcome = results(
        verdict,
        srm(arms, [236, 252], p=0.47),
        found,
        looks=looks([]),
        computedAt="2026-10-24T06:00:00+00:00",
        dataThrough="2026-10-24T05:59:00+00:00",
    )
    return experiment("Guided tour", arms, plan(planned, primaryUnits=None), outcome)


def three_arms() -> Json:
    """Two treatments under the always-valid policy, one of them worse; no hypothesis, a warning on the arm sizes."""
    arms = variants("Control", "Weekly digest", "Daily digest with a very long name indeed")
    base = sample(12011, 0.3312, 0.0043)
    levels = [sample(12102, 0.3489, 0.00434), sample(11705, 0.3121, 0.00428)]
    money = sample(12011, 41.3, 1.1), [sample(12102, 42.9, 1.2), sample(11705, 40.2, 1.15)]
    found = [
        finding(DAY_30, "PRIMARY", arm, control=base, treatment=level)
        for arm, level in zip(arms[1:], levels, strict=True)
    ]
    found += [
        finding(REVENUE, "GUARDRAIL", arm, control=money[0], treatment=level, margin=2.0)
        for arm, level in zip(arms[1:], money[1], strict=True)
    ]
    verdict = verdict_of(
        "SHIP",
        "PRIMARY_BETTER",
        "The weekly digest keeps more users, and no guardrail is harmed.",
        "A guardrail that is no longer inside its margin, or a broken split.",
    )
    verdict["variant"] = {"name": arms[1]["name"]}
    verdict["standings"] = [
        standing(arms[1], "SHIP", "The weekly digest keeps more users, and no guardrail is harmed."),
        standing(arms[2], "ROLL_BACK", "The daily digest loses users."),
    ]
    checks = srm(arms, [12011, 12102, 11705], "WARNING", p=0.03, sequential=0.04)
    outcome = results(verdict, checks, found, looks=[])
    stalled = check("STALLED", "WARNING", "No unit has entered for 4 whole days.", fact("DAYS", 4))
    outcome["diagnostics"]["checks"].append(stalled)
    sealed = plan([(DAY_30, "PRIMARY", None), (REVENUE, "GUARDRAIL", 2.0)], policy="ALWAYS_VALID")
    return experiment("Digest cadence", arms, sealed, outcome, hypothesis=None)


def draft() -> Json:
    """Not started: a plan and nothing else."""
    meant = [{"sentence": "“seats” is at least 5"}]
    unsealed = plan([(ACTIVATION, "PRIMARY", None)], sealedAt=None, policy="FIXED", looks=1, targeting=meant)
    arms = variants("Control", "Templates")
    changes = {"state": "DRAFT", "startedAt": None, "launchChecks": launch_checks(), "holdout": {"name": "All of it"}}
    return experiment("Empty states", arms, unsealed, None, **changes)


def launch_checks() -> list[Json]:
    """One of each kind, the overlap blocking."""
    return [
        {"kind": kind, "state": state, "sentence": sentence}
        for kind, state, sentence in (
            ("POWER", "WARN", "About 9,812 users are needed for “activation-7d”; about 4,100 come within 28 days."),
            ("LOOKS", "PASS", "No planned look comes before units can be final."),
            ("BASELINE", "PASS", "The baseline of “activation-7d” is 12 days old (2026-09-30)."),
            ("WEIGHTS", "PASS", "The split costs few units or none beside an even one."),
            ("OVERLAP", "BLOCK", "The layer “first-day” has no room for 50% of its units: “checklist” (80%) take 80%."),
            ("DATA", "PASS", "What “activation-7d” counts has happened in the last 7 days."),
            ("DEFINITION", "PASS", "Every KPI is measured as it is defined now."),
            ("AA_HISTORY", "WARN", "No experiment has final units of version 1 of “activation-7d” yet to be split."),
        )
    ]


def listed(*items: Json, after: str | None = None) -> Json:
    """The list page's answer, cut down to what its document asks."""
    nodes = [
        {name: item[name] for name in ("key", "name", "state", "owner", "createdAt", "startedAt", "frozenAt")}
        | {
            "hypothesis": item["hypothesis"] and {"title": item["hypothesis"]["title"]},
            "plan": {
                "horizonDays": item["plan"]["horizonDays"],
                "kpis": [
                    {"role": planned["role"], "kpi": {"name": planned["kpi"]["name"]}}
                    for planned in item["plan"]["kpis"]
                ],
            },
            "results": item["results"] and _standing(item["results"]),
        }
        for item in items
    ]
    page = {"hasNextPage": after is not None, "hasPreviousPage": after is not None, "endCursor": after}
    return {"viewer": VIEWER, "experiments": {"totalCount": len(items), "pageInfo": page, "nodes": nodes}}


def _standing(outcome: Json) -> Json:
    return {
        "dataThrough": outcome["dataThrough"],
        "verdict": {name: outcome["verdict"][name] for name in ("state", "sentence")},
        "diagnostics": {
            "exposed": outcome["diagnostics"]["exposed"],
            "health": outcome["diagnostics"]["health"],
            "srm": {"state": outcome["diagnostics"]["srm"]["state"]},
        },
    }


EXPERIMENTS = {"finished": finished, "broken": broken, "early": early, "three": three_arms, "draft": draft}
