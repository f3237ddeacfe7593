"""What the experiments on one hypothesis say together: pooled estimates, multiplied evidence, and a status by rules.

Pure. Each experiment contributes one comparison with control on the hypothesis's KPI, of the first variant in its plan
that is not control: one variant, named before the data, for the best of several would be chosen by its luck. The
estimate is the plain one of its reading. Weighted by its information it is right on average also where a test stopped
early, and corrected ones would bias the pool (Schou & Marschner 2013, Statistics in Medicine 32). Comparisons with a
baseline are not randomised and have no part in this.

The first of these rules that holds gives the status; alpha is shared by both directions evenly.

1. NOTHING_OVER    OPEN          no experiment counts yet
2. CONTRADICTION   INCONCLUSIVE  the evidence is strong both for the stated direction and for the other one
3. EVIDENCE        either        the product of e-values reaches 2 / alpha in one direction
4. OWN_TEST        either        there is one experiment, and the test it was planned with has found a difference
5. POOLED          either        there are more, and the pooled interval leaves out zero
6. TOO_SMALL       REFUTED       the interval ends short of the smallest effect any of the plans called worth having
7. NOTHING_SHOWN   INCONCLUSIVE  anything else

Rule 3 holds its error rate however often it is read and whyever an experiment was added (ter Schure & Grunwald 2022);
rules 4 to 6 hold theirs for the experiments at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, isfinite, log

import numpy as np

from experiments.enums import Status
from experiments.inference.findings import Finding, number
from stats import discovery, meta
from stats.distributions import critical_z
from stats.lift import LOG_BELOW
from stats.results import Interval, Reason
from stats.sequential import confidence_sequence

ALPHA = 0.05
"""Of a hypothesis, both directions together."""
BAR = log(2 / ALPHA)
"""The logarithm of the e-value that settles a direction."""
LARGEST_LOG = 700.0
"""exp() of more is no float."""


class Rule(StrEnum):
    """The rule that gave the status."""

    NOTHING_OVER = "NOTHING_OVER"
    CONTRADICTION = "CONTRADICTION"
    EVIDENCE = "EVIDENCE"
    OWN_TEST = "OWN_TEST"
    POOLED = "POOLED"
    TOO_SMALL = "TOO_SMALL"
    NOTHING_SHOWN = "NOTHING_SHOWN"


class Standing(StrEnum):
    """Whether an experiment counts for the status, or why it does not."""

    COUNTS = "COUNTS"
    RUNNING = "RUNNING"
    BROKEN_SPLIT = "BROKEN_SPLIT"
    EXPLORATORY = "EXPLORATORY"
    OTHER_DEFINITION = "OTHER_DEFINITION"
    NO_ANSWER = "NO_ANSWER"


class Model(StrEnum):
    """What a pooled estimate takes experiments to have in common."""

    ONE = "ONE"
    COMMON = "COMMON"
    RANDOM = "RANDOM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One experiment's part. `finding` is its reading of the hypothesis's KPI, `planned_*` are from the sealed plan."""

    experiment: str
    experiment_id: int
    finding: Finding
    definition_version: int
    planned_effect: float | None  # the smallest worth having, without a sign
    planned_information: float | None
    is_over: bool  # its deciding test is, or measuring is
    is_split_broken: bool
    is_exploratory: bool
    is_sealed_before_data: bool

    @property
    def n(self) -> int:
        """Units counted in both variants."""
        return self.finding.control.n + self.finding.treatment.n

    @property
    def has_answer(self) -> bool:
        """Whether there is an estimate with an error: neither is zero, unknown or without bounds, or read too early."""
        error = self.finding.standard_error
        if self.finding.reason is Reason.BEFORE_END:
            return False
        return self.finding.difference is not None and error is not None and 0 < error < inf

    @property
    def log_ratio(self) -> tuple[float, float] | None:
        """The logarithm of treatment over control and its variance; None unless both levels are well above zero."""
        control, treatment = self.finding.control, self.finding.treatment
        levels = [(arm.value, arm.standard_error) for arm in (control, treatment)]
        known = [(value, error) for value, error in levels if value is not None and error is not None and value > 0]
        spreads = [(error / value) ** 2 for value, error in known]
        if len(known) < len(levels) or not 0 < sum(spreads) < inf or critical_z(ALPHA) ** 2 * max(spreads) > LOG_BELOW:
            return None
        return log(known[1][0]) - log(known[0][0]), sum(spreads)

    def log_e_value(self, sign: int) -> float | None:
        """The logarithm of the evidence that the effect has this sign, against none and the opposite.

        None where nothing was planned to tune it to, or with too few units for always-valid inference.
        """
        finding, information = self.finding, self.planned_information
        if finding.always_valid is None or finding.difference is None or finding.standard_error is None:
            return None
        if information is None:
            return None
        tau2 = confidence_sequence.mixture_variance(1 / information, ALPHA)
        found = confidence_sequence.one_sided_log_e_value(
            sign * finding.difference, finding.standard_error**2, tau2=tau2
        )
        return number(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """The estimates of several experiments as one, with the limits at 1 - alpha.

    Of one experiment it is the finding's own, with the interval and p-value its policy allows. For a lift, estimate and
    limits are lifts, while `standard_error` and both tau2 are of the logarithm of the ratio. `weights` are shares, in
    the order of the experiments that are pooled.
    """

    model: Model
    k: int
    estimate: float
    standard_error: float
    interval: Interval | None
    p_value: float | None
    q: float | None = None
    q_p_value: float | None = None
    i2: float | None = None
    tau2: float | None = None
    tau2_dersimonian_laird: float | None = None
    prediction: Interval | None = None
    experiments: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of a hypothesis, from all of its experiments."""

    status: Status
    rule: Rule
    sentence: str
    contributions: tuple[Contribution, ...]
    standings: tuple[Standing, ...]
    difference: Pooled | None
    lift: Pooled | None
    log_e_value: float | None
    log_e_value_against: float | None


def gather(contributions: Sequence[Contribution], *, sign: int) -> Evidence:
    """Put contributions together, whatever their order. `sign` is +1 where the KPI is expected to rise, else -1."""
    ordered = sorted(contributions, key=lambda part: part.experiment)
    standings = _standings(ordered)
    counting = [part for part, standing in zip(ordered, standings, strict=True) if standing is Standing.COUNTS]
    difference = _pooled_differences(counting)
    supporting, opposing = (_product(counting, way) for way in (sign, -sign))
    status, rule = _judged(counting, difference, supporting, opposing, sign)
    return Evidence(
        status=status,
        rule=rule,
        sentence=_sentence(status, rule, counting, standings, sign),
        contributions=tuple(ordered),
        standings=tuple(standings),
        difference=difference,
        lift=_pooled_lifts(counting),
        log_e_value=supporting,
        log_e_value_against=opposing,
    )


# --- what counts -----------------------------------------------------------------------------------------------------


def _standings(parts: Sequence[Contribution]) -> list[Standing]:
    alone = [standing(part) for part in parts]
    sound = [part.definition_version for part, found in zip(parts, alone, strict=True) if found is Standing.COUNTS]
    newest = max(sound, default=0)
    return [
        Standing.OTHER_DEFINITION if found is Standing.COUNTS and part.definition_version < newest else found
        for part, found in zip(parts, alone, strict=True)
    ]


def standing(part: Contribution) -> Standing:
    """Whether an experiment counts by itself, whatever others there are."""
    if part.is_split_broken:
        return Standing.BROKEN_SPLIT
    if part.is_exploratory:
        return Standing.EXPLORATORY
    if not part.is_over:
        return Standing.RUNNING
    return Standing.COUNTS if part.has_answer else Standing.NO_ANSWER


# --- together --------------------------------------------------------------------------------------------------------


def _product(counting: Sequence[Contribution], sign: int) -> float | None:
    """The logarithm of the product of independent e-values; of those that exist."""
    logs = [found for part in counting if (found := part.log_e_value(sign)) is not None]
    return float(discovery.product(logs)) if logs else None


def _pooled_differences(counting: Sequence[Contribution]) -> Pooled | None:
    if len(counting) == 1:
        return _alone(counting[0])
    rows = [
        (part.experiment, part.finding.difference or 0.0, (part.finding.standard_error or inf) ** 2)
        for part in counting
    ]
    return _pooled(rows)


def _pooled_lifts(counting: Sequence[Contribution]) -> Pooled | None:
    rows = [(part.experiment, *found) for part in counting if (found := part.log_ratio) is not None]
    pooled = _pooled(rows)
    if pooled is None:
        return None
    return Pooled(
        model=pooled.model,
        k=pooled.k,
        estimate=_lift(pooled.estimate),
        standard_error=pooled.standard_error,
        interval=_lifts(pooled.interval),
        p_value=pooled.p_value,
        q=pooled.q,
        q_p_value=pooled.q_p_value,
        i2=pooled.i2,
        tau2=pooled.tau2,
        tau2_dersimonian_laird=pooled.tau2_dersimonian_laird,
        prediction=_lifts(pooled.prediction),
        experiments=pooled.experiments,
        weights=pooled.weights,
    )


def _alone(part: Contribution) -> Pooled:
    return Pooled(
        model=Model.ONE,
        k=1,
        estimate=part.finding.difference or 0.0,
        standard_error=part.finding.standard_error or inf,
        interval=part.finding.interval,
        p_value=part.finding.p_value,
        experiments=(part.experiment,),
        weights=(1.0,),
    )


def _pooled(rows: Sequence[tuple[str, float, float]]) -> Pooled | None:
    """Rows of experiment, estimate and variance as one."""
    if not rows:
        return None
    names, estimates, variances = zip(*rows, strict=True)
    found = meta.pool(estimates, variances, alpha=ALPHA)
    k = len(rows)
    # Beside one with a million times a million times the information of all others nothing tells how effects spread.
    has_spread = k >= meta.FEWEST_FOR_SPREAD and isfinite(float(found.random.difference))
    answer = found.random if has_spread else found.common
    weights = 1 / (np.array(variances) + (found.tau2 if has_spread else 0.0))
    model = Model.ONE if k == 1 else Model.RANDOM if has_spread else Model.COMMON
    return Pooled(
        model=model,
        k=k,
        estimate=float(answer.difference),
        standard_error=float(answer.standard_error),
        interval=_limits(float(answer.lower), float(answer.upper)),
        p_value=number(answer.p_value),
        q=number(found.q),
        q_p_value=number(found.q_p_value),
        i2=number(found.i2),
        tau2=number(found.tau2),
        tau2_dersimonian_laird=number(found.tau2_dersimonian_laird),
        prediction=_limits(float(found.prediction_lower), float(found.prediction_upper)),
        experiments=names,
        weights=tuple((weights / weights.sum()).tolist()),
    )


def _limits(lower: float, upper: float) -> Interval | None:
    return Interval(lower=lower, upper=upper, level=1 - ALPHA) if isfinite(lower) and isfinite(upper) else None


def _lift(log_ratio: float) -> float:
    return exp(min(log_ratio, LARGEST_LOG)) - 1


def _lifts(interval: Interval | None) -> Interval | None:
    return None if interval is None else _limits(_lift(interval.lower), _lift(interval.upper))


# --- the rules -------------------------------------------------------------------------------------------------------


def _judged(
    counting: Sequence[Contribution],
    pooled: Pooled | None,
    supporting: float | None,
    opposing: float | None,
    sign: int,
) -> tuple[Status, Rule]:
    if pooled is None:
        return Status.OPEN, Rule.NOTHING_OVER
    if pooled is None:
        return Status.OPEN, Rule.NOTHING_OVER
    strong = [found is not None and found >= BAR for found in (supporting, opposing)]
    if all(strong):
        return Status.INCONCLUSIVE, Rule.CONTRADICTION
    seen = sign * pooled.estimate
    towards = {
        Rule.EVIDENCE: strong[0] - strong[1],
        Rule.OWN_TEST: seen * (pooled.k == 1 and counting[0].finding.is_significant),
        Rule.POOLED: seen * (pooled.k > 1 and _leaves_out_zero(pooled.interval)),
    }
    for rule, way in towards.items():
        if way:
            return (Status.SUPPORTED if way > 0 else Status.REFUTED), rule
    if _is_too_small(counting, pooled, sign):
        return Status.REFUTED, Rule.TOO_SMALL
    return Status.INCONCLUSIVE, Rule.NOTHING_SHOWN


def _leaves_out_zero(interval: Interval | None) -> bool:
    return interval is not None and (interval.lower > 0 or interval.upper < 0)


def _smallest(counting: Sequence[Contribution]) -> float | None:
    """The smallest effect that any of the plans called worth having; None where one does not say."""
    stated = [part.planned_effect for part in counting]
    return None if None in stated else min((effect for effect in stated if effect is not None), default=None)


def _is_too_small(counting: Sequence[Contribution], pooled: Pooled, sign: int) -> bool:
    smallest = _smallest(counting)
    if smallest is None or pooled.interval is None:
        return False
    best = pooled.interval.upper if sign > 0 else -pooled.interval.lower
    return best < smallest


def _sentence(
    status: Status, rule: Rule, counting: Sequence[Contribution], standings: Sequence[Standing], sign: int
) -> str:
    if rule is Rule.NOTHING_OVER:
        running = standings.count(Standing.RUNNING)
        return f"None of its experiments counts yet; {running} running." if standings else "It has no experiment yet."
    name, some = f"“{counting[0].finding.kpi_name}”", _some(len(counting))
    move = ("rises", "falls")[(sign if status is Status.SUPPORTED else -sign) < 0]
    hoped = ("rises", "falls")[sign < 0]
    sentences = {
        Rule.CONTRADICTION: f"Its experiments contradict each other: {name} rises in some and falls in others.",
        Rule.EVIDENCE: f"{some} that {name} {move}, by evidence that may be read at any time.",
        Rule.OWN_TEST: f"{some} that {name} {move}, by the test it was planned with.",
        Rule.POOLED: f"{some} that {name} {move}.",
        Rule.TOO_SMALL: f"If {name} {hoped} at all, then by less than {_smallest(counting) or 0:g}, the smallest effect"
        " called worth having.",
        Rule.NOTHING_SHOWN: f"{some} neither that {name} {hoped} nor that it does not.",
    }
    after = sum(not part.is_sealed_before_data for part in counting)
    return sentences[rule] + (f" Planned after the data: {after}." if after else "")


def _some(k: int) -> str:
    return "One experiment shows" if k == 1 else f"{k} experiments together show"
