"""Symmetric positive definite matrices that are banded except for a border.

The information matrix of a delay scan has this shape (`analysis.chirp.linear_model`). Nodes of the
time grid that are far apart occur together in no point, so their rows and columns form a band A;
the few parameters that all points share have full rows and columns, the border B with its corner C:

    | A   B |        A = L Lᵀ (banded Cholesky),   S = C − Bᵀ A⁻¹ B (Schur complement).
    | Bᵀ  C |

All matrices are scaled to a unit diagonal before they are factorised.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve_banded, cholesky_banded

from analysis.numerics.jit import compiled
from analysis.numerics.small_linalg import dot

__all__ = ["BorderedMatrix", "banded_inverse", "regular_inverse"]

Floats = NDArray[np.float64]

_MIN_DIAGONAL = 1e-12
"""Smallest diagonal element that the scaling divides by, in the unit of the element: a parameter of
which nothing is known has 0."""

_REGULARISATION = 1e-11
"""Is added to the unit diagonal, so that such a parameter does not make the matrix singular."""


class BorderedMatrix:
    """Factorisation of a symmetric positive definite matrix with a border.

    Parameters
    ----------
    matrix : (U, U) array
        Is not changed.
    size : int
        Number of rows in the band; the other U − `size` rows are the border.
    width : int
        Number of diagonals of the band on either side of the main one.

    Raises
    ------
    numpy.linalg.LinAlgError
        The matrix is not positive definite.
    """

    def __init__(self, matrix: Floats, size: int, width: int) -> None:
        self._size = size
        self._scale, scaled = _scaled(matrix)
        border, corner = scaled[:size, size:], scaled[size:, size:]
        band = np.zeros((width + 1, size))
        for k in range(width + 1):
            band[k, : size - k] = scaled.diagonal(-k)[: size - k]
        self._factor = cholesky_banded(band, lower=True, check_finite=False)
        self._solved_border = self._solve_band(border)  # A⁻¹ B
        self._inverse_schur = np.linalg.inv(corner - border.T @ self._solved_border)

    def _solve_band(self, values: Floats) -> Floats:
        solution: Floats = cho_solve_banded((self._factor, True), values, check_finite=False)
        return solution

    def solve(self, vector: Floats) -> Floats:
        """Return the solution (U,) of the linear equations with the right-hand side `vector`."""
        scaled = vector / self._scale
        band, border = scaled[: self._size], scaled[self._size :]
        last = self._inverse_schur @ (border - self._solved_border.T @ band)
        first = self._solve_band(band) - self._solved_border @ last
        return np.concatenate([first, last]) / self._scale

    def variances(self, coefficients: Floats) -> tuple[Floats, Floats]:
        """Return the variances of sums over three neighbours, and those of the parameters.

        The matrix is the inverse of their covariance.

        Parameters
        ----------
        coefficients : (n, 3) array
            Of the parameters i, i + 1 and i + 2 in the sum i.

        Returns
        -------
        (n,) array
            Variance of each sum.
        (U,) array
            Variance of each parameter: the diagonal of the inverse.
        """
        band, scale = banded_inverse(self._factor), self._scale
        places = np.arange(len(coefficients))[:, np.newaxis] + np.arange(3)
        rows = coefficients / scale[places]
        near = band[places[:, :, np.newaxis], places[:, np.newaxis, :]]
        sums = np.einsum("ij,ijk,ik->i", rows, near, rows)
        across = np.einsum("ij,ijk->ik", rows, self._solved_border[places])
        sums += np.einsum("ij,jk,ik->i", across, self._inverse_schur, across)
        by_border = (self._solved_border @ self._inverse_schur) * self._solved_border
        first = band.diagonal() + by_border.sum(axis=1)
        return sums, np.concatenate([first, self._inverse_schur.diagonal()]) / scale**2


def regular_inverse(matrix: Floats) -> Floats:
    """Return the inverse (U, U) of a matrix (U, U), regularised as a `BorderedMatrix` is."""
    scale, scaled = _scaled(matrix)
    result: Floats = np.linalg.inv(scaled) / np.outer(scale, scale)
    return (result + result.T) / 2


def _scaled(matrix: Floats) -> tuple[Floats, Floats]:
    """Return the roots (U,) of the diagonal, and the matrix (U, U) scaled by them, regularised."""
    scale = np.sqrt(np.maximum(np.diag(matrix), _MIN_DIAGONAL))
    scaled = matrix / np.outer(scale, scale)
    scaled[np.diag_indices_from(scaled)] += _REGULARISATION
    return scale, scaled


@compiled
def banded_inverse(factor: Floats) -> Floats:
    """Return the band of the inverse of a banded matrix; other elements are set to zero.

    The recurrence is that of K. Takahashi, J. Fagan and M.-S. Chin (1973): selected inversion.

    Parameters
    ----------
    factor : (w + 1, T) array
        Lower Cholesky factor by diagonals, in the layout of LAPACK.

    Returns
    -------
    (T, T) array
    """
    width, size = len(factor) - 1, factor.shape[1]
    inverse = np.zeros((size, size))
    column = np.empty(width)
    for j in range(size - 1, -1, -1):
        count = min(width, size - 1 - j)
        pivot = 1 / factor[0, j]
        for k in range(count):
            column[k] = factor[k + 1, j] * pivot
        for i in range(j + 1, j + 1 + count):
            inverse[i, j] = -dot(column[:count], inverse[i, j + 1 : j + 1 + count])
            inverse[j, i] = inverse[i, j]
        inverse[j, j] = pivot**2 - dot(column[:count], inverse[j, j + 1 : j + 1 + count])
    return inverse
