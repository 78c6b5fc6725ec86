"""Linear algebra of a dozen unknowns, compiled.

For such sizes a call of LAPACK takes longer than the arithmetic, and its wrappers take several
seconds to compile.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.numerics.jit import compiled

Floats = NDArray[np.float64]


@compiled
def inverse(matrix: Floats) -> Floats:
    """Return the inverse (n, n) of a positive definite matrix (n, n).

    Elimination by Gauss and Jordan, which needs no pivots for such a matrix.
    """
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
    """Solve the linear equations of a positive definite matrix.

    Parameters
    ----------
    matrix : (n, n) array
        Its lower half is overwritten.
    vector : (n,) array
        Right-hand side.

    Returns
    -------
    (n,) array
    """
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
    """Return the sum of products of two vectors (n,)."""
    total = 0.0
    for k in range(len(one)):
        total += one[k] * other[k]
    return total


@compiled
def assign(target: Floats, source: Floats) -> None:
    """Copy a vector (n,) to another one: a slice's assignment takes much longer to compile."""
    for k in range(len(target)):
        target[k] = source[k]
