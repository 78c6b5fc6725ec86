"""Residuals and their derivatives, against finite differences and the solver itself."""

import numpy as np
import pytest
from microlaser import PLATE, RATES, follow
from scipy.interpolate import CubicSpline

from analysis.rate_equations.data import Curve, DiffusionPrior, LightCurve
from analysis.rate_equations.parameters import PARAMETERS, SHARED, THRESHOLD
from analysis.rate_equations.residuals import Problem
from ocm_ophyd.errors import DataError

DELAY = np.array([3.0, 5, 8, 12, 20, 40, 90, 200])
INITIAL = np.array([0.5e19, 1.2e19, 1.8e19])
PRIOR = DiffusionPrior(0.8, 0.1)
# fitted values of the microlaser's constants; the threshold from its gain
PUBLISHED = (2e8, 1.8e-9, 5e-30, 0.8, 0.8, 0.8 / RATES[5] / PLATE.mean_density, 0.03)


def curves():
    """Curves of the solver without noise, with a relative sigma of 1e-2."""
    clean_curves = []
    for initial in INITIAL:
        times, density, *_ = follow(RATES, initial)
        clean = CubicSpline(times, density[:, 0])(DELAY)
        clean_curves.append(Curve(initial / 2e19, DELAY, clean, 0.01 * clean))
    return clean_curves


def light(unit=1.0):
    """Light–light curve with one sensitivity for all light."""
    total = []
    for initial in INITIAL:
        _, _, _, emitted = follow(RATES, initial, horizon=50e3)
        total.append(unit * emitted[:, 0].sum())
    total = np.array(total)
    return LightCurve(INITIAL / 2e19, total, 0.01 * total, INITIAL, scatter=0.01, scale=0.02)


def truth(problem):
    shared = [p.fitted(value) for p, value in zip(PARAMETERS, PUBLISHED, strict=True)]
    densities = np.log(np.tile(INITIAL, 1 + (problem.common > SHARED + 3)))
    return np.r_[shared, densities, 0.0]


def test_residuals_vanish_at_the_truth():
    problem = Problem(curves(), PLATE, light(), PRIOR)
    residuals = problem(truth(problem))
    assert len(residuals.values) == 3 * 8 + 3 + 1 + 3 + 1
    np.testing.assert_allclose(residuals.values, 0, atol=0.02)  # 1e-2 of a sigma is 1e-4 of N


def test_slopes_are_derivatives_of_the_residuals():
    problem = Problem(curves(), PLATE, None, PRIOR)
    theta = truth(problem)
    slopes = problem(theta).slopes
    for index in range(problem.common):
        step = np.zeros(len(theta))
        step[index] = 1e-4
        numeric = (problem(theta + step).values - problem(theta - step).values) / 2e-4
        scale = max(np.abs(numeric).max(), 1e-6)
        np.testing.assert_allclose(slopes[:, index], numeric, atol=2e-5 * scale)


def test_the_unit_of_the_light_is_eliminated():
    first, second = (Problem(curves(), PLATE, light(unit), PRIOR) for unit in (1.0, 1e-12))
    theta = truth(first)
    theta[THRESHOLD] += 0.1
    np.testing.assert_allclose(first(theta).values, second(theta).values, atol=1e-6)


def test_degrees_of_freedom_count_points_and_priors():
    dark = Problem(curves(), PLATE, None, PRIOR)
    assert dark.dof(dark.free) == 24 + 1 - (SHARED + 3)
    lit = Problem(curves(), PLATE, light(), PRIOR)
    # three intensities and three densities with a prior each and a common one; two sensitivities
    assert lit.dof(lit.free) == 24 + 1 + 3 + 3 + 1 - 2 - (SHARED + 3 + 3 + 1)


def test_too_few_curves_are_refused_and_short_ones_not_used():
    with pytest.raises(DataError, match="2 of 2 curves"):
        Problem(curves()[:2], PLATE, None, PRIOR)
    short = Curve(0.1, DELAY[:3], np.full(3, 1e19), 1e17)
    problem = Problem([short, *curves()], PLATE, None, PRIOR)
    np.testing.assert_array_equal(problem.used, [False, True, True, True])
    assert problem.warnings == (
        "the curve at 0.1 mJ/cm^2 is not used: fewer than four usable points",
    )
