"""Rate equations against formulas and independent integration; fits of the twin's curves."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from analysis import rate_solver
from analysis.estimate import Estimate
from analysis.rate_equations import Curve, LightCurve, Plate, fit_rate_equations
from ocm_ophyd.twin import carriers, load_scenario
from ocm_ophyd.twin.sample import Sample

SIDE, PUMP, PROBE = 8.0, 2.25, 0.5  # um, paper
PLATE = Plate((SIDE, SIDE), PUMP, PROBE)
# A, B, C, D, γ, g, β in ps, um and cm⁻³: Table 1 and the paper's β; the rest a typical microlaser.
RATES = np.array([2e-4, 1.8e-21, 5e-42, 8e-5, 0.8, 0.8 / 1.4e18, 0.03])
DENSE = 1.8e19  # cm⁻³: well above the threshold, 1.07e19

FLUENCE = np.array([0.20, 0.28, 0.35, 0.42, 0.49, 0.55, 0.60, 0.66, 0.72, 0.80, 0.88, 0.96])
DELAY = np.concatenate([np.arange(3.0, 21), np.arange(22.0, 61, 2), np.geomspace(70, 500, 13)])
SIGMA = 4e16 * np.sqrt(2)  # cm⁻³, of a point of ten chopper periods
DIFFUSION = Estimate(0.8, 0.1, "cm2/s")
NAMES = ("A", "B", "beta", "photon_loss", "threshold_density")


def only(**rates):
    """Rates of which all but the named ones are 0."""
    kept = np.zeros(7)
    for name, value in rates.items():
        kept[["A", "B", "C", "D", "loss", "gain", "coupling"].index(name)] = value
    return kept


def follow(rates, initial=DENSE, horizon=500.0, plate=PLATE, profile=None, disc=None, **options):
    """Times and everything else of one cloud."""
    disc = disc or plate.disc
    profile = plate.profile if profile is None else profile
    scale, end = np.array([initial]), np.array([horizon])
    times, density, photons, light = rate_solver.solve(scale, end, rates, profile, disc, **options)
    return times, density[0], photons[0], light[0]


# --- the solver -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "formula"),
    [
        (only(A=5e-3), lambda t: np.exp(-5e-3 * t)),
        (only(B=2e-21), lambda t: 1 / (1 + 2e-21 * DENSE * t)),
        (only(C=1e-41), lambda t: 1 / np.sqrt(1 + 2e-41 * DENSE**2 * t)),
    ],
    ids=["trapping", "radiative", "Auger"],
)
def test_single_channels_follow_their_formulas(rates, formula):
    times, density, photons, _ = follow(rates, profile=np.ones_like(PLATE.profile))
    np.testing.assert_allclose(density[:, 0], DENSE * formula(times), rtol=1e-9)
    assert not photons.any()


def test_the_probe_averages_local_recombination():
    """B only: each place decays by itself, and the probe's mean is an integral over the plate."""
    times, density, _, _ = follow(only(B=2e-21))
    r = np.linspace(0, 4, 4001)
    local = DENSE * np.exp(-2 * (r / PUMP) ** 2) * (1 + (PROBE / PUMP) ** 2)
    light = r * np.exp(-2 * (r / PROBE) ** 2)
    seen = local / (1 + 2e-21 * local * times[:, np.newaxis])
    np.testing.assert_allclose(density[:, 0], seen @ light / light.sum(), rtol=0, atol=1e-5 * DENSE)


@pytest.mark.parametrize("size", [(8.0, 8.0), (6.0, 10.0)])
def test_diffusion_conserves_carriers_and_ends_flat(size):
    plate = Plate(size, PUMP, PROBE)
    mean = replace(plate.disc, sight=plate.disc.area)
    _, kept, _, _ = follow(only(D=8e-5), plate=plate, disc=mean, horizon=1e5)
    np.testing.assert_allclose(kept[:, 0], DENSE * plate.share, rtol=1e-10)
    _, seen, _, _ = follow(only(D=1e-2), plate=plate, horizon=2e4)
    assert seen[-1, 0] == pytest.approx(DENSE * plate.share, rel=1e-6)


def test_diffusion_widens_a_gaussian():
    """Away from the edges w² grows by 8 D t, and the probe adds its own w²."""
    times, density, _, _ = follow(only(D=8e-5), plate=Plate((14.0, 14.0), PUMP, PROBE))
    width = PUMP**2 + PROBE**2
    np.testing.assert_allclose(density[:, 0], DENSE * width / (width + 8 * 8e-5 * times), rtol=1e-4)


@pytest.mark.parametrize("waist", [1.6, 2.25, 2.9])
def test_mean_density_is_that_of_a_gaussian_on_the_rectangle(waist):
    fine = (np.arange(2000) + 0.5) / 2000 * SIDE / 2
    line = np.exp(-2 * (fine / waist) ** 2).mean()
    probe = np.exp(-2 * (fine / PROBE) ** 2)
    seen = (np.exp(-2 * (fine / waist) ** 2) * probe).sum() / probe.sum()
    share = Plate((SIDE, SIDE), waist, PROBE).share
    assert share == pytest.approx((line / seen) ** 2, rel=1e-4)


def integrated(initial, waist, times, cells=20):
    """Density at the probe, photons and light by an explicit Runge–Kutta method on a square grid.

    A quadrant of the plate, whose inner edges are no-flux by symmetry.
    """
    trapping, radiative, auger, diffusion, loss, gain, coupling = RATES
    cell = SIDE / 2 / cells
    x = (np.arange(cells) + 0.5) * cell
    unit = 1e19
    line, probe = np.exp(-2 * (x / waist) ** 2), np.exp(-2 * (x / PROBE) ** 2)
    probe /= probe.sum()
    start = initial / unit * np.outer(line, line) / (line @ probe) ** 2

    def slope(_, state):
        n, m = state[:-3].reshape(cells, cells), state[-3]
        padded = np.pad(n, 1, mode="edge")
        across = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]
        squares = (n**2).mean()
        change = diffusion * (across - 4 * n) / cell**2
        change -= n * (trapping + unit * n * (radiative + unit * auger * n) + unit * gain * m)
        emitted = unit * radiative * squares
        photons = (unit * gain * n.mean() - loss) * m + coupling * emitted
        return np.concatenate([change.ravel(), [photons, emitted, loss * m]])

    state = np.concatenate([start.ravel(), np.zeros(3)])
    solution = solve_ivp(
        slope, (0, times[-1]), state, "DOP853", t_eval=times, rtol=1e-8, atol=1e-11
    )
    cloud = solution.y[:-3].reshape(cells, cells, -1)
    return unit * np.einsum("i,ijt,j->t", probe, cloud, probe), *(unit * solution.y[-3:])


@pytest.mark.parametrize("waist", [1.6, 2.25, 2.9])
def test_lasing_agrees_with_an_independent_integration(waist):
    plate = Plate((SIDE, SIDE), waist, PROBE)
    initial = DENSE * PLATE.share / plate.share  # the same plate's mean for each waist
    horizon = float(rate_solver.steps(200.0)[0][-1])
    times, density, photons, light = follow(RATES, initial, horizon, plate)
    at = np.array([0.0, 1, 3, 5, 8, 12, 18, 30, 60, 120, horizon])
    seen, mode, emitted, lased = integrated(initial, waist, at)
    np.testing.assert_allclose(
        CubicSpline(times, density[:, 0])(at), seen, atol=1e-4 * initial, rtol=0
    )
    assert RATES[5] * mode.max() > 1 / 50  # 1/ps: it does lase
    np.testing.assert_allclose(
        CubicSpline(times, photons)(at), mode, atol=2e-3 * mode.max(), rtol=0
    )
    np.testing.assert_allclose(light[:, 0], [emitted[-1], lased[-1]], rtol=5e-4)


@pytest.mark.parametrize("index", range(8))
def test_derivatives_are_those_of_the_solution(index):
    step = 1e-4
    values = np.append(RATES, DENSE)
    results = []
    for sign in (1, -1):
        moved = values.copy()
        moved[index] *= 1 + sign * step
        _, density, _, light = follow(moved[:7], moved[7], horizon=300.0)
        results.append((density[:, 0], light[:, 0]))
    _, density, _, light = follow(RATES, horizon=300.0)
    for up, down, analytic in zip(*results, (density, light), strict=True):
        numeric = (up - down) / (2 * step)
        np.testing.assert_allclose(
            analytic[:, 1 + index] * values[index], numeric, atol=1e-6 * np.abs(numeric).max()
        )


def test_a_cloud_is_followed_as_well_beside_one_that_is_followed_for_longer():
    """Light is collected for 50 ns: a cubic through a curve's last times must find values there."""
    disc, profile = PLATE.disc, PLATE.profile
    scale, horizons = np.full(2, DENSE), np.array([500.0, 50e3])
    times, density, _, light = rate_solver.solve(scale, horizons, RATES, profile, disc)
    late = rate_solver.interpolation(times, np.array([400.0, 480.0, 500.0]))
    np.testing.assert_allclose(late @ density[0, :, 0], late @ density[1, :, 0], rtol=1e-12)
    _, _, _, alone = follow(RATES, horizon=50e3)
    np.testing.assert_allclose(light[1, :, 0], alone[:, 0], rtol=1e-12)


def test_photons_that_leave_a_mode_are_those_that_were_born():
    """Of β B <N²> with nothing but the mode: the plasma stays, the mode fills with 1/γ."""
    loss, source = 0.8, 0.03 * 1e-30 * DENSE**2
    rates = only(B=1e-30, loss=loss, coupling=0.03)
    times, _, photons, light = follow(rates, profile=np.ones_like(PLATE.profile), horizon=5e3)
    end = times[np.searchsorted(times, 5e3)]
    gone = source * (end - (1 - np.exp(-loss * end)) / loss)
    assert light[1, 0] + photons[np.searchsorted(times, end)] == pytest.approx(
        source * end, rel=1e-3
    )
    assert light[1, 0] == pytest.approx(gone, rel=1e-3)


def test_halving_the_step_quarters_the_error_or_better():
    """Second order at least, on a grid that grows with time; at the default step 1e-5 is left."""
    at = np.array([2.0, 6, 10, 15, 30, 80])
    exact, coarse, default = (
        CubicSpline(times, density[:, 0])(at)
        for times, density, _, _ in (
            follow(RATES, horizon=100.0, first_step=step) for step in (1 / 64, 1 / 2, 1 / 8)
        )
    )
    error, left = (np.abs(y - exact).max() / DENSE for y in (coarse, default))
    assert left < 1e-5
    assert left < error / 16


# --- fits of the twin's curves --------------------------------------------------------------------


class Laboratory:
    """The twin's noise-free curves, their truth, and noisy copies of them."""

    def __init__(self, scenario):
        self.sample = sample = Sample(scenario)
        spec = scenario.sample
        self.plate = Plate((spec.length, spec.width), scenario.pump.waist, scenario.probe.waist)
        self.clean = [
            sample.density(DELAY, sample.carriers(fluence), 0.0, 0.0) for fluence in FLUENCE
        ]
        self.diffusion = spec.diffusion
        self.truth = {
            "A": spec.trapping,
            "B": spec.radiative,
            "C": spec.auger,
            "beta": spec.lasing.coupling,
            "photon_loss": spec.lasing.photon_loss,
            "threshold_density": self.seen(spec.lasing.threshold_fluence),
        }

    def seen(self, fluence):
        """Density that the probe sees right after the pulse."""
        created = self.sample.created(fluence, self.sample._default)
        x, y = (np.exp(-2 * (axis / PROBE) ** 2) for axis in (self.sample._x, self.sample._y))
        return float(x @ created @ y / x.sum() / y.sum())

    def curves(self, rng):
        noise = SIGMA * rng.normal(size=(len(FLUENCE), len(DELAY)))
        return [
            Curve(fluence, DELAY, clean + extra, np.full(len(DELAY), SIGMA))
            for fluence, clean, extra in zip(FLUENCE, self.clean, noise, strict=True)
        ]

    def light(self, rng, relative, unit=1.0):
        """Light–light curve; the mode reaches the detector four times as well as the band."""
        fluence = np.linspace(0.1, 1.0, 19)
        sample = self.sample
        clouds = [
            carriers.solve(sample.created(f, sample._default), self.plate.size, sample.rates)
            for f in fluence
        ]
        clean = unit * np.array([c.spontaneous + 4 * (c.coherent + c.incoherent) for c in clouds])
        density = np.array([self.seen(f) for f in fluence])
        scatter = 0.005
        return LightCurve(
            fluence,
            clean * (1 + relative * rng.normal(size=19)),
            relative * clean,
            density * (1 + scatter * rng.normal(size=19)),
            scatter,
        )


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
    # Fewer than four fifths are covered in three of a thousand samples of twenty.
    assert np.mean(covered) >= 0.8
    assert np.mean(ratios) == pytest.approx(1, abs=4 * np.sqrt(2 / 690 / count))


def test_pulls_are_standard_normal(laboratory):
    table, covered, ratios = [], [], []
    for seed in range(20):
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
    assert np.all(spontaneous + mode < 1.01 * fit.initial * fit.plate.share)


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
    assert "0.2 mJ/cm2 is left out" in fit.warnings[0]


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
