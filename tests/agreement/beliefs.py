"""What to believe about a difference, and about winners."""

from collections.abc import Callable

import numpy as np

from stats import bayes, shrinkage
from tests.agreement.checks import CLOSED, Answer, Check
from tests.agreement.inputs import load


def posterior() -> Answer:
    effects = load()["effects"]
    prior = bayes.Prior(mean=0.1, variance=0.09)
    found = bayes.read_out(effects["difference"], effects["variance"], prior=prior, alpha=0.05)
    return {part: getattr(found, part) for part in ("mean", "variance", "chance_to_beat_control", "loss_if_kept")}


def winners() -> Answer:
    found = shrinkage.given_significance([2.05, 2.8, 4.5], np.ones(3), bar=1.96, alpha=0.05)
    return {part: getattr(found, part) for part in ("estimate", "lower", "upper")}


def check(answer: str, ours: Callable[[], Answer], *covers: str) -> Check:
    return Check(source="R beliefs", answer=answer, covers=covers, ours=ours, tolerance=CLOSED)


CHECKS = (
    check("posterior", posterior, "bayes.read_out"),
    check("winner", winners, "shrinkage.given_significance"),
)
