"""Mean, variance and largest magnitude of a vector, compiled.

They replace numpy's, whose generic implementations take several times longer to compile.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.numerics.jit import compiled

Floats = NDArray[np.float64]


@compiled
def mean(values: Floats) -> float:
    """Return the mean of values (n,)."""
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total / len(values)


@compiled
def variance(values: Floats) -> float:
    """Return the mean square distance of values (n,) from their mean."""
    centre, total = mean(values), 0.0
    for i in range(len(values)):
        total += (values[i] - centre) * (values[i] - centre)
    return total / len(values)


@compiled
def largest_magnitude(values: Floats) -> float:
    """Return the largest magnitude of values (n,); NaN if one of them is NaN."""
    largest = 0.0
    for i in range(len(values)):
        if np.isnan(values[i]):
            return np.nan
        largest = max(largest, abs(values[i]))
    return largest
