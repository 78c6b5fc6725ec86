"""Decay times from curves made of the paper's equation."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from analysis.kinetics.decay_fit import fit_decay, relaxation_time
from analysis.kinetics.models import exponential

FAST, SLOW = 13.4, 170.0  # ps, Table 1
DELAY = np.concatenate([np.arange(-6, 20, 1.0), np.arange(20, 100, 5.0), np.arange(100, 501, 25.0)])
SIGMA = 1e-4


def decay(delay, a=6e-3, b=8e-3, fast=FAST, slow=SLOW):
    """The paper's biexponential from time zero on."""
    late = np.maximum(delay, 0)
    return np.where(delay >= 0, a * np.exp(-late / fast) + b * np.exp(-late / slow), 0.0)


def blurred(delay, width, **parameters):
    """The same seen with a Gaussian response, by a sum over a fine grid of shifts."""
    shift = np.linspace(-6, 6, 4001) * width
    weight = np.exp(-0.5 * (shift / width) ** 2)
    return decay(delay[:, np.newaxis] - shift, **parameters) @ weight / weight.sum()


@pytest.mark.parametrize("tau", [0.5, 13.4, 170.0, 1e5])
@pytest.mark.parametrize("time", [-3.0, 0.1, 2.0, 40.0])
def test_blurred_exponential_is_the_convolution_integral(tau, time):
    width = 0.9

    def integrand(u):
        return np.exp(-0.5 * (u / width) ** 2 - (time - u) / tau) / width / np.sqrt(2 * np.pi)

    upper = min(time, 8 * width)
    expected = quad(integrand, -8 * width, upper, epsabs=1e-14)[0] if upper > -8 * width else 0.0
    assert exponential(time, tau, response=width) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_exponential_neither_overflows_nor_warns():
    with np.errstate(all="raise", under="ignore"):
        values = exponential(np.array([-1e4, -50.0, 0.0, 2e3]), 0.2, response=1.0)
    assert np.isfinite(values).all()


def test_the_papers_times_come_back_with_their_scatter():
    rng = np.random.default_rng(3)
    truth = decay(DELAY[DELAY >= 2])
    fits = [
        fit_decay(
            DELAY[DELAY >= 2],
            truth + rng.normal(0, SIGMA, truth.size),
            np.full(truth.size, SIGMA),
            model="biexponential",
        )
        for _ in range(60)
    ]
    for name, value in (("tau_lasing", FAST), ("tau_fluor", SLOW), ("a", 6e-3), ("b", 8e-3)):
        pulls = np.array([(fit.values[name] - value) / fit.sigmas[name] for fit in fits])
        assert 0.7 < pulls.std() < 1.35, name  # 60 values: one standard deviation is 9 %
        assert abs(pulls.mean()) < 0.6, name
    assert np.mean([fit.reduced_chi2 for fit in fits]) == pytest.approx(1, abs=0.15)


def test_response_and_time_zero_are_fitted_across_the_rise():
    rng = np.random.default_rng(4)
    noise = rng.normal(0, SIGMA, DELAY.size)
    fit = fit_decay(
        DELAY, blurred(DELAY - 0.3, 0.9) + noise, np.full(DELAY.size, SIGMA), model="biexponential"
    )
    for name, value in (("tau_lasing", FAST), ("tau_fluor", SLOW), ("t0", 0.3), ("response", 0.9)):
        assert abs(fit.values[name] - value) < 3.5 * fit.sigmas[name], name
    assert fit.sigmas["t0"] < 0.1
    np.testing.assert_allclose(fit.evaluate(DELAY), blurred(DELAY - 0.3, 0.9), atol=4 * SIGMA)


def test_a_known_response_stays_fixed():
    fit = fit_decay(
        DELAY, blurred(DELAY, 0.9), np.full(DELAY.size, SIGMA), response=0.9, model="biexponential"
    )
    assert fit.values["response"] == 0.9
    assert fit.sigmas["response"] == 0
    assert fit.values["tau_lasing"] == pytest.approx(FAST, rel=1e-3)


def test_the_fast_time_is_the_lasing_time_and_the_window_is_kept():
    """Even where the slow decay is the larger one, or negative as in silicon."""
    for a, b in ((1e-3, 9e-3), (9e-3, 1e-3), (-5e-3, -4e-3)):
        fit = fit_decay(
            DELAY,
            decay(DELAY, a, b),
            np.full(DELAY.size, SIGMA),
            (2.0, 250.0),
            response=0.0,
            model="biexponential",
        )
        assert fit.window == (2.0, 250.0)
        assert fit.points == np.count_nonzero((DELAY >= 2) & (DELAY <= 250))
        assert fit.values["tau_lasing"] < fit.values["tau_fluor"]
        assert fit.values["a"] == pytest.approx(a, rel=1e-2)
        assert fit.values["tau_fluor"] == pytest.approx(SLOW, rel=1e-2)


def test_below_threshold_one_decay_is_preferred_and_above_two():
    rng = np.random.default_rng(5)
    late = DELAY[DELAY >= 1]
    sigma = np.full(late.size, SIGMA)
    single = 5e-3 * np.exp(-late / 260.0) + rng.normal(0, SIGMA, late.size)
    below = fit_decay(late, single, sigma)
    assert "tau_lasing" not in below.values
    assert abs(below.values["tau_fluor"] - 260) < 3.5 * below.sigmas["tau_fluor"]
    above = fit_decay(late, decay(late) + rng.normal(0, SIGMA, late.size), sigma)
    assert "tau_lasing" in above.values
    assert above.bic < fit_decay(late, decay(late), sigma, model="exponential").bic


@pytest.mark.parametrize("sign", [1, -1])
def test_relaxation_time_is_that_of_the_formula_with_its_scatter(sign):
    """From 2 ps on, to 1/e of what is there then; silicon's Δn is negative."""
    late = DELAY[DELAY >= 2]
    top = decay(2.0)
    expected = brentq(lambda t: decay(t) - top / np.e, 2, 500) - 2
    rng = np.random.default_rng(6)
    pulls = []
    for _ in range(60):
        delta_n = sign * decay(late) + rng.normal(0, SIGMA, late.size)
        time = relaxation_time(fit_decay(late, delta_n, 0 * late + SIGMA, model="biexponential"))
        pulls.append((time.value - expected) / time.sigma)
    pulls = np.array(pulls)
    assert 0.7 < pulls.std() < 1.35
    assert abs(pulls.mean()) < 0.6


def test_relaxation_time_of_one_exponential_is_its_decay_time():
    late = DELAY[DELAY >= 1]
    fit = fit_decay(late, 5e-3 * np.exp(-late / 60), 0 * late + SIGMA, model="exponential")
    time = relaxation_time(fit)
    assert time.value == pytest.approx(60, rel=1e-3)
    assert 0 < time.sigma < 3


def test_relaxation_counts_from_time_zero_where_the_window_holds_the_rise():
    fit = fit_decay(DELAY, blurred(DELAY, 0.9), 0 * DELAY + SIGMA, model="biexponential")
    fine = np.linspace(-6, 196, 8_000)
    curve = blurred(fine, 0.9)
    after = fine[np.flatnonzero(curve > curve.max() / np.e)[-1]]
    time = relaxation_time(fit)
    assert time.value == pytest.approx(after, rel=2e-3)
    assert 0 < time.sigma < 5


def test_a_decay_that_never_falls_to_1_over_e_has_no_relaxation_time():
    late = np.linspace(1, 100, 30)
    for curve in (np.full(30, 5e-3), 5e-3 + 1e-3 * np.exp(-late / 20)):
        fit = fit_decay(late, curve, 0 * late + SIGMA, model="exponential")
        assert np.isnan(relaxation_time(fit).value)


def test_a_flat_curve_is_warned_about():
    late = np.linspace(1, 100, 30)
    fit = fit_decay(late, np.full(30, 5e-3), np.full(30, SIGMA), model="biexponential")
    assert fit.warnings


def test_impossible_windows_are_refused():
    with pytest.raises(ValueError, match=r"window 400 to 450 ps holds 3 points.*more than 6"):
        fit_decay(DELAY, decay(DELAY), window=(400.0, 450.0), model="biexponential")
    with pytest.raises(ValueError, match="sigma must be positive"):
        fit_decay(DELAY, decay(DELAY), np.zeros(DELAY.size), model="biexponential")


def close_decays(noise, seed):
    """Biexponential fit of decays of 40 and 60 ps at the delays of a short scan."""
    time = np.array([4, 5, 6, 8, 10, 13, 17, 22, 30, 40, 55, 75, 100, 150.0])
    delta_n = 6e-3 * np.exp(-time / 40) + 6e-3 * np.exp(-time / 60)
    delta_n += np.random.default_rng(seed).normal(0, noise, time.size)
    return fit_decay(time, delta_n, np.full(time.size, noise), model="biexponential")


def test_two_decays_that_are_too_close_are_warned_about():
    """Without the warning a third of these are more than three sigma off in one of the times."""
    off = []
    for seed in range(60):
        fit = close_decays(4e-5, seed)
        pull = (fit.values["tau_fluor"] - 60) / fit.sigmas["tau_fluor"]
        off.append(abs(pull) > 3)
        assert any("one exponential describes the data nearly as well" in w for w in fit.warnings)
        assert "one exponential" in fit.estimates["tau_fluor"].note
    assert sum(off) > 5, "a warning that nothing needs proves nothing"


def test_two_decays_that_stand_out_are_not_warned_about_and_have_sigmas_that_hold():
    fits = [close_decays(5e-7, seed) for seed in range(60)]
    assert not any(fit.warnings for fit in fits)
    for name, truth in (("tau_lasing", 40), ("tau_fluor", 60)):
        pulls = np.array([(fit.values[name] - truth) / fit.sigmas[name] for fit in fits])
        assert (np.abs(pulls) > 3).mean() < 0.05


def test_estimates_are_widened_once_where_the_model_misses_more_than_the_noise():
    late = DELAY[DELAY >= 2]
    odd = decay(late) * (1 + 0.05 * np.sin(late))
    fit = fit_decay(late, odd, np.full(late.size, SIGMA), model="biexponential")
    assert fit.reduced_chi2 > 4
    for name, estimate in fit.estimates.items():
        assert estimate.value == fit.values[name]
        assert estimate.sigma == pytest.approx(fit.sigmas[name] * np.sqrt(fit.reduced_chi2))
    assert fit.estimates["a"].unit == "RIU"
    assert f"chi2/dof {fit.reduced_chi2:.2f}" in fit.estimates["a"].note


def test_without_sigmas_the_scatter_gives_the_uncertainty_in_any_unit():
    """Densities of 1e19 cm⁻³: the variance of their residuals is no χ² and widens nothing."""
    late = DELAY[DELAY >= 2]
    noise = np.random.default_rng(7).normal(0, SIGMA, late.size)
    known = fit_decay(late, decay(late) + noise, np.full(late.size, SIGMA), model="biexponential")
    free = fit_decay(late, 1e21 * (decay(late) + noise), model="biexponential")
    assert free.estimates["tau_fluor"].value == pytest.approx(known.values["tau_fluor"], rel=1e-4)
    expected = known.sigmas["tau_fluor"] * np.sqrt(known.reduced_chi2)
    assert free.estimates["tau_fluor"].sigma == pytest.approx(expected, rel=1e-2)
    assert relaxation_time(free).sigma < 3 * relaxation_time(known).sigma
