"""What the questions to a series promise is counted, and a question that breaks its promise is told."""

from dataclasses import replace

import numpy as np
import pytest

from stats.calibration import series
from stats.calibration.series import Found, Question

BY_NAME = {(question.name, question.world.name): question for question in series.QUESTIONS}
DRIFT = BY_NAME["Drift, 48 periods", "constant"]


@pytest.mark.parametrize("question", series.QUESTIONS, ids=lambda question: f"{question.name}, {question.world.name}")
def test_each_question_keeps_its_promises(question: Question) -> None:
    assert series.row(question, np.random.default_rng(17), replicates=60 * series.PART).failures == ()


def test_a_rule_that_always_calls_never_finds_or_misses_breaks_its_promises() -> None:
    always, never = np.ones(50, dtype=bool), np.zeros(50, dtype=bool)
    spoilt = replace(DRIFT, ask=lambda *_: Found(false=always, power=never, missed=always))
    found = series.row(spoilt, np.random.default_rng(1), replicates=50 * series.PART)
    assert found.failures == ("false alarms", "power", "coverage")


def test_what_is_counted_are_shares_of_the_replicates_drawn() -> None:
    half = np.arange(40) < 10
    counted = replace(DRIFT, ask=lambda *_: Found(false=half, power=~half, missed=None))
    found = series.row(counted, np.random.default_rng(1), replicates=40 * series.PART)
    assert found.false_alarms is not None
    assert (found.false_alarms.value, found.power.value, found.coverage) == (0.25, 0.75, None)


def test_worlds_are_as_they_say() -> None:
    draw = np.random.default_rng(3)
    tied = series.TIED.drawn(draw, 4000, 12)
    assert np.corrcoef(tied[:, 5], tied[:, 6])[0, 1] == pytest.approx(0.6, abs=0.04)
    assert tied.var(axis=0) == pytest.approx(1 / (1 - 0.6**2), rel=0.12)
    assert np.diff(series.TREND.drawn(draw, 1, 5)) == pytest.approx(0.4)
    assert series.WALK.drawn(draw, 4000, 9)[:, 8].var() == pytest.approx(9, rel=0.12)
