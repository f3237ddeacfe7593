"""What all questions to a series share: its shape, which periods have a value, and when there are too few of them."""

import numpy as np

from stats.arrays import Array, Mask, Numbers, numbers


def given(value: Numbers, standard_error: Numbers) -> tuple[Array, Array, Mask]:
    """Values and standard errors (..., T) of one shape, and where both are known.

    Raises ValueError without periods and for a negative standard error.

    >>> value, error, known = given([0.2, float("nan"), 0.3], 0.01)
    >>> known.tolist()
    [True, False, True]
    """
    values, errors = np.broadcast_arrays(numbers(value), numbers(standard_error))
    if values.ndim == 0:
        raise ValueError("a series has periods, along the last axis")
    if np.any(errors < 0):
        raise ValueError("a standard error is never negative")
    return values, errors, np.isfinite(values) & np.isfinite(errors)


def ordered(period: Numbers, values: Array) -> Array:
    """The periods (T,) of the values (..., T). Raises ValueError unless they rise and are as many.

    >>> ordered(range(3), np.zeros((2, 3))).tolist()
    [0.0, 1.0, 2.0]
    """
    times = numbers(period)
    if times.shape != values.shape[-1:]:
        raise ValueError("there is one value a period, along the last axis")
    if not np.all(np.isfinite(times)) or np.any(np.diff(times) <= 0):
        raise ValueError("periods are in order, each once")
    return times


def flat(values: Array, errors: Array, known: Mask) -> Mask:
    """Whether a series (..., T) is one value all along, without sampling errors: then chance cannot be judged.

    >>> flat(np.array([[2.0, 2.0], [2.0, 3.0]]), np.zeros((2, 2)), np.ones((2, 2), dtype=bool)).tolist()
    [True, False]
    """
    first = np.take_along_axis(values, known.argmax(axis=-1)[..., np.newaxis], axis=-1)
    return np.asarray(~np.any(known & ((values != first) | (errors > 0)), axis=-1))
