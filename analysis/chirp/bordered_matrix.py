"""Symmetric positive matrices that are banded but for their last few rows and columns."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve_banded, cholesky_banded

from analysis.chirp.time_grid import near_diagonal

__all__ = ["Bordered", "inverse"]

Floats = NDArray[np.float64]

_LEAST = 1e-12  # of a diagonal
_REGULAR = 1e-11  # of the diagonal is added, so that what nothing is known of does not matter


class Bordered:
    """A factorised matrix.

    Parameters
    ----------
    matrix : (U, U) array
    size, width : int
        The first `size` rows have `width` entries on either side of the diagonal.
    """

    def __init__(self, matrix: Floats, size: int, width: int) -> None:
        self._size = size
        diagonal, scaled = _scaled(matrix)
        self._diagonal, self._corner = diagonal, scaled[size:, size:]
        self._border = scaled[:size, size:]
        band = np.zeros((width + 1, size))
        for k in range(width + 1):
            band[k, : size - k] = scaled.diagonal(-k)[: size - k]
        self._factor = cholesky_banded(band, lower=True, check_finite=False)
        self._across = self._inner(self._border)
        self._rest = np.linalg.inv(self._corner - self._border.T @ self._across)

    def _inner(self, values: Floats) -> Floats:
        solved: Floats = cho_solve_banded((self._factor, True), values, check_finite=False)
        return solved

    def solve(self, vector: Floats) -> Floats:
        """Solve for (U,)."""
        scaled = vector / self._diagonal
        last = self._rest @ (scaled[self._size :] - self._across.T @ scaled[: self._size])
        first = self._inner(scaled[: self._size]) - self._across @ last
        return np.concatenate([first, last]) / self._diagonal

    def variances(self, rows: Floats) -> tuple[Floats, Floats]:
        """Variances (n,) of sums over three neighbours, and (U,) of the unknowns themselves.

        `rows` (n, 3) are what the unknowns i, i + 1 and i + 2 of the first `size` count in sum i.
        """
        count = len(rows)
        inside, scale = near_diagonal(self._factor), self._diagonal
        places = np.arange(count)[:, np.newaxis] + np.arange(3)
        rows = rows / scale[places]
        near = inside[places[:, :, np.newaxis], places[:, np.newaxis, :]]
        sums = np.einsum("ij,ijk,ik->i", rows, near, rows)
        across = np.einsum("ij,ijk->ik", rows, self._across[places])
        sums += np.einsum("ij,jk,ik->i", across, self._rest, across)
        first = inside.diagonal() + ((self._across @ self._rest) * self._across).sum(axis=1)
        return sums, np.concatenate([first, self._rest.diagonal()]) / scale**2


def inverse(matrix: Floats) -> Floats:
    """Whole inverse of any symmetric positive matrix, as regular as a `Bordered` one."""
    diagonal, scaled = _scaled(matrix)
    found: Floats = np.linalg.inv(scaled) / np.outer(diagonal, diagonal)
    return (found + found.T) / 2


def _scaled(matrix: Floats) -> tuple[Floats, Floats]:
    diagonal = np.sqrt(np.maximum(np.diag(matrix), _LEAST))
    scaled = matrix / np.outer(diagonal, diagonal)
    scaled[np.diag_indices_from(scaled)] += _REGULAR
    return diagonal, scaled
