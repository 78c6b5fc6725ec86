"""Banded matrices with a border against dense linear algebra."""

import numpy as np
import pytest
from scipy.linalg import cholesky_banded

from analysis.chirp.bordered_matrix import BorderedMatrix, banded_inverse, regular_inverse

SIZE, WIDTH, BORDER = 40, 4, 3


@pytest.fixture(scope="module")
def matrix():
    """Information of data that depend on a few neighbours and on three shared parameters each."""
    rng = np.random.default_rng(1)
    result = np.diag(rng.uniform(0.1, 10, SIZE + BORDER))
    for first in range(SIZE - WIDTH):
        members = [*range(first, first + WIDTH + 1), *range(SIZE, SIZE + BORDER)]
        rows = rng.normal(size=(2, len(members)))
        result[np.ix_(members, members)] += rows.T @ rows
    scale = 10 ** rng.uniform(-3, 3, len(result))
    return result * np.outer(scale, scale)


def test_equations_are_solved(matrix):
    right = np.random.default_rng(2).normal(size=len(matrix)) * np.sqrt(np.diag(matrix))
    solution = BorderedMatrix(matrix, SIZE, WIDTH).solve(right)
    np.testing.assert_allclose(solution, np.linalg.solve(matrix, right), rtol=1e-7)


def test_variances_are_those_of_the_whole_inverse(matrix):
    coefficients = np.random.default_rng(3).normal(size=(SIZE - 2, 3))
    sums, variances = BorderedMatrix(matrix, SIZE, WIDTH).variances(coefficients)
    inverse = np.linalg.inv(matrix)
    np.testing.assert_allclose(variances, np.diag(inverse), rtol=1e-7)
    expected = [c @ inverse[i : i + 3, i : i + 3] @ c for i, c in enumerate(coefficients)]
    np.testing.assert_allclose(sums, expected, rtol=1e-6)
    np.testing.assert_allclose(regular_inverse(matrix), inverse, rtol=1e-6, atol=0)


def test_a_parameter_without_information_does_not_disturb_the_others():
    matrix = np.diag([4.0, 1.0, 0.0, 9.0])
    right = np.array([4.0, 2.0, 0.0, 9.0])
    solution = BorderedMatrix(matrix, 3, 1).solve(right)
    np.testing.assert_allclose(solution, [1.0, 2.0, 0.0, 1.0], rtol=1e-9)
    np.testing.assert_allclose(np.diag(regular_inverse(matrix))[[0, 1, 3]], [0.25, 1.0, 1 / 9])


def test_a_matrix_that_is_not_positive_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        BorderedMatrix(np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), 2, 1)


def test_selected_inversion_gives_the_band_of_the_inverse():
    rng = np.random.default_rng(4)
    lower = np.tril(rng.normal(size=(SIZE, SIZE))) - np.tril(rng.normal(size=(SIZE, SIZE)), -3)
    lower *= np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE))) < 3
    dense = lower @ lower.T + 3 * np.eye(SIZE)
    band = np.zeros((3, SIZE))
    for k in range(3):
        band[k, : SIZE - k] = dense.diagonal(-k)
    band_of_inverse, inverse = (
        banded_inverse(cholesky_banded(band, lower=True)),
        np.linalg.inv(dense),
    )
    for k in range(-2, 3):
        np.testing.assert_allclose(band_of_inverse.diagonal(k), inverse.diagonal(k), atol=1e-12)
