"""The response of Δn to the fluence, from known ones."""

import numpy as np
import pytest

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
