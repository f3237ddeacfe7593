"""The numbers that we and every other implementation are asked about: drawn once, then kept in `inputs.json`.

    python -m tests.agreement.inputs

draws them anew. They are kept because a generator's stream may change with numpy, and because R reads them too.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.stats.freireich import DRUG_STATUS, DRUG_WEEKS, PLACEBO_STATUS, PLACEBO_WEEKS

FILE = Path(__file__).with_name("inputs.json")
SEED = 20261122
DAYS = 20


@cache
def load() -> dict[str, Any]:
    """What `inputs.json` holds."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def draw() -> dict[str, Any]:
    """All inputs anew, of a few decimals each, so that text holds them exactly."""
    rng = np.random.default_rng(SEED)
    return {
        "units": [arm(rng, n, level) for n, level in ((40, 10.0), (55, 11.5))],
        "matched": [arm(rng, n, level, matched=True) for n, level in ((60, 10.0), (45, 11.5))],
        "shares": {
            "control": [[48, 80], [3, 10], [1, 9], [240, 2000], [850, 1000], [0, 25], [17, 400], [5, 56]],
            "treatment": [[56, 70], [9, 10], [6, 8], [310, 2100], [838, 990], [4, 30], [2, 390], [1, 29]],
            "nulls": [0.1, 0.2, -0.15, 0.02, -0.05, 0.05, -0.1, 0.0],
        },
        "freireich": [
            {"time": DRUG_WEEKS, "status": DRUG_STATUS},
            {"time": PLACEBO_WEEKS, "status": PLACEBO_STATUS},
        ],
        "staggered": [staggered(rng, hazard) for hazard in (0.08, 0.11)],
        "experiments": [
            {"estimate": [0.21, 0.48, 0.11, 0.62], "variance": [0.01, 0.02, 0.01, 0.04]},
            {"estimate": [0.02, -0.01, 0.03, 0.0, 0.012, 0.041], "variance": [1e-4, 2e-4, 4e-4, 1e-4, 9e-4, 3e-4]},
            {"estimate": [1.9, -2.2, 0.4, 3.1, 0.9], "variance": [0.5, 0.2, 0.9, 0.4, 0.05]},
        ],
        "p_values": rounded(rng.uniform(0, 1, 12) ** 3),
        "log_e": rounded(rng.normal(1.5, 2.0, 12)),
        "counts": {"observed": [[5100, 4900, 5000], [121, 80, 99], [40, 61, 25]], "weights": [2, 2, 1]},
        "daily_counts": [[520, 480], [560, 440], [505, 515], [700, 610]],
        "daily_shares": {
            "control": [[3, 40], [4, 40], [2, 35], [6, 50], [1, 20]],
            "treatment": [[9, 40], [7, 40], [5, 35], [12, 52], [4, 21]],
        },
        "fractions": [[0.2, 0.4, 0.6, 0.8, 1.0], [0.5, 1.0], [0.1, 0.35, 0.5, 0.9, 1.0], [0.25, 0.5, 0.75, 1.0]],
        "effects": {
            "difference": [0.4, -0.12, 0.03, 0.9],
            "variance": [0.01, 0.004, 0.0005, 0.25],
            "n": [400, 900, 7000, 120],
        },
    }


def arm(rng: np.random.Generator, n: int, level: float, *, matched: bool = False) -> dict[str, Any]:
    """Units of one arm: value, covariate, numerators and denominators now and before, cluster and stratum.

    Where matched, the covariate's mean is exactly 4 in every arm.
    """
    covariate = rng.gamma(2.0, 2.0, n).round(4)
    if matched:
        covariate[-1] += 4 * n - covariate.sum()
    views, before = rng.poisson(8, n) + 1, rng.poisson(7, n) + 1
    return {
        "value": rounded(level + 0.6 * covariate + rng.normal(0, 1.5, n)),
        "covariate": rounded(covariate),
        "clicks": rng.binomial(views, 0.02 * level).tolist(),
        "views": views.tolist(),
        "clicks_before": rng.binomial(before, 0.2).tolist(),
        "views_before": before.tolist(),
        "cluster": np.sort(rng.integers(1, 9, n)).tolist(),
        "stratum": (rng.permutation(n) % 3 + 1).tolist(),
    }


def staggered(rng: np.random.Generator, hazard: float, size: int = 9) -> dict[str, Any]:
    """Units entering on days 0 to 19, with the day of their event or loss, or of the end of the watch."""
    entry = np.repeat(np.arange(DAYS), size)
    watched = DAYS - entry
    event, loss = rng.geometric(hazard, entry.size), rng.geometric(0.02, entry.size)
    end = np.minimum(np.minimum(event, loss), watched)
    return {"entry": entry.tolist(), "time": end.tolist(), "status": (event == end).astype(int).tolist()}


def rounded(values: Any) -> list[float]:
    """Six decimals."""
    return [round(float(value), 6) for value in values]


if __name__ == "__main__":
    FILE.write_text(json.dumps(draw()) + "\n", encoding="utf-8")
