"""Experiments that share units: whether the effect of one depends on the other, and whether both assign as promised.

Pure. Counted are units of both that met the other experiment before their window in this one had closed, once they are
final here; of time to value the days up to tau. Whoever reads this looks every day, so the test is always valid, tuned
to an interaction as large as the mde, and corrected (Holm) over all KPIs, variants and experiments. It warns and
decides nothing: an interaction is harder to see than an effect, and seeing none proves none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from experiments.inference.cohorts import decode
from experiments.inference.facts import FactName
from experiments.inference.findings import intervals, number
from experiments.inference.health import ALARM, Check, CheckKind, of_family
from experiments.planning.plan import Plan, PlannedKpi, PlannedVariant
from kpi.kinds import TimeToValue
from kpi.kinds.shape import Floats, Ints, Kind, Scale
from stats import interaction, srm
from stats.arrays import Codes
from stats.moments import Moments
from stats.multiplicity import holm
from stats.results import Interval, Reason, reason_codes, reason_of
from stats.sequential import confidence_sequence
from stats.sequential.confidence_sequence import FEWEST, FEWEST_SUCCESSES

INTERACTION_ALARM = 0.05
"""Always-valid p-value below which an interaction is suspected: it is hard to see, so it may err more often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What is stored of the units that an experiment shares with another one, whose variants are W.

    `units` (V, W) are in both; `cells` (V, W) are the moments of a definition's numbers, of those that count.
    """

    other_id: int
    other: Plan
    units: Ints
    cells: Mapping[int, Moments]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """By how much the effect of a variant on a KPI differs between a variant of the other experiment and its control.

    `with_control` and `with_variant` are the effects there. Where there is no answer, `reason` says why.
    """

    kpi: str
    kpi_name: str
    scale: Scale
    variant: PlannedVariant
    other_variant: PlannedVariant
    units: int
    with_control: float | None
    with_variant: float | None
    difference: float | None
    interval: Interval | None
    p_value: float | None
    adjusted_p_value: float | None
    is_suspect: bool
    reason: Reason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """Another experiment that shares units with this one, and what that does to this one's effects.

    `split_p_value` asks whether the units in both are split as both plans promise; whether they are not is said after
    Holm's correction for all other experiments.
    """

    other_id: int
    other: str
    units: int
    split_p_value: float | None
    is_split_broken: bool
    contrasts: tuple[Contrast, ...]
    computed_at: datetime
    data_through: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A KPI's contrasts with another experiment as arrays (..., V - 1, W - 1); NaN where there is no answer."""

    units: Floats
    with_control: Floats
    with_variant: Floats
    difference: Floats
    half_width: Floats
    p_value: Floats
    reason: Codes


def laid_out(
    plan: Plan,
    other_id: int,
    other: Plan,
    places: Sequence[Sequence[tuple[int, int]]],
    counts: Mapping[tuple[int, int, int], int],
    moments: Mapping[tuple[int, int, int, int], tuple[float, float, float]],
) -> Shared:
    """What is stored, as arrays: `places` (V, W) are the ids of both variants, in the order of both plans."""
    units = np.array([[counts.get((other_id, *place), 0) for place in row] for row in places])
    cells = {}
    for planned in compared(plan):
        number = planned.definition.id
        found = [[moments.get((other_id, number, *place), (0, 0, 0)) for place in row] for row in places]
        n, mean, m2 = np.moveaxis(np.array(found, dtype=np.float64), -1, 0)
        cells[number] = Moments(n=n, mean=mean, m2=m2)
    return Shared(other_id=other_id, other=other, units=units, cells=cells)


def compared(plan: Plan) -> list[PlannedKpi]:
    """The deciding KPIs with one number a unit that adds up.

    No time to value that a loss may end, which has none, no ratio and no quantile.
    """
    return [kpi for kpi in plan.primaries if not _may_be_lost(kpi) and _adds_up(decode(kpi))]


def _adds_up(kind: Kind) -> bool:
    return kind.adds_up and not kind.has_denominator


def read(planned: PlannedKpi, cells: Moments) -> Reading:
    """What the cells (..., V, W) of a KPI say on the day they are of."""
    difference, variance = interaction.between(cells)
    effects = interaction.effects_of(cells)
    is_judged = _of_all_four((cells.n >= FEWEST) & (_successes(planned, cells) >= FEWEST_SUCCESSES), np.logical_and)
    is_flat = _of_all_four(cells.constant, np.logical_and)
    size = planned.mde or planned.margin
    # Without a planned effect there is nothing to tune to, and tuning to the data would be cheating.
    tau2 = np.nan if size is None else confidence_sequence.mixture_sprt(size)
    known = np.where(is_judged & ~is_flat, variance, np.nan)
    log_e = confidence_sequence.log_e_value(difference, known, tau2=tau2)
    return Reading(
        units=_of_all_four(cells.n, np.add),
        with_control=np.broadcast_to(effects[..., :1], difference.shape),
        with_variant=effects[..., 1:],
        difference=difference,
        half_width=confidence_sequence.half_width(known, tau2=tau2, alpha=INTERACTION_ALARM),
        p_value=confidence_sequence.p_value(log_e),
        reason=reason_codes(
            (~is_judged, Reason.INSUFFICIENT_DATA),
            (is_flat, Reason.ZERO_VARIANCE),
            (np.isnan(log_e), Reason.UNPLANNED),
        ),
    )


def interactions(
    plan: Plan, shared: Sequence[Shared], *, computed_at: datetime, data_through: datetime
) -> tuple[Interaction, ...]:
    """Each other experiment in turn; all contrasts are one family, and so are all splits."""
    kpis = compared(plan)
    readings = [[read(planned, one.cells[planned.definition.id]) for planned in kpis] for one in shared]
    p_values = [reading.p_value.ravel() for of_one in readings for reading in of_one]
    adjusted = iter(holm(np.concatenate([np.empty(0), *p_values])).tolist())
    splits = _floats(_split_p_value(plan, one) for one in shared)
    broken = holm(splits) < ALARM
    return tuple(
        Interaction(
            other_id=one.other_id,
            other=one.other.experiment,
            units=int(one.units.sum()),
            split_p_value=number(split),
            is_split_broken=bool(is_broken),
            contrasts=tuple(
                contrast
                for planned, reading in zip(kpis, of_one, strict=True)
                for contrast in _contrasts(plan, planned, one.other, reading, adjusted)
            ),
            computed_at=computed_at,
            data_through=data_through,
        )
        for one, of_one, split, is_broken in zip(shared, readings, splits, broken, strict=True)
    )


def checks(found: Sequence[Interaction]) -> Iterator[Check | None]:
    """Whether an effect depends on another experiment, and whether units in both are split as both plans promise."""
    contrasts = [(one, contrast) for one in found for contrast in one.contrasts]
    if contrasts:
        yield of_family(
            CheckKind.INTERACTION,
            [_name(one, contrast) for one, contrast in contrasts],
            _floats(contrast.p_value for _, contrast in contrasts),
            alarm=INTERACTION_ALARM,
            fine="No effect depends on another experiment with the same units, as far as can be seen.",
            warning=lambda told: (
                f"An effect depends on another experiment: {told}. Read the effect beside each of them."
            ),
            name=FactName.DIFFERENCE,
            values=_floats(contrast.difference for _, contrast in contrasts),
        )
    if found:
        yield of_family(
            CheckKind.SHARED_SPLIT,
            [f"“{one.other}”" for one in found],
            _floats(one.split_p_value for one in found),
            alarm=ALARM,
            fine="The units shared with other experiments are split as all plans promise.",
            warning=lambda told: (
                f"The units shared with {told} are not split as both plans promise: one assignment depends on the"
                " other, or one experiment changes who enters the other."
            ),
        )


def _may_be_lost(planned: PlannedKpi) -> bool:
    kind = decode(planned)
    return isinstance(kind, TimeToValue) and kind.loss_event is not None


def _successes(planned: PlannedKpi, cells: Moments) -> Floats:
    """Units that did what the KPI is about, at the least; all units, where it is an amount.

    Who gets there within tau days saves at most all of them but the first.
    """
    kind = decode(planned)
    if isinstance(kind, TimeToValue):
        return cells.n * (kind.tau_days - cells.mean) / (kind.tau_days - 1)
    return cells.n * cells.mean if kind.scale is Scale.FRACTION else cells.n


def _of_all_four(cells: Any, together: Callable[[Any, Any], Any]) -> Any:
    """What the four cells (..., V, W) behind each contrast make together: (..., V - 1, W - 1)."""
    both = together(cells[..., 1:, :], cells[..., :1, :])
    return together(both[..., 1:], both[..., :1])


def _split_p_value(plan: Plan, one: Shared) -> float:
    """Both assign at random and apart, so each pair of variants takes the product of their weights.

    By the evidence as it stands, for who met the other one later changes the counts of days before.
    """
    own, its = (np.array([variant.weight for variant in of.variants]) for of in (plan, one.other))
    promised = np.outer(own, its)
    concentration = srm.concentration_for(plan.planned_units or 0)
    _, running = srm.sequential(one.units.reshape(1, -1), promised.ravel(), concentration=concentration)
    return float(running[-1])


def _contrasts(
    plan: Plan, planned: PlannedKpi, other: Plan, reading: Reading, adjusted: Iterator[float]
) -> Iterator[Contrast]:
    limits = intervals(
        reading.difference - reading.half_width,
        reading.difference + reading.half_width,
        np.asarray(1 - INTERACTION_ALARM),
    )
    for place, cell in enumerate(np.ndindex(reading.difference.shape)):
        corrected = next(adjusted)
        yield Contrast(
            kpi=planned.kpi,
            kpi_name=planned.name,
            scale=decode(planned).scale,
            variant=plan.variants[1 + cell[0]],
            other_variant=other.variants[1 + cell[1]],
            units=int(reading.units[cell]),
            with_control=number(reading.with_control[cell]),
            with_variant=number(reading.with_variant[cell]),
            difference=number(reading.difference[cell]),
            interval=limits[place],
            p_value=number(reading.p_value[cell]),
            adjusted_p_value=number(corrected),
            is_suspect=corrected < INTERACTION_ALARM,
            reason=reason_of(int(reading.reason[cell])),
        )


def _name(one: Interaction, contrast: Contrast) -> str:
    return f"“{contrast.kpi_name}” of {contrast.variant.name} beside {contrast.other_variant.name} in “{one.other}”"


def _floats(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
