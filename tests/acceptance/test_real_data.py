"""Two real experiments, from their files to their findings: the answers are those of SciPy 1.18 and statsmodels 0.15.

The files are public and not part of the product; where they are absent the tests are skipped and say so. Each is taken
in through the code of `truelift import` with the mapping that the documentation shows, and each answer is given to as
many digits as it was published with.
"""

import csv
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from api.auth.keys import Caller, Scope
from api.auth.tenants import ensure_workspace
from api.commands.importing import Tally, import_file
from api.database import Database
from api.files.mapping import Mapping
from api.graphql.context import Context
from api.graphql.schema import schema
from api.jobs.refresh import refresh_due
from api.jobs.tables import Noun

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
START = datetime(2026, 6, 1, tzinfo=UTC)
REGISTER = """
mutation Register($input: %(noun)sRegisterInput!) { %(verb)sRegister(input: $input) {
  %(verb)s { id } userErrors { message path }
} }
"""
START_IT = """
mutation Start($input: ExperimentStartInput!) { experimentStart(input: $input) { userErrors { message } } }
"""
RESULTS = """
query Results($key: String!) { experiment(key: $key) { results {
  verdict { state rule }
  diagnostics { exposed crossovers srm { state statistic pValue sequentialPValue arms { variant { key } observed } } }
  findings {
    kpi { key } role variant { key } isSignificant isWorse isBetter reason
    control { n open value } treatment { n open value } estimate { difference }
    interval { lower upper level } pValue
    fixed { statistic pValue interval { lower upper level } }
  }
} } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One real experiment: what is registered, the file, and the database it is in."""

    database: Database
    caller: Caller
    folder: Path
    name: str
    file: Path

    async def ask(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Run a document; errors fail the test."""
        context = Context(database=self.database, caller=self.caller, now=START)
        result = await schema.execute(document, variables, context)
        assert result.errors is None, result.errors
        assert result.data is not None
        return result.data

    async def register(self, noun: str, given: dict[str, Any]) -> str:
        """Register something and return its id."""
        verb = noun.lower()
        (payload,) = (await self.ask(REGISTER % {"noun": noun, "verb": verb}, {"input": given})).values()
        assert payload["userErrors"] == []
        return str(payload[verb]["id"])

    async def take_in(self, noun: Noun) -> Tally:
        """Import one half of the file."""
        mapping = Mapping.load(kind=noun.value, path=EXAMPLES / f"{self.name}.toml")
        rejects = self.folder / f"{self.name}.{noun}.csv"
        return await import_file(self.database, self.caller.workspace_id, noun, self.file, mapping, rejects)

    async def results(self, key: str) -> dict[str, Any]:
        """What comes out, after the refreshes that are due."""
        await refresh_due(self.database)
        found = await self.ask(RESULTS, {"key": key})
        return dict(found["experiment"]["results"])

    async def count(self, statement: str) -> int:
        """A number from the database."""
        async with self.database.raw() as connection:
            return int(await connection.fetchval(statement, self.caller.workspace_id))


async def study(database: Database, folder: Path, name: str, file: Path) -> Study:
    """A study in a workspace of its own."""
    async with database.write() as session:
        owner = await ensure_workspace(session, f"{name}-{uuid4().hex[:8]}", START)
    caller = Caller(
        workspace_id=owner.id,
        workspace=owner.key,
        key_name="t",
        public_id="t",
        scopes=frozenset({Scope.EDIT, Scope.READ}),
    )
    return Study(database=database, caller=caller, folder=folder, name=name, file=file)


def kpi(key: str, definition: dict[str, Any]) -> dict[str, Any]:
    """A KPI to register."""
    return {"key": key, "name": key, "direction": "HIGHER", "owner": "the authors", "definition": definition}


def plan(primary: str, mde: float, *others: str) -> dict[str, Any]:
    """Read once, decided by one KPI."""
    deciding: dict[str, Any] = {"kpi": primary, "role": "PRIMARY", "mde": {"difference": mde}}
    informing = [{"kpi": key, "role": "SECONDARY"} for key in others]
    return {"kpis": [deciding, *informing], "horizonDays": 30, "policy": "FIXED", "looks": 1}


async def begin(study: Study, key: str, kind: str, kpi: str, variants: dict[str, str], plan: dict[str, Any]) -> None:
    """Register the hypothesis and the experiment, and start it on the day that the mapping puts the exposures on."""
    believed = {"key": "h", "title": "It helps", "change": key, "kpi": kpi, "direction": "INCREASE", "owner": "t"}
    await study.register("Hypothesis", believed)
    given = {
        "key": key,
        "name": key,
        "hypothesis": "h",
        "kind": kind,
        "owner": "t",
        "variants": [{"key": k, "name": n, "isControl": k == "control"} for k, n in variants.items()],
        "plan": plan,
    }
    identity = await study.register("Experiment", given)
    started = await study.ask(START_IT, {"input": {"id": identity}})
    assert started["experimentStart"]["userErrors"] == []


@pytest_asyncio.fixture(scope="module")
async def cookie_cats(
    database: Database, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Study, Tally, Tally]]:
    """The mobile game, taken in whole."""
    found = await study(database, tmp_path_factory.mktemp("rejects"), "cookie_cats", shared_data / "cookie_cats.csv.gz")
    for day in (1, 7):
        await found.register("Kpi", kpi(f"retention-d{day}", {"retention": {"event": "session_started", "day": day}}))
    variants = {"control": "Gate at level 30", "gate-40": "Gate at level 40"}
    deciding = plan("retention-d7", 0.01, "retention-d1")
    await begin(found, "cookie-cats-gate", "ONBOARDING_FLOW", "retention-d7", variants, deciding)
    yield found, await found.take_in(Noun.EXPOSURES), await found.take_in(Noun.OUTCOMES)


@pytest_asyncio.fixture(scope="module")
async def hillstrom(
    database: Database, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Study, Tally, Tally]]:
    """The e-mail test, taken in whole."""
    found = await study(database, tmp_path_factory.mktemp("rejects"), "hillstrom", shared_data / "hillstrom.csv.gz")
    await found.register("Kpi", kpi("purchases", {"activation": {"event": "purchased", "windowDays": 14}}))
    await found.register("Kpi", kpi("visits", {"mean": {"event": "visited", "windowDays": 14, "of": "COUNT"}}))
    await found.register("Kpi", kpi("spend", {"mean": {"event": "spent", "windowDays": 14}}))
    variants = {"control": "No e-mail", "mens": "Men's goods", "womens": "Women's goods"}
    deciding = plan("purchases", 0.005, "visits", "spend")
    await begin(found, "hillstrom-email", "MESSAGE", "purchases", variants, deciding)
    yield found, await found.take_in(Noun.EXPOSURES), await found.take_in(Noun.OUTCOMES)


def finding(results: dict[str, Any], kpi: str, variant: str) -> dict[str, Any]:
    """The finding on a KPI in a variant."""
    (found,) = (f for f in results["findings"] if (f["kpi"]["key"], f["variant"]["key"]) == (kpi, variant))
    return dict(found)


def digits(value: float, shown: str) -> bool:
    """Whether a value reads as the published one, to all of its digits."""
    return f"{value:.{len(shown.partition('.')[2])}f}" == shown


def rows(file: Path) -> list[dict[str, str]]:
    """The file as the standard library reads it."""
    with gzip.open(file, "rt", newline="") as opened:
        return list(csv.DictReader(opened))


def truly(cell: str) -> bool:
    return cell in {"TRUE", "True", "1"}


def tallied(tally: Tally) -> tuple[int, int, int]:
    return tally.accepted, tally.duplicates, tally.rejected


Cookies = tuple[Study, Tally, Tally]


async def test_cookie_cats_are_all_taken_in(cookie_cats: Cookies) -> None:
    study, exposures, outcomes = cookie_cats
    assert tallied(exposures) == (90_189, 0, 0)
    stored = "SELECT count(*) FROM exposures x JOIN experiments e ON e.id = x.experiment_id WHERE e.workspace_id = $1"
    assert await study.count(stored) == 90_189
    players = rows(study.file)
    happened = sum(truly(player["retention_1"]) + truly(player["retention_7"]) for player in players)
    happened += sum(player["sum_gamerounds"] != "0" for player in players)
    assert tallied(outcomes) == (happened, 0, 0)
    assert await study.count("SELECT count(*) FROM outcomes WHERE workspace_id = $1") == happened


async def test_cookie_cats_day_7_retention_is_the_known_answer(cookie_cats: Cookies) -> None:
    results = await cookie_cats[0].results("cookie-cats-gate")
    found = finding(results, "retention-d7", "gate-40")
    assert (found["control"]["n"], found["treatment"]["n"]) == (44_700, 45_489)
    assert (found["control"]["open"], found["treatment"]["open"]) == (0, 0)
    assert found["control"]["value"] == pytest.approx(8_502 / 44_700, rel=1e-12)
    assert found["treatment"]["value"] == pytest.approx(8_279 / 45_489, rel=1e-12)
    assert digits(found["estimate"]["difference"], "-0.0082013")
    assert digits(found["fixed"]["statistic"], "-3.16436")
    assert digits(found["fixed"]["pValue"], "0.00155425")
    assert digits(found["fixed"]["interval"]["lower"], "-0.01328194")
    assert digits(found["fixed"]["interval"]["upper"], "-0.00312130")
    assert found["fixed"]["interval"]["level"] == 0.95
    assert (found["isSignificant"], found["isWorse"]) == (True, True)
    assert results["verdict"] == {"state": "ROLL_BACK", "rule": "PRIMARY_WORSE"}


async def test_cookie_cats_day_1_retention_is_the_known_answer(cookie_cats: Cookies) -> None:
    found = finding(await cookie_cats[0].results("cookie-cats-gate"), "retention-d1", "gate-40")
    assert digits(found["estimate"]["difference"], "-0.0059052")
    assert digits(found["fixed"]["statistic"], "-1.78409")
    assert digits(found["fixed"]["pValue"], "0.0744097")
    assert found["isSignificant"] is False


async def test_cookie_cats_sample_ratio_warns_and_does_not_alarm(cookie_cats: Cookies) -> None:
    srm = (await cookie_cats[0].results("cookie-cats-gate"))["diagnostics"]["srm"]
    assert [(arm["variant"]["key"], arm["observed"]) for arm in srm["arms"]] == [
        ("control", 44_700),
        ("gate-40", 45_489),
    ]
    assert digits(srm["statistic"], "6.90240")
    assert digits(srm["pValue"], "0.00860799")
    assert srm["state"] == "WARNING"
    assert srm["sequentialPValue"] > 0.01


async def test_cookie_cats_taken_in_again_are_all_duplicates_and_change_nothing(cookie_cats: Cookies) -> None:
    study, exposures, outcomes = cookie_cats
    before = await study.results("cookie-cats-gate")
    assert tallied(await study.take_in(Noun.EXPOSURES)) == (0, exposures.accepted, 0)
    assert tallied(await study.take_in(Noun.OUTCOMES)) == (0, outcomes.accepted, 0)
    assert await study.results("cookie-cats-gate") == before


async def test_hillstrom_customers_are_all_taken_in_three_variants(hillstrom: Cookies) -> None:
    study, exposures, outcomes = hillstrom
    assert tallied(exposures) == (64_000, 0, 0)
    customers = rows(study.file)
    happened = sum(truly(customer[name]) for customer in customers for name in ("visit", "conversion"))
    happened += sum(float(customer["spend"]) > 0 for customer in customers)
    assert tallied(outcomes) == (happened, 0, 0)
    assert await study.count("SELECT count(*) FROM outcomes WHERE workspace_id = $1") == happened
    diagnostics = (await study.results("hillstrom-email"))["diagnostics"]
    assert (diagnostics["exposed"], diagnostics["crossovers"], diagnostics["srm"]["state"]) == (64_000, 0, "OK")
    assert {arm["variant"]["key"]: arm["observed"] for arm in diagnostics["srm"]["arms"]} == {
        "control": 21_306,
        "mens": 21_307,
        "womens": 21_387,
    }


async def test_hillstrom_visits_of_the_mens_mail_are_the_known_answer(hillstrom: Cookies) -> None:
    found = finding(await hillstrom[0].results("hillstrom-email"), "visits", "mens")
    assert digits(found["estimate"]["difference"], "0.0765896")
    assert digits(found["fixed"]["statistic"], "22.6202")
    assert found["isSignificant"] is True


async def test_hillstrom_spend_of_the_womens_mail_is_the_known_answer(hillstrom: Cookies) -> None:
    found = finding(await hillstrom[0].results("hillstrom-email"), "spend", "womens")
    assert digits(found["estimate"]["difference"], "0.424412")
    assert digits(found["fixed"]["statistic"], "3.25637")
    assert digits(found["fixed"]["pValue"], "0.00112940")
    assert digits(found["fixed"]["interval"]["lower"], "0.168957")
    assert digits(found["fixed"]["interval"]["upper"], "0.679868")
    assert found["fixed"]["interval"]["level"] == 0.95


async def test_hillstrom_primary_interval_is_wider_because_two_variants_can_decide(hillstrom: Cookies) -> None:
    results = await hillstrom[0].results("hillstrom-email")
    deciding = [finding(results, "purchases", variant) for variant in ("mens", "womens")]
    assert {found["fixed"]["interval"]["level"] for found in deciding} == {0.975}
    assert results["verdict"] == {"state": "SHIP", "rule": "PRIMARY_BETTER"}
