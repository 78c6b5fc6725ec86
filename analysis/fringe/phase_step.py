"""The pump's parameters from a difference of spectra, compiled: which, and the right turn."""

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import (
    ON,
    PARAMETERS,
    STATIC,
    Grid,
    derivatives,
    fit,
    unpumped,
)
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.small_linalg import dot

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_FIRST_EXTRA = 3  # of the pump's parameters: contrast, slope and the shift of the light's frequency
_CHEAP = 1.07  # of the variance of Δ without them
_DOUBT = 1000.0  # times its cost in variance times the chance that it is noise must be below 1
_EXPLAINED = 0.98  # of χ²: less may be the wrong turn of the phase
_GOOD = 2.0  # χ² a bin of the fit: a wrong turn has more
_STRANGE = 100.0  # χ² of the priors of contrast, slope and frequency: so is more than this
_FAR = 1.5  # rad: a turn more may look alike to the fit, above all where the light's band is narrow
_TURNS = np.arange(-10.0, 10.1, 0.5)  # rad


@compiled_within
def fit_step(
    p: Floats, grid: Grid, difference: Floats, weight: Floats, chirped: bool
) -> tuple[Indices, Floats, float, float]:
    """Fit the pump's parameters to S_on − S_off (K,), in place.

    Where the probe is `chirped`, contrast, slope and frequency are always fitted: they are there.
    Elsewhere they are where that hardly costs precision, or the data show them: they would cost
    much of it otherwise, for a plate of half a fringe nearly all.

    Returns the indices (n,) of the parameters that were fitted, their covariance (n, n), the
    variance of Δ if contrast and slope were known, and χ².
    """
    off, _ = derivatives(unpumped(p), grid.axes)
    data, weights = np.empty((2, len(off))), np.empty((2, len(off)))
    data[1], weights[1] = off + difference, weight
    p[STATIC:] = 0.0
    pumped = np.arange(STATIC, PARAMETERS)
    covariance, cost = fit(p, pumped, ON, grid, data, weights)
    extras = p[STATIC + _FIRST_EXTRA :]
    strange = dot(extras * extras, grid.prior[STATIC + _FIRST_EXTRA :])
    enough = (1 - _EXPLAINED) * dot(difference * difference, weight)
    if strange > _STRANGE or cost > max(enough, _GOOD * len(difference)):
        other = unpumped(p)
        other[STATIC] = _right_turn(p, grid, data[1], weight)
        other_covariance, other_cost = fit(other, pumped, ON, grid, data, weights)
        # Where different colours see different phases no turn explains them: the nearest stays.
        if other_cost < min(cost, enough):
            p[:], covariance, cost = other, other_covariance, other_cost
    if abs(p[STATIC]) > _FAR:
        for turn in (-2 * np.pi, 2 * np.pi):
            other = unpumped(p)
            other[STATIC] = p[STATIC] + turn
            other_covariance, other_cost = fit(other, pumped, ON, grid, data, weights)
            if other_cost < cost:
                p[:], covariance, cost = other, other_covariance, other_cost
    step = p[STATIC:].copy() if chirped else p[STATIC:]
    chosen, alone = _affordable(step, covariance.copy())
    if chirped:
        return pumped, covariance, alone, cost
    if len(chosen) < len(pumped):
        covariance, cost = fit(p, chosen, ON, grid, data, weights)
    if covariance[0, 0] > _CHEAP * alone:  # so clear that they are worth it, if that is no mistake
        few, simple = np.arange(STATIC, STATIC + _FIRST_EXTRA), p.copy()
        simple[STATIC + _FIRST_EXTRA :] = 0.0
        simple_covariance, simple_cost = fit(simple, few, ON, grid, data, weights)
        dear = covariance[0, 0] / simple_covariance[0, 0]
        if simple_cost - cost < 2 * np.log(_DOUBT * dear) + dear:
            p[:], chosen, covariance, cost = simple, few, simple_covariance, simple_cost
    return chosen, covariance, alone, cost


@compiled_within
def _affordable(step: Floats, covariance: Floats) -> tuple[Indices, float]:
    """Leave out what may change beside the phase where it costs much and is not clear to see.

    The dearer, the clearer it must be: what is noise after all would add to the scatter. The
    dearest one first, whatever the noise makes of it; its value in `step` (n,) becomes 0, the
    others and their covariance (n, n) what they are if it is known. Returns the parameters that
    stay, and the variance of Δ if all of contrast, slope and frequency are known.
    """
    count = len(step)
    kept = np.ones(count, np.bool_)
    known, values = covariance.copy(), step.copy()
    for extra in range(_FIRST_EXTRA, count):
        _condition(values, known, extra)
    for _ in range(_FIRST_EXTRA, count):
        if covariance[0, 0] < _CHEAP * known[0, 0]:
            break
        dearest, least = count, covariance[0, 0]
        for extra in range(_FIRST_EXTRA, count):
            if kept[extra]:
                own = covariance[extra, extra]
                rest = covariance[0, 0] - covariance[0, extra] ** 2 / own
                clear = step[extra] ** 2 / own - 2 * np.log(_DOUBT * covariance[0, 0] / rest)
                if clear < 0 and rest < least:
                    dearest, least = extra, rest
        if dearest == count:
            break
        kept[dearest] = False
        _condition(step, covariance, dearest)
    return STATIC + np.flatnonzero(kept), known[0, 0]


@compiled
def _condition(values: Floats, covariance: Floats, zero: int) -> None:
    """Change values (n,) and their covariance (n, n) to what they are if one of them is 0."""
    link = covariance[zero] / covariance[zero, zero]
    values -= link * values[zero]
    values[zero] = 0.0
    for a in range(len(link)):
        if a != zero:
            for b in range(len(link)):
                covariance[a, b] -= link[a] * covariance[zero, b]


@compiled_within
def _right_turn(p: Floats, grid: Grid, data: Floats, weight: Floats) -> float:
    """Phase step of a grid over several turns that fits best, energy and tilt free."""
    trial = p.copy()
    trial[8:] = 0.0
    best, explained = 0.0, -1.0
    for turn in _TURNS:
        trial[7] = turn
        model, table = derivatives(trial, grid.axes)
        a = dot(model * weight, model)
        b = dot(model * weight, table[9])
        c = dot(table[9] * weight, table[9])
        level, tilt = dot(model * weight, data), dot(table[9] * weight, data)
        gain = (c * level**2 - 2 * b * level * tilt + a * tilt**2) / (a * c - b * b)
        if gain > explained:
            best, explained = turn, gain
    return best
