"""The array types of this package, and division where there may be nothing to divide by."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.int8]
Numbers: TypeAlias = npt.ArrayLike


def numbers(values: Numbers) -> Array:
    """The values as an array of floats; a single number becomes an array without axes.

    >>> numbers([1, 2]).tolist(), numbers(3).shape
    ([1.0, 2.0], ())
    """
    return np.asarray(values, dtype=np.float64)


def divide(numerator: Numbers, denominator: Numbers) -> Array:
    """The quotient, and NaN wherever the denominator is zero (without numpy's warning).

    >>> divide([1, 0], [4, 0]).tolist()
    [0.25, nan]
    """
    top, bottom = numbers(numerator), numbers(denominator)
    quotient = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=quotient, where=bottom != 0)
    return quotient


def at_least(values: Numbers, most: int) -> npt.NDArray[np.int64]:
    """For each row of whole numbers, none below zero, how many of them are at least 0, 1, ... and `most`.

    >>> at_least([[3, 1, 0], [5, 5, 2]], 3).tolist()
    [[3, 2, 1, 1], [3, 3, 3, 2]]
    """
    capped = np.minimum(np.asarray(values), most).astype(np.int64)
    rows = np.arange(capped.shape[0])[:, np.newaxis] * (most + 1)
    each = np.bincount((capped + rows).ravel(), minlength=rows.size * (most + 1)).reshape(rows.size, most + 1)
    return np.flip(np.cumsum(np.flip(each, axis=-1), axis=-1), axis=-1)
