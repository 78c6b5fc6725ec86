"""Pixels of the probe's band, their bins, and the normalisation of spectra."""

import numpy as np
import pytest

from analysis.probe_band import PROBE_BAND, ProbeBand, in_band, lit_pixels
from ocm_ophyd.errors import DataError

WAVELENGTH = np.linspace(880.0, 1150.0, 400)
DARK = np.full(400, 100.0)
LIGHT = 1e4 * np.exp(-(((WAVELENGTH - 1025) / 60) ** 2))


def band(path=6.0, order=slice(None)):
    return ProbeBand(WAVELENGTH[order], DARK, (DARK + LIGHT)[order], path, 4.0, 10.0)


def test_lit_pixels_are_those_of_the_band_with_light():
    lit = lit_pixels(WAVELENGTH, LIGHT)
    assert not lit[~in_band(WAVELENGTH)].any()
    assert WAVELENGTH[in_band(WAVELENGTH)].min() >= PROBE_BAND[0]
    assert (LIGHT[lit] > 0.05 * LIGHT.max()).all()


def test_a_slow_fringe_has_wider_bins_than_a_fast_one():
    slow, fast = band(3.0).bins, band(200.0).bins
    assert len(fast.dark) == len(fast.pixel)
    assert len(slow.dark) < 0.5 * len(fast.dark)
    assert slow.edge[0] == 0
    assert slow.edge[-1] == len(slow.pixel)


def test_the_reference_is_one_and_its_variance_that_of_its_electrons():
    made = band()
    value, weight = made.normalise(DARK + LIGHT)
    np.testing.assert_allclose(value, 1.0)
    np.testing.assert_allclose(1 / weight, 1 / (4.0 * made.bins.light), rtol=0.05)


def test_falling_wavelengths_have_the_same_bins():
    rising, falling = band(), band(order=slice(None, None, -1))
    np.testing.assert_allclose(falling.wavelength[::-1], rising.wavelength)


def test_no_light_is_refused():
    with pytest.raises(DataError, match="shutter open"):
        ProbeBand(WAVELENGTH, DARK, DARK, 6.0, 4.0, 10.0)
