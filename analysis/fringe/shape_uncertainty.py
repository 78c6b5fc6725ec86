"""How much a phase step owes to the shape of its fringe, compiled.

A large effect knows the pump's phase no better than the fringe's shape: the bend of its envelope,
visibility, path and the path's bend. Phase, energy and tilt, the other parameters of a fringe, are
those of every frame, which have their own part in the variance.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import STATIC
from analysis.numerics.jit import compiled
from analysis.numerics.small_linalg import dot, inverse

Floats = NDArray[np.float64]

_SHAPE = 4  # numbers: g2, V, z, r


@compiled
def variance_by_shape(
    p: Floats, covariance: Floats, link: Floats, prior: Floats
) -> tuple[float, float]:
    """Variance of the pump's phase Δ by what its own point leaves open of the fringe's shape.

    Parameters
    ----------
    p : (13,) array
        Parameters of `fringe_solver`.
    covariance : (7, 7) array
        Of the fringe's parameters.
    link : (7,) array
        Covariances of Δ with them.
    prior : (13,) array
        Inverse variances that are in `covariance` already.

    Returns
    -------
    variance, common : float
        rad²; `common` is the part of the priors, which make the same error in all points.
    """
    table = np.zeros((_SHAPE, STATIC))  # derivatives of the shape
    visibility = np.sqrt(p[3] * p[3] + p[4] * p[4])
    table[0, 2] = table[2, 5] = table[3, 6] = 1.0
    table[1, 3], table[1, 4] = p[3] / visibility, p[4] / visibility
    spread, linked, scale = np.zeros((_SHAPE, _SHAPE)), np.zeros(_SHAPE), np.zeros(_SHAPE)
    for a in range(_SHAPE):
        linked[a] = dot(table[a], link)
        for b in range(_SHAPE):
            for i in range(STATIC):
                spread[a, b] += table[a, i] * dot(covariance[i], table[b])
        scale[a] = 1 / np.sqrt(spread[a, a])
    for a in range(_SHAPE):  # to numbers of like size
        linked[a] *= scale[a]
        for b in range(_SHAPE):
            spread[a, b] *= scale[a] * scale[b]
    slope = inverse(spread)
    known = np.zeros(_SHAPE)
    known[0], known[2], known[3] = prior[2], prior[5], prior[6]
    variance = common = 0.0
    for a in range(_SHAPE):
        variance += linked[a] * dot(slope[a], linked)
        common += (linked[a] / scale[a]) ** 2 * known[a]
    return variance, common
