"""The fluence at which two lines through the fluorescence meet, from known ones."""

from contextlib import suppress

import numpy as np
import pytest

from analysis.lasing.emission import Emission
from analysis.lasing.fluorescence_threshold import fit_lasing_threshold, fluorescence_intensity

EMISSION = Emission((505.0, 560.0), (525.0, 4.0))
FLUENCE = np.linspace(0.1, 1.1, 15)
THRESHOLD = 0.57  # mJ/cm², stated in the paper


def test_fluorescence_is_summed_without_the_pump_line():
    wavelength = np.linspace(400, 1150, 1044)
    glow = np.exp(-(((wavelength - 540) / 6) ** 2))
    pump = 1e4 * np.exp(-(((wavelength - 525) / 1.2) ** 2))
    ripple = 50 * np.sin(wavelength) * (wavelength > 900)
    alone = fluorescence_intensity(glow, wavelength, EMISSION)
    assert fluorescence_intensity(glow + pump + ripple, wavelength, EMISSION) == pytest.approx(
        alone, rel=0.02
    )
    step = wavelength[1] - wavelength[0]
    assert alone * step == pytest.approx(6 * np.sqrt(np.pi), rel=0.01)


def test_threshold_comes_back_with_its_scatter():
    rng = np.random.default_rng(2)
    below = 2e4 * FLUENCE
    truth = below + 3e5 * np.maximum(FLUENCE - THRESHOLD, 0)
    sigma = 0.02 * truth + 100
    fits = [fit_lasing_threshold(FLUENCE, truth + rng.normal(0, sigma), sigma) for _ in range(60)]
    pulls = np.array([(fit.fluence.value - THRESHOLD) / fit.fluence.sigma for fit in fits])
    assert 0.7 < np.std(pulls) < 1.35
    assert fits[0].slope_above > 5 * fits[0].slope_below


def test_no_threshold_is_refused():
    with pytest.raises(ValueError, match="does not bend up"):
        fit_lasing_threshold(FLUENCE, np.sqrt(FLUENCE), np.full(FLUENCE.size, 0.01))
    rng = np.random.default_rng(9)
    straight = FLUENCE * (1 + rng.normal(0, 0.01, (100, FLUENCE.size)))
    bent = 0
    for intensity in straight:
        with suppress(ValueError):
            fit_lasing_threshold(FLUENCE, intensity)
            bent += 1
    assert bent <= 8, "noise about a straight line is no threshold"  # 1 % by the F-test
    with pytest.raises(ValueError, match="six fluences"):
        fit_lasing_threshold(FLUENCE[:5], FLUENCE[:5])
