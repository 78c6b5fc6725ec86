"""Lines, thresholds and clouds from known ones."""

import numpy as np
import pytest

from analysis.diffusion.gaussian_cloud import cloud_waist, fit_cloud
from analysis.lasing.fluence_response import fit_fluence_response

FLUENCE = np.linspace(0.1, 1.1, 15)


@pytest.mark.parametrize("fluence_sigma", [0.0, 0.01])
def test_response_comes_back_with_its_scatter(fluence_sigma):
    """Noise in Δn of 1e-4, and fluences that are not quite those asked for."""
    rng = np.random.default_rng(8)
    sigma = np.full(FLUENCE.size, 1e-4)
    fits = []
    for _ in range(300):
        real = FLUENCE * (1 + rng.normal(0, fluence_sigma, FLUENCE.size))
        delta_n = 1.75e-2 * real / (1 + 0.09 * real) + rng.normal(0, sigma)
        fits.append(fit_fluence_response(FLUENCE, delta_n, sigma, fluence_sigma))
    for name, value in (("slope", 1.75e-2), ("loss", 0.09)):
        pulls = np.array(
            [(getattr(fit, name).value - value) / getattr(fit, name).sigma for fit in fits]
        )
        assert np.std(pulls) == pytest.approx(1, abs=0.13), name
        assert abs(np.mean(pulls)) < 0.25, name
    assert np.mean([fit.reduced_chi2 for fit in fits]) == pytest.approx(1, abs=0.08)
    assert np.mean([fit.p_value < 0.1 for fit in fits]) == pytest.approx(0.1, abs=0.06)


def test_recombination_before_the_probe_leaves_the_slope_alone():
    """N(τ) = N0/(1 + BτN0), also where a tenth of the carriers is gone."""
    per_density, per_fluence = 9e-22, 2e19  # RIU cm³, cm⁻³ per mJ/cm²
    b, tau = 1.8e-21, 2.5  # cm³/ps (Table 1), ps
    fluence = np.linspace(0.1, 1.2, 12)
    density = per_fluence * fluence
    fit = fit_fluence_response(
        fluence, per_density * density / (1 + b * tau * density), 0 * fluence + 1e-7
    )
    slope = per_density * per_fluence
    assert fit.slope.value == pytest.approx(slope, rel=1e-4)
    assert fit.loss.value == pytest.approx(b * tau * per_fluence, rel=1e-3)
    np.testing.assert_allclose(
        fit.evaluate(0.5), per_density * per_fluence / (2 + b * tau * per_fluence), rtol=1e-4
    )


def test_a_response_leaves_out_what_is_not_finite_and_needs_four_fluences():
    delta_n = np.where(np.arange(15) == 3, np.nan, 1.75e-2 * FLUENCE)
    assert fit_fluence_response(FLUENCE, delta_n, 0 * FLUENCE + 1e-4).slope.value == pytest.approx(
        1.75e-2
    )
    with pytest.raises(ValueError, match="four fluences, not 3"):
        fit_fluence_response([0.1, 0.2, 0.3, 0.3], [1, 2, 3, 3], [1, 1, 1, 1])


def blurred_cloud(waist, amplitude=9e-3):
    """A cloud looked at by a probe of 0.5 um, by summing over the probe's intensity."""
    axis = np.linspace(-2.5, 2.5, 11)
    x, y = np.meshgrid(axis, axis)
    probe = np.linspace(-1.2, 1.2, 41)
    u, v = np.meshgrid(probe, probe)
    weight = np.exp(-2 * (u**2 + v**2) / 0.5**2)
    away = (x[..., None, None] + u - 0.2) ** 2 + (y[..., None, None] + v + 0.15) ** 2
    values = amplitude * np.exp(-2 * away / waist**2)
    return x, y, np.sum(values * weight, axis=(2, 3)) / weight.sum()


@pytest.mark.parametrize("sign", [1, -1])
def test_probe_blur_adds_in_squares_and_is_taken_out(sign):
    """w_map² = w_cloud² + w_probe², for the pump's 2.25 um."""
    rng = np.random.default_rng(4)
    x, y, values = blurred_cloud(2.25, sign * 9e-3)
    cloud = fit_cloud(x, y, values + rng.normal(0, 5e-5, x.shape), np.full(x.shape, 5e-5))
    assert abs(cloud.waist - np.sqrt(2.25**2 + 0.5**2)) < 4 * cloud.waist_sigma
    assert abs(cloud.x - 0.2) < 4 * cloud.x_sigma
    assert abs(cloud.y + 0.15) < 4 * cloud.y_sigma
    assert np.sign(cloud.amplitude) == sign
    waist, sigma = cloud_waist(cloud.waist, cloud.waist_sigma)
    assert abs(waist - 2.25) < 4 * sigma
    assert sigma < 0.03


def test_maps_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="at least 6 finite points"):
        fit_cloud(np.arange(8), np.zeros(8), np.ones(8))
    with pytest.raises(ValueError, match="no wider than the probe"):
        cloud_waist(0.4)
