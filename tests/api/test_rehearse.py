"""`truelift calibrate --plan` and `--history`: what is told and written, and how it ends when nothing can be."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from api.auth.tenants import DEFAULT, ensure_workspace
from api.commands.rehearse import PLAN_HEADER, Report, lines, measure, read
from api.database import Database
from experiments.enums import Policy, Role
from experiments.planning.draft import KpiChoice
from experiments.planning.history import Trial
from experiments.planning.rehearsal import Missing
from kpi.tables import Workspace
from stats.calibration.families import Family, Judged, Plan
from stats.calibration.scenarios import Reading
from tests.api.databases import migrated, url_of
from tests.api.test_commands import Finished, here, refusal, truelift
from tests.experiments.registering import NOW, draft, plan_choice
from tests.experiments.test_history import KINDS, company, ingested, made, refreshed

SECRET = "a secret of thirty-two characters"  # noqa: S105 - of a database that ends with the tests
GIVEN = {"replicates": 100, "seed": 7}
Build = Callable[[Database, Workspace], Awaitable[object]]
Prepared = Callable[..., Finished]


async def seen(database: Database, workspace: Workspace) -> None:
    """An experiment that units have entered."""
    experiment = await made(database, workspace)
    await ingested(database, workspace, company())
    await refreshed(database, experiment)


async def report(database: Database, workspace: Workspace, key: str | None, *, is_history: bool) -> Report:
    parts = await read(database, workspace.key, key, is_history=is_history)
    return measure(parts, is_history=is_history, command="truelift calibrate", **GIVEN)


def percent(cell: str) -> str:
    return f"{float(cell.split(maxsplit=1)[0]):.1%}"


async def test_plan_is_told_by_kpi_with_what_is_missing(database: Database, workspace: Workspace) -> None:
    await seen(database, workspace)
    found = await report(database, workspace, "shorter-form", is_history=False)
    (block,) = found.blocks
    assert block.heading == "activation, treatment against control"
    assert "0.3 of units, effect +0.02" in block.about
    assert "alpha 0.05" in block.about
    assert [row[0] for row in block.rows] == ["Fixed", "Group sequential (the plan's)", "Always valid", "Peeking"]
    assert [row[-1] for row in block.rows] == ["beside", "pass", "beside", "beside"]
    own, peeking = block.rows[1], block.rows[3]
    assert f"finds it in {percent(own[2])} of experiments" in block.answer
    assert f"claims one in {percent(own[1])} (peeking: {percent(peeking[1])})." in block.answer
    assert found.missing == tuple(
        f"“{kpi}”: the plan has no baseline, so there is no level to draw from." for kpi in KINDS
    )


async def test_history_of_one_experiment_is_that_of_the_only_one_in_the_workspace(
    database: Database, workspace: Workspace
) -> None:
    await seen(database, workspace)
    one = await report(database, workspace, "shorter-form", is_history=True)
    every = await report(database, workspace, None, is_history=True)
    assert one == every
    assert [block.heading for block in one.blocks] == [
        f"shorter-form: {kpi}, as for treatment" for kpi in ("activation", *KINDS)
    ]
    assert "360 control units split 67% : 33%, days 4 to 19" in one.blocks[2].about
    assert all(len(block.rows) == 4 for block in one.blocks)
    assert "not independent experiments" in one.introduction


async def test_document_says_how_to_write_it_again_and_holds_every_row(
    database: Database, workspace: Workspace
) -> None:
    await seen(database, workspace)
    found = await report(database, workspace, "shorter-form", is_history=False)
    written = "\n".join(lines(found))
    assert "\n    truelift calibrate\n" in written
    assert f"| {' | '.join(PLAN_HEADER)} |" in written
    for row in found.blocks[0].rows:
        assert f"| {' | '.join(row)} |" in written
    assert all(f"- Missing: {sentence}" in written for sentence in found.missing)
    assert len(re.findall(r"\d\.\d{4} ± \d\.\d{4}", written)) == 4 * 3


async def test_other_seed_gives_other_numbers(database: Database, workspace: Workspace) -> None:
    await seen(database, workspace)
    parts = await read(database, workspace.key, None, is_history=True)
    found = [
        measure(parts, is_history=True, replicates=100, seed=seed, command="truelift calibrate") for seed in (1, 1, 2)
    ]
    assert found[0] == found[1] != found[2]


async def test_splits_in_which_the_plans_own_family_finds_too_much_break_its_promise(
    database: Database, workspace: Workspace
) -> None:
    await seen(database, workspace)
    (trial, *_) = await read(database, workspace.key, None, is_history=True)
    assert isinstance(trial, Trial)
    for own, is_broken in ((trial.own, True), ("Always valid", False)):
        spoilt = replace(trial, own=own, families=tuple(map(overconfident, trial.families)))
        found = measure([spoilt], is_history=True, command="truelift calibrate", **GIVEN)
        (row,) = (row for row in found.blocks[0].rows if row[0] == f"{own} (the plan's)")
        assert (found.blocks[0].is_broken, row[-1] == "fail: false positives") == (is_broken, is_broken)


def overconfident(family: Family) -> Family:
    """The planned looks with bars at a third of their height; the others as they are."""
    if family.name != "Group sequential":
        return family

    def judge(reading: Reading, plan: Plan, truth: float) -> Judged:
        found = replace(reading.found, difference=3 * reading.found.difference, statistic=3 * reading.found.statistic)
        return family.judge(replace(reading, found=found), plan, truth)

    return replace(family, judge=judge)


async def test_nothing_is_read_of_another_workspace(database: Database, workspace: Workspace) -> None:
    await seen(database, workspace)
    async with database.write() as session:
        other = await ensure_workspace(session, f"{workspace.key}-other", NOW)
    for key in ("shorter-form", None):
        with pytest.raises(SystemExit):
            await read(database, other.key, key, is_history=True)


async def test_draft_has_a_plan_and_no_history(database: Database, workspace: Workspace) -> None:
    await draft(database, workspace)
    found = await report(database, workspace, "shorter-form", is_history=False)
    assert "day 28 brings 100% of the planned information" in found.blocks[0].about
    parts = await read(database, workspace.key, "shorter-form", is_history=True)
    assert parts == [Missing(kpi="activation", sentence="“shorter-form” has no data yet.")]


# --- as the command runs it ------------------------------------------------------------------------------------------


@pytest.fixture
def prepare(database_url: str) -> Callable[[Build], Prepared]:
    """Fill a database of one's own, and run the command on it."""

    def fill(build: Build) -> Prepared:
        url = url_of(database_url, asyncio.run(migrated(database_url)))

        async def run() -> None:
            database = Database(url)
            async with database.write() as session:
                workspace = await ensure_workspace(session, DEFAULT, NOW)
            await build(database, workspace)
            await database.close()

        asyncio.run(run())
        given = {"DATABASE_URL": url.replace("+asyncpg", ""), "TRUELIFT_SECRET": SECRET}
        return lambda *words, run=here: run("calibrate", "--replicates=100", "--seed=7", *words, **given)

    return fill


def sentence(finished: Finished) -> str:
    """The last one of a command that ends with 1."""
    assert finished.returncode == 1, finished.stderr
    assert "Traceback" not in finished.stderr
    return finished.stderr.strip().splitlines()[-1].removeprefix("truelift: ")


def test_command_ends_with_a_sentence_where_there_is_nothing_to_try(
    prepare: Callable[[Build], Prepared], tmp_path: Path
) -> None:
    calibrate = prepare(draft)
    assert refusal(calibrate("--plan=nothing")) == "There is no experiment “nothing” in the workspace “default”."
    elsewhere = calibrate("--plan=shorter-form", "--workspace=elsewhere")
    assert refusal(elsewhere) == "There is no workspace “elsewhere”."
    assert refusal(calibrate("--plan=shorter-form", "--history")) == "“shorter-form” has no data yet."
    nobody = "No experiment in the workspace “default” has started, so there is nothing to split."
    assert refusal(calibrate("--history")) == nobody
    nowhere = tmp_path / "nowhere" / "plan.md"
    missing = calibrate("--plan=shorter-form", f"--out={nowhere}")
    assert refusal(missing) == f"There is no folder {nowhere.parent} to write to."


def test_command_shows_the_tables_and_writes_them(prepare: Callable[[Build], Prepared], tmp_path: Path) -> None:
    calibrate, out = prepare(seen), tmp_path / "plan.md"
    for words, tables in (("--plan shorter-form", 1), ("--plan shorter-form --history", 4), ("--history", 4)):
        finished = calibrate(*words.split(), f"--out={out}")
        assert (finished.returncode, finished.stdout) == (0, ""), finished.stderr
        assert finished.stderr.count(" beside ") >= 3 * tables
        assert finished.stderr.count("the plan's own rule") == tables
        assert finished.stderr.splitlines()[-1] == f"{tables} tables: {out}"
        written = out.read_text(encoding="utf-8")
        assert f"    truelift calibrate {words} --replicates 100 --seed 7\n" in written
        assert written.count("\n## ") == tables
        assert ("missing “spent”: the plan has no baseline" in finished.stderr) == ("--history" not in words)


def test_command_without_a_file_to_write_only_shows(prepare: Callable[[Build], Prepared]) -> None:
    finished = prepare(draft)("--plan", "shorter-form", run=truelift)
    assert finished.returncode == 0, finished.stderr
    assert "activation, treatment against control" in finished.stderr
    assert "tables: " not in finished.stderr


def test_command_ends_with_1_and_still_writes_when_a_promise_is_broken(
    prepare: Callable[[Build], Prepared], tmp_path: Path
) -> None:
    async def small(database: Database, workspace: Workspace) -> None:
        """So large an effect is found with fewer units than always-valid inference begins with."""
        large = KpiChoice(kpi="activation", role=Role.PRIMARY, mde_difference=0.3)
        await draft(database, workspace, plan=plan_choice(kpis=[large], policy=Policy.ALWAYS_VALID))

    out = tmp_path / "plan.md"
    finished = prepare(small)("--plan=shorter-form", f"--out={out}")
    assert sentence(finished) == "A promise was broken: see the rows marked so."
    row = next(line for line in out.read_text(encoding="utf-8").splitlines() if "(the plan's)" in line)
    assert row.endswith("| fail: power |")


def test_help_tells_the_three_forms_apart() -> None:
    finished = here("calibrate", "--help")
    assert finished.returncode == 0
    said = " ".join(re.sub(r"[│╭╮╰╯─]", " ", finished.stdout).split())
    assert "how often one plan does, or on your own data" in said
    assert "--plan KEY Draw experiments as the plan of this one says." in said
    assert "Split the control units of your experiments (or of --plan) at random." in said
    assert "Of the methods: docs/calibration.md unless set." in said
