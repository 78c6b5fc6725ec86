"""Which decay model describes data best, where it is known which one made them."""

import numpy as np
import pytest

from analysis.kinetics.decay_fit import fit_decay
from analysis.kinetics.model_comparison import compare_models, describe_comparison
from analysis.kinetics.models import DECAY_MODELS

DELAY = np.concatenate([np.arange(1, 20, 1.0), np.geomspace(20, 500, 30)])
SIGMA = np.full(DELAY.size, 2e-5)


def fitted(delta_n, seed=0):
    """Biexponential fit of a curve with noise."""
    noise = np.random.default_rng(seed).normal(0, SIGMA)
    return fit_decay(DELAY, delta_n + noise, SIGMA, model="biexponential")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("exponential", {"b": 5e-3, "tau_fluor": 60.0, "c": 1e-3}),
        ("biexponential", {"a": 6e-3, "tau_lasing": 13.4, "b": 8e-3, "tau_fluor": 170.0}),
        ("stretched", {"b": 9e-3, "tau": 40.0, "beta": 0.5}),
        ("abc", {"delta_n0": 2e-2, "A": 1e-3, "B": 3.0, "C": 0.0}),
    ],
)
def test_the_model_that_made_the_data_is_the_best(name, parameters):
    scores = compare_models(fitted(DECAY_MODELS[name].decay(DELAY, **parameters)))
    assert {score.name for score in scores} == set(DECAY_MODELS)
    assert scores[0].name == name
    assert scores[0].reduced_chi2 == pytest.approx(1, abs=0.5)


def test_the_sentence_names_the_better_model_and_how_good_it_is():
    parameters = {"b": 9e-3, "tau": 40.0, "beta": 0.5}
    text = describe_comparison(fitted(DECAY_MODELS["stretched"].decay(DELAY, **parameters)))
    assert text.startswith("The model stretched describes the data better, within the noise")
    odd = 5e-3 * np.exp(-DELAY / 60) * (1 + 0.2 * np.sin(DELAY))
    text = describe_comparison(fitted(odd))
    assert "not within the noise either" in text or text.startswith("No known model does better")


def test_nothing_better_is_said_where_there_is_nothing_better():
    parameters = {"a": 6e-3, "tau_lasing": 13.4, "b": 8e-3, "tau_fluor": 170.0}
    fit = fitted(DECAY_MODELS["biexponential"].decay(DELAY, **parameters))
    assert describe_comparison(fit).startswith("No known model does better")


def test_a_model_that_needs_more_points_is_last_with_the_reason():
    few = np.array([1.0, 3, 10, 30, 100, 300])
    fit = fit_decay(few, 1e-2 * np.exp(-few / 60), np.full(6, 1e-5), model="exponential")
    scores = compare_models(fit)
    assert scores[-1].reason.endswith("the fit needs more than 6")
    assert "failed" in describe_comparison(fit)
