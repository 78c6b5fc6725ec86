"""Terms of the variance of a point, and the mean of two estimates."""

import numpy as np
import pytest
from fringes import EXPOSURE, times

from analysis.point.frame_phases import FramePhases
from analysis.point.partial_frames import PartialFrameEffect
from analysis.point.spectrum_fit import FinalFit
from analysis.point.variance_terms import (
    Effect,
    VarianceTerms,
    combine_effects,
    fill_terms,
    lock_in_effect,
)

pytestmark = pytest.mark.usefixtures("interpreted")

TIME, OPENED = times(48)
NONE = np.zeros(48)


def effect_of(phase, sigma, imbalance=NONE):
    phases = FramePhases(phase, NONE, NONE, OPENED, np.full(48, sigma**2), imbalance)
    return lock_in_effect(phases, TIME, OPENED, EXPOSURE)


def test_white_noise_of_the_detector_is_the_limit_and_nothing_else():
    """Averaged over samples: what is called drift or source is by chance."""
    rng, sigma = np.random.default_rng(1), 1e-3
    effects = [effect_of(sigma * rng.standard_normal(48), sigma)[0] for _ in range(20)]
    design = np.column_stack([np.ones(48), OPENED])
    limit = sigma**2 * np.linalg.inv(design.T @ design)[1, 1]
    assert effects[0].limit == pytest.approx(limit, rel=1e-9)
    assert np.mean([e.variance for e in effects]) < 1.4 * limit
    for effect in effects:
        assert effect.variance >= effect.limit


def test_a_walk_is_drift_and_its_rate_is_found():
    rng, rate = np.random.default_rng(2), 0.05
    drifts, rates = [], []
    for _ in range(20):
        walk = np.cumsum(np.sqrt(rate / 120) * rng.standard_normal(48))
        effect, found, weights = effect_of(walk, 1e-4)
        assert weights @ walk == pytest.approx(effect.value)
        drifts.append(effect.drift / effect.variance)
        rates.append(found)
    assert np.mean(drifts) > 0.9
    assert 0.5 * rate < np.median(rates) < 2 * rate


def test_white_noise_beyond_the_detectors_is_the_sources():
    rng = np.random.default_rng(3)
    effects = [effect_of(5e-3 * rng.standard_normal(48), 1e-3)[0] for _ in range(20)]
    shares = [effect.source / effect.variance for effect in effects]
    assert np.mean(shares) > 0.6


def test_the_mean_of_two_estimates_has_the_least_variance():
    locked = Effect(0.01, 4e-4, 1e-4, 2e-4, 1e-4)
    partial = PartialFrameEffect(np.nan, 3e-4, 9e-4, 1e-4)
    mean = combine_effects(locked, partial, 0.03)
    covariance = np.array([[4e-4, 1e-4], [1e-4, 9e-4]])
    weights = np.linalg.solve(covariance, np.ones(2))
    weights /= weights.sum()
    assert mean.value == pytest.approx(weights @ [0.01, 0.03])
    assert mean.variance == pytest.approx(weights @ covariance @ weights)
    assert mean.limit == pytest.approx(1 / (1 / 1e-4 + 1 / 3e-4))
    assert mean.drift + mean.source + mean.limit == pytest.approx(mean.variance)


@pytest.mark.parametrize(
    ("variance", "shift"), [(np.inf, 0.01), (np.nan, 0.01), (1e-4, 1.0)],
)  # fmt: skip
def test_an_estimate_that_is_none_or_disagrees_is_not_used(variance, shift):
    locked = Effect(0.01, 4e-4, 1e-4, 2e-4, 1e-4)
    assert combine_effects(locked, PartialFrameEffect(0.0, 1e-4, variance, 0.0), shift) == locked


def test_terms_add_up():
    final = FinalFit(
        p=np.zeros(13),
        covariance=1e-6 * np.eye(7),
        off=np.zeros(3),
        sensitivity=np.zeros(3),
        link=np.array([0, 0, 2e-8, 0, 0, 3e-8, 0]),
        extra=1e-8,
        by_tilt_noise=2e-9,
        by_tilt_prior=3e-9,
        by_misfit=5e-9,
    )
    p, prior = np.zeros(13), np.zeros(13)
    p[3], prior[2], prior[5] = 0.5, 1e4, 1e5
    terms = VarianceTerms(*np.full((7, 1), np.nan))
    effect = Effect(0.0, 4e-7, 1e-7, 2e-7, 1e-7)
    fill_terms(p, final, effect, 2e-7, prior, terms, 0)
    shape = (2e-8) ** 2 / 1e-6 + (3e-8) ** 2 / 1e-6  # cᵀ C⁻¹ c
    systematic = (2e-8) ** 2 * 1e4 + (3e-8) ** 2 * 1e5  # Σ c² ω
    assert terms.effect[0] == pytest.approx(4e-7 + 1e-8)
    assert terms.shape[0] == pytest.approx(shape + 5e-9)
    assert (terms.limit[0], terms.drift[0]) == (1e-7, 2e-7)
    assert terms.source[0] == pytest.approx(1e-7 + 2e-9)
    assert terms.systematic[0] == pytest.approx(systematic + 3e-9 + 5e-9)
    assert terms.total()[0] == pytest.approx(terms.effect[0] + terms.shape[0])


def test_parts_are_never_more_than_the_whole():
    final = FinalFit(
        *(np.zeros(13), np.eye(7) * 1e-6, np.zeros(3), np.zeros(3), np.zeros(7)),
        *(0.0, 1.0, 1.0, 0.0),
    )
    p, terms = np.zeros(13), VarianceTerms(*np.full((7, 1), np.nan))
    p[3] = 0.5
    fill_terms(p, final, Effect(0.0, 4e-7, 1e-7, 2e-7, 1e-7), 0.0, np.zeros(13), terms, 0)
    assert terms.systematic[0] == pytest.approx(4e-7)
    assert terms.source[0] == pytest.approx(2e-7)
