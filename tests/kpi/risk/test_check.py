"""Whether the score told who left: scipy's Mann-Whitney U and statsmodels' Wilson limits on drawn accounts."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from statsmodels.stats.proportion import proportion_confint

from api.database import Database, driver
from kpi.enums import Granularity
from kpi.history.entry import Entry
from kpi.risk.check import RiskCheck, check
from kpi.tables import Definition, Workspace
from stats.discrimination import FEWEST
from tests.kpi.history.rows import derive, send
from tests.kpi.risk.accounts import THROUGH, acts, health, pays, ranked

Drawn = dict[str, tuple[int, int, bool]]


async def checked(database: Database, workspace: Workspace, definition: Definition) -> RiskCheck:
    of = await ranked(database, workspace, definition)
    async with database.read() as session:
        return await check(await driver(session), of, definition)


def drawn(n: int, leavers: int) -> Drawn:
    """Sessions and tickets in March and whether the unit left in May; who left had fewer of the one, as a rule."""
    rng = np.random.default_rng(8)
    return {
        f"u{number:03}": (
            int(rng.integers(0, 6)) if number < leavers else int(rng.integers(1, 9)),
            int(rng.integers(0, 4)),
            number < leavers,
        )
        for number in range(n)
    }


async def lived(database: Database, workspace: Workspace, units: Drawn, entry: Entry | None = None) -> Definition:
    definition = await health(database, workspace, *([entry] if entry else []))
    rows = [pays(unit, "2026-01-05", 100) for unit in units]
    rows += [row for unit, (sessions, tickets, _) in units.items() for row in acts(unit, 3, sessions, tickets)]
    await send(database, workspace, rows + [pays(unit, "2026-05-04", 0) for unit, one in units.items() if one[2]])
    await derive(database, definition, THROUGH)
    return definition


async def test_area_of_score_and_components_are_mann_whitneys_u(database: Database, workspace: Workspace) -> None:
    units = drawn(80, 24)
    found = await checked(database, workspace, await lived(database, workspace, units))
    assert (found.n, found.left) == (80, 24)
    numbers = np.array(list(units.values()), np.float64)
    left = numbers[:, 2] == 1

    def area(risk: np.ndarray) -> float:
        return float(mannwhitneyu(risk[left], risk[~left]).statistic / (left.sum() * (~left).sum()))

    sessions, tickets = numbers[:, 0], numbers[:, 1]
    assert found.told.auc == pytest.approx(area(2 * (tickets - 1) - (sessions - 4)))
    assert [one.kpi for one in found.components] == ["sessions", "tickets"]
    assert [one.auc for one in found.components] == pytest.approx([area(-sessions), area(tickets)])
    assert found.told.lower is not None
    assert found.told.upper is not None
    assert found.told.lower < area(2 * (tickets - 1) - (sessions - 4)) < found.told.upper


async def test_fifths_hold_all_units_once_worst_first_with_wilsons_limits(
    database: Database, workspace: Workspace
) -> None:
    units = drawn(80, 24)
    found = await checked(database, workspace, await lived(database, workspace, units))
    assert [one.fifth for one in found.fifths] == [1, 2, 3, 4, 5]
    assert sum(one.n for one in found.fifths) == 80
    assert sum(one.left for one in found.fifths) == 24
    score = {unit: sessions - 4 - 2 * (tickets - 1) for unit, (sessions, tickets, _) in units.items()}
    # A unit is in the worst fifth when fewer than a fifth of all stand worse.
    worst = [unit for unit in units if sum(other < score[unit] for other in score.values()) < 80 / 5]
    first = found.fifths[0]
    assert (first.n, first.left) == (len(worst), sum(units[unit][2] for unit in worst))
    assert first.share == first.left / first.n
    assert (first.lower, first.upper) == pytest.approx(proportion_confint(first.left, first.n, method="wilson"))


async def test_leavers_are_those_whose_level_is_nothing_ninety_days_later(
    database: Database, workspace: Workspace
) -> None:
    definition = await health(database, workspace)
    rows = [pays(unit, "2026-01-05", 100) for unit in ("stays", "left", "back", "late", "gone")]
    rows += [pays("gone", "2026-02-01", 0)]  # no customer at the end of March
    rows += [pays("left", "2026-06-29", 0), pays("back", "2026-04-10", 0), pays("back", "2026-06-01", 50)]
    rows += [pays("late", "2026-06-30", 0), pays("new", "2026-04-02", 70)]
    await send(database, workspace, rows)
    await derive(database, definition, THROUGH)
    found = await checked(database, workspace, definition)
    assert (found.n, found.left) == (4, 1)


@pytest.mark.parametrize(("leavers", "is_known"), [(FEWEST - 1, False), (FEWEST, True)])
async def test_too_few_leavers_are_not_known(
    database: Database, workspace: Workspace, leavers: int, is_known: bool
) -> None:
    found = await checked(database, workspace, await lived(database, workspace, drawn(60, leavers)))
    assert (found.told.auc is not None) is is_known
    assert (found.fifths != []) is is_known
    assert found.sentence.startswith("Of 100 pairs" if is_known else f"Not known: {leavers} of 60 units left")


async def test_kpi_without_a_level_says_that_nobody_is_known_to_have_left(
    database: Database, workspace: Workspace
) -> None:
    definition = await lived(database, workspace, drawn(60, 20), Entry(every=Granularity.MONTH))
    found = await checked(database, workspace, definition)
    assert (found.n, found.told.auc, found.fifths) == (0, None, [])
    assert "by which level" in found.sentence


async def test_definition_of_after_the_period_is_hindsight(database: Database, workspace: Workspace) -> None:
    definition = await lived(database, workspace, drawn(30, 10))
    assert definition.created_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert not (await checked(database, workspace, definition)).is_hindsight
    definition.created_at = datetime(2026, 4, 1, tzinfo=UTC)
    assert (await checked(database, workspace, definition)).is_hindsight
