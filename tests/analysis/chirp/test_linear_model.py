"""Normal equations of a delay scan against spectra of the fringe model."""

import numpy as np
import pytest
from swept_scan import CHIRP, LIGHT, WAVELENGTH, group_delay, swept_scan

from analysis.chirp.linear_model import LinearModel, Unknowns
from analysis.chirp.pulse_response import PulseResponse

DELAY = np.arange(-3.0, 4.0, 0.5)  # ps
NODES = np.arange(-6.5, 7.5, 0.1)  # ps
RESPONSE = PulseResponse.of_light(WAVELENGTH, group_delay(), LIGHT, 0.2, False)
ONE = np.ones(len(DELAY))


def truth(time):
    """Phase change, rad."""
    return 0.2 * np.tanh(time / 1.5) + 0.2


def unknowns(phase=None, slope=0.0, gain=0.0, chirp=()):
    phase = truth(NODES) if phase is None else phase
    return Unknowns(phase, 0.5, slope, gain, np.array(chirp))


@pytest.fixture(scope="module")
def scan():
    return swept_scan(truth, DELAY)


@pytest.fixture(scope="module")
def model(scan):
    return LinearModel(scan, NODES, 0)


def test_chi2_is_zero_at_the_truth_and_quadratic_around_it(model):
    """Of 900 spectral values with a noise of 1e-3; the grid's polygon is 1e-4 rad off the curve."""
    best = model.linearise(unknowns(), RESPONSE, ONE)
    assert best.chi2 < 5
    direction = 0.01 * np.exp(-(((NODES - 0.5) / 0.7) ** 2))
    far = model.linearise(unknowns(truth(NODES) + direction), RESPONSE, ONE)
    step = np.concatenate([direction, np.zeros(3)])
    predicted = best.chi2 - 2 * step @ best.gradient + step @ best.information @ step
    assert far.chi2 > 100
    assert far.chi2 == pytest.approx(predicted, rel=0.05)
    assert -step @ far.gradient == pytest.approx(far.chi2, rel=0.1)


@pytest.mark.parametrize(("name", "step"), [("slope", 0.02), ("gain", 0.02)])
def test_shared_parameters_are_in_the_model(model, name, step):
    best = model.linearise(unknowns(), RESPONSE, ONE)
    far = model.linearise(unknowns(**{name: step}), RESPONSE, ONE)
    row = len(NODES) + 1 + ["slope", "gain"].index(name)
    assert far.chi2 == pytest.approx(step**2 * best.information[row, row], rel=0.2, abs=5)


def test_the_chirp_is_in_the_model_on_demand(scan):
    model = LinearModel(scan, NODES, len(CHIRP))
    change = np.array([0.02, -0.01])
    best = model.linearise(unknowns(chirp=CHIRP), RESPONSE, ONE)
    late = group_delay(chirp=CHIRP + change)
    response = PulseResponse.of_light(WAVELENGTH, late, LIGHT, 0.2, False)
    far = model.linearise(unknowns(chirp=CHIRP + change), response, ONE)
    expected = change @ best.information[-2:, -2:] @ change
    assert expected > 10
    assert far.chi2 == pytest.approx(expected, rel=0.2, abs=5)


def test_pulse_energy_and_tilt_of_a_point_are_eliminated(scan, model):
    """Any energy and tilt of one point changes neither its χ² nor the phase, to first order."""
    point = scan.spectra[8]
    pumped = scan.model.derivatives(point.fringe, truth(DELAY[8] + group_delay()))[0]
    tilt = (1025 - WAVELENGTH) / 95
    before = point.difference.copy()
    best = model.linearise(unknowns(), RESPONSE, ONE)
    point.difference[:] += 0.01 * pumped + 0.02 * tilt * pumped
    try:
        disturbed = model.linearise(unknowns(), RESPONSE, ONE)
    finally:
        point.difference[:] = before
    raw = (0.01 * pumped + 0.02 * tilt * pumped) @ np.diag(point.difference_weight)
    assert raw @ (0.01 * pumped + 0.02 * tilt * pumped) > 1e4
    assert disturbed.chi2 < best.chi2 + 5
    step = np.linalg.lstsq(best.information, disturbed.gradient - best.gradient, rcond=1e-6)[0]
    assert np.abs(step[: len(NODES)]).max() < 5e-3


def test_nodes_of_different_points_share_no_information(scan, model):
    equations = model.linearise(unknowns(), RESPONSE, ONE)
    block = equations.information[: len(NODES), : len(NODES)]
    distance = np.abs(np.subtract.outer(np.arange(len(NODES)), np.arange(len(NODES))))
    assert equations.bandwidth < len(NODES) - 1
    np.testing.assert_array_equal(block[distance > equations.bandwidth], 0.0)
    np.testing.assert_allclose(block, block.T, atol=1e-9 * np.abs(block).max())


def test_reduced_chi2_refers_to_the_weights_of_the_spectra():
    rng = np.random.default_rng(6)
    noisy = LinearModel(swept_scan(truth, DELAY, rng), NODES, 0)
    plain = noisy.linearise(unknowns(), RESPONSE, ONE)
    wide = noisy.linearise(unknowns(), RESPONSE, 4 * ONE)
    assert plain.reduced_chi2.mean() == pytest.approx(1.0, abs=0.15)
    assert wide.reduced_chi2 == pytest.approx(plain.reduced_chi2, rel=0.02)
    assert wide.chi2 == pytest.approx(plain.chi2 / 4, rel=0.02)
