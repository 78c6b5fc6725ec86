"""The fringe model against its equation in plain numpy."""

import numpy as np
import pytest
from fringes import FRINGE, WAVELENGTH, model, parameters, spectrum

from analysis.fringe.model import Fringe, FringeModel

pytestmark = pytest.mark.usefixtures("interpreted")

FITTED = Fringe(FRINGE, np.eye(7))


def test_a_fringe_states_visibility_phase_and_path():
    assert FITTED.visibility == pytest.approx(0.5)
    assert FITTED.phase == pytest.approx(np.arctan2(-0.3, 0.4))
    assert FITTED.path == pytest.approx(20.3)


@pytest.mark.parametrize("delta", [0.0, 0.7])
def test_the_spectrum_under_a_phase_change_is_that_of_the_equation(delta):
    pump = np.array([delta, 0, 0, 0, 0, 0])
    expected = spectrum(parameters(pump=pump))
    np.testing.assert_allclose(model().derivatives(FITTED, delta)[0], expected, atol=1e-10)
    each = np.full(len(WAVELENGTH), delta)
    np.testing.assert_allclose(model().derivatives(FITTED, each)[0], expected, atol=1e-10)


def test_the_derivative_by_the_phase_change_is_that_of_the_equation():
    step = 1e-5
    high, low = (spectrum(parameters(pump=np.array([d, 0, 0, 0, 0, 0]))) for d in (step, -step))
    _, table = model().derivatives(FITTED)
    np.testing.assert_allclose(table[7], (high - low) / (2 * step), atol=1e-8)


def test_a_fit_finds_the_fringe_that_made_a_spectrum():
    data = spectrum(parameters(pump=np.zeros(6)))
    fitted = model().fit(data, np.full(len(data), 1e10))
    np.testing.assert_allclose(fitted.parameters, FRINGE, atol=1e-5)


def test_the_scatter_of_fits_is_their_covariance():
    rng, sigma = np.random.default_rng(1), 2e-3
    data = spectrum(parameters(pump=np.zeros(6)))
    weight = np.full(len(data), sigma**-2)
    noisy = [data + sigma * rng.standard_normal(len(data)) for _ in range(60)]
    fits = [model().fit(row, weight) for row in noisy]
    scatter = np.std([fit.phase for fit in fits])
    p, covariance = fits[0].parameters, fits[0].covariance
    by = np.zeros(7)
    by[3:5] = np.array([-p[4], p[3]]) / (p[3] ** 2 + p[4] ** 2)
    assert scatter == pytest.approx(np.sqrt(by @ covariance @ by), rel=0.3)


def test_a_slit_blurs_short_wavelengths_more():
    sharp = FringeModel(WAVELENGTH, 1025.0, 20.0, 3.0).grid.axes.blur
    blur = FringeModel(WAVELENGTH, 1025.0, 20.0, 3.0, slit=1.0).grid.axes.blur
    k = 2e3 * np.pi * np.array([1 / WAVELENGTH[0], 1 / 1025.0])
    width = 2e3 * np.pi * np.array([1 / WAVELENGTH[0] ** 2, 1 / 1025.0**2])  # of 1 nm, in k
    expected = np.exp(-0.5 * 20.0**2 * (width[0] ** 2 - width[1] ** 2))
    np.testing.assert_allclose(sharp, 1.0)
    assert k[0] > k[1]
    assert blur[0] == pytest.approx(expected, rel=1e-6)
