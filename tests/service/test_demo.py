"""The demo as a command: it loads once, keeps its data, finds the truth, and survives being killed."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from typing import Any

import pytest

from api import sample
from tests.service.running import Service, start_demo, wait_until_ready

COUNTS = "{ experiments { nodes { key results { diagnostics { exposed crossovers } } } } }"


def results(service: Service, key: str) -> Any:
    query = f"""{{ experiment(key: "{key}") {{ results {{ verdict {{ state rule }} isPlanSealedBeforeData
        findings {{ kpi {{ key }} role isBetter estimate {{ difference }} fixed {{ interval {{ lower upper }} }} }}
        segmentFindings {{ kpi {{ key }} segment {{ attribute value }} fixed {{ interval {{ lower upper }} }} }}
    }} }} }}"""
    found: Any = service.ask(query)["experiment"]
    return found["results"]


@pytest.mark.parametrize(
    ("key", "state", "rule"),
    [
        ("guided-onboarding", "SHIP", "PRIMARY_BETTER"),
        ("smart-templates", "SHIP", "PRIMARY_BETTER"),
        ("weekly-digest", "INCONCLUSIVE", "NO_LOOK_LEFT"),
        ("new-editor", "INVALID", "BROKEN_SPLIT"),
        ("checklist-nudge", "KEEP_RUNNING", "UNDECIDED"),
    ],
)
def test_verdict_is_what_the_simulated_truth_deserves(demo: Service, key: str, state: str, rule: str) -> None:
    found = results(demo, key)
    assert found["verdict"] == {"state": state, "rule": rule}
    assert found["isPlanSealedBeforeData"]


def test_link_for_a_member_leads_to_the_port_it_is_served_on(demo: Service) -> None:
    document = """mutation { memberInvite(input: { email: "new@example.org", name: "New", role: VIEWER }) { link } }"""
    found: Any = demo.ask(document, key=demo.admin_key)
    assert str(found["memberInvite"]["link"]).startswith(f"{demo.address}/sign-in/link?token=")


def test_fixed_intervals_cover_the_truths_as_often_as_they_promise(demo: Service) -> None:
    """Of the primary and informing comparisons of sound experiments, at most a few may miss at 95 %."""
    truths = {
        (truth.experiment, truth.kpi): truth.difference
        for truth in sample.simulate(today=datetime.now(UTC).date()).truths
        if truth.plan is None and truth.experiment != "new-editor"
    }
    misses, asked = [], 0
    for key in {experiment for experiment, _ in truths}:
        for finding in results(demo, key)["findings"]:
            truth = truths.get((key, finding["kpi"]["key"]))
            if truth is None or finding["fixed"] is None:
                continue
            asked += 1
            interval = finding["fixed"]["interval"]
            if not interval["lower"] <= truth <= interval["upper"]:
                misses.append((key, finding["kpi"]["key"]))
    assert asked >= 10
    assert len(misses) <= 3, misses  # P(more than 3 of 14 at 5 %) is below 0.005


def counts(service: Service) -> dict[str, dict[str, int]]:
    """By experiment, how many units met one variant, and how many two."""
    found: Any = service.ask(COUNTS)["experiments"]
    return {one["key"]: one["results"]["diagnostics"] for one in found["nodes"]}


def drawn() -> dict[str, dict[str, int]]:
    """The same of the rows that the company is drawn with, which but for their days are alike on all days."""
    met: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in sample.exposures(sample.simulate(today=date(2026, 11, 22))):
        met[row["experiment"]][row["unit"]].add(row["variant"])
    sizes = {key: Counter(map(len, units.values())) for key, units in met.items()}
    return {key: {"exposed": found[1], "crossovers": found[2]} for key, found in sizes.items()}


def test_killed_while_loading_the_next_start_loads_the_rest_once(demo: Service) -> None:
    assert counts(demo) == drawn()


def test_next_start_is_warm_and_keeps_data_and_keys(demo: Service) -> None:
    before, key = counts(demo), demo.read_key
    assert demo.end() == 0
    again = start_demo(demo.data_dir)
    demo.process, demo.address = again.process, again.address  # those who come after ask this one
    wait_until_ready(demo)
    assert (counts(demo), demo.read_key) == (before, key)
