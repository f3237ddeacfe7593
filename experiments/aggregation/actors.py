"""Whose outcomes count for a unit: a user's own; an account's own, and those of its members while they belong to it."""

from kpi.enums import Unit

ACTORS = """(
    SELECT account AS unit, member, since_at, coalesce(until_at, 'infinity') AS until_at FROM memberships
    WHERE workspace_id = {workspace:d} AND account <> member
    UNION ALL SELECT unit, unit, '-infinity', 'infinity' FROM exposures WHERE experiment_id = {experiment:d}
) a"""


def with_outcomes(unit: Unit, *, workspace_id: int, experiment_id: int) -> str:
    """SQL after a unit `e`: its outcomes `o`, none of them null; a condition may follow."""
    if unit is Unit.USER:
        return " LEFT JOIN outcomes o ON o.unit = e.unit"
    actors = ACTORS.format(workspace=workspace_id, experiment=experiment_id)
    return (
        f" LEFT JOIN {actors} ON a.unit = e.unit"
        " LEFT JOIN outcomes o ON o.unit = a.member AND o.occurred_at >= a.since_at AND o.occurred_at < a.until_at"
    )


def outcomes_with_unit(unit: Unit, *, workspace_id: int, experiment_id: int) -> str:
    """SQL of a table of outcomes `o` and the unit `acted` that each counts for; conditions may follow."""
    if unit is Unit.USER:
        return "outcomes o CROSS JOIN LATERAL (SELECT o.unit) acted"
    actors = ACTORS.format(workspace=workspace_id, experiment=experiment_id)
    return (
        f"outcomes o JOIN {actors} ON a.member = o.unit AND o.occurred_at >= a.since_at AND o.occurred_at < a.until_at"
        " CROSS JOIN LATERAL (SELECT a.unit) acted"
    )
