"""Truths agree with rows: those of the sample, and large draws in which everybody is treated."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from api.sample import Company, Truth
from api.sample.kpis import KPIS
from api.sample.law import DEVICE_SHARES, NO_EFFECT, PLAN_SHARES, Effect, levels, over_cells
from api.sample.outcomes import EVENTS, act, in_time_order
from api.sample.population import Users
from api.sample.rows import Row
from api.sample.runs import RUNS
from api.sample.truths import LEVEL_OF, truths
from tests.api.sample.conftest import TODAY
from tests.api.sample.wire import DAY, Moments, event_of, moments, value_of, window_days

END = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
DEFINITIONS = {kpi["key"]: kpi["definition"] for kpi in KPIS}
TRUTHS = [pytest.param(truth, id=f"{truth.experiment}-{truth.kpi}-{truth.plan}") for truth in truths()]


def finals(rows: list[Row], truth: Truth) -> Iterator[Row]:
    """First exposures of units that met one variant and whose window has closed."""
    by_unit = defaultdict(list)
    for row in rows:
        if row["experiment"] == truth.experiment and truth.plan in (None, row["attributes"]["plan"]):
            by_unit[row["unit"]].append(row)
    for first, *others in by_unit.values():
        entry_day = first["exposedAt"].replace(hour=0, minute=0, second=0, microsecond=0)
        if not others and entry_day + (1 + window_days(DEFINITIONS[truth.kpi])) * DAY <= END:
            yield first


@pytest.fixture(scope="module")
def by_event(outcome_rows: list[Row]) -> dict[str, Moments]:
    return {event: moments(outcome_rows, event) for event in {event_of(each) for each in DEFINITIONS.values()}}


@pytest.mark.parametrize("truth", TRUTHS)
def test_difference_in_the_sample_is_within_4_standard_errors_of_the_truth(
    truth: Truth, exposure_rows: list[Row], by_event: dict[str, Moments]
) -> None:
    definition = DEFINITIONS[truth.kpi]
    rows_of = by_event[event_of(definition)]
    values = defaultdict(list)
    for row in finals(exposure_rows, truth):
        values[row["variant"]].append(value_of(definition, rows_of.get(row["unit"], []), row["exposedAt"]))
    control, treatment = np.array(values["control"]), np.array(values["treatment"])
    error = np.sqrt(control.var(ddof=1) / len(control) + treatment.var(ddof=1) / len(treatment))
    assert abs(treatment.mean() - control.mean() - truth.difference) < 4 * error


def newcomers(n: int, rng: np.random.Generator) -> Users:
    """Users of the law's shares who all sign up at the start, so that every window closes."""
    plan = rng.choice(3, n, p=PLAN_SHARES)
    return Users(
        account=np.zeros(n, dtype=np.int64),
        plan=plan,
        region=np.zeros(n, dtype=np.int64),
        device=rng.choice(2, n, p=DEVICE_SHARES),
        signed_up=np.full(n, 6.0),
        engagement=rng.standard_normal(n),
        visits=np.zeros(n),
    )


@pytest.mark.parametrize("effect", [NO_EFFECT, *(run.effect for run in RUNS if run.effect != NO_EFFECT)])
def test_large_draw_has_the_levels_of_the_law(effect: Effect) -> None:
    n, rng = 25_000, np.random.default_rng(20_261_122)
    users = newcomers(n, rng)
    log = in_time_order(act(users, levels(effect).of((users.plan, users.device)), rng))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for key, definition in DEFINITIONS.items():
        rows = defaultdict(list)
        chosen = (log.event == EVENTS.index(event_of(definition))) & (log.day < 6.0 + 16)
        for unit, day, value in zip(
            log.unit[chosen].tolist(), log.day[chosen].tolist(), log.value[chosen].tolist(), strict=True
        ):
            rows[unit].append((start + timedelta(days=day), value))
        values = np.array([value_of(definition, rows.get(unit, []), start + 6 * DAY) for unit in range(n)])
        expected = over_cells(LEVEL_OF[key](levels(effect)), None)
        assert abs(values.mean() - expected) < 4 * values.std(ddof=1) / np.sqrt(n), key


def test_truths_have_the_promised_signs(company: Company) -> None:
    true = {(truth.experiment, truth.kpi, truth.plan): truth.difference for truth in company.truths}
    assert true["guided-onboarding", "ttfv", None] < -0.7
    assert true["smart-templates", "activation-7d", "team"] > 0.1
    assert true["smart-templates", "activation-7d", "free"] == 0
    assert true["checklist-nudge", "activation-7d", None] > 0.03
    assert true["checklist-nudge", "retention-d7", None] > 0.01
    nothing = [truth for truth in company.truths if truth.experiment in ("weekly-digest", "new-editor")]
    assert len(nothing) == 12
    assert all(truth.difference == 0 for truth in nothing)


def test_truth_of_all_plans_is_the_average_of_the_plans(company: Company) -> None:
    of = {
        truth.plan: truth.difference
        for truth in company.truths
        if (truth.experiment, truth.kpi) == ("smart-templates", "activation-7d")
    }
    shares = dict(zip(("free", "team", "business"), PLAN_SHARES, strict=True))
    assert of[None] == pytest.approx(sum(shares[plan] * of[plan] for plan in shares))


def test_sentence_says_size_unit_and_segment(company: Company) -> None:
    sentences = {(truth.experiment, truth.kpi, truth.plan): truth.sentence for truth in company.truths}
    assert sentences["guided-onboarding", "ttfv", None] == "guided-onboarding changes ttfv by -0.85 days."
    assert sentences["weekly-digest", "retention-d7", None] == "weekly-digest does nothing to retention-d7."
    assert sentences["smart-templates", "activation-7d", "team"].endswith("percentage points on the team plan.")
    assert sentences["new-editor", "ttfv", None].endswith("so no difference of it can be trusted.")
