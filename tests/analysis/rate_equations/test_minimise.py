"""Minimum, intervals and limits of a linear problem, whose solution has a closed form."""

import numpy as np
import pytest

from analysis.rate_equations.minimise import Minimum, estimate, minimise, reason_without_mode
from analysis.rate_equations.parameters import LOSS, SHARED, THRESHOLD, B, C
from analysis.rate_equations.residuals import Residuals

ROWS = 40


class Linear:
    """Residuals that are linear in the parameters of the rate equations and one density."""

    initial = slice(SHARED, SHARED + 1)

    def __init__(self, truth, noise=1.0, seed=1):
        generator = np.random.default_rng(seed)
        self.design = generator.normal(size=(ROWS, SHARED + 1))
        self.data = self.design @ truth + noise * generator.normal(size=ROWS)
        self.low, self.high = np.full(SHARED + 1, -100.0), np.full(SHARED + 1, 100.0)

    def __call__(self, theta):
        return Residuals(self.design @ theta - self.data, self.design)

    def dof(self, free):
        return ROWS - int(np.count_nonzero(free))


TRUTH = np.array([2.0, -20.0, 1.5, 0.8, -0.2, 44.0, -3.5, 44.5])
ALL = np.ones(SHARED + 1, bool)


def solved(problem):
    return minimise(problem, np.zeros(SHARED + 1), ALL)


@pytest.mark.parametrize("noise", [0.3, 1.0, 4.0])
def test_the_minimum_is_that_of_linear_least_squares(noise):
    problem = Linear(TRUTH, noise)
    best = solved(problem)
    exact, chi2, *_ = np.linalg.lstsq(problem.design, problem.data, rcond=None)
    np.testing.assert_allclose(best.theta, exact, atol=1e-6)
    assert best.chi2 == pytest.approx(chi2[0], rel=1e-9)
    width = max(1.0, np.sqrt(chi2[0] / (ROWS - SHARED - 1)))
    assert best.width == pytest.approx(width)
    covariance = width**2 * np.linalg.inv(problem.design.T @ problem.design)
    np.testing.assert_allclose(best.covariance, covariance, rtol=1e-6)
    assert best.converged


def test_held_parameters_keep_their_values():
    free = ALL.copy()
    free[B] = False
    start = np.zeros(SHARED + 1)
    start[B] = -19.0
    best = minimise(Linear(TRUTH), start, free)
    assert best.theta[B] == -19.0
    assert best.sigma[B] == 0


@pytest.mark.parametrize("noise", [1.0, 4.0])
def test_intervals_of_a_linear_problem_are_one_sigma(noise):
    """With and without widening: an interval ends where χ² has increased by its width squared."""
    problem = Linear(TRUTH, noise)
    best = solved(problem)
    result = estimate(problem, best, C, profiles=True)
    value, sigma = best.theta[C] * 1e-30, best.sigma[C] * 1e-30
    assert (result.value, result.sigma) == pytest.approx((value, sigma))
    assert result.interval == pytest.approx((value - sigma, value + sigma), abs=0.02 * sigma)
    assert result.upper95 == pytest.approx(value + 1.645 * sigma, abs=0.02 * sigma)


def test_the_limit_of_a_negative_value_counts_from_zero():
    """χ² must increase by 1.645² beyond its value at zero."""
    truth = TRUTH.copy()
    truth[C] = -0.3
    problem = Linear(truth)
    best = solved(problem)
    assert best.theta[C] < 0
    theta, sigma = best.theta[C], best.sigma[C]
    expected = theta + np.sqrt(1.645**2 * sigma**2 + theta**2)
    for profiles in (True, False):
        result = estimate(problem, best, C, profiles)
        assert result.upper95 == pytest.approx(1e-30 * expected, abs=2e-32 * sigma)
        assert result.note.startswith("not resolved from zero")


def test_a_parameter_at_its_bound_has_no_value():
    problem = Linear(TRUTH)
    problem.low[B] = -15.0
    best = solved(problem)
    result = estimate(problem, best, B, profiles=False)
    assert not result.determined
    assert "runs into the bound B" in result.note


def test_a_logarithm_without_information_has_no_value():
    problem = Linear(TRUTH)
    problem.design[:, LOSS] *= 1e-2
    problem.data = problem.design @ TRUTH
    result = estimate(problem, solved(problem), LOSS, profiles=False)
    assert "uncertain by a factor of" in result.note


def minimum(chi2, threshold):
    theta = np.zeros(SHARED + 1)
    theta[THRESHOLD], theta[SHARED] = np.log(threshold), np.log(1.5e19)
    return Minimum(theta, np.eye(SHARED + 1), chi2, 1.0, ALL, converged=True)


@pytest.mark.parametrize(
    ("gain", "threshold", "reason"),
    [
        (20.0, 1e19, "no curve shows stimulated emission"),  # 1e-4 of χ² with three: 21.1
        (22.0, 1e19, ""),
        (500.0, 1.6e19, "no curve starts above the threshold"),
    ],
)
def test_a_mode_needs_a_better_fit_and_a_density_above_its_threshold(gain, threshold, reason):
    result = reason_without_mode(
        Linear(TRUTH), minimum(100.0 + gain, 1e35), minimum(100.0, threshold)
    )
    assert result.startswith(reason)
    assert bool(result) == bool(reason)
