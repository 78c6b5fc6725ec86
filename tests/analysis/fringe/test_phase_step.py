"""Phase steps of differences of spectra that the model's equation makes."""

import numpy as np
import pytest
from fringes import PUMP, model, parameters, spectrum

from analysis.fringe.phase_step import fit_step
from analysis.fringe.solver import unpumped

pytestmark = pytest.mark.usefixtures("interpreted")

GRID = model().grid
SIGMA = 1e-4


def step(pump, sigma=SIGMA, chirped=False, seed=0):
    """Fit of the difference that `pump` makes, with noise, and what is fitted."""
    p = parameters(pump=np.asarray(pump, float))
    noise = sigma * np.random.default_rng(seed).standard_normal(len(GRID.axes.tilt))
    difference = spectrum(p) - spectrum(unpumped(p)) + noise
    fitted = unpumped(p)
    weight = np.full(len(difference), sigma**-2)
    return fitted, *fit_step(fitted, GRID, difference, weight, chirped)


@pytest.mark.parametrize("delta", [-9.0, -2.2, -0.3, 1e-3, 0.3, 1.6, 3.1, 9.0])
def test_a_step_of_any_turn_is_found(delta):
    fitted, chosen, covariance, variance, chi2 = step([delta, 1e-3, -1e-3, 0, 0, 0])
    sigma = np.sqrt(covariance[0, 0])
    assert chosen[0] == 7
    assert abs(fitted[7] - delta) < 4.5 * sigma
    assert variance <= covariance[0, 0] * (1 + 1e-9)
    assert chi2 < 2 * len(GRID.axes.tilt)


def test_everything_is_fitted_where_the_probe_is_chirped():
    fitted, chosen, covariance, _, _ = step(PUMP, chirped=True)
    np.testing.assert_array_equal(chosen, np.arange(7, 13))
    assert (np.abs(fitted[7:] - PUMP) < 4.5 * np.sqrt(np.diag(covariance))).all()


def half_a_fringe(slope):
    """Fit of a plate of half a fringe in which a slope of the phase costs most of the precision."""
    fringe = np.array([1.0, 0.0, 0.0, 0.4, -0.3, 2.0, 0.02])
    p = parameters(fringe, np.array([0.02, 0, 0, 0, slope, 0]))
    difference = spectrum(p) - spectrum(unpumped(p))
    difference += 1e-4 * np.random.default_rng(1).standard_normal(len(difference))
    fitted = unpumped(p)
    return fit_step(fitted, GRID, difference, np.full(len(difference), 1e8), False)[0]


def test_a_slope_that_costs_precision_is_fitted_only_if_it_is_clearly_there():
    assert 11 not in half_a_fringe(0.0)
    assert 11 in half_a_fringe(0.2)


def test_the_scatter_is_that_of_the_covariance():
    fits = [step([0.02, 1e-3, -1e-3, 0, 0, 0], 1e-3, seed=seed) for seed in range(60)]
    scatter = np.std([fitted[7] for fitted, *_ in fits])
    assert scatter == pytest.approx(np.sqrt(np.mean([fit[2][0, 0] for fit in fits])), rel=0.3)
