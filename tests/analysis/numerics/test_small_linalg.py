"""Small linear algebra against LAPACK."""

import numpy as np
import pytest

from analysis.numerics.small_linalg import assign, dot, inverse, solve

pytestmark = pytest.mark.usefixtures("interpreted")

RNG = np.random.default_rng(3)


def positive_definite(size):
    root = RNG.standard_normal((size, size))
    return root @ root.T + 0.1 * np.eye(size)


@pytest.mark.parametrize("size", [1, 3, 7, 13])
def test_the_inverse_is_lapacks(size):
    matrix = positive_definite(size)
    before = matrix.copy()
    np.testing.assert_allclose(inverse(matrix), np.linalg.inv(matrix), rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(matrix, before)


@pytest.mark.parametrize("size", [1, 3, 7, 13])
def test_the_solution_is_lapacks(size):
    matrix, vector = positive_definite(size), RNG.standard_normal(size)
    expected = np.linalg.solve(matrix, vector)
    np.testing.assert_allclose(solve(matrix, vector), expected, rtol=1e-8, atol=1e-9)


def test_dot_and_assign():
    one, other = RNG.standard_normal((2, 20))
    assert dot(one, other) == pytest.approx(one @ other)
    assign(one, other)
    np.testing.assert_array_equal(one, other)
