"""Every decay model: its curve, its response, its guess, and its parameters back from data."""

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from analysis.kinetics.decay_fit import fit_decay
from analysis.kinetics.models import DECAY_MODELS, DensityDependent, exponential

DELAY = np.concatenate([np.arange(1, 20, 1.0), np.arange(20, 100, 5.0), np.arange(100, 501, 25.0)])
SIGMA = 2e-6  # RIU, small enough that all parameters are determined

TRUTH = {
    "biexponential": {"a": 6e-3, "tau_lasing": 13.4, "b": 8e-3, "tau_fluor": 170.0},
    "exponential": {"b": 5e-3, "tau_fluor": 60.0, "c": 1e-3},
    "stretched": {"b": 9e-3, "tau": 80.0, "beta": 0.7},
    "abc": {"delta_n0": 1.2e-2, "A": 2e-3, "B": 1.5, "C": 60.0},
}
"""Parameters of every built-in model: a new model needs an entry."""


@pytest.fixture(params=DECAY_MODELS.values(), ids=DECAY_MODELS)
def model(request):
    return request.param


def curve(model, sign=1, **changed):
    """Values of a model without noise at `DELAY`."""
    truth = TRUTH[model.name] | changed
    return sign * model.decay(DELAY, **truth)


def test_a_model_names_its_parameters_with_units(model):
    assert DECAY_MODELS[model.name] is model
    assert "t" in model.equation
    assert set(TRUTH[model.name]) == set(model.units)
    assert set(model.units.values()) <= {"RIU", "ps", "1", "1/ps", "1/(ps RIU)", "1/(ps RIU^2)"}


def test_the_parameters_come_back_with_their_scatter(model):
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(12):
        data = curve(model) + rng.normal(0, SIGMA, DELAY.size)
        fit = fit_decay(DELAY, data, np.full(DELAY.size, SIGMA), model=model)
        assert not fit.warnings
        truth = TRUTH[model.name].items()
        pulls.append([(fit.values[name] - value) / fit.sigmas[name] for name, value in truth])
    # twelve fits: the standard deviation of one parameter is known to 21 %
    assert (np.std(pulls, axis=0) < 1.8).all()
    assert (np.abs(np.mean(pulls, axis=0)) < 1.0).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_guess_is_near_the_data_of_either_sign(model, sign):
    data, sigma = curve(model, sign), np.full(DELAY.size, 1e-4)
    start = model.guess(DELAY, data, sigma, 0.0)
    values = {name: start[name].value for name in model.units}
    assert np.abs(model.decay(DELAY, **values) - data).max() < 0.15 * np.abs(data).max()


def test_nothing_is_there_before_time_zero_and_the_decay_after_it(model):
    time = np.array([-5.0, -0.1, 0.0, 3.0, 40.0])
    signal = model.signal(time, 0.0, 0.0, **TRUTH[model.name])
    np.testing.assert_array_equal(signal[:2], 0.0)
    np.testing.assert_allclose(signal[2:], model.decay(time[2:], **TRUTH[model.name]), rtol=1e-12)


def test_the_response_is_a_convolution(model):
    """Against quadrature of the decay, in two parts so that the step at t0 is an end."""
    width, t0 = 0.8, 0.3
    for time in (-1.0, 0.4, 2.0, 30.0):

        def integrand(u, time=time):
            late = np.array([max(time - t0 - u, 0.0)])
            weight = np.exp(-0.5 * (u / width) ** 2) / width / np.sqrt(2 * np.pi)
            return float(model.decay(late, **TRUTH[model.name])[0]) * weight

        upper = min(time - t0, 8 * width)
        expected = quad(integrand, -8 * width, upper, epsabs=1e-13, limit=200)[0]
        signal = model.signal(np.array([time]), t0, width, **TRUTH[model.name])[0]
        assert signal == pytest.approx(expected, rel=2e-4, abs=1e-9)


def test_the_summed_response_is_as_good_as_the_closed_form():
    class Summed(DensityDependent):
        """Convolved by the sum; B = C = 0 makes it one exponential."""

    time = np.linspace(-3, 20, 50)
    summed = Summed().signal(time, 0.2, 0.9, delta_n0=1.0, A=1 / 5.0, B=0.0, C=0.0)
    closed = exponential(time, 5.0, 0.2, 0.9)
    np.testing.assert_allclose(summed, closed, rtol=1e-6, atol=1e-8)


def test_the_density_dependent_decay_solves_its_equation():
    truth = TRUTH["abc"]
    a, b, c = (truth[name] for name in "ABC")
    solution = solve_ivp(
        lambda _, y: -a * y - b * y**2 - c * y**3,
        (0, 500),
        [truth["delta_n0"]],
        t_eval=DELAY,
        rtol=1e-11,
        atol=1e-15,
    ).y[0]
    np.testing.assert_allclose(DensityDependent().decay(DELAY, **truth), solution, rtol=1e-8)
    negative = DensityDependent().decay(DELAY, **truth | {"delta_n0": -truth["delta_n0"]})
    np.testing.assert_allclose(negative, -solution, rtol=1e-8)
    still = DensityDependent().decay(DELAY, delta_n0=1e-2, A=0.0, B=0.0, C=0.0)
    np.testing.assert_array_equal(still, 1e-2)


def test_a_parameter_at_its_bound_is_warned_about():
    """One exponential has no second decay: its time runs to the end of what is allowed."""
    data = 5e-3 * np.exp(-DELAY / 60) + 2e-3
    fit = fit_decay(DELAY, data, np.full(DELAY.size, 1e-5), model="biexponential")
    assert any("at its bound" in warning for warning in fit.warnings)
