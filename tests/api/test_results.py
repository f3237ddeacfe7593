"""From registration to results: what comes out is what scipy and statsmodels make of the same units."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from api.database import Database
from api.graphql.nodes import local_id
from api.jobs.looks import publish_due
from api.jobs.refresh import refresh_due
from api.version import VERSION
from experiments.tables import Experiment, PublishedLook
from tests.api import documents
from tests.conftest import Ask

BASELINE = {"value": 0.4, "standardError": 0.01, "n": 2_400}
RESULTS = """
query Results($key: String!) { experiment(key: $key) {
  id key plan { hash canonicalJson neededUnits neededFor primaryUnits }
  results {
    computedAt dataThrough planHash softwareVersion isPlanSealedBeforeData
    verdict {
      state rule sentence wouldChange variant { key } standings { variant { key } state rule sentence }
      facts { name value about } outlook { endsOn unitsNeeded }
    }
    heterogeneity { kpi { key } variant { key } attribute segments q i2 pValue adjustedPValue }
    diagnostics { exposed crossovers health checks { kind state sentence facts { name value about } } srm {
      state statistic pValue sequentialPValue arms { variant { key } observed expected }
    } }
    looks { number }
    findings { ...Everything }
    segmentFindings { segment { attribute value } kpi { key } control { n } treatment { n } role }
  }
} }
fragment Everything on Finding {
  kpi { key } role variant { key isControl } segment { value } scale method readOn
  control { n open censored value standardError } treatment { n open censored value standardError }
  decidedOn decidedDifference keepsMargin repeated { lower upper level } nextLookOn
  endsOn progress futility { mde conditionalPower isMdeExcluded isFutile }
  estimate { difference lift } interval { lower upper level } liftInterval { lower upper level }
  pValue adjustedPValue correction isSignificant isBetter isWorse isOver margin breachesMargin reason
  fixed { statistic pValue interval { lower upper level } }
  alwaysValid { pValue eValue interval { lower upper } }
  groupSequential { isOver }
  baseline {
    value standardError n version difference interval { lower upper level } pValue
    controlDifference controlPValue isObservational
  }
  series { on n difference lower upper alwaysValidLower alwaysValidUpper }
  curves { of days control { share atRisk median } treatment { share } logRank { statistic pValue } }
}
"""

LOOKS = '{ experiment(key: "%s") { publishedLooks { verdict rule document documentHash } } }'


class Trial:
    """Units of two variants: most are old enough to be final, 30 of each are not; some activate and pay."""

    def __init__(self) -> None:
        random = np.random.default_rng(7)
        sizes = {"control": 260, "tour": 240}
        self.active = {
            key: random.random(n) < share for (key, n), share in zip(sizes.items(), (0.4, 0.55), strict=True)
        }
        self.paid = {key: np.round(random.exponential(20.0, n), 2) * self.active[key] for key, n in sizes.items()}

    def final(self, values: dict[str, Any], key: str) -> np.ndarray[Any, Any]:
        """What counts today: all but the 30 units that came three days ago."""
        return np.asarray(values[key][:-30], dtype=float)

    def exposures(self) -> list[dict[str, Any]]:
        """One a unit: two days of the start, and three days ago for the last 30 of a variant."""
        return [
            documents.exposure(f"{key}-{place}", key, _time(_entered(place, len(flags))), attributes=_plan(place))
            for key, flags in self.active.items()
            for place in range(len(flags))
        ]

    def outcomes(self) -> list[dict[str, Any]]:
        """An activation and a payment a day after exposure, and one activation too late to count."""
        rows = [documents.outcome("control-0", "activated", _time(_entered(0, 260) + timedelta(days=7)))]
        for key, flags in self.active.items():
            for place in np.flatnonzero(flags):
                at = _time(_entered(int(place), len(flags)) + timedelta(days=1))
                rows.append(documents.outcome(f"{key}-{place}", "activated", at))
                rows.append(documents.outcome(f"{key}-{place}", "paid", at, value=float(self.paid[key][place])))
        return rows


def today() -> datetime:
    """The midnight that is past when it is asked for: tests may be collected on one day and run on the next."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def start() -> datetime:
    """When the experiment began."""
    return today() - timedelta(days=20)


def _entered(place: int, n: int) -> datetime:
    day = 17 if place >= n - 30 else place % 2
    return start() + timedelta(days=day, hours=6)


def _time(at: datetime) -> str:
    return at.isoformat()


def _plan(place: int) -> dict[str, str]:
    return {"plan": "free" if place % 3 else "team"}


@pytest.fixture
def trial() -> Trial:
    return Trial()


async def run(ask: Ask, trial: Trial) -> str:
    """Register, start on the first day, and take everything in."""
    inputs: Sequence[tuple[str, dict[str, Any]]] = (
        (documents.KPI_REGISTER, documents.kpi(baseline=BASELINE)),
        (documents.KPI_REGISTER, documents.kpi("revenue", definition=_mean(), baseline=None)),
        (documents.KPI_REGISTER, documents.kpi("ttv", definition=_ttv(), direction="LOWER", baseline=None)),
        (documents.HYPOTHESIS_REGISTER, documents.hypothesis()),
        (documents.EXPERIMENT_REGISTER, documents.experiment(plan=_three_kpis())),
    )
    for document, given in inputs:
        (payload,) = (await ask(document, {"input": given}, now=start())).values()
        assert payload["userErrors"] == []
    identity: str = payload["experiment"]["id"]
    await ask(documents.EXPERIMENT_START, {"input": {"id": identity}}, now=start())
    crossing = [documents.exposure("both", key, _time(start() + timedelta(hours=1))) for key in ("control", "tour")]
    exposed = await ask(documents.EXPOSURES_INGEST, {"input": {"exposures": trial.exposures() + crossing}})
    happened = await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": trial.outcomes()}})
    assert exposed["exposuresIngest"]["report"]["rowErrors"] == []
    assert happened["outcomesIngest"]["report"]["rowErrors"] == []
    return identity


def _mean() -> dict[str, Any]:
    return {"mean": {"event": "paid", "windowDays": 7}}


def _ttv() -> dict[str, Any]:
    return {"timeToValue": {"event": "activated", "tauDays": 7}}


def _three_kpis() -> dict[str, Any]:
    kpis = [
        {"kpi": "activation", "role": "PRIMARY", "mde": {"difference": 0.1}},
        {"kpi": "revenue", "role": "GUARDRAIL", "margin": 5.0},
        {"kpi": "ttv", "role": "SECONDARY"},
    ]
    return documents.plan(kpis=kpis, segmentAttributes=["plan"])


async def refreshed(database: Database, ask: Ask, trial: Trial) -> dict[str, Any]:
    await run(ask, trial)
    await refresh_due(database)
    found = (await ask(RESULTS, {"key": "guided-tour"}))["experiment"]
    return dict(found)


async def test_results_name_their_plan_their_data_and_their_software(
    database: Database, ask: Ask, trial: Trial
) -> None:
    found = await refreshed(database, ask, trial)
    results = found["results"]
    assert results["planHash"] == hashlib.sha256(found["plan"]["canonicalJson"].encode()).hexdigest()
    assert results["softwareVersion"] == VERSION
    assert results["isPlanSealedBeforeData"] is True
    through, computed = (datetime.fromisoformat(results[name]) for name in ("dataThrough", "computedAt"))
    assert timedelta(0) <= datetime.now(UTC) - through < timedelta(minutes=1)
    assert computed.tzinfo == UTC


async def test_primary_finding_is_the_score_test_of_the_units_that_are_final(
    database: Database, ask: Ask, trial: Trial
) -> None:
    finding, *_ = (await refreshed(database, ask, trial))["results"]["findings"]
    treatment, control = (trial.final(trial.active, key) for key in ("tour", "control"))
    counts, sizes = (treatment.sum(), control.sum()), (len(treatment), len(control))
    z, p = proportions_ztest(counts, sizes)
    low, high = confint_proportions_2indep(counts[0], sizes[0], counts[1], sizes[1], method="newcomb")
    assert (finding["kpi"]["key"], finding["role"], finding["scale"]) == ("activation", "PRIMARY", "FRACTION")
    assert (finding["control"]["n"], finding["treatment"]["n"]) == (230, 210)
    assert (finding["control"]["open"], finding["treatment"]["open"]) == (30, 30)
    assert finding["control"]["value"] == pytest.approx(control.mean())
    assert finding["estimate"]["difference"] == pytest.approx(treatment.mean() - control.mean())
    assert finding["estimate"]["lift"] == pytest.approx(treatment.mean() / control.mean() - 1)
    assert finding["fixed"]["statistic"] == pytest.approx(z)
    assert finding["fixed"]["pValue"] == pytest.approx(p)
    assert finding["fixed"]["interval"] == pytest.approx({"lower": low, "upper": high, "level": 0.95})
    assert finding["pValue"] == finding["adjustedPValue"] == finding["fixed"]["pValue"]
    assert finding["correction"] == "HOLM"
    assert finding["interval"] == finding["fixed"]["interval"]
    assert finding["isSignificant"] is bool(p <= 0.05) is finding["isBetter"] is finding["isOver"] is True
    assert finding["reason"] is None


async def test_guardrail_finding_is_welchs_test_of_the_units_that_are_final(
    database: Database, ask: Ask, trial: Trial
) -> None:
    _, finding, _ = (await refreshed(database, ask, trial))["results"]["findings"]
    expected = stats.ttest_ind(trial.final(trial.paid, "tour"), trial.final(trial.paid, "control"), equal_var=False)
    interval = expected.confidence_interval()
    assert (finding["kpi"]["key"], finding["role"], finding["margin"]) == ("revenue", "GUARDRAIL", 5.0)
    assert finding["fixed"]["statistic"] == pytest.approx(expected.statistic)
    assert finding["fixed"]["pValue"] == pytest.approx(expected.pvalue)
    assert finding["fixed"]["interval"]["lower"] == pytest.approx(interval.low)
    assert finding["fixed"]["interval"]["upper"] == pytest.approx(interval.high)
    assert finding["breachesMargin"] is bool(interval.high < -5.0)


async def test_time_to_value_finding_has_curves_that_fall_with_what_happened(
    database: Database, ask: Ask, trial: Trial
) -> None:
    *_, finding = (await refreshed(database, ask, trial))["results"]["findings"]
    curves = finding["curves"]
    # Every activation lies exactly a day after exposure: the second period. The one look was before the last 30 came.
    share = trial.final(trial.active, "control").mean()
    assert (finding["kpi"]["key"], finding["scale"]) == ("ttv", "DAYS")
    assert (curves["of"], curves["days"]) == ("REACHED", list(range(1, 8)))
    assert curves["control"]["atRisk"][0] == 230
    assert curves["control"]["share"][0] == 0.0
    assert curves["control"]["share"][1] == pytest.approx(share)
    assert finding["isBetter"] is True


async def test_baseline_comparison_is_the_z_test_of_the_two_estimates(
    database: Database, ask: Ask, trial: Trial
) -> None:
    finding, other, _ = (await refreshed(database, ask, trial))["results"]["findings"]
    found, value = finding["baseline"], trial.final(trial.active, "tour").mean()
    error = np.hypot(finding["treatment"]["standardError"], 0.01)
    low, high = stats.norm.interval(0.95, loc=value - 0.4, scale=error)
    assert (found["value"], found["standardError"], found["n"], found["version"]) == (0.4, 0.01, 2_400, 1)
    assert found["isObservational"] is True
    assert found["difference"] == pytest.approx(value - 0.4)
    assert found["pValue"] == pytest.approx(2 * stats.norm.sf(abs(value - 0.4) / error))
    assert found["interval"] == pytest.approx({"lower": low, "upper": high, "level": 0.95})
    assert found["controlDifference"] == pytest.approx(trial.final(trial.active, "control").mean() - 0.4)
    assert other["baseline"] is None


async def test_sample_ratio_is_chi_square_of_the_units_and_crossovers_are_told(
    database: Database, ask: Ask, trial: Trial
) -> None:
    diagnostics = (await refreshed(database, ask, trial))["results"]["diagnostics"]
    expected = stats.chisquare([260, 240])
    srm = diagnostics["srm"]
    assert (diagnostics["exposed"], diagnostics["crossovers"]) == (500, 1)
    assert (srm["state"], srm["statistic"]) == ("OK", pytest.approx(expected.statistic))
    assert srm["pValue"] == pytest.approx(expected.pvalue)
    assert srm["sequentialPValue"] > 0.01
    assert srm["arms"] == [
        {"variant": {"key": "control"}, "observed": 260, "expected": 250.0},
        {"variant": {"key": "tour"}, "observed": 240, "expected": 250.0},
    ]


async def test_segments_split_the_units_by_their_attribute(database: Database, ask: Ask, trial: Trial) -> None:
    found = (await refreshed(database, ask, trial))["results"]["segmentFindings"]
    activation = {
        finding["segment"]["value"]: (finding["control"]["n"], finding["treatment"]["n"])
        for finding in found
        if finding["kpi"]["key"] == "activation"
    }
    teams = [sum(place % 3 == 0 for place in range(n)) for n in (230, 210)]
    assert activation == {"team": tuple(teams), "free": (230 - teams[0], 210 - teams[1])}
    assert {finding["role"] for finding in found} == {"SECONDARY"}


async def test_verdict_recommends_the_variant_that_won(database: Database, ask: Ask, trial: Trial) -> None:
    verdict = (await refreshed(database, ask, trial))["results"]["verdict"]
    assert (verdict["state"], verdict["rule"]) == ("SHIP", "PRIMARY_BETTER")
    assert "Tour" in verdict["sentence"]
    assert verdict["wouldChange"]
    assert verdict["variant"] == {"key": "tour"}
    told = {name: verdict[name] for name in ("state", "rule", "sentence")}
    assert verdict["standings"] == [told | {"variant": {"key": "tour"}}]


async def test_findings_tell_when_they_decided_and_whether_the_guardrail_is_kept(
    database: Database, ask: Ask, trial: Trial
) -> None:
    activation, revenue, _ = (await refreshed(database, ask, trial))["results"]["findings"]
    horizon = (start() + timedelta(days=14)).date().isoformat()
    assert (activation["decidedOn"], activation["readOn"], activation["nextLookOn"]) == (horizon, horizon, None)
    assert (revenue["decidedOn"], revenue["keepsMargin"], revenue["repeated"]) == (None, True, None)


async def test_look_that_was_published_before_verdicts_named_variants_is_told_word_for_word(
    database: Database, ask: Ask, trial: Trial
) -> None:
    before = await refreshed(database, ask, trial)
    await publish_due(database)
    kept = (
        '{"verdict":{"facts":[],"outlook":null,"rule":"FUTILE","sentence":"","state":"STOP_FUTILE","would_change":""}}'
    )
    async with database.write() as session:
        row = await session.get_one(Experiment, local_id("Experiment", before["id"]))
        look = PublishedLook(
            workspace_id=row.workspace_id,
            experiment_id=row.id,
            planned_on=start().date() + timedelta(days=7),
            plan_hash="",
            data_through=start(),
            software_version="0.0.1",
            verdict="STOP_FUTILE",
            rule="FUTILE",
            document=kept,
            document_hash=hashlib.sha256(kept.encode()).hexdigest(),
            published_at=start(),
        )
        session.add(look)
    told = (await ask(LOOKS % before["key"]))["experiment"]["publishedLooks"]
    old = {"verdict": "STOP_FUTILE", "rule": "FUTILE", "document": kept, "documentHash": look.document_hash}
    assert len(told) == 2  # beside that of today's software
    assert old in told


async def test_verdict_tells_the_numbers_behind_it(database: Database, ask: Ask, trial: Trial) -> None:
    results = (await refreshed(database, ask, trial))["results"]
    finding, *_ = results["findings"]
    facts = {fact["name"]: fact["value"] for fact in reversed(results["verdict"]["facts"])}  # those of the winner first
    assert facts["DIFFERENCE"] == finding["estimate"]["difference"]
    assert (facts["LOWER"], facts["UPPER"]) == (finding["interval"]["lower"], finding["interval"]["upper"])
    assert results["verdict"]["outlook"] is None
    assert finding["futility"] is None
    assert finding["progress"] > 0


async def test_checks_are_told_with_their_numbers(database: Database, ask: Ask, trial: Trial) -> None:
    diagnostics = (await refreshed(database, ask, trial))["results"]["diagnostics"]
    checks = {check["kind"]: check for check in diagnostics["checks"]}
    assert set(checks) >= {"SPLIT", "SEGMENT_SPLIT", "CROSSOVERS", "STALLED", "NO_OUTCOMES", "DRIFT"}
    assert checks["CROSSOVERS"]["state"] == "OK"
    facts = {(fact["name"], fact["about"]): fact["value"] for fact in checks["CROSSOVERS"]["facts"]}
    assert facts["SHARE", ""] == 1 / 501
    assert sorted(value for (name, _), value in facts.items() if name == "UNITS") == [0, 1]
    stalled = checks["STALLED"]["facts"]  # the last units came three days ago: two whole days without one
    assert checks["STALLED"]["state"] == "OK"
    assert {"name": "DAYS", "value": 2.0, "about": ""} in stalled
    # All of them came in long after their days were over, but on one day, as history does.
    assert checks["LATE_OUTCOMES"]["facts"] == [{"name": "SHARE", "value": 1.0, "about": ""}]
    assert (diagnostics["health"], {check["state"] for check in checks.values()}) == ("OK", {"OK"})


async def test_heterogeneity_is_cochrans_q_of_the_segments(database: Database, ask: Ask, trial: Trial) -> None:
    results = (await refreshed(database, ask, trial))["results"]
    found = {row["kpi"]["key"]: row for row in results["heterogeneity"]}
    assert set(found) == {"activation", "revenue", "ttv"}
    differences, variances = [], []
    for is_team in (True, False):
        arms = []
        for key in ("control", "tour"):
            values = trial.final(trial.active, key)
            arms.append(values[[(place % 3 == 0) == is_team for place in range(len(values))]])
        differences.append(arms[1].mean() - arms[0].mean())
        variances.append(sum(arm.var(ddof=1) / len(arm) for arm in arms))
    q = (differences[0] - differences[1]) ** 2 / sum(variances)
    row = found["activation"]
    assert (row["attribute"], row["segments"], row["variant"]["key"]) == ("plan", 2, "tour")
    assert row["q"] == pytest.approx(q)
    assert row["pValue"] == pytest.approx(stats.chi2.sf(q, 1))


async def test_series_has_one_entry_a_day_in_every_list_and_ends_with_the_finding(
    database: Database, ask: Ask, trial: Trial
) -> None:
    finding, *_ = (await refreshed(database, ask, trial))["results"]["findings"]
    series = finding["series"]
    assert {len(column) for column in series.values()} == {len(series["on"])}
    assert series["on"] == sorted(set(series["on"]))
    assert series["on"][-1] == today().date().isoformat()
    assert series["n"][-1] == 440
    assert series["difference"][-1] == pytest.approx(finding["estimate"]["difference"])


async def test_refresh_is_due_when_something_came_in_and_not_again(database: Database, ask: Ask, trial: Trial) -> None:
    await run(ask, trial)
    own = local_id("Experiment", (await ask('{ experiment(key: "guided-tour") { id } }'))["experiment"]["id"])
    assert own in await refresh_due(database)  # beside what other tests have left
    assert own not in await refresh_due(database)
    late = documents.outcome("tour-0", "activated", _time(start() + timedelta(days=2)))
    await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": [late]}})
    assert own in await refresh_due(database)
    unread = documents.outcome("tour-0", "looked around", _time(start() + timedelta(days=2)))
    await ask(documents.OUTCOMES_INGEST, {"input": {"outcomes": [unread]}})
    assert own not in await refresh_due(database)


async def test_experiment_started_in_the_past_says_that_its_plan_was_sealed_after_its_data(
    database: Database, ask: Ask, started: str
) -> None:
    assert started
    await refresh_due(database)
    results = (await ask(RESULTS, {"key": "guided-tour"}))["experiment"]["results"]
    assert results["isPlanSealedBeforeData"] is False


async def test_results_without_units_give_reasons_and_no_numbers(database: Database, ask: Ask, started: str) -> None:
    assert started
    await refresh_due(database)
    results = (await ask(RESULTS, {"key": "guided-tour"}))["experiment"]["results"]
    (finding,) = results["findings"]
    assert results["diagnostics"]["exposed"] == 0
    assert finding["reason"] == "INSUFFICIENT_DATA"
    answers = [finding[name] for name in ("pValue", "interval", "fixed", "alwaysValid", "adjustedPValue")]
    assert answers == [None] * 5
    assert finding["estimate"] == {"difference": None, "lift": None}
    assert finding["isSignificant"] is False
