"""Light: the chirped field, the two geometries, the material's response."""

import numpy as np
import pytest
from scipy.constants import c, e, epsilon_0, hbar, m_e
from scipy.optimize import brentq

from ocm_ophyd.twin import Microscope, load_scenario
from ocm_ophyd.twin.detector import Pixels
from ocm_ophyd.twin.interferometer import Arms, Interferometer
from ocm_ophyd.twin.materials import lorentz, soref_bennett

ON_PLATE = Arms(coverage=1.0)


@pytest.fixture(scope="module")
def optics(quiet):
    return quiet.interferometer


@pytest.fixture(scope="module")
def wavelength(quiet, optics):
    """nm of the probe's pixels."""
    return quiet.wavelength[optics.band]


def phase_change(optics, delta_n, arms=ON_PLATE):
    """Phase that the pump adds to the fringes, and their strength, in every pixel."""
    fringe = optics.spectra(arms)[1]
    product = optics.spectra(arms, delta_n)[1] * fringe.conj()
    return np.angle(product), np.abs(product)


def test_index_change_of_one_percent_is_the_papers_pair_of_densities():
    exact = brentq(lambda n: lorentz(np.array(n)) - 1e-2, 1e18, 1e20)
    assert exact == pytest.approx(1.09e19, rel=0.01)
    # Eq. 2, ω → 0: the index in front of ω_p²/ω0² is √ε_b.
    resonance = 2.36 * e / hbar
    asymptotic = 2 * resonance**2 * 0.36 * m_e * epsilon_0 / (2.006 * e**2) * 1e-2 * 1e-6
    assert asymptotic == pytest.approx(1.45e19, rel=0.01)
    # Eq. 1 far from resonance is Eq. 2 with ω0² − ω² for ω0².
    omega = 2 * np.pi * c / 1050e-9
    assert exact / asymptotic == pytest.approx(1 - (omega / resonance) ** 2, rel=0.01)


def test_index_change_is_linear_in_density_where_the_paper_uses_it():
    density = np.linspace(1e17, 2e19, 50)
    ratio = lorentz(density) / density
    assert np.ptp(ratio) / ratio[0] < 0.01


def test_carriers_lower_the_index_of_silicon():
    # Soref and Bennett at 1550 nm and 1e18 cm⁻³: −8.8e-4 − 2.1e-3; plasma law to 1050 nm.
    expected = -(8.8e-4 + 8.5e-18 * 1e18**0.8) * (1050 / 1550) ** 2
    assert soref_bennett(np.array(1e18)) == pytest.approx(expected, rel=1e-6)


def test_fringes_repeat_every_1_over_2_n_l_in_wavenumber(scenario):
    thick = scenario.sample.model_copy(update={"thickness": 5.0})
    pixels = Pixels(scenario.detector)
    optics = Interferometer(scenario.model_copy(update={"sample": thick}), pixels)
    level, fringe = optics.spectra(ON_PLATE)
    shape = fringe.real / level
    inside = np.abs(pixels.wavelength[optics.band] - 1025) < 100
    wavenumber, shape = 1e3 / pixels.wavelength[optics.band][inside], shape[inside]
    turning = np.flatnonzero(np.diff(np.sign(np.diff(shape)))) + 1
    halves = len(turning) - 1
    period = 2 * abs(np.ptp(wavenumber[turning])) / halves
    assert halves >= 4
    assert period == pytest.approx(1 / (2 * 2.070 * 5.0), rel=0.015)


def test_visibility_and_bare_substrate(optics):
    level, fringe = optics.spectra(ON_PLATE)
    bare, nothing = optics.spectra(Arms(coverage=0.0))
    bright = level > 0.3 * level.max()
    np.testing.assert_allclose((np.abs(fringe) / level)[bright], 0.90, atol=0.01)
    np.testing.assert_allclose((bare / level)[bright], 0.97, atol=0.02)
    assert not np.abs(nothing).any()


@pytest.mark.parametrize("at_centre", [1e-4, 1e-2, 2e-2, -5e-3])
def test_constant_index_change_shifts_the_fringes_by_4_pi_l_dn_over_lambda(
    optics, wavelength, at_centre
):
    # Eq. 1 far from resonance: Δn goes as 1/(E₀² − E²), here with its value at 1025 nm
    energy = 1239.842 / wavelength
    delta_n = at_centre * (2.36**2 - (1239.842 / 1025) ** 2) / (2.36**2 - energy**2)
    phase, strength = phase_change(optics, np.full(optics.probe.time.shape, at_centre))
    bright = strength > 0.1 * strength.max()
    expected = 4 * np.pi * 1.5e3 * delta_n / wavelength
    np.testing.assert_allclose(phase[bright], expected[bright], rtol=5e-3)
    assert np.average(phase / expected, weights=strength) == pytest.approx(1, rel=5e-4)


def test_late_after_the_pump_the_whole_band_shows_the_true_index_change(quiet, optics, wavelength):
    cloud = quiet.sample.carriers(0.8)
    density = quiet.sample.density(100 + optics.probe.time, cloud, 0, 0)
    phase, strength = phase_change(optics, quiet.sample.index_change(density, 1025))
    at_centre = float(quiet.sample.delta_n(100, 0.8, 0, 0, wavelength=1025))
    line = np.polyfit(1025 / wavelength - 1, phase * wavelength, 2, w=np.sqrt(strength))
    assert line[-1] == pytest.approx(4 * np.pi * 1.5e3 * at_centre, rel=2e-3)


def test_chirp_takes_five_picoseconds_red_first(optics):
    red, centre, blue = optics.probe.chirp_delay([1125, 1025, 925])
    assert blue - red == pytest.approx(5.0)
    assert centre == 0
    # The field itself: mean arrival time of the light in a narrow band around a wavelength.
    probe = optics.probe
    for wavelength in (950.0, 1025.0, 1100.0):
        band = np.exp(-(((probe.wavelength - wavelength) / 8) ** 2))
        power = np.abs(np.fft.fft(probe.spectrum * band)) ** 2
        arrival = np.average(probe.time, weights=power)
        assert arrival == pytest.approx(float(probe.chirp_delay(wavelength)), abs=0.05)


@pytest.fixture(scope="module")
def rise(optics):
    """Phase change in every pixel around time zero, for an instantaneous and lasting step."""
    delay = np.arange(-4.0, 4.0, 0.05)
    steps = [phase_change(optics, 1e-3 * (t + optics.probe.time > 0)) for t in delay]
    return delay, np.array([phase for phase, _ in steps]), steps[0][1]


def crossing(delay, curve, level):
    return np.interp(level, np.maximum.accumulate(curve / curve[-1]), delay)


def test_a_pixel_sees_the_step_at_minus_its_chirp_delay(optics, wavelength, rise):
    delay, phase, _ = rise
    for target in (950.0, 1000.0, 1050.0, 1100.0):
        near = np.abs(wavelength - target) < 4
        moment = np.mean([crossing(delay, phase[:, k], 0.5) for k in np.flatnonzero(near)])
        assert moment == pytest.approx(-float(optics.probe.chirp_delay(target)), abs=0.08)


def test_whole_band_phase_rises_in_the_time_the_chirp_takes(optics, wavelength, rise):
    delay, phase, strength = rise
    # Hann window over the band, as before a Fourier transform: 2.1–2.3 ps from an exact-field
    # calculation of 5 ps linear chirp (reference numbers); the curved chirp changes it a little.
    u = np.clip((wavelength - 925) / 200, 0, 1)
    curve = np.average(phase, axis=1, weights=strength * np.sin(np.pi * u) ** 2)
    assert crossing(delay, curve, 0.9) - crossing(delay, curve, 0.1) == pytest.approx(2.2, abs=0.25)
    # All light alike: the spread of arrival times, weighted with the light.
    curve = np.average(phase / phase[-1], axis=1, weights=strength)
    order = np.argsort(-optics.probe.chirp_delay(wavelength))
    share = np.cumsum(strength[order]) / strength.sum()
    early, late = np.interp([0.1, 0.9], share, -optics.probe.chirp_delay(wavelength)[order])
    width = crossing(delay, curve, 0.9) - crossing(delay, curve, 0.1)
    assert width == pytest.approx(late - early, rel=0.05)


def test_reference_mirror_geometry_measures_silicon_with_its_sign():
    microscope = Microscope(load_scenario("silicon").noiseless())
    optics = microscope.interferometer
    arms = Arms(coverage=1.0, path_difference=15.0)
    level, fringe = optics.spectra(arms)
    wavelength = microscope.wavelength[optics.band]
    bright = level > 0.3 * level.max()
    cycles = np.ptp(np.unwrap(np.angle(fringe[bright]))) / (2 * np.pi)
    path = 15.0 + 2 * 3.97 * 0.4
    expected = path * np.ptp(1e3 / wavelength[bright])
    assert cycles == pytest.approx(expected, rel=0.02)
    delta_n = float(microscope.sample.delta_n(50, 0.5, 0, 0))
    assert delta_n < -1e-3
    phase, strength = phase_change(optics, np.full(optics.probe.time.shape, delta_n), arms)
    ratio = phase / (4 * np.pi * 400 * delta_n / wavelength)
    assert np.average(ratio, weights=strength) == pytest.approx(1, rel=2e-3)


def test_one_arm_at_a_time_adds_up_to_the_interference_free_spectrum(quiet):
    optics = quiet.interferometer
    both, _ = optics.spectra(Arms(0.0, path_difference=15.0))
    mirror, dark_fringe = optics.spectra(Arms(0.0, sample_open=False, path_difference=15.0))
    substrate, _ = optics.spectra(Arms(0.0))
    np.testing.assert_allclose(mirror + substrate, both, rtol=1e-9)
    assert not np.abs(dark_fringe).any()


def test_half_the_light_is_lost_one_rayleigh_length_from_focus(optics):
    rayleigh = np.pi * 0.5**2 / 1.025
    level, _ = optics.spectra(ON_PLATE)
    blurred, _ = optics.spectra(Arms(1.0, defocus=rayleigh))
    np.testing.assert_allclose(blurred, level / 2, rtol=1e-9)
