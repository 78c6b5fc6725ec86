"""Phase, energy and tilt of each frame relative to its point's mean, compiled.

Three linear functionals read each frame: those that measure phase, energy and tilt with the least
variance at the frame's open fraction o. They are computed for a few open fractions, for more of
them the larger the pump's effect is. The frame is the mixture (1 − o) S_off + o S_on of the spectra
without and with the pump, each displaced (see `analysis.point.tangents`). Its three readings then
determine its three unknowns, by Newton's method: to all orders, so that drift of a good part of a
radian, noisy pulses and large effects of the pump do not mix.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import cosines_and_sines
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.moments import variance
from analysis.numerics.small_linalg import dot, inverse
from analysis.point.demodulation import project
from analysis.point.normalisation import MAX_ENERGY_EXCESS, Demodulated, Setup
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
    mix,
)

Floats = NDArray[np.float64]
Frames = NDArray[np.uint32]
Indices = NDArray[np.int64]
Vector = tuple[float, float, float]

_MAX_PHASE = 2.0
"""Largest phase of a frame relative to the mean, rad: the series of sine and cosine end there."""

_PHASE_TOLERANCE = 1e-4
"""Newton's last step, rad: the next one would be its square, far below a frame's noise."""

_MAX_NEWTON_STEPS = 5
"""Newton's method squares the error in every step: five reach the tolerance from any phase."""

_MAX_CONTRAST_STEPS = 5
"""Iterations of the contrast: each reduces its error by the square of the drift in rad."""

_SETS_PER_RADIAN = 8
"""Sets of functionals for each radian of the pump's effect: using the nearest one instead of the
best costs 0.4 % of a frame's precision at most."""

_MAX_SETS = 100
"""Largest number of sets of functionals; also where the effect is not a finite number."""

_MAX_VARIANCE = 0.01
"""Variance of a frame's phase, rad², above which the frame is not used: its phase may be beyond the
series, and its weight would be negligible. Test: tests/analysis/point/test_limits.py (half-open
frames without a fringe)."""

_CONTRAST_TOLERANCE = 0.001
"""Loss of the mean fringe's contrast by drift that is worth another iteration: it changes Δ by the
same share, a tenth of the allowed bias."""


class FramePhases(NamedTuple):
    """Phase, energy and tilt of F frames relative to their point's mean.

    Attributes
    ----------
    phase : (F,) array
        rad.
    energy, tilt : (F,) array
        Relative excess of the pulse energy; tilt of the spectrum, relative at the band's edges.
    response : (F,) array
        Change of the frame's phase by a pump effect of 1 rad.
    variance : (F,) array
        Variance of the phase from shot and read noise, rad².
    imbalance : (F,) array
        β: weight that the pump-on part of the exposure has in the frame's phase, beyond its open
        fraction. It matters if the path moves within an exposure, see `analysis.point.lock_in`.
    """

    phase: Floats
    energy: Floats
    tilt: Floats
    response: Floats
    variance: Floats
    imbalance: Floats


class _Readings(NamedTuple):
    """Readings of F frames by n sets of functionals, and what the functionals read of the tangents.

    Attributes
    ----------
    values : (3, F) array
        Readings of the frames, dark subtracted.
    chosen : (F,) array
        Index of the frame's set.
    tangents : (n, 2, 5, 3) array
        What a set reads of the tangents (2, 5): (set, pump state, kind, functional).
    covariance : (n, 3, 3) array
        Covariance of a set's readings of one frame, from shot and read noise.
    """

    values: Floats
    chosen: Indices
    tangents: Floats
    covariance: Floats


@compiled
def number_of_sets(least: int, delta: float) -> int:
    """Return how many steps of the open fraction get functionals of their own.

    `least` is the number for a small effect, `delta` the pump's effect in rad.
    """
    count = least + abs(delta) * _SETS_PER_RADIAN
    return int(count) if count < _MAX_SETS else _MAX_SETS


@compiled
def frames_of_set(chosen: Indices, which: int) -> Indices:
    """Return the indices of the frames whose set of functionals (F,) is `which`."""
    count = 0
    rows = np.empty(len(chosen), np.int64)
    for f in range(len(chosen)):
        if chosen[f] == which:
            rows[count] = f
            count += 1
    return rows[:count]


@compiled
def choose_sets(pump_open: Floats, last: int) -> Indices:
    """Return the index, 0 to `last`, of the set of functionals nearest to each open fraction."""
    chosen = np.empty(len(pump_open), np.int64)
    for f in range(len(pump_open)):
        chosen[f] = int(np.rint(pump_open[f] * last))
    return chosen


@compiled
def measure_frames(
    frames: Frames,
    pump_open: Floats,
    delta: float,
    tangents: Floats,
    demodulated: Demodulated,
    setup: Setup,
    phases: FramePhases,
) -> float:
    """Fill in phase, energy and tilt of all frames.

    Parameters
    ----------
    frames : (F, K) array
        Counts.
    pump_open : (F,) array
        Open fractions.
    delta : float
        The pump's effect, rad: the larger, the more sets of functionals.
    tangents : (2, 5, B) array
        See `analysis.point.tangents`.
    demodulated : Demodulated
        Its weights of single frames are used.
    setup : Setup
    phases : FramePhases
        To be filled in.

    Returns
    -------
    float
        Contrast of the mean fringe relative to that of a frame: drift within a point blurs it.
    """
    readings = _read(frames, pump_open, delta, tangents, demodulated, setup)
    contrast = 1.0
    for _ in range(_MAX_CONTRAST_STEPS):
        _solve(readings, pump_open, contrast, phases)
        sharper = contrast
        if variance(phases.phase) > 2 * _CONTRAST_TOLERANCE:
            sharper = _mean_contrast(phases.phase)
        if abs(sharper - contrast) <= _CONTRAST_TOLERANCE:
            break
        contrast = sharper
    return contrast


@compiled_within
def _mean_contrast(phase: Floats) -> float:
    """Return the contrast of the mean of fringes with phases (F,) in rad."""
    cosine = sine = 0.0
    for f in range(len(phase)):
        cosine += np.cos(phase[f])
        sine += np.sin(phase[f])
    return np.hypot(cosine / len(phase), sine / len(phase))


@compiled_within
def _read(
    frames: Frames,
    pump_open: Floats,
    delta: float,
    tangents: Floats,
    demodulated: Demodulated,
    setup: Setup,
) -> _Readings:
    """Return the readings of all frames; parameters as of `measure_frames`."""
    last, bins = number_of_sets(1, delta), tangents.shape[2]
    readings = _Readings(
        np.empty((3, len(frames))),
        choose_sets(pump_open, last),
        np.zeros((last + 1, 2, KINDS, 3)),
        np.zeros((last + 1, 3, 3)),
    )
    functionals, mixed, weight = np.empty((3, bins)), np.empty((KINDS, bins)), np.zeros(bins)
    for a in range(last + 1):
        rows = frames_of_set(readings.chosen, a)
        if len(rows) == 0:
            continue
        closed, opened = demodulated.closed_weight, demodulated.open_weight
        mix(tangents, closed, opened, a / last, mixed, weight)
        _fill_functionals(mixed, weight, readings.covariance[a], functionals)
        for state in range(2):
            for kind in range(KINDS):
                for row in range(3):
                    value = dot(functionals[row], tangents[state, kind])
                    readings.tangents[a, state, kind, row] = value
        _apply(frames, rows, functionals, setup, readings.values)
    return readings


@compiled_within
def _fill_functionals(
    mixed: Floats, weight: Floats, covariance: Floats, functionals: Floats
) -> None:
    """Fill in the best linear functionals of phase, energy and tilt, and their covariance.

    Parameters
    ----------
    mixed : (5, B) array
        Tangents of a frame.
    weight : (B,) array
        Its inverse variances.
    covariance : (3, 3) array
        To be filled in.
    functionals : (3, B) array
        To be filled in.
    """
    bins = len(weight)
    for a in range(3):
        for b in range(3):
            total = 0.0
            for i in range(bins):
                total += mixed[NUISANCES[a], i] * weight[i] * mixed[NUISANCES[b], i]
            covariance[a, b] = total
    covariance[0, 0] += 1.0  # a fringe that the pump cancels shows no phase
    result = inverse(covariance)
    for a in range(3):
        for b in range(3):
            covariance[a, b] = result[a, b]
        for i in range(bins):
            total = 0.0
            for b in range(3):
                total += covariance[a, b] * mixed[NUISANCES[b], i]
            functionals[a, i] = total * weight[i]


@compiled_within
def _apply(frames: Frames, rows: Indices, functionals: Floats, setup: Setup, out: Floats) -> None:
    """Fill in the readings (3, F) of the frames `rows` (n,) by functionals (3, B)."""
    bins, first = setup.bins, setup.bins.pixel[0]
    last = bins.pixel[-1] + 1
    dark, matrix = np.zeros(3), np.zeros((3, last - first), np.float32)
    for i in range(len(bins.light)):
        scale = 1 / bins.light[i]
        values = functionals[0, i] * scale, functionals[1, i] * scale, functionals[2, i] * scale
        for a in range(3):
            dark[a] += values[a] * bins.dark[i]
        for j in range(bins.edge[i], bins.edge[i + 1]):
            for a in range(3):
                matrix[a, bins.pixel[j] - first] = values[a]
    for i in range(0, len(rows), 2):  # the last of an odd number is its own partner
        f, g = rows[i], rows[min(i + 1, len(rows) - 1)]
        project(frames[f, first:last], frames[g, first:last], matrix, (f, g), out)
    for f in rows:
        for a in range(3):
            out[a, f] -= dark[a]


@compiled_within
def _solve(readings: _Readings, pump_open: Floats, contrast: float, phases: FramePhases) -> None:
    """Fill in phase, energy and tilt of all frames from their readings, by Newton's method.

    Parameters
    ----------
    readings : _Readings
    pump_open : (F,) array
        Open fractions.
    contrast : float
        Contrast of the mean fringe relative to that of a frame.
    phases : FramePhases
        To be filled in.
    """
    count, values = len(pump_open), readings.values
    mixed = np.empty((KINDS, 3, count))
    for i in range(count):
        share, which = pump_open[i], readings.chosen[i]
        for kind in range(KINDS):
            for a in range(3):
                off = readings.tangents[which, CLOSED, kind, a]
                mixed[kind, a, i] = (1 - share) * off
                mixed[kind, a, i] += share * readings.tangents[which, OPEN, kind, a]
    phase, energy, tilt = np.zeros(count), np.ones(count), np.zeros(count)
    for _ in range(_MAX_NEWTON_STEPS):
        unfinished = 0
        for i in range(count):
            sine, cosine = _sine_and_cosine(phase[i], contrast)
            state, by_phase = _expected(mixed, sine, cosine, tilt[i], i)
            by_tilt = _vector(mixed, BY_TILT, i)
            row = _cross(state, by_tilt)  # of the inverse Jacobian, but for its determinant
            scale = 1 / _dot(by_phase, row)
            reading = values[0, i], values[1, i], values[2, i]
            away = _sum(_scaled(reading, 1 / energy[i]), state, -1.0)
            step = scale * _dot(row, away)
            energy[i] *= max(1 + scale * _dot(_cross(by_tilt, by_phase), away), 1e-3)
            tilt[i] += scale * _dot(_cross(by_phase, state), away)
            phase[i] = min(max(phase[i] + step, -_MAX_PHASE), _MAX_PHASE)
            unfinished += abs(step) >= _PHASE_TOLERANCE
        if unfinished == 0:
            break
    for i in range(count):
        phases.phase[i], phases.energy[i], phases.tilt[i] = phase[i], energy[i] - 1, tilt[i]
    _fill_responses(readings, mixed, pump_open, contrast, phases)


@compiled_within
def _fill_responses(
    readings: _Readings, mixed: Floats, pump_open: Floats, contrast: float, phases: FramePhases
) -> None:
    """Fill in response, variance and imbalance of all frames, and drop frames without a phase.

    `mixed` (5, 3, F) holds what the frame's functionals read of its tangents; the other parameters
    are as of `_solve`.
    """
    for i in range(len(pump_open)):
        sine, cosine = _sine_and_cosine(phases.phase[i], contrast)
        state, by_phase = _expected(mixed, sine, cosine, phases.tilt[i], i)
        row = _cross(state, _vector(mixed, BY_TILT, i))
        row = _scaled(row, 1 / _dot(by_phase, row))
        which, power, open_part = readings.chosen[i], 0.0, 0.0
        for a in range(3):
            for b in range(3):
                power += row[a] * row[b] * readings.covariance[which, a, b]
            opened = readings.tangents[which, OPEN]
            open_part += row[a] * (opened[BY_PHASE, a] * cosine + opened[BY_PHASE_TWICE, a] * sine)
        phases.response[i] = _dot(row, _vector(mixed, BY_PUMP, i)) / contrast
        phases.variance[i] = power
        phases.imbalance[i] = pump_open[i] * (open_part - 1)
        if not power < _MAX_VARIANCE or abs(phases.energy[i]) > MAX_ENERGY_EXCESS:
            phases.phase[i], phases.response[i] = 0.0, 0.0
            phases.variance[i], phases.imbalance[i] = 1.0, 0.0


@compiled
def _sine_and_cosine(phase: float, contrast: float) -> tuple[float, float]:
    """Return sine and cosine of a frame's phase in rad, over the contrast of the mean fringe."""
    y = phase * phase
    sine = phase * (1 - y / 6 * (1 - y / 20))
    return sine / contrast, (1 - y / 2 * (1 - y / 12 * (1 - y / 30))) / contrast


@compiled
def _expected(
    mixed: Floats, sine: float, cosine: float, tilt: float, i: int
) -> tuple[Vector, Vector]:
    """Return the expected readings of frame i, and their derivatives by its phase."""
    spectrum, slope = _vector(mixed, SPECTRUM, i), _vector(mixed, BY_PHASE, i)
    bend, by_tilt = _vector(mixed, BY_PHASE_TWICE, i), _vector(mixed, BY_TILT, i)
    state = _sum(_sum(spectrum, slope, sine), _sum(_scaled(by_tilt, tilt), bend, 1 - cosine), 1.0)
    return state, _sum(_scaled(slope, cosine), bend, sine)


@compiled
def _vector(mixed: Floats, kind: int, i: int) -> Vector:
    """Return the three readings of a tangent, as the functionals of frame i read it."""
    return mixed[kind, 0, i], mixed[kind, 1, i], mixed[kind, 2, i]


@compiled
def _sum(a: Vector, b: Vector, times: float) -> Vector:
    """Return a + times·b."""
    return a[0] + times * b[0], a[1] + times * b[1], a[2] + times * b[2]


@compiled
def _scaled(a: Vector, times: float) -> Vector:
    """Return times·a."""
    return a[0] * times, a[1] * times, a[2] * times


@compiled
def _dot(a: Vector, b: Vector) -> float:
    """Return the scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def _cross(a: Vector, b: Vector) -> Vector:
    """Return the vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@compiled
def subtract_drift(
    demodulated: Demodulated,
    tangents: Floats,
    phases: FramePhases,
    contrast: float,
    pump_open: Floats,
) -> None:
    """Subtract from S_off and ΔS, in place, what phases and tilts of the frames added to them.

    A frame f adds to the spectrum of its pump state

        w_f [sin θ_f ∂S/∂θ + (1 − cos θ_f) ∂²S/∂θ² + t_f ∂S/∂t].

    Parameters
    ----------
    demodulated : Demodulated
        Its spectra are changed.
    tangents : (2, 5, B) array
        See `analysis.point.tangents`.
    phases : FramePhases
    contrast : float
        Contrast of the mean fringe, relative to that of a frame.
    pump_open : (F,) array
        Open fractions.
    """
    cosines, sines = np.empty(len(pump_open)), np.empty(len(pump_open))
    cosines_and_sines(phases.phase, cosines, sines)
    added = np.zeros((2, 2, 3))  # spectrum off or difference, pump state, tangent
    kinds = (BY_PHASE, BY_PHASE_TWICE, BY_TILT)
    for f in range(len(pump_open)):
        sine, cosine, tilt = sines[f] / contrast, (1 - cosines[f]) / contrast, phases.tilt[f]
        weights = demodulated.frame_weights.off[f], demodulated.frame_weights.difference[f]
        for order in range(2):
            on = weights[order] * pump_open[f]
            off = weights[order] - on
            added[order, 0, 0] += off * sine
            added[order, 0, 1] += off * cosine
            added[order, 0, 2] += off * tilt
            added[order, 1, 0] += on * sine
            added[order, 1, 1] += on * cosine
            added[order, 1, 2] += on * tilt
    spectra = demodulated.spectra
    for state in range(2):
        for a in range(3):
            tangent = tangents[state, kinds[a]]
            to_off, to_difference = added[0, state, a], added[1, state, a]
            for i in range(len(tangent)):
                spectra.off[i] -= to_off * tangent[i]
                spectra.difference[i] -= to_difference * tangent[i]
