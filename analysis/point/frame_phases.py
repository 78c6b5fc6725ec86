"""Where each frame is from its point's mean: in phase, energy and tilt, compiled.

Three functionals look at a frame. They are those that see best what the pump leaves of the fringe
at the frame's open fraction, of a few such sets: two where its effect is small, more where it is
large. The frame itself is the mixture (1 − o, o) of the spectra without and with the pump. Three
numbers then give three unknowns, by Newton's method: to all orders, so that drift of a good part of
a radian, noisy pulses and large effects of the pump do not mix.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.small_linalg import dot, inverse
from analysis.point.demodulation import project
from analysis.point.normalisation import LOST, Setup

Floats = NDArray[np.float64]
Frames = NDArray[np.uint32]
Vector = tuple[float, float, float]

MOVES = (1, 0, 3)
"""Phase, energy and tilt among the `directions`."""

_FURTHEST = 2.0  # rad: beyond this from the mean the series of sine and cosine end
_NEAR = 1e-4  # rad: the next step would be its square
_MOST_STEPS = 5
_LOOKS = 5
_SETS = 8  # of functionals a radian of the pump's effect: the wrong one costs 0.4 % at most
_MOST_SETS = 100
_BLIND = 0.01  # rad²: what a frame says less well is of no use, and beyond the series
_BLURRED = 0.001  # loss of contrast by drift that is worth a second look


@compiled
def directions(p: Floats, table: Floats, spectrum: Floats, axes: Floats) -> Floats:
    """Where a spectrum can go (5, B): see `response` of `displacements`.

    `table` holds the derivatives of the model with the parameters `p`.
    """
    result = np.empty((5, len(spectrum)))
    for i in range(len(spectrum)):
        ratio = 1 + axes[2, i]
        result[0, i] = spectrum[i]
        result[1, i] = ratio * (p[3] * table[4, i] - p[4] * table[3, i])
        result[2, i] = -ratio * ratio * (p[3] * table[3, i] + p[4] * table[4, i])
        result[3, i] = axes[1, i] * spectrum[i]
        result[4, i] = table[7, i]
    return result


@compiled_within
def displace(
    frames: Frames,
    opened: Floats,
    delta: float,
    ways: Floats,
    weight: Floats,
    setup: Setup,
    moved: Floats,
) -> float:
    """Fill in where frames are from the mean: `moved` of `displacements`.

    Parameters
    ----------
    frames : (F, K) array
    opened : (F,) array
        Their open fractions.
    delta : float
        The pump's effect, rad: the larger, the more sets of functionals.
    ways : (2, 5, B) array
        `directions` of S_off and S_on.
    weight : (2 or more, B) array
        Inverse variances of both in one frame.
    setup : Setup
    moved : (6, F) array

    Returns
    -------
    float
        Contrast of the mean fringe over that of a frame.
    """
    last = sets(1, delta)
    chosen = np.rint(opened * last).astype(np.int64)
    noise, response = np.zeros((last + 1, 3, 3)), np.zeros((last + 1, 2, 5, 3))
    functionals, mixed = np.empty((3, ways.shape[2])), np.empty_like(ways[0])
    mixed_weight, seen = np.zeros(ways.shape[2]), np.empty((3, len(frames)))
    for a in range(last + 1):
        if not (chosen == a).any():
            continue
        on = a / last
        mixture(ways, weight, on, mixed, mixed_weight)
        _functionals(mixed, mixed_weight, noise[a], functionals)
        for state in range(2):
            for kind in range(5):
                for row in range(3):
                    response[a, state, kind, row] = dot(functionals[row], ways[state, kind])
        _look(frames, chosen, a, functionals, setup, seen)
    contrast = 1.0
    for _ in range(_LOOKS):
        displacements(seen, opened, chosen, response, noise, contrast, moved)
        sharper = contrast
        if moved[0].var() > 2 * _BLURRED:
            sharper = np.hypot(np.cos(moved[0]).mean(), np.sin(moved[0]).mean())
        if abs(sharper - contrast) <= _BLURRED:
            break
        contrast = sharper
    return contrast


@compiled
def sets(least: int, delta: float) -> int:
    """Return how many sets of functionals lie between closed and open frames."""
    count = least + abs(delta) * _SETS
    return int(count) if count < _MOST_SETS else _MOST_SETS  # nor for what is no number


@compiled
def mixture(ways: Floats, weight: Floats, on: float, mixed: Floats, mixed_weight: Floats) -> None:
    """Fill in directions (5, B) and weights (B,) of a frame that the chopper opens for `on` of it.

    `ways` (2, 5, B) and `weight` (2, B) are those of closed and open frames.
    """
    for i in range(ways.shape[2]):
        if weight[0, i] * weight[1, i] > 0:
            mixed_weight[i] = 1 / ((1 - on) / weight[0, i] + on / weight[1, i])
    for kind in range(5):
        for i in range(ways.shape[2]):
            mixed[kind, i] = (1 - on) * ways[0, kind, i] + on * ways[1, kind, i]


@compiled
def _functionals(ways: Floats, weight: Floats, noise: Floats, out: Floats) -> None:
    """Fill in functionals (3, B) of phase, energy and tilt, and their covariance (3, 3)."""
    bins = len(weight)
    for a in range(3):
        row = ways[MOVES[a]]
        for b in range(3):
            noise[a, b] = dot(row * weight, ways[MOVES[b]])
    noise[0, 0] += 1.0  # a fringe that the pump puts out shows no phase
    noise[:] = inverse(noise)
    for a in range(3):
        for i in range(bins):
            total = 0.0
            for b in range(3):
                total += noise[a, b] * ways[MOVES[b], i]
            out[a, i] = total * weight[i]


@compiled_within
def _look(
    frames: Frames,
    chosen: NDArray[np.int64],
    which: int,
    functionals: Floats,
    setup: Setup,
    seen: Floats,
) -> None:
    """Fill in what functionals (3, B) say of those frames that have `chosen` them: `seen`."""
    bins, first = setup.bins, setup.bins.pixel[0]
    last = bins.pixel[-1] + 1
    dark, matrix = np.zeros(3), np.zeros((3, last - first), np.float32)
    for i in range(len(bins.light)):
        scale = 1 / bins.light[i]
        values = functionals[0, i] * scale, functionals[1, i] * scale, functionals[2, i] * scale
        for move in range(3):
            dark[move] += values[move] * bins.dark[i]
        for j in range(bins.edge[i], bins.edge[i + 1]):
            for move in range(3):
                matrix[move, bins.pixel[j] - first] = values[move]
    rows = np.flatnonzero(chosen == which)
    for i in range(0, len(rows), 2):  # the last of an odd number is its own partner
        f, g = rows[i], rows[min(i + 1, len(rows) - 1)]
        project(frames[f, first:last], frames[g, first:last], matrix, (f, g), seen)
    for f in rows:
        for move in range(3):
            seen[move, f] -= dark[move]


@compiled
def displacements(
    seen: Floats,
    opened: Floats,
    chosen: NDArray[np.int64],
    response: Floats,
    noise: Floats,
    contrast: float,
    moved: Floats,
) -> None:
    """Phase, energy and tilt of each frame, from what the functionals say of it.

    Parameters
    ----------
    seen : (3, F) array
        What functionals say of the frames, dark subtracted.
    opened : (F,) array
        Open fractions.
    chosen : (F,) array
        Which of the sets of functionals.
    response : (n, 2, 5, 3) array
        What a set (first axis) says of a spectrum (second axis, off and on): of itself, its
        derivative by a drift, the second one, its tilt, and its derivative by the pump's phase.
    noise : (n, 3, 3) array
        Covariance of what a set says of one frame, from shot and read noise.
    contrast : float
        Of the mean fringe over that of a frame: the drift within a point blurs the mean.
    moved : (6, F) array
        To be filled in: phase (rad), energy and tilt (relative); what the pump's effect of 1 rad
        adds to the phase; the phase's variance; and by how much more than the open fraction it is
        the phase of the pump-on part of the exposure.
    """
    count = len(opened)
    mixed = np.empty((5, 3, count))
    for i in range(count):
        on, look = opened[i], chosen[i]
        for kind in range(5):
            for a in range(3):
                off_part, on_part = response[look, 0, kind, a], response[look, 1, kind, a]
                mixed[kind, a, i] = (1 - on) * off_part + on * on_part
    phase, energy, tilt = np.zeros(count), np.ones(count), np.zeros(count)
    for _ in range(_MOST_STEPS):
        far = 0
        for i in range(count):
            sine, cosine = _series(phase[i], contrast)
            state, by_phase = _state(mixed, sine, cosine, tilt[i], i)
            tilted = _vector(mixed, 3, i)
            row = _cross(state, tilted)  # of the inverse Jacobian, but for its determinant
            scale = 1 / _dot(by_phase, row)
            away = _sum(_scaled((seen[0, i], seen[1, i], seen[2, i]), 1 / energy[i]), state, -1.0)
            step = scale * _dot(row, away)
            energy[i] *= max(1 + scale * _dot(_cross(tilted, by_phase), away), 1e-3)
            tilt[i] += scale * _dot(_cross(by_phase, state), away)
            phase[i] = min(max(phase[i] + step, -_FURTHEST), _FURTHEST)
            far += abs(step) >= _NEAR
        if far == 0:
            break
    for i in range(count):
        sine, cosine = _series(phase[i], contrast)
        state, by_phase = _state(mixed, sine, cosine, tilt[i], i)
        row = _cross(state, _vector(mixed, 3, i))
        row = _scaled(row, 1 / _dot(by_phase, row))
        variance = 0.0
        for a in range(3):
            for b in range(3):
                variance += row[a] * row[b] * noise[chosen[i], a, b]
        moved[0, i], moved[1, i], moved[2, i] = phase[i], energy[i] - 1, tilt[i]
        moved[3, i] = _dot(row, _vector(mixed, 4, i)) / contrast
        moved[4, i] = variance
        open_part = 0.0
        for a in range(3):
            look = response[chosen[i], 1, 1, a], response[chosen[i], 1, 2, a]
            open_part += row[a] * (look[0] * cosine + look[1] * sine)
        moved[5, i] = opened[i] * (open_part - 1)
        if not variance < _BLIND or abs(energy[i] - 1) > LOST:
            moved[0, i], moved[3, i], moved[4, i], moved[5, i] = 0.0, 0.0, 1.0, 0.0


@compiled
def _series(phase: float, contrast: float) -> tuple[float, float]:
    """Sine and cosine of a frame's phase, over the contrast of the mean fringe."""
    y = phase * phase
    sine = phase * (1 - y / 6 * (1 - y / 20))
    return sine / contrast, (1 - y / 2 * (1 - y / 12 * (1 - y / 30))) / contrast


@compiled
def _state(mixed: Floats, sine: float, cosine: float, tilt: float, i: int) -> tuple[Vector, Vector]:
    """Return what functionals should say of frame i, and its derivative by the phase."""
    itself, drift = _vector(mixed, 0, i), _vector(mixed, 1, i)
    bend, tilted = _vector(mixed, 2, i), _vector(mixed, 3, i)
    state = _sum(_sum(itself, drift, sine), _sum(_scaled(tilted, tilt), bend, 1 - cosine), 1.0)
    return state, _sum(_scaled(drift, cosine), bend, sine)


@compiled
def _vector(mixed: Floats, kind: int, i: int) -> Vector:
    return mixed[kind, 0, i], mixed[kind, 1, i], mixed[kind, 2, i]


@compiled
def _sum(a: Vector, b: Vector, times: float) -> Vector:
    return a[0] + times * b[0], a[1] + times * b[1], a[2] + times * b[2]


@compiled
def _scaled(a: Vector, times: float) -> Vector:
    return a[0] * times, a[1] * times, a[2] * times


@compiled
def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
