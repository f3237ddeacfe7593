"""A unit's covariate in SQL: what is known of it before its exposure, and the sums that adjust a KPI for it.

Fixed before exposure, so that no variant can have a part in it; that is all an adjustment needs to be right. How much
the covariate explains only decides how much it helps.
"""

from collections.abc import Sequence

from experiments.plan import PlannedKpi

LARGEST = 1e12
"""An attribute of a greater size is no number to reckon with: it counts as missing."""
NUMERIC = r"^[+-]?[0-9]{1,15}(\.[0-9]{0,200})?([eE][+-]?[0-9]{1,2})?$"
"""Text that Postgres can read as a number, whatever it is: a file's cells may all be text."""
ATTRIBUTE = "(e.attributes ->> ($1::text[])[{place}])"
PER_UNIT = """, CASE WHEN {said} ~ '{numeric}' THEN
    CASE WHEN abs({said}::float8) <= {largest!r} THEN {said}::float8 END END AS x{id}"""
SUMS = """avg({x}) AS mean_x_{id}, regr_sxx(k{id}, {x}) AS m2_x_{id}, regr_sxy(k{id}, {x}) AS c_xy_{id},
    count(*) - count(x{id}) AS missing_{id}"""
COLUMNS = ("mean_x", "m2_x", "c_xy", "missing")
"""What is stored of a covariate beside the moments of its KPI."""
UNKNOWN = "NULL::float8, NULL::float8, NULL::float8, NULL::bigint"


def attributes(kpis: Sequence[PlannedKpi]) -> list[str]:
    """The attributes that are covariates of KPIs, each once."""
    named = (kpi.covariate.attribute for kpi in kpis if kpi.covariate is not None)
    return list(dict.fromkeys(name for name in named if name is not None))


def per_unit(kpis: Sequence[PlannedKpi], names: Sequence[str]) -> str:
    """SQL of a column `x` for each KPI with a covariate, null where it is missing; `names` are the first argument."""
    return "".join(_per_unit(kpi, names) for kpi in kpis if kpi.covariate is not None)


def sums(planned: PlannedKpi) -> str:
    """SQL of the sums over units, or nothing for a KPI without a covariate."""
    if planned.covariate is None:
        return ""
    x = f"coalesce(x{planned.definition.id:d}, {float(planned.covariate.when_missing)!r})"
    return ", " + SUMS.format(id=planned.definition.id, x=x)


def row(planned: PlannedKpi) -> str:
    """SQL of the sums of one KPI in the order of `COLUMNS`, from a table `g` of all of them."""
    if planned.covariate is None:
        return UNKNOWN
    return ", ".join(f"g.{name}_{planned.definition.id:d}" for name in COLUMNS)


def _per_unit(planned: PlannedKpi, names: Sequence[str]) -> str:
    attribute = None if planned.covariate is None else planned.covariate.attribute
    if attribute is None:
        raise ValueError("a covariate without an attribute")
    said = ATTRIBUTE.format(place=len(names) - names[::-1].index(attribute))
    return PER_UNIT.format(said=said, numeric=NUMERIC, largest=LARGEST, id=planned.definition.id)
