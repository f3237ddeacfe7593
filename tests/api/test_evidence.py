"""The evidence on a hypothesis as the API shows it, and the record of its status."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api.database import Database
from api.jobs.evidence import weigh_due
from api.jobs.refresh import refresh_due
from tests.api import documents
from tests.api.test_results import Trial, refreshed, run, start, today
from tests.conftest import Ask

EVIDENCE = """
{ hypothesis(key: "guidance-activates") { evidence {
  status rule sentence eValue logEValue eValueAgainst
  experiments {
    experiment { key } standing variant { key } n estimate { difference lift } standardError interval { lower upper }
    liftInterval { lower } weight isSignificant logEValue isSealedBeforeData readOn definitionVersion reason
  }
  pooled { ...P } pooledLift { ...P }
  history { status rule sentence cause by changedAt experiment { key } }
} } }
fragment P on PooledEvidence {
  model k estimate standardError interval { lower upper level } pValue q qPValue i2 tau2 tau2DersimonianLaird
  prediction { lower }
}
"""
AGAIN = "guided-tour-again"


@pytest.fixture
def trial() -> Trial:
    return Trial()


async def evidence(ask: Ask) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(EVIDENCE))["hypothesis"]["evidence"]
    return found


async def second(ask: Ask, **changes: Any) -> str:
    """Another experiment on the same hypothesis, with nobody in it yet."""
    await ask(documents.EXPERIMENT_REGISTER, {"input": documents.experiment(AGAIN, **changes)}, now=start())
    identity = (await ask(f'{{ experiment(key: "{AGAIN}") {{ id }} }}'))["experiment"]["id"]
    await ask(documents.EXPERIMENT_START, {"input": {"id": identity}}, now=start())
    return str(identity)


async def test_hypothesis_without_an_experiment_is_open(ask: Ask) -> None:
    for document, given in (
        (documents.KPI_REGISTER, documents.kpi()),
        (documents.HYPOTHESIS_REGISTER, documents.hypothesis()),
    ):
        await ask(document, {"input": given})
    found = await evidence(ask)
    assert (found["status"], found["rule"], found["experiments"]) == ("OPEN", "NOTHING_OVER", [])
    assert (found["pooled"], found["pooledLift"], found["eValue"], found["history"]) == (None, None, None, [])


async def test_one_experiment_that_is_over_gives_its_own_numbers_and_supports_by_its_own_test(
    database: Database, ask: Ask, trial: Trial
) -> None:
    finding, *_ = (await refreshed(database, ask, trial))["results"]["findings"]
    found = await evidence(ask)
    (part,) = found["experiments"]
    shares = [(arm["n"], arm["value"]) for arm in (finding["treatment"], finding["control"])]
    error = sum(share * (1 - share) / n for n, share in shares) ** 0.5
    assert (found["status"], found["rule"]) == ("SUPPORTED", "OWN_TEST")
    assert (part["experiment"]["key"], part["standing"], part["weight"]) == ("guided-tour", "COUNTS", 1.0)
    assert (part["variant"]["key"], part["n"]) == ("tour", sum(n for n, _ in shares))
    assert part["estimate"] == finding["estimate"]
    assert part["standardError"] == pytest.approx(error)
    assert found["pooled"] == {
        "model": "ONE",
        "k": 1,
        "estimate": finding["estimate"]["difference"],
        "standardError": part["standardError"],
        "interval": finding["interval"],
        "pValue": finding["pValue"],
        **dict.fromkeys(("q", "qPValue", "i2", "tau2", "tau2DersimonianLaird", "prediction")),
    }
    assert found["pooledLift"]["estimate"] == pytest.approx(finding["estimate"]["lift"])
    assert found["logEValue"] == part["logEValue"] > 0 > found["eValueAgainst"] - 1


async def test_status_is_recorded_once_by_the_worker_with_the_experiment_that_changed_it(
    database: Database, ask: Ask, trial: Trial
) -> None:
    await refreshed(database, ask, trial)
    assert await weigh_due(database)
    assert await weigh_due(database) == []
    (change,) = (await evidence(ask))["history"]
    assert (change["status"], change["rule"], change["cause"], change["by"]) == (
        "SUPPORTED",
        "OWN_TEST",
        "REFRESH",
        None,
    )
    assert change["experiment"]["key"] == "guided-tour"


async def test_two_workers_at_once_record_a_change_once(database: Database, ask: Ask, trial: Trial) -> None:
    await refreshed(database, ask, trial)
    await asyncio.gather(*(weigh_due(database) for _ in range(4)))
    assert len((await evidence(ask))["history"]) == 1


async def test_refresh_that_changes_no_status_leaves_no_row(database: Database, ask: Ask, trial: Trial) -> None:
    await refreshed(database, ask, trial)
    await weigh_due(database)
    late = documents.outcome("tour-0", "activated", (start() + timedelta(days=2)).isoformat())
    await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": [late]}})
    assert await refresh_due(database)
    assert await weigh_due(database)
    assert len((await evidence(ask))["history"]) == 1


async def test_status_is_up_to_date_when_somebody_decides(database: Database, ask: Ask, trial: Trial) -> None:
    identity = await run(ask, trial)
    await refresh_due(database)
    for verb, more in (("Stop", {"stoppedAt": today().isoformat()}), ("Decide", {"choice": "SHIP", "variant": "tour"})):
        (payload,) = (await ask(documents.move(verb), {"input": {"id": identity} | more})).values()
        assert payload["userErrors"] == []
    (change,) = (await evidence(ask))["history"]
    assert (change["status"], change["cause"], change["by"]) == ("SUPPORTED", "DECISION", "test")
    await refresh_due(database)
    await weigh_due(database)
    assert len((await evidence(ask))["history"]) == 1


async def test_decision_and_workers_at_once_neither_lock_up_nor_record_a_change_twice(
    database: Database, ask: Ask, trial: Trial
) -> None:
    identity = await run(ask, trial)
    await ask(documents.move("Stop"), {"input": {"id": identity, "stoppedAt": today().isoformat()}})
    await refresh_due(database)
    decision = {"input": {"id": identity, "choice": "SHIP", "variant": "tour"}}
    async with asyncio.timeout(60):
        moved, _ = await asyncio.gather(
            ask(documents.move("Decide"), decision), asyncio.gather(*(weigh_due(database) for _ in range(3)))
        )
    assert moved["experimentDecide"]["userErrors"] == []
    assert len((await evidence(ask))["history"]) == 1


async def test_experiment_that_still_runs_is_shown_and_does_not_count(
    database: Database, ask: Ask, trial: Trial
) -> None:
    await run(ask, trial)
    await second(ask, plan=documents.plan(horizonDays=300))
    await refresh_due(database)
    found = await evidence(ask)
    assert [part["standing"] for part in found["experiments"]] == ["COUNTS", "RUNNING"]
    assert (found["status"], found["pooled"]["k"]) == ("SUPPORTED", 1)
    assert (found["experiments"][1]["weight"], found["experiments"][1]["reason"]) == (None, "INSUFFICIENT_DATA")


async def test_second_experiment_is_pooled_with_the_first(database: Database, ask: Ask, trial: Trial) -> None:
    await run(ask, trial)
    await second(ask)
    moved = [row | {"experiment": AGAIN} for row in trial.exposures()]
    await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": moved}})
    await refresh_due(database)
    found = await evidence(ask)
    one, other = found["experiments"]
    weights = [1 / part["standardError"] ** 2 for part in (one, other)]
    both = sum(weight * part["estimate"]["difference"] for weight, part in zip(weights, (one, other), strict=True))
    assert [one["experiment"]["key"], other["experiment"]["key"]] == ["guided-tour", AGAIN]
    assert (found["pooled"]["model"], found["pooled"]["k"]) == ("COMMON", 2)
    assert found["pooled"]["estimate"] == pytest.approx(both / sum(weights))
    assert found["pooled"]["q"] is not None
    assert found["logEValue"] == pytest.approx(one["logEValue"] + other["logEValue"])
