"""Time zero from chirped differential spectra whose arrival is known."""

import numpy as np
import pytest
from scipy.special import erf

from analysis.arrival import fit_arrival

WAVELENGTH = np.linspace(400, 1150, 1044)  # nm
DELAY = np.linspace(-6, 6, 25)  # ps
TIME_ZERO = 0.37  # ps
NOISE = 30.0  # counts


def chirp(wavelength):
    """When a wavelength passes the sample, ps: 5 ps over the band, bent."""
    x = (wavelength - 1025) / 100
    return -2.5 * x + 0.2 * x**2 + 0.15 * x**3


def scan(phase, rng, delay=DELAY):
    """Pump-on minus pump-off spectra of a 1.5 um plate (2 n L = 6 um), counts."""
    light = 1e5 * np.exp(-(((WAVELENGTH - 1025) / 90) ** 4))
    fringe = 2 * np.pi * 6000 / WAVELENGTH + phase
    swing = 0.15 * light * np.sin(fringe)
    since = delay[:, None] + chirp(WAVELENGTH) - TIME_ZERO
    population = np.exp(-np.maximum(since, 0) / 60) * (1 + erf(since / 0.15)) / 2
    shaken = 1 + 0.01 * rng.standard_normal((len(delay), 1))  # all wavelengths together
    return population * swing * shaken + rng.normal(0, NOISE, (len(delay), len(WAVELENGTH)))


@pytest.mark.parametrize("phase", np.linspace(0, 2 * np.pi, 7)[:-1])
def test_the_arrival_is_found_whatever_the_phase_of_the_fringe(phase):
    found = fit_arrival(DELAY, WAVELENGTH, scan(phase, np.random.default_rng(1)))
    assert abs(found.time_zero - TIME_ZERO) < 4 * found.time_zero_sigma
    assert found.time_zero_sigma < 0.08, "less than a sixth of the steps of 0.5 ps"
    assert found.chirp[0] == pytest.approx(-2.5, abs=0.2)


def test_the_uncertainty_is_what_repeated_scans_scatter_by():
    rng = np.random.default_rng(2)
    fits = [fit_arrival(DELAY, WAVELENGTH, scan(1.0, rng)) for _ in range(25)]
    scatter = np.std([fit.time_zero for fit in fits], ddof=1)
    claimed = np.mean([fit.time_zero_sigma for fit in fits])
    # a standard deviation of 25 values is known to 14 %; a jackknife tends to be cautious
    assert 0.5 < claimed / scatter < 2.5


def test_no_rise_is_refused():
    rng = np.random.default_rng(3)
    empty = rng.normal(0, NOISE, (len(DELAY), len(WAVELENGTH)))
    with pytest.raises(ValueError, match="wider range"):
        fit_arrival(DELAY, WAVELENGTH, empty)
    with pytest.raises(ValueError, match="wider range"):
        fit_arrival(DELAY + 50, WAVELENGTH, scan(1.0, rng, DELAY + 50))
    with pytest.raises(ValueError, match="8 or more"):
        fit_arrival(DELAY[:5], WAVELENGTH, empty[:5])
