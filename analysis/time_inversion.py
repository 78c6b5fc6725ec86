"""A phase against time from the spectra of a delay scan, by regularised weighted least squares.

Gauss and Newton on the equations of `scan_equations`, with a prior.

The prior is that φ is nearly straight within a picosecond, how nearly is found from the data for
every picosecond by itself: MacKay, Neural Comput. 4, 415 (1992), Eq. 4.9. A rise of 0.1 ps and a
decay of 100 ps so stand side by side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.group_delay import chirp_delay
from analysis.scan_equations import Scan, ScanEquations
from analysis.time_response import TimeResponse

__all__ = ["Inversion", "invert"]

Floats = NDArray[np.float64]

_STEPS = 14  # a scan takes six to ten
_HALVINGS = 6  # of a step that makes things worse
_DONE = 0.05  # of a standard deviation, by which no node moves any more
_ROUNDS = 4  # of the prior's strength in a step
_SEGMENT = 1.0  # ps with one strength of the prior
_FEWEST = 8  # bends with one strength
_SERIES_SIGMA = 0.003  # ps at the band's ends: the light's structure beyond its second derivative
_BAND_END = 1.5  # 100 rad/ps from the centre
_STRAIGHT = 1e-5  # rad/ps: bends of less do not count
_SHARED = (0.5, 0.0, 0.0)  # prior mean of w, s and α
_SHARED_SIGMA = (0.3, 0.03, 0.1)  # s per 100 rad/ps: Δn ~ ω^±2 is 0.1; α: 0.05 in CsPbBr3
_CHIRP_SIGMA = 1.0  # ps/(100 rad/ps)^k about the start: next to no prior
_MISFIT_FROM = 3  # step, after which misfits count as noise


@dataclass(frozen=True)
class Inversion:
    """Result of `invert`.

    Attributes
    ----------
    phase : (T,) array
        rad at the band's centre.
    covariance : (T, T) array
        rad².
    kernel : (T, T) array
        Averaging kernel: row t says how much the true φ of every node counts in φ at t.
    shared : (3,) array
        w, s and α of `scan_equations`.
    chirp, chirp_sigma : (C,) array
        See `analysis.group_delay.chirp_delay`; empty where the chirp was given.
    misfit : float
        χ² of the noise that the points' weights stand for: for comparing models.
    reduced_chi2 : (P,) array
        Of each point; beyond 1, its noise has been taken that much larger.
    """

    phase: Floats
    covariance: Floats
    kernel: Floats
    shared: Floats
    chirp: Floats
    chirp_sigma: Floats
    misfit: float
    reduced_chi2: Floats


def invert(
    scan: Scan,
    grid: Floats,
    start: Floats,
    delay: Floats,
    chirp: Floats,
    coherent: bool,
) -> Inversion:
    """Find φ on a grid.

    Parameters
    ----------
    scan : Scan
    grid : (T,) array
        Increasing times, ps.
    start : (T,) array
        φ to start from, rad.
    delay : (B,) array
        When each bin's colour passes the sample, ps; used where `chirp` is empty.
    chirp : (C,) array
        Coefficients to start from where the chirp is to be found too.
    coherent : bool
        See `TimeResponse.of_light`.
    """
    bends, segment = _bends(grid)
    size, extra = len(grid), 3 + len(chirp)
    fixed = np.concatenate([_SHARED_SIGMA, np.full(len(chirp), _CHIRP_SIGMA)]) ** -2.0
    expected = np.concatenate([_SHARED, chirp])
    unknown = np.concatenate([start, expected])
    strength = np.full(len(np.unique(segment)), 1e-2 / max(float(np.var(start)), 1e-4))
    scale = np.ones(len(scan.spectra))
    known = TimeResponse.of_light(scan.wavelength, delay, scan.light, scan.resolution, coherent)

    def response(values: Floats) -> TimeResponse:
        if not len(chirp):
            return known
        late = chirp_delay(scan.wavelength, values[size + 3 :])
        return TimeResponse.of_light(scan.wavelength, late, scan.light, scan.resolution, coherent)

    def prior(strengths: Floats) -> Floats:
        matrix = np.zeros((size + extra,) * 2)
        matrix[:size, :size] = bends.T @ (strengths[segment, np.newaxis] * bends)
        matrix[np.arange(size, size + extra), np.arange(size, size + extra)] = fixed
        return matrix

    def away(values: Floats) -> Floats:
        return np.concatenate([values[:size], values[size:] - expected])

    equations = ScanEquations(scan, grid, len(chirp))
    normal = equations.at(unknown, response(unknown), scale)
    for step in range(_STEPS):
        for _ in range(_ROUNDS):
            matrix = prior(strength)
            covariance = _inverse(normal.information + matrix)
            target = unknown + covariance @ (normal.gradient - matrix @ away(unknown))
            strength = _stronger(strength, bends, segment, covariance[:size, :size], target[:size])
        matrix = prior(strength)
        covariance = _inverse(normal.information + matrix)
        move = covariance @ (normal.gradient - matrix @ away(unknown))
        cost = normal.misfit + away(unknown) @ matrix @ away(unknown)
        for _ in range(_HALVINGS):
            trial = unknown + move
            tried = equations.at(trial, response(trial), scale)
            if tried.misfit + away(trial) @ matrix @ away(trial) <= cost * (1 + 1e-9) + 1e-6:
                unknown, normal = trial, tried
                break
            move = move / 2
        if step == _MISFIT_FROM:
            scale = np.maximum(1.0, normal.reduced_chi2)
            normal = equations.at(unknown, response(unknown), scale)
        moved = np.abs(move) / np.sqrt(np.diag(covariance))
        if step > _MISFIT_FROM and float(moved.max()) < _DONE:
            break
    covariance = _inverse(normal.information + matrix)
    kernel = (covariance @ normal.information)[:size, :size]
    sigma, orders = np.sqrt(np.diag(covariance)), np.arange(1, len(chirp) + 1)
    return Inversion(
        phase=unknown[:size],
        covariance=covariance[:size, :size],
        kernel=kernel,
        shared=unknown[size : size + 3],
        chirp=unknown[size + 3 :],
        chirp_sigma=np.hypot(sigma[size + 3 :], _SERIES_SIGMA / _BAND_END**orders),
        misfit=float(normal.reduced_chi2.sum()),
        reduced_chi2=normal.reduced_chi2,
    )


def _bends(grid: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Find the changes of slope (T - 2, T) at the inner nodes, and the segment of each."""
    h = np.diff(grid)
    bends = np.zeros((len(grid) - 2, len(grid)))
    rows = np.arange(len(bends))
    bends[rows, rows] = 1 / h[:-1]
    bends[rows, rows + 1] = -1 / h[:-1] - 1 / h[1:]
    bends[rows, rows + 2] = 1 / h[1:]
    # At the least so many bends have one strength: fewer do not know it.
    passed = np.cumsum(np.minimum(h[:-1] / _SEGMENT, 1 / _FEWEST))
    _, segment = np.unique(passed // 1, return_inverse=True)
    return bends, segment


def _stronger(
    strength: Floats,
    bends: Floats,
    segment: NDArray[np.intp],
    covariance: Floats,
    phase: Floats,
) -> Floats:
    """MacKay's update of the prior's inverse variances, one a segment."""
    uncertain = np.einsum("ij,jk,ik->i", bends, covariance, bends, optimize=True)
    count = np.bincount(segment)
    free = count - strength * np.bincount(segment, uncertain)
    energy = np.bincount(segment, (bends @ phase) ** 2)
    return (np.maximum(free, 0.0) + 1.0) / (energy + count * _STRAIGHT**2)


def _inverse(matrix: Floats) -> Floats:
    """Inverse of a symmetric positive matrix, kept regular where the data say nothing."""
    diagonal = np.sqrt(np.maximum(np.diag(matrix), 1e-12))
    scaled = matrix / np.outer(diagonal, diagonal)
    scaled[np.diag_indices_from(scaled)] += 1e-11
    inverse: Floats = np.linalg.inv(scaled) / np.outer(diagonal, diagonal)
    return (inverse + inverse.T) / 2
