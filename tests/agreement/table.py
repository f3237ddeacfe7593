"""All checks, and what they measure, as the table of docs/statistics.md.

python -m tests.agreement.table          prints it, and our functions that nobody else was asked about, with why
python -m tests.agreement.table --keep   asks the sources first, and keeps their answers
"""

import argparse
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from itertools import groupby

import stats
from tests.agreement import beliefs, faces, means, planning, plans, questions, sequential, shares, survival
from tests.agreement.checks import Answer, Check, distance
from tests.agreement.sources import SOURCES, Absent
from tests.agreement.uncompared import REASONS, exception_of

AREAS = (means, shares, survival, questions, sequential, planning, plans, beliefs, faces)
CHECKS: tuple[Check, ...] = tuple(check for area in AREAS for check in area.CHECKS)


FUNCTIONS = {
    **dict.fromkeys(("welch", "welch_null", "non_inferiority"), "R: `t.test`"),
    **dict.fromkeys(("cuped", "cuped_even", "ratio_cuped"), "R: `lm`"),
    **dict.fromkeys(("post_stratification", "lin"), "estimatr: `difference_in_means`, `lm_lin`"),
    "clusters_cr0": "sandwich: `vcovCL`",
    "clusters_cr2": "clubSandwich: `vcovCR`, `coef_test`",
    "clusters_cr2_estimatr": "estimatr: `lm_robust`",
    "ratio": "sandwich: `vcovHC`",
    "fieller": "R: `polyroot`",
    **dict.fromkeys(("ranks", "quantile"), "R: `qbinom`, `quantile`"),
    "proportions": "R: `prop.test`",
    **dict.fromkeys(("newcombe", "agresti_caffo"), "Epi: `ci.pd`"),
    "miettinen_nurminen": "rpact: its restricted likelihood, `uniroot`",
    **dict.fromkeys(("fisher", "mid_p"), "R: `fisher.test`, `dhyper`"),
    "srm": "R: `chisq.test`",
    **{f"kaplan_meier_{arm}": "survival: `survfit`" for arm in ("drug", "placebo")},
    **{f"quantiles_{arm}": "survival: `quantile.survfit`" for arm in ("drug", "placebo")},
    **dict.fromkeys(("share_by", "share_test"), "survival: `survfit`"),
    **dict.fromkeys(("rmst", "rmst_difference", "staggered_rmst"), "survival: `summary.survfit`, rmean"),
    **dict.fromkeys(
        ("log_rank", "staggered_pooled", "staggered_by_entry", "staggered_by_five"), "survival: `survdiff`"
    ),
    **dict.fromkeys(("cox", "cox_strata"), "survival: `coxph`, Efron's ties"),
    **{f"pool_{i}": "metafor: `rma` (FE, DL, REML, Knapp & Hartung), `predict`" for i in (1, 2, 3)},
    **dict.fromkeys(("holm", "hochberg", "BH", "BY", "e_bh"), "R: `p.adjust`"),
    **{
        f"{bars}_{spending}": "rpact: `getDesignGroupSequential`"
        for bars in ("boundaries", "upper_boundaries")
        for spending in ("obrien_fleming", "pocock", "hwang_shih_decani")
    },
    **dict.fromkeys(("classical", "futility_1", "futility_4"), "rpact: `getDesignGroupSequential`"),
    "inflation": "rpact: `getDesignCharacteristics`",
    **dict.fromkeys(("power_one_sided", "power_two_sided"), "rpact: `getPowerAndAverageSampleNumber`"),
    "always_valid": "rpact: `getGroupSequentialProbabilities`",
    "adjusted": "rpact: `getFinalPValue`, `getFinalConfidenceInterval`",
    "repeated_interval": "rpact: `getRepeatedConfidenceIntervals`",
    **dict.fromkeys(("shares", "mde"), "R: `power.prop.test`"),
    "means": "R: `power.t.test`",
    **dict.fromkeys(("shares_uneven", "non_inferior_shares"), "rpact: `getSampleSizeRates`"),
    "normal": "rpact: `getSampleSizeMeans`",
    "events": "rpact: `getSampleSizeSurvival`",
    "power": "rpact: `getPowerMeans`, `getPowerRates`, `getPowerSurvival`",
    **dict.fromkeys(("overrun", "underrun", "repeated_p", "size", "wedge_of_two"), "R: `integrate`, `uniroot`"),
    "wedge": "rpact: `getDesignGroupSequential`",
    "few_units": "R: `power.t.test`",
    **dict.fromkeys(("normal_mde", "events_mde"), "R: its distributions, `uniroot`"),
    **dict.fromkeys(("events_by_day", "duration"), "R: units counted day by day"),
    "factors": "R: `lm`, a covariance matrix",
    "histogram": "R: `findInterval`, `tabulate`",
    "cap": "R: `quantile`",
    "moments": "R: `mean`, `cov`",
    "e_found": "R: `p.adjust`",
    **dict.fromkeys(("mixture_evidence", "one_sided_evidence", "one_sided_width", "posterior"), "R: `integrate`"),
}
"""What R was asked with; where nothing is named, its distributions."""


def public_functions() -> Iterator[str]:
    """Every function of `stats` whose name has no underscore, and the constructors of its values."""
    for found in pkgutil.walk_packages(stats.__path__, "stats."):
        module = importlib.import_module(found.name)
        place = found.name.removeprefix("stats.")
        for name, made in inspect.getmembers(module):
            if getattr(made, "__module__", None) != found.name or name.startswith("_"):
                continue
            if inspect.isfunction(made):
                yield f"{place}.{name}"
            elif inspect.isclass(made) and hasattr(made, "from_values"):
                yield f"{place}.{name}.from_values"


def uncompared() -> list[str]:
    """The public functions that no check covers."""
    return sorted(set(public_functions()) - {name for check in CHECKS for name in check.covers})


def rows() -> Iterator[str]:
    """One row for our modules and what they are compared with."""
    yield "| of `stats/` | compared with | largest relative difference | at most |"
    yield "|---|---|---|---|"
    for (ours, theirs, tolerance), checks in groupby(sorted(CHECKS, key=_place), key=_place):
        apart = max(max(distance(check.ours(), _kept(check)).values()) for check in checks)
        yield f"| {ours} | {theirs} | {apart:.1e} | {tolerance:.0e} |"


def _place(check: Check) -> tuple[str, str, float]:
    modules = sorted({name.removesuffix(".from_values").rpartition(".")[0] for name in check.covers})
    return ", ".join(f"`{module}`" for module in modules), _theirs(check), check.tolerance


def _theirs(check: Check) -> str:
    """Who answered, in which version, by which function."""
    versions: dict[str, str] = SOURCES[check.source].kept()["versions"]
    if not check.source.startswith("R "):
        return f"{check.source} {versions[check.source]}"
    package, _, function = FUNCTIONS.get(check.answer, "R: its distributions, `uniroot`").partition(": ")
    return f"{package} {versions[package]}: {function}" if package != "R" else f"R {versions['R']}: {function}"


def _kept(check: Check) -> Answer:
    found: Answer = SOURCES[check.source].kept()["answers"][check.answer]
    return found


def _named(source: str) -> str:
    versions = SOURCES[source].kept()["versions"]
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def keep() -> None:
    """Ask every source that is here, and keep what it answers."""
    for name, source in SOURCES.items():
        try:
            source.file.write_text(json.dumps(source.asked(), indent=1) + "\n", encoding="utf-8")
        except Absent as absent:
            show(f"{name}: {absent}")


def show(line: str) -> None:
    """Print."""
    print(line)  # noqa: T201 - a table is printed


def main() -> None:
    """Keep, if asked to, and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keep", action="store_true")
    if arguments.parse_args().keep:
        keep()
    for line in rows():
        show(line)
    for name in uncompared():
        show(f"Not compared: {name} ({REASONS.get(exception_of(name) or '', 'no reason is given')})")


if __name__ == "__main__":
    main()
