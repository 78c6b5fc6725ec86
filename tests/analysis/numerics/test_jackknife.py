"""The jackknife against leaving groups out and fitting again."""

import numpy as np
import pytest

from analysis.numerics.jackknife import jackknife


def test_sigmas_are_those_of_fits_without_one_group_each():
    rng = np.random.default_rng(2)
    groups, values = 12, 9
    jacobian = rng.standard_normal((groups, values, 2))
    shared = rng.standard_normal((groups, 1))  # a disturbance of a whole group
    data = jacobian @ [1.0, -2.0] + shared + 0.1 * rng.standard_normal((groups, values))

    def fit(rows):
        design = jacobian[rows].reshape(-1, 2)
        return np.linalg.lstsq(design, data[rows].ravel(), rcond=None)[0]

    every = np.arange(groups)
    best = fit(every)
    without = np.array([fit(every != g) for g in range(groups)])
    expected = np.sqrt((groups - 1) / groups * ((without - best) ** 2).sum(0))
    sigmas = jackknife(-jacobian, data - jacobian @ best)
    np.testing.assert_allclose(sigmas, expected, rtol=1e-9)


def test_a_disturbance_that_groups_share_is_not_averaged_away_within_them():
    """The mean of 20 groups of 50 values that have an error in common: 1/√20, not 1/√1000."""
    rng = np.random.default_rng(4)
    sigmas = []
    for _ in range(30):
        residuals = np.repeat(rng.standard_normal((20, 1)), 50, axis=1)
        residuals -= residuals.mean()
        sigmas.append(jackknife(np.ones((20, 50, 1)), residuals)[0])
    assert np.mean(sigmas) == pytest.approx(20**-0.5, rel=0.1)
