"""The shape's part of the variance against matrix algebra in plain numpy."""

import numpy as np
import pytest
from fringes import FRINGE, parameters

from analysis.fringe.shape_uncertainty import shape_variance

pytestmark = pytest.mark.usefixtures("interpreted")

RNG = np.random.default_rng(5)
ROOT = RNG.standard_normal((7, 7)) * 1e-3
COVARIANCE = ROOT @ ROOT.T + 1e-8 * np.eye(7)
VISIBILITY = np.hypot(FRINGE[3], FRINGE[4])
SHAPE = np.zeros((4, 7))
SHAPE[0, 2] = SHAPE[2, 5] = SHAPE[3, 6] = 1
SHAPE[1, 3:5] = FRINGE[3:5] / VISIBILITY


def test_a_known_dependence_on_the_shape_gives_its_variance():
    """Δ = t·shape + something independent: the shape's part of its variance is tᵀ C t."""
    by_shape = np.array([0.3, -0.2, 0.05, 0.4])
    shape_covariance = SHAPE @ COVARIANCE @ SHAPE.T
    link = COVARIANCE @ SHAPE.T @ by_shape
    variance, systematic = shape_variance(parameters(), COVARIANCE, link, np.zeros(13))
    assert variance == pytest.approx(by_shape @ shape_covariance @ by_shape, rel=1e-9)
    assert systematic == 0


def test_the_systematic_part_is_the_response_to_an_error_of_the_priors():
    """The fit follows an error of a prior by C ω, so Δ by link·ω: per prior, its square over ω."""
    weight, link = np.zeros(13), RNG.standard_normal(7) * 1e-6
    weight[[2, 5, 6]] = 2e5, 3.0, 2500.0
    _, systematic = shape_variance(parameters(), COVARIANCE, link, weight)
    expected = sum((link[a] * weight[a]) ** 2 / weight[a] for a in (2, 5, 6))
    assert systematic == pytest.approx(expected, rel=1e-9)
