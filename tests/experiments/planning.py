"""A plan and aggregates made in memory: what the pure part of the package is a function of."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from experiments.aggregation.covariates import COLUMNS
from experiments.enums import Kind, Policy, Role
from experiments.inference import cohorts
from experiments.inference.cohorts import Aggregates, Table, assemble, decode
from experiments.inference.evaluation import Evaluation, evaluate
from experiments.inference.looks import Span
from experiments.inference.reading import Calendar
from experiments.planning.plan import PinnedBaseline, PinnedDefinition, Plan, PlannedKpi, PlannedVariant, Rules
from kpi import kinds
from kpi.enums import Change, Direction, Unit
from kpi.kinds import Activation, Aggregate
from kpi.kinds.shape import CurveOf, DayCurve

FIRST = date(2026, 3, 2)
CONTROL = PlannedVariant(key="control", name="Control", weight=1.0, is_control=True)
TREATMENT = PlannedVariant(key="treatment", name="Shorter form", weight=1.0, is_control=False)
OTHER = PlannedVariant(key="other", name="No form", weight=1.0, is_control=False)
IDS = {"control": 11, "treatment": 12, "other": 13}
SEGMENTS = ("plan=free", "plan=pro")


def day(number: int) -> date:
    """The day this many days after the first."""
    return FIRST + timedelta(days=number)


def planned(kpi: str = "activation", kind: kinds.Kind | None = None, **changes: Any) -> PlannedKpi:
    """A KPI's part in a plan: a primary one, unless changed. Its definition's id is made from its key."""
    kind = kind or Activation(event="activated", window_days=2)
    name, parameters = kinds.encode(kind)
    fields: dict[str, Any] = {
        "role": Role.PRIMARY,
        "direction": Direction.HIGHER,
        "definition": PinnedDefinition(
            id=sum(map(ord, kpi)), version=1, kind=name, parameters=parameters, events=list(kind.events)
        ),
        "baseline": PinnedBaseline(version=1, value=0.3, standard_error=0.005, n=8400),
        "mde": 0.05,
        "margin": None,
        "information": None,
    }
    return PlannedKpi(kpi=kpi, name=kpi.title(), **(fields | changes))


def plan(*kpis: PlannedKpi, **changes: Any) -> Plan:
    """A plan with these KPIs, by default one primary of activation within two days."""
    measured = list(kpis) or [planned()]
    fields: dict[str, Any] = {
        "experiment": "shorter-form",
        "hypothesis": "shorter-form",
        "change": Change.INCREASE,
        "kind": Kind.ONBOARDING_FLOW,
        "unit": Unit.USER,
        "variants": [CONTROL, TREATMENT],
        "kpis": measured,
        "alpha": 0.05,
        "power": 0.8,
        "policy": Policy.GROUP_SEQUENTIAL,
        "looks": 4,
        "horizon_days": 16,
        "segment_attributes": [],
        "events": sorted({event for kpi in measured for event in kpi.definition.events}),
    }
    return informed(Plan(**(fields | changes)))


def informed(bare: Plan) -> Plan:
    """The plan with the information that its rules ask of each KPI."""
    rules = Rules(
        alpha=bare.alpha, power=bare.power, policy=bare.policy, looks=bare.looks, comparisons=bare.comparisons
    )

    def of(kpi: PlannedKpi) -> PlannedKpi:
        return replace(kpi, information=rules.information(kpi.role, kpi.margin if kpi.mde is None else kpi.mde))

    return replace(bare, kpis=[of(kpi) for kpi in bare.kpis])


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Aggregates row by row, with the columns of the three tables."""

    entries: list[dict[str, Any]]
    moments: list[dict[str, Any]]
    durations: list[dict[str, Any]]
    tallies: list[dict[str, Any]] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Law:
    """How units of one variant come and behave: how many a day in each segment, how often they do it, what it is worth.

    At a rate of 0 or 1 nothing varies.
    """

    daily: float
    rate: float


def simulated(of: Plan, laws: Sequence[Law], *, days: int, seed: int) -> Rows:
    """The rows of all entry days, as they are once everything is known. Segments partition the units."""
    draw = np.random.default_rng(seed)
    rows = Rows(entries=[], moments=[], durations=[])
    for variant, law in zip(of.variants, laws, strict=True):
        for number in range(days):
            sizes = draw.poisson(law.daily, len(SEGMENTS))
            _simulate_day(draw, rows, of, law, {"variant_id": IDS[variant.key], "entered_on": day(number)}, sizes)
    return rows


def _simulate_day(
    draw: np.random.Generator, rows: Rows, of: Plan, law: Law, cell: dict[str, Any], sizes: np.ndarray[Any, Any]
) -> None:
    cuts = np.cumsum(sizes)[:-1]
    parts: dict[str, int | slice] = {"": slice(None), **{name: place for place, name in enumerate(SEGMENTS)}}
    for segment, n in zip(parts, (sizes.sum(), *sizes), strict=True):
        if n:
            rows.entries.append(cell | {"segment": segment, "n": int(n)})
    for kpi in of.kpis:
        kind = decode(kpi)
        window = kind.window[1]
        event, loss = _ends(draw, law.rate, int(sizes.sum()), window)
        amounts = np.where(event < window, draw.lognormal(0, 1, event.size) if law.rate % 1 else 1.0, 0.0)
        values = amounts if isinstance(kind, kinds.Mean | kinds.Ratio) else (amounts > 0).astype(float)
        before = None if kpi.covariate is None else values + draw.normal(0, 1, values.size)
        if kind.has_denominator:
            before = draw.poisson(1.0, values.size).astype(float)
        for segment, where in parts.items():
            own = cell | {"segment": segment, "definition_id": kpi.definition.id}
            if kind.aggregate is Aggregate.MOMENTS:
                rows.moments.extend(_moments(own, _part(values, cuts, where), _part(before, cuts, where)))
                rows.durations.extend(_by_day(own, kind.curve, _part(event, cuts, where)))
            else:
                ends = _part(event, cuts, where), _part(loss, cuts, where)
                rows.durations.extend(_durations(own, *ends, window))


def _part(values: Any, cuts: Any, where: int | slice) -> Any:
    return values if values is None or isinstance(where, slice) else np.split(values, cuts)[where]


def _ends(draw: np.random.Generator, rate: float, n: int, window: int) -> tuple[Any, Any]:
    """The day of the event and the day of the loss of each unit; beyond the window if neither comes."""
    each = 1 - (1 - rate) ** (1 / window)
    event = draw.geometric(each, n) - 1 if rate else np.full(n, window)
    return np.minimum(event, window), draw.geometric(0.05, n) - 1


def _moments(own: dict[str, Any], values: Any, before: Any) -> list[dict[str, Any]]:
    n = values.size
    if not n:
        return []
    found = own | {"n": n, "mean": float(values.mean()), "m2": float(n * values.var())}
    if before is None:
        return [found]
    common = float(n * np.cov(values, before, ddof=0)[0, 1])
    adds = {"mean_x": float(before.mean()), "m2_x": float(n * before.var()), "c_xy": common, "missing": n // 9}
    return [found | adds]


def _by_day(own: dict[str, Any], curve: DayCurve | None, event: Any) -> list[dict[str, Any]]:
    """The days of a curve: of the first event, or of every day from it on."""
    days = [] if curve is None else list(curve.days)
    is_first = curve is not None and curve.of is CurveOf.REACHED
    counts = {number: int((event == number if is_first else event <= number).sum()) for number in days}
    return [own | {"day": number, "events": count, "losses": 0} for number, count in counts.items() if count]


def _durations(own: dict[str, Any], event: Any, loss: Any, window: int) -> list[dict[str, Any]]:
    happened = event <= np.minimum(loss, window - 1)
    cells = (
        (number, int((happened & (event == number)).sum()), int((~happened & (loss == number)).sum()))
        for number in range(window)
    )
    return [
        own | {"day": number, "events": events, "losses": losses} for number, events, losses in cells if events + losses
    ]


def known(rows: Rows, of: Plan, through: date) -> Rows:
    """What of these rows a refresh at a midnight would find. Cells that are only partly observed are left half full."""
    until = {kpi.definition.id: decode(kpi).window[1] for kpi in of.kpis}

    def is_final(row: Any) -> bool:
        return bool(row["entered_on"] + timedelta(days=1 + until[row["definition_id"]]) <= through)

    def observed(row: Any) -> dict[str, Any]:
        whole = row["entered_on"] + timedelta(days=1 + row["day"]) <= through
        return dict(row) if whole else dict(row) | {"events": row["events"] // 2, "losses": row["losses"] // 2}

    return Rows(
        entries=[row for row in rows.entries if row["entered_on"] < through],
        moments=[row for row in rows.moments if is_final(row)],
        durations=[observed(row) for row in rows.durations if row["entered_on"] + timedelta(days=row["day"]) < through],
        tallies=rows.tallies,
        values=[row for row in rows.values if is_final(row)],
    )


def aggregates(of: Plan, rows: Rows, through: date) -> Aggregates:
    """The rows known at a midnight, laid out."""
    return assemble(of, IDS, stored(known(rows, of, through)), through)


def stored(rows: Rows) -> cohorts.Rows:
    """The same rows column by column, as they are read from the database."""
    question = ("definition_id", "segment")
    return cohorts.Rows(
        entries=table(("segment",), rows.entries),
        moments=table(question, [_without(row, COLUMNS) for row in rows.moments]),
        covariates=table(question, [_without(row, ("n", "mean", "m2")) for row in rows.moments if "mean_x" in row]),
        durations=table(question, rows.durations),
        tallies=table(("definition_id",), rows.tallies),
        values=table(question, rows.values),
    )


def _without(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def table(keys: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> Table:
    """Rows as columns, in groups of what they share."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return Table(keys=keys, groups={key: columns(keys, some) for key, some in groups.items()})


def columns(keys: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> cohorts.Columns:
    found = {name: np.array([row[name] for row in rows]) for name in rows[0] if name not in keys}
    return found | {"entered_on": found["entered_on"].astype("datetime64[D]")}


def evaluated(of: Plan, rows: Rows, through: date, stopped_on: date | None = None) -> Evaluation:
    """What the evaluation says at a midnight of an experiment that started on the first day."""
    calendar = Calendar(span=Span(started_on=FIRST, frozen_on=stopped_on), through=through)
    return evaluate(of, aggregates(of, rows, through), calendar)


def without_segments(rows: Rows) -> Rows:
    """The same rows of everybody only."""
    return replace(
        rows,
        **{
            name: [row for row in getattr(rows, name) if row["segment"] == ""]
            for name in ("entries", "moments", "durations")
        },
    )
