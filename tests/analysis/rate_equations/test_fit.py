"""Fits of the rate equations to the twin's curves."""

from dataclasses import replace

import numpy as np
import pytest
from microlaser import DELAY, DENSE, DIFFUSION, FLUENCE, PLATE, RATES, SIGMA, Laboratory, follow
from scipy.interpolate import CubicSpline
from slow_cases import slow_except

from analysis.estimate import Estimate
from analysis.rate_equations.data import Curve
from analysis.rate_equations.fit import fit_rate_equations
from ocm_ophyd.twin import load_scenario

NAMES = ("A", "B", "beta", "photon_loss", "threshold_density")


@pytest.fixture(scope="module")
def laboratory():
    return Laboratory(load_scenario())


def pulls(fit, truth, names=NAMES):
    return np.array([(fit.estimates[n].value - truth[n]) / fit.estimates[n].sigma for n in names])


def check_statistics(table, covered, ratios):
    """Pulls (N, Q) of a standard normal; limits that cover at 95 %; χ²/dof about 1."""
    count = len(table)
    assert np.abs(table.mean(axis=0)).max() < 3.5 / np.sqrt(count)
    # A sample's standard deviation scatters by 1/sqrt(2 N).
    np.testing.assert_allclose(table.std(axis=0, ddof=1), 1, atol=3.5 / np.sqrt(2 * count))
    # Fewer are covered in three of a thousand samples of twenty, in six of eight.
    assert np.mean(covered) >= (0.8 if count >= 20 else 0.75)
    assert np.mean(ratios) == pytest.approx(1, abs=4 * np.sqrt(2 / 690 / count))


@pytest.mark.parametrize("count", slow_except([8], [8, 20]))
def test_pulls_are_standard_normal(laboratory, count):
    """Bounds of `check_statistics` follow the count: eight fits find sigma wrong by a factor 2."""
    table, covered, ratios = [], [], []
    for seed in range(count):
        fit = fit_rate_equations(
            laboratory.curves(np.random.default_rng(seed)),
            laboratory.plate,
            diffusion=DIFFUSION,
            profiles=False,
        )
        table.append(pulls(fit, laboratory.truth))
        covered.append(fit.estimates["C"].upper95 > laboratory.truth["C"])
        ratios.append(fit.chi2 / fit.dof)
    check_statistics(np.array(table), covered, ratios)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pulls_are_standard_normal_for_varied_microlasers():
    """Every constant and the pump's waist within ±30 % of the paper's, D known to 0.1 cm²/s."""
    default, rng = load_scenario(), np.random.default_rng(7)
    table, covered, ratios = [], [], []
    for _ in range(20):
        factor = dict(zip("ABCDtpcw", rng.uniform(0.7, 1.3, 8), strict=True))
        spec, lasing = default.sample, default.sample.lasing
        lasing = lasing.model_copy(
            update={
                "threshold_fluence": lasing.threshold_fluence * factor["t"],
                "photon_loss": lasing.photon_loss * factor["p"],
                "coupling": lasing.coupling * factor["c"],
            }
        )
        spec = spec.model_copy(
            update={
                "trapping": spec.trapping * factor["A"],
                "radiative": spec.radiative * factor["B"],
                "auger": spec.auger * factor["C"],
                "diffusion": spec.diffusion * factor["D"],
                "lasing": lasing,
            }
        )
        pump = default.pump.model_copy(update={"waist": default.pump.waist * factor["w"]})
        place = Laboratory(default.model_copy(update={"sample": spec, "pump": pump}))
        known = Estimate(place.diffusion + 0.1 * rng.normal(), 0.1, "cm2/s")
        fit = fit_rate_equations(place.curves(rng), place.plate, None, known, profiles=False)
        table.append(pulls(fit, place.truth))
        covered.append(fit.estimates["C"].upper95 > place.truth["C"])
        ratios.append(fit.chi2 / fit.dof)
    check_statistics(np.array(table), covered, ratios)


def test_constants_do_not_know_the_prior_on_diffusion(laboratory):
    """What two priors made of the same curves differs, what the curves say does not."""
    curves = laboratory.curves(np.random.default_rng(3))
    known = [Estimate(value, 0.2, "cm2/s") for value in (0.5, 0.9)]
    low, high = (fit_rate_equations(curves, laboratory.plate, None, d, False) for d in known)
    assert high.diffusion.value - low.diffusion.value > 1.5 * low.diffusion.sigma
    sigma = np.sqrt(np.diag(np.linalg.inv(low.constants.information)))
    assert (np.abs(high.constants.values - low.constants.values) < 0.2 * sigma).all()
    scale = np.sqrt(np.diag(low.constants.information))
    change = high.constants.information - low.constants.information
    assert np.abs(change / np.outer(scale, scale)).max() < 0.1
    truth = [
        laboratory.truth["A"],
        laboratory.truth["B"],
        laboratory.truth["C"],
        laboratory.diffusion,
    ]
    away = low.constants.values - truth
    assert away @ low.constants.information @ away < 18  # χ² of four: one in a thousand


@pytest.fixture(scope="module")
def fitted(laboratory):
    curves = laboratory.curves(np.random.default_rng(3))
    return curves, fit_rate_equations(curves, laboratory.plate, diffusion=DIFFUSION)


def test_intervals_hold_what_raises_chi2_by_one(fitted):
    """Where the model is nearly linear in a parameter they are the Gaussian's."""
    _, fit = fitted
    for name in ("B", "photon_loss", "threshold_density"):
        estimate = fit.estimates[name]
        widths = np.array(
            [estimate.value - estimate.interval[0], estimate.interval[1] - estimate.value]
        )
        np.testing.assert_allclose(widths, estimate.sigma, rtol=0.1)


def test_errors_do_not_shrink_with_sigmas_that_are_too_small(fitted, laboratory):
    """χ² and its rises grow together, so that sigmas, intervals and C's limit stay as they are."""
    curves, reference = fitted
    small, smaller = (
        fit_rate_equations(
            [replace(curve, sigma=SIGMA / factor) for curve in curves],
            laboratory.plate,
            diffusion=replace(DIFFUSION, sigma=DIFFUSION.sigma / factor),
        )
        for factor in (2, 4)
    )
    assert smaller.chi2 == pytest.approx(4 * small.chi2)
    assert small.chi2 / small.dof > 2
    for name in NAMES:
        one, other = small.estimates[name], smaller.estimates[name]
        assert other.sigma == pytest.approx(one.sigma, rel=1e-3)
        assert other.interval == pytest.approx(one.interval, abs=0.02 * one.sigma)
        # The true sigmas are only widened, never narrowed, to the scatter of the data.
        own = reference.estimates[name].sigma * min(1.0, reference.chi2 / reference.dof) ** 0.5
        assert one.sigma == pytest.approx(own, rel=1e-3)
    np.testing.assert_allclose(smaller.initial_sigma, small.initial_sigma, rtol=1e-3)
    limits = [fit.estimates["C"].upper95 for fit in (small, smaller)]
    assert limits[1] == pytest.approx(limits[0], rel=0.01)
    assert "misses more than the noise" in small.warnings[0]


def test_what_cannot_be_known_is_said(fitted, laboratory):
    _, fit = fitted
    assert {"Gamma", "G", "v_g"} <= set(fit.not_identified)
    assert fit.estimates["C"].upper95 > 0
    assert fit.warnings == ()
    # Trapping, recombination and Auger differ only in how they depend on the density.
    assert fit.correlation.sel(parameter="A", other="B").item() < -0.5


def test_the_fit_gives_back_curves_and_light(fitted, laboratory):
    _, fit = fitted
    for initial, clean in zip(fit.initial, laboratory.clean, strict=True):
        np.testing.assert_allclose(fit.density(initial, DELAY), clean, atol=SIGMA)
    assert fit.density(DENSE, np.array([-1.0, 0.0])) == pytest.approx([0.0, DENSE])
    below, above = fit.initial[[2, 9]]
    assert fit.photons(above, DELAY).max() > 100 * fit.photons(below, DELAY).max()
    spontaneous, mode = fit.light(fit.initial)
    assert np.all(np.diff(spontaneous + mode) > 0)
    # No more photons than carriers.
    assert np.all(spontaneous + mode < 1.01 * fit.initial * fit.plate.mean_density)


def test_light_agrees_and_adds_precision(fitted, laboratory):
    curves, dark = fitted
    results = []
    for unit in (1.0, 1e-15):
        light = laboratory.light(np.random.default_rng(5), 0.01, unit)
        fit = fit_rate_equations(curves, laboratory.plate, light, DIFFUSION, profiles=False)
        results.append(fit)
    assert np.abs(pulls(fit, laboratory.truth)).max() < 4
    assert fit.chi2 / fit.dof == pytest.approx(1, abs=4 * np.sqrt(2 / fit.dof))
    for name in ("A", "beta"):
        assert fit.estimates[name].sigma < 0.9 * dark.estimates[name].sigma
        assert results[0].estimates[name].value == pytest.approx(
            fit.estimates[name].value, abs=0.02 * fit.estimates[name].sigma
        )


def test_a_chirped_probe_is_accounted_for(laboratory):
    """Averaged over sampling times that scatter by 1 ps, the curves give the same constants."""
    node, weight = np.polynomial.hermite_e.hermegauss(9)
    curves = []
    for fluence in FLUENCE:
        cloud = laboratory.sample.carriers(fluence)
        shifted = DELAY[:, np.newaxis] + node
        # A Gaussian has no end: its two outermost nodes may lie before the pump.
        seen = laboratory.sample.density(np.maximum(shifted, 0.5), cloud, 0.0, 0.0)
        blurred = seen @ weight / weight.sum()
        curves.append(Curve(fluence, DELAY, blurred, np.full(len(DELAY), SIGMA), 1.0))
    fit = fit_rate_equations(curves, laboratory.plate, None, DIFFUSION, profiles=False)
    assert np.abs(pulls(fit, laboratory.truth)).max() < 0.3


def test_without_lasing_recombination_is_still_fitted(laboratory):
    curves = laboratory.curves(np.random.default_rng(4))[:4]
    light = laboratory.light(np.random.default_rng(5), 0.01)
    fit = fit_rate_equations(curves, laboratory.plate, light, DIFFUSION)
    for name in ("beta", "photon_loss", "threshold_density"):
        assert not fit.estimates[name].determined
        assert "stimulated emission" in fit.estimates[name].note or (
            "above the threshold" in fit.estimates[name].note
        )
    assert np.abs(pulls(fit, laboratory.truth, ("A", "B"))).max() < 4
    assert any("light" in warning for warning in fit.warnings)


def test_points_without_a_value_do_not_count(fitted, laboratory):
    curves, _ = fitted
    holes = [
        replace(c, density=np.where(np.arange(len(DELAY)) % 7 == 2, np.nan, c.density))
        for c in curves
    ]
    gone = [
        Curve(c.fluence, *(np.delete(a, np.s_[2::7]) for a in (c.delay, c.density, c.sigma)))
        for c in curves
    ]
    first, second = (
        fit_rate_equations(some, laboratory.plate, None, DIFFUSION, profiles=False)
        for some in (holes, gone)
    )
    assert first.dof == second.dof
    assert first.estimates["B"].value == second.estimates["B"].value


def test_an_empty_curve_is_left_out_with_a_warning(fitted, laboratory):
    curves, _ = fitted
    empty = replace(curves[0], density=np.zeros(len(DELAY)))
    fit = fit_rate_equations(
        [empty, *curves[1:]], laboratory.plate, None, DIFFUSION, profiles=False
    )
    assert np.isnan(fit.initial[0])
    assert np.isfinite(fit.initial[1:]).all()
    assert "0.2 mJ/cm^2 is not used" in fit.warnings[0]


def test_a_fit_at_its_bound_has_no_value():
    """β of 1e-7 is below anything the fit allows."""
    rates = RATES * np.array([1, 1, 1, 1, 1, 1, 1e-7 / 0.03])
    curves = []
    for initial in np.linspace(0.3e19, 2.2e19, 8):
        times, density, _, _ = follow(rates, initial)
        clean = CubicSpline(times, density[:, 0])(DELAY)
        curves.append(Curve(initial / 2e19, DELAY, clean, np.full(len(DELAY), SIGMA / 10)))
    fit = fit_rate_equations(curves, PLATE, None, DIFFUSION, profiles=False)
    assert not fit.estimates["beta"].determined
    assert "bound" in fit.estimates["beta"].note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda curves: curves[:2], "at least three"),
        (lambda curves: [replace(curves[0], sigma=0.0), *curves[1:]], "sigma"),
        (lambda curves: [replace(c, delay=-DELAY) for c in curves], "at least three"),
    ],
    ids=["two curves", "no sigma", "before the pump"],
)
def test_unusable_data_are_refused_with_the_reason(fitted, laboratory, change, message):
    with pytest.raises(ValueError, match=message):
        fit_rate_equations(change(fitted[0]), laboratory.plate, None, DIFFUSION)


def test_a_limit_of_diffusion_serves_as_prior_and_nothing_does_not(fitted, laboratory):
    curves, reference = fitted
    limit = Estimate(np.nan, np.nan, "cm2/s", upper95=1.0)
    fit = fit_rate_equations(curves, laboratory.plate, None, limit, profiles=False)
    assert 0 <= fit.diffusion.value < 1.3
    assert fit.estimates["A"].sigma > reference.estimates["A"].sigma
    with pytest.raises(ValueError, match="diffusion"):
        fit_rate_equations(
            curves, laboratory.plate, None, Estimate(np.nan, np.nan, "cm2/s"), profiles=False
        )
