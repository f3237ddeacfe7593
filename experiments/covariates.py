"""A unit's covariate in SQL: what is known of it before its exposure, and the sums that adjust a KPI for it.

Fixed before exposure, so that no variant can have a part in it; that is all an adjustment needs to be right. How much
the covariate explains only decides how much it helps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.actors import with_outcomes
from experiments.cohorts import decode
from experiments.plan import Covariate, Plan, PlannedKpi
from kpi.enums import Unit
from kpi.kinds.moments import Number

LARGEST = 1e12
"""An attribute of a greater size is no number to reckon with: it counts as missing."""
NUMERIC = r"^[+-]?[0-9]{1,15}(\.[0-9]{0,200})?([eE][+-]?[0-9]{1,2})?$"
"""Text that Postgres can read as a number, whatever it is: a file's cells may all be text."""
ATTRIBUTE = """, CASE
    WHEN jsonb_typeof({json}) = 'number' THEN CASE WHEN abs({json}::numeric) <= {largest!r} THEN {json}::float8 END
    WHEN {text} ~ '{numeric}' THEN CASE WHEN abs({text}::float8) <= {largest!r} THEN {text}::float8 END END AS x{id}"""
"""Numbers first: to match a pattern costs more than all else."""
BEFORE = ", b.x{id}"
UNITS_BEFORE = """ JOIN (
    SELECT e.unit{numbers} FROM exposures e{joined} AND o.event_id IN ({events})
        AND o.occurred_at >= e.exposed_at - interval '{hours} hours' AND o.occurred_at < e.exposed_at
    WHERE {enrolled} GROUP BY e.experiment_id, e.unit
) b ON b.unit = e.unit"""
"""What the same units did before their exposure. Apart from what they did after: most experiments do not ask for it."""
SUMS = """avg({x}) AS mean_x_{id}, regr_sxx(k{id}, {x}) AS m2_x_{id}, regr_sxy(k{id}, {x}) AS c_xy_{id},
    count(*) - count(x{id}) AS missing_{id}"""
COLUMNS = ("mean_x", "m2_x", "c_xy", "missing")
"""What is stored of a covariate beside the moments of its KPI."""
UNKNOWN = "NULL::float8, NULL::float8, NULL::float8, NULL::bigint"


def attributes(kpis: Sequence[PlannedKpi]) -> list[str]:
    """The attributes that are covariates of KPIs, each once."""
    named = (covariate.attribute for _, covariate in adjusted(kpis))
    return list(dict.fromkeys(name for name in named if name is not None))


def adjusted(kpis: Sequence[PlannedKpi]) -> list[tuple[PlannedKpi, Covariate]]:
    """The KPIs with a covariate."""
    return [(kpi, kpi.covariate) for kpi in kpis if kpi.covariate is not None]


def longest(plan: Plan) -> int:
    """The days before exposure that the plan reads, 0 if none."""
    return max((covariate.pre_exposure_days or 0 for _, covariate in adjusted(plan.kpis)), default=0)


def per_unit(kpis: Sequence[PlannedKpi], names: Sequence[str]) -> str:
    """SQL of a column `x` for each KPI with a covariate, null where it is missing; `names` are the first argument."""
    return "".join(_per_unit(kpi.definition.id, covariate, names) for kpi, covariate in adjusted(kpis))


def _per_unit(definition_id: int, covariate: Covariate, names: Sequence[str]) -> str:
    if covariate.attribute is None:
        return BEFORE.format(id=definition_id)
    name = f"($1::text[])[{len(names) - names[::-1].index(covariate.attribute)}]"
    return ATTRIBUTE.format(
        json=f"(e.attributes -> {name})",
        text=f"(e.attributes ->> {name})",
        numeric=NUMERIC,
        largest=LARGEST,
        id=definition_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """KPIs that are their own covariates: what they were before exposure, of units of one experiment."""

    kpis: Sequence[tuple[PlannedKpi, int]]
    unit: Unit
    workspace_id: int
    experiment_id: int
    numbers: Mapping[str, int]

    @property
    def columns(self) -> str:
        """The column to find a unit `e` by, if there is anything to find."""
        return ", e.unit" if self.kpis else ""

    def joined(self, enrolled: str) -> str:
        """SQL after the units `e` that are enrolled: their numbers `b`."""
        if not self.kpis:
            return ""
        events = {event for planned, _ in self.kpis for event in decode(planned).events}
        return UNITS_BEFORE.format(
            numbers="".join(f", {self._number(kpi, days)} AS x{kpi.definition.id:d}" for kpi, days in self.kpis),
            joined=with_outcomes(self.unit, workspace_id=self.workspace_id, experiment_id=self.experiment_id),
            events=", ".join(sorted(str(self.numbers.get(event, -1)) for event in events)),
            hours=24 * max(days for _, days in self.kpis),
            enrolled=enrolled,
        )

    def _number(self, planned: PlannedKpi, days: int) -> str:
        kind = decode(planned)
        if not isinstance(kind, Number):
            raise ValueError("only a KPI with one number a unit has one before exposure")
        return kind.before(self.numbers, days)


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
