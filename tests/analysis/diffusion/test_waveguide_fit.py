"""Diffusion in the simulated silicon waveguide."""

import numpy as np
import pytest

from analysis.diffusion.cloud_model import ScanGeometry
from analysis.diffusion.waveguide_fit import fit_line, fit_waveguide
from analysis.estimate import Estimate
from analysis.materials import MATERIALS
from analysis.probe_band import CENTRE_WAVELENGTH
from ocm_ophyd.twin.sample import Sample, Spot
from ocm_ophyd.twin.scenario import load_scenario

SIGMA = 9e16  # cm⁻³
PUMP, PROBE = 2.25, 0.5  # um (paper)
SIZE = (20.0, 2.0)  # um: length and width


def silicon_scan(fluence, pump_y=0.05):
    """Delays, positions and noise-free density (T, X) along the middle of the waveguide."""
    sample = Sample(load_scenario("silicon"))
    cloud = sample.carriers(fluence, Spot(0.06, pump_y, PUMP))
    times = np.array([5.0, 20, 50, 100, 150, 200, 300, 400, 500])
    x = np.linspace(-5, 5, 21)
    return times, x, np.array([sample.density(times, cloud, place, 0.0) for place in x]).T


def fit_silicon(times, x, density):
    return fit_line(
        ScanGeometry(times, x, SIZE, PROBE),
        density,
        np.full(density.shape, SIGMA),
        pump_waist=Estimate(PUMP, 0.01 * PUMP, "um"),
    )


def test_silicon_widens():
    """D = 15 cm²/s; carriers spread across the 2 um too, which must not pass for trapping."""
    times, x, density = silicon_scan(0.5)
    found = fit_silicon(times, x, density)
    assert found.diffusion.value == pytest.approx(15.0, abs=0.25 * found.diffusion.sigma)
    assert found.diffusion.sigma < 1
    assert found.trapping.value == pytest.approx(1e9, rel=0.02)
    rng = np.random.default_rng(6)
    pulls = []
    for _ in range(12):
        noisy = fit_silicon(times, x, density + rng.normal(0, SIGMA, density.shape)).diffusion
        pulls.append((noisy.value - 15) / noisy.sigma)
        assert "not resolved" not in noisy.note
    assert abs(np.mean(pulls)) < 3 / np.sqrt(12)
    assert np.std(pulls) == pytest.approx(1, abs=0.6)


@pytest.mark.slow
def test_silicon_is_unbiased_in_strong_noise():
    """Noise of Δn a thirtieth of its peak, as the reference mirror's drift makes it."""
    times, x, density = silicon_scan(1.0)
    silicon, noise = MATERIALS["Si"], 3.7e-4
    clean = silicon.delta_n(density, CENTRE_WAVELENGTH)
    rng = np.random.default_rng(9)
    pulls = []
    for _ in range(24):
        found = fit_waveguide(
            ScanGeometry(times, x, SIZE, PROBE),
            clean + rng.normal(0, noise, clean.shape),
            np.full(clean.shape, noise),
            material=silicon,
            pump_waist=Estimate(PUMP, 0.01 * PUMP, "um"),
        ).diffusion
        pulls.append((found.value - 15) / found.sigma)
    assert abs(np.mean(pulls)) < 2.5 / np.sqrt(24)
    assert np.std(pulls) == pytest.approx(1, abs=2.5 / np.sqrt(48))
