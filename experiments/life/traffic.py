"""How open an experiment was to units: its traffic through ramps and pauses. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from experiments.enums import State
from experiments.planning import plan as plans
from experiments.tables import Experiment, Step

DAY = timedelta(days=1)


def open_days(experiment: Experiment, steps: Sequence[Step], *, first: date, end: date) -> float:
    """The days from `first` up to `end`, each for the share of units that could enter on it.

    A day at half the traffic counts half, and the hours of a pause do not count. `steps` are the experiment's, in the
    order they were made.
    """
    since, until = _midnight(first), _midnight(end)
    since = max(since, experiment.started_at or since)
    traffic = share = plans.from_document(experiment.plan).traffic or 1.0
    open_for = timedelta()
    for step in steps:
        at = min(max(step.effective_at, since), until)
        open_for += share * (at - since)
        since = at
        traffic = step.traffic or traffic
        share = traffic if step.state is State.RUNNING else 0.0
    return (open_for + share * max(until - since, timedelta())) / DAY


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(tzinfo=UTC))
