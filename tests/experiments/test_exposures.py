"""Exposures coming in, against Postgres: what every row is told, and the entry that is kept of each unit."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel.ext.asyncio.session import AsyncSession

from api.database import Database, driver
from experiments import exposures
from experiments.exposures import Entry
from experiments.life import moves
from experiments.planning.targeting import Condition, Operator
from experiments.tables import Experiment
from kpi.ingest import Fault, Report
from kpi.tables import Workspace
from tests.experiments.registering import (
    CONTROL,
    LATER,
    NOW,
    TREATMENT,
    actor,
    draft,
    freeze,
    plan_choice,
    register,
    start,
)
from tests.experiments.test_entry import START, Exposures, defined
from tests.experiments.test_entry import exposures as drawn_exposures
from tests.kpi.wire import HALF_A_PAIR, Row, anything, told

AT = NOW + timedelta(days=3)
HOUR = timedelta(hours=1)
VARIANTS = [CONTROL, TREATMENT, replace(TREATMENT, key="third", name="Third")]
PATIENCE = 30
"""Seconds after which two batches are taken to have locked each other up."""


def exposure(unit: str = "u1", variant: str = "control", **more: Any) -> Row:
    """A good exposure, with some of it replaced."""
    return {"experiment": "shorter-form", "unit": unit, "variant": variant, "exposedAt": AT} | more


async def take(database: Database, workspace: Workspace, *rows: Any) -> Report:
    async with database.raw() as connection:
        return await exposures.ingest(connection, workspace_id=workspace.id, rows=rows, now=LATER)


async def entries(database: Database, experiment: Experiment) -> dict[str, Entry]:
    """What is kept, by unit, with variants numbered from 1 in the plan's order."""
    async with database.raw() as connection:
        rows = await connection.fetch(
            "SELECT e.*, v.place FROM exposures e JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place"
            " FROM variants WHERE experiment_id = $1) v ON v.id = e.variant_id WHERE e.experiment_id = $1",
            experiment.id,
        )
    return {
        row["unit"]: Entry(
            experiment_id=1,
            unit=row["unit"],
            variant_id=row["place"],
            exposed_at=row["exposed_at"],
            crossed_at=row["crossed_at"],
            attributes=row["attributes"],
        )
        for row in rows
    }


async def lines(database: Database, workspace: Workspace, table: str) -> list[dict[str, Any]]:
    async with database.raw() as connection:
        rows = await connection.fetch(f"SELECT * FROM {table} WHERE workspace_id = $1 ORDER BY id", workspace.id)  # noqa: S608 - a name from this file
        return [dict(row) for row in rows]


@pytest_asyncio.fixture
async def experiment(database: Database, workspace: Workspace) -> Experiment:
    """A running experiment of three variants, started at NOW."""
    return await start(database, await draft(database, workspace, variants=VARIANTS))


# --- what a row is told ----------------------------------------------------------------------------------------------


async def test_ingest_good_exposure_is_kept_with_its_attributes(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    report = await take(database, workspace, exposure(attributes={"plan": "pro", "seats": 5, "trial": True}))
    assert told(report) == ["accepted"]
    kept = (await entries(database, experiment))["u1"]
    assert (kept.variant_id, kept.exposed_at, kept.crossed_at) == (1, AT, None)
    assert repr(kept.attributes) == "{'plan': 'pro', 'seats': 5, 'trial': True}"  # five is no 5.0: it names a segment


BAD_ROWS: list[tuple[Any, Fault, str]] = [
    ([], Fault.MALFORMED, "row"),
    (exposure(colour="red"), Fault.MALFORMED, "row"),
    (exposure() | {HALF_A_PAIR: 1}, Fault.BAD_TEXT, "row"),
    (exposure("u\0"), Fault.BAD_TEXT, "unit"),
    (exposure(variant=HALF_A_PAIR), Fault.BAD_TEXT, "variant"),
    (exposure(experiment="\0"), Fault.BAD_TEXT, "experiment"),
    (exposure(attributes={"plan": "\0"}), Fault.BAD_TEXT, "attributes.plan"),
    (exposure(attributes={HALF_A_PAIR: "pro"}), Fault.BAD_TEXT, "attributes"),
    (exposure(attributes={"a\0": "pro"}), Fault.BAD_TEXT, "attributes"),
    (exposure(attributes={"plan": {"deep": HALF_A_PAIR}}), Fault.MALFORMED, "attributes[...]"),
    (exposure(attributes={"seats": inf}), Fault.NOT_FINITE, "attributes.seats"),
    (exposure(attributes={"p" * 101: "pro"}), Fault.MALFORMED, "attributes"),
    (exposure(attributes={"plan": "p" * 501}), Fault.MALFORMED, "attributes[...]"),
    (exposure(attributes={f"a{n}": 1 for n in range(51)}), Fault.MALFORMED, "attributes"),
    (exposure(exposedAt="2026-03-04T00:00:00"), Fault.MALFORMED, "exposedAt"),
    (exposure(exposedAt=LATER + timedelta(minutes=10, seconds=1)), Fault.TIME_IN_FUTURE, "exposedAt"),
    (exposure(exposedAt="1989-12-31T23:59:59Z"), Fault.TIME_TOO_EARLY, "exposedAt"),
    (exposure(experiment="none"), Fault.UNKNOWN_EXPERIMENT, "experiment"),
    (exposure(variant="none"), Fault.UNKNOWN_VARIANT, "variant"),
    (exposure(exposedAt=NOW - timedelta(microseconds=1)), Fault.OUTSIDE_ENROLMENT, "exposedAt"),
    (exposure(experiment="draft"), Fault.NOT_STARTED, "experiment"),
]


async def test_ingest_bad_rows_are_each_told_why_and_fail_no_neighbour(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    async with database.write() as session:
        await register(session, workspace, key="draft")
    rows: list[Any] = [exposure("before")]
    for bad, _, _ in BAD_ROWS:
        rows += [bad, exposure(f"after-{len(rows)}")]
    report = await take(database, workspace, *rows)
    assert report.accepted == tuple(range(0, len(rows), 2))
    assert [(refusal.index, refusal.code, refusal.path) for refusal in report.refusals] == [
        (2 * place + 1, code, path) for place, (_, code, path) in enumerate(BAD_ROWS)
    ]
    assert len(await entries(database, experiment)) == len(BAD_ROWS) + 1
    kept = await lines(database, workspace, "rejections")
    assert [(row["noun"], row["code"], row["message"], row["path"]) for row in kept] == [
        ("exposures", refusal.code, refusal.message, refusal.path) for refusal in report.refusals
    ]


@pytest.mark.usefixtures("experiment")
async def test_ingest_unknown_variant_is_told_which_there_are(database: Database, workspace: Workspace) -> None:
    (refusal,) = (await take(database, workspace, exposure(variant="none"))).refusals
    assert "control, third, treatment" in refusal.message


TARGETING = [
    Condition(attribute="country", operator=Operator.NOT_IN, values=["US"]),
    Condition(attribute="seats", operator=Operator.GTE, values=[5]),
]


async def test_exposure_outside_the_targeting_is_rejected_with_the_attribute_and_kept(
    database: Database, workspace: Workspace
) -> None:
    choice = plan_choice(targeting=TARGETING)
    made = await start(database, await draft(database, workspace, variants=VARIANTS, plan=choice))
    rows = [
        exposure("fits", attributes={"country": "DE", "seats": "7", "more": True}),
        exposure("elsewhere", attributes={"country": "US", "seats": 7}),
        exposure("small", attributes={"country": "DE", "seats": 4}),
        exposure("unknown", attributes={"country": None, "seats": 9}),
        exposure("bare"),
        exposure("fits", "treatment", attributes={"country": "US"}),
    ]
    report = await take(database, workspace, *rows)
    assert told(report) == ["accepted", *[Fault.NOT_TARGETED] * 5]
    assert [(refusal.path, refusal.message) for refusal in report.refusals[:3]] == [
        (
            "attributes.country",
            "attributes.country is another: “shorter-form” takes in units where “country” is none of “US”.",
        ),
        (
            "attributes.seats",
            "attributes.seats is another: “shorter-form” takes in units where “seats” is at least 5.",
        ),
        (
            "attributes.country",
            "There is no attributes.country: “shorter-form” takes in units where “country” is none of “US”.",
        ),
    ]
    kept = await entries(database, made)
    assert {unit: entry.crossed_at for unit, entry in kept.items()} == {"fits": None}
    listed = await lines(database, workspace, "rejections")
    assert [(row["code"], row["is_whole"]) for row in listed] == [("NOT_TARGETED", True)] * 5


async def test_exposure_of_a_unit_inside_that_fits_no_more_is_a_duplicate_and_moves_nothing(
    database: Database, workspace: Workspace
) -> None:
    choice = plan_choice(targeting=TARGETING)
    made = await start(database, await draft(database, workspace, variants=VARIANTS, plan=choice))
    fits, fits_not = {"country": "DE", "seats": 7}, {"country": "DE", "seats": 4}
    again = exposure("together", attributes=fits_not, exposedAt=AT - HOUR)
    report = await take(database, workspace, again, exposure("together", attributes=fits), exposure("first"))
    assert told(report) == ["duplicate", "accepted", Fault.NOT_TARGETED]
    for row, said in (
        (exposure("first", attributes=fits), "accepted"),
        (exposure("first", exposedAt=AT - HOUR), "duplicate"),
        (exposure("first", attributes=fits_not, exposedAt=AT + HOUR), "duplicate"),
        (exposure("first", "treatment", attributes=fits_not), Fault.NOT_TARGETED),
    ):
        assert told(await take(database, workspace, row)) == [said]
    kept = await entries(database, made)
    assert {(unit, entry.exposed_at, entry.crossed_at) for unit, entry in kept.items()} == {
        ("together", AT, None),
        ("first", AT, None),
    }
    assert len(await lines(database, workspace, "rejections")) == 2


async def test_exposure_in_a_pause_is_rejected_and_one_at_its_end_taken(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    begins, ends = NOW + timedelta(days=1), NOW + timedelta(days=2)
    for at, step in ((begins, moves.pause), (ends, moves.resume)):
        async with database.write() as session:
            await step(session, actor=actor(experiment, at), experiment_id=experiment.id)
    moment = timedelta(microseconds=1)
    times = [begins - moment, begins, ends - moment, ends]
    rows = [exposure(f"u{place}", exposedAt=at) for place, at in enumerate(times)]
    found = told(await take(database, workspace, *rows))
    assert found == ["accepted", "OUTSIDE_ENROLMENT", "OUTSIDE_ENROLMENT", "accepted"]


async def test_ingest_enrolment_takes_from_the_start_until_before_it_ends(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    ends = NOW + timedelta(days=5)
    await freeze(database, experiment, frozen_at=ends)
    times = [NOW, ends - timedelta(microseconds=1), ends]
    rows = [exposure(f"u{place}", exposedAt=at) for place, at in enumerate(times)]
    assert told(await take(database, workspace, *rows)) == ["accepted", "accepted", "OUTSIDE_ENROLMENT"]


async def test_ingest_another_workspaces_experiment_is_unknown(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    async with database.write() as session:
        other = Workspace(key=f"{workspace.key}-other", name="other", created_at=NOW)
        session.add(other)
    assert told(await take(database, other, exposure())) == ["UNKNOWN_EXPERIMENT"]
    assert await entries(database, experiment) == {}


async def test_ingest_ledger_counts_what_became_of_the_rows(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    await take(database, workspace, exposure("u1"), exposure("u1"), exposure("u2"), exposure("u3", "none"))
    (line,) = await lines(database, workspace, "ingests")
    assert [line[name] for name in ("noun", "accepted", "duplicates", "rejected")] == ["exposures", 2, 1, 1]
    assert (line["touched"], line["is_pending"], line["received_at"]) == ([experiment.id], True, LATER)


async def test_ingest_resent_batch_is_all_duplicates_and_changes_nothing(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    rows = [exposure("u1"), exposure("u1", "treatment", exposedAt=AT + HOUR), exposure("u2", exposedAt=AT + HOUR)]
    assert told(await take(database, workspace, *rows)) == ["accepted"] * 3
    before = await entries(database, experiment)
    assert told(await take(database, workspace, *rows)) == ["duplicate"] * 3
    assert await entries(database, experiment) == before
    line = (await lines(database, workspace, "ingests"))[-1]
    assert (line["touched"], line["is_pending"]) == ([], False)


# --- the entry that is kept ------------------------------------------------------------------------------------------


async def test_entry_later_exposure_to_the_same_variant_is_a_duplicate(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    await take(database, workspace, exposure(attributes={"plan": "pro"}))
    later = exposure(exposedAt=AT + HOUR, attributes={"plan": "free"})
    assert told(await take(database, workspace, later)) == ["duplicate"]
    kept = (await entries(database, experiment))["u1"]
    assert (kept.exposed_at, kept.attributes) == (AT, {"plan": "pro"})


async def test_entry_earlier_exposure_that_arrives_later_moves_it(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    await take(database, workspace, exposure(attributes={"plan": "pro"}))
    earlier = exposure(exposedAt=AT - HOUR, attributes={"plan": "free"})
    assert told(await take(database, workspace, earlier)) == ["accepted"]
    kept = (await entries(database, experiment))["u1"]
    assert (kept.exposed_at, kept.crossed_at, kept.attributes) == (AT - HOUR, None, {"plan": "free"})


@pytest.mark.parametrize("reverse", [False, True], ids=["in-order", "backwards"])
async def test_entry_other_variant_makes_a_crossover_from_its_first_exposure(
    database: Database, workspace: Workspace, experiment: Experiment, reverse: bool
) -> None:
    rows = [
        exposure(exposedAt=AT),
        exposure(variant="treatment", exposedAt=AT + 2 * HOUR),
        exposure(variant="third", exposedAt=AT + 3 * HOUR),
        exposure(variant="treatment", exposedAt=AT + 4 * HOUR),
    ]
    for row in reversed(rows) if reverse else rows:
        await take(database, workspace, row)
    kept = (await entries(database, experiment))["u1"]
    assert (kept.variant_id, kept.exposed_at, kept.crossed_at) == (1, AT, AT + 2 * HOUR)


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(drawn=st.lists(drawn_exposures, min_size=1, max_size=3), data=st.data())
async def test_entry_any_order_and_any_batching_equals_the_definition(
    database: Database, drawn: list[Exposures], data: st.DataObject
) -> None:
    async with database.write() as session:
        place = Workspace(key=f"entry-{uuid4().hex}", name="entry", created_at=NOW)
        session.add(place)
    experiment = await start(database, await draft(database, place, variants=VARIANTS))
    arrivals = data.draw(st.permutations([(f"u{n}", *one) for n, unit in enumerate(drawn) for one in unit]))
    rows = [
        exposure(
            unit,
            VARIANTS[variant - 1].key,
            exposedAt=START + hour * HOUR,
            attributes={"hour": hour, "variant": variant},
        )
        for unit, hour, variant in arrivals
    ]
    size = data.draw(st.integers(1, len(rows)))
    for first in range(0, len(rows), size):
        await take(database, place, *rows[first : first + size])
    expected = {f"u{n}": replace(defined(unit), unit=f"u{n}") for n, unit in enumerate(drawn)}
    assert await entries(database, experiment) == expected
    assert set(told(await take(database, place, *rows))) == {"duplicate"}
    assert await entries(database, experiment) == expected


@pytest.mark.usefixtures("experiment")
async def test_ingest_two_batches_in_opposite_orders_do_not_lock_each_other_up(
    database: Database, workspace: Workspace
) -> None:
    rows = [exposure(f"u{n}") for n in range(9)]
    async with AsyncSession(database.engine) as held:  # both stop in the middle, half of their units taken
        await exposures.ingest(await driver(held), workspace_id=workspace.id, rows=[rows[4]], now=LATER)
        batches = asyncio.gather(take(database, workspace, *rows), take(database, workspace, *reversed(rows)))
        await asyncio.sleep(0.3)
        await held.rollback()
    reports = await asyncio.wait_for(batches, PATIENCE)
    assert sorted(len(report.accepted) for report in reports) == [0, 9]


async def test_ingest_batches_that_share_units_agree_whoever_comes_first(
    database: Database, workspace: Workspace, experiment: Experiment
) -> None:
    draw = random.Random(2)  # noqa: S311 - a shuffle, no secret
    drawn = [(f"u{n % 80}", n % 5, 1 + (n % 7 == 0)) for n in range(400)]
    rows = [exposure(unit, VARIANTS[place - 1].key, exposedAt=START + hour * HOUR) for unit, hour, place in drawn]
    batches = [draw.sample(rows, len(rows)) for _ in range(4)]
    await asyncio.wait_for(asyncio.gather(*(take(database, workspace, *batch) for batch in batches)), PATIENCE)
    kept = await entries(database, experiment)
    for unit in {unit for unit, *_ in drawn}:
        said = defined([(hour, place) for name, hour, place in drawn if name == unit])
        found = kept[unit]
        assert (found.variant_id, found.exposed_at, found.crossed_at) == (
            said.variant_id,
            said.exposed_at,
            said.crossed_at,
        )


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(rows=st.lists(anything.map(lambda extra: exposure() | extra if isinstance(extra, dict) else extra), max_size=5))
async def test_ingest_whatever_comes_every_row_gets_one_answer(database: Database, rows: list[Any]) -> None:
    async with database.write() as session:
        place = Workspace(key=f"any-{uuid4().hex}", name="any", created_at=NOW)
        session.add(place)
    answers = told(await take(database, place, *rows, exposure()))
    assert len(answers) == len(rows) + 1
    assert answers[-1] == "UNKNOWN_EXPERIMENT"
    assert len(await lines(database, place, "rejections")) == len(answers)
