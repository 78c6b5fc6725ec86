"""Search for the parameters of Eq. 4 that fit the points of a movie best: χ² with priors."""

from dataclasses import dataclass, replace
from math import inf, isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import lsq_linear

from analysis.diffusion.cloud_model import (
    AMPLITUDE,
    WAIST,
    A,
    B,
    C,
    CloudModel,
    D,
    Scene,
    Stimulated,
    X,
    Y,
)
from analysis.estimate import ONE_SIDED, Estimate
from analysis.rate_equations.data import RateConstants

__all__ = ["UPPER95", "Movie", "Optimum"]

Floats = NDArray[np.float64]

EARLIEST = 3.0
"""ps: before it, the chirped probe overlaps the pump."""
FRAMES = 4
"""The fewest that are fitted."""
VISIBLE = 5.0
"""Standard deviations by which a movie's mean must stand out of the noise."""
ITERATIONS, TOLERANCE = 60, 1e-3
"""Of the search, which ends when χ² can fall by no more than the tolerance."""
CRAWL, PATIENCE = 1e-2, 12
"""Or when it has not fallen by this in so many steps: k(t) before the first frames hardly shows,
and what the search may still gain there moves D by a hundredth of its sigma."""
DAMPING, LEAST_DAMPING = 1e-6, 1e-12
"""Levenberg's, of parameters in units in which χ² has second derivatives of one."""
TRUSTED, DOUBTED = 0.5, 0.1
"""Shares of the expected fall of χ² above which it is damped less and below which more."""
UPPER95 = ONE_SIDED**2
"""Δχ² of a one-sided limit at 95 % confidence."""


@dataclass(frozen=True)
class Optimum:
    """Where χ² (priors included) is smallest."""

    stimulated: Stimulated
    values: Floats
    sigmas: Floats
    chi2: float


class Movie:
    """The points to fit and what is known beforehand, and the search for the best parameters."""

    def __init__(
        self,
        scene: Scene,
        density: ArrayLike,
        sigma: ArrayLike,
        pump_waist: Estimate,
        rates: RateConstants | None,
        positions: int,
    ) -> None:
        values, errors = np.asarray(density, np.float64), np.asarray(sigma, np.float64)
        good = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
        use = good.any(axis=(1, 2)) & (scene.time >= EARLIEST)
        self.scene = replace(scene, time=scene.time[use], spread=scene.spread[use])
        self._good, values, errors = good[use], values[use], errors[use]
        _check(values, errors, self._good, positions)
        self.unit = float(values[self._good].max())
        self._data = values[self._good] / self.unit
        self._weight = self.unit / errors[self._good]
        self.points = len(self._data)
        self.start = np.zeros(8)
        self.start[[D, AMPLITUDE]] = 1.0
        self.free = np.ones(8, bool)
        self.free[Y] = len(scene.y) > 1
        if not isfinite(pump_waist.value):
            raise ValueError("the pump's waist is not known: run overlap_pump, which measures it")
        known = isfinite(pump_waist.sigma) and pump_waist.sigma > 0
        row = np.eye(1, 8, WAIST) / (pump_waist.sigma if known else inf)
        self._prior, self._target = row, row[:, WAIST] * pump_waist.value
        self.start[WAIST], self.free[WAIST] = pump_waist.value, pump_waist.sigma != 0
        if rates is None:
            self.free[[B, C]] = False
        else:
            self._know(rates)

    def _know(self, rates: RateConstants) -> None:
        """Add the prior of the rates, one row of residuals an axis of the Gaussian."""
        factors = np.array([1e-12, 1e-12 * self.unit, 1e-12 * self.unit**2, 1.0])
        values = factors * rates.values
        information = rates.information / np.outer(factors, factors)
        scale = np.sqrt(np.diag(information))
        scale[scale == 0] = 1.0
        strength, axes = np.linalg.eigh(information / np.outer(scale, scale))
        told = strength > 1e-9
        rows = np.zeros((int(told.sum()), 8))
        rows[:, [A, B, C, D]] = np.sqrt(strength[told])[:, np.newaxis] * axes.T[told] * scale
        self._prior = np.concatenate([self._prior, rows])
        self._target = np.append(self._target, rows[:, [A, B, C, D]] @ values)
        self.start[[A, B, C]] = values[:3]

    @property
    def priors(self) -> int:
        """How many numbers are known beforehand."""
        return int(self._prior.any(axis=1).sum())

    def fit(self, stimulated: Stimulated, start: Floats, diffusion: float | None = None) -> Optimum:
        """Fit by Levenberg and Marquardt within bounds; `diffusion` is held where given."""
        model = CloudModel(self.scene, stimulated)
        free = np.append(self.free, np.ones(len(stimulated.nodes), bool))
        low = np.zeros(len(start))
        low[[X, Y]], low[WAIST] = -inf, self.scene.probe_waist / 10
        values = np.maximum(start, low)
        if diffusion is not None:
            values[D], free[D] = diffusion, False
        residual, slope = self._compare(model, values)
        damping, slow, stalled = DAMPING, inf, 0
        for _ in range(ITERATIONS):
            chi2 = float(residual @ residual)
            # Not by BLAS: its threads would cost ten times as much as they save at this size.
            hessian = np.einsum("in,jn->ij", slope[free], slope[free])
            uphill = np.einsum("in,n->i", slope[free], residual)
            scale = np.sqrt(np.diag(hessian)) + 1e-9
            damped = hessian / np.outer(scale, scale) + damping * np.eye(len(scale))
            root = np.linalg.cholesky(damped)
            wanted = np.linalg.solve(root, -uphill / scale)
            bounds = ((low - values)[free] * scale, inf)
            step = lsq_linear(root.T, wanted, bounds, method="bvls").x / scale
            expected = float(-step @ (2 * uphill + hessian @ step))
            stalled = 0 if chi2 < slow - CRAWL else stalled + 1
            slow = chi2 if stalled == 0 else slow
            if expected < TOLERANCE or stalled == PATIENCE:
                sigmas = _sigmas(hessian, free, values <= low)
                return Optimum(stimulated, values, sigmas, chi2)
            trial = values.copy()
            trial[free] = np.maximum(values[free] + step, low[free])
            new_residual, new_slope = self._compare(model, trial)
            share = (chi2 - float(new_residual @ new_residual)) / expected
            if share > 0:
                values, residual, slope = trial, new_residual, new_slope
            if share > TRUSTED:
                damping = max(damping / 10, LEAST_DAMPING)
            elif share < DOUBTED:
                damping *= 10
        raise ValueError("the fit of Eq. 4 does not converge: does the movie show one cloud?")

    def _compare(self, model: CloudModel, values: Floats) -> tuple[Floats, Floats]:
        """Residuals (N,) in sigmas, priors last, and their derivatives (P, N)."""
        density, table = model(values)
        residual = (density[self._good] - self._data) * self._weight
        slope = table[:, self._good] * self._weight
        away = self._prior @ values[:8] - self._target
        priors = np.zeros((len(values), len(away)))
        priors[:8] = self._prior.T
        return np.append(residual, away), np.concatenate([slope, priors], axis=1)


def _check(density: Floats, sigma: Floats, good: NDArray[np.bool_], positions: int) -> None:
    """Raise ValueError where nothing can be fitted."""
    if len(density) < FRAMES:
        raise ValueError(
            f"the movie has {len(density)} usable delays after {EARLIEST:g} ps, "
            f"diffusion needs at least {FRAMES}: measure more delays"
        )
    count = int(good.any(axis=0).sum())
    if count < positions:
        raise ValueError(
            f"the movie has {count} usable positions, diffusion needs at least {positions}: "
            "measure a denser map"
        )
    weight = sigma[good] ** -2
    if density[good] @ weight < VISIBLE * np.sqrt(weight.sum()):
        raise ValueError("no carriers stand out of the movie's noise: measure longer or pump more")


def _sigmas(hessian: Floats, free: NDArray[np.bool_], at_bound: NDArray[np.bool_]) -> Floats:
    """Return standard deviations (P,) from half the second derivatives of χ² by what is free.

    A parameter at its bound is held there, except D, of which the sigma is wanted in any case.
    """
    moves = free & ~at_bound
    moves[D] = free[D]
    part = hessian[np.ix_(moves[free], moves[free])]
    scale = np.sqrt(np.diag(part)) + 1e-9
    root = np.linalg.cholesky(part / np.outer(scale, scale) + LEAST_DAMPING * np.eye(len(part)))
    sigmas = np.zeros(len(free))
    sigmas[moves] = np.linalg.norm(np.linalg.inv(root), axis=0) / scale
    return sigmas
