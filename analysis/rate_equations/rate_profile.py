"""Estimates of single parameters of the rate equations: profile likelihood and limits.

Where the sigmas are widened, χ² counts less by the same factor squared, in intervals and limits
alike: an interval ends where χ² has risen by χ²/dof instead of by 1.
"""

from dataclasses import replace

import numpy as np

from analysis.estimate import ONE_SIDED, Estimate, not_determined
from analysis.rate_equations import solver
from analysis.rate_equations.minimise import Minimum, minimise
from analysis.rate_equations.parameters import PARAMETERS
from analysis.rate_equations.residuals import Problem

__all__ = ["RESOLVED", "estimate"]

RESOLVED = 3.0
"""Sigmas from zero from which on a value stands beside a limit."""

_UNRESOLVED = "not resolved from zero"
_PROFILED = "interval by profile likelihood"


def estimate(problem: Problem, best: Minimum, index: int, profiles: bool) -> Estimate:
    """One shared parameter in published units; with `profiles`, also its interval."""
    parameter, theta, sigma = PARAMETERS[index], best.theta[index], best.sigma[index]
    name, unit, value = parameter.name, parameter.unit, parameter.published(theta)
    reach = 1e-3 * (problem.high[index] - problem.low[index])
    if not problem.low[index] + reach < theta < problem.high[index] - reach:
        return not_determined(unit, f"the fit runs into the bound {name} = {value:.3g} {unit}")
    if parameter.scale is None and sigma >= 0.7:
        return not_determined(unit, f"{name} is uncertain by a factor of {np.exp(sigma):.2g}")
    error = float(sigma * parameter.slope(theta))
    interval = None
    if profiles:
        low, high = (_crossing(problem, best, index, 1.0, sign) for sign in (-1, 1))
        interval = (parameter.published(low), parameter.published(high))
    found = Estimate(value, error, unit, interval=interval, note=_PROFILED if profiles else "")
    if index == solver.C:
        limit = parameter.published(_limit(problem, best, index, profiles))
        if value < RESOLVED * error:
            found = replace(found, note="; ".join(filter(None, (_UNRESOLVED, found.note))))
        return replace(found, upper95=limit)
    return found


def _limit(problem: Problem, best: Minimum, index: int, profiles: bool) -> float:
    """Upper limit of a parameter that cannot be negative, at 95 %: χ² is counted from zero on."""
    rise, theta, sigma = ONE_SIDED**2, best.theta[index], best.sigma[index]
    below = min(theta, 0.0) / sigma
    if not profiles:
        return float(theta + sigma * np.sqrt(rise + below**2))
    if below:
        rise += _rise(problem, best, index, 0.0)
    return _crossing(problem, best, index, rise, 1)


def _crossing(problem: Problem, best: Minimum, index: int, rise: float, sign: int) -> float:
    """Where χ² has risen by `rise`: its root grows nearly linearly, so that two steps do."""
    away = np.sqrt(rise) * best.sigma[index]
    for _ in range(2):
        found = _rise(problem, best, index, best.theta[index] + sign * away)
        away *= float(np.clip(np.sqrt(rise / max(found, 1e-9)), 0.5, 2.0))
    return float(best.theta[index] + sign * away)


def _rise(problem: Problem, best: Minimum, index: int, value: float) -> float:
    """By how much χ² rises when one parameter is held at a value and the others follow.

    In units of the widening squared.
    """
    away = value - best.theta[index]
    start = best.theta + best.covariance[:, index] / best.covariance[index, index] * away
    start[index] = value
    free = best.free.copy()
    free[index] = False
    return (minimise(problem, start, free, 1e-5).chi2 - best.chi2) / best.width**2
