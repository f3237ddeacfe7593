"""Many questions by their evidence: which to believe while all of them are watched, and how evidence adds up.

Wang & Ramdas (2022), "False discovery rate control with e-values", JRSS B 84: the Benjamini-Hochberg rule on e-values
keeps the share of false findings among all findings at alpha on average, under any dependence between the questions.
With e-processes that holds at any moment one chooses to stop, for the e-values as they stand at that moment, all of the
same day. The highest value so far is no e-value: it has no place here.

All arguments are logarithms of e-values.
"""

import numpy as np

from stats.arrays import Array, Mask, Numbers, numbers
from stats.distributions import level_of


def adjusted(log_e: Numbers) -> Array:
    """The smallest alpha at which e-BH finds each question (last axis), at most 1: to be read like a p-value.

    NaN (a question without an answer) stays NaN and does not count as a question.

    >>> adjusted(np.log([100.0, 2.0, 40.0, 1.0])).round(4).tolist()
    [0.04, 0.6667, 0.05, 1.0]
    """
    given = numbers(log_e)
    order = np.argsort(-given, axis=-1)  # NaN sorts last
    asked = ~np.isnan(given)
    rank = np.arange(1, given.shape[-1] + 1)
    count = asked.sum(axis=-1, keepdims=True)
    needed = np.log(np.maximum(count, 1) / rank) - np.take_along_axis(given, order, axis=-1)
    smallest = np.flip(np.fmin.accumulate(np.flip(needed, axis=-1), axis=-1), axis=-1)
    answer = np.empty_like(given)
    np.put_along_axis(answer, order, np.exp(np.minimum(smallest, 0.0)), axis=-1)
    return np.where(asked, answer, np.nan)


def calibrated(p_values: Numbers) -> Array:
    """The logarithm of the e-value that a p-value of one look is worth: e = 1 / sqrt(p) - 1, which is 1 on average.

    Shafer, Shen, Vereshchagin & Vovk (2011), "Test martingales, Bayes factors and p-values", Statistical Science 26. It
    costs: a p-value of 0.05 is worth 3.5, and 20 takes one of 0.0023. Until the look is taken the e-value is 0, -inf
    here. NaN stays NaN. Raises ValueError for a p-value outside [0, 1].

    >>> np.exp(calibrated([0.04, 1.0])).round(6).tolist()
    [4.0, 0.0]
    """
    p = numbers(p_values)
    if np.any((p < 0) | (p > 1)):
        raise ValueError("a p-value lies between 0 and 1")
    worth = np.full(p.shape, np.inf)
    np.divide(1.0, np.sqrt(p), out=worth, where=p != 0)
    answer = np.full(p.shape, -np.inf)
    np.log(worth - 1, out=answer, where=~(worth <= 1))
    return answer


def found(log_e: Numbers, *, alpha: float) -> Mask:
    """Which questions (last axis) e-BH answers with yes: the k largest, if the k-th is K / (alpha k) or more.

    Questions without an answer are not found. Raises ValueError unless 0 < alpha < 1.

    >>> found(np.log([100.0, 2.0, 45.0, 1.0]), alpha=0.05).tolist()
    [True, False, True, False]
    """
    level_of(alpha)
    return np.asarray(adjusted(log_e) <= alpha)


def product(log_e: Numbers, axis: int = -1) -> Array:
    """All the evidence of independent experiments on one hypothesis together: the product (log of it).

    Ter Schure & Grunwald (2022), "ALL-IN meta-analysis", F1000Research 11: valid at any moment, also if later
    experiments were begun because of earlier ones. An experiment without an answer yet (NaN) has an e-value of 1.

    >>> product([1.0, np.nan, 2.5]).item()
    3.5
    """
    return np.asarray(np.nansum(numbers(log_e), axis=axis))


def average(log_e: Numbers, axis: int = -1, *, weights: Numbers | None = None) -> Array:
    """The mean of e-values (log of it), which is an e-value whatever their dependence.

    Vovk & Wang (2021), "E-values: calibration, combination and applications", Annals of Statistics 49: no other
    symmetric merging does better under arbitrary dependence. `weights` are fixed before the data, equal by default, and
    broadcast with `log_e`. A missing answer (NaN) has an e-value of 1. Raises ValueError for weights that are negative
    or all zero.

    >>> round(average(np.log([1.0, 9.0, np.nan, 9.0])).item(), 4) == round(float(np.log(5)), 4)
    True
    """
    given, shares = np.broadcast_arrays(numbers(log_e), 1.0 if weights is None else numbers(weights))
    if np.any(shares < 0) or not np.all(shares.sum(axis=axis) > 0):
        raise ValueError("weights are not negative, and some of them positive")
    log_shares = np.full(given.shape, -np.inf)
    np.log(shares, out=log_shares, where=shares > 0)
    counted = np.where(np.isnan(given) | (shares == 0), 0.0, given)
    return np.asarray(np.logaddexp.reduce(counted + log_shares, axis=axis) - np.log(shares.sum(axis=axis)))
