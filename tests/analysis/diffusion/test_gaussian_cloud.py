"""Gaussians fitted to maps, and the correction for the probe's blur."""

import numpy as np
import pytest

from analysis.diffusion.gaussian_cloud import cloud_waist, fit_cloud, gaussian
from ocm_ophyd.errors import DataError

SIDE = np.linspace(-2.5, 2.5, 11)
X, Y = (grid.ravel() for grid in np.meshgrid(SIDE, SIDE))
TRUTH = {"x0": 0.3, "y0": -0.2, "waist": 1.8, "amplitude": 0.016, "offset": 2e-4}


def test_the_gaussian_has_1_over_e2_at_its_waist():
    values = gaussian(np.array([0.0, 1.8]), np.zeros(2), 0.0, 0.0, 1.8, 3.0, 1.0)
    np.testing.assert_allclose(values, [4.0, 1.0 + 3.0 * np.exp(-2)])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_map_without_noise_gives_its_gaussian(sign):
    """Carriers lower the index of silicon: the cloud may be negative."""
    values = sign * gaussian(X, Y, **TRUTH)
    cloud = fit_cloud(X, Y, values, np.full(len(X), 1e-4))
    fitted = (cloud.x, cloud.y, cloud.waist, cloud.amplitude, cloud.offset)
    np.testing.assert_allclose(fitted, (0.3, -0.2, 1.8, sign * 0.016, sign * 2e-4), rtol=1e-4)
    np.testing.assert_allclose(cloud.evaluate(X, Y), values, atol=1e-8)
    assert cloud.warnings == ()


def test_sigmas_are_the_scatter_of_the_fits():
    generator = np.random.default_rng(3)
    clean, noise = gaussian(X, Y, **TRUTH), 3e-4
    fits = [
        fit_cloud(X, Y, clean + noise * generator.normal(size=len(X)), np.full(len(X), noise))
        for _ in range(60)
    ]
    for name in ("x", "y", "waist", "amplitude"):
        scatter = np.std([getattr(fit, name) for fit in fits], ddof=1)
        assert scatter == pytest.approx(getattr(fits[0], f"{name}_sigma"), rel=0.35)
    assert np.mean([fit.reduced_chi2 for fit in fits]) == pytest.approx(1, abs=0.06)


def test_without_sigmas_the_scatter_gives_them():
    noise = 3e-4 * np.random.default_rng(4).normal(size=len(X))
    values = gaussian(X, Y, **TRUTH) + noise
    weighted = fit_cloud(X, Y, values, np.full(len(X), 3e-4))
    unweighted = fit_cloud(X, Y, values)
    assert unweighted.waist == pytest.approx(weighted.waist, rel=1e-5)
    assert unweighted.waist_sigma == pytest.approx(weighted.waist_sigma, rel=0.2)


def test_points_without_a_value_do_not_count():
    values = gaussian(X, Y, **TRUTH)
    holed = np.where(np.arange(len(X)) % 5 == 0, np.nan, values)
    assert fit_cloud(X, Y, holed).waist == pytest.approx(1.8, rel=1e-4)


def test_a_cloud_that_is_wider_than_the_map_is_warned_about():
    values = gaussian(X, Y, 0.1, 0.0, 14.0, 0.01, 0.0)
    warnings = fit_cloud(X, Y, values, np.full(len(X), 1e-5)).warnings
    assert any("waist and offset are not distinguishable" in warning for warning in warnings)


@pytest.mark.parametrize("chosen", [slice(5), slice(11)], ids=["five points", "one line"])
def test_maps_that_determine_no_cloud_are_refused(chosen):
    with pytest.raises(DataError, match="at least 6 finite points"):
        fit_cloud(X[chosen], Y[chosen], gaussian(X, Y, **TRUTH)[chosen])


def test_the_blur_of_the_probe_is_a_sum_of_squares():
    waist, sigma = cloud_waist(np.hypot(2.25, 0.5), 0.01, 0.5)
    assert waist == pytest.approx(2.25)
    step = 1e-6
    slope = (cloud_waist(2.3 + step)[0] - cloud_waist(2.3 - step)[0]) / (2 * step)
    assert cloud_waist(2.3, 0.02)[1] == pytest.approx(0.02 * slope, rel=1e-6)
    assert sigma > 0.01
    with pytest.raises(DataError, match="the cloud is not resolved"):
        cloud_waist(0.45)


def test_sigmas_are_widened_once_where_the_map_is_no_gaussian():
    """A flat-topped cloud: with √χ² the sigmas are those that the scatter about the fit gives."""
    axis = np.linspace(-2.5, 2.5, 11)
    x, y = np.meshgrid(axis, axis)
    z = 9e-3 * np.exp(-(((x**2 + y**2) / 2.25**2) ** 2))
    known, scatter = fit_cloud(x, y, z, np.full(x.shape, 5e-5)), fit_cloud(x, y, z)
    assert known.reduced_chi2 > 4
    assert known.waist_sigma == pytest.approx(scatter.waist_sigma, rel=1e-3)
