"""Minima of χ² of the rate equations, the existence of a laser mode, and profile likelihoods.

Sigmas are widened by √(χ²/dof) where that is above 1. Intervals and limits are widened in the same
way: an interval ends where χ² has increased by χ²/dof instead of by 1.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import chi2

from analysis.estimate import ONE_SIDED, Estimate, not_determined, widening
from analysis.rate_equations.parameters import PARAMETERS, THRESHOLD, C
from analysis.rate_equations.residuals import Problem

__all__ = ["Minimum", "estimate", "lasing_start", "minimise", "reason_without_mode"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

RESOLVED = 3.0
"""Value of C in its sigmas below which C is reported not to be resolved from zero."""

NO_MODE_CHANCE = 1e-4
"""Probability with which noise may pass for a laser mode: the decrease of χ² by its three
parameters must be rarer."""

BOUND_DISTANCE = 1e-3
"""Distance from a bound, as a fraction of the range, below which a parameter has no result."""

LARGEST_LOG_SIGMA = 0.7
"""Sigma of a logarithm above which the parameter is not determined: a factor of two."""

EVALUATIONS = 100
"""Largest number of evaluations of one minimum; a search that reaches it is reported not to have
converged."""

PROFILE_TOLERANCE = 1e-5
"""Relative change of χ² at which a minimum of the profile likelihood is reached: for the 700 points
of the experiment below 1e-2 in χ²."""

PROFILE_STEPS = 2
"""Number of secant steps to the end of an interval. The root of the increase of χ² is nearly
linear: after two steps the error is below 2 % of a sigma
(tests/analysis/rate_equations/test_minimise.py)."""


@dataclass(frozen=True)
class Minimum:
    """Minimum of χ².

    Attributes
    ----------
    theta : (P,) array
        Parameters of the fit.
    covariance : (P, P) array
        Their widened covariance; 0 for those that were held.
    chi2 : float
        Value at the minimum.
    width : float
        Factor by which sigmas are widened, √(χ²/dof), at least 1.
    free : (P,) array of bool
        Whether each parameter was fitted.
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
        """(P,) widened standard deviations of the parameters."""
        return np.sqrt(np.diag(self.covariance))


def minimise(problem: Problem, start: Floats, free: Booleans, tolerance: float = 1e-7) -> Minimum:
    """Minimise χ² by the free parameters.

    Parameters
    ----------
    problem : Problem
        Data and priors.
    start : (P,) array
        Parameters at the start; those that are not free keep their values.
    free : (P,) array of bool
        Whether each parameter is fitted.
    tolerance : float
        Relative change of χ² at which the search ends.
    """

    def full(values: Floats) -> Floats:
        theta = start.copy()
        theta[free] = values
        return theta

    low, high = problem.low[free], problem.high[free]
    margin = 1e-6 * (high - low)
    result = least_squares(
        lambda values: problem(full(values)).values,
        np.clip(start[free], low + margin, high - margin),
        lambda values: problem(full(values)).slopes[:, free],
        bounds=(low, high),
        x_scale="jac",
        ftol=tolerance,
        xtol=1e-9,
        gtol=None,
        max_nfev=EVALUATIONS,
    )
    width = widening(2 * result.cost / problem.dof(free))
    inverse = np.linalg.pinv(result.jac.T @ result.jac, hermitian=True)
    covariance = np.zeros((len(start), len(start)))
    covariance[np.ix_(free, free)] = width**2 * inverse
    return Minimum(
        theta=full(result.x),
        covariance=covariance,
        chi2=2 * result.cost,
        width=width,
        free=free,
        converged=result.status > 0,
    )


def lasing_start(problem: Problem) -> Floats:
    """Return the start (P,) of a fit with a mode: the best of several threshold densities.

    Every second of the initial densities is tried.
    """
    starts = []
    for threshold in np.sort(problem.start[problem.initial])[::2]:
        start = problem.start.copy()
        start[THRESHOLD] = threshold
        starts.append(start)
    return min(starts, key=lambda start: float(np.sum(problem(start).values ** 2)))


def reason_without_mode(problem: Problem, without: Minimum, with_mode: Minimum) -> str:
    """Return the reason why the data show no laser mode; an empty text if they show one.

    Parameters
    ----------
    problem : Problem
        Data and priors.
    without, with_mode : Minimum
        Fits without and with a mode.
    """
    densest = float(np.exp(with_mode.theta[problem.initial].max()))
    least = chi2.isf(NO_MODE_CHANCE, 3) * with_mode.width**2
    if without.chi2 - with_mode.chi2 < least:
        return f"no curve shows stimulated emission; the densest starts at {densest:.3g} cm^-3"
    if np.exp(with_mode.theta[THRESHOLD]) > densest:
        return f"no curve starts above the threshold; the densest starts at {densest:.3g} cm^-3"
    return ""


def estimate(problem: Problem, best: Minimum, index: int, profiles: bool) -> Estimate:
    """Return one shared parameter in published units.

    Parameters
    ----------
    problem : Problem
        Data and priors.
    best : Minimum
        Best fit.
    index : int
        Of the parameter.
    profiles : bool
        Compute the interval, and the upper limit of C, by profile likelihood.
    """
    parameter, theta, sigma = PARAMETERS[index], best.theta[index], best.sigma[index]
    name, unit, value = parameter.name, parameter.unit, parameter.published(theta)
    margin = BOUND_DISTANCE * (problem.high[index] - problem.low[index])
    if not problem.low[index] + margin < theta < problem.high[index] - margin:
        bound = f"{value:.3g} {unit.removesuffix('1')}".rstrip()
        return not_determined(unit, f"the fit runs into the bound {name} = {bound}")
    if parameter.scale is None and sigma >= LARGEST_LOG_SIGMA:
        return not_determined(unit, f"{name} is uncertain by a factor of {np.exp(sigma):.2g}")
    error = float(sigma * parameter.slope(theta))
    interval, note = None, ""
    if profiles:
        low, high = (_crossing(problem, best, index, 1.0, sign) for sign in (-1, 1))
        interval = (parameter.published(low), parameter.published(high))
        note = "interval by profile likelihood"
    result = Estimate(value, error, unit, interval=interval, note=note)
    if index != C:
        return result
    if value < RESOLVED * error:
        note = "; ".join(filter(None, ("not resolved from zero", note)))
    limit = parameter.published(_limit(problem, best, index, profiles))
    return replace(result, upper95=limit, note=note)


def _limit(problem: Problem, best: Minimum, index: int, profiles: bool) -> float:
    """Return the upper limit at 95 % of a parameter that cannot be negative.

    The increase of χ² is counted from its minimum at non-negative values.

    Parameters
    ----------
    problem, best, index, profiles
        As in `estimate`; without profiles the limit is that of a Gaussian.
    """
    rise, theta, sigma = ONE_SIDED**2, best.theta[index], best.sigma[index]
    below = min(theta, 0.0) / sigma
    if not profiles:
        return float(theta + sigma * np.sqrt(rise + below**2))
    if below:
        rise += _rise(problem, best, index, 0.0)
    return _crossing(problem, best, index, rise, 1)


def _crossing(problem: Problem, best: Minimum, index: int, rise: float, sign: int) -> float:
    """Return the value of a parameter at which the profile of χ² has increased by `rise`.

    Parameters
    ----------
    problem, best, index
        As in `estimate`.
    rise : float
        In units of the widening squared.
    sign : int
        Side of the minimum, 1 or -1.
    """
    distance = np.sqrt(rise) * best.sigma[index]
    for _ in range(PROFILE_STEPS):
        actual = _rise(problem, best, index, best.theta[index] + sign * distance)
        distance *= float(np.clip(np.sqrt(rise / max(actual, 1e-9)), 0.5, 2.0))
    return float(best.theta[index] + sign * distance)


def _rise(problem: Problem, best: Minimum, index: int, value: float) -> float:
    """Return the increase of χ² with one parameter held at `value` and all others fitted.

    It is given in units of the widening squared.
    """
    change = value - best.theta[index]
    start = best.theta + best.covariance[:, index] / best.covariance[index, index] * change
    start[index] = value
    free = best.free.copy()
    free[index] = False
    profile = minimise(problem, start, free, PROFILE_TOLERANCE)
    return (profile.chi2 - best.chi2) / best.width**2
