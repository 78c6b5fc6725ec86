"""Clouds against formulas, finite differences and finer steps."""

import numpy as np
import pytest

from analysis.diffusion import cloud_model
from analysis.diffusion.cloud_model import (
    AMPLITUDE,
    SHARED,
    WAIST,
    A,
    B,
    C,
    CloudModel,
    D,
    ScanGeometry,
    Stimulated,
    X,
    Y,
)

PUMP, PROBE = 2.25, 0.5  # um
TIME = np.array([5.0, 20.0, 90.0, 400.0])  # ps
PLACES = np.array([-1.0, 0.0, 0.5])  # um
NONE = Stimulated("linear", np.empty(0), 0.0, 400.0)


def parameters(**values):
    """Parameters of a cloud of unit peak in the middle that does nothing but what is given."""
    indices = {"D": D, "amplitude": AMPLITUDE, "x": X, "y": Y, "waist": WAIST, "C": C}
    indices |= {"A": A, "B": B}
    result = np.zeros(SHARED)
    result[[AMPLITUDE, WAIST]] = 1.0, PUMP
    for name, value in values.items():
        result[indices[name]] = value
    return result


def geometry(size=(16.0, 16.0), time=TIME, **options):
    return ScanGeometry(time, PLACES, size, PROBE, **options)


def probed(shape):
    """Mean over the probe, by a sum on a fine grid, of a function of positions."""
    fine = np.linspace(-2, 2, 161)
    dx, dy = np.meshgrid(fine, fine)
    light = np.exp(-2 * (dx**2 + dy**2) / PROBE**2)
    return np.array([(shape(x + dx, dy) * light).sum() / light.sum() for x in PLACES])


def test_a_cloud_in_the_open_stays_gaussian():
    """w² = w0² + 8 D t; the probe adds its own w²; the integral is conserved."""
    density, _ = CloudModel(geometry(), NONE)(parameters(D=1.0))
    square = PUMP**2 + 8 * 1e-4 * TIME[:, np.newaxis] + PROBE**2
    exact = PUMP**2 / square * np.exp(-2 * PLACES**2 / square)
    # second differences in cells of width h add 2 D t h² to the fourth cumulant
    np.testing.assert_allclose(density[:, 0], exact, atol=1e-3)


def test_the_sum_over_cells_is_the_mean_over_the_probe():
    density, _ = CloudModel(geometry(time=np.zeros(1)), NONE)(parameters())
    exact = probed(lambda x, y: np.exp(-2 * (x**2 + y**2) / PUMP**2))
    np.testing.assert_allclose(density[0, 0], exact, atol=1e-4)


@pytest.mark.parametrize(
    ("rates", "law"),
    [
        ({"A": 3e-3}, lambda n, t: n * np.exp(-3e-3 * t)),
        ({"B": 0.02}, lambda n, t: n / (1 + 0.02 * n * t)),
        ({"C": 0.01}, lambda n, t: n / np.sqrt(1 + 0.02 * n**2 * t)),
    ],
)
def test_recombination_is_local(rates, law):
    """Every place decays by itself, before the probe averages."""
    density, _ = CloudModel(geometry(), NONE)(parameters(**rates))
    for row, t in zip(density[:, 0], TIME, strict=True):
        exact = probed(lambda x, y, t=t: law(np.exp(-2 * (x**2 + y**2) / PUMP**2), t))
        np.testing.assert_allclose(row, exact, atol=2e-4)


def test_linear_losses_before_the_first_frame_do_not_change_the_peak():
    """`AMPLITUDE` is the peak without them: at the first frame A leaves the density as it is."""
    emission = Stimulated("linear", np.array([2.0, 30.0]), 5.0, 400.0)
    model = CloudModel(geometry(), emission)
    without = np.append(parameters(), [0.0, 0.0])
    with_losses = np.append(parameters(A=5e-3), [0.05, 0.02])
    np.testing.assert_allclose(model(with_losses)[0][0], model(without)[0][0], rtol=1e-6)
    assert (model(with_losses)[0][1] < 0.9 * model(without)[0][1]).all()


def test_a_frame_of_some_duration_is_a_mean_over_its_times():
    """Two times, one spread before and after the mean, stand for all: exact for a parabola."""
    rates = parameters(A=0.02)
    (density,), _ = CloudModel(geometry(time=[50.0], spread=10.0), NONE)(rates)
    ends, _ = CloudModel(geometry(time=[40.0, 60.0]), NONE)(rates)
    np.testing.assert_allclose(density, ends.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("kind", ["linear", "quadratic"])
def test_derivatives_are_those_of_the_density(kind):
    emission = Stimulated(kind, np.array([2.0, 30.0]), 5.0, 400.0)
    model = CloudModel(geometry((8.0, 6.0), y=[-0.5, 0.4]), emission)
    values = parameters(D=3.0, x=0.1, y=-0.2, waist=2.1, C=2e-3, A=1e-3, B=4e-3)
    values = np.append(values, [0.03, 0.01])
    _, derivatives = model(values)
    for index in range(len(values)):
        step = np.zeros(len(values))
        step[index] = 1e-5 * max(abs(values[index]), 0.1)
        numeric = (model(values + step)[0] - model(values - step)[0]) / (2 * step[index])
        scale = np.abs(numeric).max()
        np.testing.assert_allclose(derivatives[index], numeric, atol=1e-6 * scale + 1e-12)


def test_half_the_steps_change_the_density_by_less_than_1e_5(monkeypatch):
    """The microlaser: stimulated emission that takes most of the cloud within 40 ps."""
    nodes = np.geomspace(2, 400, 9)[:-1]
    emission = Stimulated("linear", nodes, 10.0, 400.0)
    rates = 0.05 * np.exp(-(((nodes - 12) / 10) ** 2))
    values = np.append(parameters(D=0.8, A=2e-4, B=0.029, C=1.3e-3), rates)
    frames = geometry((8.0, 8.0), time=np.array([10.0, 40.0, 130.0, 400.0]))
    density, _ = CloudModel(frames, emission)(values)
    monkeypatch.setattr(cloud_model, "LONGEST_STEP", 5.0)
    monkeypatch.setattr(cloud_model, "RELATIVE_STEP", 0.125)
    finer, _ = CloudModel(frames, emission)(values)
    assert np.abs(finer - density).max() < 1e-5


def test_the_rate_of_stimulated_emission_is_linear_between_nodes():
    emission = Stimulated("linear", np.array([10.0, 30.0]), 5.0, 100.0)
    time = np.array([0.0, 5.0, 10.0, 20.0, 30.0, 65.0, 100.0])
    k = np.array([0.4, 0.2]) @ emission.hats(time)
    np.testing.assert_allclose(k, [0, 0.2, 0.4, 0.3, 0.2, 0.1, 0], atol=1e-12)
