"""Public functions of `stats` that no other implementation is asked about, each with the reason.

A name stands for a function, or with a dot at its end for a whole package. What is compared elsewhere says where.
"""

from collections.abc import Mapping

PART = "a step of what is compared, with no answer of its own"
OURS = "a rule of this product, which nobody else has; plain arithmetic in tests/stats"

REASONS: Mapping[str, str] = {
    "calibration.": "draws experiments and counts errors of the functions that are compared",
    "arrays.at_least": PART,
    "arrays.divide": PART,
    "arrays.numbers": PART,
    "results.reason_codes": PART,
    "results.reason_of": PART,
    "distributions.level_of": PART,
    "distributions.times_log": "0 log 0 is 0: a convention, held in tests/stats",
    "design.normal.bar": PART,
    "design.normal.distance": PART,
    "design.normal.positive": PART,
    "design.normal.spread": PART,
    "design.plan.best_ratio": "the square root of the number of treatments (Dunnett 1955)",
    "design.plan.shared_alpha": "Bonferroni's division",
    "design.policy.fixed": "one look: a factor of one",
    "design.policy.always_valid_at": "as always_valid_design, whose bars are those of the kernel, which is compared",
    "design.policy.always_valid_design": "the bars of design.policy.always_valid, which is compared",
    "design.proportions.non_inferiority_mde": "the root of non_inferiority_power, which is compared",
    "design.rmst.days": "the first day with enough of unit_variance, which is compared",
    "discovery.calibrated": "1 / sqrt(p) - 1, one on average over uniform p in tests/stats/test_discovery.py",
    "discrimination.": "scipy's mannwhitneyu and DeLong's kernel pair by pair, in tests/stats/test_discrimination.py",
    "interaction.": "statsmodels' least squares with an interaction, HC2, in tests/stats/test_interaction.py",
    "ladder.": "statsmodels, Deming, scipy and James-Stein, in tests/stats/test_ladder_*.py, and simulation",
    "meta.scatter": "Q and I2 of meta.pool, which are compared",
    "methods.get": "looks a name up",
    "methods.cuped.lift": "compared in test_third_opinion.py, where gbstats drops a term",
    "methods.cuped.residual": PART,
    "methods.lin.lift": "lift.relative of means that are compared; its gradient by differences in tests/stats",
    "methods.proportions.wilson": "the limits that Newcombe's interval, which is compared, is made of",
    "methods.ratio.as_mean": PART,
    "methods.ratio_cuped.lift": "lift.relative of means that are compared; simulated in tests/stats",
    "methods.successes.successes": PART,
    "sequential.conditional.power": "compared with rpact's getConditionalPower in tests/stats/test_conditional.py",
    "sequential.group_sequential.clocks": PART,
    "sequential.group_sequential.growing": PART,
    "sequential.recursion.": "the integral below boundaries, adjusted and stopping, which are compared",
    "sequential.roots.root_of": PART,
    "distributions.f_tail": "below series.season.effects, which statsmodels is asked about in tests/stats/series",
    "series.": "statsmodels, scipy, a paper or a recount in tests/stats/series, where each is named",
    "sequential.regression.tuning": "planned n over the kernel's tuning, which is compared",
    "survival.counts.by_snapshot": "life_table's counts, which are compared; held against them in tests/stats",
    "survival.rmst.between": PART,
    "sequential.staggered.log_rank_evidence": "the kernel on log_rank_by_day; both are compared",
    "sequential.staggered.merged": OURS,
    "srm.concentration_for": OURS,
    "survival.kaplan_meier.unwatched": PART,
    "survival.returns.estimate": "a recount in pandas with statsmodels' Wilson limits, in tests/stats/test_returns.py",
    "survival.logrank.reasons": PART,
}


def exception_of(function: str) -> str | None:
    """The exception that a function falls under, or None."""
    return next((name for name in REASONS if function == name or _is_within(function, name)), None)


def _is_within(function: str, name: str) -> bool:
    return name.endswith(".") and function.startswith(name)
