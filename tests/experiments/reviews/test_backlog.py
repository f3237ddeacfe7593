"""The backlog: gaps times weights, by hand; and what is said of each rank."""

from datetime import date, datetime
from typing import Any

import pytest

from api.database import Database
from experiments.programme.reviews.backlog import DRIVER_WEIGHTS, Entry, Ladder, OpenHypothesis, backlog, ladder
from experiments.programme.reviews.enums import ReviewKind, WeightSource
from experiments.programme.reviews.figures import Aimed, Course, Figure
from kpi import ladder as ladders
from kpi.enums import Direction, Driver, Granularity, LinkSource, Tier
from kpi.kinds import Ratio
from kpi.kinds.shape import Scale
from kpi.kinds.terms import Amount, Measured, Term
from kpi.ladder import Range
from kpi.tables import KpiLink, Workspace
from tests.experiments.reviews.kpis import aim, opened, said, weekly, who
from tests.kpi.registering import register_hypothesis, register_kpi

NOTHING = ladder([], {}, {})
START, END = (Term(amount=Amount(event="mrr", of=at)) for at in (Measured.LEVEL_AT_START, Measured.LEVEL_AT_END))
NRR = Ratio(window_days=30, numerator=END, denominator=START)
DUE = date(2026, 12, 31)


def figure(kpi: str, value: float | None, target: float | None, **changes: Any) -> Figure:
    fields: dict[str, Any] = {
        "kpi": kpi,
        "name": kpi.title(),
        "owner": "Ada",
        "direction": Direction.HIGHER,
        "tier": Tier.EARLY,
        "driver": Driver.RENEWAL,
        "is_leading": True,
        "scale": Scale.FRACTION,
        "granularity": Granularity.WEEK,
        "value": value,
        "target": None if target is None else aimed(target, is_within_error=changes.pop("is_within_error", False)),
        "course": Course(start_on=[], value=[], lower=[], upper=[]),
        "last_on": None,
        "is_stale": False,
    }
    return Figure(**(fields | changes))


def aimed(value: float, *, is_within_error: bool) -> Aimed:
    return Aimed(value=value, due_on=DUE, is_within_error=is_within_error)


def link(leading: int, lagging: int, elasticity: float, source: LinkSource = LinkSource.COHORTS) -> KpiLink:
    is_assumed = source is LinkSource.ASSUMPTION
    return KpiLink(
        leading_id=leading,
        lagging_id=lagging,
        source=source,
        version=1,
        workspace_id=1,
        low=elasticity if is_assumed else None,
        likely=elasticity if is_assumed else None,
        high=elasticity if is_assumed else None,
        elasticity=elasticity,
        standard_error=0.0 if is_assumed else 0.1,
        by="",
        reason="",
        created_at=datetime.min,  # noqa: DTZ901 - not read
    )


KEYS = {1: "activation", 2: "retention", 3: "nrr", 4: "ttfv", 5: "churn"}


def of(*links: KpiLink) -> Ladder:
    """The ladder of some links, with NRR and revenue churn at its top."""
    return ladder(ladders.steps(links), KEYS, {"nrr": 1, "churn": -1})


def by_kpi(entries: list[Entry]) -> dict[str, Entry]:
    return {entry.kpi: entry for entry in entries}


def test_gap_is_how_far_a_kpi_has_to_move_of_where_it_is_in_its_better_direction() -> None:
    found = by_kpi(
        backlog(
            [
                figure("up", 0.4, 0.5),
                figure("down", 5.0, 4.0, direction=Direction.LOWER),
                figure("met", 0.6, 0.5),
                figure("untargeted", 0.6, None),
            ],
            NOTHING,
            {},
        )
    )
    assert {key: entry.gap for key, entry in found.items()} == {
        "up": pytest.approx(0.25),
        "down": pytest.approx(0.2),
        "met": 0.0,
    }


def test_rank_is_by_gap_times_weight_and_what_is_unknown_comes_last() -> None:
    entries = backlog(
        [
            figure("nothing", None, 0.5),
            figure("zero", 0.0, 0.5),
            figure("cost", 0.4, 0.5, driver=Driver.COST),
            figure("renewal", 0.4, 0.44),
            figure("met", 0.6, 0.5),
        ],
        NOTHING,
        {},
    )
    assert [(entry.rank, entry.kpi) for entry in entries] == [
        (1, "renewal"),
        (2, "cost"),
        (3, "met"),
        (4, "nothing"),
        (5, "zero"),
    ]
    assert [entry.worth for entry in entries[:3]] == pytest.approx([0.1 * 0.3, 0.25 * 0.1, 0.0])
    assert [entry.worth for entry in entries[3:]] == [None, None]


def test_weight_is_carried_up_the_ladder_with_the_error_of_its_links() -> None:
    on = of(link(1, 2, 0.5), link(2, 3, 0.4))
    (entry,) = backlog([figure("activation", 0.4, 0.5)], on, {})
    assert (entry.weight.top, entry.weight.source) == ("nrr", WeightSource.LADDER)
    assert entry.weight.value == pytest.approx(0.5 * 0.4)
    assert entry.worth == pytest.approx(0.25 * 0.2)
    assert entry.weight.lower is not None
    assert entry.weight.upper is not None
    assert entry.weight.lower < 0.2 < entry.weight.upper


def test_weight_counts_for_a_kpi_that_is_better_when_lower_what_lowering_it_brings() -> None:
    on = of(link(4, 3, -0.3), link(1, 5, -0.2, LinkSource.ASSUMPTION))
    figures = [figure("ttfv", 5.0, 4.0, direction=Direction.LOWER), figure("activation", 0.4, 0.5)]
    found = by_kpi(backlog(figures, on, {}))
    assert found["ttfv"].weight.value == pytest.approx(0.3)
    assert found["ttfv"].worth == pytest.approx(0.2 * 0.3)
    assert found["activation"].weight.value == pytest.approx(0.2)  # less churn is better
    assert found["activation"].weight.source is WeightSource.ASSUMED_LADDER
    assert found["activation"].weight.top == "churn"


def test_kpi_whose_gain_would_lower_the_top_is_worth_less_than_nothing_and_says_so() -> None:
    (entry,) = backlog([figure("activation", 0.4, 0.5)], of(link(1, 3, -0.2)), {})
    assert entry.worth == pytest.approx(-0.05)


def test_top_of_the_ladder_weighs_one_and_a_kpi_beside_the_ladder_by_its_driver() -> None:
    on = of(link(1, 3, 0.2))
    figures = [figure("nrr", 1.0, 1.1), figure("other", 0.4, 0.5, driver=Driver.EXPANSION)]
    found = by_kpi(backlog(figures, on, {}))
    assert found["nrr"].weight.value == 1.0
    assert found["nrr"].worth == pytest.approx(0.1)
    assert found["other"].weight.value == DRIVER_WEIGHTS[Driver.EXPANSION]
    assert found["other"].weight.source is WeightSource.ASSUMED_DRIVER
    assert found["other"].weight.top is None


def test_every_driver_has_a_weight_that_is_assumed() -> None:
    assert set(DRIVER_WEIGHTS) == set(Driver)


def test_reasons_say_gap_weight_and_what_is_open() -> None:
    within = figure("activation", 0.4, 0.5, is_within_error=True)
    hypotheses = {"activation": [OpenHypothesis(key="h", title="A tour helps")]}
    (entry,) = backlog([within], of(link(1, 3, 0.2)), hypotheses)
    assert entry.reasons == [
        "It has to move by 25.0% of where it is to meet its target, which the error of its level may explain.",
        "Each per cent of it is worth 0.2% of “nrr”, as data say.",
        "Open on it: “A tour helps”.",
    ]
    (assumed,) = backlog([figure("other", 0.4, 0.5)], NOTHING, {})
    assert assumed.reasons[1:] == [
        "Nothing links it to revenue: 0.3% for each per cent is assumed, by the part it feeds.",
        "No hypothesis on it is open.",
    ]


async def test_backlog_of_a_workspace_is_read_from_its_values_links_and_hypotheses(
    database: Database, workspace: Workspace
) -> None:
    await weekly(database, workspace)
    async with database.write() as session:
        await register_kpi(session, workspace, key="nrr", is_leading=False, definition=NRR, baseline=None)
        await register_hypothesis(session, workspace)
        range_ = Range(low=0.5, likely=0.5, high=0.5)
        await ladders.assume(session, actor=who(workspace), leading="activation", lagging="nrr", range_=range_)
    await aim(database, workspace, "activation", 0.3, DUE)
    (entry,) = (await said(database, await opened(database, workspace, ReviewKind.MONTHLY))).backlog
    assert entry.gap is not None
    assert entry.value is not None
    assert entry.worth == pytest.approx(entry.gap * 0.5)
    assert entry.gap == pytest.approx(max(0.3 - entry.value, 0) / entry.value)
    assert [one.key for one in entry.hypotheses] == ["shorter-form"]
    assert entry.weight.source is WeightSource.ASSUMED_LADDER
