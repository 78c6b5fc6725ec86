"""The solver's arithmetic against plain numpy, finite differences and scipy's minimiser."""

import numpy as np
import pytest
from fringes import FRINGE, model, parameters, spectrum
from scipy.optimize import least_squares

from analysis.fringe import parameters as par
from analysis.fringe.solver import (
    BOTH,
    ON,
    cosines_and_sines,
    derivatives,
    fit,
    fit_fringe,
    unpumped,
)

pytestmark = pytest.mark.usefixtures("interpreted")

GRID = model().grid
SIGMA = 1e-3


def noisy(seed, p=None):
    """Spectra (2, K) with the pump off and on, with noise, and their weights."""
    p, rng = parameters() if p is None else p, np.random.default_rng(seed)
    data = np.stack([spectrum(unpumped(p)), spectrum(p)])
    return data + SIGMA * rng.standard_normal(data.shape), np.full(data.shape, SIGMA**-2.0)


def residuals(values, chosen, start, data, weight, states):
    """Residuals of spectra and priors, whose squares add up to χ²."""
    p = start.copy()
    p[chosen] = values
    rows = [(data[s] - spectrum(p if s else unpumped(p))) * np.sqrt(weight[s]) for s in states]
    away = (p - GRID.prior_mean)[chosen] * np.sqrt(GRID.prior_weight[chosen])
    return np.concatenate([*rows, away])


def test_cosines_and_sines_are_exact_over_many_turns():
    phase = np.random.default_rng(0).uniform(-1e3, 1e3, 4000)
    cos, sin = np.empty(4000), np.empty(4000)
    cosines_and_sines(phase, cos, sin)
    np.testing.assert_allclose(cos, np.cos(phase), atol=2e-11)
    np.testing.assert_allclose(sin, np.sin(phase), atol=2e-11)


def test_the_model_is_its_equation_and_the_table_holds_its_derivatives():
    p = parameters()
    value, table = derivatives(p, GRID.axes)
    np.testing.assert_allclose(value, spectrum(p), atol=1e-10)
    for a in range(par.PARAMETERS):
        step = np.zeros(par.PARAMETERS)
        step[a] = 1e-5
        numeric = (spectrum(p + step) - spectrum(p - step)) / 2e-5
        np.testing.assert_allclose(table[a], numeric, atol=1e-7 * np.abs(numeric).max() + 1e-9)


def test_unpumped_keeps_the_fringe_and_nothing_else():
    p = parameters()
    np.testing.assert_array_equal(unpumped(p)[:7], FRINGE)
    assert not unpumped(p)[7:].any()
    assert p[7:].all()


@pytest.mark.parametrize(
    ("states", "chosen", "rows"),
    [(BOTH, np.arange(13), (0, 1)), (ON, np.arange(7, 13), (1,))],
)
def test_a_fit_finds_scipys_minimum_and_covariance(states, chosen, rows):
    data, weight = noisy(2)
    p = parameters() + 0.0
    p[chosen] *= 1.01
    start = p.copy()
    covariance, chi2 = fit(p, chosen, states, GRID, data, weight)
    other = least_squares(
        residuals,
        start[chosen],
        args=(chosen, start, data, weight, rows),
        x_scale="jac",
        xtol=1e-12,
    )
    sigma = np.sqrt(np.diag(covariance))
    assert chi2 == pytest.approx(2 * other.cost, abs=5e-3)
    assert (np.abs(p[chosen] - other.x) < 0.1 * sigma).all()
    expected = np.linalg.inv(other.jac.T @ other.jac)
    np.testing.assert_allclose(sigma, np.sqrt(np.diag(expected)), rtol=0.01)


@pytest.mark.parametrize("path", [17.5, 20.0, 22.5])
@pytest.mark.parametrize("phase", [0.0, 2.5])
def test_a_fringe_is_fitted_from_any_start_in_range(path, phase):
    p = unpumped(parameters())
    p[par.COSINE], p[par.SINE], p[par.PATH] = 0.5 * np.cos(phase), 0.5 * np.sin(phase), path
    data, weight = noisy(3, p)
    fitted, covariance = fit_fringe(GRID, data, weight)
    assert covariance.shape == (7, 7)
    pull = (fitted[:7] - p[:7]) / np.sqrt(np.diag(covariance))
    assert np.abs(pull).max() < 4.5
