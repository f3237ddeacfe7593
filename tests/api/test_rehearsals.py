"""Rehearsals of drafts: past control units are split under the plan's rules, and a check says what they show."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from scipy.stats import binom, binomtest

from api.auth.keys import Caller
from api.auth.tenants import ensure_workspace
from api.database import Database, driver
from api.graphql.nodes import global_id, local_id
from api.jobs import rehearsals, service, spool, uploads
from api.jobs.errors import Gone
from api.jobs.rehearsals import MOST_ATTEMPTS, rehearse_drafts
from api.jobs.tables import Job
from api.jobs.worker import work
from api.version import VERSION
from experiments.enums import Policy, Role
from experiments.planning import plan as plans
from experiments.planning import rehearsals as planning
from experiments.planning.draft import KpiChoice
from experiments.planning.rehearsals import Question
from experiments.planning.replays import REPLAYS, SEED
from experiments.tables import Experiment, Rehearsal
from kpi import kinds
from kpi.kinds import Mean
from kpi.queries import kpis_by_key
from kpi.tables import Definition, Workspace
from tests.api import documents
from tests.api.conftest import Try
from tests.conftest import Ask
from tests.experiments.registering import CONTROL, PRIMARY, TREATMENT, plan_choice, register, start
from tests.experiments.test_history import Unit, ingested, refreshed
from tests.kpi.registering import register_hypothesis, register_kpi

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)
NOW = BEGAN + timedelta(days=19)
UNITS, WHALES, FEW = 2_000, 20, 200
FORM = """
query Q($key: String!) { experiment(key: $key) {
  launchChecks { kind state sentence }
  rehearsals {
    kpi { key } source alpha treatmentShare replays falsePositives interval { lower upper level }
    units days dataThrough computedAt seed softwareVersion
  }
} }
"""
JOB = "query Q($id: ID!) { job(id: $id) { state message experiment { key } progress { replays replaysTotal } } }"


@pytest_asyncio.fixture(autouse=True)
async def nothing_waits(database: Database) -> AsyncIterator[None]:
    """Every test begins and ends without a job of another."""
    await rehearse_drafts(database)
    yield
    await rehearse_drafts(database)


def steady(number: int) -> float:
    """What a unit of a healthy company pays: one of seven amounts."""
    return 1.0 + number % 7


def rare(number: int) -> float:
    """What a unit pays where a hundredth of them pays everything."""
    return 1_000.0 if number % (UNITS // WHALES) == 0 else 0.0


async def company(
    database: Database, workspace: Workspace, worth: Callable[[int], float], units: int = UNITS
) -> Experiment:
    """A workspace whose only past experiment had so many control units, over ten days."""
    async with database.write() as session:
        await register_kpi(session, workspace)
        for key, days in (("revenue", 2), ("later-revenue", 3)):
            await register_kpi(session, workspace, key=key, definition=Mean(event="paid", window_days=days))
        await register_hypothesis(session, workspace)
        also = [KpiChoice(kpi=key, role=Role.SECONDARY) for key in ("revenue", "later-revenue")]
        past = await register(session, workspace, plan=plan_choice(kpis=[PRIMARY, *also]))
    past = await start(database, past, now=BEGAN)
    await ingested(database, workspace, [unit(number, worth(number)) for number in range(units)])
    await refreshed(database, past, NOW)
    return past


def unit(number: int, pays: float) -> Unit:
    entered_at = BEGAN + timedelta(days=number % 10, hours=number % 20)
    paid = [pays] if pays else []
    return Unit(name=f"u{number}", variant="control", entered_at=entered_at, paid=paid, activated_after=None)


async def rehearsed(database: Database, workspace: Workspace, draft: Experiment) -> Job:
    """Ask for a rehearsal."""
    async with database.write() as session:
        return await service.rehearse(session, workspace.id, draft.id)


async def drafted(
    database: Database, workspace: Workspace, *kpis: str, key: str = "next", weight: float = 1.0, **plan: Any
) -> Experiment:
    """A draft on these KPIs, all of them deciding."""
    primaries = [KpiChoice(kpi=kpi, role=Role.PRIMARY, mde_difference=0.5) for kpi in kpis or ("revenue",)]
    fields: dict[str, Any] = {"kpis": primaries, "policy": Policy.FIXED, "looks": 1} | plan
    arms = [CONTROL, replace(TREATMENT, weight=weight)]
    async with database.write() as session:
        return await register(session, workspace, key=key, variants=arms, plan=plan_choice(**fields))


async def asked(ask: Ask, draft: Experiment) -> dict[str, Any]:
    payload = await ask(documents.EXPERIMENT_REHEARSE, {"input": {"id": global_id("Experiment", draft.id)}})
    return dict(payload["experimentRehearse"])


async def shown(ask: Ask, key: str = "next") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The checks of a draft on its history, and the numbers behind them."""
    found = (await ask(FORM, {"key": key}))["experiment"]
    return [check for check in found["launchChecks"] if check["kind"] == "AA_HISTORY"], found["rehearsals"]


async def stored(database: Database, draft: Experiment) -> Sequence[Rehearsal]:
    async with database.read() as session:
        return [one.stored for one in await planning.of_plan(session, draft)]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A history, the treatment's weight beside control's 1, and how often Welch's test must err on its splits."""

    worth: Callable[[int], float]
    weight: float
    errs: float
    state: str


# Of 20 units that pay all there is, k fall into an arm. Welch's test, by hand: with a tenth of the units it rejects
# when none falls in (t = sqrt(20)) and from 7 on (t = 2.1; of 6, 1.8). With half of them, up to 5 (t = 2.25; of 6, 1.8)
# and from 15 on.
CASES = {
    "healthy": Case(worth=steady, weight=1 / 9, errs=0.05, state="PASS"),
    "rare and uneven": Case(
        worth=rare, weight=1 / 9, errs=binom.pmf(0, WHALES, 0.1) + binom.sf(6, WHALES, 0.1), state="WARN"
    ),
    "rare and even": Case(worth=rare, weight=1.0, errs=2 * binom.cdf(5, WHALES, 0.5), state="PASS"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_splits_of_past_controls_err_as_often_as_arithmetic_says_and_the_check_says_so(
    database: Database, workspace: Workspace, ask: Ask, case: Case
) -> None:
    await company(database, workspace, case.worth)
    draft = await drafted(database, workspace, weight=case.weight)
    before, nothing = await shown(ask)
    assert (before[0]["state"], nothing) == ("WARN", [])
    assert "experimentRehearse splits the control units of “shorter-form”" in before[0]["sentence"]
    answer = await asked(ask, draft)
    assert (answer["job"]["state"], answer["job"]["noun"], answer["userErrors"]) == ("WAITING", None, [])
    assert (answer["job"]["experiment"], answer["job"]["progress"]) == (
        {"key": "next"},
        {"replays": 0, "replaysTotal": REPLAYS},
    )
    assert await rehearse_drafts(database) == [local_id("Job", answer["job"]["id"])]
    ended = (await ask(JOB, {"id": answer["job"]["id"]}))["job"]
    assert (ended["state"], ended["progress"]["replays"]) == ("SUCCEEDED", REPLAYS)
    (check,), (found,) = await shown(ask)
    count = found.pop("falsePositives")
    assert binomtest(count, REPLAYS, case.errs).pvalue > 0.001
    limits = binomtest(count, REPLAYS).proportion_ci(0.99, "wilson")
    assert found.pop("interval") == {
        "lower": pytest.approx(limits.low),
        "upper": pytest.approx(limits.high),
        "level": 0.99,
    }
    assert (limits.low > 0.05) == (case.state == "WARN")
    assert check["state"] == case.state
    assert f"in {count / REPLAYS:.1%} of 2,000" in check["sentence"]
    assert datetime.fromisoformat(found.pop("computedAt")) > NOW
    assert found == {
        "kpi": {"key": "revenue"},
        "source": "shorter-form",
        "alpha": 0.05,
        "treatmentShare": pytest.approx(case.weight / (1 + case.weight)),
        "replays": REPLAYS,
        "units": UNITS,
        "days": 19,
        "dataThrough": NOW.isoformat(),
        "seed": SEED,
        "softwareVersion": VERSION,
    }


async def test_answer_holds_for_a_draft_that_tests_alike_and_for_no_other(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady)
    await asked(ask, await drafted(database, workspace))
    await rehearse_drafts(database)
    await drafted(database, workspace, key="alike")
    await drafted(database, workspace, key="careful", alpha=0.01)
    await drafted(database, workspace, key="longer", horizon_days=40)
    states = {key: (await shown(ask, key))[0][0]["state"] for key in ("next", "alike", "careful", "longer")}
    assert states == {"next": "PASS", "alike": "PASS", "careful": "WARN", "longer": "WARN"}


async def test_asking_again_gives_the_same_numbers_from_the_same_data_and_replaces_the_row(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady, FEW)
    draft = await drafted(database, workspace, "revenue", "later-revenue", policy=Policy.GROUP_SEQUENTIAL, looks=3)
    rows = []
    for _ in range(2):
        await asked(ask, draft)
        await rehearse_drafts(database)
        rows.append(await stored(database, draft))
    first, again = rows
    assert len(first) == len(again) == 2
    assert [row.false_positives for row in first] == [row.false_positives for row in again]
    assert min(row.false_positives for row in first) > 0
    assert all(before.computed_at < after.computed_at for before, after in zip(first, again, strict=True))


# --- one job at a time -----------------------------------------------------------------------------------------------


async def test_asking_while_it_is_under_way_answers_with_the_same_job_and_refuses_another_draft(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady, FEW)
    draft, other = await drafted(database, workspace), await drafted(database, workspace, key="other")
    jobs = await asyncio.gather(*(rehearsed(database, workspace, draft) for _ in range(3)))
    assert len({job.id for job in jobs}) == 1
    refused = await asked(ask, other)
    assert (refused["job"], [error["code"] for error in refused["userErrors"]]) == (None, ["NOT_READY"])
    await rehearse_drafts(database)
    assert (await asked(ask, other))["job"]["experiment"] == {"key": "other"}


async def test_worker_that_waits_hears_of_a_rehearsal_and_does_it(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady, FEW)
    draft = await drafted(database, workspace)
    worker = asyncio.create_task(work(database, seconds=60))
    try:
        await asyncio.sleep(0.5)  # its first round finds nothing; the next one comes with the news, or in a minute
        identity = (await asked(ask, draft))["job"]["id"]
        for _ in range(300):
            if (await ask(JOB, {"id": identity}))["job"]["state"] == "SUCCEEDED":
                break
            await asyncio.sleep(0.1)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    assert len(await stored(database, draft)) == 1


async def first_question(database: Database, job: Any) -> Question:
    async with database.read() as session:
        draft = await session.get_one(Experiment, job.experiment_id)
        found = await planning.questions(session, await driver(session), draft, job.created_at)
    return found[0]


async def test_job_whose_worker_died_between_two_kpis_keeps_the_first_and_does_the_second(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady, FEW)
    draft = await drafted(database, workspace, "revenue", "later-revenue")
    identity = (await asked(ask, draft))["job"]["id"]
    async with spool.taken(database, is_rehearsal=True) as ours:
        assert ours is not None
        await rehearsals.answer(database, ours, await first_question(database, ours))
        async with spool.taken(database, is_rehearsal=True) as nothing:
            assert nothing is None
    between = (await ask(JOB, {"id": identity}))["job"]
    assert (between["state"], between["progress"]) == ("RUNNING", {"replays": REPLAYS, "replaysTotal": 2 * REPLAYS})
    (kept,) = await stored(database, draft)
    await rehearse_drafts(database)
    ended = (await ask(JOB, {"id": identity}))["job"]
    assert (ended["state"], ended["progress"]["replays"]) == ("SUCCEEDED", 2 * REPLAYS)
    first, second = await stored(database, draft)
    assert (first.computed_at, first.false_positives) == (kept.computed_at, kept.false_positives)
    assert second.computed_at > kept.computed_at


async def test_job_that_is_cut_off_in_the_middle_of_a_kpi_counts_it_anew_and_gives_the_same(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady, FEW)
    draft = await drafted(database, workspace)
    await asked(ask, draft)
    await rehearse_drafts(database)
    (whole,) = await stored(database, draft)
    identity = (await asked(ask, draft))["job"]["id"]
    async with database.raw() as connection:
        await connection.execute("LOCK TABLE rehearsals IN SHARE MODE")  # what is counted cannot be stored
        worker = asyncio.create_task(rehearse_drafts(database))
        for _ in range(300):
            if (await ask(JOB, {"id": identity}))["job"]["progress"]["replays"] == REPLAYS:
                break
            await asyncio.sleep(0.1)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    between = (await ask(JOB, {"id": identity}))["job"]
    assert (between["state"], between["progress"]["replays"]) == ("RUNNING", REPLAYS)
    assert [row.computed_at for row in await stored(database, draft)] == [whole.computed_at]
    await rehearse_drafts(database)
    ended = (await ask(JOB, {"id": identity}))["job"]
    assert (ended["state"], ended["progress"]["replays"]) == ("SUCCEEDED", REPLAYS)
    (again,) = await stored(database, draft)
    assert again.computed_at > whole.computed_at
    assert again.false_positives == whole.false_positives


async def test_job_that_was_cancelled_stores_nothing_more(database: Database, workspace: Workspace, ask: Ask) -> None:
    await company(database, workspace, steady, FEW)
    draft = await drafted(database, workspace)
    identity = (await asked(ask, draft))["job"]["id"]
    async with spool.taken(database, is_rehearsal=True) as ours:
        assert ours is not None
        question = await first_question(database, ours)
        answer = await ask(documents.JOB_CANCEL, {"input": {"id": identity}})
        assert answer["jobCancel"]["job"]["state"] == "CANCELLED"
        with pytest.raises(Gone):
            await rehearsals.answer(database, ours, question)
    assert await stored(database, draft) == []
    assert (await asked(ask, draft))["job"]["id"] != identity


async def test_job_that_ends_its_worker_again_and_again_fails(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady, FEW)
    identity = (await asked(ask, await drafted(database, workspace)))["job"]["id"]
    for _ in range(MOST_ATTEMPTS):
        async with spool.taken(database, is_rehearsal=True) as ours:
            assert ours is not None
    await rehearse_drafts(database)
    ended = (await ask(JOB, {"id": identity}))["job"]
    assert (ended["state"], "ended 3 times" in ended["message"]) == ("FAILED", True)


async def test_rehearsal_is_no_file_to_those_that_look_after_files(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady, FEW)
    draft = await drafted(database, workspace)
    identity = (await asked(ask, draft))["job"]["id"]
    async with database.raw() as connection:
        assert await spool.count_open(connection, workspace.id) == 0
        await spool.leave_out(connection, workspace.id, ["u1"])
        long_ago = datetime.now(UTC) - spool.LONGEST_WAIT - timedelta(hours=1)
        await connection.execute("UPDATE jobs SET touched_at = $2 WHERE id = $1", local_id("Job", identity), long_ago)
    assert await uploads.take_in_uploads(database) == []
    await rehearse_drafts(database)
    ended = (await ask(JOB, {"id": identity}))["job"]
    assert (ended["state"], ended["message"]) == ("SUCCEEDED", rehearsals.DONE)


# --- whose units -----------------------------------------------------------------------------------------------------


async def source(database: Database, draft: Experiment) -> list[str]:
    async with database.read() as session:
        found = await planning.sources(session, draft, plans.from_document(draft.plan))
    return [one.key for one in found.values()]


async def test_units_are_those_of_the_experiment_with_most_final_controls_of_the_kpi(
    database: Database, workspace: Workspace
) -> None:
    await company(database, workspace, steady)
    other = await start(database, await drafted(database, workspace, key="other", weight=3.0), now=BEGAN)
    draft = await drafted(database, workspace)
    await refreshed(database, other, NOW)
    assert await source(database, draft) == ["shorter-form"]  # 2,000 entered, of which half are reckoned control's
    for days_ago, n, expected in ((2, 9_000, "shorter-form"), (3, 3_999, "shorter-form"), (4, 2, "other")):
        async with database.raw() as connection:  # a window of 2 days closes 3 days after the day of entry began
            await connection.execute(
                "INSERT INTO entry_counts (experiment_id, segment, variant_id, entered_on, n)"
                " SELECT $1, '', min(id), $2, $3 FROM variants WHERE experiment_id = $1",
                other.id,
                (NOW - timedelta(days=days_ago)).date(),
                n,
            )
        assert await source(database, draft) == [expected]  # a quarter of 4,001 is more than half of 2,000
    later = await drafted(database, workspace, "later-revenue", key="later")
    assert await source(database, later) == ["shorter-form"]  # nobody else measures it


async def test_amounts_need_rows_that_are_kept_and_shares_do_not(database: Database, workspace: Workspace) -> None:
    past = await company(database, workspace, steady, FEW)
    drafts = [await drafted(database, workspace, kpi, key=f"on-{kpi}") for kpi in ("revenue", "activation")]
    assert [await source(database, draft) for draft in drafts] == [["shorter-form"]] * 2
    for table, column, value, identity in (
        ("workspaces", "frozen_before", NOW.date(), workspace.id),
        ("experiments", "given_at", NOW, past.id),
    ):
        async with database.raw() as connection:
            await connection.execute(f"UPDATE {table} SET {column} = $2 WHERE id = $1", identity, value)  # noqa: S608 - words of this test
        assert [await source(database, draft) for draft in drafts] == [[], ["shorter-form"]], table
        async with database.raw() as connection:
            await connection.execute(f"UPDATE {table} SET {column} = NULL WHERE id = $1", identity)  # noqa: S608 - as above


# --- what is refused -------------------------------------------------------------------------------------------------


async def test_experiment_that_has_started_is_refused_and_one_that_starts_meanwhile_ends_its_job(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    past = await company(database, workspace, steady, FEW)
    refused = await asked(ask, past)
    assert [(error["code"], error["path"]) for error in refused["userErrors"]] == [("WRONG_STATE", ["id"])]
    draft = await drafted(database, workspace)
    identity = (await asked(ask, draft))["job"]["id"]
    await start(database, draft, now=NOW)
    await rehearse_drafts(database)
    ended = (await ask(JOB, {"id": identity}))["job"]
    assert (ended["state"], ended["message"]) == ("FAILED", rehearsals.STARTED)


async def test_units_without_a_value_that_can_be_read_are_too_few_and_the_check_says_so(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady)
    draft = await drafted(database, workspace, horizon_days=3)  # of the first entry day only, 200 units, are final
    await asked(ask, draft)
    await rehearse_drafts(database)
    (check,), (found,) = await shown(ask)
    assert (check["state"], found["units"]) == ("WARN", UNITS // 10)
    assert check["sentence"].startswith("Only 200 control units of “shorter-form”")


async def test_new_version_of_a_kpi_has_no_history_though_the_old_one_has_an_answer(
    database: Database, workspace: Workspace, ask: Ask
) -> None:
    await company(database, workspace, steady, FEW)
    await asked(ask, await drafted(database, workspace))
    await rehearse_drafts(database)
    async with database.write() as session:
        revenue = (await kpis_by_key(session, workspace.id, ["revenue"]))["revenue"]
        kind, parameters = kinds.encode(Mean(event="paid", window_days=2, cap=5.0))
        session.add(Definition(kpi_id=revenue.id, version=2, kind=kind, parameters=parameters, created_at=NOW))
    draft = await drafted(database, workspace, key="newer")
    (check,), found = await shown(ask, "newer")
    assert (check["state"], found) == ("WARN", [])
    assert check["sentence"].startswith("No experiment has final units of version 2 of “revenue”")
    refused = await asked(ask, draft)
    assert [error["code"] for error in refused["userErrors"]] == ["NOT_READY"]


async def test_history_and_answers_of_another_workspace_are_never_read(
    database: Database, workspace: Workspace, ask: Ask, attempt: Try, caller: Caller
) -> None:
    async with database.write() as session:
        elsewhere = await ensure_workspace(session, f"{workspace.key}-other", NOW)
    await company(database, elsewhere, steady, FEW)
    theirs = await drafted(database, elsewhere)
    await rehearsed(database, elsewhere, theirs)
    await rehearse_drafts(database)
    assert len(await stored(database, theirs)) == 1
    async with database.write() as session:
        await register_kpi(session, workspace, key="revenue", definition=Mean(event="paid", window_days=2))
        await register_hypothesis(session, workspace, kpi="revenue")
    ours = await drafted(database, workspace)
    (check,), found = await shown(ask)
    assert (check["state"], found) == ("WARN", [])
    assert check["sentence"].startswith("No experiment has final units")
    async with database.read() as session:
        assert await planning.shown(session, workspace.id, ["revenue"]) == []
    assert [error["code"] for error in (await asked(ask, ours))["userErrors"]] == ["NOT_READY"]
    assert [error["code"] for error in (await asked(ask, theirs))["userErrors"]] == ["NOT_FOUND"]
    neighbour = replace(caller, workspace_id=elsewhere.id, workspace=elsewhere.key)
    answer = await attempt(FORM, {"key": "next"}, caller=neighbour)
    assert len(answer["data"]["experiment"]["rehearsals"]) == 1
