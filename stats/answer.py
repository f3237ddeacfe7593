"""One answer by plain numbers, and in words: what `stats.single` gives for one comparison."""

from dataclasses import dataclass
from math import exp, inf

from stats.lift import Lift
from stats.results import Interval, Reason, Undefined

LARGEST_LOG = 700.0  # the exponential of more is no float
SMALLEST_SHOWN = 0.0001


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysValid:
    """What may be read on any day, and on every day: the evidence against no difference, and what it leaves possible.

    >>> AlwaysValid(log_e_value=2.0, p_value=0.1353, interval=Interval(lower=-0.1, upper=0.3, level=0.95)).e_value
    7.38905609893065
    """

    log_e_value: float
    p_value: float  # of this reading; the smallest so far holds too
    interval: Interval

    @property
    def e_value(self) -> float:
        """The evidence itself; infinite beyond the largest float."""
        return exp(self.log_e_value) if self.log_e_value < LARGEST_LOG else inf


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Answer:
    """One difference (treatment minus control, or value minus baseline), or `reason`, which says why there is none.

    >>> from stats import single
    >>> answer = single.mean(control=[3, 5, 4, 6, 2], treatment=[6, 8, 5, 9, 4])
    >>> round(answer.estimate, 2), round(answer.interval.lower, 2), answer.always_valid.reason.sentence
    (2.4, -0.32, 'No size was planned before the data, so there is nothing to tune the always-valid test to.')
    >>> print(single.mean(control=[3, 5, 4], treatment=[6]))
    No answer: There are too few units so far to answer this.
    """

    estimate: float | None  # may be known without an answer
    interval: Interval | None  # None with a reason, and so is p_value
    p_value: float | None  # two-sided, for one look
    lift: Lift | Undefined
    always_valid: AlwaysValid | Undefined
    information: float | None  # one over the variance of the estimate; None where that is unknown or zero
    method: str
    reason: Reason | None

    @property
    def e_value(self) -> float | None:
        """The always-valid evidence against no difference, or None without it."""
        return self.always_valid.e_value if isinstance(self.always_valid, AlwaysValid) else None

    @property
    def sentence(self) -> str:
        """The answer in words: a line for the difference, one for the lift, one for what may be read on any day."""
        return _words(self)

    def __str__(self) -> str:
        return self.sentence

    def __repr__(self) -> str:
        return f"<Answer: {self.sentence}>"


def _words(answer: Answer) -> str:
    if answer.interval is None or answer.p_value is None:
        return f"No answer: {answer.reason.sentence if answer.reason else ''}"
    first = (
        f"The difference is {answer.estimate:.4g}, {_within(answer.interval)}, {_p(answer.p_value)} ({answer.method})."
    )
    return "\n".join((first, *_lift_words(answer.lift), *_daily_words(answer.always_valid)))


def _lift_words(lift: Lift | Undefined) -> tuple[str, ...]:
    if isinstance(lift, Undefined):
        return (f"No lift: {lift.reason.sentence}",)
    if isinstance(lift.interval, Undefined):
        return (f"The lift is {lift.lift:+.1%}. {lift.interval.reason.sentence}",)
    return (f"The lift is {lift.lift:+.1%}, between {lift.interval.lower:+.1%} and {lift.interval.upper:+.1%}.",)


def _daily_words(part: AlwaysValid | Undefined) -> tuple[str, ...]:
    if isinstance(part, AlwaysValid):
        return (f"Read on any day: {_within(part.interval)}, {_p(part.p_value)}, e = {part.e_value:.3g}.",)
    return () if part.reason is Reason.UNPLANNED else (f"Not to be read on any day yet: {part.reason.sentence}",)


def _within(interval: Interval) -> str:
    return f"between {interval.lower:.4g} and {interval.upper:.4g} ({100 * interval.level:.4g}%)"


def _p(p_value: float) -> str:
    return f"p = {p_value:.4f}" if p_value >= SMALLEST_SHOWN else f"p < {SMALLEST_SHOWN}"
