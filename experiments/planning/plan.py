"""The plan of an experiment: what is decided before anybody looks, as one frozen value and as canonical JSON.

The document pins everything the analysis needs - definitions, baselines, alpha, looks, the information that the planned
power asks for - so that results are a function of the sealed plan and the aggregates alone. It is written in the JSON
Canonicalization Scheme (RFC 8785), and the seal is the SHA-256 of those bytes.
"""

import hashlib
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import msgspec
import rfc8785

from experiments.enums import Correction, Kind, Policy, Role, Slopes
from experiments.planning.targeting import Condition
from kpi import kinds
from kpi.enums import Change, Direction, Unit
from kpi.kinds.shape import Scale
from stats import power
from stats.design import factors
from stats.design.policy import always_valid
from stats.sequential import group_sequential

WATCHED_DAYS = 28
"""Days of looks that the price of watching is worked out for; more looks cost a few per cent less, never more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedDefinition:
    """The version of a KPI's definition that this experiment measures."""

    id: int
    version: int
    kind: str
    parameters: dict[str, Any]
    events: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedBaseline:
    """The baseline that effects are planned on and variants are held against."""

    version: int
    value: float
    standard_error: float
    n: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariate:
    """What is known of a unit before its exposure and explains a part of the KPI: an attribute, or the KPI before.

    A number given with the exposure, `when_missing` where it is not; or the KPI's own value over the days before
    exposure. `slopes` follow from the planned split. `correlation` to the KPI is what the units are planned on.
    """

    attribute: str | None
    pre_exposure_days: int | None
    when_missing: float
    slopes: Slopes
    correlation: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedKpi:
    """One KPI's part in the plan. `mde` and `margin` are absolute differences in the KPI's own units.

    `information` is what finds the mde (or the margin, without one) with the planned power: the scale of both
    sequential tests, fixed before the data.
    """

    kpi: str
    name: str
    role: Role
    direction: Direction
    definition: PinnedDefinition
    baseline: PinnedBaseline | None
    mde: float | None
    margin: float | None
    information: float | None
    covariate: Covariate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVariant:
    """A variant and its share of the units; `payload` is what whoever shows it is handed."""

    key: str
    name: str
    weight: float
    is_control: bool
    payload: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedProtocol:
    """The version of a protocol that a plan was made by."""

    key: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was decided before the start.

    Nothing is decided before `minimum_days`, counted as the horizon is. Experiments of one `layer` share no unit, and
    `traffic` is the share of units that enters at first. `audience` and `exclusions` say in words who does not, and
    `targeting` in conditions on what is known of a unit at its exposure. `correction` is of what informs.
    `holdout` is the experiment whose control is kept out of this one.
    """

    experiment: str
    hypothesis: str
    change: Change
    kind: Kind
    unit: Unit
    variants: list[PlannedVariant]
    kpis: list[PlannedKpi]
    alpha: float
    power: float
    policy: Policy
    looks: int
    horizon_days: int
    segment_attributes: list[str]
    events: list[str]
    protocol: PinnedProtocol | None = None
    minimum_days: int | None = None
    layer: str | None = None
    traffic: float | None = None
    audience: str | None = None
    exclusions: str | None = None
    targeting: list[Condition] | None = None
    correction: Correction | None = None
    holdout: str | None = None

    @property
    def primaries(self) -> list[PlannedKpi]:
        """The KPIs that decide."""
        return [kpi for kpi in self.kpis if kpi.role is Role.PRIMARY]

    @property
    def comparisons(self) -> int:
        """How many tests can decide: primaries times variants other than control."""
        return len(self.primaries) * (len(self.variants) - 1)

    @property
    def alpha_each(self) -> float:
        """Alpha of one deciding test, so that all together keep the plan's alpha (Bonferroni)."""
        return self.alpha / self.comparisons

    @property
    def informing_correction(self) -> Correction:
        """The rule for what informs: the plan's own, or else the one that suits its policy best."""
        usual = Correction.BENJAMINI_HOCHBERG if self.policy is Policy.FIXED else Correction.E_BENJAMINI_HOCHBERG
        return self.correction or usual

    @property
    def look_days(self) -> list[int]:
        """Days after the start day on which there are looks; the last is the horizon. Not all may decide."""
        return look_days(self.horizon_days, 1 if self.policy is Policy.FIXED else self.looks)

    @property
    def earliest_day(self) -> int:
        """Days after the start day before which nothing is decided."""
        return self.minimum_days or 0

    @property
    def planned_units(self) -> float | None:
        """Units the first primary KPI needs in all variants together; None without a baseline to judge spread by."""
        return self.units_for(self.primaries[0])

    def units_for(self, kpi: PlannedKpi) -> float | None:
        """Units that one of its KPIs needs in all variants together; None where nobody knows how units spread.

        A deciding KPI needs them to find its mde, a guardrail to be shown inside its margin.
        """
        if kpi.information is None or kpi.baseline is None or kpi.baseline.n is None:
            return None
        unit_variance = kpi.baseline.standard_error**2 * kpi.baseline.n
        control, *others = (variant.weight for variant in self.variants)
        rarest = min(others)
        if kpi.covariate is not None and kpi.covariate.correlation is not None:
            unit_variance *= float(factors.cuped(kpi.covariate.correlation))
        units = kpi.information * unit_variance * (1 / control + 1 / rarest) * (control + sum(others))
        return units * self._times(kpi)

    def _times(self, kpi: PlannedKpi) -> float:
        """Times the units of the pinned information: what is pinned has not paid for always-valid looks.

        Nor has it for any looks of a guardrail, for the other guardrails, or for a margin beside an mde.
        """
        policy = self.policy if kinds.REGISTRY[kpi.definition.kind].adds_up else Policy.FIXED
        if kpi.role is Role.PRIMARY:
            is_watched = policy is Policy.ALWAYS_VALID
            return _watched(self.horizon_days, self.alpha_each, self.power) if is_watched else 1.0
        guards = sum(one.margin is not None for one in self.kpis)
        asked = guarding_power(self.power, guards)
        pinned, wanted = (float(power.information(1.0, alpha=self.alpha, power=each)) for each in (self.power, asked))
        effect = 1.0 if kpi.margin is None or kpi.mde is None else (kpi.mde / kpi.margin) ** 2
        return effect * wanted / pinned * self._looked_at(policy, asked)

    def _looked_at(self, policy: Policy, asked: float) -> float:
        """Times the units of a test with one look that a guardrail's looks need."""
        if policy is Policy.ALWAYS_VALID:
            return _watched(self.horizon_days, self.alpha, asked)
        is_fixed = policy is Policy.FIXED
        return 1.0 if is_fixed else _looked_at_times(self.looks, self.alpha, asked)


def guarding_power(power: float, guardrails: int) -> float:
    """The power with which each of so many guardrails is to be shown kept, so that all of them seldom hold up a ship.

    Schultzberg, Ankargren & Frånberg (2024), arXiv 2402.11609: 1 - beta / (G + 1).
    """
    return 1 - (1 - power) / (guardrails + 1)


@lru_cache(maxsize=1_000)
def _watched(days: int, alpha: float, power: float) -> float:
    """Times the units of a test with one look that daily always-valid looks need for the same power."""
    return always_valid(min(days, WATCHED_DAYS), alpha=alpha, power=power).horizon


@lru_cache(maxsize=1_000)
def _looked_at_times(looks: int, alpha: float, power: float) -> float:
    """Times the units of a test with one look that planned looks need for the same power."""
    return group_sequential.inflation(looks, alpha=alpha, power=power)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a plan tests: what the information of each of its KPIs follows from."""

    alpha: float
    power: float
    policy: Policy
    looks: int
    comparisons: int

    def information(self, role: Role, effect: float | None) -> float | None:
        """1 / variance of the difference that finds an effect of this size with the planned power; None without one.

        A deciding KPI shares alpha with the other deciding comparisons and pays for its looks.
        """
        if effect is None:
            return None
        if role is not Role.PRIMARY:
            return float(power.information(effect, alpha=self.alpha, power=self.power))
        alpha = self.alpha / self.comparisons
        fixed = float(power.information(effect, alpha=alpha, power=self.power))
        is_sequential = self.policy is Policy.GROUP_SEQUENTIAL
        return fixed * group_sequential.inflation(self.looks, alpha=alpha, power=self.power) if is_sequential else fixed


def look_days(horizon_days: int, looks: int) -> list[int]:
    """Days after the start day on which so many evenly spread looks fall."""
    return [-(-horizon_days * number // looks) for number in range(1, looks + 1)]


def unit_variance(baseline: PinnedBaseline, scale: Scale) -> float | None:
    """The variance of one unit's number, as a baseline has it; None where it does not say."""
    if scale is Scale.FRACTION:
        return baseline.value * (1 - baseline.value)
    return None if baseline.n is None else baseline.standard_error**2 * baseline.n


def from_document(document: dict[str, Any]) -> Plan:
    """A stored document as the plan it is."""
    return msgspec.convert(document, Plan)


OPTIONAL = {field.name for cls in (Plan, PlannedKpi, PlannedVariant) for field in fields(cls) if field.default is None}
"""What plans sealed earlier do not know. It is left out where it says nothing, so that they keep their bytes."""


def to_document(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON values, without optional ones that say nothing."""
    document: dict[str, Any] = msgspec.to_builtins(plan)
    for part in (document, *document["kpis"], *document["variants"]):
        for name in [name for name in OPTIONAL & part.keys() if part[name] is None]:
            del part[name]
    return document


def canonical(plan: Plan) -> bytes:
    """The plan in RFC 8785's canonical JSON."""
    return rfc8785.dumps(to_document(plan))


def seal(plan: Plan) -> str:
    """The SHA-256 of the canonical plan, in hex."""
    return hashlib.sha256(canonical(plan)).hexdigest()
