"""Links of the ladder that data give, through GraphQL: from cohorts, from experiments, and again every week."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from api.database import Database
from api.jobs.links import estimate_links
from api.jobs.refresh import refresh_due
from experiments.programme import links
from kpi.tables import Workspace
from stats.ladder.elasticity import Elasticity
from stats.ladder.trials import Trials, from_trials
from tests.api import documents
from tests.conftest import Ask
from tests.kpi.history import rows

STEP = """
  leading { key } lagging { key } elasticity standardError interval { lower upper level } isEstimated used setAside
  qPValue obstacle sentence links { source version elasticity standardError df obstacle by reason isEstimated }
"""
ESTIMATE = f"""
mutation Estimate($input: KpiLinkEstimateInput!) {{ kpiLinkEstimate(input: $input) {{
  step {{ {STEP} }} userErrors {{ code path message }}
}} }}
"""
LADDER = f"""
{{ kpiLadder {{ rungs {{ kpi {{ key }} height level {{ n value }} target openAlerts state }} steps {{ {STEP} }} }} }}
"""
PAIR = {"leading": "activation", "lagging": "retention", "reason": "they should go together"}
ENTRY = {"entry": {"event": "signed_up"}}
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
BEGAN = TODAY - timedelta(days=30)
ARMS = ("control", "tour")
UNITS = 300
ELASTICITY = 0.5


def definition(event: str, **more: Any) -> dict[str, Any]:
    return {"definition": {"activation": {"event": event, "windowDays": 7}}} | more


async def registered(ask: Ask, key: str, event: str, **more: Any) -> None:
    payload = (await ask(documents.KPI_REGISTER, {"input": documents.kpi(key, **definition(event), **more)}))[
        "kpiRegister"
    ]
    assert payload["userErrors"] == []


async def estimate(ask: Ask, **changes: Any) -> dict[str, Any]:
    return dict((await ask(ESTIMATE, {"input": PAIR | changes}))["kpiLinkEstimate"])


async def duty(database: Database, workspace: Workspace) -> int:
    """Let the worker estimate what is due; returns how many links of the workspace that were."""
    return sum(of == workspace.id for of, *_ in await estimate_links(database))


async def sources(ask: Ask) -> dict[str, dict[str, Any]]:
    found = await ask('{ kpi(key: "activation") { steps { links { source version by } } } }')
    return {link["source"]: link for step in found["kpi"]["steps"] for link in step["links"]}


async def send(ask: Ask, outcomes: list[dict[str, Any]]) -> None:
    for place in range(0, len(outcomes), 1_000):
        payload = (await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": outcomes[place : place + 1_000]}}))[
            "outcomesIngest"
        ]
        assert payload["report"]["rowErrors"] == payload["userErrors"] == []


def cohorts(months: int = 14) -> list[tuple[str, str, str, float | None]]:
    """Months of users of which a share activates, and of those who stay another, as its power: log-linear."""
    random = np.random.default_rng(3)
    found: list[tuple[str, str, str, float | None]] = []
    for month in range(months):
        share = 0.3 * np.exp(0.4 * np.sin(month))
        kept = 0.3 * (share / 0.3) ** ELASTICITY
        first = TODAY - timedelta(days=31 * (months - month) + 20)
        for unit in range(UNITS):
            name, at = f"m{month}-{unit}", first + timedelta(days=unit % 5)
            did = [True, random.random() < share, random.random() < kept]
            moments = [(at + timedelta(hours=hour)).isoformat() for hour in range(3)]
            events = zip(("signed_up", "activated", "returned"), moments, did, strict=True)
            found += [(name, event, moment, None) for event, moment, happened in events if happened]
    return found


async def test_link_over_cohorts_is_found_and_its_interval_holds_the_truth(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    await registered(ask, "activation", "activated", **ENTRY)
    await registered(ask, "retention", "returned", **ENTRY)
    await rows.send(database, workspace, cohorts(), TODAY)
    step = (await estimate(ask))["step"]
    assert step["used"] == ["COHORTS"]
    assert step["interval"]["lower"] < ELASTICITY < step["interval"]["upper"]
    assert step["interval"]["upper"] - step["interval"]["lower"] < 0.6
    assert step["isEstimated"] is True
    said = {link["source"]: (link["obstacle"], link["by"], link["reason"]) for link in step["links"]}
    assert said["COHORTS"] == (None, "test", "they should go together")
    assert said["EXPERIMENTS"][0] == "TOO_FEW_EXPERIMENTS"
    assert (await estimate(ask))["step"] == step  # nothing new, so no new version


async def test_cohorts_that_take_too_long_to_wait_for_are_left_to_the_worker(
    ask: Ask, database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registered(ask, "activation", "activated", **ENTRY)
    await registered(ask, "retention", "returned", **ENTRY)
    await rows.send(database, workspace, cohorts(), TODAY)
    monkeypatch.setattr(links, "PATIENCE", 0.001)
    step = (await estimate(ask))["step"]
    assert [link["source"] for link in step["links"]] == ["EXPERIMENTS"]
    assert await duty(database, workspace) == 1
    assert {source: link["by"] for source, link in (await sources(ask)).items()} == {
        "COHORTS": "schedule",
        "EXPERIMENTS": "test",
    }
    assert await duty(database, workspace) == 0


async def test_kpis_without_a_history_have_no_cohorts_and_say_so(ask: Ask) -> None:
    await registered(ask, "activation", "activated", **ENTRY)
    await registered(ask, "retention", "returned")
    step = (await estimate(ask))["step"]
    assert (step["elasticity"], step["standardError"], step["interval"], step["used"]) == (None, None, None, [])
    assert {link["source"]: link["obstacle"] for link in step["links"]} == {
        "COHORTS": "NOT_FOLLOWED",
        "EXPERIMENTS": "TOO_FEW_EXPERIMENTS",
    }
    assert step["sentence"].startswith("The two KPIs do not follow the same units")


async def test_faults_and_circles_are_told(ask: Ask) -> None:
    await registered(ask, "activation", "activated")
    await registered(ask, "retention", "returned")
    wrong = await estimate(ask, lagging="nothing", reason=" ")
    assert [(error["code"], error["path"]) for error in wrong["userErrors"]] == [
        ("BAD_USER_INPUT", ["reason"]),
        ("NOT_FOUND", ["lagging"]),
    ]
    assumed = PAIR | {"low": 0.2, "likely": 0.5, "high": 1.1}
    await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": assumed})
    back = await estimate(ask, leading="retention", lagging="activation")
    assert (back["step"], back["userErrors"][0]["path"]) == (None, ["lagging"])


class Trial:
    """An experiment of two KPIs: how many of the units of each arm do what."""

    def __init__(
        self,
        key: str,
        activated: tuple[int, int],
        returned: tuple[int, int],
        n: int = 300,
        attributes: dict[str, str] | None = None,
    ) -> None:
        self.key, self.n, self.done = key, n, {"activated": activated, "returned": returned}
        self.attributes = attributes or {}

    async def run(self, ask: Ask, **plan: Any) -> str:
        """Register the experiment, start it a month ago and let everybody in; its global id."""
        kpis = [
            {"kpi": "activation", "role": "PRIMARY", "mde": {"difference": 0.05}},
            {"kpi": "retention", "role": "SECONDARY"},
        ]
        given = documents.experiment(self.key, plan=documents.plan(kpis=kpis, **plan))
        payload = (await ask(documents.EXPERIMENT_REGISTER, {"input": given}, now=BEGAN))["experimentRegister"]
        assert payload["userErrors"] == []
        identity = str(payload["experiment"]["id"])
        await ask(documents.EXPERIMENT_START, {"input": {"id": identity}}, now=BEGAN)
        await self.enter(ask, "unit")
        return identity

    async def enter(self, ask: Ask, name: str) -> None:
        """Let units in and have them do what they do."""
        at, later = ((BEGAN + timedelta(hours=hours)).isoformat() for hours in (1, 2))
        units = [(f"{self.key}-{name}-{arm}-{place}", arm, place) for arm in ARMS for place in range(self.n)]
        exposures = [
            documents.exposure(unit, arm, at, experiment=self.key, attributes=self.attributes) for unit, arm, _ in units
        ]
        report = await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": exposures}})
        assert report["exposuresIngest"]["report"]["rowErrors"] == []
        outcomes = [
            documents.outcome(unit, event, later)
            for unit, arm, place in units
            for event, counts in self.done.items()
            if place < counts[ARMS.index(arm)]
        ]
        await send(ask, outcomes)

    def effect(self, event: str) -> tuple[float, float]:
        """The logarithm of the ratio of both shares and its standard error: sum of (1 - p) / (n p)."""
        shares = [count / self.n for count in self.done[event]]
        return float(np.log(shares[1] / shares[0])), sum((1 - p) / (self.n - 1) / p for p in shares) ** 0.5


TRIALS = [
    Trial("first", (90, 150), (120, 154)),
    Trial("second", (100, 160), (132, 165)),
    Trial("third", (160, 100), (165, 130)),
    Trial("fourth", (90, 170), (120, 160)),
]


async def over(ask: Ask, identity: str) -> None:
    stopped = {"id": identity, "stoppedAt": TODAY.isoformat()}
    assert (await ask(documents.EXPERIMENT_STOP, {"input": stopped}))["experimentStop"]["userErrors"] == []


@pytest.fixture
async def trials(ask: Ask, database: Database) -> list[str]:
    """Four experiments with data, of which the first three are over."""
    await registered(ask, "activation", "activated")
    await registered(ask, "retention", "returned")
    await ask(documents.HYPOTHESIS_REGISTER, {"input": documents.hypothesis()})
    identities = [await trial.run(ask) for trial in TRIALS]
    await refresh_due(database)
    for identity in identities[:3]:
        await over(ask, identity)
    await refresh_due(database)
    return identities


@pytest.mark.usefixtures("trials")
async def test_link_over_experiments_is_the_slope_over_those_that_are_over(ask: Ask) -> None:
    step = (await estimate(ask))["step"]
    x, y = (np.array([trial.effect(event) for trial in TRIALS[:3]]).T for event in ("activated", "returned"))
    expected = from_trials(
        Trials(leading=x[0], leading_error=x[1], lagging=y[0], lagging_error=y[1]), alpha=0.05
    ).elasticity
    assert isinstance(expected, Elasticity)
    assert step["used"] == ["EXPERIMENTS"]
    assert step["elasticity"] == pytest.approx(expected.estimate, rel=0.01)
    assert step["standardError"] == pytest.approx(expected.standard_error, rel=0.02)


async def test_link_is_estimated_again_after_a_decision_and_after_a_week_by_the_worker(
    ask: Ask, trials: list[str], database: Database, workspace: Workspace
) -> None:
    await estimate(ask)
    assert await duty(database, workspace) == 0
    await over(ask, trials[3])
    await refresh_due(database)
    assert await duty(database, workspace) == 0
    decision = {"id": trials[3], "choice": "ABANDON", "reason": "costs too much"}
    await ask(documents.move("Decide"), {"input": decision})
    assert await duty(database, workspace) == 1
    link = (await sources(ask))["EXPERIMENTS"]
    assert (link["version"], link["by"]) == (2, "schedule")
    assert await duty(database, workspace) == 0
    async with database.raw() as connection:
        old = "UPDATE kpi_pairs SET estimated_at = now() - interval '8 days' WHERE workspace_id = $1"
        await connection.execute(old, workspace.id)
    assert await duty(database, workspace) == 1
    assert (await sources(ask))["EXPERIMENTS"]["version"] == 2  # the data say what they said


@pytest.mark.usefixtures("trials")
async def test_what_is_assumed_is_estimated_too_and_set_aside_where_experiments_say_otherwise(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    assumed = PAIR | {"low": 4.8, "likely": 5.0, "high": 5.2}
    await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": assumed})
    assert await duty(database, workspace) == 1
    (step,) = (await ask(LADDER))["kpiLadder"]["steps"]
    assert (step["used"], step["setAside"], step["isEstimated"]) == (["EXPERIMENTS"], ["ASSUMPTION"], True)
    assert step["qPValue"] < 0.1
    assert "Set aside" in step["sentence"]


@pytest.mark.usefixtures("trials")
async def test_estimate_that_would_close_a_circle_later_is_left_out(
    ask: Ask, database: Database, workspace: Workspace
) -> None:
    await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": PAIR | {"low": 0.2, "likely": 0.5, "high": 1.1}})
    await ask(documents.KPI_LINK % {"verb": "Withdraw"}, {"input": PAIR})
    back = {
        "leading": "retention",
        "lagging": "activation",
        "reason": "the other way",
        "low": 0.1,
        "likely": 0.2,
        "high": 0.3,
    }
    await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": back})
    assert await duty(database, workspace) == 2
    steps = {step["leading"]["key"]: step for step in (await ask(LADDER))["kpiLadder"]["steps"]}
    assert (steps["retention"]["used"], set(steps)) == (["ASSUMPTION"], {"retention"})
    assert await duty(database, workspace) == 0


async def test_ladder_has_its_rungs_from_leading_to_lagging_with_where_they_stand(ask: Ask) -> None:
    for key in ("activation", "retention", "nrr"):
        await registered(ask, key, key)
    target = {"id": (await ask('{ kpi(key: "nrr") { id } }'))["kpi"]["id"], "reason": "plan"}
    await ask(
        documents.KPI_CHANGE % {"verb": "TargetSet"},
        {"input": target | {"value": 0.9, "dueOn": "2099-01-01", "owner": "Ada", "approver": "Bo"}},
    )
    for leading, lagging in (("activation", "retention"), ("retention", "nrr"), ("activation", "nrr")):
        given = {"leading": leading, "lagging": lagging, "low": 0.2, "likely": 0.5, "high": 1.1, "reason": "guess"}
        await ask(documents.KPI_LINK % {"verb": "Assume"}, {"input": given})
    found = (await ask(LADDER))["kpiLadder"]
    assert [(rung["kpi"]["key"], rung["height"], rung["level"]) for rung in found["rungs"]] == [
        ("activation", 0, None),
        ("retention", 1, None),
        ("nrr", 2, None),
    ]
    assert {rung["openAlerts"] for rung in found["rungs"]} == {0}
    assert [(rung["target"], rung["state"]) for rung in found["rungs"]] == [
        (None, "NO_TARGET"),
        (None, "NO_TARGET"),
        (0.9, "UNKNOWN"),
    ]
    assert len(found["steps"]) == 3
    assert {tuple(step["used"]) for step in found["steps"]} == {("ASSUMPTION",)}
