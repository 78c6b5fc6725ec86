"""The lock-in against generalised least squares with dense matrices."""

import numpy as np
import pytest
from fringes import EXPOSURE, times

from analysis.point.lock_in import (
    RATIOS,
    PhaseRecord,
    WalkModels,
    WithinExposure,
    imbalance_covariance,
    least_variance,
    lock_in,
    modulated,
    normalise_odds,
    walk_rate,
)

pytestmark = pytest.mark.usefixtures("interpreted")

TIME, OPENED = times(36)
KEPT = np.delete(np.arange(36), [7, 8, 20])  # lost frames
RNG = np.random.default_rng(3)
NONE = WithinExposure(np.zeros(36), np.zeros(36))


def one_rate(ratio, within=0.0):
    return WalkModels(np.array([ratio]), np.array([within]))


def walk_covariance(time, rate, steps=60):
    """Covariance of the means of a random walk over exposures that begin at `time`."""
    moments = (time[:, np.newaxis] + EXPOSURE * (np.arange(steps) + 0.5) / steps).ravel()
    means = np.kron(np.eye(len(time)), np.full(steps, 1 / steps))
    return means @ (rate * np.minimum.outer(moments, moments)) @ means.T


@pytest.mark.parametrize("ratio", [1e-3, 1.0, 100.0])
def test_effect_weights_and_variance_are_those_of_dense_least_squares(ratio):
    time, response = TIME[KEPT], OPENED[KEPT]
    white = 1e-4 * RNG.uniform(0.5, 2.0, len(KEPT))
    phase = RNG.normal(0, 0.01, len(KEPT))
    result = lock_in(PhaseRecord(phase, response, time, white), NONE, EXPOSURE, one_rate(ratio))
    spacing = (time[-1] - time[0]) / (len(time) - 1)
    rate = ratio / (spacing * (1 / white).mean())
    covariance = walk_covariance(time, rate) + np.diag(white)
    design = np.column_stack([np.ones(len(time)), response, time])
    information = design.T @ np.linalg.solve(covariance, design)
    estimate = np.linalg.solve(information, design.T @ np.linalg.inv(covariance))
    assert result.effect == pytest.approx(estimate[1] @ phase, rel=2e-3, abs=1e-6)
    np.testing.assert_allclose(result.weights, estimate[1], atol=2e-3 * np.abs(estimate[1]).max())
    residual = phase - design @ (estimate @ phase)
    chi2 = residual @ np.linalg.solve(covariance, residual)
    scale = (chi2 + 4) / (len(time) - 1)  # four frames' worth of prior; F − 5 + 4
    expected = np.linalg.inv(information)[1, 1] * scale
    assert result.variance == pytest.approx(expected, rel=0.01)
    assert result.detector == pytest.approx(result.weights**2 @ white)


def test_a_constant_and_a_straight_line_have_no_effect():
    record = PhaseRecord(3.0 + 0.5 * OPENED - 2.0 * TIME, OPENED, TIME, np.full(36, 1e-6))
    result = lock_in(record, NONE, EXPOSURE, WalkModels(RATIOS, 0 * RATIOS))
    assert result.effect == pytest.approx(0.5, rel=1e-9)
    assert result.weights.sum() == pytest.approx(0, abs=1e-12)
    assert result.weights @ TIME == pytest.approx(0, abs=1e-12)
    assert result.weights @ OPENED == pytest.approx(1)


@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.1])
def test_the_scatter_of_effects_is_their_sigma(rate):
    """Averaged over the rates, which the lock-in is not told."""
    white, effects, variances = 1e-3, [], []
    root = np.linalg.cholesky(walk_covariance(TIME, rate) + white**2 * np.eye(36))
    models = WalkModels(RATIOS.copy(), np.zeros(len(RATIOS)))
    for _ in range(60):
        record = PhaseRecord(root @ RNG.standard_normal(36), OPENED, TIME, np.full(36, white**2))
        result = lock_in(record, NONE, EXPOSURE, models)
        effects.append(result.effect)
        variances.append(result.variance)
    assert np.std(effects) == pytest.approx(np.sqrt(np.mean(variances)), rel=0.35)


def test_the_rate_that_explains_a_variance_is_that_of_the_walk():
    white = np.full(36, 1e-6)
    record = PhaseRecord(np.zeros(36), OPENED, TIME, white)
    result = lock_in(record, NONE, EXPOSURE, one_rate(1.0))
    variance = result.weights @ walk_covariance(TIME, 0.02) @ result.weights
    rate = walk_rate(result, TIME, NONE, EXPOSURE, variance)
    assert rate == pytest.approx(0.02, rel=0.01)


def test_imbalance_changes_the_covariance_of_steps_as_a_walk_within_exposures_does():
    """By a walk in many small steps, averaged over the parts of each exposure."""
    beta = np.where((OPENED > 0.02) & (OPENED < 0.98), RNG.uniform(0.1, 0.4, 36), 0.0)
    change = imbalance_covariance(beta, OPENED)
    steps = 120
    moments = (TIME[:, np.newaxis] + EXPOSURE * (np.arange(steps) + 0.5) / steps).ravel()
    walk = np.minimum.outer(moments, moments)
    rows = np.zeros((36, steps * 36))
    for f in range(36):
        rises = OPENED[min(f + 1, 35)] > OPENED[max(f - 1, 0)]
        late = (np.arange(steps) + 0.5) / steps > 1 - OPENED[f]
        early = (np.arange(steps) + 0.5) / steps < OPENED[f]
        on = late if rises else early
        part = np.full(steps, 1 / steps)
        if beta[f]:
            part = part + beta[f] * (on / on.sum() - ~on / (~on).sum())
        rows[f, f * steps : (f + 1) * steps] = part
    plain = np.kron(np.eye(36), np.full(steps, 1 / steps))
    added = np.diff(rows, axis=0) @ walk @ np.diff(rows, axis=0).T
    added -= np.diff(plain, axis=0) @ walk @ np.diff(plain, axis=0).T
    # Of the last frame it is not known how the pump went on: the two last steps are left out.
    np.testing.assert_allclose(change.variance[:33] * EXPOSURE, np.diag(added)[:33], atol=4e-5)
    shared = np.diag(added, 1)[:33]
    np.testing.assert_allclose(change.covariance[1:34] * EXPOSURE, shared, atol=4e-5)


def test_the_least_variance_is_that_of_a_straight_line():
    noise = 1e-4 * RNG.uniform(0.5, 2, 36)
    design = np.column_stack([np.ones(36), OPENED]) / np.sqrt(noise)[:, np.newaxis]
    expected = np.linalg.inv(design.T @ design)[1, 1]
    assert least_variance(OPENED, noise) == pytest.approx(expected, rel=1e-9)


def test_modulation_needs_a_swing_and_some_frames():
    assert modulated(OPENED)
    assert not modulated(np.full(36, 0.5))
    assert not modulated(OPENED[:4])


def test_odds_become_probabilities():
    logarithms = np.array([-1000.0, -1001.0, -3000.0])
    normalise_odds(logarithms)
    np.testing.assert_allclose(logarithms, [1 / (1 + np.exp(-1)), 1 / (1 + np.e), 0], atol=1e-12)
