"""CPU time from aggregates to findings: 20 KPIs x 3 variants x 90 days, beside one pass of Python over the same cells.

    python -m benchmarks.analysis [--rounds 5]

The limit beside it is what it costs to touch each stored aggregate once in Python, which any analysis that makes an
object per cell pays before it computes anything.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from experiments.cohorts import EVERYBODY, Rows, assemble
from experiments.enums import Kind, Policy, Role
from experiments.evaluation import evaluate
from experiments.looks import Span
from experiments.plan import PinnedDefinition, Plan, PlannedKpi, PlannedVariant
from experiments.reading import Calendar
from kpi.enums import Change, Direction, Unit

DAYS, KPIS, VARIANTS, TAU = 90, 20, ("control", "first", "second"), 14
START = date(2026, 1, 1)


def planned(place: int) -> PlannedKpi:
    """Every fourth KPI is a time to value, every fourth a mean, the rest shares."""
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("time_to_value", {"event": "value", "tau_days": TAU}),
        ("activation", {"event": "done", "window_days": 7}),
        ("retention", {"event": "back", "day": 7}),
        ("mean", {"event": "paid", "window_days": 14}),
    )
    kind, parameters = kinds[place % 4]
    definition = PinnedDefinition(id=place, version=1, kind=kind, parameters=parameters, events=[parameters["event"]])
    return PlannedKpi(
        kpi=f"kpi-{place}",
        name=f"KPI {place}",
        role=Role.PRIMARY if place < 2 else Role.SECONDARY,
        direction=Direction.HIGHER,
        definition=definition,
        baseline=None,
        mde=0.05,
        margin=None,
        information=10_000.0,
    )


def plan() -> Plan:
    """A plan of 20 KPIs and 12 looks."""
    return Plan(
        experiment="bench",
        hypothesis="bench",
        change=Change.INCREASE,
        kind=Kind.OTHER,
        unit=Unit.USER,
        variants=[PlannedVariant(key=key, name=key, weight=1, is_control=key == "control") for key in VARIANTS],
        kpis=[planned(place) for place in range(KPIS)],
        alpha=0.05,
        power=0.8,
        policy=Policy.GROUP_SEQUENTIAL,
        looks=12,
        horizon_days=DAYS,
        segment_attributes=[],
        events=["back", "done", "paid", "value"],
    )


def rows(given: Plan) -> Rows:
    """Aggregates of 200 units a day and variant."""
    rng = np.random.default_rng(1)
    cells = [(variant, START + timedelta(days=day)) for variant in range(3) for day in range(DAYS)]
    moments: list[Mapping[str, Any]] = []
    durations: list[Mapping[str, Any]] = []
    for kpi in given.kpis:
        for variant, day in cells:
            key = {"definition_id": kpi.definition.id, "segment": EVERYBODY, "variant_id": variant, "entered_on": day}
            if kpi.definition.kind == "time_to_value":
                events = rng.multinomial(200, [0.05] * TAU + [1 - 0.05 * TAU])[:TAU]
                durations += [key | {"day": at, "events": int(n), "losses": 0} for at, n in enumerate(events) if n]
            else:
                share = rng.binomial(200, 0.4) / 200
                moments.append(key | {"n": 200, "mean": share, "m2": 200 * share * (1 - share)})
    entries: list[Mapping[str, Any]] = [
        {"segment": EVERYBODY, "variant_id": variant, "entered_on": day, "n": 200} for variant, day in cells
    ]
    return Rows(entries=entries, moments=moments, durations=durations)


def best(step: Callable[[], object], rounds: int) -> float:
    """The least CPU milliseconds of several rounds."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        step()
        found.append((time.process_time() - began) * 1_000)
    return min(found)


def touch(given: Rows) -> object:
    """Touch each aggregate once."""
    return sum(row["n"] for row in given.moments) + sum(row["events"] for row in given.durations)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    rounds = arguments.parse_args().rounds
    made, through = plan(), datetime(2026, 4, 20, tzinfo=UTC)
    given = rows(made)
    calendar = Calendar(span=Span(started_on=START), through=through.date())
    ids = {key: place for place, key in enumerate(VARIANTS)}
    aggregates = assemble(made, ids, given, through, 0)
    limit = best(lambda: touch(given), rounds)
    layout = best(lambda: assemble(made, ids, given, through, 0), rounds)
    evaluation = best(lambda: evaluate(made, aggregates, calendar), rounds)
    print(  # noqa: T201 - a benchmark prints
        f"{len(given.moments) + len(given.durations):,} aggregates: touch {limit:.1f} ms, lay out {layout:.1f} ms"
        f" = {layout / limit:.0f} x, evaluate {evaluation:.1f} ms = {evaluation / limit:.0f} x (aim: 20 ms together)"
    )


if __name__ == "__main__":
    main()
