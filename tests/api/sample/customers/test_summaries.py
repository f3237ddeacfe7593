"""Summaries from the arrays equal plain SQL over the rows that were taken in."""

from datetime import timedelta

import numpy as np
import pytest

from api.database import Database
from api.sample.customers import Clientele, clientele
from api.sample.customers.law import HISTORY_DAYS
from api.sample.customers.rungs import RUNGS, level
from api.sample.customers.summaries import WINDOWS, Cohorts, by_cohort, durations, entrants, kept
from kpi.tables import Workspace
from stats.survival import rmst
from stats.survival.counts import life_table
from tests.api.sample.conftest import TODAY
from tests.api.sample.customers.stored import NOW, taken_in

BEGAN = NOW - timedelta(days=HISTORY_DAYS)
SENT = """
CREATE TEMP TABLE sent ON COMMIT DROP AS
SELECT coalesce(m.account, o.unit) AS unit, v.name, o.occurred_at AS at, o.value
FROM outcomes o JOIN events v ON v.id = o.event_id AND v.workspace_id = $1
    LEFT JOIN memberships m ON m.workspace_id = $1 AND m.member = o.unit
"""
INDEX = "CREATE INDEX ON sent (unit, name, at)"
ACCOUNTS = (
    "CREATE TEMP TABLE accounts ON COMMIT DROP AS SELECT unit, at AS opened FROM sent WHERE name = 'account_created'"
)
PAID = """coalesce((SELECT s.value FROM sent s WHERE s.name = 'mrr' AND s.unit = a.unit AND s.at < {at}
    ORDER BY s.at DESC LIMIT 1), 0)"""
FIRST = """(SELECT min(s.at) FROM sent s WHERE s.name = '{event}' AND s.unit = a.unit
    AND s.at >= a.opened + interval '{after} hours')"""
BEFORE, AFTER = PAID.format(at="a.opened"), PAID.format(at="a.opened + interval '8760 hours'")
NUMBERS = {
    "ttfv": f"coalesce(least(date_part('day', {FIRST.format(event='first_value', after=0)} - a.opened) + 1, 60), 60)",
    "activation": f"({FIRST.format(event='activated', after=0)} < a.opened + interval '2160 hours')::int",
    "retention": f"({FIRST.format(event='session_started', after=1440)} < a.opened + interval '2160 hours')::int",
    "grr": f"least({BEFORE}, {AFTER})",
    "nrr": AFTER,
}
SUMS = """
SELECT cohort, count(*) AS n, avg(y) AS mean, var_pop(y) * count(*) AS m2,
    avg(x) AS mean_x, var_pop(x) * count(*) AS m2_x, covar_pop(y, x) * count(*) AS c_xy
FROM (
    SELECT date_part('day', a.opened - $1)::int AS cohort, coalesce({y}, 0)::float AS y, ({x})::float AS x
    FROM accounts a
) numbers WHERE cohort + 1 + {window} <= {through} GROUP BY cohort ORDER BY cohort
"""
KEPT = (
    "SELECT sum(x) AS x, sum(y) FILTER (WHERE x > 0) AS y FROM (SELECT {before} AS x, {after} AS y FROM accounts a) b"
)


async def test_summaries_equal_sql_over_the_rows(database: Database, workspace: Workspace, drawn: Clientele) -> None:
    await taken_in(database, workspace, drawn)
    async with database.raw() as connection:
        await connection.execute(SENT, workspace.id)
        await connection.execute(INDEX)
        await connection.execute(ACCOUNTS)
        for rung, y in NUMBERS.items():
            x = BEFORE if rung in ("grr", "nrr") else "1"
            found = await connection.fetch(SUMS.format(y=y, x=x, window=WINDOWS[rung], through=HISTORY_DAYS), BEGAN)
            expected = by_cohort(entrants(drawn.customers, rung))
            assert len(found) > 50
            for column in Cohorts.__slots__:
                values = np.array([row[column] for row in found], float)
                assert values == pytest.approx(getattr(expected, column), rel=1e-9, abs=1e-6), (rung, column)
        for end in (400, 555, HISTORY_DAYS):
            days = [PAID.format(at=f"timestamptz '{BEGAN + timedelta(days=day)}'") for day in (end - 365, end)]
            row = await connection.fetchrow(KEPT.format(before=days[0], after=days[1]))
            measured = kept(drawn.customers, "nrr", end)
            assert (measured.y.sum(), measured.x.sum()) == pytest.approx((row["y"], row["x"]), rel=1e-9)


def test_durations_give_the_restricted_mean_of_the_law_also_from_accounts_on_their_way() -> None:
    """Those of the last sixty days are censored, by the product's own life table."""
    found = durations(clientele(seed=4, today=TODAY, accounts=4_000).customers)
    table = life_table(found.entered, found.events, np.zeros_like(found.events), found.ages)
    mean = rmst.estimate(table, 60)
    assert found.entered.sum() == 4_000
    assert abs(mean.value - level("ttfv")) < 4 * np.sqrt(mean.variance)


@pytest.mark.parametrize("rung", RUNGS)
def test_only_what_is_final_is_counted(drawn: Clientele, rung: str) -> None:
    cohorts = by_cohort(entrants(drawn.customers, rung))
    assert cohorts.cohort.max() + 1 + WINDOWS[rung] <= HISTORY_DAYS
    assert cohorts.n.sum() == (np.floor(drawn.customers.opened) + 1 + WINDOWS[rung] <= HISTORY_DAYS).sum()


def test_kept_of_what_is_no_revenue_is_refused(drawn: Clientele) -> None:
    with pytest.raises(ValueError, match="revenue"):
        kept(drawn.customers, "ttfv", 700)
