"""What changes are worth, by hand: one chain to the top, several changes over the same links, and what is left out."""

from datetime import UTC, date, datetime
from math import expm1, log
from typing import Any

import numpy as np
import pytest

from experiments.programme.impact import (
    MIXED,
    Effect,
    Impact,
    Row,
    Summit,
    Terms,
    effect_of,
    mixed,
    of_change,
    of_changes,
    of_supposition,
    shipped_effects,
)
from kpi.enums import Direction, Driver, Frequency, Tier, Unit
from kpi.history.recurring import Recurring
from kpi.history.sums import Level
from kpi.tables import Kpi
from stats.ladder.carry import Carried
from stats.ladder.elasticity import Elasticity, NotIdentified, Obstacle, Source
from stats.ladder.impact import CONDITIONAL, EMPIRICAL_BAYES
from stats.ladder.links import Link

ACTIVATION, RETENTION, NRR, OTHER = 1, 2, 3, 4
DAY = date(2026, 5, 4)


def row(experiment: int, lift: float | None = 0.04, error: float | None = 0.03, **changes: Any) -> Row:
    fields: dict[str, Any] = {
        "experiment_id": experiment,
        "hypothesis_id": experiment,
        "kpi_id": ACTIVATION,
        "lift": lift,
        "standard_error": error,
        "is_split_broken": False,
        "decided_on": DAY,
    }
    return Row(**(fields | changes))


def link(leading: int, lagging: int, value: float, error: float) -> Link:
    elasticity = Elasticity.of(value, error, source=Source.EXPERIMENTS, alpha=0.05)
    return Link(leading=str(leading), lagging=str(lagging), elasticity=elasticity)


CHAIN = [link(ACTIVATION, RETENTION, 0.5, 0.1), link(RETENTION, NRR, 0.4, 0.05)]


def summit(kpi_id: int = NRR, **changes: Any) -> Summit:
    kpi = Kpi(
        id=kpi_id,
        workspace_id=1,
        key=f"kpi-{kpi_id}",
        name="",
        description="",
        unit=Unit.ACCOUNT,
        direction=Direction.HIGHER,
        tier=Tier.LATE,
        is_leading=False,
        driver=Driver.RENEWAL,
        owner="",
        data_source="",
        frequency=Frequency.MONTHLY,
        action="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    level = Level(n=50, value=0.9, standard_error=0.02)
    revenue = Recurring(event="mrr", on=DAY, level=1_000.0, units=40)
    fields: dict[str, Any] = {"kpi": kpi, "level": level, "revenue": revenue}
    return Summit(**(fields | changes))


def effect(rows: list[Row], *chosen: int) -> Effect:
    found = effect_of(rows, [one for one in rows if one.experiment_id in chosen])
    assert found is not None
    return found


def carried(found: Impact, place: int = 0) -> Carried:
    top = found.tops[place].carried
    assert isinstance(top, Carried)
    return top


def test_chain_of_two_links_by_hand() -> None:
    found = of_change(effect([row(1)], 1), CHAIN, [summit()], Terms())
    top = carried(found)
    # 0.04 x 0.5 x 0.4; errors: 0.03 x 0.2 of the effect, 0.04 x (0.4 x 0.1, 0.5 x 0.05) of the links.
    assert top.effect == pytest.approx(0.008)
    assert top.standard_error_of_effects == pytest.approx(0.006)
    assert top.standard_error_of_links == pytest.approx(0.04 * (0.04**2 + 0.025**2) ** 0.5)
    worth = found.tops[0].worth
    assert worth is not None
    assert found.tops[0].yearly == 12_000
    assert worth.gain == pytest.approx(12_000 * 0.9 * expm1(0.008))
    assert worth.interval.lower < worth.gain < worth.interval.upper


def test_coverage_and_cost_to_serve_are_of_those_who_get_the_change() -> None:
    terms = Terms(coverage=0.5, cost_to_serve=3.0, periods=4)
    found = of_change(effect([row(1)], 1), CHAIN, [summit()], terms)
    worth = found.tops[0].worth
    assert worth is not None
    # Half of the units: the log of 1 + (e^0.04 - 1) / 2. Half of 40 units that pay, at 3 each. A quarter's revenue.
    assert carried(found).effect == pytest.approx(0.2 * log(1 + 0.5 * expm1(0.04)))
    assert worth.cost == pytest.approx(60)
    assert worth.net == pytest.approx(4_000 * 0.9 * expm1(carried(found).effect) - 60)


def test_way_that_is_not_identified_is_said_and_nothing_is_worth_anything() -> None:
    found = of_change(effect([row(1)], 1), CHAIN[:1], [summit()], Terms())
    assert found.tops[0].carried == NotIdentified(obstacle=Obstacle.NO_PATH)
    assert found.tops[0].worth is None


@pytest.mark.parametrize(
    "unknown",
    [
        {"revenue": None},
        {"level": None},
        {"level": Level(n=0)},
        {"revenue": Recurring(event="mrr", on=DAY, level=0.0, units=0)},
    ],
)
def test_lift_without_revenue_or_level_is_worth_nothing_that_is_known(unknown: dict[str, Any]) -> None:
    found = of_change(effect([row(1)], 1), CHAIN, [summit(**unknown)], Terms())
    assert carried(found).effect == pytest.approx(0.008)
    assert found.tops[0].worth is None


def test_changes_add_up_and_links_err_for_all_of_them_alike() -> None:
    rows = [row(1), row(2, 0.05, 0.04)]
    found = of_changes([effect(rows, 1), effect(rows, 2)], CHAIN, [summit()], Terms())
    top = found.tops[0].carried
    assert isinstance(top, Carried)
    first, second = (carried(one) for one in found.each)
    assert top.effect == pytest.approx(first.effect + second.effect) == pytest.approx(0.2 * 0.09)
    assert top.standard_error_of_links == pytest.approx(first.standard_error_of_links + second.standard_error_of_links)
    assert top.standard_error_of_effects == pytest.approx(0.2 * (0.03**2 + 0.04**2) ** 0.5)


def test_change_without_a_way_to_the_top_is_left_out_of_the_sum_and_says_so() -> None:
    rows = [row(1), row(2, kpi_id=OTHER)]
    found = of_changes([effect(rows, 1), effect(rows, 2)], CHAIN, [summit()], Terms())
    assert isinstance(found.each[1].tops[0].carried, NotIdentified)
    assert found.tops[0].carried == found.each[0].tops[0].carried
    assert isinstance(of_changes([], CHAIN, [summit()], Terms()).tops[0].carried, NotIdentified)


def test_experiments_on_one_hypothesis_are_one_change_pooled_by_precision() -> None:
    rows = [row(1, 0.02, 0.03, hypothesis_id=7), row(2, 0.05, 0.06, hypothesis_id=7, decided_on=None), row(3)]
    effects = shipped_effects(rows, DAY, date(2026, 5, 5))
    assert [one.experiment_ids for one in effects] == [(3,), (1, 2)]
    both = effects[1]
    assert both.lift == pytest.approx((0.02 * 4 + 0.05) / 5)  # weights 1 / 9 and 1 / 36
    assert both.standard_error == pytest.approx((1 / (1 / 0.03**2 + 1 / 0.06**2)) ** 0.5)
    assert both.is_shipped


def test_only_what_was_decided_in_the_time_and_may_be_trusted_is_shipped() -> None:
    rows = [
        row(1),
        row(2, decided_on=None),
        row(3, decided_on=date(2026, 5, 5)),
        row(4, is_split_broken=True),
        row(5, lift=None, error=None),
    ]
    assert [one.experiment_ids for one in shipped_effects(rows, DAY, date(2026, 5, 5))] == [(1,)]


def test_effect_that_reached_the_bar_is_pulled_down_and_others_on_other_kpis_have_no_part_in_it() -> None:
    alone = effect([row(1, 0.09, 0.03)], 1)
    assert (alone.seen, alone.method) == (0.09, CONDITIONAL)
    assert 0 < alone.lift < 0.09
    others = [row(number, 0.0, 0.02, kpi_id=OTHER) for number in range(2, 12)]
    assert effect([row(1, 0.09, 0.03), *others], 1) == alone


def test_dull_experiments_on_the_same_kpi_pull_more_and_one_hypothesis_counts_once() -> None:
    dull = [row(number, value, 0.03) for number, value in enumerate(np.linspace(-0.02, 0.02, 9), start=2)]
    among = effect([row(1, 0.09, 0.03), *dull], 1)
    assert among.method == EMPIRICAL_BAYES
    assert among.lift < 0.06
    same = [row(one.experiment_id, one.lift, 0.03, hypothesis_id=2) for one in dull]
    assert effect([row(1, 0.09, 0.03), *same], 1).method == CONDITIONAL


def test_experiment_without_an_effect_is_worth_nothing_that_is_known() -> None:
    assert effect_of([row(1, None, None)], [row(1, None, None)]) is None


def test_other_mix_weighs_effects_by_share_and_level() -> None:
    found = mixed(effect([row(1)], 1), [(0.10, 0.02, 0.6, 0.25), (0.0, 0.02, 0.2, 0.75)])
    # Half of the level is in each: (e^0.1 + 1) / 2.
    assert found.lift == pytest.approx(log((np.exp(0.1) + 1) / 2))
    assert found.method == MIXED


def test_supposition_is_carried_as_if_it_were_exact_so_that_only_links_err() -> None:
    terms = Terms(coverage=0.5, periods=1.0)
    (found,) = of_supposition(ACTIVATION, 0.1, CHAIN, [summit()], terms)
    assert isinstance(found.carried, Carried)
    # Ten per cent for half of the units are five for all, of which 0.5 times 0.4 reaches the top.
    effect = log(1.05) * 0.5 * 0.4
    assert found.carried.effect == pytest.approx(effect)
    assert found.carried.standard_error_of_effects == 0
    assert found.carried.standard_error_of_links > 0
    assert found.worth is not None
    assert found.worth.net == pytest.approx(1_000 * 0.9 * expm1(effect))
    (nothing,) = of_supposition(OTHER, 0.1, CHAIN, [summit()], terms)
    assert nothing.carried == NotIdentified(obstacle=Obstacle.NO_PATH)
    (itself,) = of_supposition(NRR, -0.2, CHAIN, [summit()], Terms(periods=1.0))
    assert isinstance(itself.carried, Carried)
    assert itself.carried.lift == pytest.approx(-0.2)
