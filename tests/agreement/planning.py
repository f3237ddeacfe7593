"""How many units a test needs."""

from collections.abc import Callable

from stats import power
from stats.design import events, normal, proportions, rmst
from tests.agreement.checks import CLOSED, Answer, Check

ALPHA, POWER = 0.05, 0.8


def shares() -> Answer:
    before, after = [0.1, 0.5, 0.02], [0.12, 0.42, 0.03]
    return {
        "units": proportions.units(before, after, alpha=ALPHA, power=POWER),
        "power": proportions.power(0.1, 0.12, n=2500, alpha=0.05),
    }


def shares_as_first_planned() -> Answer:
    answer = shares()
    return {**answer, "units": power.units_per_arm_proportion([0.1, 0.5, 0.02], [0.12, 0.42, 0.03], 0.05, 0.8)}


def means() -> Answer:
    return {"units": power.units_per_arm_mean(1.0, [0.5, 0.1, 1.4], 0.05, 0.8)}


def uneven_shares() -> Answer:
    return {"units": proportions.units(0.1, 0.14, alpha=ALPHA, power=POWER, ratio=0.5)}


def shares_not_worse() -> Answer:
    return {"units": proportions.non_inferiority_units(0.85, 0.86, margin=0.05, alpha=0.025, power=0.9, ratio=2)}


def uneven_means() -> Answer:
    return {"units": normal.units(4.0, 4.0, 0.5, alpha=ALPHA, power=POWER, ratio=1.5)}


def events_needed() -> Answer:
    return {"needed": events.needed([0.5, 1.3], alpha=ALPHA, power=POWER, ratio=[1.0, 2.0])}


def chances() -> Answer:
    return {
        "normal": normal.power(4.0, 4.0, 0.5, n=200, alpha=0.05),
        "non_inferior": proportions.non_inferiority_power(0.85, 0.86, margin=0.05, n=600, alpha=0.025),
        "events": events.power(0.5, events=66, alpha=0.05),
    }


def smallest_difference() -> Answer:
    return {"shares": proportions.mde(0.1, n=2500, alpha=ALPHA, power=POWER)}


def amount() -> Answer:
    return {"amount": power.information([0.02, -1.5], alpha=ALPHA, power=POWER)}


def one_unit() -> Answer:
    curve = [0.92, 0.85, 0.8, 0.74, 0.71, 0.66, 0.61, 0.6, 0.57, 0.55]
    watched = rmst.watched(tau=8, accrual=6, follow_up=4)
    return {"value": rmst.value(curve, tau=8), "unit_variance": rmst.unit_variance(curve, tau=8, watched=watched)}


def check(answer: str, ours: Callable[[], Answer], *covers: str) -> Check:
    return Check(source="R planning", answer=answer, covers=covers, ours=ours, tolerance=CLOSED)


CHECKS = (
    check("shares", shares, "design.proportions.units", "design.proportions.power"),
    check("shares", shares_as_first_planned, "power.units_per_arm_proportion"),
    check("means", means, "power.units_per_arm_mean"),
    check("shares_uneven", uneven_shares, "design.proportions.units"),
    check("non_inferior_shares", shares_not_worse, "design.proportions.non_inferiority_units"),
    check("normal", uneven_means, "design.normal.units"),
    check("events", events_needed, "design.events.needed"),
    check("power", chances, "design.normal.power", "design.proportions.non_inferiority_power", "design.events.power"),
    check("mde", smallest_difference, "design.proportions.mde"),
    check("information", amount, "power.information"),
    check("rmst", one_unit, *(f"design.rmst.{name}" for name in ("value", "unit_variance", "watched"))),
)
