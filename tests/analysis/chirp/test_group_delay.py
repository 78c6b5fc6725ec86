"""Detuning and group delay against the arrival of narrow bands of a pulse."""

import numpy as np
import pytest

from analysis.chirp.group_delay import chirp_delay, detuning

C = 299792.458  # nm/ps


def test_detuning_is_an_angular_frequency_from_the_centre():
    wavelength = np.array([925.0, 1025.0, 1125.0])
    expected = 2 * np.pi * C * (1 / wavelength - 1 / 1025) / 100
    np.testing.assert_allclose(detuning(wavelength), expected, atol=1e-12)
    assert detuning(925.0) > 0 > detuning(1125.0)


@pytest.mark.parametrize("wavelength", [960.0, 1025.0, 1090.0])
def test_a_narrow_band_of_the_pulse_arrives_at_its_group_delay(wavelength):
    """Centroid of the intensity in time, from a spectral phase whose derivative is the delay."""
    chirp = (1.2, 0.05, 0.04)
    step = 0.01  # ps
    time = (np.arange(4096) - 2048) * step
    omega = 2 * np.pi * np.fft.fftfreq(4096, step)  # rad/ps from the centre
    nu = omega / 100
    phase = 100 * sum(c * nu ** (k + 1) / (k + 1) for k, c in enumerate(chirp, 1))
    band = np.exp(-(((nu - detuning(wavelength)) / 0.02) ** 2))
    field = np.fft.fftshift(np.fft.fft(band * np.exp(1j * phase)))  # e^{-iωt}
    intensity = np.abs(field) ** 2
    centroid = (time * intensity).sum() / intensity.sum()
    assert centroid == pytest.approx(float(chirp_delay(wavelength, chirp)), abs=2e-3)


def test_no_coefficients_are_no_delay():
    np.testing.assert_array_equal(chirp_delay(np.linspace(925, 1125, 5), []), 0.0)
