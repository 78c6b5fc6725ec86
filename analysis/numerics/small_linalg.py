"""Linear algebra of a dozen unknowns, compiled.

LAPACK's takes longer to call for such sizes, and several seconds to compile in.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.numerics.jit import compiled

Floats = NDArray[np.float64]


@compiled
def inverse(matrix: Floats) -> Floats:
    """Inverse (n, n) of a positive definite matrix, by Gauss and Jordan: no pivots needed."""
    result = matrix.copy()
    n = len(result)
    for i in range(n):
        pivot = 1 / result[i, i]
        result[i, i] = 1.0
        for k in range(n):
            result[i, k] *= pivot
        for j in range(n):
            if j != i:
                factor = result[j, i]
                result[j, i] = 0.0
                for k in range(n):
                    result[j, k] -= factor * result[i, k]
    return result


@compiled
def solve(matrix: Floats, vector: Floats) -> Floats:
    """Solve for (n,) with a positive definite matrix (n, n), of which the lower half is spoilt."""
    n = len(vector)
    result = vector.copy()
    for i in range(n):
        pivot = 1 / matrix[i, i]
        for j in range(i + 1, n):
            factor = matrix[j, i] * pivot
            result[j] -= factor * result[i]
            for k in range(i + 1, j + 1):
                matrix[j, k] -= factor * matrix[k, i]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            result[i] -= matrix[j, i] * result[j]
        result[i] /= matrix[i, i]
    return result


@compiled
def dot(one: Floats, other: Floats) -> float:
    """Sum of products of two vectors."""
    total = 0.0
    for k in range(len(one)):
        total += one[k] * other[k]
    return total
