"""Who is at risk, and why: a composite of four accounts, every number of which is plain arithmetic."""

from datetime import date
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.database import Database, driver
from experiments.aggregation import forgetting
from kpi import governance, storage
from kpi.actor import Actor
from kpi.enums import Direction, Granularity, Unit
from kpi.history.entry import Entry
from kpi.history.units import ends_of
from kpi.kinds import Mean, TimeToValue
from kpi.kinds.mean import Of
from kpi.queries import latest_definitions
from kpi.risk import listing
from kpi.risk.listing import Slice
from kpi.risk.ranking import Rule, ranking
from kpi.tables import Workspace
from tests.kpi.history.rows import NOW, derive, join, kept, send
from tests.kpi.registering import register_kpi
from tests.kpi.risk.accounts import JUNE, SCORES, THROUGH, acts, health, listed, pays, ranked, scored

EVERYBODY = Rule(worst=1)


async def test_units_stand_worst_first_with_rank_and_share_that_is_worse(
    database: Database, workspace: Workspace
) -> None:
    of = await ranked(database, workspace, await scored(database, workspace))
    found = await listed(database, of, EVERYBODY)
    assert {one.unit: one.score for one in found} == pytest.approx(SCORES)
    assert [one.unit for one in found] == ["ben", "dan", "cat", "ann"]
    assert [(one.rank, one.n, one.percentile) for one in found] == [(1, 4, 0), (2, 4, 25), (3, 4, 50), (4, 4, 75)]
    assert [one.level for one in found] == [100, 400, 100, 100]
    assert [one.segments for one in found] == [["plan=pro"], ["plan=(none)"], ["plan=(none)"], ["plan=pro"]]


async def test_contributions_add_up_to_the_score_and_reasons_name_the_worst(
    database: Database, workspace: Workspace
) -> None:
    of = await ranked(database, workspace, await scored(database, workspace))
    found = {one.unit: one for one in await listed(database, of, EVERYBODY)}
    for unit, (sessions, tickets) in JUNE.items():
        parts = of.parts(found[unit].values)
        assert [(part.kpi, part.value) for part in parts] == [("sessions", sessions), ("tickets", tickets)]
        assert [part.contribution for part in parts] == [2 * (sessions - 4) / 2, -1 * (tickets - 1) / 0.5]
        assert sum(part.contribution for part in parts) == pytest.approx(found[unit].score)
    assert of.reasons(found["ben"].values) == ["Sessions: 1, centre 4, costs 3", "Tickets: 2, centre 1, costs 2"]
    assert of.reasons(found["dan"].values) == ["Sessions: 0, centre 4, costs 4"]
    assert of.reasons(found["ann"].values) == []


async def test_change_is_since_the_period_before(database: Database, workspace: Workspace) -> None:
    of = await ranked(database, workspace, await scored(database, workspace))
    change = {one.unit: one.change for one in await listed(database, of, EVERYBODY)}
    # In May ann had 8 sessions and ben 3, nobody a ticket; cat and dan did nothing, and were customers.
    assert change == {"ann": 4 - 6, "ben": -5 - 1, "cat": 0 - -2, "dan": -2 - -2}


async def test_unit_that_was_no_customer_before_has_no_change_and_one_that_is_none_any_more_is_not_listed(
    database: Database, workspace: Workspace
) -> None:
    definition = await scored(database, workspace)
    await send(database, workspace, [pays("new", "2026-06-03", 9), pays("ben", "2026-06-20", 0)])
    await derive(database, definition, THROUGH)
    found = {one.unit: one for one in await listed(database, await ranked(database, workspace, definition), EVERYBODY)}
    assert sorted(found) == ["ann", "cat", "dan", "new"]
    assert (found["new"].score, found["new"].change, found["new"].level) == (-2, None, 9)


@pytest.mark.parametrize(
    ("rule", "units"),
    [
        (Rule(below=-2), ["ben"]),
        (Rule(below=-1.99), ["ben", "dan"]),
        (Rule(below=-5), []),
        (Rule(worst=0.5), ["ben", "dan"]),
        (Rule(worst=0.51), ["ben", "dan", "cat"]),
        (Rule(worst=0.01), ["ben"]),
        (Rule(worst=1, segment="plan=pro"), ["ben", "ann"]),
        (Rule(worst=0.5, segment="plan=pro"), ["ben"]),
        (Rule(below=0, segment="plan=(none)"), ["dan"]),
        (Rule(below=99, segment="plan=gone"), []),
    ],
)
async def test_rule_chooses_exactly_who_is_below_or_in_the_worst_share(
    database: Database, workspace: Workspace, rule: Rule, units: list[str]
) -> None:
    of = await ranked(database, workspace, await scored(database, workspace))
    assert [one.unit for one in await listed(database, of, rule)] == units
    async with database.read() as session:
        assert await listing.count(await driver(session), of, rule) == len(units)


async def test_list_is_exactly_the_units_below_or_among_the_worst_whatever_the_number(
    database: Database, workspace: Workspace
) -> None:
    definition, rng = await health(database, workspace), np.random.default_rng(5)
    did = {f"u{number}": (int(rng.integers(0, 7)), int(rng.integers(0, 4))) for number in range(37)}
    rows = [pays(unit, "2026-01-05", 1) for unit in did]
    await send(database, workspace, [*rows, *(row for unit, one in did.items() for row in acts(unit, 6, *one))])
    await derive(database, definition, THROUGH)
    of = await ranked(database, workspace, definition)
    scores = {unit: sessions - 4.0 - 2 * (tickets - 1) for unit, (sessions, tickets) in did.items()}
    for below in range(-10, 8):
        found = {one.unit for one in await listed(database, of, Rule(below=below))}
        assert found == {unit for unit, score in scores.items() if score < below}
    for percent in range(1, 101, 7):
        found = {one.unit for one in await listed(database, of, Rule(worst=percent / 100))}
        last = sorted(scores.values())[ceil(percent * len(scores) / 100 - 1e-9) - 1]
        assert found == {unit for unit, score in scores.items() if score <= last}


async def test_units_level_with_the_last_of_a_share_are_in_it(database: Database, workspace: Workspace) -> None:
    definition = await health(database, workspace)
    rows = [pays(unit, "2026-01-05", 1) for unit in "abcde"]
    await send(database, workspace, [*rows, *acts("a", 6, 1, 0), *acts("e", 6, 9, 0)])
    await derive(database, definition, THROUGH)
    found = await listed(database, await ranked(database, workspace, definition), Rule(worst=0.2))
    assert [(one.unit, one.rank) for one in found] == [("b", 1), ("c", 1), ("d", 1)]


async def test_lower_is_better_turns_the_list_and_the_reasons_round(database: Database, workspace: Workspace) -> None:
    definition = await health(database, workspace, direction=Direction.LOWER)
    rows = [pays(unit, "2026-01-05", 1) for unit in JUNE]
    await send(database, workspace, [*rows, *(row for unit, did in JUNE.items() for row in acts(unit, 6, *did))])
    await derive(database, definition, THROUGH)
    of = await ranked(database, workspace, definition)
    found = await listed(database, of, Rule(below=-1))
    assert [(one.unit, one.score) for one in found] == [("ann", 4), ("cat", 0)]
    assert of.reasons(found[0].values) == ["Sessions: 6, centre 4, costs 2", "Tickets: 0, centre 1, costs 2"]


async def test_pages_hold_every_unit_once_in_the_order_of_the_whole(database: Database, workspace: Workspace) -> None:
    definition = await health(database, workspace)
    units = [f"u{number:02}" for number in range(23)]
    rows = [pays(unit, "2026-01-05", 1) for unit in units]
    rows += [row for number, unit in enumerate(units) for row in acts(unit, 6, number % 4, 0)]
    await send(database, workspace, rows)
    await derive(database, definition, THROUGH)
    of = await ranked(database, workspace, definition)
    whole = await listed(database, of, EVERYBODY)
    async with database.read() as session:
        connection = await driver(session)
        place, found = None, []
        while page := await listing.page(connection, of, EVERYBODY, Slice(size=5, after=place)):
            found += page
            place = (page[-1].score, page[-1].unit)
        assert found == whole
        place, found = None, []
        while page := await listing.page(connection, of, EVERYBODY, Slice(size=4, before=place, backwards=True)):
            found += page
            place = (page[-1].score, page[-1].unit)
        assert found == whole[::-1]
    assert len(whole) == len(units)


async def test_every_other_kpi_with_one_number_a_unit_is_listed_without_reasons(
    database: Database, workspace: Workspace
) -> None:
    visits = Mean(event="visited", window_days=28, of=Of.COUNT)
    definition = await kept(database, workspace, visits, Entry(every=Granularity.MONTH), key="health")
    await send(database, workspace, [*acts("ann", 6, 3, 0), *acts("ben", 6, 1, 0)])
    await derive(database, definition, THROUGH)
    of = await ranked(database, workspace, definition)
    found = await listed(database, of, EVERYBODY)
    assert [(one.unit, one.score, one.level, of.reasons(one.values)) for one in found] == [
        ("ben", 1, None, []),
        ("ann", 3, None, []),
    ]


async def test_kpi_that_keeps_no_numbers_of_single_units_has_no_ranking(
    database: Database, workspace: Workspace
) -> None:
    entered = Entry(event="signed_up")
    for key, kind in (
        ("followed", Mean(event="visited", window_days=7)),
        ("days", TimeToValue(event="visited", tau_days=7)),
    ):
        definition = await kept(database, workspace, kind, entered, key=key, baseline=None)
        await derive(database, definition, THROUGH)
        async with database.write() as session:
            kpi = await register_kpi(session, workspace, key=f"{key}-other")
            assert await ranking(session, kpi, definition) is None


async def test_forgotten_unit_is_not_listed_any_more(database: Database, workspace: Workspace) -> None:
    of = await ranked(database, workspace, await scored(database, workspace))
    async with database.raw() as connection:
        await forgetting.forget(connection, workspace_id=workspace.id, unit="ben", now=NOW)
    assert [one.unit for one in await listed(database, of, EVERYBODY)] == ["dan", "cat", "ann"]


async def test_account_stands_where_its_members_put_it(database: Database, workspace: Workspace) -> None:
    visits = Mean(event="visited", window_days=28, of=Of.COUNT)
    entry = Entry(every=Granularity.MONTH, among="mrr")
    definition = await kept(database, workspace, visits, entry, key="health", unit=Unit.ACCOUNT, baseline=None)
    await join(database, workspace, [("ann", "acme", "2026-01-01T00:00:00Z"), ("ben", "acme", "2026-01-01T00:00:00Z")])
    rows = [pays("acme", "2026-01-05", 9), pays("solo", "2026-01-05", 5)]
    await send(database, workspace, [*rows, *acts("ann", 6, 2, 0), *acts("ben", 6, 3, 0), *acts("solo", 6, 4, 0)])
    await derive(database, definition, THROUGH)
    found = await listed(database, await ranked(database, workspace, definition), EVERYBODY)
    assert [(one.unit, one.score, one.level) for one in found] == [("solo", 4, 5), ("acme", 5, 9)]


async def test_periods_that_ended_before_the_floor_are_not_kept(database: Database, workspace: Workspace) -> None:
    definition = await scored(database, workspace)
    async with database.raw() as connection:
        await storage.raise_floor(connection, workspace.id, date(2026, 6, 1), date(2026, 5, 1))
    await derive(database, definition, THROUGH)
    found = await listed(database, await ranked(database, workspace, definition), EVERYBODY)
    assert {one.unit: one.score for one in found} == pytest.approx(SCORES)
    assert {one.change for one in found} == {None}


async def test_numbers_of_an_earlier_version_go_when_the_next_has_its_own(
    database: Database, workspace: Workspace
) -> None:
    before = await scored(database, workspace)
    actor = Actor(workspace_id=workspace.id, name="ada", id="k1", now=NOW, reason="days, not visits")
    visits = Mean(event="visited", window_days=28, of=Of.COUNT)
    async with database.write() as session:
        await governance.redefine(session, actor=actor, kpi_id=before.kpi_id, definition=visits)
        after = (await latest_definitions(session, [before.kpi_id]))[before.kpi_id]
    await derive(database, after, THROUGH)
    assert await listed(database, await ranked(database, workspace, before), EVERYBODY) == []
    found = await listed(database, await ranked(database, workspace, after), EVERYBODY)
    assert {one.unit: one.score for one in found} == {unit: sessions for unit, (sessions, _) in JUNE.items()}


async def test_known_traits_are_those_of_the_moment(database: Database, workspace: Workspace) -> None:
    await scored(database, workspace)
    async with database.read() as session:
        found = await listing.known(await driver(session), workspace.id, ["ann", "dan"], ["plan", "owner"], NOW)
    assert found == {("ann", "plan"): "pro"}


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        (Rule(), "worst"),
        (Rule(below=1, worst=0.1), "worst"),
        (Rule(worst=0), "worst"),
        (Rule(worst=1.01), "worst"),
        (Rule(worst=float("nan")), "worst"),
        (Rule(below=float("inf")), "below"),
        (Rule(below=0, segment="a\0b"), "segment"),
    ],
)
def test_faulty_rules_are_told_where(rule: Rule, path: str) -> None:
    assert [problem.path for problem in rule.problems()] == [(path,)]


def test_right_rules_have_no_fault() -> None:
    assert Rule(below=0).problems() == Rule(worst=1).problems() == []


@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.sampled_from([Granularity.WEEK, Granularity.MONTH, *Granularity])
)
def test_ends_are_over_in_order_and_the_checked_one_is_ninety_days_ago(through: date, every: Granularity) -> None:
    ends = ends_of(every, through)
    assert ends.checked < through
    assert ends.before < ends.newest < through
    assert ends.until < through
    assert (through - ends.newest).days <= 92
    assert (through - ends.until).days <= 92


def test_ends_of_months_are_those_of_the_calendar() -> None:
    ends = ends_of(Granularity.MONTH, THROUGH)
    assert (ends.newest, ends.before) == (date(2026, 6, 30), date(2026, 5, 31))
    assert (ends.checked, ends.until) == (date(2026, 3, 31), date(2026, 6, 29))
