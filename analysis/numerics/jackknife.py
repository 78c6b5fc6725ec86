"""Standard deviations of a fit's parameters from how far leaving data out would move them."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["jackknife"]

Floats = NDArray[np.float64]


def jackknife(jacobian: Floats, residuals: Floats) -> Floats:
    """Return the standard deviations (M,) of a least-squares fit's parameters.

    How far the parameters move, to first order, when one group is left out. What disturbs one
    group disturbs all its values, and few groups may stand where the fit is decided.

    Parameters
    ----------
    jacobian : (G, N, M) array
        Derivatives of the residuals of G groups of N values by M parameters.
    residuals : (G, N) array
        Residuals at the solution; zero, with zero derivatives, where a group has fewer values.
    """
    normal = np.einsum("pki,pkj->pij", jacobian, jacobian)
    pulls = np.einsum("pki,pk->pi", jacobian, residuals)
    without = normal.sum(0) - normal
    moves = np.einsum("pij,pj->pi", np.linalg.pinv(without, hermitian=True), pulls)
    count = len(residuals)
    sigmas: Floats = np.sqrt((count - 1) / count * (moves**2).sum(0))
    return sigmas
