"""Sums over the nodes of a time grid, compiled: what an inversion waits for."""

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import cosines_and_sines
from analysis.numerics.jit import compiled
from analysis.numerics.small_linalg import dot

__all__ = ["hats", "near_diagonal", "passed_light"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


@compiled
def hats(
    at: Floats,
    nodes: Floats,
    start: float,
    step: float,
    values: Complexes,
    slopes: Complexes,
    before: float,
) -> Complexes:
    """Responses (B, n) of bins at the times `at` (B,) to hats at the nodes (n,).

    They come from responses (B, N) to ramps, tabulated from `start` on with their slopes: a hat is
    the difference of two slopes. `before` is the response to what is one before all nodes.
    """
    bins, count = len(at), len(nodes)
    last = values.shape[1] - 1
    result = np.empty((bins, count), np.complex128)
    for b in range(bins):
        earlier, slope = 0j, before + 0j
        for k in range(count):
            place = (at[b] - nodes[k] - start) / step
            if place < 0:
                ramp = values[b, 0]
            elif place >= last:
                ramp = values[b, last] + slopes[b, last] * ((place - last) * step)
            else:
                i = int(place)
                u = place - i
                v = 1 - u
                ramp = v * v * ((1 + 2 * u) * values[b, i] + u * step * slopes[b, i])
                ramp += u * u * ((1 + 2 * v) * values[b, i + 1] - v * step * slopes[b, i + 1])
            if k > 0:
                following = (earlier - ramp) / (nodes[k] - nodes[k - 1])
                result[b, k - 1] = slope - following
                slope = following
            earlier = ramp
        result[b, count - 1] = slope
    return result


@compiled
def passed_light(
    weights: Complexes,
    phase: Floats,
    turn: Floats,
    gain: float,
    fringe: Complexes,
    brightness: Floats,
    by_node: Floats,
) -> tuple[Complexes, Complexes]:
    """Sum what passes, U = Σ weights exp{(i turn + gain) φ} (B,), and Σ φ times the same (B,).

    Fill in the derivatives (B, n) of Re[U fringe] + brightness |U|²/2 by the nodes' φ (n,).
    """
    bins, count = weights.shape
    passed, by_gain = np.empty(bins, np.complex128), np.empty(bins, np.complex128)
    grown = np.exp(gain * phase)
    angle, cos, sin = np.empty(count), np.empty(count), np.empty(count)
    for b in range(bins):
        for k in range(count):
            angle[k] = turn[b] * phase[k]
        cosines_and_sines(angle, cos, sin)
        real, imaginary, by_real, by_imaginary = 0.0, 0.0, 0.0, 0.0
        for k in range(count):
            w = weights[b, k]
            x = (w.real * cos[k] - w.imag * sin[k]) * grown[k]
            y = (w.real * sin[k] + w.imag * cos[k]) * grown[k]
            cos[k], sin[k] = x, y
            real += x
            imaginary += y
            by_real += x * phase[k]
            by_imaginary += y * phase[k]
        passed[b] = complex(real, imaginary)
        by_gain[b] = complex(by_real, by_imaginary)
        lever = fringe[b] + brightness[b] * passed[b].conjugate()
        factor = complex(gain, turn[b]) * lever
        for k in range(count):
            by_node[b, k] = factor.real * cos[k] - factor.imag * sin[k]
    return passed, by_gain


@compiled
def near_diagonal(factor: Floats) -> Floats:
    """Inverse of a banded matrix, within its band, from its Cholesky factor.

    `factor` (w + 1, T) is lower, by diagonals, as LAPACK has it. Elsewhere the answer (T, T) is
    zero. The recurrence is that of K. Takahashi, J. Fagan, M.-S. Chin (1973).
    """
    width, size = len(factor) - 1, factor.shape[1]
    inverse = np.zeros((size, size))
    column = np.empty(width)
    for j in range(size - 1, -1, -1):
        count = min(width, size - 1 - j)
        pivot = 1 / factor[0, j]
        for k in range(count):
            column[k] = factor[k + 1, j] * pivot
        for i in range(j + 1, j + 1 + count):
            inverse[i, j] = -dot(column[:count], inverse[i, j + 1 : j + 1 + count])
            inverse[j, i] = inverse[i, j]
        inverse[j, j] = pivot**2 - dot(column[:count], inverse[j, j + 1 : j + 1 + count])
    return inverse
