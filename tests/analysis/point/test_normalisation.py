"""Normalised spectra, their weights, and the variance of a mean of correlated numbers."""

import numpy as np
import pytest
from fringes import GAIN, LIGHT, READ_NOISE, frames, parameters, setup, spectrum, times

from analysis.fringe.solver import unpumped
from analysis.point.demodulation import SpectrumPair
from analysis.point.normalisation import energy_weights, normalise, variance_of_mean

pytestmark = pytest.mark.usefixtures("interpreted")

TIME, OPENED = times(24)
P = parameters()


def lock_in_weights():
    """Weights of a lock-in without drift: they give the slope in the open fraction."""
    centred = OPENED - OPENED.mean()
    return centred / (centred @ OPENED)


def test_spectra_of_frames_with_known_energies_are_those_of_the_equation():
    energy = np.random.default_rng(1).normal(0, 0.02, len(TIME))
    weights = energy_weights(lock_in_weights(), OPENED, energy)
    exact = frames(P, OPENED, energy=energy)
    counts = SpectrumPair(weights.off @ exact, weights.difference @ exact)
    alive = np.ones(len(exact[0]))
    alive[3] = 0
    result = normalise(counts, weights, OPENED.mean(), alive, setup())
    off, on = spectrum(unpumped(P)), spectrum(P)
    np.testing.assert_allclose(result.spectra.off, off, atol=1e-9)
    np.testing.assert_allclose(result.spectra.difference, on - off, atol=1e-9)
    fixed = (READ_NOISE / GAIN) ** 2 + 1 / 12
    variance = (on * LIGHT / GAIN + fixed) / LIGHT**2
    np.testing.assert_allclose(result.open_weight[4:], 1 / variance[4:], rtol=1e-9)
    mean = off + OPENED.mean() * (on - off)
    variance = (mean * LIGHT / GAIN + fixed) / LIGHT**2
    np.testing.assert_allclose(result.mean_weight[4:], 1 / variance[4:], rtol=1e-9)
    assert result.closed_weight[3] == result.open_weight[3] == result.mean_weight[3] == 0


def test_a_frame_without_light_has_no_weight():
    energy = np.zeros(len(TIME))
    energy[5] = -1.0
    weights = energy_weights(lock_in_weights(), OPENED, energy)
    assert weights.off[5] == weights.difference[5] == 0
    assert np.isfinite(weights.off).all()


def test_the_variance_of_a_mean_of_correlated_numbers():
    """Ten neighbours have one value: the mean of 120 numbers is that of 12 independent ones."""
    rng = np.random.default_rng(2)
    estimates = [variance_of_mean(np.repeat(rng.standard_normal(12), 10)) for _ in range(400)]
    assert np.mean(estimates) == pytest.approx(1 / 12, rel=0.15)
