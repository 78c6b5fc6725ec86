"""Parameters of the fit of the rate equations, in published units, the fit's and the solver's.

The shared parameters are A, B, C, D, v_g γ, the threshold and β, in the solver's order with the
threshold in the place of the gain; after them come the logarithms of the initial densities.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.rate_equations import solver
from analysis.rate_equations.data import Plate

__all__ = ["MODE", "PARAMETERS", "SHARED", "THRESHOLD", "Parameter", "derivatives", "rates"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Parameter:
    """A shared parameter.

    Attributes
    ----------
    name, unit : str
        As they are published.
    bounds : tuple of float
        In `unit`, far beyond anything known of perovskites: a fit that ends here has found nothing.
    solver_unit : float
        `unit` in the solver's units, of ps, um and cm⁻³.
    scale : float, optional
        What 1 stands for in the fit, in `unit`. Without it the logarithm is fitted.
    """

    name: str
    unit: str
    bounds: tuple[float, float]
    solver_unit: float = 1.0
    scale: float | None = None

    def published(self, fitted: float) -> float:
        """Value in `unit` of the fit's number."""
        return float(np.exp(fitted) if self.scale is None else self.scale * fitted)

    def fitted(self, published: float) -> float:
        """Return the fit's number for a value in `unit`."""
        return float(np.log(published) if self.scale is None else published / self.scale)

    def slope(self, fitted: float) -> float:
        """By how much the value in `unit` grows when the fit's number grows by 1."""
        return self.published(fitted) if self.scale is None else self.scale


PARAMETERS = (
    Parameter("A", "1/s", (-1e10, 1e11), 1e-12, scale=1e8),
    Parameter("B", "cm3/s", (1e-12, 1e-7), 1e-12),
    Parameter("C", "cm6/s", (-3e-28, 3e-27), 1e-12, scale=1e-30),
    Parameter("D", "cm2/s", (0.0, 100.0), 1e-4, scale=1.0),
    Parameter("photon_loss", "1/ps", (0.02, 20.0)),
    Parameter("threshold_density", "cm-3", (np.nan, np.nan)),  # set by the curves' densities
    Parameter("beta", "", (1e-5, 1.0)),
)
SHARED = len(PARAMETERS)
THRESHOLD = solver.GAIN
MODE = (solver.LOSS, THRESHOLD, solver.COUPLING)
"""What only stimulated emission tells."""


def rates(theta: Floats, plate: Plate) -> tuple[Floats, Floats]:
    """Rates (7,) for the solver, and the derivatives (8, 7) of its parameters by the fit's."""
    shared = list(zip(PARAMETERS, theta[:SHARED], strict=True))
    values = np.array([p.solver_unit * p.published(x) for p, x in shared])
    chain = np.eye(SHARED + 1, SHARED) * [p.solver_unit * p.slope(x) for p, x in shared]
    gain = values[solver.LOSS] / (values[THRESHOLD] * plate.share)
    values[solver.GAIN] = gain
    chain[solver.GAIN, solver.LOSS], chain[solver.GAIN, THRESHOLD] = gain, -gain
    return values, chain


def derivatives(raw: Floats, chain: Floats, initial: float, own: int, size: int) -> Floats:
    """Rows (P, size) by the fit's parameters from those (P, 8) by the solver's.

    `initial` is the density the cloud starts with, `own` its number among the initial densities.
    """
    rows = np.zeros((len(raw), size))
    rows[:, :SHARED] = raw @ chain
    rows[:, SHARED + own] = raw[:, solver.INITIAL] * initial
    return rows
