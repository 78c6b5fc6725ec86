"""The arithmetic of `analysis.fringe`: its model with derivatives, and the fits, compiled.

Interpreted array operations on a hundred pixels would cost five times as much. Parameters are in
the order g0 g1 g2 A B z r Δ h0 h1 c d; `axes` (3, K) holds q, κ and ρ of the pixels.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(cache=True)
def _best_linear(bases: Floats, data: Floats, weight: Floats) -> tuple[int, Floats]:
    """Index of the basis (n, K) that fits best, and the coefficients (n,)."""
    best, explained, coefficients = 0, -np.inf, np.zeros(bases.shape[1])
    for i in range(len(bases)):
        weighted = bases[i] * weight
        right = weighted @ data
        linear = np.linalg.solve(weighted @ bases[i].T, right)
        if linear @ right > explained:
            best, explained, coefficients = i, linear @ right, linear
    return best, coefficients


@njit(cache=True, fastmath=True)
def _pixel(p: Floats, q: float, tilt: float, ratio: float, row: Floats) -> float:
    """Model at one pixel; its derivatives go to `row`."""
    bend = 1 + p[6] * (ratio - 1)
    phase = p[5] * q * bend + p[7] * ratio + p[11] * tilt
    cos, sin = np.cos(phase), np.sin(phase)
    gain = 1 + p[8] + p[9] * tilt
    envelope = p[0] + tilt * (p[1] + tilt * p[2])
    swing = gain * envelope * (1 + p[10])
    wave = p[3] * cos - p[4] * sin
    contrast = 1 + (1 + p[10]) * wave
    slope = -swing * (p[3] * sin + p[4] * cos)
    row[0] = gain * contrast
    row[1] = row[0] * tilt
    row[2] = row[1] * tilt
    row[3] = swing * cos
    row[4] = -swing * sin
    row[5] = slope * q * bend
    row[6] = slope * p[5] * q * (ratio - 1)
    row[7] = slope * ratio
    row[8] = envelope * contrast
    row[9] = row[8] * tilt
    row[10] = gain * envelope * wave
    row[11] = slope * tilt
    return gain * row[8]


@njit(cache=True)
def derivatives(p: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Model (K,) and its derivatives (12, K)."""
    model = np.empty(axes.shape[1])
    table = np.empty((12, axes.shape[1]))
    row = np.empty(12)
    for i in range(len(model)):
        model[i] = _pixel(p, axes[0, i], axes[1, i], axes[2, i], row)
        table[:, i] = row
    return model, table


@njit(cache=True, fastmath=True)
def _normal_equations(
    p: Floats,
    first: int,
    axes: Floats,
    data: Floats,
    weight: Floats,
    hessian: Floats,
    gradient: Floats,
) -> float:
    """Fill JᵀWJ and JᵀWr of the free parameters; returns rᵀWr."""
    n = len(gradient)
    hessian[:] = 0.0
    gradient[:] = 0.0
    row = np.empty(12)
    cost = 0.0
    for i in range(len(data)):
        residual = data[i] - _pixel(p, axes[0, i], axes[1, i], axes[2, i], row)
        cost += weight[i] * residual * residual
        for a in range(n):
            weighted = weight[i] * row[first + a]
            gradient[a] += weighted * residual
            for b in range(a + 1):
                hessian[a, b] += weighted * row[first + b]
    for a in range(n):
        for b in range(a):
            hessian[b, a] = hessian[a, b]
    return cost


@njit(cache=True)
def _fit(
    p: Floats,
    first: int,
    axes: Floats,
    data: Floats,
    weight: Floats,
    prior: Floats,
    expected: Floats,
) -> Floats:
    """Levenberg–Marquardt on p[first:first + n], in place; returns the covariance (n, n).

    The priors have inverse variances (n,) about `expected`.


    Compiled, because interpreted array operations on a few hundred pixels cost five times as much.
    Returns the covariance (n, n).
    """
    n = len(prior)
    free = slice(first, first + n)
    hessian, gradient = np.empty((n, n)), np.empty(n)
    new_hessian, new_gradient = np.empty((n, n)), np.empty(n)
    diagonal = np.diag(prior)
    cost = _normal_equations(p, first, axes, data, weight, hessian, gradient)
    cost += np.sum(prior * (p[free] - expected) ** 2)
    damping = 0.0
    for _ in range(50):
        downhill = gradient - prior * (p[free] - expected)
        curvature = hessian + diagonal
        step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), downhill)
        p[free] += step
        if np.sum(step * downhill) < 1e-4:  # of χ²: a hundredth of a standard deviation
            break
        new_cost = _normal_equations(p, first, axes, data, weight, new_hessian, new_gradient)
        new_cost += np.sum(prior * (p[free] - expected) ** 2)
        if new_cost <= cost:
            hessian, new_hessian = new_hessian, hessian
            gradient, new_gradient = new_gradient, gradient
            cost = new_cost
            damping /= 10
        else:
            p[free] -= step
            damping = max(10 * damping, 1e-3)
    covariance: Floats = np.linalg.inv(hessian + diagonal)  # type: ignore[assignment]
    return covariance


@njit(cache=True)
def fit_step(
    p: Floats, axes: Floats, difference: Floats, weight: Floats, prior: Floats
) -> tuple[float, Floats, Floats]:
    """Δ, the functional (K,) that gives it, and its derivatives (7,) by the fringe's parameters."""
    off, by_off = derivatives(p, axes)
    covariance = _fit(p, 7, axes, off + difference, weight, prior, np.zeros(5))
    _, by_on = derivatives(p, axes)
    functional = (np.ascontiguousarray(covariance[0]) @ by_on[7:]) * weight
    return p[7], functional, (by_on[:7] - by_off[:7]) @ functional


@njit(cache=True)
def fit_fringe(
    bases: Floats,
    starts: Floats,
    axes: Floats,
    data: Floats,
    weight: Floats,
    prior: Floats,
    curvature: float,
) -> tuple[Floats, Floats]:
    """Parameters (7,) of a spectrum without pump, and their covariance.

    Starts from the best linear fit of the `bases` (n, 4, K), a tilted envelope and a wave each, at
    the paths `starts` (n,); the middle one is where the prior of the path is centred.
    """
    best, linear = _best_linear(bases, data, weight)
    level = linear[0]
    p = np.zeros(12)
    p[0], p[1], p[3], p[4] = level, linear[1], linear[2] / level, linear[3] / level
    p[5], p[6] = starts[best], curvature
    expected = np.zeros(7)
    expected[6] = curvature
    expected[5] = starts[len(starts) // 2]
    covariance = _fit(p, 0, axes, data, weight, prior, expected)
    return p[:7], covariance
