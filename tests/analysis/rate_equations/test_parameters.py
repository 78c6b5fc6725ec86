"""Conversion between published, fitted and solver's parameters."""

import numpy as np
import pytest

from analysis.rate_equations import solver
from analysis.rate_equations.data import Plate
from analysis.rate_equations.parameters import (
    PARAMETERS,
    SHARED,
    parameter_derivatives,
    solver_rates,
)

PLATE = Plate((8.0, 8.0), 2.25, 0.5)
VALUES = (2e8, 1.8e-9, 5e-30, 0.8, 0.8, 1.07e19, 0.03)
THETA = np.array([p.fitted(value) for p, value in zip(PARAMETERS, VALUES, strict=True)])


@pytest.mark.parametrize(("parameter", "value"), list(zip(PARAMETERS, VALUES, strict=True)))
def test_published_values_survive_the_fit(parameter, value):
    fitted = parameter.fitted(value)
    assert parameter.published(fitted) == pytest.approx(value, rel=1e-12)
    step = 1e-6
    change = parameter.published(fitted + step) - parameter.published(fitted - step)
    assert parameter.slope(fitted) == pytest.approx(change / (2 * step), rel=1e-6)


def test_gain_equals_loss_at_the_threshold():
    rates, _ = solver_rates(THETA, PLATE)
    assert rates.trapping == pytest.approx(2e-4)  # 1/ps
    assert rates.radiative == pytest.approx(1.8e-21)  # cm³/ps
    assert rates.diffusion == pytest.approx(0.8e-4)  # um²/ps
    assert rates.gain * 1.07e19 * PLATE.mean_density == pytest.approx(rates.photon_loss)


def test_the_jacobian_is_that_of_the_rates():
    _, jacobian = solver_rates(THETA, PLATE)
    for index in range(SHARED):
        step = np.zeros(SHARED)
        step[index] = 1e-5
        high, low = (np.array(solver_rates(THETA + s * step, PLATE)[0]) for s in (1, -1))
        numeric = (high - low) / 2e-5
        np.testing.assert_allclose(jacobian[:7, index], numeric, rtol=1e-6, atol=1e-30)
    assert not jacobian[7].any()  # the initial density is no shared parameter


def test_the_initial_density_is_a_logarithm():
    """d/d ln N0 = N0 d/dN0, in the column of the cloud."""
    table = np.zeros((2, solver.ROWS))
    table[:, solver.BY_INITIAL] = [0.5, 0.25]
    _, jacobian = solver_rates(THETA, PLATE)
    rows = parameter_derivatives(table, jacobian, initial=2e19, cloud=1, size=SHARED + 3)
    expected = np.zeros((2, SHARED + 3))
    expected[:, SHARED + 1] = [1e19, 0.5e19]
    np.testing.assert_allclose(rows, expected)
