"""Parameters of the fit of the rate equations: published units, the fit's and the solver's.

The shared parameters are A, B, C, D, v_g γ, the threshold density and β, in the order of the
solver's `Rates` with the threshold in the place of the gain. They are followed by the logarithms of
the initial densities.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.rate_equations import solver
from analysis.rate_equations.data import Plate
from analysis.rate_equations.solver import Rates

__all__ = [
    "COUPLING",
    "LOSS",
    "MODE",
    "PARAMETERS",
    "SHARED",
    "THRESHOLD",
    "A",
    "B",
    "C",
    "D",
    "Parameter",
    "parameter_derivatives",
    "solver_rates",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Parameter:
    """Shared parameter.

    Attributes
    ----------
    name, unit : str
        Published name and unit.
    bounds : tuple of float
        In `unit`, far beyond all values known of perovskites: a fit that ends at one has no result.
    solver_unit : float
        `unit` in the solver's units (ps, um, cm^-3).
    scale : float, optional
        Value in `unit` of a fitted number of 1. Without it the logarithm of the value is fitted.
    """

    name: str
    unit: str
    bounds: tuple[float, float]
    solver_unit: float = 1.0
    scale: float | None = None

    def published(self, fitted: float) -> float:
        """Return the value in `unit` of a fitted number."""
        return float(np.exp(fitted) if self.scale is None else self.scale * fitted)

    def fitted(self, published: float) -> float:
        """Return the fitted number of a value in `unit`."""
        return float(np.log(published) if self.scale is None else published / self.scale)

    def slope(self, fitted: float) -> float:
        """Return the derivative of the value in `unit` by the fitted number."""
        return self.published(fitted) if self.scale is None else self.scale


PARAMETERS = (
    Parameter("A", "1/s", (-1e10, 1e11), 1e-12, scale=1e8),
    Parameter("B", "cm^3/s", (1e-12, 1e-7), 1e-12),
    Parameter("C", "cm^6/s", (-3e-28, 3e-27), 1e-12, scale=1e-30),
    Parameter("D", "cm^2/s", (0.0, 100.0), 1e-4, scale=1.0),
    Parameter("photon_loss", "1/ps", (0.02, 20.0)),
    Parameter("threshold_density", "cm^-3", (np.nan, np.nan)),  # bounds from the curves' densities
    Parameter("beta", "1", (1e-5, 1.0)),
)
"""Shared parameters in order. A and C may be negative in the fit, so that neither they nor
parameters that are correlated with them are biased by a bound at zero."""

SHARED = len(PARAMETERS)
"""Number of shared parameters."""

A, B, C, D, LOSS, THRESHOLD, COUPLING = range(SHARED)
"""Indices of the shared parameters."""

MODE = (LOSS, THRESHOLD, COUPLING)
"""Parameters that only stimulated emission determines."""


def solver_rates(theta: Floats, plate: Plate) -> tuple[Rates, Floats]:
    """Convert fitted parameters to the solver's constants.

    Parameters
    ----------
    theta : (P,) array
        Parameters of the fit, the shared ones first.
    plate : Plate
        Relates the threshold, a mean over the probe, to the gain, g = γ/<N>.

    Returns
    -------
    rates : Rates
        Constants of the solver.
    jacobian : (8, SHARED) array
        Derivatives of the solver's parameters (constants, then initial scale) by the shared ones.
    """
    shared = list(zip(PARAMETERS, theta[:SHARED], strict=True))
    values = np.array([p.solver_unit * p.published(x) for p, x in shared])
    jacobian = np.eye(SHARED + 1, SHARED) * [p.solver_unit * p.slope(x) for p, x in shared]
    gain = values[LOSS] / (values[THRESHOLD] * plate.mean_density)
    values[THRESHOLD] = gain
    jacobian[THRESHOLD, LOSS], jacobian[THRESHOLD, THRESHOLD] = gain, -gain
    return Rates(*(float(value) for value in values)), jacobian


def parameter_derivatives(
    table: Floats, jacobian: Floats, initial: float, cloud: int, size: int
) -> Floats:
    """Convert derivatives by the solver's parameters to those by the fit's.

    Parameters
    ----------
    table : (P, 9) array
        Values and derivatives from the solver.
    jacobian : (8, SHARED) array
        From `solver_rates`.
    initial : float
        Initial scale of the cloud, cm^-3.
    cloud : int
        Index of the cloud among the initial densities.
    size : int
        Number of parameters of the fit.

    Returns
    -------
    (P, size) array
        Derivatives by the parameters of the fit.
    """
    rows = np.zeros((len(table), size))
    rows[:, :SHARED] = table[:, solver.VALUE + 1 :] @ jacobian
    rows[:, SHARED + cloud] = table[:, solver.BY_INITIAL] * initial
    return rows
