"""The arithmetic of `analysis.fringe`: its model with derivatives, and the fits, compiled.

Interpreted array operations on a hundred pixels would cost five times as much. Parameters are in
the order g0 g1 g2 A B z r Δ h0 h1 c d f; `axes` (5, K) holds q, κ, ρ − 1, e and ℓ of the
pixels.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PARAMETERS = 13


@njit(cache=True)
def _inverse(matrix: Floats) -> Floats:
    """Inverse (n, n) of a positive definite matrix, by Gauss and Jordan: no pivots needed.

    LAPACK's takes longer to call for such sizes, and several seconds to compile in.
    """
    n = len(matrix)
    left, right = matrix.copy(), np.zeros((n, n))
    for i in range(n):
        right[i, i] = 1.0
    for i in range(n):
        pivot = left[i, i]
        for k in range(n):
            left[i, k] /= pivot
            right[i, k] /= pivot
        for j in range(n):
            factor = left[j, i]
            if j != i:
                for k in range(n):
                    left[j, k] -= factor * left[i, k]
                    right[j, k] -= factor * right[i, k]
    return right


@njit(cache=True)
def _times(matrix: Floats, vector: Floats) -> Floats:
    """Product (n,) of a matrix (n, m) and a vector (m,)."""
    result = np.zeros(len(matrix))
    for i in range(len(matrix)):
        for j in range(len(vector)):
            result[i] += matrix[i, j] * vector[j]
    return result


@njit(cache=True)
def _best_linear(bases: Floats, data: Floats, weight: Floats) -> tuple[int, Floats]:
    """Index of the basis (n, K) that fits best, and the coefficients (n,)."""
    size = bases.shape[1]
    best, explained, coefficients = 0, -np.inf, np.zeros(size)
    for i in range(len(bases)):
        gram, right = np.zeros((size, size)), np.zeros(size)
        for k in range(len(data)):
            for a in range(size):
                weighted = weight[k] * bases[i, a, k]
                right[a] += weighted * data[k]
                for b in range(size):
                    gram[a, b] += weighted * bases[i, b, k]
        linear = _times(_inverse(gram), right)
        gain = 0.0
        for a in range(size):
            gain += linear[a] * right[a]
        if gain > explained:
            best, explained, coefficients = i, gain, linear
    return best, coefficients


@njit(cache=True, fastmath=True)
def _pixel(p: Floats, axes: Floats, i: int, row: Floats) -> float:
    """Model at pixel `i`; its derivatives go to `row`."""
    q, tilt, offset, response, light = axes[0, i], axes[1, i], axes[2, i], axes[3, i], axes[4, i]
    bend = 1 + p[6] * offset
    phase = p[5] * q * bend + p[7] * response + p[11] * tilt
    cos, sin = np.cos(phase), np.sin(phase)
    level, shifted = 1 + p[8] + p[9] * tilt, 1 + p[12] * light
    gain = level * shifted
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
    row[6] = slope * p[5] * q * offset
    row[7] = slope * response
    row[8] = shifted * envelope * contrast
    row[9] = row[8] * tilt
    row[10] = gain * envelope * wave
    row[11] = slope * tilt
    row[12] = level * envelope * contrast * light
    return gain * envelope * contrast


@njit(cache=True)
def derivatives(p: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Model (K,) and its derivatives (13, K)."""
    model = np.empty(axes.shape[1])
    table = np.empty((PARAMETERS, axes.shape[1]))
    row = np.empty(PARAMETERS)
    for i in range(len(model)):
        model[i] = _pixel(p, axes, i, row)
        for a in range(
            PARAMETERS
        ):  # compiles in a tenth of the time that an assignment of slices takes
            table[a, i] = row[a]
    return model, table


@njit(cache=True, fastmath=True)
def _normal_equations(
    p: Floats,
    first: int,
    axes: Floats,
    data: Floats,
    weight: Floats,
    prior: Floats,
    expected: Floats,
    hessian: Floats,
    gradient: Floats,
) -> float:
    """Fill χ²'s half Hessian and downhill gradient in p[first:first + n], priors included."""
    n = len(gradient)
    cost = 0.0
    for a in range(n):
        away = p[first + a] - expected[a]
        cost += prior[a] * away * away
        gradient[a] = -prior[a] * away
        for b in range(n):
            hessian[a, b] = 0.0
        hessian[a, a] = prior[a]
    row = np.empty(PARAMETERS)
    for i in range(len(data)):
        model = _pixel(p, axes, i, row)
        residual = data[i] - model
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
    """
    n = len(prior)
    hessian, gradient = np.empty((n, n)), np.empty(n)
    new_hessian, new_gradient = np.empty((n, n)), np.empty(n)
    fixed = (axes, data, weight, prior, expected)
    cost = _normal_equations(p, first, *fixed, hessian, gradient)
    damping = 0.0
    for _ in range(50):
        damped = hessian.copy()
        for a in range(n):
            damped[a, a] *= 1 + damping
        step = _times(_inverse(damped), gradient)
        gain = 0.0
        for a in range(n):
            p[first + a] += step[a]
            gain += step[a] * gradient[a]
        if gain < 1e-4:  # of χ²: a hundredth of a standard deviation
            break
        new_cost = _normal_equations(p, first, *fixed, new_hessian, new_gradient)
        if new_cost <= cost:
            hessian, new_hessian = new_hessian, hessian
            gradient, new_gradient = new_gradient, gradient
            cost = new_cost
            damping /= 10
        else:
            for a in range(n):
                p[first + a] -= step[a]
            damping = max(10 * damping, 1e-3)
    return _inverse(hessian)


@njit(cache=True)
def fit_step(
    p: Floats, axes: Floats, difference: Floats, weight: Floats, prior: Floats
) -> tuple[float, Floats, Floats, Floats]:
    """Δ, the functional (K,) that gives it, and its derivatives.

    These are by the fringe's parameters (7,), and by the Δ of each pixel alone (K,).
    """
    off, by_off = derivatives(p, axes)
    covariance = _fit(p, 7, axes, off + difference, weight, prior, np.zeros(len(prior)))
    _, by_on = derivatives(p, axes)
    functional = _times(by_on[7:].T, covariance[0]) * weight
    by_fringe = _times(by_on[:7] - by_off[:7], functional)
    return p[7], functional, by_fringe, functional * by_on[7]


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
    p = np.zeros(PARAMETERS)
    p[0], p[1], p[3], p[4] = level, linear[1], linear[2] / level, linear[3] / level
    p[5], p[6] = starts[best], curvature
    expected = np.zeros(7)
    expected[6] = curvature
    expected[5] = starts[len(starts) // 2]
    covariance = _fit(p, 0, axes, data, weight, prior, expected)
    return p[:7], covariance
