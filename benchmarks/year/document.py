"""The year as Markdown: what was promised, what was kept, and how it was simulated."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from api.version import VERSION
from benchmarks.year import cases, measures, units
from benchmarks.year.cases import ALPHA, POWER, PRIOR, SIZES, Truth
from benchmarks.year.conclusions import Conclusion
from benchmarks.year.tally import HELD_BACK, Count, Tally, tallies
from benchmarks.year.winners import winners
from experiments.inference.monitoring import SRM_ALARM
from experiments.inference.treatments import VerdictState
from stats.calibration.rates import ERRORS

NAMES = {"GROUP_SEQUENTIAL": "group sequential", "ALWAYS_VALID": "always valid", "FIXED": "fixed"}
WALK = f"""\
Each experiment goes through the service as a team would take it there, in the order of the calendar: registered, \
sealed and started on its day through GraphQL, with the units that its plan asks for to decide and to show the \
guardrail kept (`neededUnits`); data sent as they come in, as daily aggregates or, of {cases.AS_ROWS:.0%}, as rows \
of units; refreshed by the worker's own duty, with the database's clock turned to that day; read at the planned \
looks only (always valid: every day); the look published and compared with what was read; enrolment frozen after \
{cases.ENROL_DAYS} days; stopped on the day the verdict says something, and decided as it says, the day after or \
when late data are in. Nobody knows the truth meanwhile, and no number is taken from anywhere but the API. At most \
{cases.LOOKS} looks; alpha {ALPHA}, power {POWER}.
"""
COUNTED = f"""\
- **Plain** experiments have a sound split and an unharmed guardrail, so that the deciding KPI alone should give the \
verdict.
- **False SHIP**: what was shipped does nothing good to the deciding KPI. The plan expects: alpha / 2 of nulls, and \
of the others the chance of a test with exactly the planned alpha and power.
- **False positives**: plain experiments without any effect in which a difference of the deciding KPI was claimed, \
for the better or the worse, by any treatment.
- **Missed**: plain experiments with the planned effect or more that the deciding KPI did not show. Most effects are \
larger than planned, so that fewer are expected (in brackets).
- **Held back**: of those in which it did, the ones that ended because the guardrail, which was not harmed, was not \
shown to keep its margin.
- **Coverage**: of the interval that the results show for the deciding KPI in the end; adjusted: of the \
group-sequential answer for having stopped early.
- Intervals in brackets are 95 % (Wilson). The command ends with 1 when false positives are above alpha, or misses \
above 1 - power, or the held back above {HELD_BACK:.0%}, by more than {ERRORS} standard errors, or when a verdict \
changed after the stop without late data.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """A year that was lived, and with what."""

    experiments: int
    seed: int
    conclusions: Sequence[Conclusion]

    @property
    def failures(self) -> list[str]:
        """Each broken promise in one sentence."""
        return [failure for one in tallies(self.conclusions) for failure in one.failures]


def document(lived: Year, *, on: date) -> str:
    """The year as Markdown."""
    return "\n".join(_lines(lived, on)) + "\n"


def _lines(lived: Year, on: date) -> Iterator[str]:
    counted = tallies(lived.conclusions)
    yield "# A year of experiments with known truth\n"
    yield f"Written on {on.isoformat()} by Truelift {VERSION}. Do not edit; run again:\n"
    yield f"    python -m benchmarks.year --experiments {lived.experiments} --seed {lived.seed}\n"
    yield f"{lived.experiments:,} experiments, seed {lived.seed}; {len(lived.failures) or 'no'} broken promises.\n"
    yield from (f"- **broken**: {failure}" for failure in lived.failures)
    yield WALK
    yield "## What the verdicts were worth\n"
    yield from _table(["", *(NAMES.get(one.name, one.name) for one in counted), "the plan says"], _promises(counted))
    yield f"\n{COUNTED}"
    yield "## What was true, and what was said\n"
    yield from _table(["truth", *(state.value for state in VerdictState), "all"], _truths(lived.conclusions))
    yield "\n## The winner's curse\n"
    yield from _winners(lived.conclusions)
    yield "\n## What was drawn\n"
    yield from _drawn()


def _promises(counted: Sequence[Tally]) -> list[list[str]]:
    def line(name: str, said: Callable[[Tally], str], promise: str = "") -> list[str]:
        return [name, *(said(one) for one in counted), promise]

    return [
        line("started", lambda one: f"{len(one.conclusions)}"),
        line("units of one, to the end", lambda one: f"{one.units:,}"),
        line("SHIP", lambda one: _plain(one.ships)),
        line("of these false", lambda one: _count(one.false_ships)),
        line("expected of a test exactly as planned", lambda one: f"{one.expected_false_ships:.1%}"),
        line("false positives among nulls", lambda one: _judged(one.false_positives), f"at most {ALPHA:.0%}"),
        line(
            "missed, of the planned effect or more",
            lambda one: f"{_judged(one.misses)} [{_share(one.expected_misses)}]",
            f"at most {1 - POWER:.0%}",
        ),
        line(
            "held back by a guardrail, unharmed",
            lambda one: _judged(one.held_back),
            f"at most {HELD_BACK:.0%}",
        ),
        line("shipped, of smaller effects", lambda one: _plain(one.small_ships)),
        line("ROLL_BACK, of harm to the KPI", lambda one: _plain(one.harms_found)),
        line("ROLL_BACK, of harm to the guardrail", lambda one: _plain(one.guardrails_found)),
        line("SHIP, of harm to the guardrail", lambda one: _plain(one.guardrails_shipped)),
        line("guardrail blamed, and unharmed", lambda one: _plain(one.guardrail_alarms)),
        line("INVALID, of broken splits", lambda one: _plain(one.broken_found)),
        line("INVALID, of sound splits", lambda one: _count(one.split_alarms), f"at most {SRM_ALARM:.0%}"),
        line("horizon used", lambda one: f"{one.horizon_used:.0%}"),
        line("coverage of the interval shown", lambda one: _count(one.coverage), f"at least {1 - ALPHA:.0%}"),
        line("coverage, adjusted", lambda one: _count(one.adjusted_coverage), f"{1 - ALPHA:.0%}"),
        line("verdict changed after the stop, by late data", lambda one: _plain(one.changed)),
        line("the same without late data", lambda one: _plain(one.unsteady), "none"),
    ]


def _truths(conclusions: Sequence[Conclusion]) -> list[list[str]]:
    groups: list[tuple[str, list[Conclusion]]] = [
        (f"{truth.value}", [one for one in conclusions if one.case.is_plain and one.case.truth is truth])
        for truth in Truth
    ]
    sound = [one for one in conclusions if not one.case.is_broken]
    groups.append(("the guardrail harmed", [one for one in sound if one.case.guardrail_effect]))
    groups.append(("the split broken", [one for one in conclusions if one.case.is_broken]))
    return [
        [
            name,
            *(str(sum(one.reading.state is state for one in group) or "") for state in VerdictState),
            str(len(group)),
        ]
        for name, group in groups
    ]


def _winners(conclusions: Sequence[Conclusion]) -> Iterator[str]:
    found = winners(conclusions)
    if found is None:
        yield "Nothing was shipped."
        return
    yield "Of what was shipped, in units of the smallest effect worth having that each plan states:\n"
    yield from _table(
        ["", "experiments", "true", "as read", "corrected"],
        [
            ["given that it cleared the bar", *_means(found.of, found.true, found.raw, found.selected)],
            ["shrunk towards this year's effects", *_means(found.of, found.true, found.raw, found.shrunk)],
            [
                "median-unbiased, group sequential",
                *_means(found.unbiased_of, found.unbiased_true, found.unbiased_raw, found.unbiased),
            ],
        ],
    )
    yield (
        "\n`stats.shrinkage.given_significance`, and `stats.shrinkage.empirical_prior` of all experiments with"
        " `stats.bayes.read_out`; the last is what the results show as `groupSequential.estimate`."
    )


def _drawn() -> Iterator[str]:
    for truth, share in PRIOR.items():
        low, high = SIZES[truth]
        size = f"; {low:g} to {high:g} times the planned effect, uniform" if low < high else ""
        yield f"- {share:.0%}: {truth.value}{size}."
    yield (
        f"- {cases.THREE_VARIANTS:.0%} have two treatments; the second has the same effect times a number from 0 to 1."
        f" {cases.HARMED_GUARDRAILS:.0%} add {cases.HARM_TO_GUARDRAIL:.0%} complaints to a guardrail of"
        f" {measures.GUARDRAIL.level:.0%} with a margin of {measures.MARGIN:.0%}. {cases.BROKEN_SPLITS:.0%} lose"
        f" {cases.LOSS:.0%} of the first treatment's units."
    )
    yield (
        f"- Of {cases.LATE_DATA:.0%}, {units.LATE_SHARE:.0%} of outcomes come up to {units.LATEST:g} days late. Starts"
        f" are spread over the year, policies take turns; users arrive as a Poisson process."
    )
    for one in measures.MEASURES:
        smallest = ", ".join(f"{mde:g}" for mde in one.mdes)
        yield (
            f"- `{one.key}` ({', '.join(one.definition)}): {one.level:.3g}, standard deviation {one.variance**0.5:.3g};"
            f" planned effects {smallest}."
        )


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"{'|---' * len(columns)}|"
    yield from (f"| {' | '.join(line)} |" for line in lines)


def _plain(count: Count) -> str:
    return f"{count.count} of {count.of}" if count.of else "-"


def _count(count: Count) -> str:
    if not count.of:
        return "-"
    low, high = count.limits
    return f"{count.count} of {count.of}: {count.share:.1%} ({low:.1%} to {high:.1%})"


def _judged(count: Count) -> str:
    return f"**{_count(count)}**" if count.is_broken else _count(count)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _means(of: int, *means: float | None) -> list[str]:
    return [str(of), *("-" if mean is None else f"{mean:.2f}" for mean in means)]
