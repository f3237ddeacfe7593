"""What the evidence recommends, by rules in a fixed order: each treatment is judged for itself, then the experiment.

First of all come the data: rules 1 and 2 speak of the whole experiment. Then the first rule that holds of a treatment
gives its standing.

1.  INVALID        the units are not split as promised: no comparison can be trusted
2.  INVALID        another check says that nothing can be believed
3.  ROLL_BACK      a deciding KPI is worse than control
4.  ROLL_BACK      a guardrail is harmed beyond its margin
5.  INCONCLUSIVE   a deciding KPI is better, but the plan was changed with the data in sight
6.  KEEP_RUNNING   a deciding KPI is better, but a guardrail is not shown to keep its margin; INCONCLUSIVE once it
                   cannot be any more
7.  SHIP           a deciding KPI is better than control, and rules 1 to 6 are silent
8.  STOP_FUTILE    every deciding test that still goes on has lost sight of its planned effect
9.  INCONCLUSIVE   the plan has no look left, and none decided
10. KEEP_RUNNING   anything else

The experiment's verdict is the first of SHIP, KEEP_RUNNING, ROLL_BACK, STOP_FUTILE and INCONCLUSIVE that one of its
treatments has, so that a bad treatment neither takes a good one away nor ends a test that others still need.

To ship only what is better on a deciding KPI, kept on every guardrail and worse on none follows Schultzberg, Ankargren
& Frånberg (2024), Risk-aware product decisions in A/B tests with multiple metrics, arXiv 2402.11609.

A verdict is a recommendation. The decision is a person's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.inference.facts import Fact, FactName, known
from experiments.inference.findings import Finding
from experiments.inference.health import CheckKind, Health, HealthState
from experiments.inference.outlook import Outlook, next_look, outlook
from experiments.inference.treatments import Rule, Treatment, VerdictState, by_variant
from experiments.planning.plan import PlannedVariant
from kpi.kinds.shape import Scale

EXPLORES = " The plan was changed with the data in sight, so its error rates do not hold: this explores."
STOP_SHOWING = "Stop showing it, and go on reporting its units as they were assigned, so that the split holds."
POINTS = " percentage points"
UNITS = {Scale.FRACTION: POINTS, Scale.RATE: POINTS, Scale.DAYS: " days", Scale.AMOUNT: ""}
PRECEDENCE = (
    VerdictState.SHIP,
    VerdictState.KEEP_RUNNING,
    VerdictState.ROLL_BACK,
    VerdictState.STOP_FUTILE,
    VerdictState.INCONCLUSIVE,
)
"""Which of the treatments' standings is the experiment's verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one treatment stands: what would be recommended if it were the only one, by which rule, in words."""

    variant: PlannedVariant
    state: VerdictState
    rule: Rule
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The recommendation, the rule behind it, in words and in numbers, and what would change it.

    `variant` is the one to ship, or the worst of those to roll back; None with any other state. `standings` has every
    treatment in the plan's order, none where the data cannot be trusted. `outlook` is None when nothing is waited for.
    """

    state: VerdictState
    rule: Rule
    sentence: str
    would_change: str
    variant: PlannedVariant | None = None
    facts: tuple[Fact, ...] = ()
    standings: tuple[Standing, ...] = ()
    outlook: Outlook | None = None


def judge(findings: Sequence[Finding], health: Health, *, is_exploratory: bool = False) -> Verdict:
    """The verdict on findings for everybody and the checks; `is_exploratory` if an amendment broke error control."""
    treatments = [Treatment.of(own, is_exploratory=is_exploratory) for own in by_variant(findings)]
    awaited = [finding for treatment in treatments for finding in treatment.awaited]
    if health.state is HealthState.INVALID:
        return replace(_invalid(health), outlook=outlook(awaited))
    verdict = replace(_joined(treatments), standings=tuple(map(_standing, treatments)), outlook=outlook(awaited))
    return replace(verdict, sentence=verdict.sentence + EXPLORES) if is_exploratory else verdict


# --- from standings to the verdict -----------------------------------------------------------------------------------


def _standing(treatment: Treatment) -> Standing:
    said = SAYS[treatment.rule]([treatment])
    return Standing(variant=treatment.variant, state=said.state, rule=said.rule, sentence=said.sentence)


def _joined(treatments: Sequence[Treatment]) -> Verdict:
    """The verdict on all of them: by the state that comes first, and within it by the rule that does."""
    state = min((treatment.state for treatment in treatments), key=PRECEDENCE.index)
    alike = [treatment for treatment in treatments if treatment.state is state]
    rule = min((treatment.rule for treatment in alike), key=list(Rule).index)
    verdict = SAYS[rule]([treatment for treatment in alike if treatment.rule is rule])
    if state is VerdictState.KEEP_RUNNING:
        return replace(verdict, sentence=" ".join([verdict.sentence, *_to_stop(treatments)]))
    if state is VerdictState.ROLL_BACK and len(alike) > 1:
        others = _listed(one.variant.name for one in alike if one.variant != verdict.variant)
        return replace(verdict, sentence=f"{verdict.sentence} To be rolled back as well: {others}.")
    return verdict


def _to_stop(treatments: Iterable[Treatment]) -> Iterator[str]:
    """What is to be shown no longer, while the others run on."""
    for treatment in treatments:
        if treatment.state is VerdictState.ROLL_BACK:
            yield f"{_standing(treatment).sentence} {STOP_SHOWING}"


# --- the data, which come first --------------------------------------------------------------------------------------


def _invalid(health: Health) -> Verdict:
    failed = health.in_state(HealthState.INVALID)
    broken = next((check for check in failed if check.kind is CheckKind.SPLIT), None)
    if broken is not None:
        return Verdict(
            state=VerdictState.INVALID,
            rule=Rule.BROKEN_SPLIT,
            sentence=broken.sentence,
            would_change="Find where units are lost between assignment and exposure, mend it, and run it again.",
            facts=broken.facts,
        )
    return Verdict(
        state=VerdictState.INVALID,
        rule=Rule.UNHEALTHY,
        sentence=" ".join(check.sentence for check in failed),
        would_change="Find the cause, mend it, and run it again.",
        facts=tuple(fact for check in failed for fact in check.facts),
    )


# --- what each rule says, of one treatment or of all that it holds of ------------------------------------------------


def _primary_worse(treatments: Sequence[Treatment]) -> Verdict:
    finding = min((treatment.worse[0] for treatment in treatments), key=lambda one: _most(one) / _error(one))
    return Verdict(
        state=VerdictState.ROLL_BACK,
        rule=Rule.PRIMARY_WORSE,
        sentence=f"{finding.variant.name} makes “{finding.kpi_name}” worse than control.",
        would_change="Nothing more of this test: the planned error rate has been spent on this answer.",
        variant=finding.variant,
        facts=_effect(finding),
    )


def _guardrail_harmed(treatments: Sequence[Treatment]) -> Verdict:
    finding = min((treatment.harmed[0] for treatment in treatments), key=lambda one: _most(one) / _error(one))
    return Verdict(
        state=VerdictState.ROLL_BACK,
        rule=Rule.GUARDRAIL_HARMED,
        sentence=f"{finding.variant.name} harms the guardrail “{finding.kpi_name}” by more than the margin agreed on.",
        would_change=f"An interval for “{finding.kpi_name}” that reaches back inside the margin.",
        variant=finding.variant,
        facts=_effect(finding),
    )


def _exploratory(treatments: Sequence[Treatment]) -> Verdict:
    best = [treatment.better[0] for treatment in treatments]
    return Verdict(
        state=VerdictState.INCONCLUSIVE,
        rule=Rule.EXPLORATORY,
        sentence=" ".join(f"{one.variant.name} seems to make “{one.kpi_name}” better than control." for one in best),
        would_change="The same result in a new experiment whose plan stays as it was sealed.",
        facts=_effects(best),
    )


def _guardrail_unsure(treatments: Sequence[Treatment]) -> Verdict:
    unsure = [finding for treatment in treatments for finding in treatment.unsure]
    state = treatments[0].state
    if state is VerdictState.KEEP_RUNNING:
        would_change = f"{_names(unsure)} shown to keep the margin agreed on, or harmed beyond it. {_when(unsure)}"
    else:
        would_change = f"A new experiment with the units that {_names(unsure)} needs, or a margin that may be wider."
    return Verdict(
        state=state,
        rule=Rule.GUARDRAIL_UNSURE,
        sentence=" ".join(_held_up(treatment) for treatment in treatments),
        would_change=would_change,
        facts=_effects([*(treatment.better[0] for treatment in treatments), *unsure]),
    )


def _held_up(treatment: Treatment) -> str:
    finding, so_far = treatment.better[0], " yet" if treatment.state is VerdictState.KEEP_RUNNING else ""
    ends = "" if so_far else ", and the plan has no more data for it"
    return (
        f"{finding.variant.name} makes “{finding.kpi_name}” better than control, but {_names(treatment.unsure)} is not"
        f" shown to keep its margin{so_far}{ends}."
    )


def _primary_better(treatments: Sequence[Treatment]) -> Verdict:
    best = max(treatments, key=lambda treatment: _least(treatment.primaries[0]))
    finding = best.better[0]
    lost = [one for one in best.guardrails if one.is_worse]
    sentence = f"{finding.variant.name} makes “{finding.kpi_name}” better than control, and no guardrail is harmed."
    if lost:
        sentence += f" {_names(lost)} is worse, but by less than the margin agreed on."
    if len(treatments) > 1:
        others = _listed(one.variant.name for one in treatments if one is not best)
        first = best.primaries[0].kpi_name
        sentence += f" {others} may be shipped as well: the effect on “{first}” has a higher lower limit here."
    return Verdict(
        state=VerdictState.SHIP,
        rule=Rule.PRIMARY_BETTER,
        sentence=sentence,
        would_change="A guardrail that is no longer inside its margin, or a broken split.",
        variant=best.variant,
        facts=_effects([finding, *best.guardrails]),
    )


def _futile(treatments: Sequence[Treatment]) -> Verdict:
    going_on = [finding for treatment in treatments for finding in treatment.going_on]
    harmful = [finding for finding in going_on if finding.points_to_harm]
    would_change = "Going on is allowed and costs no error rate: a much larger effect among the units still to come."
    if harmful:
        would_change += " That it does harm is not shown either: only a boundary crossed on the worse side would."
    return Verdict(
        state=VerdictState.STOP_FUTILE,
        rule=Rule.FUTILE,
        sentence=" ".join(
            [f"{_names(going_on)} will hardly show the effect that was planned: going on is futile."]
            + [f"{one.variant.name} points to harm, not to none: “{one.kpi_name}” {_told(one)}." for one in harmful]
        ),
        would_change=would_change,
        facts=_effects(going_on),
    )


def _no_look_left(treatments: Sequence[Treatment]) -> Verdict:
    primaries = [finding for treatment in treatments for finding in treatment.primaries]
    sentence = f"The plan has run its course, and {_names(primaries)} shows no difference that chance would not."
    if any(finding.is_premature for finding in primaries):
        sentence = "The experiment ended before the days that its plan asks for at least, so no test decided."
    return Verdict(
        state=VerdictState.INCONCLUSIVE,
        rule=Rule.NO_LOOK_LEFT,
        sentence=sentence,
        would_change="A new experiment planned for a smaller effect, or a bolder change.",
        facts=_effects(primaries),
    )


def _undecided(treatments: Sequence[Treatment]) -> Verdict:
    going_on = [finding for treatment in treatments for finding in treatment.going_on]
    names = _listed(treatment.variant.name for treatment in treatments)
    return Verdict(
        state=VerdictState.KEEP_RUNNING,
        rule=Rule.UNDECIDED,
        sentence=f"Nothing is decided yet of {names}; the intervals shown may be read today without spoiling the test.",
        would_change=_when(going_on),
        facts=_effects(going_on),
    )


SAYS: Mapping[Rule, Callable[[Sequence[Treatment]], Verdict]] = {
    Rule.PRIMARY_WORSE: _primary_worse,
    Rule.GUARDRAIL_HARMED: _guardrail_harmed,
    Rule.EXPLORATORY: _exploratory,
    Rule.GUARDRAIL_UNSURE: _guardrail_unsure,
    Rule.PRIMARY_BETTER: _primary_better,
    Rule.FUTILE: _futile,
    Rule.NO_LOOK_LEFT: _no_look_left,
    Rule.UNDECIDED: _undecided,
}


# --- the words and numbers behind them -------------------------------------------------------------------------------


def _names(findings: Iterable[Finding]) -> str:
    return _listed(sorted({f"“{finding.kpi_name}”" for finding in findings}))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _when(awaited: Sequence[Finding]) -> str:
    ahead = next_look(awaited)
    return "More units, or the planned horizon." if ahead is None else f"The next planned look is on {ahead}."


def _least(finding: Finding) -> float:
    """The limit of the effect on the side that is worse, as a gain."""
    if finding.interval is None:
        return float("-inf")
    return finding.interval.lower if finding.sign > 0 else -finding.interval.upper


def _most(finding: Finding) -> float:
    """The limit of the effect on the side that is better, as a gain."""
    if finding.interval is None:
        return float("inf")
    return finding.interval.upper if finding.sign > 0 else -finding.interval.lower


def _error(finding: Finding) -> float:
    """The unit in which effects on different KPIs are set side by side."""
    return finding.standard_error or 1.0


def _told(finding: Finding) -> str:
    """An effect in words: by how much, with its interval."""
    lower, upper = (finding.interval.lower, finding.interval.upper) if finding.interval else (None, None)
    within = "" if lower is None or upper is None else f" ({_size(finding, lower)} to {_size(finding, upper)})"
    size = f"{_size(finding, finding.difference or 0.0)}{UNITS[finding.scale]}"
    return f"differs by {size}{within}, in the direction that is worse"


def _size(finding: Finding, difference: float) -> str:
    if finding.scale is Scale.AMOUNT:
        return f"{float(f'{difference:.3g}'):+,.10g}"  # three digits, and no power of ten
    return f"{difference * (100 if finding.scale.is_percentage else 1):+.2f}"


def _effects(findings: Iterable[Finding]) -> tuple[Fact, ...]:
    return tuple(fact for finding in findings for fact in _effect(finding))


def _effect(finding: Finding) -> tuple[Fact, ...]:
    about = f"“{finding.kpi_name}” in {finding.variant.name}"
    interval, futility = finding.interval, finding.futility
    return (
        *known(FactName.DIFFERENCE, finding.difference, about),
        *known(FactName.LOWER, None if interval is None else interval.lower, about),
        *known(FactName.UPPER, None if interval is None else interval.upper, about),
        *known(FactName.P_VALUE, finding.adjusted_p_value, about),
        *known(FactName.MARGIN, finding.margin, about),
        *known(FactName.MDE, None if futility is None else futility.mde, about),
        *known(FactName.CONDITIONAL_POWER, None if futility is None else futility.conditional_power, about),
        *known(FactName.INFORMATION_FRACTION, finding.progress, about),
    )
