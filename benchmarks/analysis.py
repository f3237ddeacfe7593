"""CPU time from aggregates to a verdict: 20 KPIs x 3 variants x 90 days, beside one pass of Python over the same cells.

    python -m benchmarks.analysis [--rounds 7] [--segments 20]

Laid out, evaluated, checked and judged: all that an answer with results asks for. The limit beside it is what it costs
to touch each stored aggregate once in Python, which any analysis that makes an object per cell pays before it computes
anything. Then once more with every KPI in 20 segments besides.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any, TypeAlias

import numpy as np

from experiments.enums import Kind, Policy, Role
from experiments.inference.cohorts import EVERYBODY, Aggregates, Rows, Table, assemble
from experiments.inference.evaluation import Evaluation, evaluate
from experiments.inference.findings import Finding
from experiments.inference.heterogeneity import heterogeneity
from experiments.inference.looks import Span
from experiments.inference.monitoring import Circumstances, inspect
from experiments.inference.reading import Calendar
from experiments.inference.verdict import judge
from experiments.planning.plan import PinnedDefinition, Plan, PlannedKpi, PlannedVariant
from kpi.enums import Change, Direction, Unit

DAYS, KPIS, VARIANTS, TAU = 90, 20, ("control", "first", "second"), 14
IDS = {key: place for place, key in enumerate(VARIANTS)}
START = date(2026, 1, 1)
THROUGH = datetime(2026, 4, 20, tzinfo=UTC)

Cells: TypeAlias = list[dict[str, Any]]


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


def cells(given: Plan, segment: str) -> tuple[Cells, Cells, Cells]:
    """Entries, moments and durations of 200 units a day and variant."""
    rng = np.random.default_rng(1)
    places = [(variant, START + timedelta(days=day)) for variant in range(3) for day in range(DAYS)]
    moments, durations = [], []
    for kpi in given.kpis:
        for variant, day in places:
            key = {"definition_id": kpi.definition.id, "segment": segment, "variant_id": variant, "entered_on": day}
            if kpi.definition.kind == "time_to_value":
                events = rng.multinomial(200, [0.05] * TAU + [1 - 0.05 * TAU])[:TAU]
                durations += [key | {"day": at, "events": int(n), "losses": 0} for at, n in enumerate(events) if n]
            else:
                share = rng.binomial(200, 0.4) / 200
                moments.append(key | {"n": 200, "mean": share, "m2": 200 * share * (1 - share)})
    return (
        [{"segment": segment, "variant_id": variant, "entered_on": day, "n": 200} for variant, day in places],
        moments,
        durations,
    )


def stored(entries: Cells, moments: Cells, durations: Cells) -> Rows:
    """Cells as the database sends them: a column of bytes for each number, grouped by what is asked about."""
    question = ("definition_id", "segment")
    return Rows(
        entries=table(("segment",), entries),
        moments=table(question, moments),
        covariates=table(question, []),
        durations=table(question, durations),
    )


def table(keys: Sequence[str], rows: Cells) -> Table:
    """Cells in columns."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return Table(keys=tuple(keys), groups={key: columns(keys, some) for key, some in groups.items()})


def columns(keys: Sequence[str], rows: Cells) -> dict[str, Any]:
    """The numbers in the widths and the order of bytes of the wire."""
    forms = {"mean": ">f8", "m2": ">f8", "entered_on": "datetime64[D]"}
    return {
        name: np.array([row[name] for row in rows], dtype=forms.get(name, ">i4"))
        for name in rows[0]
        if name not in keys
    }


def best(step: Callable[[], object], rounds: int) -> float:
    """The least CPU milliseconds of several rounds."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        step()
        found.append((time.process_time() - began) * 1_000)
    return min(found)


def touch(moments: Cells, durations: Cells) -> object:
    """Touch each aggregate once."""
    return sum(row["n"] for row in moments) + sum(row["events"] for row in durations)


def measure(name: str, segments: Sequence[str], rounds: int) -> None:
    """One case: its layout and its evaluation, beside the limit."""
    made, through = plan(), THROUGH
    by_segment = [cells(made, one) for one in segments]
    entries, moments, durations = (list(chain.from_iterable(parts)) for parts in zip(*by_segment, strict=True))
    given = stored(entries, moments, durations)
    calendar, ids = Calendar(span=Span(started_on=START), through=through.date()), IDS
    aggregates = assemble(made, ids, given, through.date())
    limit = best(lambda: touch(moments, durations), rounds)
    layout = best(lambda: assemble(made, ids, given, through.date()), rounds)
    evaluation = best(lambda: evaluate(made, aggregates, calendar), rounds)
    found = evaluate(made, aggregates, calendar)
    verdict = best(lambda: conclude(made, aggregates, found), rounds)
    findings = KPIS * (len(VARIANTS) - 1) * len(segments)
    print(  # noqa: T201 - a benchmark prints
        f"{name}: {len(moments) + len(durations):,} aggregates, {findings} findings: touch {limit:.1f} ms,"
        f" lay out {layout:.1f} ms = {layout / limit:.1f} x, evaluate {evaluation:.1f} ms = {evaluation / limit:.1f} x,"
        f" check and judge {verdict:.1f} ms, together {layout + evaluation + verdict:.1f} ms,"
        f" {(layout + evaluation + verdict) / findings:.2f} ms a finding"
    )


def conclude(made: Plan, aggregates: Aggregates, found: Evaluation) -> object:
    """What the findings are asked for: the checks, the verdict, and whether segments differ."""
    circumstances = Circumstances(crossovers={"control": 20}, open_since=None)
    health = inspect(made, aggregates, found.findings, found.sample_ratio, circumstances)
    return judge(found.findings, health), heterogeneity(found.segment_findings)


def evaluated() -> tuple[Finding, ...]:
    """Those about everybody."""
    made, rows = plan(), stored(*cells(plan(), EVERYBODY))
    calendar = Calendar(span=Span(started_on=START), through=THROUGH.date())
    return evaluate(made, assemble(made, IDS, rows, THROUGH.date()), calendar).findings


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--segments", type=int, default=20)
    given = arguments.parse_args()
    measure("everybody (aim: 20 ms together)", [EVERYBODY], given.rounds)
    named = [f"plan={number}" for number in range(given.segments)]
    measure(f"and {given.segments} segments", [EVERYBODY, *named], given.rounds)


if __name__ == "__main__":
    main()
