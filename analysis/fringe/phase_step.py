"""Fit the change of a fringe by the pump: which parameters, and which turn of the phase. Compiled.

The pump's parameters are Δ, energy h0 and tilt h1, and three more: contrast c, slope d and shift f.
Each of these three costs precision of Δ. Where the probe is chirped they are physical and always
fitted. Elsewhere each one is fitted only if it hardly costs precision or the data show it clearly.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import parameters as par
from analysis.fringe.solver import ON, Grid, derivatives, fit, unpumped
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.small_linalg import assign

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_BASIC = 3
"""Number of the pump's parameters that are always fitted: Δ, energy, tilt."""

_LOW_COST = 1.07
"""Increase of the variance of Δ, as a factor, up to which c, d and f are fitted anyway: 3 % of
sigma."""

_ODDS = 1000.0
"""Required odds against a parameter's being noise, times what it costs in the variance of Δ: one
wrong choice in a thousand points. Test: tests/analysis/point/test_limits.py (scatter)."""

_EXPLAINED = 0.98
"""Share of the difference's χ² that a fit with the right turn of the phase explains at least; the
fit is repeated from other turns below it."""

_GOOD_CHI2 = 2.0
"""Reduced χ² below which the turn of the phase is not questioned."""

_LARGE_PRIOR_CHI2 = 100.0
"""χ² of the priors of c, d and f above which the turn of the phase is questioned: ten standard
deviations are not physical."""

_AMBIGUOUS_PHASE = 1.5
"""|Δ| in rad above which a fit from one turn more and one turn less is compared: narrow light shows
little difference. Test: tests/analysis/point/test_limits.py (narrow light)."""

_TURN_GRID = np.arange(-10.0, 10.1, 0.5)
"""Phase steps, rad, from which a fit is started again: 1.6 turns, dense enough for its reach."""


@compiled_within
def fit_step(
    p: Floats, grid: Grid, difference: Floats, weight: Floats, chirped: bool
) -> tuple[Indices, Floats, float, float]:
    """Fit the pump's parameters to a difference of spectra, in place.

    Parameters
    ----------
    p : (13,) array
        Parameters, those of the fringe known; to be completed.
    grid : Grid
    difference, weight : (K,) array
        S_on − S_off in units of the reference, and its inverse variance.
    chirped : bool
        Whether the probe's colours pass at different times: all parameters are fitted.

    Returns
    -------
    chosen : (n,) array
        Indices of the parameters that were fitted.
    covariance : (n, n) array
    variance : float
        Variance of Δ if c, d and f were known, rad².
    chi2 : float
    """
    off, _ = derivatives(unpumped(p), grid.axes)
    data, weights = np.empty((2, len(off))), np.empty((2, len(off)))
    for i in range(len(off)):
        data[1, i], weights[1, i] = off[i] + difference[i], weight[i]
    for a in range(par.FRINGE_PARAMETERS, par.PARAMETERS):
        p[a] = 0.0
    pumped = np.arange(par.FRINGE_PARAMETERS, par.PARAMETERS)
    covariance, cost = _right_turn(p, pumped, grid, data, weights, off)
    step = p[par.FRINGE_PARAMETERS :].copy() if chirped else p[par.FRINGE_PARAMETERS :]
    chosen, variance = _affordable(step, covariance.copy())
    if chirped:
        return pumped, covariance, variance, cost
    if len(chosen) < len(pumped):
        covariance, cost = fit(p, chosen, ON, grid, data, weights)
    if covariance[0, 0] > _LOW_COST * variance:  # c, d or f seem clear enough to be worth it
        few, simple = pumped[:_BASIC].copy(), p.copy()
        for a in range(par.FRINGE_PARAMETERS + _BASIC, par.PARAMETERS):
            simple[a] = 0.0
        simple_covariance, simple_cost = fit(simple, few, ON, grid, data, weights)
        price = covariance[0, 0] / simple_covariance[0, 0]
        if simple_cost - cost < 2 * np.log(_ODDS * price) + price:
            assign(p, simple)
            return few, simple_covariance, variance, simple_cost
    return chosen, covariance, variance, cost


@compiled_within
def _right_turn(
    p: Floats, pumped: Indices, grid: Grid, data: Floats, weights: Floats, off: Floats
) -> tuple[Floats, float]:
    """Fit all of the pump's parameters in place, from several turns of the phase if in doubt.

    Parameters
    ----------
    p : (13,) array
    pumped : (6,) array
        Indices of the pump's parameters.
    grid : Grid
    data, weights : (2, K) array
        As in `fit`.
    off : (K,) array
        Spectrum without the pump.

    Returns
    -------
    covariance : (6, 6) array
    chi2 : float
    """
    covariance, cost = fit(p, pumped, ON, grid, data, weights)
    unphysical = power = 0.0
    for a in range(par.FRINGE_PARAMETERS + _BASIC, par.PARAMETERS):
        unphysical += p[a] * p[a] * grid.prior_weight[a]
    for i in range(len(off)):
        power += (data[1, i] - off[i]) ** 2 * weights[1, i]
    enough = (1 - _EXPLAINED) * power
    if unphysical > _LARGE_PRIOR_CHI2 or cost > max(enough, _GOOD_CHI2 * len(off)):
        other = unpumped(p)
        other[par.DELTA_PHI] = _best_of_grid(p, grid, data[1], weights[1])
        other_covariance, other_cost = fit(other, pumped, ON, grid, data, weights)
        # Where different colours see different phases no turn explains them: the nearest stays.
        if other_cost < min(cost, enough):
            assign(p, other)
            covariance, cost = other_covariance, other_cost
    if abs(p[par.DELTA_PHI]) > _AMBIGUOUS_PHASE:
        for turn in (-2 * np.pi, 2 * np.pi):
            other = unpumped(p)
            other[par.DELTA_PHI] = p[par.DELTA_PHI] + turn
            other_covariance, other_cost = fit(other, pumped, ON, grid, data, weights)
            if other_cost < cost:
                assign(p, other)
                covariance, cost = other_covariance, other_cost
    return covariance, cost


@compiled_within
def _affordable(step: Floats, covariance: Floats) -> tuple[Indices, float]:
    """Choose among c, d and f those that hardly cost precision of Δ or are clearly there.

    The more a parameter costs, the clearer it must be: if it is noise, it adds to the scatter. The
    most expensive one that is not clear is left out first, then the others are judged again.

    Parameters
    ----------
    step : (n,) array
        The pump's parameters; those left out become 0, all others their conditional values.
    covariance : (n, n) array
        Their covariance, changed in the same way.

    Returns
    -------
    chosen : (m,) array
        Indices, among all parameters, of those that stay.
    variance : float
        Variance of Δ if c, d and f were known.
    """
    count = len(step)
    kept = np.ones(count, np.bool_)
    known, values = covariance.copy(), step.copy()
    for extra in range(_BASIC, count):
        _condition(values, known, extra)
    for _ in range(_BASIC, count):
        if covariance[0, 0] < _LOW_COST * known[0, 0]:
            break
        worst, least = count, covariance[0, 0]
        for extra in range(_BASIC, count):
            if kept[extra]:
                own = covariance[extra, extra]
                rest = covariance[0, 0] - covariance[0, extra] ** 2 / own
                clear = step[extra] ** 2 / own - 2 * np.log(_ODDS * covariance[0, 0] / rest)
                if clear < 0 and rest < least:
                    worst, least = extra, rest
        if worst == count:
            break
        kept[worst] = False
        _condition(step, covariance, worst)
    number, chosen = 0, np.empty(count, np.int64)
    for a in range(count):
        if kept[a]:
            chosen[number] = par.FRINGE_PARAMETERS + a
            number += 1
    return chosen[:number], known[0, 0]


@compiled
def _condition(values: Floats, covariance: Floats, zero: int) -> None:
    """Condition values (n,) and their covariance (n, n), in place, on one of them being 0."""
    own, value = covariance[zero, zero], values[zero]
    for a in range(len(values)):
        if a != zero:
            link = covariance[zero, a] / own
            values[a] -= link * value
            for b in range(len(values)):
                covariance[a, b] -= link * covariance[zero, b]
    values[zero] = 0.0


@compiled_within
def _best_of_grid(p: Floats, grid: Grid, data: Floats, weight: Floats) -> float:
    """Return the phase of `_TURN_GRID`, rad, that fits S_on (K,) best with free energy and tilt."""
    trial = unpumped(p)
    best, explained = 0.0, -1.0
    for turn in _TURN_GRID:
        trial[par.DELTA_PHI] = turn
        model, table = derivatives(trial, grid.axes)
        by_tilt = table[par.PUMP_TILT]
        a = b = c = level = tilt = 0.0
        for i in range(len(model)):
            weighted = model[i] * weight[i]
            a += weighted * model[i]
            b += weighted * by_tilt[i]
            c += by_tilt[i] * weight[i] * by_tilt[i]
            level += weighted * data[i]
            tilt += by_tilt[i] * weight[i] * data[i]
        gain = (c * level**2 - 2 * b * level * tilt + a * tilt**2) / (a * c - b * b)
        if gain > explained:
            best, explained = turn, gain
    return best
