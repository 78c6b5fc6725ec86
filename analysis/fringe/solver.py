"""The arithmetic of `analysis.fringe.model`: its model with derivatives, and its fit, compiled.

Parameters are in the order g0 g1 g2 A B z r Δ h0 h1 c d f; `axes` (6, K) holds q, κ, ρ − 1,
e, b and ℓ of the pixels. All loops run along the pixels, where the processor takes eight at a time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.numerics.jit import compiled
from analysis.numerics.small_linalg import dot, inverse, solve

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

PARAMETERS = 13

OFF, ON, BOTH = np.array([[0, 1], [1, 2], [0, 2]])
"""Which spectra to fit; arrays, as for each tuple of constants `fit` would be compiled anew."""

_SCRATCH = 4  # rows of pixels to work in
_ROOM = 2 + PARAMETERS + _SCRATCH

_NEAR = 1e-4  # of χ²: a hundredth of a standard deviation

_MOST_STEPS = 200
_DAMPED, _UNDAMPED = 1e-3, 1e-6  # of the Hessian's diagonal: the least, and what counts as none

STATIC = 7
"""Parameters of a spectrum without pump; the others are the pump's."""


class Grid(NamedTuple):
    """The model on its K pixels, for compiled code.

    Attributes
    ----------
    axes : (6, K) array
        q, κ, ρ − 1, e, b and ℓ of the pixels.
    bases : (n, 4, K) array
        A tilted envelope and a wave each: fits start from the best of them.
    starts : (n,) array
        Their paths, um.
    prior, expected : (13,) array
        Inverse variances of the parameters beforehand, and their means.
    """

    axes: Floats
    bases: Floats
    starts: Floats
    prior: Floats
    expected: Floats


@compiled
def cosines_and_sines(phase: Floats, cos: Floats, sin: Floats) -> None:
    """Cosine and sine of phases, by their Taylor series within an eighth of a turn.

    To 1e-11 for phases up to 1e3; the library's functions take one number at a time.
    """
    for i in range(len(phase)):
        quarter = np.floor(phase[i] * (2 / np.pi) + 0.5)
        x = phase[i] - quarter * (np.pi / 2)
        y = x * x
        c = 1 - y / 2 * (1 - y / 12 * (1 - y / 30 * (1 - y / 56 * (1 - y / 90 * (1 - y / 132)))))
        s = x * (1 - y / 6 * (1 - y / 20 * (1 - y / 42 * (1 - y / 72 * (1 - y / 110)))))
        turn = quarter - 4 * np.floor(quarter / 4)  # 0, 1, 2 or 3
        odd = (turn == 1) | (turn == 3)
        cos[i] = (s if odd else c) * (-1.0 if (turn == 1) | (turn == 2) else 1.0)
        sin[i] = (c if odd else s) * (-1.0 if turn > 1 else 1.0)


@compiled
def evaluate(p: Floats, axes: Floats, model: Floats, table: Floats, scratch: Floats) -> None:
    """Fill in the model (K,) and its derivatives (13, K), with room (4, K) to work in.

    Row by row: in a loop that fills in many, the compiler cannot tell that they do not overlap.
    """
    q, tilt, offset, response, blur, light = axes[0], axes[1], axes[2], axes[3], axes[4], axes[5]
    g0, g1, g2, cos, sin, path = p[0], p[1], p[2], p[3], p[4], p[5]
    bend, delta, h0, h1, contrast, slant = p[6], p[7], p[8], p[9], 1 + p[10], p[11]
    shift = p[12]
    level, gain, swing, slope = scratch[0], scratch[1], scratch[2], scratch[3]
    for i in range(len(model)):
        phase = path * q[i] * (1 + bend * offset[i]) + delta * response[i]
        model[i] = phase + slant * q[i]
    cosines_and_sines(model, table[3], table[4])
    for i in range(len(model)):
        level[i] = g0 + tilt[i] * (g1 + tilt[i] * g2)
        gain[i] = 1 + h0 + h1 * tilt[i]
        swing[i] = level[i] * blur[i]
    for i in range(len(model)):
        slope[i] = swing[i] * (cos * table[3, i] - sin * table[4, i])
        table[8, i] = level[i] + contrast * slope[i]
    for i in range(len(model)):
        table[12, i] = gain[i] * light[i] * table[8, i]
        table[8, i] *= 1 + shift * light[i]
        model[i] = gain[i] * table[8, i]
    for i in range(len(model)):
        gain[i] *= 1 + shift * light[i]
        table[10, i] = gain[i] * slope[i]
        swing[i] *= gain[i] * contrast
    for i in range(len(model)):
        table[3, i] *= swing[i]
        table[4, i] *= -swing[i]
    for i in range(len(model)):
        slope[i] = cos * table[4, i] - sin * table[3, i]
    for i in range(len(model)):
        table[5, i] = slope[i] * q[i] * (1 + bend * offset[i])
    for i in range(len(model)):
        table[6, i] = slope[i] * path * q[i] * offset[i]
    _multiply(slope, response, table[7])
    _multiply(slope, q, table[11])
    _multiply(table[8], tilt, table[9])
    for i in range(len(model)):
        table[0, i] = model[i] / level[i]
    _multiply(table[0], tilt, table[1])
    _multiply(table[1], tilt, table[2])


@compiled
def _multiply(one: Floats, other: Floats, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = one[i] * other[i]


@compiled
def derivatives(p: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Model (K,) and its derivatives (13, K)."""
    pixels = axes.shape[1]
    model, table = np.empty(pixels), np.empty((PARAMETERS, pixels))
    evaluate(p, axes, model, table, np.empty((_SCRATCH, pixels)))
    return model, table


@compiled
def unpumped(p: Floats) -> Floats:
    """Return the parameters without the pump."""
    off = p.copy()
    off[STATIC:] = 0.0
    return off


@compiled
def _normal_equations(
    p: Floats,
    chosen: Indices,
    states: Indices,
    grid: Grid,
    data: Floats,
    weight: Floats,
    room: Floats,
    hessian: Floats,
    gradient: Floats,
) -> float:
    """Fill χ²'s half Hessian and downhill gradient in p[chosen], priors included.

    In `room` (_ROOM, K) the model and its derivatives are made.
    """
    pixels = data.shape[1]
    model, weighted = room[0], room[1]
    table, scratch = room[2 : 2 + PARAMETERS], room[2 + PARAMETERS :]
    cost = 0.0
    for a, parameter in enumerate(chosen):
        away = p[parameter] - grid.expected[parameter]
        cost += grid.prior[parameter] * away * away
        gradient[a] = -grid.prior[parameter] * away
        for b in range(len(chosen)):
            hessian[a, b] = 0.0
        hessian[a, a] = grid.prior[parameter]
    for state in range(states[0], states[1]):
        evaluate(p if state else unpumped(p), grid.axes, model, table, scratch)
        for i in range(pixels):
            model[i] = data[state, i] - model[i]
            cost += weight[state, i] * model[i] * model[i]
        for a, parameter in enumerate(chosen):
            if state == 0 and parameter >= STATIC:
                continue
            for i in range(pixels):
                weighted[i] = weight[state, i] * table[parameter, i]
            gradient[a] += dot(weighted, model)
            for b in range(a + 1):
                other, total = chosen[b], 0.0
                for i in range(pixels):
                    total += weighted[i] * table[other, i]
                hessian[a, b] += total
    for a in range(len(chosen)):
        for b in range(a):
            hessian[b, a] = hessian[a, b]
    return cost


@compiled
def fit(
    p: Floats, chosen: Indices, states: Indices, grid: Grid, data: Floats, weight: Floats
) -> tuple[Floats, float]:
    """Levenberg–Marquardt on p[chosen], in place; returns the covariance (n, n) and χ².

    The damping follows how well the last step was foretold (H. B. Nielsen, IMM-REP-1999-05,
    Technical University of Denmark): a fringe that is hardly curved lies in a narrow bent valley.

    Data and weights (2, K) are those of S_off and S_on; `states` says which of them
    count: `OFF`, `ON` or `BOTH`. So do the priors. `chosen` rises.
    """
    n = len(chosen)
    hessian, gradient = np.empty((n, n)), np.empty(n)
    new_hessian, new_gradient = np.empty((n, n)), np.empty(n)
    fixed = (chosen, states, grid, data, weight, np.empty((_ROOM, data.shape[1])))
    cost = _normal_equations(p, *fixed, hessian, gradient)
    damping, growth = 0.0, 2.0
    for _ in range(_MOST_STEPS):
        damped = hessian.copy()
        for a in range(n):
            damped[a, a] *= 1 + damping
        step = solve(damped, gradient)
        gain = damped_part = 0.0
        for a in range(n):
            p[chosen[a]] += step[a]
            gain += step[a] * gradient[a]
            damped_part += damping * hessian[a, a] * step[a] * step[a]
        # Without damping the next step is the square of this one, and gains as many times less.
        if gain < _NEAR or (damping == 0 and gain * dot(step, step) < _NEAR**2):
            break
        new_cost = _normal_equations(p, *fixed, new_hessian, new_gradient)
        if new_cost <= cost:
            foretold = (cost - new_cost) / (gain + damped_part)
            hessian, new_hessian = new_hessian, hessian
            gradient, new_gradient = new_gradient, gradient
            cost = new_cost
            damping *= max(1 / 3, 1 - (2 * foretold - 1) ** 3)
            damping, growth = damping if damping > _UNDAMPED else 0.0, 2.0
        else:
            for a in range(n):
                p[chosen[a]] -= step[a]
            damping, growth = max(growth * damping, _DAMPED), 2 * growth
    return inverse(hessian), cost


@compiled
def _best_linear(bases: Floats, data: Floats, weight: Floats) -> tuple[int, Floats]:
    """Index of the basis (n, K) that fits best, and the coefficients (n,)."""
    size = bases.shape[1]
    best, explained, coefficients = 0, -1.0, np.zeros(size)
    gram, right, weighted = np.empty((size, size)), np.empty(size), np.empty(len(data))
    for i in range(len(bases)):
        for a in range(size):
            for k in range(len(data)):
                weighted[k] = weight[k] * bases[i, a, k]
            right[a] = dot(weighted, data)
            for b in range(a + 1):
                gram[a, b] = gram[b, a] = dot(weighted, bases[i, b])
        linear = solve(gram, right)
        gain = dot(linear, right)
        if gain > explained:
            best, explained, coefficients = i, gain, linear
    return best, coefficients


@compiled
def fit_fringe(grid: Grid, data: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Parameters (13,) of a spectrum (K,) without pump, and the covariance of the fringe's (7, 7).

    Starts from the best linear fit of `grid.bases`.
    """
    best, linear = _best_linear(grid.bases, data, weight)
    level = linear[0]
    p = np.zeros(PARAMETERS)
    p[0], p[1], p[3], p[4] = level, linear[1], linear[2] / level, linear[3] / level
    p[5], p[6] = grid.starts[best], grid.expected[6]
    one = data.reshape(1, -1), weight.reshape(1, -1)
    covariance, _ = fit(p, np.arange(STATIC), OFF, grid, *one)
    return p, covariance
