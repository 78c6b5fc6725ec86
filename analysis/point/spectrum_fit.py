"""Fringe and phase step of a point's spectra, compiled: with drift in them, then without.

The first fit says where a spectrum goes when the path drifts, and so what the frames' phases are;
the second has S_off and ΔS without these.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.phase_step import fit_step
from analysis.fringe.solver import (
    BOTH,
    OFF,
    ON,
    STATIC,
    Grid,
    derivatives,
    fit,
    fit_fringe,
    unpumped,
)
from analysis.numerics.jit import compiled
from analysis.numerics.small_linalg import dot
from analysis.point.normalisation import Setup

Floats = NDArray[np.float64]

_EXPLAINED = 1.5  # χ² a bin
_UNEXPLAINED = 1e-5  # of χ²: 0.3 % of ΔS
_LUCK = 4.0  # standard deviations of χ²
_SLIGHT = 0.005  # of a fringe: what a slit's true shape leaves, and does not move its phase
_ALIKE = 0.3  # rad: beyond, S_off and S_on are different fringes


class First(NamedTuple):
    """What a point's spectra say at first, frames still drifting in them.

    Attributes
    ----------
    p : (13,) array
        Parameters of fringe and step.
    chosen : (n,) array
        Which of the pump's are fitted.
    alone : float
        The variance of Δ if contrast, slope and frequency were known.
    together : bool
        Whether S_off and S_on are two fringes of one shape.
    alike : float
        How much they are the same fringe: 1 where the effect is small, or no fringe of one shape.
    seen : (2, B) array
        S_off and S_on to compare frames with: as measured where they are much the same, as fitted
        where not.
    by_off, by_on : (13, B) array
        Derivatives of S_off and S_on.
    """

    p: Floats
    chosen: NDArray[np.int64]
    alone: float
    together: bool
    alike: float
    seen: Floats
    by_off: Floats
    by_on: Floats


class Fitted(NamedTuple):
    """What a point's spectra say, drift taken out.

    Attributes
    ----------
    p : (13,) array
        Parameters of fringe and step.
    covariance : (7, 7) array
        Of the fringe's.
    off : (B,) array
        S_off of these.
    share : (B,) array
        How much a bin's own phase change counts in Δ.
    link : (7,) array
        Covariances of Δ with the fringe's parameters.
    extra : float
        What not to know contrast, slope and frequency adds to the variance of Δ.
    by_sway, by_tilt : float
        Parts of the variance of Δ that the light's tilt beside the reference makes: by how it sways
        while the point is taken, and by what is not known of it beforehand.
    by_misfit : float
        Variance of Δ: the part of the fringe that its model misses beyond noise, of Δ.
    """

    p: Floats
    covariance: Floats
    off: Floats
    share: Floats
    link: Floats
    extra: float
    by_sway: float
    by_tilt: float
    by_misfit: float


@compiled
def look_first(levels: Floats, weight: Floats, weights: Floats, setup: Setup) -> First:
    """Look at normalised spectra S_off and ΔS (2, B) first; see `normalise`."""
    grid, bins = setup.grid, levels.shape[1]
    p, _ = fit_fringe(grid, levels[0], weight[0] / dot(weights[0], weights[0]))
    step_weight = weight[2] / dot(weights[1], weights[1])
    chosen, _, alone, misfit = fit_step(p, grid, levels[1], step_weight, setup.chirped)
    enough = max(_EXPLAINED * bins, _UNEXPLAINED * dot(levels[1] * levels[1], step_weight))
    together = not setup.chirped and misfit < enough
    alike = np.exp(-((p[STATIC] / _ALIKE) ** 2)) if together else 1.0
    off, by_off = derivatives(unpumped(p), grid.axes)
    on, by_on = derivatives(p, grid.axes)
    seen = np.empty((2, bins))
    for i in range(bins):
        seen[0, i] = alike * levels[0, i] + (1 - alike) * off[i]
        seen[1, i] = alike * (levels[0, i] + levels[1, i]) + (1 - alike) * on[i]
    return First(p, chosen, alone, together, alike, seen, by_off, by_on)


@compiled
def fit_again(
    first: First, levels: Floats, weight: Floats, weights: Floats, swayed: float, setup: Setup
) -> Fitted:
    """Fringe and step of normalised spectra S_off and ΔS (2, B); see `normalise`.

    `swayed` is the variance of the point's mean tilt, and is added to that of the reference's.
    """
    bins, p, chosen, prior = levels.shape[1], first.p.copy(), first.chosen, setup.grid.prior.copy()
    prior[1] = 1 / (1 / prior[1] + swayed)
    grid = Grid(setup.grid.axes, setup.grid.bases, setup.grid.starts, prior, setup.grid.expected)
    off_power, power = dot(weights[0], weights[0]), dot(weights[1], weights[1])
    data, both = np.empty((2, bins)), np.empty((2, bins))
    data[0], data[1] = levels[0], levels[0] + levels[1]
    both[0] = weight[0] / off_power
    both[1] = weight[1] / (off_power + 2 * dot(weights[0], weights[1]) + power)
    states, fitted = OFF, np.arange(STATIC)
    if first.together:  # then S_on knows the fringe as well as S_off does
        states, fitted = BOTH, np.append(fitted, chosen)
    covariance, _ = fit(p, fitted, states, grid, data, both)
    # What the model misses in both spectra alike is not in their difference; which has more of the
    # noise of S_off than S_on has, where the two are different fringes.
    off, by_off = derivatives(unpumped(p), grid.axes)
    for i in range(bins):
        data[1, i] -= first.alike * (levels[0, i] - off[i])
    both[1] = weight[2] / power
    step_covariance, _ = fit(p, chosen, ON, grid, data, both)
    _, by_on = derivatives(p, grid.axes)
    functional = np.zeros(bins)
    for a in range(len(chosen)):
        functional += step_covariance[0, a] * by_on[chosen[a]] * both[1]
    by_fringe, link = np.empty(STATIC), np.empty(STATIC)
    for a in range(STATIC):
        by_fringe[a] = dot(functional, by_off[a]) - dot(functional, by_on[a])
    for a in range(STATIC):
        link[a] = covariance[STATIC, a] if first.together else dot(covariance[a], by_fringe)
    fringe = covariance[:STATIC, :STATIC].copy()
    extra = max(step_covariance[0, 0] - first.alone, 0.0)
    tilted = (link[1] * prior[1]) ** 2
    by_sway, by_tilt = tilted * swayed, tilted / setup.grid.prior[1]
    by_misfit = _missed(levels[0] - off, by_off, p, both[0]) * p[STATIC] ** 2
    share = functional * by_on[STATIC]
    return Fitted(p, fringe, off, share, link, extra, by_sway, by_tilt, by_misfit)


@compiled
def _missed(residual: Floats, by_off: Floats, p: Floats, weight: Floats) -> float:
    """How much of a fringe's power its model misses beyond what is noise and beyond the slight."""
    bins, missed, power = len(residual), 0.0, 0.0
    for i in range(bins):
        swing = p[3] * by_off[4, i] - p[4] * by_off[3, i]
        missed += weight[i] * residual[i] ** 2
        power += weight[i] * swing**2
    luck = bins + _LUCK * np.sqrt(2 * bins)
    return max((missed - luck) / power - _SLIGHT**2, 0.0)
