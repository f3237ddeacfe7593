"""A unit's second number in SQL: a covariate that its KPI is adjusted for, or what a ratio divides by, and their sums.

A covariate is fixed before exposure, so that no variant can have a part in it; that is all an adjustment needs to be
right. How much it explains only decides how much it helps.
"""

from collections.abc import Mapping, Sequence

from experiments.aggregation import tallies
from experiments.inference.cohorts import decode
from experiments.planning.plan import Covariate, PlannedKpi
from experiments.planning.targeting import NUMBER
from kpi.kinds.moments import Number

LARGEST = 1e12
"""An attribute of a greater size is no number to reckon with: it counts as missing."""
NUMERIC = f"^{NUMBER}$"
"""Text that Postgres can read as a number, whatever it is: a file's cells may all be text."""
ATTRIBUTE = """, CASE
    WHEN jsonb_typeof({json}) = 'number' THEN CASE WHEN abs({json}::numeric) <= {largest!r} THEN {json}::float8 END
    WHEN {text} ~ '{numeric}' THEN CASE WHEN abs({text}::float8) <= {largest!r} THEN {text}::float8 END END AS x{id}"""
"""Numbers first: to match a pattern costs more than all else."""
KNOWN = ", x{id}"
SUMS = """ARRAY[count(*), regr_avgx(k{id}, {x}) * count(*), regr_sxx(k{id}, {x}), regr_avgy(k{id}, {x}) * count(*),
    regr_syy(k{id}, {x}), regr_sxy(k{id}, {x})] AS m{id}, count(*) - count(x{id}) AS missing_{id}"""
"""As those of a KPI without a covariate, from one state that Postgres keeps for all five."""
COLUMNS = ("mean_x", "m2_x", "c_xy", "missing")
"""What is stored of a covariate, or of what a ratio divides by, beside the moments of its KPI."""
UNKNOWN = "NULL::float8[], NULL::bigint"


def adjusted(kpis: Sequence[PlannedKpi]) -> list[tuple[PlannedKpi, Covariate]]:
    """The KPIs with a covariate."""
    return [(kpi, kpi.covariate) for kpi in kpis if kpi.covariate is not None]


def attributes(kpis: Sequence[PlannedKpi]) -> list[str]:
    """The attributes that are covariates of KPIs, each once."""
    named = (covariate.attribute for _, covariate in adjusted(kpis))
    return list(dict.fromkeys(name for name in named if name is not None))


def before(kpis: Sequence[PlannedKpi]) -> list[tuple[PlannedKpi, int]]:
    """The KPIs that are their own covariates, over so many days before exposure."""
    own = [(kpi, covariate.pre_exposure_days) for kpi, covariate in adjusted(kpis)]
    return [(kpi, days) for kpi, days in own if days is not None]


def longest(kpis: Sequence[PlannedKpi]) -> int:
    """The days before exposure that KPIs and their tallies read, 0 if none."""
    return max([tallies.days_before(kpis), *days_before(kpis)])


def days_before(kpis: Sequence[PlannedKpi]) -> list[int]:
    """The days before exposure that each KPI reads: for its covariate, and for levels that were sent before it."""
    return [days for _, days in before(kpis)] + [decode(kpi).lookback_days for kpi in kpis]


def is_paired(planned: PlannedKpi) -> bool:
    """Whether a unit has a second number beside that of the KPI."""
    return planned.covariate is not None or decode(planned).has_denominator


def numbers(kpis: Sequence[PlannedKpi], events: Mapping[str, int]) -> dict[str, str]:
    """SQL over an exposure and its unit's outcomes, from before it too: a column `x` for each of them that has one."""
    own = {kpi.definition.id: _number(kpi).before(events, days) for kpi, days in before(kpis)}
    below = {kpi.definition.id: sql for kpi in kpis if (sql := decode(kpi).divided_by(events)) is not None}
    return {f"x{number:d}": sql for number, sql in (own | below).items()}


def columns(kpis: Sequence[PlannedKpi], names: Sequence[str]) -> str:
    """SQL of a column `x` for each KPI with a second number, null where it is missing; `names` are the argument."""
    return "".join(_column(kpi, names) for kpi in kpis if is_paired(kpi))


def sums(planned: PlannedKpi) -> str:
    """SQL of what `pooled` adds up of a KPI and its second number, and of the units without one."""
    unknown = 0.0 if planned.covariate is None else float(planned.covariate.when_missing)
    return SUMS.format(id=planned.definition.id, x=f"coalesce(x{planned.definition.id:d}, {unknown!r})")


def missing(planned: PlannedKpi) -> str:
    """SQL of the units without a second number in several cells."""
    return f"sum(missing_{planned.definition.id:d}) AS missing_{planned.definition.id:d}"


def row(planned: PlannedKpi) -> str:
    """SQL of the sums that a second number is part of, from a table `g`, and of the units without one."""
    number = planned.definition.id
    return f"g.m{number:d}, g.missing_{number:d}" if is_paired(planned) else UNKNOWN


def _column(planned: PlannedKpi, names: Sequence[str]) -> str:
    definition_id, covariate = planned.definition.id, planned.covariate
    if covariate is None or covariate.attribute is None:
        return KNOWN.format(id=definition_id)
    name = f"($1::text[])[{len(names) - names[::-1].index(covariate.attribute)}]"
    return ATTRIBUTE.format(
        json=f"(e.attributes -> {name})",
        text=f"(e.attributes ->> {name})",
        numeric=NUMERIC,
        largest=LARGEST,
        id=definition_id,
    )


def _number(planned: PlannedKpi) -> Number:
    kind = decode(planned)
    if not isinstance(kind, Number):
        raise ValueError("only a KPI with one number a unit has one before exposure")
    return kind
