"""Fits to spectra of the model's equation, and what they give to the variance."""

import numpy as np
import pytest
from fringes import parameters, setup, spectrum

from analysis.fringe.solver import unpumped
from analysis.point.demodulation import FrameWeights, SpectrumPair
from analysis.point.normalisation import Demodulated
from analysis.point.spectrum_fit import fit_with_drift, fit_without_drift, spectrum_weights

pytestmark = pytest.mark.usefixtures("interpreted")

SETUP, FRAMES = setup(), 48
OPENED = np.tile([0.0, 0.0, 0.5, 1.0, 1.0, 0.5], FRAMES // 6)
CENTRED = OPENED - OPENED.mean()
WEIGHTS = FrameWeights(
    1 / FRAMES - OPENED.mean() * CENTRED / (CENTRED @ OPENED), CENTRED / (CENTRED @ OPENED)
)


def demodulated(delta, sigma=1e-3, rng=None, added=0.0):
    """Spectra of frames with a standard deviation `sigma`, with their noise if asked for."""
    p = parameters(pump=np.array([delta, 1e-3, 0, 0, 0, 0]))
    off, on = spectrum(unpumped(p)) + added, spectrum(p) + added
    if rng is not None:
        noise = sigma * rng.standard_normal((FRAMES, len(off)))
        off = off + WEIGHTS.off @ noise
        on = on + WEIGHTS.off @ noise + WEIGHTS.difference @ noise
    weight = np.full(len(off), sigma**-2)
    return Demodulated(SpectrumPair(off, on - off), weight, weight, weight, WEIGHTS)


def final(delta, tilt_variance=1e-8, **options):
    data = demodulated(delta, **options)
    return fit_without_drift(fit_with_drift(data, SETUP), data, tilt_variance, SETUP)


def test_weights_of_spectra_are_those_of_weighted_sums():
    weights = spectrum_weights(demodulated(0.1, sigma=0.1))
    of_sum = WEIGHTS.off + WEIGHTS.difference
    assert weights.off[0] == pytest.approx(100 / (WEIGHTS.off @ WEIGHTS.off))
    assert weights.on[0] == pytest.approx(100 / (of_sum @ of_sum))
    assert weights.difference[0] == pytest.approx(100 / (WEIGHTS.difference @ WEIGHTS.difference))


@pytest.mark.parametrize("delta", [-1.0, 0.02, 0.3, 1.0, 4.0])
def test_both_fits_find_the_phase(delta):
    rng = np.random.default_rng(3)
    data = demodulated(delta, rng=rng)
    first = fit_with_drift(data, SETUP)
    result = fit_without_drift(first, data, 1e-8, SETUP)
    sigma = np.sqrt(first.variance + result.extra) + np.sqrt(np.diag(result.covariance))[3]
    assert abs(first.p[7] - delta) < 5 * sigma
    assert abs(result.p[7] - delta) < 5 * sigma
    assert first.one_shape
    assert first.similarity == pytest.approx(np.exp(-((first.p[7] / 0.3) ** 2)))


def test_tangents_are_of_the_measured_spectra_where_the_effect_is_small():
    data = demodulated(0.01, rng=np.random.default_rng(4))
    tangents = fit_with_drift(data, SETUP).tangents
    on = data.spectra.off + data.spectra.difference
    np.testing.assert_allclose(tangents[0, 0], data.spectra.off, atol=1e-5)
    np.testing.assert_allclose(tangents[1, 0], on, atol=1e-5)
    assert not tangents[0, 4].any()


def test_the_sensitivity_is_the_change_of_the_phase_by_that_of_a_bin():
    data = demodulated(0.2)
    first = fit_with_drift(data, SETUP)
    result = fit_without_drift(first, data, 1e-8, SETUP)
    p, h = result.p, 1e-4
    turned = p.copy()
    turned[7] += h
    for i in (20, 70, 110):
        changed = demodulated(0.2)
        changed.spectra.difference[i] += spectrum(turned)[i] - spectrum(p)[i]
        shift = fit_without_drift(first, changed, 1e-8, SETUP).p[7] - p[7]
        # A part of a change that both spectra share is fitted by the fringe.
        assert shift / h == pytest.approx(result.sensitivity[i], abs=0.2 / 144)


def test_a_tilt_that_sways_adds_to_the_variance():
    quiet, swaying = final(0.3, 1e-12), final(0.3, 1e-3)
    assert quiet.by_tilt_noise < 1e-3 * quiet.by_tilt_prior
    assert swaying.by_tilt_noise > swaying.by_tilt_prior


def test_a_fringe_that_the_model_misses_adds_to_the_variance():
    wave = 0.05 * np.cos(np.arange(144) / 2)
    assert final(0.3, rng=np.random.default_rng(5)).by_misfit == 0
    assert final(0.3, added=wave).by_misfit > 1e-5
