"""Minima of χ² of the rate equations, and whether the data know of a laser mode at all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import chi2

from analysis.estimate import widening
from analysis.rate_equations.parameters import THRESHOLD
from analysis.rate_equations.residuals import Problem

__all__ = ["Minimum", "lasing_start", "minimise", "no_lasing"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Minimum:
    """A minimum of χ².

    Attributes
    ----------
    theta : array
        Parameters.
    covariance : array
        Theirs, widened; 0 for those that were not fitted.
    chi2, width : float
        Its value, and by how much sigmas are widened, √(χ²/dof) where that is above 1.
    free : array of bool
        What was fitted.
    converged : bool
        Whether the minimum was reached.
    """

    theta: Floats
    covariance: Floats
    chi2: float
    width: float
    free: Booleans
    converged: bool

    @property
    def sigma(self) -> Floats:
        """Widened standard deviation of each parameter."""
        return np.sqrt(np.diag(self.covariance))


def minimise(problem: Problem, start: Floats, free: Booleans, tolerance: float = 1e-7) -> Minimum:
    """Fit the `free` parameters until χ² changes by less than a share `tolerance`."""

    def full(values: Floats) -> Floats:
        theta = start.copy()
        theta[free] = values
        return theta

    low, high = problem.low[free], problem.high[free]
    margin = 1e-6 * (high - low)
    result = least_squares(
        lambda values: problem(full(values))[0],
        np.clip(start[free], low + margin, high - margin),
        lambda values: problem(full(values))[1][:, free],
        bounds=(low, high),
        x_scale="jac",
        ftol=tolerance,
        xtol=1e-9,
        gtol=None,
        max_nfev=100,
    )
    width = widening(2 * result.cost / problem.dof(free))
    inverse = np.linalg.pinv(result.jac.T @ result.jac, hermitian=True)
    covariance = np.zeros((len(start), len(start)))
    covariance[np.ix_(free, free)] = width**2 * inverse
    return Minimum(full(result.x), covariance, 2 * result.cost, width, free, result.status > 0)


def lasing_start(problem: Problem) -> Floats:
    """Start of the full fit: the threshold, among every second curve's density, that fits best."""
    starts = []
    for threshold in np.sort(problem.start[problem.initial])[::2]:
        start = problem.start.copy()
        start[THRESHOLD] = threshold
        starts.append(start)
    return min(starts, key=lambda start: float(np.sum(problem(start)[0] ** 2)))


def no_lasing(problem: Problem, dark: Minimum, lasing: Minimum) -> str:
    """Say why the data know nothing of a laser mode; empty if they do."""
    densest = float(np.exp(lasing.theta[problem.initial].max()))
    if dark.chi2 - lasing.chi2 < chi2.isf(1e-4, 3) * lasing.width**2:
        return f"no curve shows stimulated emission; the densest starts at {densest:.3g} cm-3"
    if np.exp(lasing.theta[THRESHOLD]) > densest:
        return f"no curve starts above the threshold; the densest starts at {densest:.3g} cm-3"
    return ""
