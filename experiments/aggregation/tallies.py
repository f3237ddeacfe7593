"""Units that are counted for a check of the data, in SQL: those at a KPI's cap.

Counted as the KPI is, by variant and entry day, so that they are right whenever its sums are.
"""

from collections.abc import Sequence

from experiments.inference.cohorts import decode
from experiments.planning.plan import PlannedKpi

AT_CAP = "count(*) FILTER (WHERE k{id} >= {cap!r}::float8) AS t{id}"


def capped(kpis: Sequence[PlannedKpi]) -> list[PlannedKpi]:
    """The KPIs of which one unit counts for so much at most."""
    return [planned for planned in kpis if decode(planned).cap is not None]


def sums(kpis: Sequence[PlannedKpi]) -> list[str]:
    """SQL over units: a column `t` for each KPI that is tallied."""
    return [AT_CAP.format(id=planned.definition.id, cap=float(decode(planned).cap or 0)) for planned in capped(kpis)]


def pooled(planned: PlannedKpi) -> str:
    """SQL of the units that were tallied in several cells."""
    return f"sum(t{planned.definition.id:d}) AS t{planned.definition.id:d}"


def row(planned: PlannedKpi) -> str:
    """SQL of a tallied KPI, the days after entry that it is final, and its tally from a table `g`."""
    return f"({planned.definition.id:d}, {decode(planned).window[1]:d}, g.t{planned.definition.id:d})"
