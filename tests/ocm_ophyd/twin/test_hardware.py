"""Chopper, drift, actuators, sensor."""

import numpy as np
import pytest
from scipy.special import erf

from ocm_ophyd.twin.actuators import transmission
from ocm_ophyd.twin.chopper import open_fraction
from ocm_ophyd.twin.detector import Pixels, Sensor
from ocm_ophyd.twin.drift import RandomWalk, Wander


@pytest.mark.parametrize("frequency", [20.0, 7.3, 180.0])
@pytest.mark.parametrize("phase", [0.0, 0.06, 0.81])
def test_open_fraction_is_the_integral_of_the_transmission(frequency, phase):
    start = 1.7 + np.arange(12) / 120
    measured = open_fraction(start, 8e-3, frequency, phase, 5e-4)
    sigma = 5e-4 * 20 / frequency / 2.5631
    time = np.arange(1.6, 1.9, 2e-6)
    transmitted = np.zeros_like(time)
    for period in range(int(1.5 * frequency) - 1, int(2 * frequency) + 2):
        opens, closes = (period - phase) / frequency, (period + 0.5 - phase) / frequency
        for edge, sign in ((opens, 1), (closes, -1)):
            transmitted += sign * (1 + erf((time - edge) / sigma / np.sqrt(2))) / 2
    integral = np.concatenate([[0], np.cumsum(transmitted) * 2e-6])
    grid = np.append(time, time[-1] + 2e-6)
    expected = (np.interp(start + 8e-3, grid, integral) - np.interp(start, grid, integral)) / 8e-3
    np.testing.assert_allclose(measured, expected, atol=1e-3)


def test_default_phase_puts_edges_inside_exposures(scenario):
    start = np.arange(6) * scenario.detector.slot
    opened = open_fraction(start, 8e-3, 20.0, scenario.chopper.phase_offset, 5e-4)
    assert np.count_nonzero((opened > 0.05) & (opened < 0.95)) == 2
    assert opened.mean() == pytest.approx(0.5, abs=0.01)


def test_parked_chopper_is_open():
    np.testing.assert_array_equal(open_fraction(np.arange(3.0), 8e-3, 0.0, 0.3, 5e-4), 1)


@pytest.mark.parametrize("step", [1e-2, 1.0, 100.0])
def test_random_walk_spreads_with_the_root_of_time(step):
    walk = RandomWalk(0.03, np.random.default_rng(1))
    path = np.concatenate([walk.follow(np.full(100, step)) for _ in range(200)])
    variance = np.diff(path).var()  # across the ends of calls too
    assert variance == pytest.approx(0.03**2 * step, rel=5 * np.sqrt(2 / len(path)))
    ten = np.diff(path[::10]).var()
    assert ten == pytest.approx(0.03**2 * 10 * step, rel=5 * np.sqrt(20 / len(path)))


def test_wander_has_its_rms_and_forgets():
    wander = Wander(0.5, 2.0, np.random.default_rng(2))
    path = np.concatenate([wander.follow(np.full(100, 1.0)) for _ in range(400)])
    # Neighbours correlate as exp(−1/2), so there are a quarter as many independent values.
    assert path.std() == pytest.approx(0.5, rel=5 * np.sqrt(2 / len(path)))
    correlation = np.mean(path[1:] * path[:-1]) / path.var()
    assert correlation == pytest.approx(np.exp(-0.5), abs=0.02)


def test_retarder_obeys_malus(scenario):
    spec = scenario.actuators
    voltage = np.linspace(0, 10, 1001)
    passed = transmission(spec, voltage)
    assert passed.max() == pytest.approx(1, abs=1e-3)
    assert np.all(passed >= spec.retarder_leak)
    at_rest = spec.retarder_leak + (1 - spec.retarder_leak) * np.sin(np.pi * spec.retardance) ** 2
    np.testing.assert_allclose(passed[voltage <= spec.retarder_threshold], at_rest)
    falling = np.diff(passed[passed.argmax() :])
    assert np.all(falling < 0)
    assert passed[-1] < 0.01
    # Half a threshold above it the crystal has half its retardance.
    half = transmission(spec, spec.retarder_threshold + spec.retarder_half)
    assert float(half) == pytest.approx(np.sin(np.pi * spec.retardance / 2) ** 2, abs=0.003)


def test_stage_in_the_pump_arm_makes_the_probe_earlier(quiet):
    # One step of 4 um is 2 × 4 um / c = 26.7 fs; 300 mm are 2.001 ns.
    assert quiet.true_delay(100.0) - quiet.true_delay(100.004) == pytest.approx(0.026685, rel=1e-4)
    assert quiet.true_delay(0.0) > 1850
    assert quiet.true_delay(300.0) < -50


def test_galvo_truth_is_a_scaled_rotation(quiet, scenario):
    origin = np.array(quiet.true_probe_position(0, 0))
    along = np.array(quiet.true_probe_position(1, 0)) - origin
    across = np.array(quiet.true_probe_position(0, 1)) - origin
    assert np.hypot(*along) == pytest.approx(scenario.actuators.galvo_scale[0])
    assert np.degrees(np.arctan2(along[1], along[0])) == pytest.approx(1.5)
    assert along @ across == pytest.approx(0, abs=1e-12)
    offset = np.array(quiet.true_pump_position(0, 0)) - origin
    np.testing.assert_allclose(offset, [0.2, -0.15], atol=1e-9)


def sensor(scenario, **changes):
    return Sensor(scenario.detector.model_copy(update=changes), np.random.default_rng(3))


@pytest.mark.parametrize("electrons", [400.0, 3e5])
def test_shot_noise_variance_is_the_mean_in_electrons(scenario, electrons):
    ideal = sensor(scenario, read_noise=0.0, dark_current=0.0)
    counts = ideal.read(np.full((200, 1044), electrons), -10.0)
    charge = (counts - scenario.detector.bias) * scenario.detector.gain
    rounding = scenario.detector.gain**2 / 12
    assert charge.mean() == pytest.approx(electrons, rel=5 / np.sqrt(electrons * charge.size))
    spread = 5 * np.sqrt(2 / charge.size)
    assert charge.var() - rounding == pytest.approx(electrons, rel=spread + 0.002)


def test_read_noise_and_bias(scenario):
    frames = sensor(scenario, dark_current=0.0).read(np.zeros((100, 1044)), -10.0)
    assert frames.mean() == pytest.approx(1500, abs=0.05)
    assert frames.std() == pytest.approx(np.sqrt(3**2 + 1 / 12), rel=0.01)


def test_dark_current_doubles_every_seven_kelvin(scenario):
    quiet = sensor(scenario, read_noise=0.0, shot_noise=False, dark_current=1e6)
    cold, warm = (quiet.read(np.zeros((1, 4)), t).mean() - 1500 for t in (-10.0, -3.0))
    assert cold == pytest.approx(1e6 * 8e-3 / 4, abs=1)
    assert warm == pytest.approx(2 * cold, abs=1)


def test_converter_ends_at_18_bits_and_a_small_well_ends_before(scenario):
    flood = np.full((1, 4), 1e7)
    assert sensor(scenario).read(flood, -10.0).max() == 2**18 - 1
    small = sensor(scenario, full_well=4e5)
    assert small.saturation_counts == 1500 + 1e5
    assert small.read(flood, -10.0).max() == small.saturation_counts


def test_slit_is_1_5_nm_wide_and_keeps_all_light(scenario):
    pixels = Pixels(scenario.detector)
    assert pixels.wavelength[[0, -1]].tolist() == [400, 1150]
    assert len(pixels.wavelength) == 1044
    seen = pixels.share(np.array([1000.0])).toarray()[:, 0]
    assert seen.sum() == pytest.approx(1, abs=1e-6)
    sigma = np.sqrt(np.average((pixels.wavelength - 1000) ** 2, weights=seen))
    pitch = 750 / 1043
    assert sigma == pytest.approx(np.hypot(1.5 / 2.3548, pitch / np.sqrt(12)), rel=0.01)
