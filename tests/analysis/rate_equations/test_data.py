"""Selection of points, priors and the plate's means."""

import numpy as np
import pytest
from scipy.integrate import dblquad

from analysis.estimate import Estimate, not_determined
from analysis.rate_equations.data import (
    Curve,
    CurvePoints,
    DiffusionPrior,
    LightCurve,
    LightPoints,
    Plate,
    RateConstants,
)
from ocm_ophyd.errors import DataError

PLATE = Plate((8.0, 6.0), 2.25, 0.5)


def test_points_are_finite_after_the_pump_and_in_order_of_time():
    curve = Curve(
        0.5,
        delay=[20.0, 0.5, 5.0, 10.0, np.nan],
        density=[4e18, 9e18, 8e18, np.nan, 1e18],
        sigma=1e17,
        spread=1.0,
    )
    points = CurvePoints.of(curve)
    np.testing.assert_array_equal(points.time, [5.0, 20.0])  # 0.5 ps is within the spread
    np.testing.assert_array_equal(points.density, [8e18, 4e18])
    np.testing.assert_array_equal(points.sigma, 1e17)


def test_a_curve_that_begins_in_the_noise_has_no_points():
    curve = Curve(0.1, [5.0, 10.0], [4e17, 3e17], 1e17)
    assert len(CurvePoints.of(curve).time) == 0


def test_points_without_noise_are_refused():
    with pytest.raises(DataError, match=r"sigma of the curve at 0.5 mJ/cm\^2 must be positive"):
        CurvePoints.of(Curve(0.5, [5.0], [1e19], 0.0))
    with pytest.raises(DataError, match="must be positive"):
        LightPoints.of(LightCurve([0.5], [100.0], [1.0], [-1e18]))


def test_light_without_a_value_is_dropped():
    light = LightPoints.of(LightCurve([0.1, 0.2], [np.nan, 5.0], [1.0, 1.0], [1e18, 2e18]))
    np.testing.assert_array_equal(light.density, [2e18])
    assert len(LightPoints.of(None).density) == 0


def test_an_upper_limit_of_diffusion_is_an_even_distribution_below_it():
    prior = DiffusionPrior.of(Estimate(np.nan, np.nan, "cm^2/s", upper95=1.2))
    draws = np.random.default_rng(1).uniform(0, 1.2, 200_000)
    assert prior.value == pytest.approx(draws.mean(), abs=0.003)
    assert prior.sigma == pytest.approx(draws.std(), abs=0.003)
    assert DiffusionPrior.of(Estimate(0.8, 0.1, "cm^2/s")) == (0.8, 0.1)
    with pytest.raises(DataError, match="distinguish diffusion from trapping"):
        DiffusionPrior.of(Estimate(0.8, 0.0, "cm^2/s"))


def test_independent_constants_have_a_diagonal_information():
    constants = RateConstants.independent(
        Estimate(2e8, 1e7, "1/s"),
        not_determined("cm^3/s", "no kinetics"),
        Estimate(np.nan, np.nan, "cm^6/s", upper95=1.645e-29),
    )
    np.testing.assert_allclose(constants.values, [2e8, 0, 0, 0])
    np.testing.assert_allclose(
        constants.information, np.diag([1e-14, 0, 1e58, 0]), rtol=1e-3, atol=0
    )
    with pytest.raises(DataError, match="sigma of 0"):
        RateConstants.independent(Estimate(2e8, 0.0, "1/s"))


def test_the_mean_density_is_that_of_the_pump_over_the_probe():
    def mean(waist, over):
        def value(y, x):
            return np.exp(-2 * (x**2 + y**2) / waist**2) * over(x, y)

        return dblquad(value, -4, 4, -3, 3)[0] / dblquad(lambda y, x: over(x, y), -4, 4, -3, 3)[0]

    plate = mean(2.25, lambda x, y: 1.0)
    probe = mean(2.25, lambda x, y: np.exp(-2 * (x**2 + y**2) / 0.5**2))
    assert PLATE.mean_density == pytest.approx(plate / probe, rel=1e-4)
    assert PLATE.nodes.probe @ PLATE.profile == pytest.approx(1, rel=1e-12)
