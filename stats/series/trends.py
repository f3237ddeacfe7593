"""Local linear trends: what a series says of its later periods under each of several, by Kalman's filter.

A level walks, its slope changes, seasons stay as they are; of the level nothing is known before (Harvey 1989,
"Forecasting, structural time series models and the Kalman filter", sections 2.3 and 3.2). The filter takes time in
proportion to the periods, all trends at once, and gives what the covariances of all periods together would give.
"""

import numpy as np

from stats.arrays import Array, Places
from stats.series.mixture import Mixture, weighed
from stats.series.models import ANYWHERE, Trends

LEVEL, SLOPE, FIRST_SEASON = 0, 1, 2
"""The places in the state."""


def unseen(
    times: Array, values: Array, variances: Array, later: Array, added: Array, trends: Trends, *, season: int | None
) -> Mixture:
    """What values (T,) seen in periods (T,) say of those in later ones (F,); mixtures of shape (F, models).

    `variances` (T,) and `added` (F,) are those of sampling. All in scales of the series, times in periods.

    >>> one, none = np.ones(1), np.zeros(1)
    >>> walk = Trends(noise=none, step=one, slope=none, bend=none, season=none, prior=one)
    >>> seen = np.array([1.0, 2.0]), np.array([4.0, 5.0]), np.zeros(2)
    >>> found = unseen(*seen, np.array([4.0]), np.zeros(1), walk, season=None)
    >>> found.means.round(3).tolist(), (found.deviations**2).round(3).tolist()
    ([[5.0]], [[2.0]])
    """
    place, count = _seasons(np.concatenate((times, later)), season)
    state = _State(trends, count)
    state.begin(values[0], variances[0], place[0])
    for index in range(1, times.size):
        state.pass_by(times[index] - times[index - 1])
        state.see(values[index], variances[index], place[index])
    means, spreads, now = [], [], times[-1]
    for when, variance, season_of in zip(later, added, place[times.size :], strict=True):
        state.pass_by(when - now)
        now = when
        spread, _ = state.foretold(variance, season_of)
        means.append(state.mean_of(season_of))
        spreads.append(spread)
    weights = np.broadcast_to(weighed(state.likelihood, trends.prior), (len(means), trends.prior.size))
    return Mixture(weights=weights, means=np.array(means), deviations=np.sqrt(spreads))


def _seasons(times: Array, season: int | None) -> tuple[Places, int]:
    """The place in the state of each period's season, and how many seasons there are."""
    if season is None:
        return np.full(times.size, -1), 0
    found, place = np.unique(np.mod(times, season), return_inverse=True)
    return FIRST_SEASON + place, found.size


class _State:
    """What is known of level, slope and seasons (models, state) so far, and how likely each trend made the values."""

    def __init__(self, trends: Trends, seasons: int) -> None:
        self._trends, self._has_seasons = trends, seasons > 0
        size, models = FIRST_SEASON + seasons, trends.prior.size
        self._mean = np.zeros((models, size))
        self._spread = np.zeros((models, size, size))
        self._spread[:, LEVEL, LEVEL] = ANYWHERE
        self._spread[:, SLOPE, SLOPE] = trends.slope**2
        for place in range(FIRST_SEASON, size):
            self._spread[:, place, place] = trends.season**2
        self.likelihood = np.zeros(models)

    def begin(self, value: float, variance: float, season: int) -> None:
        """Take the first value in. What is left of the level's variance is not the difference of two huge numbers."""
        apart = variance + self._trends.noise**2 + (self._trends.season**2 if self._has_seasons else 0.0)
        self.see(value, variance, season)
        self._spread[:, LEVEL, LEVEL] = ANYWHERE * apart / (ANYWHERE + apart)

    def pass_by(self, time: float) -> None:
        """Let time pass: the level walks on along the slope, which bends."""
        mean, spread, trends = self._mean, self._spread, self._trends
        mean[:, LEVEL] += time * mean[:, SLOPE]
        spread[:, LEVEL] += time * spread[:, SLOPE]
        spread[:, :, LEVEL] += time * spread[:, :, SLOPE]
        bend = trends.bend**2
        spread[:, LEVEL, LEVEL] += trends.step**2 * time + bend * time**3 / 3
        spread[:, LEVEL, SLOPE] += bend * time**2 / 2
        spread[:, SLOPE, LEVEL] += bend * time**2 / 2
        spread[:, SLOPE, SLOPE] += bend * time

    def see(self, value: float, variance: float, season: int) -> None:
        """Take a value in."""
        spread, with_state = self.foretold(variance, season)
        surprise = value - self.mean_of(season)
        gain = with_state / spread[:, np.newaxis]
        self.likelihood -= (np.log(spread) + surprise**2 / spread) / 2
        self._mean += gain * surprise[:, np.newaxis]
        self._spread -= gain[:, :, np.newaxis] * with_state[:, np.newaxis]

    def mean_of(self, season: int) -> Array:
        """What is expected of a value now."""
        level = self._mean[:, LEVEL]
        return level + self._mean[:, season] if self._has_seasons else level.copy()

    def foretold(self, variance: float, season: int) -> tuple[Array, Array]:
        """The variance of a value now, and its covariances with the state."""
        with_state = self._spread[:, :, LEVEL]
        with_state = with_state + self._spread[:, :, season] if self._has_seasons else with_state.copy()
        own = with_state[:, LEVEL] + (with_state[:, season] if self._has_seasons else 0.0)
        return own + variance + self._trends.noise**2, with_state
