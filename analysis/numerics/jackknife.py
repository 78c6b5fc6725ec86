"""Standard deviations of fitted parameters by the jackknife over groups of data."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["jackknife"]

Floats = NDArray[np.float64]


def jackknife(jacobian: Floats, residuals: Floats) -> Floats:
    """Return the standard deviations (M,) of a least-squares fit's parameters.

    The change of the parameters when one group is left out, to first order. A disturbance of one
    group changes all values of the group together, while the usual covariance takes them for
    independent; and a few groups may determine a parameter.

    Parameters
    ----------
    jacobian : (G, N, M) array
        Derivatives of the residuals of G groups of N values by M parameters.
    residuals : (G, N) array
        Residuals at the solution; zero, with zero derivatives, where a group has fewer values.
    """
    normal = np.einsum("pki,pkj->pij", jacobian, jacobian)
    gradients = np.einsum("pki,pk->pi", jacobian, residuals)
    without = normal.sum(0) - normal
    changes = np.einsum("pij,pj->pi", np.linalg.pinv(without, hermitian=True), gradients)
    count = len(residuals)
    sigmas: Floats = np.sqrt((count - 1) / count * (changes**2).sum(0))
    return sigmas
