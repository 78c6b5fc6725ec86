"""Response of the probe's wavelengths against fields that are multiplied in time."""

import numpy as np
import pytest
from chirped_pulse import PULSE, ThroughPulse, group_delay
from handmade import WAVELENGTH, light
from scipy.special import ndtr

from analysis.chirp.pulse_response import PulseResponse

THICKNESS = 1.5  # um
BAND = (WAVELENGTH > 940) & (WAVELENGTH < 1110)
NODES = np.arange(-6.0, 6.0, 0.01)  # ps, fine enough for a step of a 100 fs pump


def step(time):
    """Phase of a step at 0.3 ps, rad."""
    return 0.6 * ndtr((time - 0.3) / PULSE)


@pytest.fixture(scope="module")
def pulse():
    """Coherent response without a slit, of the pixels' width alone."""
    wavelength = WAVELENGTH[WAVELENGTH > 900]
    spectrum = light()[WAVELENGTH > 900]
    return PulseResponse.of_light(wavelength, group_delay(wavelength), spectrum, 0.0, True)


@pytest.mark.parametrize("delay", [-1.0, 0.0, 1.5])
def test_a_step_changes_the_spectrum_as_the_field_behind_it(pulse, delay):
    """The field of the pulse is multiplied by e^{iφ(t)} in time and transformed back."""
    turn = 4 * np.pi * THICKNESS / 1.025
    through = ThroughPulse(lambda time: step(time) / turn, THICKNESS)
    times = (delay + group_delay(WAVELENGTH))[np.newaxis]
    expected = np.exp(1j * turn * through(times)[0])[BAND]
    transmitted = pulse.weights(NODES, delay) @ np.exp(1j * step(NODES))
    transmitted = transmitted[BAND[WAVELENGTH > 900]]
    assert np.abs(transmitted - 1).max() > 0.5, "the step is within the pulse"
    assert np.abs(transmitted - expected).max() < 0.02
    assert np.sqrt(np.mean(np.abs(transmitted - expected) ** 2)) < 0.005


@pytest.mark.parametrize("coherent", [True, False])
def test_a_constant_phase_passes_as_it_is(coherent):
    wavelength = np.linspace(930, 1120, 40)
    bright = np.exp(-(((wavelength - 1020) / 80) ** 2))
    response = PulseResponse.of_light(wavelength, group_delay(wavelength), bright, 1.5, coherent)
    assert response.weights(NODES, 0.4).sum(axis=1) == pytest.approx(np.ones(40), abs=1e-9)
    assert np.abs(response.weight_slopes(NODES, 0.4).sum(axis=1)).max() < 1e-9


def test_a_swept_source_samples_every_wavelength_at_its_own_time():
    wavelength = np.linspace(930, 1120, 40)
    late = group_delay(wavelength)
    response = PulseResponse.of_light(wavelength, late, np.ones(40), 0.5, False)
    field = response.weights(NODES, 0.2) @ np.exp(1j * np.sin(NODES))
    np.testing.assert_allclose(np.angle(field), np.sin(0.2 + late), atol=2e-3)


def test_slopes_are_the_derivatives_by_time():
    nodes, wavelength = NODES[::5], np.linspace(930, 1120, 40)
    response = PulseResponse.of_light(
        wavelength, group_delay(wavelength), np.ones(40), 1.5, coherent=True
    )
    ahead, behind = (response.weights(nodes, 0.4 + h) for h in (1e-4, -1e-4))
    slopes = response.weight_slopes(nodes, 0.4)
    difference = (ahead - behind) / 2e-4
    assert np.abs(slopes - difference).max() < 2e-3 * np.abs(slopes).max()


def test_distant_nodes_do_not_count(pulse):
    nodes = np.arange(-30.0, 30.0, 0.25)
    near = pulse.node_range(nodes, 3.0)
    weights = pulse.weights(nodes, 3.0)
    assert nodes[near.start] < 3.0 + pulse.group_delay.min() - 1
    assert nodes[near.stop - 1] > 3.0 + pulse.group_delay.max() + 1
    assert np.abs(np.delete(weights, near, axis=1)).max() < 0.02
