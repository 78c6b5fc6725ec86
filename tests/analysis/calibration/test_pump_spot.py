"""The pump's spot in a map, whatever recombination has done to the cloud."""

import numpy as np
import pytest

from analysis.calibration.pump_spot import fit_pump_spot

SIDE = np.linspace(-2.5, 2.5, 9)
X, Y = np.meshgrid(SIDE, SIDE)
SIGMA = 7e-5


def cloud(flattened, rng, amplitude=6e-3):
    """Map of a 2.25 um pump at (0.3, -0.2), averaged over a probe of 0.5 um."""
    nodes, weights = np.polynomial.hermite.hermgauss(9)
    steps = nodes * 0.5 / np.sqrt(2)  # intensity exp(-2r²/w²)
    value = 0.0
    for dx, wx in zip(steps, weights, strict=True):
        for dy, wy in zip(steps, weights, strict=True):
            square = (X + dx - 0.3) ** 2 + (Y + dy + 0.2) ** 2
            pump = np.exp(-2 * square / 2.25**2)
            value = value + wx * wy / np.pi * pump / (1 + flattened * pump)
    return amplitude * value + SIGMA * rng.standard_normal(X.shape)


@pytest.mark.parametrize("flattened", [0.0, 0.05, 0.1])
def test_position_and_waist_are_found_within_their_uncertainties(flattened):
    rng = np.random.default_rng(21)
    pulls = []
    for _ in range(30):
        spot = fit_pump_spot(X, Y, cloud(flattened, rng), np.full(X.shape, SIGMA))
        pulls.append([(spot.x - 0.3) / spot.x_sigma, (spot.y + 0.2) / spot.y_sigma])
        assert abs(spot.waist - 2.25) < 4 * spot.waist_sigma
        assert spot.waist_sigma < 0.03
    assert 0.7 < np.sqrt(np.mean(np.square(pulls))) < 1.3


def test_a_cloud_of_negative_index_change_is_one_too():
    spot = fit_pump_spot(
        X, Y, cloud(0.05, np.random.default_rng(2), -6e-3), np.full(X.shape, SIGMA)
    )
    assert abs(spot.x - 0.3) < 4 * spot.x_sigma


def test_a_map_without_a_cloud_is_refused():
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match=r"no cloud|no wider than the probe"):
        fit_pump_spot(X, Y, SIGMA * rng.standard_normal(X.shape), np.full(X.shape, SIGMA))
    with pytest.raises(ValueError, match="six finite points"):
        fit_pump_spot(SIDE, SIDE * 0, SIDE, SIDE * 0 + 1)
