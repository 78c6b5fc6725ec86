"""The estimate of points from their frames, compiled as a whole, so that every core can run it.

1. The frames are demodulated against their open fractions: S_off and ΔS (`demodulation`), with
   weights that suit drift and white noise of like size.
2. Fringe and phase step are fitted to these spectra (`spectrum_fit`, `analysis.fringe`).
3. With that fringe, phase, energy and tilt of every frame are measured (`frame_phases`), and what
   they added to the spectra is subtracted.
4. The phases distinguish drift from white noise and give the pump's effect its best weights
   (`lock_in`). For a large effect or noisy pulses, steps 1 to 4 are repeated with these weights.
5. Where drift is large, partly open frames are evaluated in addition (`partial_frames`).
6. The terms of the variance are put together (`variance_terms`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import parameters as par
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.moments import largest_magnitude, mean, variance
from analysis.numerics.small_linalg import assign, dot
from analysis.point.chopper_slips import has_slipped
from analysis.point.demodulation import Extremes, FrameWeights, SpectrumPair, demodulate
from analysis.point.estimates import Estimates
from analysis.point.frame_phases import FramePhases, measure_frames, subtract_drift
from analysis.point.lock_in import PhaseRecord, WalkModels, WithinExposure, lock_in, modulated
from analysis.point.normalisation import (
    MAX_ENERGY_EXCESS,
    Demodulated,
    Setup,
    energy_weights,
    normalise,
    variance_of_mean,
)
from analysis.point.outliers import ceiling, has_odd_pixel, odd_bins, repeats
from analysis.point.partial_frames import adds_information, partial_frame_effect
from analysis.point.spectrum_fit import (
    FinalFit,
    FirstFit,
    fit_with_drift,
    fit_without_drift,
    spectrum_weights,
)
from analysis.point.variance_terms import combine_effects, fill_terms, lock_in_effect

Floats = NDArray[np.float64]
Frames = NDArray[np.uint32]

_INITIAL_RATIO = 1.0
"""Rate of the walk for the first weights, in units of `lock_in.RATIOS`: as large as the white noise
from frame to frame, which is near the best weights for drift and for none."""

_LARGE_EFFECT = 0.3
"""Effect in rad from which the steps are repeated with the lock-in's weights: drift and effect mix
then, and partly open frames may determine the effect better than all others."""

_MAX_ENERGY_MIXING = 0.3
"""Variance of an effect by noise of the pulse energy, relative to its own variance, from which the
steps are repeated with corrected energies. Test: `test_noisy_pulses_do_not_mix_with_the_effect` in
tests/analysis/point/test_limits.py."""


class PointFrames(NamedTuple):
    """The frames of a point.

    Attributes
    ----------
    frames : (F, K) array
        Counts.
    time, pump_open : (F,) array
        s; open fractions.
    """

    frames: Frames
    time: Floats
    pump_open: Floats


class _SpectrumResult(NamedTuple):
    """Results of steps 1 to 3 for a point."""

    extremes: Extremes
    demodulated: Demodulated
    first: FirstFit
    tilt_variance: float
    final: FinalFit


@compiled
def estimate(
    frames: Frames,
    frame_time: Floats,
    pump_open: Floats,
    alive: Floats,
    setup: Setup,
    out: Estimates,
    points: tuple[int, int],
) -> None:
    """Fill in the estimates of the points from `points[0]` to `points[1]`.

    Parameters
    ----------
    frames : (P, F, K) array
        Counts.
    frame_time, pump_open : (P, F) array
        s; open fractions.
    alive : (B,) array
        1, or 0 for bins to be left out.
    setup : Setup
    out : Estimates
    points : tuple of int
    """
    pixels = frames.shape[2]
    counts = SpectrumPair(np.empty(pixels), np.empty(pixels))
    for point in range(points[0], points[1]):
        if modulated(pump_open[point]):
            data = PointFrames(frames[point], frame_time[point], pump_open[point])
            _estimate_point(data, alive, setup, counts, out, point)


@compiled_within
def _estimate_point(
    data: PointFrames,
    alive: Floats,
    setup: Setup,
    counts: SpectrumPair,
    out: Estimates,
    point: int,
) -> None:
    """Fill in the estimates of one point; `counts` (K,) is memory for spectra."""
    time, pump_open, count = data.time, data.pump_open, len(data.time)
    sums = SpectrumPair(out.counts.off[point], out.counts.difference[point])
    phases = FramePhases(
        out.phases.phase[point],
        out.phases.energy[point],
        out.phases.tilt[point],
        out.phases.response[point],
        out.phases.variance[point],
        out.phases.imbalance[point],
    )
    for f in range(count):
        phases.energy[f] = 0.0
    difference = _initial_weights(data, setup.exposure)
    for repetition in range(2):
        weights = energy_weights(difference, pump_open, phases.energy)
        # The stored counts are those of the first round: fluorescence does not follow the pulses.
        result = _fit_spectra(data, weights, alive, setup, counts if repetition else sums, phases)
        locked, rate, by_phase = lock_in_effect(phases, time, pump_open, setup.exposure)
        difference, delta = _scaled(by_phase, pump_open), result.final.p[par.DELTA_PHI]
        mixing = delta * delta * variance(phases.energy)
        if not (
            mixing > _MAX_ENERGY_MIXING * count * locked.variance or abs(delta) > _LARGE_EFFECT
        ):
            break
    final = result.final
    out.suspect[point] = _is_suspect(data, result, sums, phases, alive, setup)
    effect = locked
    if adds_information(pump_open, final.p[par.DELTA_PHI], setup, phases, locked.variance):
        partial = partial_frame_effect(
            data.frames, pump_open, final.p, result.demodulated, setup, phases, rate, by_phase
        )
        again = fit_without_drift(result.first, result.demodulated, result.tilt_variance, setup)
        shift = again.p[par.DELTA_PHI] - final.p[par.DELTA_PHI]
        effect = combine_effects(locked, partial, shift)
    p = out.parameters[point]
    assign(p, final.p)
    p[par.DELTA_PHI] += effect.value
    fill_terms(p, final, effect, locked.drift, setup.grid.prior_weight, out.terms, point)
    out.delta_phi[point] = p[par.DELTA_PHI]
    _fill_fringe(final, out, point)
    out.suspect[point] |= not out.valid[point]
    if len(out.spectra.off) > 0:
        weights = energy_weights(difference, pump_open, phases.energy)
        demodulate(data.frames, weights, counts, _band(setup))
        _fill_spectra(normalise(counts, weights, mean(pump_open), alive, setup), out, point)


@compiled
def _band(setup: Setup) -> tuple[int, int]:
    """Return the first pixel of the probe's band, and the one after its last."""
    first = last = setup.bins.pixel[0]
    for k in setup.bins.pixel:
        first, last = min(first, k), max(last, k)
    return first, last + 1


@compiled_within
def _initial_weights(data: PointFrames, exposure: float) -> Floats:
    """Return the weights (F,) of frames in ΔS, before anything is known of noise and drift."""
    count = len(data.time)
    record = PhaseRecord(np.zeros(count), data.pump_open, data.time, np.ones(count))
    change = WithinExposure(np.zeros(count), np.zeros(count))
    models = WalkModels(np.full(1, _INITIAL_RATIO), np.zeros(1))
    return lock_in(record, change, exposure, models).weights


@compiled
def _scaled(weights: Floats, pump_open: Floats) -> Floats:
    """Return weights (F,) in ΔS that give 1 for the open fractions (F,)."""
    total, result = dot(weights, pump_open), np.empty(len(weights))
    for f in range(len(weights)):
        result[f] = weights[f] / total
    return result


@compiled_within
def _fit_spectra(
    data: PointFrames,
    weights: FrameWeights,
    alive: Floats,
    setup: Setup,
    counts: SpectrumPair,
    phases: FramePhases,
) -> _SpectrumResult:
    """Demodulate the frames, measure their phases, and fit the spectra without drift.

    Fills in `counts` (K,) and `phases`.
    """
    pump_open = data.pump_open
    extremes = demodulate(data.frames, weights, counts, _band(setup))
    demodulated = normalise(counts, weights, mean(pump_open), alive, setup)
    first = fit_with_drift(demodulated, setup)
    delta, tangents = first.p[par.DELTA_PHI], first.tangents
    contrast = measure_frames(data.frames, pump_open, delta, tangents, demodulated, setup, phases)
    subtract_drift(demodulated, tangents, phases, contrast, pump_open)
    tilt_variance = variance_of_mean(phases.tilt)
    final = fit_without_drift(first, demodulated, tilt_variance, setup)
    return _SpectrumResult(extremes, demodulated, first, tilt_variance, final)


@compiled_within
def _is_suspect(
    data: PointFrames,
    result: _SpectrumResult,
    sums: SpectrumPair,
    phases: FramePhases,
    alive: Floats,
    setup: Setup,
) -> bool:
    """Return whether pixels or frames of a point are unlike the rest.

    `sums` (K,) holds S_off and ΔS of all pixels in counts.
    """
    extremes, final, spectra = result.extremes, result.final, result.demodulated.spectra
    if extremes.largest >= min(setup.saturation, ceiling(extremes.high, setup)):
        return True
    if largest_magnitude(phases.energy) > MAX_ENERGY_EXCESS:
        return True
    residual, weight = np.empty(len(alive)), np.empty(len(alive))
    for i in range(len(alive)):
        residual[i] = spectra.off[i] - final.off[i]
        weight[i] = len(data.time) * result.demodulated.closed_weight[i]
    for odd in odd_bins(residual, weight, alive):
        if odd:
            return True
    tangents, open_mean = result.first.tangents, mean(data.pump_open)
    return (
        has_odd_pixel(extremes, sums, tangents, phases, open_mean, alive, setup)
        or has_slipped(phases, data.time, data.pump_open, final.p[par.DELTA_PHI])
        or repeats(data.frames, setup.bins.pixel)
    )


@compiled_within
def _fill_fringe(final: FinalFit, out: Estimates, point: int) -> None:
    """Fill in the fringe's covariance and the sensitivity of a point, and whether it is valid."""
    for a in range(par.FRINGE_PARAMETERS):
        for b in range(par.FRINGE_PARAMETERS):
            out.covariance[point, a, b] = final.covariance[a, b]
    assign(out.sensitivity[point], final.sensitivity)
    terms = out.terms
    total = out.delta_phi[point] + terms.effect[point] + terms.shape[point] + terms.limit[point]
    total += terms.drift[point] + terms.source[point] + terms.systematic[point]
    total += terms.spectra[point]
    out.valid[point] = np.isfinite(total) and terms.effect[point] > 0


@compiled_within
def _fill_spectra(demodulated: Demodulated, out: Estimates, point: int) -> None:
    """Fill in the normalised spectra of a point, with their inverse variances."""
    spectra, weights = demodulated.spectra, spectrum_weights(demodulated)
    assign(out.spectra.off[point], spectra.off)
    assign(out.spectra.difference[point], spectra.difference)
    assign(out.spectra.off_weight[point], weights.off)
    assign(out.spectra.difference_weight[point], weights.difference)
