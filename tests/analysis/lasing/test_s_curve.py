"""Thresholds of the simulated plate, against what its equations give without noise."""

from functools import cache
from math import erfc

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline
from slow_cases import slow_except

from analysis.estimate import Estimate
from analysis.lasing.emission import Emission
from analysis.lasing.fast_component import fit_fast_component
from analysis.lasing.laser_line import separate_line
from analysis.lasing.s_curve import DEFINITION, SCurve, agreement, fit_s_curve
from analysis.point.lock_in import PhaseRecord, WalkModels, WithinExposure, lock_in
from analysis.rate_equations.data import Plate
from ocm_ophyd.twin import load_scenario
from ocm_ophyd.twin.carriers import solve
from ocm_ophyd.twin.chopper import open_fraction
from ocm_ophyd.twin.detector import Pixels, Sensor
from ocm_ophyd.twin.fluorescence import emission, stray_line
from ocm_ophyd.twin.sample import Sample

pytestmark = pytest.mark.xdist_group("s_curve")  # its tests share cached calculations

EMISSION = Emission((505.0, 560.0), (525.0, 4.0))
SWEEP = np.linspace(0.1, 1.0, 19)
PLATE = Plate((8.0, 8.0), 2.25, 0.5)
KINETICS = np.array([0.20, 0.28, 0.35, 0.42, 0.49, 0.55, 0.60, 0.66, 0.72, 0.80, 0.88, 0.96])
DELAY = np.concatenate([np.arange(-6, 21, 1.0), np.arange(22, 61, 2.0), np.geomspace(69, 500, 13)])
TIMES = np.concatenate([np.arange(0.0, 20, 0.5), np.arange(20.0, 60), np.geomspace(60, 510, 40)])
COUNTS = 1.4e6 / 1e18 / 4  # counts per exposure and cm⁻³ of coherent light, default scenario
RIU = 1e-2 / 1.09e19  # per cm⁻³, Eq. 1 at 1050 nm
SIGMA = 5e-5  # RIU, ten chopper periods

# photon loss, coupling, radiative, threshold fluence, as factors of the default scenario's
DEFAULT, SLOW, FAST = (1.0, 1.0, 1.0, 1.0), (0.75, 1.2, 1.2, 1.15), (1.25, 0.75, 0.8, 0.8)


def scenario(loss, coupling, radiative, threshold):
    base = load_scenario()
    mode = base.sample.lasing.model_copy(
        update={
            "photon_loss": base.sample.lasing.photon_loss * loss,
            "coupling": base.sample.lasing.coupling * coupling,
            "threshold_fluence": base.sample.lasing.threshold_fluence * threshold,
        }
    )
    sample = base.sample.model_copy(
        update={"radiative": base.sample.radiative * radiative, "lasing": mode}
    )
    return base.model_copy(update={"sample": sample})


@cache
def clouds(factors):
    """Noise-free plate at many fluences: what everything below is interpolated from."""
    spec = scenario(*factors)
    plate = Sample(spec)
    static = spec.sample.lasing.threshold_fluence
    fluence = np.unique(np.concatenate([[0.09, 0.14], np.geomspace(0.2, 1.03, 26)]))
    fluence = np.unique(np.concatenate([fluence, static * np.linspace(0.92, 1.12, 11)]))
    size = (spec.sample.length, spec.sample.width)
    solved = [solve(plate.created(f, plate._default), size, plate.rates, TIMES) for f in fluence]
    line = CubicSpline(np.log(fluence), np.log([cloud.coherent for cloud in solved]))
    u = np.log(static * np.linspace(0.93, 1.11, 2000))
    inflection = float(np.exp(u[np.argmax(line(u, 1))]))
    times = TIMES[TIMES > 1]
    seen = np.log([plate.density(times, cloud, 0.0, 0.0) for cloud in solved])
    kinetics = CubicSpline(times, CubicSpline(np.log(fluence), seen)(np.log(KINETICS)), axis=1)
    # right after the pulse the probe sees the mean of two Gaussians, on the plate's grid
    created = solve(plate.created(static, plate._default), size, plate.rates, np.array([0.0, 1e-6]))
    fresh = float(plate.density(np.array([1e-6]), created, 0.0, 0.0)[0]) * 2  # the pump is half on
    return line, inflection, kinetics, fresh, static


def line_counts(factors, fluence):
    return np.exp(clouds(factors)[0](np.log(fluence))) * COUNTS


def relaxation(factors, seed=None):
    noise = 0 if seed is None else np.random.default_rng(seed).normal(0, SIGMA, (12, DELAY.size))
    late = np.exp(clouds(factors)[2](np.maximum(DELAY, 2.0))) * RIU
    return np.where(DELAY > 2, late, 0.0) + noise


def line_sigma(line):
    """Shot noise of the line and of the band under it, 20 chopper periods."""
    return np.hypot(15 + 15 * SWEEP, 0.08 * np.sqrt(line))


@cache
def spectra(periods=20, modes=None, fainter=1.0, seeds=12):
    """Fluorescence (S, P, K) as the reducer demodulates it, counts; wavelength; line; all else."""
    spec = load_scenario()
    light = spec.fluorescence.model_copy(
        update={"modes": modes or spec.fluorescence.modes, "gain_centre": (modes or [538.6])[0]}
    )
    light = light.model_copy(update={"mode_electrons": light.mode_electrons * fainter})
    pixels, plate = Pixels(spec.detector), Sample(spec)
    stray = spec.detector.stray_pump * stray_line(spec.pump, pixels)
    emitted, line, broad = [], [], []
    for f in SWEEP:
        size = (spec.sample.length, spec.sample.width)
        cloud = solve(plate.created(f, plate._default), size, plate.rates, TIMES)
        gain = plate.rates.gain * cloud.density[0].mean() / plate.rates.photon_loss
        emitted.append(f * stray + emission(light, cloud, float(gain), pixels))
        line.append(cloud.coherent * COUNTS * fainter)
        glow = light.band_electrons * cloud.spontaneous + light.mode_electrons * cloud.incoherent
        broad.append(glow / 1e18 / spec.detector.gain)
    time = np.arange(6 * periods) * spec.detector.slot
    opened = open_fraction(time, spec.detector.exposure, 20.0, 0.06, spec.chopper.edge_time)
    record = PhaseRecord(0 * time, opened, time, np.ones(len(time)))
    none = WithinExposure(0 * time, 0 * time)
    models = WalkModels(np.ones(1), np.ones(1))
    weights = lock_in(record, none, spec.detector.exposure, models).weights
    rng = np.random.default_rng(4)
    sensor = Sensor(spec.detector, rng)
    measured = [
        [weights @ sensor.read(np.outer(opened, e), -10.0) for e in emitted] for _ in range(seeds)
    ]
    return np.array(measured), pixels.wavelength, np.array(line), np.array(broad)


def test_the_line_comes_out_of_the_luminescence_with_its_shot_noise():
    measured, wavelength, line, _ = spectra()
    found = [separate_line(counts, wavelength, EMISSION) for counts in measured]
    pulls = np.array([(one.line - line) / one.line_sigma for one in found])
    assert np.std(pulls) == pytest.approx(1, abs=0.2)
    assert abs(np.mean(pulls)) < 0.35
    assert (np.abs(pulls.mean(axis=0)) < 4 / np.sqrt(len(pulls))).all()
    assert 532 < found[0].region[0] < 536 < 543 < found[0].region[1] < 547


def test_the_luminescence_keeps_its_amplified_part_and_its_light_under_the_pump():
    measured, wavelength, _, broad = spectra()
    found = [separate_line(counts, wavelength, EMISSION) for counts in measured]
    values = np.mean([result.broad for result in found], axis=0)
    sigma = np.mean([result.broad_sigma for result in found], axis=0)
    inside = (wavelength >= 505) & (wavelength <= 560)
    band = Pixels(load_scenario().detector).line(530.0, 18.0)[inside].sum()  # paper, Fig. 2b
    assert (np.abs(values - broad * band) < 4 * sigma / np.sqrt(12) + 1e-3 * values).all()
    spread = np.std([result.broad for result in found], axis=0)
    assert np.sqrt(np.mean((spread / sigma) ** 2)) == pytest.approx(1, abs=0.25)


def test_all_light_together_is_known_better_than_its_parts():
    measured, wavelength, line, broad = spectra()
    found = [separate_line(counts, wavelength, EMISSION) for counts in measured]
    inside = (wavelength >= 505) & (wavelength <= 560)
    band = Pixels(load_scenario().detector).line(530.0, 18.0)[inside].sum()
    totals = np.array([result.line + result.broad for result in found])
    sigma = np.mean([result.total_sigma for result in found], axis=0)
    truth = line + band * broad
    assert (np.abs(totals.mean(axis=0) - truth) < 4 * sigma / np.sqrt(12) + 5e-4 * truth).all()
    assert np.sqrt(np.mean((totals.std(axis=0) / sigma) ** 2)) == pytest.approx(1, abs=0.2)
    assert (sigma[:6] < 0.7 * np.mean([result.broad_sigma for result in found], axis=0)[:6]).all()


def test_lines_are_found_wherever_they_are():
    modes = (547.3, 550.1)
    measured, wavelength, line, _ = spectra(modes=modes, seeds=2)
    found = separate_line(measured[0], wavelength, EMISSION)
    assert found.region[0] > 543
    pulls = (found.line - line) / found.line_sigma
    assert np.sqrt(np.mean(pulls**2)) < 1.6


def test_a_saturated_point_has_no_line_and_the_others_keep_theirs():
    measured, wavelength, *_ = spectra()
    counts = measured[0].copy()
    whole = separate_line(counts, wavelength, EMISSION)
    counts[-1, np.argmin(np.abs(wavelength - 539.6))] = np.nan
    found = separate_line(counts, wavelength, EMISSION)
    assert np.isnan(found.line[-1])
    assert np.isnan(found.broad_sigma[-1])
    assert (np.abs(found.line - whole.line)[:-1] < whole.line_sigma[:-1]).all()


def test_luminescence_without_lines_is_refused():
    measured, wavelength, *_ = spectra(fainter=1e-6, seeds=2)
    with pytest.raises(ValueError, match=r"no narrow line .* extend the sweep"):
        separate_line(measured[0], wavelength, EMISSION)
    with pytest.raises(ValueError, match="600 to 850"):
        separate_line(measured[0][:, wavelength < 590], wavelength[wavelength < 590], EMISSION)


def test_the_curve_is_the_rate_equations():
    """Against an adaptive stiff solver, on Gauss's nodes of a quarter of the plate."""
    threshold, loss, coupling, trapping, auger = 0.556, 76.0, 0.0287, 0.02, 0.03
    parameters = (0.0, threshold, loss, coupling, trapping, auger)
    curve = SCurve(Estimate(0.57, 0.01, ""), 9.8, 1.0, parameters, PLATE)
    at, weight = np.polynomial.legendre.leggauss(8)
    across = np.exp(-2 * (PLATE.size[0] / 2 * (at + 1) / 2 / PLATE.pump_waist) ** 2)
    share = np.outer(weight, weight).ravel() / 4
    shape = np.outer(across, across).ravel()
    shape /= share @ shape

    def change(_, state):
        x, mu = state[:-2], state[-2]
        pairs = share @ x**2 / (share @ shape**2)
        lost = trapping * x + x**2 / (share @ shape**2) + auger * x**3 / (share @ shape**3)
        number = max(mu, 1e-30) * (share @ x) / (coupling * pairs)
        coherent = 1 / (1 + 1 / (coupling * number**2))
        growth = loss * (share @ x - 1) * mu + loss * coupling * pairs
        return [*(-lost - mu * x), growth, loss * mu * coherent]

    def light(fluence):
        start = [*(fluence / threshold * shape), 0.0, 0.0]
        return solve_ivp(change, (0, 40), start, "LSODA", rtol=1e-9, atol=1e-14).y[-1, -1]

    fluence = np.array([0.3, 0.5, 0.57, 0.7, 0.95])
    expected = [light(f) for f in fluence]
    np.testing.assert_allclose(curve.evaluate(fluence), expected, rtol=1e-2)
    # where it matters, in the slopes, errors cancel
    slope = np.diff(np.log(curve.evaluate(fluence))) / np.diff(np.log(expected)) - 1
    assert np.abs(slope).max() < 2e-3


def test_a_sweep_far_above_the_threshold_has_its_inflection_too():
    """Seven thresholds: the pulse is over before the clock's first steps."""
    fluence = np.linspace(0.1, 3.0, 30)
    true = (0.0, 0.45, 76.0, 0.0287, 0.0, 0.0)
    shown = SCurve(Estimate(0.45, 0.01, ""), 9.8, 1.0, true, PLATE)
    line = 1e5 * shown.evaluate(fluence)
    found = fit_s_curve(fluence, line, np.hypot(20, 0.01 * line), PLATE)
    near = np.linspace(0.4, 0.55, 400)
    slope = np.gradient(np.log(shown.evaluate(near)), np.log(near))
    assert abs(found.threshold.value - near[np.argmax(slope)]) < 2 * found.threshold.sigma
    assert found.threshold.sigma < 0.02


@pytest.mark.parametrize("factors", slow_except([(FAST,)], [(DEFAULT,), (SLOW,), (FAST,)]))
def test_the_inflection_is_that_of_the_noise_free_plate(factors):
    line = line_counts(factors, SWEEP)
    truth = clouds(factors)[1]
    found = fit_s_curve(SWEEP, line, line_sigma(line), PLATE, 0.003)
    assert found.threshold.value == pytest.approx(truth, rel=5e-3)
    assert abs(found.threshold.value - truth) < 0.3 * found.threshold.sigma
    assert found.reduced_chi2 < 0.1
    assert found.slope == pytest.approx(float(clouds(factors)[0](np.log(truth), 1)), rel=0.05)


def test_the_default_plates_inflection_is_the_papers_threshold():
    assert clouds(DEFAULT)[1] == pytest.approx(0.57, abs=0.005)


@pytest.mark.parametrize(
    ("factors", "scatter"),
    slow_except([(DEFAULT, 0.003)], [(DEFAULT, 0.003), (SLOW, 0.01), (FAST, 0.01)]),
)
def test_the_inflection_scatters_as_its_sigma_says(factors, scatter):
    rng = np.random.default_rng(7)
    truth = clouds(factors)[1]
    pulls = []
    for _ in range(30):
        real = SWEEP * (1 + rng.normal(0, scatter, SWEEP.size))
        line = line_counts(factors, real)
        sigma = line_sigma(line)
        found = fit_s_curve(SWEEP, line + rng.normal(0, sigma), sigma, PLATE, scatter).threshold
        pulls.append((found.value - truth) / found.sigma)
    assert abs(np.mean(pulls)) < 0.5  # 30 of them: ± 0.18
    assert 0.7 < np.std(pulls) < 1.3


def test_spectra_give_the_threshold():
    measured, wavelength, *_ = spectra()
    truth = clouds(DEFAULT)[1]
    for counts in measured[:3]:
        found = separate_line(counts, wavelength, EMISSION)
        threshold = fit_s_curve(SWEEP, found.line, found.line_sigma, PLATE, 0.002).threshold
        assert abs(threshold.value - truth) < 3 * threshold.sigma
        assert threshold.sigma < 0.01 * truth


def test_a_sweep_that_does_not_cross_the_threshold_is_refused():
    line = line_counts(DEFAULT, SWEEP)
    sigma = line_sigma(line)
    noisy = line + np.random.default_rng(2).normal(0, sigma)
    dark = SWEEP < 0.4
    with pytest.raises(ValueError, match=r"at \d fluences.* extend the sweep above"):
        fit_s_curve(SWEEP[dark], noisy[dark], sigma[dark], PLATE)
    below = SWEEP < 0.56
    with pytest.raises(ValueError, match=r"extend the sweep above the lasing threshold"):
        fit_s_curve(SWEEP[below], noisy[below], sigma[below], PLATE, 0.003)
    above = SWEEP > 0.64
    with pytest.raises(ValueError, match=r"extend the sweep to lower fluences"):
        fit_s_curve(SWEEP[above], noisy[above], sigma[above], PLATE, 0.003)


@pytest.mark.parametrize("factors", slow_except([(DEFAULT,)], [(DEFAULT,), (SLOW,), (FAST,)]))
def test_the_fast_decay_turns_where_gain_equals_loss(factors):
    *_, fresh, static = clouds(factors)
    found = fit_fast_component(KINETICS, DELAY, relaxation(factors), SIGMA)
    assert abs(found.delta_n.value - fresh * RIU) < 0.5 * found.delta_n.sigma
    assert abs(found.fluence.value - static) < 0.5 * found.fluence.sigma
    assert found.fluence.sigma < 0.035 * static
    low = KINETICS / static < 0.7
    assert (np.abs(found.fast_fraction[low]) < 0.5 * found.fast_fraction_sigma[low] + 3e-3).all()
    high = KINETICS / static > 1.25
    assert (found.fast_fraction[high] > 10 * found.fast_fraction_sigma[high]).all()
    assert found.used[high].all()


@pytest.mark.parametrize("factors", slow_except([(DEFAULT,)], [(DEFAULT,), (SLOW,)]))
def test_the_onset_scatters_no_more_than_its_sigma_says(factors):
    *_, fresh, static = clouds(factors)
    pulls, agreed = [], []
    for seed in range(10):
        found = fit_fast_component(KINETICS, DELAY, relaxation(factors, seed), SIGMA)
        pulls.append(
            [
                (found.delta_n.value / RIU - fresh) / found.delta_n.sigma * RIU,
                (found.fluence.value - static) / found.fluence.sigma,
            ]
        )
        agreed.append(agreement(Estimate(clouds(factors)[1], 0.005, ""), found.fluence)[2] > 0.05)
    # a part of the sigma is what the constants of another sample would change
    assert (np.abs(np.mean(pulls, axis=0)) < 0.7).all()
    assert (np.std(pulls, axis=0) < 1.3).all()
    assert np.mean(agreed) >= 0.8


def test_what_lowers_the_index_has_an_onset_too_and_a_bad_curve_is_left_out():
    delta_n = -relaxation(DEFAULT, 3)
    whole = fit_fast_component(KINETICS, DELAY, delta_n, SIGMA)
    delta_n[6, 20:] = np.nan
    delta_n[9, 12] = np.nan
    found = fit_fast_component(KINETICS, DELAY, delta_n, SIGMA)
    assert found.delta_n.value < 0
    assert np.isnan(found.fast_fraction[6])
    assert not found.used[6]
    assert abs(found.delta_n.value - whole.delta_n.value) < whole.delta_n.sigma


def test_kinetics_on_one_side_of_the_threshold_are_refused():
    delta_n = relaxation(DEFAULT, 1)
    with pytest.raises(ValueError, match="no relaxation curve has a fast component"):
        fit_fast_component(KINETICS[:5], DELAY, delta_n[:5], SIGMA)
    with pytest.raises(ValueError, match="measure at lower fluences"):
        fit_fast_component(KINETICS[7:], DELAY, delta_n[7:], SIGMA)
    with pytest.raises(ValueError, match="needs four"):
        fit_fast_component(KINETICS[:3], DELAY, delta_n[:3], SIGMA)


def test_agreement_allows_for_the_two_definitions():
    difference, sigma, chance = agreement(Estimate(0.57, 0.006, ""), Estimate(0.56, 0.008, ""))
    assert difference == pytest.approx(0.01)
    assert sigma == pytest.approx(np.sqrt(0.006**2 + 0.008**2 + (DEFINITION * 0.56) ** 2))
    assert chance == pytest.approx(erfc(0.01 / sigma / np.sqrt(2)), rel=1e-6)
    assert agreement(Estimate(0.7, 0.006, ""), Estimate(0.56, 0.008, ""))[2] < 1e-6
