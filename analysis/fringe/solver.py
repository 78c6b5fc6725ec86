"""Evaluate and fit the model of `analysis.fringe.model`, compiled.

A fit minimises, over a chosen subset of the parameters p,

    χ²(p) = Σ_s Σ_i w_si [d_si − s_i(p_s)]² + Σ_a ω_a (p_a − m_a)²,

with the normalised spectra d and their inverse variances w of the states s (pump off, pump on), the
model s_i(p), and Gaussian priors with means m and inverse variances ω. All loops run along the
pixels, where the processor takes eight at a time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import parameters as par
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.small_linalg import dot, inverse, solve

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

OFF, ON, BOTH = np.array([[0, 1], [1, 2], [0, 2]])
"""Rows of the spectra (2, K) that a fit uses: first row, and the row after the last one. They are
arrays because `fit` would be compiled anew for each tuple of constants."""

_WORK_ROWS = 4
"""Rows of pixels that `evaluate` needs for intermediate results."""

_CHI2_TOLERANCE = 1e-4
"""A fit ends when a step gains less χ² than this: a hundredth of a standard deviation. Test:
tests/analysis/fringe/test_solver.py compares with an independent minimiser."""

_MAX_STEPS = 200
"""Steps of one fit. Typical are 4 to 10; only damaged spectra come near the limit."""

_FIRST_DAMPING = 1e-3
"""Damping, relative to the Hessian's diagonal, after the first step that raised χ²: Nielsen's τ."""

_LEAST_DAMPING = 1e-6
"""Damping, relative to the Hessian's diagonal, below which a step counts as undamped: it changes a
step by less than the tolerance."""


class Axes(NamedTuple):
    """Quantities of the K pixels that the model needs, each a (K,) array.

    Attributes
    ----------
    wavenumber : (K,) array
        q = k − k_c, rad/um.
    tilt : (K,) array
        κ: wavelength below the band's centre, in half bands.
    offset : (K,) array
        ρ − 1 = k/k_c − 1.
    response : (K,) array
        e: phase change of the pixel for a phase change of 1 at the band's centre.
    blur : (K,) array
        b: part of the contrast that bins and slit leave, against the band's centre.
    light_slope : (K,) array
        ℓ = d ln L/dκ of the light's spectrum L.
    """

    wavenumber: Floats
    tilt: Floats
    offset: Floats
    response: Floats
    blur: Floats
    light_slope: Floats


class Grid(NamedTuple):
    """Fixed inputs of all fits of one fringe model.

    Attributes
    ----------
    axes : Axes
    bases : (n, 4, K) array
        A constant, a tilt, a cosine and a sine for each path in `starts`: a fit starts from the
        best linear combination.
    starts : (n,) array
        Optical path differences to start from, um.
    prior_weight, prior_mean : (13,) array
        Inverse variances and means of the parameters' priors; zero weight means no prior.
    """

    axes: Axes
    bases: Floats
    starts: Floats
    prior_weight: Floats
    prior_mean: Floats


class _Problem(NamedTuple):
    """Inputs of one fit: see `fit`."""

    chosen: Indices
    states: Indices
    grid: Grid
    data: Floats
    weight: Floats


class _Workspace(NamedTuple):
    """Memory for one evaluation: model (K,), derivatives (13, K), intermediate rows (5, K)."""

    model: Floats
    table: Floats
    rows: Floats


@compiled
def cosines_and_sines(phase: Floats, cos: Floats, sin: Floats) -> None:
    """Fill in cosine and sine (K,) of phases (K,) in rad.

    Taylor series within an eighth of a turn, exact to 1e-11 for phases up to 1e3. The processor
    computes eight at a time; the library's functions take one number at a time.
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
def evaluate(p: Floats, axes: Axes, model: Floats, table: Floats, rows: Floats) -> None:
    """Fill in the model's spectrum (K,) and its derivatives (13, K).

    One row per loop: in a loop that fills in many rows, the compiler cannot tell that they do not
    overlap, and computes one pixel at a time.

    Parameters
    ----------
    p : (13,) array
        Parameters in the order of `analysis.fringe.parameters`.
    axes : Axes
    model : (K,) array
        To be filled in: spectrum in units of the reference.
    table : (13, K) array
        To be filled in: derivatives by the parameters.
    rows : (4 or more, K) array
        Memory for intermediate results.
    """
    q, tilt, offset, blur = axes.wavenumber, axes.tilt, axes.offset, axes.blur
    response, light = axes.response, axes.light_slope
    g0, g1, g2 = p[par.ENVELOPE], p[par.ENVELOPE_SLOPE], p[par.ENVELOPE_BEND]
    cos, sin, path, bend = p[par.COSINE], p[par.SINE], p[par.PATH], p[par.PATH_BEND]
    delta, h0, h1 = p[par.DELTA_PHI], p[par.PUMP_ENERGY], p[par.PUMP_TILT]
    contrast, slant, shift = 1 + p[par.PUMP_CONTRAST], p[par.PUMP_SLOPE], p[par.PUMP_SHIFT]
    envelope, gain, swing, slope = rows[0], rows[1], rows[2], rows[3]
    by_cos, by_sin, by_energy = table[par.COSINE], table[par.SINE], table[par.PUMP_ENERGY]
    for i in range(len(model)):
        phase = path * q[i] * (1 + bend * offset[i]) + delta * response[i]
        model[i] = phase + slant * q[i]
    cosines_and_sines(model, by_cos, by_sin)
    for i in range(len(model)):
        envelope[i] = g0 + tilt[i] * (g1 + tilt[i] * g2)
        gain[i] = 1 + h0 + h1 * tilt[i]
        swing[i] = envelope[i] * blur[i]
    for i in range(len(model)):
        slope[i] = swing[i] * (cos * by_cos[i] - sin * by_sin[i])
        by_energy[i] = envelope[i] + contrast * slope[i]
    for i in range(len(model)):
        table[par.PUMP_SHIFT, i] = gain[i] * light[i] * by_energy[i]
        by_energy[i] *= 1 + shift * light[i]
        model[i] = gain[i] * by_energy[i]
    for i in range(len(model)):
        gain[i] *= 1 + shift * light[i]
        table[par.PUMP_CONTRAST, i] = gain[i] * slope[i]
        swing[i] *= gain[i] * contrast
    for i in range(len(model)):
        by_cos[i] *= swing[i]
        by_sin[i] *= -swing[i]
    for i in range(len(model)):
        slope[i] = cos * by_sin[i] - sin * by_cos[i]  # derivative by the fringe's phase
    for i in range(len(model)):
        table[par.PATH, i] = slope[i] * q[i] * (1 + bend * offset[i])
    for i in range(len(model)):
        table[par.PATH_BEND, i] = slope[i] * path * q[i] * offset[i]
    _multiply(slope, response, table[par.DELTA_PHI])
    _multiply(slope, q, table[par.PUMP_SLOPE])
    _multiply(by_energy, tilt, table[par.PUMP_TILT])
    for i in range(len(model)):
        table[par.ENVELOPE, i] = model[i] / envelope[i]
    _multiply(table[par.ENVELOPE], tilt, table[par.ENVELOPE_SLOPE])
    _multiply(table[par.ENVELOPE_SLOPE], tilt, table[par.ENVELOPE_BEND])


@compiled
def _multiply(one: Floats, other: Floats, out: Floats) -> None:
    """Fill in the products (K,) of two rows (K,)."""
    for i in range(len(out)):
        out[i] = one[i] * other[i]


@compiled
def derivatives(p: Floats, axes: Axes) -> tuple[Floats, Floats]:
    """Return the model's spectrum (K,) and its derivatives (13, K) for parameters p (13,)."""
    pixels = len(axes.tilt)
    model, table = np.empty(pixels), np.empty((par.PARAMETERS, pixels))
    evaluate(p, axes, model, table, np.empty((_WORK_ROWS, pixels)))
    return model, table


@compiled
def unpumped(p: Floats) -> Floats:
    """Return the parameters (13,) of the same fringe without the pump."""
    off = p.copy()
    for a in range(par.FRINGE_PARAMETERS, par.PARAMETERS):
        off[a] = 0.0
    return off


@compiled
def _normal_equations(
    p: Floats, problem: _Problem, work: _Workspace, hessian: Floats, gradient: Floats
) -> float:
    """Fill in the normal equations of a fit at p (13,), and return χ², priors included.

    Parameters
    ----------
    p : (13,) array
    problem : _Problem
        With n chosen parameters.
    work : _Workspace
    hessian : (n, n) array
        To be filled in: half of the second derivatives of χ², in Gauss's approximation.
    gradient : (n,) array
        To be filled in: half of the first derivatives, downhill.
    """
    chosen, grid, data, weight = problem.chosen, problem.grid, problem.data, problem.weight
    pixels, weighted, residual = data.shape[1], work.rows[_WORK_ROWS], work.model
    cost = 0.0
    for a, parameter in enumerate(chosen):
        away = p[parameter] - grid.prior_mean[parameter]
        cost += grid.prior_weight[parameter] * away * away
        gradient[a] = -grid.prior_weight[parameter] * away
        for b in range(len(chosen)):
            hessian[a, b] = 0.0
        hessian[a, a] = grid.prior_weight[parameter]
    for state in range(problem.states[0], problem.states[1]):
        evaluate(p if state else unpumped(p), grid.axes, work.model, work.table, work.rows)
        for i in range(pixels):
            residual[i] = data[state, i] - residual[i]
            cost += weight[state, i] * residual[i] * residual[i]
        for a, parameter in enumerate(chosen):
            if state == 0 and parameter >= par.FRINGE_PARAMETERS:
                continue
            for i in range(pixels):
                weighted[i] = weight[state, i] * work.table[parameter, i]
            gradient[a] += dot(weighted, residual)
            for b in range(a + 1):
                other, total = chosen[b], 0.0
                for i in range(pixels):
                    total += weighted[i] * work.table[other, i]
                hessian[a, b] += total
    for a in range(len(chosen)):
        for b in range(a):
            hessian[b, a] = hessian[a, b]
    return cost


@compiled
def fit(
    p: Floats, chosen: Indices, states: Indices, grid: Grid, data: Floats, weight: Floats
) -> tuple[Floats, float]:
    """Fit p[chosen] in place by Levenberg's and Marquardt's method.

    The damping follows the ratio of the gain in χ² to the predicted gain (H. B. Nielsen,
    IMM-REP-1999-05, Technical University of Denmark): a fringe of a fraction of a period lies in a
    narrow bent valley of χ².

    Parameters
    ----------
    p : (13,) array
        Parameters: the start, and the result.
    chosen : (n,) array
        Indices of the parameters to fit, rising.
    states : (2,) array
        `OFF`, `ON` or `BOTH`.
    grid : Grid
    data, weight : (2, K) array
        Spectra S_off and S_on and their inverse variances; rows outside of `states` are not read.

    Returns
    -------
    covariance : (n, n) array
    chi2 : float
        With the priors' part.
    """
    n, pixels = len(chosen), data.shape[1]
    hessian, gradient = np.empty((n, n)), np.empty(n)
    new_hessian, new_gradient = np.empty((n, n)), np.empty(n)
    problem = _Problem(chosen, states, grid, data, weight)
    work = _Workspace(
        np.empty(pixels), np.empty((par.PARAMETERS, pixels)), np.empty((_WORK_ROWS + 1, pixels))
    )
    cost = _normal_equations(p, problem, work, hessian, gradient)
    damping, growth = 0.0, 2.0
    for _ in range(_MAX_STEPS):
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
        if gain < _CHI2_TOLERANCE or (damping == 0 and gain * dot(step, step) < _CHI2_TOLERANCE**2):
            break
        new_cost = _normal_equations(p, problem, work, new_hessian, new_gradient)
        if new_cost <= cost:
            ratio = (cost - new_cost) / (gain + damped_part)
            hessian, new_hessian = new_hessian, hessian
            gradient, new_gradient = new_gradient, gradient
            cost = new_cost
            damping *= max(1 / 3, 1 - (2 * ratio - 1) ** 3)
            damping, growth = damping if damping > _LEAST_DAMPING else 0.0, 2.0
        else:
            for a in range(n):
                p[chosen[a]] -= step[a]
            damping, growth = max(growth * damping, _FIRST_DAMPING), 2 * growth
    return inverse(hessian), cost


@compiled_within
def _best_start(grid: Grid, data: Floats, weight: Floats) -> tuple[int, Floats]:
    """Return the index of the basis that fits best, and its coefficients (4,).

    `data` and `weight` (2, K) are as in `fit`; the first row is used.
    """
    size, pixels = grid.bases.shape[1], data.shape[1]
    best, explained, coefficients = 0, -1.0, np.zeros(size)
    gram, right, weighted = np.empty((size, size)), np.empty(size), np.empty(pixels)
    for i in range(len(grid.bases)):
        for a in range(size):
            for k in range(pixels):
                weighted[k] = weight[0, k] * grid.bases[i, a, k]
            right[a] = dot(weighted, data[0])
            for b in range(a + 1):
                gram[a, b] = gram[b, a] = dot(weighted, grid.bases[i, b])
        linear = solve(gram, right)
        gain = dot(linear, right)
        if gain > explained:
            best, explained, coefficients = i, gain, linear
    return best, coefficients


@compiled_within
def fit_fringe(grid: Grid, data: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Fit the spectrum without pump from the best start of `grid`.

    Parameters
    ----------
    grid : Grid
    data, weight : (1 or 2, K) array
        As in `fit`; the first row is used.

    Returns
    -------
    p : (13,) array
    covariance : (7, 7) array
        Of the fringe's parameters.
    """
    best, linear = _best_start(grid, data, weight)
    p = np.zeros(par.PARAMETERS)
    p[par.ENVELOPE], p[par.ENVELOPE_SLOPE] = linear[0], linear[1]
    p[par.COSINE], p[par.SINE] = linear[2] / linear[0], linear[3] / linear[0]
    p[par.PATH], p[par.PATH_BEND] = grid.starts[best], grid.prior_mean[par.PATH_BEND]
    covariance, _ = fit(p, np.arange(par.FRINGE_PARAMETERS), OFF, grid, data, weight)
    return p, covariance
