"""The terms of the variance of a point's phase change Δ, compiled.

This module is the code to docs/explanation/uncertainty.md, which derives every term. The variance
of a point is the sum

    σ² = effect + shape,

where `effect` is the variance for a known shape of the fringe and `shape` is what the uncertainty
of the shape adds. Further terms are parts of this sum:

    effect = limit + drift + source noise + extra parameters
    shape  = shape parameters + misfit
    systematic = part of σ² that all points with this fringe share

Index change and carrier density follow from Δ by fixed factors (`analysis.point.reducer`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.shape_uncertainty import shape_variance
from analysis.numerics.jit import compiled_within
from analysis.numerics.moments import largest_magnitude
from analysis.point.frame_phases import FramePhases
from analysis.point.lock_in import (
    RATIOS,
    PhaseRecord,
    WalkModels,
    imbalance_covariance,
    least_variance,
    lock_in,
    walk_rate,
)
from analysis.point.partial_frames import PartialFrameEffect
from analysis.point.spectrum_fit import FinalFit

Floats = NDArray[np.float64]

_MIN_IMBALANCE = 0.03
"""Imbalance of a frame from which it matters whether the path walks within exposures: below, it
changes the weights by a few percent at most."""

_AGREEMENT_CHI2 = 25.0
"""χ² of the difference of two estimates of Δ up to which they are averaged: no wrong refusal in a
night."""


class Effect(NamedTuple):
    """An estimate of the pump's effect.

    Attributes
    ----------
    value : float
        rad, beside an effect that is known.
    variance : float
        rad².
    limit : float
        Least variance that shot and read noise allow, rad².
    drift, source : float
        Parts of `variance` by drift, and by noise of the light beyond shot noise, rad².
    """

    value: float
    variance: float
    limit: float
    drift: float
    source: float


class VarianceTerms(NamedTuple):
    """Terms of the variance of Δ of P points, each a (P,) array in rad².

    Attributes
    ----------
    effect : (P,) array
        Variance for a known shape of the fringe: shot and read noise, drift, noise of the light.
    shape : (P,) array
        Variance by the uncertainty of the fringe's shape, and by what its model misses.
    limit : (P,) array
        Least variance that shot and read noise allow.
    drift : (P,) array
        Part of `effect` that drift of the path causes.
    source : (P,) array
        Part of the sum that noise of the light beyond shot noise causes.
    systematic : (P,) array
        Part of the sum that all points share: priors, reference and misfit.
    spectra : (P,) array
        Variance of the drift that remains in the stored difference of spectra.
    """

    effect: Floats
    shape: Floats
    limit: Floats
    drift: Floats
    source: Floats
    systematic: Floats
    spectra: Floats

    def total(self) -> Floats:
        """Return the variance of Δ (P,), rad²."""
        return self.effect + self.shape


@compiled_within
def lock_in_effect(
    phases: FramePhases, time: Floats, pump_open: Floats, exposure: float
) -> tuple[Effect, float, Floats]:
    """Estimate the effect that the frames' phases show from frame to frame.

    Parameters
    ----------
    phases : FramePhases
    time, pump_open : (F,) array
        s; open fractions.
    exposure : float
        s.

    Returns
    -------
    effect : Effect
    rate : float
        Rate of the path's walk, rad²/s.
    weights : (F,) array
        The effect is Σ weights·phase.
    """
    change, count = imbalance_covariance(phases.imbalance, pump_open), len(RATIOS)
    models = WalkModels(RATIOS.copy(), np.ones(count))
    if largest_magnitude(phases.imbalance) > _MIN_IMBALANCE:
        models = WalkModels(np.empty(2 * count), np.zeros(2 * count))
        for j in range(count):
            models.ratio[j] = models.ratio[count + j] = RATIOS[j]
            models.within[j] = 1.0
    record = PhaseRecord(phases.phase, phases.response, time, phases.variance)
    result = lock_in(record, change, exposure, models)
    limit = least_variance(phases.response, phases.variance)
    drift = max(result.variance - result.detector - result.source, 0.0)
    effect = Effect(result.effect, max(result.variance, limit), limit, drift, result.source)
    return effect, walk_rate(result, time, change, exposure, drift), result.weights


@compiled_within
def combine_effects(locked: Effect, partial: PartialFrameEffect, shift: float) -> Effect:
    """Return the mean of two estimates with the least variance, if they agree.

    Parameters
    ----------
    locked : Effect
        The lock-in's estimate.
    partial : PartialFrameEffect
        That of partly open frames, with its covariance with the lock-in's.
    shift : float
        The latter's value, rad, as the fit to the spectra shows it.
    """
    if not np.isfinite(partial.variance):
        return locked
    covariance = min(max(partial.covariance, 0.0), locked.variance, partial.variance)
    difference = locked.variance + partial.variance - 2 * covariance
    if not (shift - locked.value) ** 2 < _AGREEMENT_CHI2 * difference:
        return locked
    weight = (locked.variance - covariance) / difference
    variance = locked.variance - weight**2 * difference
    limit = locked.limit * partial.limit / (partial.limit + locked.limit)
    source = locked.source * (1 - weight) ** 2
    # The variance above the limit is drift: without drift, partly open frames are not evaluated.
    drift = max(variance - limit - source, 0.0)
    value = locked.value + weight * (shift - locked.value)
    return Effect(value, variance, limit, drift, source)


@compiled_within
def fill_terms(
    p: Floats,
    final: FinalFit,
    effect: Effect,
    spectra_drift: float,
    prior_weight: Floats,
    terms: VarianceTerms,
    point: int,
) -> None:
    """Fill in the terms of the variance of one point.

    Parameters
    ----------
    p : (13,) array
        Parameters of fringe and pump, with Δ.
    final : FinalFit
    effect : Effect
    spectra_drift : float
        Variance by drift of the lock-in's estimate, rad².
    prior_weight : (13,) array
        Inverse variances of the priors.
    terms : VarianceTerms
    point : int
        Index of the point.
    """
    shape, systematic = shape_variance(p, final.covariance, final.link, prior_weight)
    known_shape, shape = effect.variance + final.extra, shape + final.by_misfit
    total = known_shape + shape
    terms.effect[point], terms.shape[point] = known_shape, shape
    terms.limit[point], terms.drift[point] = effect.limit, effect.drift
    terms.source[point] = min(effect.source + final.by_tilt_noise, total - effect.drift)
    terms.systematic[point] = min(systematic + final.by_tilt_prior + final.by_misfit, total)
    terms.spectra[point] = spectra_drift
