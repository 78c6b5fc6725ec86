"""The pump's effect in the contrast of partly open frames, compiled.

A frame that the chopper opens for a part o of its exposure is the mixture (1 − o) S_off + o S_on of
two fringes. Its contrast is lower, the larger the phase between the two is. This measures Δ without
reference to other frames. So where drift hides the effect from frame to frame, and the effect is
large, most of a point's information on Δ is in these frames.

Drift between the two parts of an exposure remains. For a walk of rate Q their means differ by a
variance Q τ/3, wherever the pump's edge is. The vibration of a table may be weaker at such high
frequencies: the share of the walk that remains is averaged over, like the rate in
`analysis.point.lock_in`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import parameters as par
from analysis.fringe.solver import derivatives, unpumped
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.small_linalg import dot, inverse
from analysis.point.demodulation import FrameWeights
from analysis.point.frame_phases import (
    FramePhases,
    choose_sets,
    frames_of_set,
    number_of_sets,
)
from analysis.point.lock_in import normalise_odds
from analysis.point.normalisation import Demodulated, Setup
from analysis.point.tangents import (
    BY_PHASE,
    BY_PHASE_TWICE,
    BY_PUMP,
    BY_TILT,
    CLOSED,
    KINDS,
    NUISANCES,
    OPEN,
    SPECTRUM,
    fill_tangents,
    mix,
)
from analysis.probe_band import Bins

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Frames = NDArray[np.uint32]

_MIN_SETS = 8
"""Least number of open fractions for which functionals are computed."""

_MAX_RELATIVE_VARIANCE = 10.0
"""Variance of a frame's phase, relative to the least one of the point, above which the frame is not
used: the pump nearly cancels its fringe there."""

_NONLINEARITY = 0.05
"""Relative error of the effect, as one standard deviation, by its linearisation."""

_WALK_SHARES = np.array([0.0, 0.03, 0.1, 0.3, 1.0])
"""Shares of the walk's power that may remain within exposures: to average over."""

_MIN_INFORMATION = 0.05
"""Information on Δ in partly open frames, relative to the lock-in's, below which they are not
evaluated: sigma would become 2.5 % smaller."""


class PartialFrameEffect(NamedTuple):
    """Estimate of the pump's effect from partly open frames.

    Attributes
    ----------
    effect : float
        rad, beside the effect that is known already.
    limit : float
        Variance by shot and read noise alone, rad².
    variance : float
        Variance by all causes, rad²; infinite where no frame contributes.
    covariance : float
        Covariance with the lock-in's estimate, rad².
    """

    effect: float
    limit: float
    variance: float
    covariance: float


class _Functionals(NamedTuple):
    """Functionals of the effect for n open fractions.

    Attributes
    ----------
    chosen : (F,) array
        Index of each frame's functional.
    values : (n, B) array
        Functionals, scaled to unit variance.
    tangents : (n, 2, 5) array
        What they read of the tangents.
    """

    chosen: Indices
    values: Floats
    tangents: Floats


class _Readings(NamedTuple):
    """Readings of F frames by their functionals; zero for frames that are not used.

    Attributes
    ----------
    residual : (F,) array
        Reading of the frame, less the expected one, in standard deviations.
    sensitivity : (F,) array
        Change of `residual` by a further effect of 1 rad.
    closed, opened : (F,) array
        Changes of the reading by 1 rad of phase of the spectra without and with the pump.
    """

    residual: Floats
    sensitivity: Floats
    closed: Floats
    opened: Floats


@compiled_within
def adds_information(
    pump_open: Floats, delta: float, setup: Setup, phases: FramePhases, variance: float
) -> bool:
    """Return whether partly open frames add much information on an effect.

    Parameters
    ----------
    pump_open : (F,) array
        Open fractions.
    delta, variance : float
        The effect in rad, and its variance without them.
    setup : Setup
    phases : FramePhases
        Many periods of the fringe in the band are assumed.
    """
    information, response = 0.0, setup.grid.axes.response
    for colour in (0, len(response) // 2, len(response) - 1):
        sine, cosine = np.sin(delta * response[colour]), np.cos(delta * response[colour])
        for f in range(len(pump_open)):
            mixed = pump_open[f] * (1 - pump_open[f])
            contrast = 1 - 2 * mixed * (1 - cosine)
            information += (mixed * sine / max(contrast, 1e-3)) ** 2 / phases.variance[f] / 3
    return information * variance > _MIN_INFORMATION


@compiled
def partial_frame_effect(
    frames: Frames,
    pump_open: Floats,
    p: Floats,
    demodulated: Demodulated,
    setup: Setup,
    phases: FramePhases,
    rate: float,
    phase_weights: Floats,
) -> PartialFrameEffect:
    """Estimate the effect that partly open frames show beside that of `p`.

    Parameters
    ----------
    frames : (F, K) array
        Counts.
    pump_open : (F,) array
        Open fractions.
    p : (13,) array
        Parameters of fringe and pump.
    demodulated : Demodulated
        Spectra without drift and tilt. The part of the effect that was subtracted from them with
        the frames' phases is added again.
    setup : Setup
    phases : FramePhases
    rate : float
        Rate of the path's walk, rad²/s.
    phase_weights : (F,) array
        Weights of the frames' phases in the lock-in's estimate.
    """
    tangents = _tangents(p, demodulated, setup)
    functionals = _functionals(pump_open, p[par.DELTA_PHI], tangents, demodulated)
    weights, walk = demodulated.frame_weights, rate * setup.exposure
    # Subtracting a frame's phase from S_off and ΔS subtracts its part of the effect from them:
    # (S_off or ΔS, pump state).
    subtracted = np.zeros((2, 2))
    for f in range(len(pump_open)):
        off, difference = (
            weights.off[f] * phases.response[f],
            weights.difference[f] * phases.response[f],
        )
        subtracted[0, CLOSED] += off * (1 - pump_open[f])
        subtracted[0, OPEN] += off * pump_open[f]
        subtracted[1, CLOSED] += difference * (1 - pump_open[f])
        subtracted[1, OPEN] += difference * pump_open[f]
    readings = _read(frames, pump_open, functionals, setup.bins, phases, subtracted)
    combined, share, scatter = _combine(readings, pump_open, walk / 3)
    if not share >= 0:
        return PartialFrameEffect(0.0, np.inf, np.inf, 0.0)
    effect = dot(combined, readings.residual)
    by_path = _by_path(combined, readings, pump_open, phases.imbalance, weights)
    spectra = demodulated.spectra
    for state in range(2):
        for i in range(len(spectra.off)):
            change = effect * tangents[state, BY_PHASE, i]
            spectra.off[i] += subtracted[0, state] * change
            spectra.difference[i] += subtracted[1, state] * change
    limit = _noise(combined, functionals, pump_open, weights, demodulated.mean_weight)
    variance = scatter * (limit + share * walk / 3 * dot(by_path, by_path))
    common = share * walk * _covariance(by_path, pump_open, phases.imbalance, phase_weights)
    return PartialFrameEffect(effect, limit, variance + (_NONLINEARITY * effect) ** 2, common)


@compiled_within
def _tangents(p: Floats, demodulated: Demodulated, setup: Setup) -> Floats:
    """Return the tangents (2, 5, B) of the measured spectra."""
    spectra, axes = demodulated.spectra, setup.grid.axes
    tangents, opened = np.empty((2, KINDS, len(spectra.off))), np.empty(len(spectra.off))
    _, table = derivatives(unpumped(p), axes)
    fill_tangents(unpumped(p), table, spectra.off, axes, tangents[CLOSED])
    _, table = derivatives(p, axes)
    for i in range(len(opened)):
        tangents[CLOSED, BY_PUMP, i] = 0.0
        opened[i] = spectra.off[i] + spectra.difference[i]
    fill_tangents(p, table, opened, axes, tangents[OPEN])
    return tangents


@compiled_within
def _functionals(
    pump_open: Floats, delta: float, tangents: Floats, demodulated: Demodulated
) -> _Functionals:
    """Return functionals of the effect for the open fractions of frames (F,)."""
    bins, last = tangents.shape[2], number_of_sets(_MIN_SETS, delta)
    chosen = choose_sets(pump_open, last)
    values, readings = np.zeros((last + 1, bins)), np.zeros((last + 1, 2, KINDS))
    mixed, weight = np.empty((KINDS, bins)), np.zeros(bins)
    for a in range(last + 1):
        if len(frames_of_set(chosen, a)) > 0:
            closed, opened = demodulated.closed_weight, demodulated.open_weight
            mix(tangents, closed, opened, a / last, mixed, weight)
            _fill_functional(mixed, weight, values[a])
            for state in range(2):
                for kind in range(KINDS):
                    readings[a, state, kind] = dot(values[a], tangents[state, kind])
    return _Functionals(chosen, values, readings)


@compiled_within
def _fill_functional(mixed: Floats, weight: Floats, functional: Floats) -> None:
    """Fill in the functional (B,) of the effect that is blind to phase, energy and tilt.

    `mixed` (5, B) and `weight` (B,) are the tangents and inverse variances of a frame. The
    functional's reading has the variance 1.
    """
    gram, crossed, rest = np.empty((3, 3)), np.empty(3), mixed[BY_PUMP].copy()
    for a in range(3):
        for b in range(3):
            gram[a, b] = 0.0
        crossed[a] = 0.0
        for i in range(len(weight)):
            weighted = mixed[NUISANCES[a], i] * weight[i]
            crossed[a] += weighted * mixed[BY_PUMP, i]
            for b in range(3):
                gram[a, b] += weighted * mixed[NUISANCES[b], i]
    gram[0, 0] += 1.0  # a fringe that the pump cancels shows no phase
    gram = inverse(gram)
    for a in range(3):
        part = dot(gram[a], crossed)
        for i in range(len(rest)):
            rest[i] -= part * mixed[NUISANCES[a], i]
    power = 0.0
    for i in range(len(rest)):
        power += rest[i] * weight[i] * rest[i]
    size = max(np.sqrt(power), 1e-12)
    for i in range(len(rest)):
        functional[i] = rest[i] * weight[i] / size


@compiled_within
def _read(
    frames: Frames,
    pump_open: Floats,
    functionals: _Functionals,
    bins: Bins,
    phases: FramePhases,
    subtracted: Floats,
) -> _Readings:
    """Return the readings of all frames.

    `subtracted` (2, 2) is the effect per rad that S_off and ΔS (first axis) lack, with the pump off
    and on (second axis); the other parameters are as of `partial_frame_effect`.
    """
    count, last = len(pump_open), len(functionals.values) - 1
    readings = _Readings(np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count))
    least = phases.variance[0]
    for f in range(count):
        least = min(least, phases.variance[f])
    for f in range(count):
        which, share = functionals.chosen[f], pump_open[f]
        if not 0 < which < last or phases.variance[f] > _MAX_RELATIVE_VARIANCE * least:
            continue
        reading = _apply(frames[f], functionals.values[which], bins) / (1 + phases.energy[f])
        sine, cosine = np.sin(phases.phase[f]), np.cos(phases.phase[f])
        for state in range(2):
            by = functionals.tangents[which, state]
            expected = by[SPECTRUM] + phases.tilt[f] * by[BY_TILT]
            expected += sine * by[BY_PHASE] + (1 - cosine) * by[BY_PHASE_TWICE]
            reading -= (share if state else 1 - share) * expected
        readings.residual[f] = reading
        closed = cosine * functionals.tangents[which, CLOSED, BY_PHASE]
        opened = cosine * functionals.tangents[which, OPEN, BY_PHASE]
        readings.closed[f], readings.opened[f] = closed, opened
        readings.sensitivity[f] = closed * (subtracted[0, CLOSED] + share * subtracted[1, CLOSED])
        readings.sensitivity[f] += opened * (subtracted[0, OPEN] + share * subtracted[1, OPEN])
    return readings


@compiled_within
def _apply(frame: Frames, functional: Floats, bins: Bins) -> float:
    """Return the reading of a frame (K,) by a functional (B,), dark subtracted."""
    total = 0.0
    for i in range(len(functional)):
        level = -bins.dark[i]
        for j in range(bins.edge[i], bins.edge[i + 1]):
            level += frame[bins.pixel[j]]
        total += functional[i] * level / bins.light[i]
    return total


@compiled_within
def _combine(readings: _Readings, pump_open: Floats, walk: float) -> tuple[Floats, float, float]:
    """Return weights of the readings, averaged over the share of the walk within exposures.

    A reading has the variance 1 + share·walk·(o·∂reading/∂θ_on)², in units of its noise.

    Parameters
    ----------
    readings : _Readings
    pump_open : (F,) array
        Open fractions.
    walk : float
        Variance of δ = θ_on − θ_off for a share of 1, rad².

    Returns
    -------
    weights : (F,) array
        Σ weights·residual is the effect, Σ weights·sensitivity is 1.
    share : float
        Mean share of the walk; NaN if no frame contributes.
    scatter : float
        Factor, 1 at least, by which the residuals scatter more than expected.
    """
    models, count, used = len(_WALK_SHARES), len(pump_open), 0
    odds, scatter, combined = np.empty(models), np.empty(models), np.zeros((models, count))
    own = np.empty(count)
    sensitivity, residual = readings.sensitivity, readings.residual
    for f in range(count):
        used += sensitivity[f] != 0
    for j in range(models):
        power = effect = scatter[j] = 0.0
        for f in range(count):
            own[f] = 1 + (pump_open[f] * readings.opened[f]) ** 2 * walk * _WALK_SHARES[j]
            combined[j, f] = sensitivity[f] / own[f]
            power += sensitivity[f] * combined[j, f]
        volume = np.log(power)
        for f in range(count):
            combined[j, f] /= power
            effect += combined[j, f] * residual[f]
        for f in range(count):
            if sensitivity[f] != 0:
                scatter[j] += (residual[f] - sensitivity[f] * effect) ** 2 / own[f]
                volume += np.log(own[f])
        odds[j] = -(volume + scatter[j]) / 2
    normalise_odds(odds)
    weights, share, excess = np.zeros(count), 0.0, 0.0
    for j in range(models):
        share += odds[j] * _WALK_SHARES[j]
        excess += odds[j] * scatter[j]
        for f in range(count):
            weights[f] += odds[j] * combined[j, f]
    return weights, share, max(excess / max(used - 1, 1), 1.0)


@compiled_within
def _by_path(
    combined: Floats,
    readings: _Readings,
    pump_open: Floats,
    imbalance: Floats,
    weights: FrameWeights,
) -> Floats:
    """Return the derivatives (F,) of the effect by the differences δ = θ_on − θ_off of all frames.

    A frame's own δ changes its reading; and it changes S_off and ΔS, with which all frames are
    compared.
    """
    sums = np.zeros((2, 2))  # of the readings' derivatives: (S_off or ΔS, pump state)
    for f in range(len(combined)):
        sums[0, CLOSED] += combined[f] * readings.closed[f]
        sums[0, OPEN] += combined[f] * readings.opened[f]
        sums[1, CLOSED] += combined[f] * pump_open[f] * readings.closed[f]
        sums[1, OPEN] += combined[f] * pump_open[f] * readings.opened[f]
    result = np.empty(len(combined))
    for f in range(len(combined)):
        on_part = pump_open[f] + imbalance[f]  # of the pump-on exposure in the frame's phase
        by_open = weights.off[f] * sums[0, OPEN] + weights.difference[f] * sums[1, OPEN]
        by_closed = weights.off[f] * sums[0, CLOSED] + weights.difference[f] * sums[1, CLOSED]
        result[f] = combined[f] * pump_open[f] * readings.opened[f]
        result[f] -= by_open * pump_open[f] * (1 - on_part)
        result[f] += by_closed * (1 - pump_open[f]) * on_part
    return result


@compiled_within
def _covariance(
    by_path: Floats, pump_open: Floats, imbalance: Floats, phase_weights: Floats
) -> float:
    """Return the covariance of Σ by_path·δ and Σ phase_weights·(θ + imbalance·δ), all (F,).

    For a walk of 1 rad in an exposure. A frame whose pump comes on at 1 − o of its exposure shares
    ½ with every later frame, and (1 + o)/6 with its own mean; one whose pump goes off shares −½ and
    −(2 − o)/6.
    """
    total = later = 0.0
    for f in range(len(pump_open) - 1, -1, -1):
        before, after = pump_open[max(f - 1, 0)], pump_open[min(f + 1, len(pump_open) - 1)]
        own = 1 + pump_open[f] if after > before else 2 - pump_open[f]
        total += by_path[f] * (after - before) * (later / 2 + phase_weights[f] * own / 6)
        total += by_path[f] * phase_weights[f] * imbalance[f] / 3
        later += phase_weights[f]
    return total


@compiled_within
def _noise(
    combined: Floats,
    functionals: _Functionals,
    pump_open: Floats,
    weights: FrameWeights,
    mean_weight: Floats,
) -> float:
    """Return the variance of Σ combined·residual by shot and read noise.

    Each frame's own noise, and that of S_off and ΔS, which are made of all frames.
    """
    values, chosen, bins = functionals.values, functionals.chosen, len(mean_weight)
    made, scaled = np.zeros((2, bins)), np.zeros((2, bins))
    for f in range(len(combined)):
        for i in range(bins):
            part = combined[f] * values[chosen[f], i]
            made[0, i] += part
            made[1, i] += part * pump_open[f]
    own, crossed = np.zeros((2, 2)), np.zeros((2, len(values)))
    for order in range(2):
        for i in range(bins):
            scaled[order, i] = made[order, i] / mean_weight[i] if mean_weight[i] > 0 else 0.0
        for other in range(2):
            own[order, other] = dot(scaled[order], made[other])
        for a in range(len(values)):
            crossed[order, a] = dot(scaled[order], values[a])
    total = 0.0
    for f in range(len(combined)):
        off, difference = weights.off[f], weights.difference[f]
        total += combined[f] ** 2
        total -= 2 * combined[f] * off * crossed[0, chosen[f]]
        total -= 2 * combined[f] * difference * crossed[1, chosen[f]]
        total += off * off * own[0, 0] + difference * difference * own[1, 1]
        total += off * difference * (own[0, 1] + own[1, 0])
    return total
