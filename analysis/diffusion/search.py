"""Least-squares fit of the diffusion equation (Eq. 4) to the points of a movie, with priors.

χ² is the sum of the squared residuals (model − density)/sigma of all points and of the squared
residuals of the priors: the pump's waist, and the rate constants that other data determine. It is
minimised by Levenberg and Marquardt's method within bounds.
"""

from dataclasses import dataclass
from math import inf, isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import lsq_linear

from analysis.diffusion.cloud_model import (
    AMPLITUDE,
    SHARED,
    WAIST,
    A,
    B,
    C,
    CloudModel,
    D,
    ScanGeometry,
    Stimulated,
    X,
    Y,
)
from analysis.estimate import ONE_SIDED, Estimate
from analysis.rate_equations.data import RateConstants
from ocm_ophyd.errors import DataError

__all__ = ["EARLIEST_TIME", "UPPER95", "Movie", "Optimum"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

EARLIEST_TIME = 3.0
"""Earliest time after the pump at which data enter a fit, ps. All colours of the probe, chirped
over 5 ps, then sample the plasma after the pump; earlier ones sample its creation."""

LEAST_FRAMES = 4
"""Fewest frames that are fitted: below, the nodes of k(t) and D are not determined together."""

VISIBLE = 5.0
"""Smallest weighted mean density of a movie in its standard deviations: noise alone would pass for
carriers in one movie of a million."""

ITERATIONS = 60
"""Largest number of steps of the search. Movies of the simulated plate take 5 to 7; one that takes
ten times as many does not show a cloud of Eq. 4."""

TOLERANCE = 1e-3
"""Expected decrease of χ² below which the search ends: D is then within 3 % of its sigma."""

STALLED_DECREASE = 1e-2
"""Decrease of χ² that `STALLED_STEPS` steps must bring, or the search ends. k(t) before the first
frame has hardly any influence on them; what the search could still gain there changes D by 1e-2 of
its sigma."""

STALLED_STEPS = 12
"""Number of steps without `STALLED_DECREASE` after which the search ends."""

DAMPING, LEAST_DAMPING = 1e-6, 1e-12
"""Levenberg's damping at the start and its least value, relative to the second derivatives of
χ²."""

GOOD_STEP, POOR_STEP = 0.5, 0.1
"""Actual over expected decrease of χ² above which the damping is reduced, and below which it is
increased, tenfold."""

RESOLVED_PRIOR = 1e-9
"""Least eigenvalue of the scaled information matrix of the rates for which its axis is a prior:
above the rounding errors of an axis of which nothing is known."""

LEAST_WAIST = 0.1
"""Lower bound of the cloud's waist, in waists of the probe: below, the probe cannot resolve it."""

UPPER95 = ONE_SIDED**2
"""Increase of χ² at a one-sided limit with 95 % confidence."""


@dataclass(frozen=True)
class Optimum:
    """Parameters at the minimum of χ².

    Attributes
    ----------
    stimulated : Stimulated
        Form of the stimulated emission.
    values, sigmas : (P,) arrays
        Parameters of `CloudModel` and their standard deviations; 0 for those that were held.
    chi2 : float
        Minimum, priors included.
    """

    stimulated: Stimulated
    values: Floats
    sigmas: Floats
    chi2: float


class Residuals(NamedTuple):
    """Residuals in standard deviations, those of the priors last, and their derivatives.

    Attributes
    ----------
    values : (N,) array
        Residuals.
    slopes : (P, N) array
        Derivatives by the parameters.
    """

    values: Floats
    slopes: Floats

    @property
    def chi2(self) -> float:
        """Sum of squares."""
        return float(self.values @ self.values)


class Priors(NamedTuple):
    """Gaussian priors: ``rows @ parameters - targets`` are their residuals.

    Attributes
    ----------
    rows : (M, SHARED) array
        Coefficients of the parameters before the rates of stimulated emission.
    targets : (M,) array
        Expected values of the rows' products, in standard deviations.
    """

    rows: Floats
    targets: Floats


class Movie:
    """Points of a movie with their priors, and the search for the best parameters.

    Frames before `EARLIEST_TIME` and points that are not finite are dropped.

    Parameters
    ----------
    geometry : ScanGeometry
        Times, positions and the sample's dimensions.
    density, sigma : (T, Y, X) arrays
        cm^-3.
    pump_waist : Estimate
        Prior of the cloud's 1/e² radius when it is created, um; held where its sigma is 0.
    rates : RateConstants, optional
        Prior of A, B, C and D. Without it, B and C are 0 and A is free.
    positions : int
        Fewest positions with data.

    Attributes
    ----------
    geometry : ScanGeometry
        Of the frames that are fitted.
    unit : float
        Largest density, cm^-3: the unit of densities in the fit.
    points : int
        Number of points that are fitted.
    start : (SHARED,) array
        Parameters at the start of the search.
    free : (SHARED,) array of bool
        Parameters that are fitted.

    Raises
    ------
    DataError
        Too few frames or positions, no carriers, or an unknown pump waist.
    """

    def __init__(
        self,
        geometry: ScanGeometry,
        density: ArrayLike,
        sigma: ArrayLike,
        pump_waist: Estimate,
        rates: RateConstants | None,
        positions: int,
    ) -> None:
        values, errors = np.asarray(density, np.float64), np.asarray(sigma, np.float64)
        valid = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
        use = valid.any(axis=(1, 2)) & (np.asarray(geometry.time, np.float64) >= EARLIEST_TIME)
        self.geometry = geometry.frames(use)
        self._valid, values, errors = valid[use], values[use], errors[use]
        _check(values, errors, self._valid, positions)
        if not isfinite(pump_waist.value):
            raise DataError("the pump's waist is not known: measure it with overlap_pump")
        self.unit = float(values[self._valid].max())
        self._data = values[self._valid] / self.unit
        self._weight = self.unit / errors[self._valid]
        self.points = len(self._data)
        self.start = np.zeros(SHARED)
        self.start[[D, AMPLITUDE]] = 1.0
        self.start[WAIST] = pump_waist.value
        self.free = np.ones(SHARED, bool)
        self.free[Y] = np.size(geometry.y) > 1
        self.free[WAIST] = pump_waist.sigma != 0
        self._priors = _waist_prior(pump_waist)
        if rates is None:
            self.free[[B, C]] = False
        else:
            self._add_rates(rates)

    def _add_rates(self, rates: RateConstants) -> None:
        """Add the prior of the rates, one row of residuals for each axis of the Gaussian."""
        factors = np.array([1e-12, 1e-12 * self.unit, 1e-12 * self.unit**2, 1.0])
        values = factors * rates.values
        information = rates.information / np.outer(factors, factors)
        scale = np.sqrt(np.diag(information))
        scale[scale == 0] = 1.0
        strength, axes = np.linalg.eigh(information / np.outer(scale, scale))
        known = strength > RESOLVED_PRIOR
        rows = np.zeros((int(known.sum()), SHARED))
        rows[:, [A, B, C, D]] = np.sqrt(strength[known])[:, np.newaxis] * axes.T[known] * scale
        targets = rows[:, [A, B, C, D]] @ values
        self._priors = Priors(
            rows=np.concatenate([self._priors.rows, rows]),
            targets=np.append(self._priors.targets, targets),
        )
        self.start[[A, B, C]] = values[:3]

    @property
    def priors(self) -> int:
        """Number of priors that restrict a parameter."""
        return int(self._priors.rows.any(axis=1).sum())

    def fit(self, stimulated: Stimulated, start: Floats, diffusion: float | None = None) -> Optimum:
        """Minimise χ² by Levenberg and Marquardt's method within bounds.

        Parameters
        ----------
        stimulated : Stimulated
            Form of the stimulated emission.
        start : (P,) array
            Parameters at the start, those of stimulated emission last.
        diffusion : float, optional
            D that is held, cm²/s; without it D is fitted.

        Raises
        ------
        DataError
            The search does not converge.
        """
        model = CloudModel(self.geometry, stimulated)
        free = np.append(self.free, np.ones(len(stimulated.nodes), bool))
        low = np.zeros(len(start))
        low[[X, Y]], low[WAIST] = -inf, self.geometry.probe_waist * LEAST_WAIST
        values = np.maximum(start, low)
        if diffusion is not None:
            values[D], free[D] = diffusion, False
        now = self._residuals(model, values)
        damping, lowest, stalled = DAMPING, inf, 0
        for _ in range(ITERATIONS):
            # einsum and not BLAS, whose threads cost ten times what they save at this size
            hessian = np.einsum("in,jn->ij", now.slopes[free], now.slopes[free])
            gradient = np.einsum("in,n->i", now.slopes[free], now.values)
            step = _damped_step(hessian, gradient, (low - values)[free], damping)
            expected = float(-step @ (2 * gradient + hessian @ step))
            stalled = 0 if now.chi2 < lowest - STALLED_DECREASE else stalled + 1
            lowest = now.chi2 if stalled == 0 else lowest
            if expected < TOLERANCE or stalled == STALLED_STEPS:
                return Optimum(stimulated, values, _sigmas(hessian, free, values <= low), now.chi2)
            trial = values.copy()
            trial[free] = np.maximum(values[free] + step, low[free])
            then = self._residuals(model, trial)
            ratio = (now.chi2 - then.chi2) / expected
            if ratio > 0:
                values, now = trial, then
            if ratio > GOOD_STEP:
                damping = max(damping / 10, LEAST_DAMPING)
            elif ratio < POOR_STEP:
                damping *= 10
        raise DataError("the fit of Eq. 4 does not converge: does the movie show one cloud?")

    def _residuals(self, model: CloudModel, values: Floats) -> Residuals:
        """Compute the residuals of points and priors at the parameters `values`, (P,)."""
        density, derivatives = model(values)
        residuals = (density[self._valid] - self._data) * self._weight
        slopes = derivatives[:, self._valid] * self._weight
        of_priors = self._priors.rows @ values[:SHARED] - self._priors.targets
        prior_slopes = np.zeros((len(values), len(of_priors)))
        prior_slopes[:SHARED] = self._priors.rows.T
        return Residuals(
            np.append(residuals, of_priors), np.concatenate([slopes, prior_slopes], axis=1)
        )


def _waist_prior(pump_waist: Estimate) -> Priors:
    """Return the prior of the cloud's waist, um; a row of zeros where its sigma is 0 or unknown."""
    known = isfinite(pump_waist.sigma) and pump_waist.sigma > 0
    row = np.eye(1, SHARED, WAIST) / (pump_waist.sigma if known else inf)
    return Priors(row, row[:, WAIST] * pump_waist.value)


def _damped_step(hessian: Floats, gradient: Floats, lower: Floats, damping: float) -> Floats:
    """Return the step (F,) of the free parameters that minimises the damped quadratic model of χ².

    Parameters
    ----------
    hessian : (F, F) array
        Half the second derivatives of χ².
    gradient : (F,) array
        Half its first derivatives.
    lower : (F,) array
        Lower bounds of the step.
    damping : float
        Relative to the diagonal of the second derivatives.
    """
    scale = np.sqrt(np.diag(hessian)) + 1e-9
    damped = hessian / np.outer(scale, scale) + damping * np.eye(len(scale))
    root = np.linalg.cholesky(damped)
    target = np.linalg.solve(root, -gradient / scale)
    step: Floats = lsq_linear(root.T, target, (lower * scale, inf), method="bvls").x / scale
    return step


def _check(density: Floats, sigma: Floats, valid: Booleans, positions: int) -> None:
    """Raise DataError where the movie holds too little for a fit.

    Parameters
    ----------
    density, sigma : (T, Y, X) arrays
        cm^-3.
    valid : (T, Y, X) array of bool
        Points with a density and a sigma.
    positions : int
        Fewest positions.
    """
    if len(density) < LEAST_FRAMES:
        raise DataError(
            f"the movie has {len(density)} usable delays after {EARLIEST_TIME:g} ps, "
            f"diffusion needs at least {LEAST_FRAMES}: measure more delays"
        )
    count = int(valid.any(axis=0).sum())
    if count < positions:
        raise DataError(
            f"the movie has {count} usable positions, diffusion needs at least {positions}: "
            "measure a denser map"
        )
    weight = sigma[valid] ** -2
    if density[valid] @ weight < VISIBLE * np.sqrt(weight.sum()):
        raise DataError("no carriers stand out of the movie's noise: measure longer or pump more")


def _sigmas(hessian: Floats, free: Booleans, at_bound: Booleans) -> Floats:
    """Compute the standard deviations (P,) of the parameters.

    A parameter at its bound is taken to be known, except D, whose sigma is needed in any case.

    Parameters
    ----------
    hessian : (F, F) array
        Half the second derivatives of χ² by the free parameters.
    free, at_bound : (P,) arrays of bool
        Whether each parameter is fitted, and whether it is at its bound.
    """
    varied = free & ~at_bound
    varied[D] = free[D]
    part = hessian[np.ix_(varied[free], varied[free])]
    scale = np.sqrt(np.diag(part)) + 1e-9
    root = np.linalg.cholesky(part / np.outer(scale, scale) + LEAST_DAMPING * np.eye(len(part)))
    sigmas = np.zeros(len(free))
    sigmas[varied] = np.linalg.norm(np.linalg.inv(root), axis=0) / scale
    return sigmas
