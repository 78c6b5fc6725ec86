"""Nodes of the time grid, and sums over them against direct ones."""

import numpy as np
import pytest
from scipy.special import ndtr

from analysis.chirp.time_grid import FINE_SPACING, hat_responses, time_grid, transmission
from ocm_ophyd.errors import DataError

GROUP_DELAY = np.linspace(-2.5, 2.5, 60)  # ps
WIDTH = 0.08  # ps, standard deviation of a real response


def test_nodes_are_fine_at_the_rise_and_follow_the_delays_elsewhere():
    delay = np.concatenate([np.arange(-6.0, 10.0, 0.5), np.arange(10.0, 100.0, 3.0)])
    grid = time_grid(delay, GROUP_DELAY, ndtr((delay - 1.0) / 1.5))
    spacing = np.diff(grid.nodes)
    middle = (grid.nodes[1:] + grid.nodes[:-1]) / 2
    assert (spacing > 0).all()
    assert len(grid.gaps) == 0
    assert grid.nodes[[0, -1]] == pytest.approx([delay[0] - 2.5, delay[-1] + 2.5])
    assert spacing[np.abs(middle - 1.0) < 2.5] == pytest.approx(FINE_SPACING, rel=0.05)
    assert np.median(spacing[(middle > 6) & (middle < 9)]) == pytest.approx(0.25, rel=0.1)
    assert np.median(spacing[middle > 20]) == pytest.approx(1.0, rel=0.1)


def test_times_that_no_wavelength_samples_are_gaps():
    delay = np.array([-4.0, -2.0, 0.0, 2.0, 30.0, 32.0, 80.0])
    grid = time_grid(delay, GROUP_DELAY, np.linspace(0, 1, 7))
    assert grid.nodes[grid.gaps - 1] == pytest.approx([4.5, 34.5])
    assert grid.nodes[grid.gaps] == pytest.approx([27.5, 77.5])


def test_without_a_chirp_a_delay_still_has_some_nodes():
    delay = np.arange(0.0, 3.0, 0.5)
    grid = time_grid(delay, np.zeros(60), delay)
    assert len(grid.nodes) > len(delay)
    assert np.isfinite(grid.nodes).all()


def test_too_many_gaps_are_refused():
    delay = np.arange(600.0) * 100
    with pytest.raises(DataError, match="in parts"):
        time_grid(delay, GROUP_DELAY, np.zeros(600))


def hat(t, nodes, k):
    """Hat function k at times t; the first and the last one continue as constants."""
    return np.interp(t, nodes, np.eye(len(nodes))[k])


def test_responses_to_hats_are_their_convolutions():
    """With a normal density, whose integrals are known and whose convolution is computed here."""
    start, step = -1.0, 0.005
    t = start + step * np.arange(400)
    density = np.exp(-0.5 * (t / WIDTH) ** 2) / WIDTH / np.sqrt(2 * np.pi)
    ramp = t * ndtr(t / WIDTH) + WIDTH**2 * density
    nodes = np.array([-0.5, -0.3, -0.25, 0.0, 0.4, 1.5])
    time = np.array([-2.0, -0.31, 0.02, 0.2, 0.9, 3.0])
    table = np.tile(ramp, (6, 1)).astype(complex)
    slope = np.tile(ndtr(t / WIDTH), (6, 1)).astype(complex)
    responses = hat_responses(time, nodes, start, step, table, slope, 1.0)
    past = WIDTH * np.linspace(-8, 8, 4001)
    weight = np.exp(-0.5 * (past / WIDTH) ** 2)
    weight /= weight.sum()
    expected = [[weight @ hat(at - past, nodes, k) for k in range(6)] for at in time]
    np.testing.assert_allclose(responses, expected, atol=1e-5)
    np.testing.assert_allclose(responses.sum(axis=1), 1.0, atol=1e-9)


@pytest.fixture
def bins():
    """Arguments of `transmission` for 5 bins and 7 nodes, and the derivatives to be filled."""
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(5, 7)) + 1j * rng.normal(size=(5, 7))
    fringe = rng.normal(size=5) + 1j * rng.normal(size=5)
    scale, intensity = rng.uniform(0.9, 1.1, 5), rng.uniform(0, 1, 5)
    return weights, rng.normal(size=7), scale, 0.05, fringe, intensity, np.empty((5, 7))


def spectrum(weights, phase, scale, gain, fringe, intensity):
    """Re[U Z] + M |U|²/2 (B,), and U."""
    field = (weights * np.exp((1j * scale[:, None] + gain) * phase)).sum(axis=1)
    return (field * fringe).real + intensity * np.abs(field) ** 2 / 2, field


def test_transmission_is_the_sum_over_the_nodes(bins):
    *given, by_phase = bins
    weights, phase, scale, gain, fringe, intensity = given
    passed, by_gain = transmission(*given, by_phase)
    np.testing.assert_allclose(passed, spectrum(*given)[1], rtol=1e-9)
    step = 1e-6
    ahead, behind = (
        spectrum(weights, phase, scale, gain + sign * step, fringe, intensity)[1]
        for sign in (1, -1)
    )
    np.testing.assert_allclose(by_gain, (ahead - behind) / (2 * step), rtol=1e-6)
    for k in range(7):
        shift = step * np.eye(7)[k]
        ahead, behind = (
            spectrum(weights, phase + sign * shift, scale, gain, fringe, intensity)[0]
            for sign in (1, -1)
        )
        np.testing.assert_allclose(by_phase[:, k], (ahead - behind) / (2 * step), rtol=1e-5)
