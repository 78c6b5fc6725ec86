"""A phase against time from the spectra of a delay scan, by regularised weighted least squares.

Gauss and Newton on the equations of `scan_equations`, with a prior.

The prior is that φ is nearly straight within a picosecond, how nearly is found from the data for
every picosecond by itself: MacKay, Neural Comput. 4, 415 (1992), Eq. 4.9. A rise of 0.1 ps and a
decay of 100 ps so stand side by side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from analysis.chirp.bordered_matrix import Bordered, inverse
from analysis.chirp.group_delay import chirp_delay
from analysis.chirp.linear_model import Normal, Scan, ScanEquations
from analysis.chirp.pulse_response import TimeResponse

__all__ = ["Inversion", "Search"]

Floats = NDArray[np.float64]

_STEPS = 14  # a scan takes six to ten
_HALVINGS = 6  # of a step that makes things worse
_DONE = 0.05  # of a standard deviation, by which no node moves any more
_ROUNDS = 4  # of the prior's strength in a step
_SEGMENT = 1.0  # ps with one strength of the prior
_FEWEST = 8  # bends with one strength
_MODEL_SIGMA = 0.003  # ps at the band's ends: light beyond the band is taken to go on as there
_BAND_END = 1.5  # 100 rad/ps from the centre
_STRAIGHT = 1e-5  # rad/ps: bends of less do not count
_SHARED = (0.5, 0.0, 0.0)  # prior mean of w, s and α
_SHARED_SIGMA = (0.3, 0.03, 0.1)  # s per 100 rad/ps: Δn ~ ω^±2 is 0.1; α: 0.05 in CsPbBr3
_CHIRP_SIGMA = 1.0  # ps/(100 rad/ps)^k about the start: next to no prior
_MISFIT_FROM = 3  # step, after which misfits count as noise


@dataclass(frozen=True)
class Inversion:
    """Result of a `Search`.

    Attributes
    ----------
    phase : (T,) array
        rad at the band's centre.
    covariance : (T, T) array
        rad².
    kernel : (T, T) array
        Averaging kernel: row t says how much the true φ of every node counts in φ at t.
    chirp, chirp_sigma : (C,) array
        See `analysis.chirp.group_delay.chirp_delay`; empty where the chirp was given.
    """

    phase: Floats
    covariance: Floats
    kernel: Floats
    chirp: Floats
    chirp_sigma: Floats


class Search:
    """Search for φ on a grid.

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

    Attributes
    ----------
    coherent : bool
    """

    def __init__(
        self,
        scan: Scan,
        grid: Floats,
        start: Floats,
        delay: Floats,
        chirp: Floats,
        coherent: bool,
    ) -> None:
        self.coherent = coherent
        self._scan, self._size, self._chirps = scan, len(grid), len(chirp)
        self._bends, self._segment = _bends(grid)
        self._fixed = np.array([*_SHARED_SIGMA, *[_CHIRP_SIGMA] * len(chirp)]) ** -2.0
        self._expected = np.array([*_SHARED, *chirp])
        self._unknown = np.concatenate([start, self._expected])
        level = 1e-2 / max(float(np.var(start)), 1e-4)
        self._strength = np.full(int(self._segment[-1]) + 1, level)
        self._scale = np.ones(len(scan.spectra))
        self._known = self._light(delay)
        self._equations = ScanEquations(scan, grid, len(chirp))
        self._normal = self._at(self._unknown)
        self._matrix = self._prior()
        self._step, self._settled = 0, False

    @property
    def misfit(self) -> float:
        """χ² now, of the noise that the points' weights stand for: for comparing models."""
        return float(self._normal.reduced_chi2.sum())

    def _light(self, delay: Floats) -> TimeResponse:
        scan = self._scan
        return TimeResponse.of_light(
            scan.wavelength, delay, scan.light, scan.resolution, self.coherent
        )

    def _at(self, unknown: Floats) -> Normal:
        response = self._known
        if self._chirps:
            late = chirp_delay(self._scan.wavelength, unknown[self._size + len(_SHARED) :])
            response = self._light(late)
        return self._equations.at(unknown, response, self._scale)

    def _prior(self) -> Floats:
        """Inverse covariance (U, U) of the prior."""
        size, count = self._size, len(self._bends)
        matrix = np.zeros((len(self._unknown),) * 2)
        strong = self._strength[self._segment]
        places = np.arange(count)
        for i in range(3):
            for j in range(3):
                product = strong * self._bends[:, i] * self._bends[:, j]
                matrix[places + i, places + j] += product
        others = np.arange(size, len(matrix))
        matrix[others, others] = self._fixed
        return matrix

    def _away(self, unknown: Floats) -> Floats:
        """Difference (U,) from what the prior expects."""
        return np.concatenate([unknown[: self._size], unknown[self._size :] - self._expected])

    def _cost(self, normal: Normal, unknown: Floats) -> float:
        away = self._away(unknown)
        return normal.misfit + float(away @ self._matrix @ away)

    def advance(self, steps: int | None) -> None:
        """Go so many steps, or until nothing changes any more."""
        for _ in range(min(steps or _STEPS, _STEPS - self._step)):
            if not self._settled:
                self._advance()

    def _advance(self) -> None:
        for _ in range(_ROUNDS):
            factor, move = self._move()
            uncertain, variance = factor.variances(self._bends)
            self._strengthen(uncertain, self._unknown + move)
        _, move = self._move()
        cost = self._cost(self._normal, self._unknown)
        for _ in range(_HALVINGS):
            trial = self._unknown + move
            tried = self._at(trial)
            if self._cost(tried, trial) <= cost * (1 + 1e-9) + 1e-6:
                self._unknown, self._normal = trial, tried
                break
            move = move / 2
        if self._step == _MISFIT_FROM:
            self._scale = np.maximum(1.0, self._normal.reduced_chi2)
            self._normal = self._at(self._unknown)
        moved = np.abs(move) / np.sqrt(variance)
        self._settled = self._step > _MISFIT_FROM and float(moved.max()) < _DONE
        self._step += 1

    def _move(self) -> tuple[Bordered, Floats]:
        """Find the matrix of the equations with the prior, and Newton's step (U,)."""
        self._matrix = self._prior()
        normal, size = self._normal, self._size
        factor = Bordered(normal.information + self._matrix, size, max(normal.width, 2))
        downhill = normal.gradient - self._matrix @ self._away(self._unknown)
        return factor, factor.solve(downhill)

    def _strengthen(self, uncertain: Floats, unknown: Floats) -> None:
        """MacKay's update of the prior's inverse variances, one a segment.

        From the variances (T - 2,) of the bends, at the unknowns (U,).
        """
        count = np.bincount(self._segment)
        free = count - self._strength * np.bincount(self._segment, uncertain)
        bent = (self._bends * sliding_window_view(unknown[: self._size], 3)).sum(axis=1)
        energy = np.bincount(self._segment, bent**2)
        self._strength = (np.maximum(free, 0.0) + 1.0) / (energy + count * _STRAIGHT**2)

    def result(self) -> Inversion:
        """Give what has been found."""
        size, first = self._size, self._size + len(_SHARED)
        covariance = inverse(self._normal.information + self._matrix)
        orders = np.arange(1, self._chirps + 1)
        sigma = np.sqrt(np.diag(covariance)[first:])
        return Inversion(
            phase=self._unknown[:size],
            covariance=covariance[:size, :size],
            kernel=(covariance @ self._normal.information)[:size, :size],
            chirp=self._unknown[first:],
            chirp_sigma=np.hypot(sigma, _MODEL_SIGMA / _BAND_END**orders),
        )


def _bends(grid: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Find what three neighbours count (T - 2, 3) in a change of slope, and each one's segment."""
    h = np.diff(grid)
    bends = np.stack([1 / h[:-1], -1 / h[:-1] - 1 / h[1:], 1 / h[1:]], axis=1)
    # At the least so many bends have one strength: fewer do not know it.
    passed = np.cumsum(np.minimum(h[:-1] / _SEGMENT, 1 / _FEWEST))
    _, segment = np.unique(passed // 1, return_inverse=True)
    return bends, segment
