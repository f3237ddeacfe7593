"""Units that are counted for a check of the data, in SQL.

For a KPI with a cap those at it, counted as the KPI is; for a KPI that waits for a first time those that had done it
already in the day before their exposure, counted once the entry day is over. By variant and entry day, of everybody.
"""

from collections.abc import Mapping, Sequence

from experiments.inference.cohorts import decode, tallied_until
from experiments.planning.plan import PlannedKpi
from kpi.kinds import Kind

EARLY_DAYS = 1
"""Before exposure. An exposure that is logged late is so by minutes or hours; what is older was done without it."""


def capped(kpis: Sequence[PlannedKpi]) -> list[PlannedKpi]:
    """The KPIs of which one unit counts for so much at most."""
    return [planned for planned in kpis if decode(planned).cap is not None]


def waiting(kpis: Sequence[PlannedKpi]) -> list[PlannedKpi]:
    """The KPIs that wait for something that is expected to happen for the first time after exposure."""
    return [planned for planned in kpis if decode(planned).first_event is not None]


def days_before(kpis: Sequence[PlannedKpi]) -> int:
    """The days before exposure that tallies read, 0 if none."""
    return EARLY_DAYS if waiting(kpis) else 0


def numbers(kpis: Sequence[PlannedKpi], events: Mapping[str, int]) -> dict[str, str]:
    """SQL over an exposure and its unit's outcomes, from before it too: a column `early` for each of `waiting`."""
    return {f"early_{planned.definition.id:d}": _is_early(decode(planned), events) for planned in kpis}


def sums(kpis: Sequence[PlannedKpi]) -> list[str]:
    """SQL over units: a column `t` for each KPI that is tallied."""
    return [f"count(*) FILTER (WHERE {_which(planned)}) AS t{planned.definition.id:d}" for planned in kpis]


def pooled(planned: PlannedKpi) -> str:
    """SQL of the units that were tallied in several cells."""
    return f"sum(t{planned.definition.id:d}) AS t{planned.definition.id:d}"


def row(planned: PlannedKpi) -> str:
    """SQL of a tallied KPI, the days after entry that it is final, and its tally from a table `g`."""
    return f"({planned.definition.id:d}, {tallied_until(planned):d}, g.t{planned.definition.id:d})"


def _is_early(kind: Kind, events: Mapping[str, int]) -> str:
    return f"count(*) FILTER (WHERE {kind.between(kind.first_event or '', events, -EARLY_DAYS, 0)}) > 0"


def _which(planned: PlannedKpi) -> str:
    cap, number = decode(planned).cap, planned.definition.id
    return f"early_{number:d}" if cap is None else f"k{number:d} >= {float(cap)!r}::float8"
