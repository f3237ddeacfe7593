"""Units at risk in words, from the answer's objects."""

from web.quantities import Json


def silence(kpi: Json) -> str:
    """Why there is no list of units."""
    if kpi["entry"] is None or kpi["entry"]["every"] is None:
        return "The KPI is not measured every period, so no number of a single unit is kept. Give it such an entry."
    return "No numbers of single units are kept so far, or the KPI has not one number a unit, as ratios have not."
