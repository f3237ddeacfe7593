"""A target that will hardly be met by its day, as the KPI is going."""

from dataclasses import dataclass

from kpi.alerts.conditions.shape import Condition, Facts, Past, Reading, Silence, columns, measured, told
from kpi.enums import AlertKind, Granularity
from kpi.history import periods
from kpi.kinds.shape import Scale
from stats.series import forecast

SEASONS = {Granularity.DAY: 7, Granularity.MONTH: 12, Granularity.QUARTER: 4}
"""Periods after which seasons return: days of a week, months and quarters of a year."""
ROUNDS = 3
"""Rounds of a season that are seen before it is believed."""
ALPHA = 0.05  # of the interval that is kept with the alert


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAtRisk(Condition):
    """Raised where the chance of meeting the target on its day falls below `chance`, cleared at `clear` or more.

    The chance is a forecast's, not a test's. If the forecast is right, a target that will be met and had chance m at
    the first look is called at risk at any look with probability chance / m at most: given that it is met, m over the
    chance of today is a test martingale (Ville 1939; Shafer, Shen, Vereshchagin & Vovk 2011, Statistical Science 26).
    """

    kind = AlertKind.TARGET_AT_RISK
    chance: float = 0.2
    clear: float | None = None

    def problems(self, scale: Scale) -> list[tuple[str, str]]:
        """Chances lie between 0 and 1, and the way back is not below the way in."""
        found = []
        if not 0 < self.chance < 1:
            found.append(("chance", "The chance is a fraction above 0 and below 1."))
        if not self.chance <= self._clear <= 1:
            found.append(("clear", "What clears the alert is the chance that raises it, or more, and 1 at most."))
        return found

    def judge(self, past: Past, facts: Facts) -> Reading | Silence:
        """Forecast the period of the target's day from those that are known."""
        if facts.target is None:
            return Silence(because="The KPI has no target.")
        later = periods.number(facts.target.due_on, past.granularity)
        if later <= past.number[-1]:
            return Silence(because="The target's day has come.")
        if (silence := measured(past, facts.scale)) is not None:
            return silence
        found = forecast.ahead(
            past.number, past.value, past.standard_error, later=[later], alpha=ALPHA, season=_season(past)
        )
        expected = found.at(0)
        if not isinstance(expected, forecast.Forecast):
            return Silence(because=f"A forecast needs {forecast.FEWEST} final periods with a value that varies.")
        chance = float(found.chance(facts.target.value, sign=facts.sign)[0])
        due, aim, value = facts.target.due_on, facts.target.value, expected.value
        return Reading(
            value=chance,
            limit=self.chance,
            is_beyond=chance < self.chance,
            is_within=chance >= self._clear,
            sentence=f"The target of {told(aim, facts.scale)} by {due} will be met with a chance of {chance:.0%}, below"
            f" {self.chance:.0%}; the forecast is {told(value, facts.scale)}.",
            evidence={
                "target": aim,
                "dueOn": due.isoformat(),
                "forecast": value,
                "lower": expected.interval.lower,
                "upper": expected.interval.upper,
                "periods": columns(past),
            },
        )

    @property
    def _clear(self) -> float:
        return self.chance if self.clear is None else self.clear


def _season(past: Past) -> int | None:
    """The season of the granularity, once enough rounds of it were seen."""
    season = SEASONS.get(past.granularity)
    return season if season and past.number[-1] - past.number[0] + 1 >= ROUNDS * season else None
