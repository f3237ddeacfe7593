"""Several questions asked at once: each further one makes a false yes more likely, so each must clear a higher bar."""

import numpy as np

from stats.arrays import Array, Numbers, numbers


def holm(p_values: Numbers) -> Array:
    """Adjusted p-values along the last axis; below alpha means significant among all of them.

    Holm (1979), Scandinavian Journal of Statistics 6. Holds under any dependence, and at any look if the p-values are
    always valid. NaN (a question without an answer) stays NaN and does not count as a question.
    """
    p = numbers(p_values)
    order = np.argsort(p, axis=-1)  # NaN sorts last
    asked = np.isfinite(p).sum(axis=-1, keepdims=True)
    still_open = asked - np.arange(p.shape[-1])
    raised = np.take_along_axis(p, order, axis=-1) * still_open
    adjusted = np.minimum(np.maximum.accumulate(raised, axis=-1), 1.0)
    answer = np.empty_like(p)
    np.put_along_axis(answer, order, adjusted, axis=-1)
    return answer
